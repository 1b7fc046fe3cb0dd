/*
 * Attributes of public declarations. The compiler knows by them what the comments say: who must
 * look at a result, what may not be NULL, what is a format string.
 */
#ifndef WEIR_API_H
#define WEIR_API_H

/** Marks a function of the library's public interface; all others are hidden. */
#define WEIR_API __attribute__((visibility("default")))

/** The result must be looked at: ignoring it is a compile-time warning. */
#define WEIR_MUST_USE __attribute__((warn_unused_result))

/** None of the pointer arguments may be NULL. */
#define WEIR_NONNULL __attribute__((nonnull))

/** The function takes a printf format at argument `f`, its values from argument `a` on. */
#define WEIR_PRINTF(f, a) __attribute__((format(printf, f, a)))

/** The function does not return. */
#define WEIR_NORETURN __attribute__((noreturn))

/** Branch hints, for the hot path only. */
#define WEIR_LIKELY(x) __builtin_expect(!!(x), 1)
#define WEIR_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
