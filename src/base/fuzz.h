/*
 * What all fuzzers share. A fuzzer is one function, LLVMFuzzerTestOneInput, in a NAME_fuzz.c beside
 * NAME.c: libFuzzer and AFL++ call it with inputs that they make up, tests/fuzz/replay.c with those
 * that are kept. It returns 0, or ends the process where a property does not hold.
 *
 * Inputs are what the code under test reads, as it is: a request, a text. What else a run needs (a
 * place to cut at, a limit) is drawn by dice that the input itself seeds, so the same input always
 * does the same, and the kept files can be read and written by hand.
 */
#ifndef WEIR_BASE_FUZZ_H
#define WEIR_BASE_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/str.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, with a text as by printf, unless the property holds. */
#define FUZZ_CHECK(holds, ...)                                                                     \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "%s:%d: %s does not hold: ", __FILE__, __LINE__, #holds);              \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Memory of exactly `n` bytes, so that a sanitizer sees a byte read past it. The caller frees. */
static inline char *fuzz_alloc(size_t n)
{
    char *p = malloc(n > 0 ? n : 1);
    FUZZ_CHECK(p != NULL, "no memory for %zu bytes", n);
    return p;
}

static inline char *fuzz_copy(const void *bytes, size_t n)
{
    char *p = fuzz_alloc(n);
    if (n > 0)
        memcpy(p, bytes, n);
    return p;
}

/* ---- dice ---- */

struct fuzz_dice {
    uint64_t state;
};

static inline struct fuzz_dice fuzz_dice_of(const uint8_t *data, size_t size)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ data[i]) * 1099511628211u;
    return (struct fuzz_dice){h};
}

/* 0 to n - 1; n is above 0. */
static inline size_t fuzz_below(struct fuzz_dice *d, size_t n)
{
    d->state += 0x9e3779b97f4a7c15u;
    uint64_t z = d->state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (size_t)((z ^ z >> 31) % n);
}

/* ---- inputs of several parts ---- */

/* What is left of an input. Past its end there are zeroes and empty lines. */
struct fuzz_input {
    const uint8_t *at, *end;
};

static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static inline uint64_t fuzz_u64(struct fuzz_input *in)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | fuzz_byte(in);
    return v;
}

/* The bytes up to `stop`, which is skipped, or up to the end. */
static inline weir_str fuzz_until(struct fuzz_input *in, int stop)
{
    size_t left = (size_t)(in->end - in->at);
    const uint8_t *to = left > 0 ? memchr(in->at, stop, left) : NULL;
    weir_str s = {(const char *)in->at, (size_t)((to != NULL ? to : in->end) - in->at)};
    in->at = to != NULL ? to + 1 : in->end;
    return s;
}

#endif
