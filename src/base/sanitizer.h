/*
 * What the sanitizers must be told: which bytes nobody may touch, that a stack was left for
 * another, what one thread hands to another. The library that users link is compiled without them,
 * and their programs with: so nothing here depends on how this file is compiled. The functions are
 * weak, those of a sanitizer that the program has not got are NULL, and to ask is one comparison
 * with memory.
 */
#ifndef WEIR_BASE_SANITIZER_H
#define WEIR_BASE_SANITIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <weir/api.h>

/* This very code is compiled with one: for tests, and for code that a sanitizer would object to. */
#if defined(__SANITIZE_ADDRESS__)
#define WEIR__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR__ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WEIR__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEIR__TSAN 1
#endif
#endif

#define WEIR__WEAK __attribute__((weak))

void __asan_poison_memory_region(const volatile void *p, size_t n) WEIR__WEAK;
void __asan_unpoison_memory_region(const volatile void *p, size_t n) WEIR__WEAK;
void __asan_handle_no_return(void) WEIR__WEAK;
void *__asan_get_current_fake_stack(void) WEIR__WEAK;
void *__asan_addr_is_in_fake_stack(void *fake, void *p, void **lo, void **hi) WEIR__WEAK;
size_t __asan_stack_malloc_0(size_t size) WEIR__WEAK;
void __asan_stack_free_0(size_t frame, size_t size) WEIR__WEAK;
void __sanitizer_start_switch_fiber(void **save, const void *stack, size_t size) WEIR__WEAK;
void __sanitizer_finish_switch_fiber(void *saved, const void **stack, size_t *size) WEIR__WEAK;
int __lsan_do_recoverable_leak_check(void) WEIR__WEAK;
const char *__lsan_default_options(void) WEIR__WEAK;
void *__tsan_get_current_fiber(void) WEIR__WEAK;
void *__tsan_create_fiber(unsigned flags) WEIR__WEAK;
void __tsan_destroy_fiber(void *fiber) WEIR__WEAK;
void __tsan_switch_to_fiber(void *fiber, unsigned flags) WEIR__WEAK;
void __tsan_acquire(void *p) WEIR__WEAK;
void __tsan_release(void *p) WEIR__WEAK;

static inline bool weir__has_asan(void)
{
    return WEIR_UNLIKELY(__asan_poison_memory_region != NULL);
}

static inline bool weir__has_tsan(void)
{
    return WEIR_UNLIKELY(__tsan_switch_to_fiber != NULL);
}

/* LeakSanitizer, by itself or within AddressSanitizer. */
static inline bool weir__has_lsan(void)
{
    return WEIR_UNLIKELY(__lsan_do_recoverable_leak_check != NULL);
}

/*
 * LeakSanitizer by itself (-fsanitize=leak) follows frame pointers within a thread's own stack, and
 * takes what was allocated elsewhere, as on a fiber's, for reachable, so that it finds nothing. It
 * can be told to unwind, and cannot be by us: false when nobody has.
 */
bool weir__lsan_sees_fibers(void);

/* They look at stacks and signals themselves, byte for byte. */
static inline bool weir__is_sanitized(void)
{
    return weir__has_asan() || weir__has_tsan();
}

/*
 * The program's AddressSanitizer, LeakSanitizer or memcheck watches the memory: nothing is kept for
 * the next use, and each piece is a block of the heap's own. Not in code that is itself
 * instrumented, which keeps what it would without, and poisons it.
 */
extern bool weir__is_watched;
/* It is valgrind. */
extern bool weir__on_valgrind;
/* Somebody wants to know when a stack is left for another. */
extern bool weir__tells_switches;

#ifdef WEIR__ASAN
enum { WEIR__IS_POISONING = 1 };
#else
enum { WEIR__IS_POISONING = 0 };
#endif

/* Nobody may touch these bytes. */
static inline void weir__poison(const volatile void *p, size_t n)
{
    if (WEIR__IS_POISONING)
        __asan_poison_memory_region(p, n);
}

/* They may be touched again. */
static inline void weir__unpoison(const volatile void *p, size_t n)
{
    if (WEIR__IS_POISONING)
        __asan_unpoison_memory_region(p, n);
}

/* For valgrind: these bytes are a stack; what is in them is of no account. */
void weir__sanitizer_stack(const char *lo, const char *hi);
void weir__sanitizer_stack_is_over(const char *lo, const char *hi) __attribute__((cold));

/* What happened before weir__hands_over(p) has happened for who calls weir__takes_over(p) after. */
static inline void weir__hands_over(const volatile void *p)
{
    if (weir__has_tsan())
        __tsan_release((void *)(size_t)p);
}

static inline void weir__takes_over(const volatile void *p)
{
    if (weir__has_tsan())
        __tsan_acquire((void *)(size_t)p);
}

#endif
