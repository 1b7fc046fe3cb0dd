/*
 * Telling AddressSanitizer which bytes nobody may touch: free tails of chunks, cached objects.
 * Without the sanitizer all of it is nothing.
 */
#ifndef WEIR_BASE_ASAN_H
#define WEIR_BASE_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define WEIR_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR_HAS_ASAN 1
#endif
#endif
#ifndef WEIR_HAS_ASAN
#define WEIR_HAS_ASAN 0
#endif

#if WEIR_HAS_ASAN
#include <sanitizer/asan_interface.h>
#define WEIR_ASAN_POISON(p, n) __asan_poison_memory_region((const void *)(p), (n))
#define WEIR_ASAN_UNPOISON(p, n) __asan_unpoison_memory_region((const void *)(p), (n))
#else
#define WEIR_ASAN_POISON(p, n) ((void)(p), (void)(n))
#define WEIR_ASAN_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#endif
