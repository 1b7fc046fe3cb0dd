/*
 * What the program has of AddressSanitizer, LeakSanitizer, ThreadSanitizer and valgrind is found
 * out once, before main. Valgrind's requests are sequences of instructions that do nothing outside
 * of it; they come from its headers, which may be missing where Weir is built: then it is told
 * nothing.
 */
#include "base/sanitizer.h"

#include <stdlib.h>
#include <string.h>

#if WEIR_VALGRIND
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_MAKE_MEM_DEFINED(p, n) ((void)(p), (void)(n), 0)
#define VALGRIND_MAKE_MEM_UNDEFINED(p, n) ((void)(p), (void)(n))
#define VALGRIND_STACK_REGISTER(lo, hi) ((void)(lo), (void)(hi))
#endif

bool weir__is_watched, weir__on_valgrind, weir__tells_switches;

__attribute__((constructor)) static void find_out(void)
{
    weir__on_valgrind = RUNNING_ON_VALGRIND != 0;
    /* Memcheck answers; other tools do not know the question, and count what runs without them. */
    bool is_memcheck = VALGRIND_MAKE_MEM_DEFINED(&weir__on_valgrind, sizeof weir__on_valgrind) != 0;
    weir__is_watched = !WEIR__IS_POISONING && (is_memcheck || weir__has_asan() || weir__has_lsan());
    weir__tells_switches = weir__is_sanitized();
}

static bool says_unwind(const char *options)
{
    return options != NULL && strstr(options, "fast_unwind_on_malloc=0") != NULL;
}

bool weir__lsan_sees_fibers(void)
{
    return !weir__has_lsan() || weir__has_asan() || says_unwind(getenv("LSAN_OPTIONS")) ||
           (__lsan_default_options != NULL && says_unwind(__lsan_default_options()));
}

void weir__sanitizer_stack(const char *lo, const char *hi)
{
    if (weir__on_valgrind)
        (void)VALGRIND_STACK_REGISTER(lo, hi - 1);
}

void weir__sanitizer_stack_is_over(const char *lo, const char *hi)
{
    if (weir__on_valgrind)
        (void)VALGRIND_MAKE_MEM_UNDEFINED(lo, hi - lo);
}
