/* For tests of what packs and unpacks: texts, and whole runs in pieces of a size. */
#ifndef WEIR_WIRE_COMPRESS_TESTING_H
#define WEIR_WIRE_COMPRESS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "wire/compress.h"
#include "wire/decompress.h"

/* The codings that this build packs. */
static const enum weir__coding all_codings[] = {
    WEIR_CODING_GZIP,
    WEIR_CODING_DEFLATE,
    WEIR_CODING_RAW,
#if WEIR_BROTLI
    WEIR_CODING_BROTLI,
#endif
};
enum { ALL_CODINGS = sizeof all_codings / sizeof all_codings[0] };

/* A text that packs as texts do: words of a few, in an order that repeats late. */
static inline weir_str some_text(size_t n)
{
    static const char *const words[] = {"river ", "weir ", "sluice ", "gate ", "{\"id\":", "42},"};
    char *p = malloc(n + 16);
    uint32_t dice = 1;
    assert_non_null(p);
    for (size_t at = 0; at < n;) {
        dice = dice * 1664525 + 1013904223;
        const char *word = words[(dice >> 16) % 6];
        size_t len = strlen(word);
        memcpy(p + at, word, len);
        at += len;
    }
    return (weir_str){p, n};
}

/* Bytes that do not pack. */
static inline weir_str some_noise(size_t n)
{
    char *p = malloc(n > 0 ? n : 1);
    uint32_t dice = 7;
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) {
        dice = dice * 1664525 + 1013904223;
        p[i] = (char)(dice >> 24);
    }
    return (weir_str){p, n};
}

enum { RESULT_MAX = 4 << 20 };

struct result {
    char *ptr;
    size_t len;
    int err;
};

static inline weir_str str_of(const struct result *r)
{
    return (weir_str){r->ptr, r->len};
}

/* The next `n` bytes of `rest`, in memory of exactly that size, which the caller frees. */
static inline char *exact_piece(weir_str *rest, size_t n)
{
    char *p = malloc(n > 0 ? n : 1);
    assert_non_null(p);
    memcpy(p, rest->ptr, n);
    *rest = (weir_str){rest->ptr + n, rest->len - n};
    return p;
}

typedef int step_fn(void *codec, struct weir__flow *flow, bool is_last);

/* Everything through `step`, `in_n` bytes and room for `out_n` at a time. */
static inline struct result run_in_pieces(step_fn *step, void *codec, weir_str in, size_t in_n,
                                          size_t out_n)
{
    struct result r = {malloc(RESULT_MAX), 0, 0};
    int state = WEIR_FLOW_IN;
    assert_non_null(r.ptr);
    while (state == WEIR_FLOW_IN) {
        size_t n = in.len < in_n ? in.len : in_n;
        bool is_last = n == in.len;
        char *piece = exact_piece(&in, n);
        struct weir__flow f = {.in = piece, .in_len = n};
        do {
            size_t room = RESULT_MAX - r.len < out_n ? RESULT_MAX - r.len : out_n;
            char *out = malloc(room > 0 ? room : 1);
            assert_non_null(out);
            f.out = out;
            f.out_len = room;
            state = step(codec, &f, is_last);
            memcpy(r.ptr + r.len, out, room - f.out_len);
            r.len += room - f.out_len;
            free(out);
        } while (state == WEIR_FLOW_OUT);
        if (state == WEIR_FLOW_IN)
            assert_int_equal(f.in_len, 0);
        free(piece);
        assert_true(state < 0 || is_last == (state == WEIR_FLOW_END));
    }
    r.err = state < 0 ? state : 0;
    return r;
}

static inline int decode_step(void *codec, struct weir__flow *flow, bool is_last)
{
    return weir__decoder_step(codec, flow, is_last);
}

static inline int encode_step(void *codec, struct weir__flow *flow, bool is_last)
{
    return weir__encoder_step(codec, flow, is_last ? WEIR_ENCODE_END : WEIR_ENCODE_ON);
}

static inline struct result unpack(enum weir__coding coding,
                                   const struct weir__decode_limits *limits, weir_str in,
                                   size_t in_n, size_t out_n)
{
    struct weir__decoder *d;
    assert_int_equal(weir__decoder_new(coding, limits, &d), 0);
    struct result r = run_in_pieces(decode_step, d, in, in_n, out_n);
    weir__decoder_free(d);
    return r;
}

static inline struct result pack(enum weir__coding coding, weir_str in)
{
    struct weir__encoder *e;
    assert_int_equal(weir__encoder_new(coding, NULL, &e), 0);
    struct result r = run_in_pieces(encode_step, e, in, 4096, 4096);
    weir__encoder_free(e);
    assert_int_equal(r.err, 0);
    return r;
}

static inline void assert_result(struct result r, weir_str expected)
{
    assert_int_equal(r.err, 0);
    assert_int_equal(r.len, expected.len);
    assert_memory_equal(r.ptr, expected.ptr, expected.len);
    free(r.ptr);
}

#endif
