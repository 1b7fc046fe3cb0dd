/*
 * How the public macros are made, so that they take options by name, lists and types alike in C and
 * in C++. Nothing here is for use.
 *
 * In C options are a compound literal. C++ has none whose address could be taken, and its
 * designated initialisers must stand in order: there a call with options is a statement expression
 * in which each option is an assignment, all of it one full expression, so that temporaries live as
 * long as in C. What a type decides is _Generic in C, overloads in C++.
 */
#ifndef WEIR_OPTIONS_H
#define WEIR_OPTIONS_H

#include <stddef.h>
#include <weir/each.h>

#define WEIR__UNPAREN(...) __VA_ARGS__

/* Of a member that the macros' descriptions may leave out: in C++ its default stands here. */
#ifdef __cplusplus
#define WEIR__DEFAULT(...) = __VA_ARGS__
#else
#define WEIR__DEFAULT(...)
#endif

#ifndef __cplusplus

/* WEIR__CALL(fn, (a, b), T, .x = 1, ) is fn(a, b, options of type T with their size and x). */
#define WEIR__CALL(fn, arguments, T, ...)                                                          \
    fn(WEIR__UNPAREN arguments, &(T){.size = sizeof(T), __VA_ARGS__})

/* WEIR__LIST(T, a, b) is two arguments: an array of a and b, and how many they are. */
#define WEIR__LIST(T, ...) (const T[]){__VA_ARGS__}, sizeof((const T[]){__VA_ARGS__}) / sizeof(T)

#else

#define WEIR__CALL(fn, arguments, T, ...)                                                          \
    (__extension__({                                                                               \
        T weir__o = T();                                                                           \
        weir__o.size = sizeof(T);                                                                  \
        WEIR__EACH(WEIR__SET, weir__o, __VA_ARGS__), fn(WEIR__UNPAREN arguments, &weir__o);        \
    }))
#define WEIR__SET(o, option) (void)(o option)

#define WEIR__LIST(T, ...) weir__list<T>({__VA_ARGS__}), sizeof(weir__length<T>({__VA_ARGS__}))

extern "C++" {
template <class T, size_t n> inline const T *weir__list(const T (&items)[n])
{
    return items;
}
template <class T, size_t n> char (&weir__length(const T (&items)[n]))[n];
}

#endif
#endif
