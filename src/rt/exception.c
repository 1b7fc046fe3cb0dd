/*
 * What is known of a foreign exception, and its end. Weir is C and links no C++ library; where the
 * program has one its functions are found as weak symbols, and where not, there are no exceptions.
 *
 * The one hard thing is what(): to know that an exception is a std::exception takes the compiler's
 * `catch`. The ABI of C++ (https://itanium-cxx-abi.github.io/cxx-abi/abi-eh.html) says where an
 * exception's type stands before its header, and that is asked in the same words as the compiler's
 * code asks it: by the fifth virtual function of std::type_info, which libstdc++ and libc++abi
 * share.
 */
#include "rt/exception.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "rt/panic.h"

#define SHARED __attribute__((weak, visibility("default")))

struct type_info { /* of both libraries */
    void (*const *functions)(void);
    const char *name;
};

extern SHARED const struct type_info std_exception __asm__("_ZTISt9exception");
extern SHARED char *__cxa_demangle(const char *name, char *out, size_t *length, int *status);
extern SHARED struct weir__cxx *__cxa_get_globals(void);
extern SHARED void *__cxa_begin_catch(void *ex);
extern SHARED void __cxa_end_catch(void);
extern SHARED void __cxa_throw(void *object, void *type, void (*destroy)(void *));
extern SHARED void __cxa_rethrow(void);

#define HEADER_BYTES 80 /* of what precedes _Unwind_Exception, from the type on */
#define THROWERS_MAX 8  /* frames of libraries between who throws and the search */

typedef bool (*can_catch)(const struct type_info *wanted, const struct type_info *thrown,
                          void **object, unsigned outer);
typedef const char *(*what_of)(const void *object);

struct weir__cxx *weir__exception_state(void)
{
    return __cxa_get_globals != NULL ? __cxa_get_globals() : NULL;
}

/* "GNUCC++\0" and "CLNGC++\0"; the last byte is 1 where the exception is another's copy. */
static bool is_cxx(_Unwind_Exception_Class class)
{
    return (class >> 8 & 0xffffff) == 0x432b2b; /* "C++" */
}

static const struct type_info *type_of(_Unwind_Exception_Class class, struct _Unwind_Exception *ex,
                                       void **object)
{
    WEIR_ASSERT(is_cxx(class), "P4: only an exception of C++ has its header");
    char *header = (char *)ex - HEADER_BYTES;
    *object = ex + 1;
    if ((class & 0xff) != 0) {
        memcpy(object, header, sizeof *object); /* the exception that it stands for */
        header = (char *)*object - sizeof *ex - HEADER_BYTES;
    }
    return *(const struct type_info *const *)(const void *)header;
}

/* NULL: it is no std::exception. */
static const char *what(const struct type_info *thrown, void *object)
{
    if (&std_exception == NULL)
        return NULL;
    can_catch catches = (can_catch)std_exception.functions[4];
    if (!catches(&std_exception, thrown, &object, 1))
        return NULL;
    void (*const *functions)(void);
    memcpy(&functions, object, sizeof functions);
    return ((what_of)functions[2])(object);
}

void weir__exception_describe(_Unwind_Exception_Class class, struct _Unwind_Exception *ex,
                              char *text, size_t size)
{
    void *object;
    int status = -1;
    if (!is_cxx(class)) {
        snprintf(text, size, "uncaught exception of another language");
        return;
    }
    const struct type_info *type = type_of(class, ex, &object);
    const char *mangled = type->name + (type->name[0] == '*');
    char *name = __cxa_demangle != NULL ? __cxa_demangle(mangled, NULL, NULL, &status) : NULL;
    const char *message = what(type, object);
    snprintf(text, size, "uncaught exception %s%s%s", name != NULL ? name : mangled,
             message != NULL ? ": " : "", message != NULL ? message : "");
    free(name); /* the C++ library's */
}

/* --- where -------------------------------------------------------------------------------- */

struct walk {
    void **pcs;
    size_t depth, max;
};

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *arg)
{
    struct walk *w = arg;
    void *pc = (void *)_Unwind_GetIP(context);
    if (w->depth == w->max || pc == NULL)
        return _URC_END_OF_STACK;
    WEIR_ASSERT(w->depth < w->max, "P5: a stack has the frames that there is room for");
    w->pcs[w->depth++] = pc;
    return _URC_NO_REASON;
}

static bool is_thrower(void *pc)
{
    uintptr_t at = (uintptr_t)_Unwind_FindEnclosingFunction(pc);
    return at != 0 &&
           (at == (uintptr_t)__cxa_throw || at == (uintptr_t)__cxa_rethrow ||
            at == (uintptr_t)_Unwind_RaiseException || at == (uintptr_t)_Unwind_Resume_or_Rethrow);
}

size_t weir__exception_stack(void **pcs, size_t max)
{
    void *all[32];
    struct walk w = {all, 0, sizeof all / sizeof all[0]};
    size_t from = 0;
    _Unwind_Backtrace(note_frame, &w);
    for (size_t i = 0; i < w.depth && i < THROWERS_MAX; i++)
        from = is_thrower(all[i]) ? i + 1 : from;
    WEIR_ASSERT(from <= w.depth, "P5: who throws is one of the frames");
    size_t n = w.depth - from < max ? w.depth - from : max;
    memcpy(pcs, all + from, n * sizeof all[0]);
    return n;
}

void weir__exception_end(struct _Unwind_Exception *ex)
{
    if (__cxa_begin_catch == NULL || __cxa_end_catch == NULL || !is_cxx(ex->exception_class)) {
        _Unwind_DeleteException(ex);
        return;
    }
    WEIR_ASSERT(ex != NULL && weir__exception_state() != NULL,
                "F3: who catches has a thread that keeps exceptions");
    (void)__cxa_begin_catch(ex);
    __cxa_end_catch();
}
