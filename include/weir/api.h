/*
 * Attributes of public declarations. The compiler knows by them what the comments say: who must
 * look at a result, what may not be NULL, what is a format string, what ends a handle.
 *
 * What a compiler does not know is empty for it. What binds callers (WEIR_NONNULL, WEIR_ENDED_BY)
 * is empty inside of the library as well, which is compiled with WEIR_INSIDE: there a NULL or a
 * dead handle is looked for, and no check may be left out because a caller has promised something.
 */
#ifndef WEIR_API_H
#define WEIR_API_H

#include <weir/options.h>

/** Marks a function of the library's public interface; all others are hidden. */
#define WEIR_API __attribute__((visibility("default")))

/** The result must be looked at: ignoring it is a compile-time warning. */
#define WEIR_MUST_USE __attribute__((warn_unused_result))

/** The function takes a printf format at argument `f`, its values from argument `a` on. */
#define WEIR_PRINTF(f, a) __attribute__((format(printf, f, a)))

/** The function does not return. */
#define WEIR_NORETURN __attribute__((noreturn))

/** The result is never NULL. */
#define WEIR_NEVER_NULL __attribute__((returns_nonnull))

/** These arguments, counted from 1, may not be NULL. */
#ifdef WEIR_INSIDE
#define WEIR_NONNULL(...)
#else
#define WEIR_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#endif

/**
 * The result is memory of as many bytes as argument `n` says, to which nothing else points.
 */
#define WEIR_ALLOCATES(n) __attribute__((malloc, alloc_size(n)))

/**
 * The result is to be given to `fn`, which makes it a dead handle: what was never given to it is
 * a leak, and any use of it afterwards a mistake. For gcc, which sees the one with -fanalyzer and
 * the other with -Wall.
 */
#if defined(__GNUC__) && __GNUC__ >= 11 && !defined(__clang__) && !defined(WEIR_INSIDE)
#define WEIR_ENDED_BY(fn) __attribute__((malloc, malloc(fn, 1)))
#else
#define WEIR_ENDED_BY(fn)
#endif

/**
 * What the function does with the memory that an argument points to: read_only, read_write or
 * write_only; then the argument; then, where there is one, the argument that says how many bytes.
 * What is read must have been made before, and what is written must have room.
 */
#if __has_attribute(access)
#define WEIR_ACCESS(...) __attribute__((access(__VA_ARGS__)))
#else
#define WEIR_ACCESS(...)
#endif

/** Branch hints, for the hot path only. */
#define WEIR_LIKELY(x) __builtin_expect(!!(x), 1)
#define WEIR_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
