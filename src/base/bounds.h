/*
 * Bounds of the numbers in an options struct. What is not given gets its default; each that is not
 * allowed becomes a line of the mistakes, so that all are told at once:
 * "pool orders: max_open is 20000; allowed: 1 to 10000; pool orders: …".
 */
#ifndef WEIR_BASE_BOUNDS_H
#define WEIR_BASE_BOUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/buf.h>
#include <weir/time.h>

/* Whose options they are, and where mistakes go. */
struct weir__bounds {
    const char *kind, *name; /* "pool", "orders" */
    weir_buf *out;
    bool is_bad; /* a line was begun */
};

/* Begins a line, for what is wrong otherwise. */
void weir__bounds_line(struct weir__bounds *b);

/* Zero becomes `fallback`; what is outside of `min` to `max` stays, and is told. */
void weir__bounds_count(struct weir__bounds *b, const char *what, uint32_t *value,
                        uint32_t fallback, uint32_t min, uint32_t max);
void weir__bounds_large(struct weir__bounds *b, const char *what, uint64_t *value,
                        uint64_t fallback, uint64_t min, uint64_t max);

/*
 * The same of a time, in nanoseconds; told in the largest units that say it exactly. With a
 * fallback of 0, which is not allowed, it must be given.
 */
void weir__bounds_dur(struct weir__bounds *b, const char *what, weir_dur *value, int64_t fallback,
                      int64_t min, int64_t max);

#endif
