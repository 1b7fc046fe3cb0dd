/*
 * For the tests of the head parser: parses bytes whole, cut in two at every place, and a byte at a
 * time, and insists on one result. Each piece lies in memory of exactly its size, so that a
 * sanitizer sees any read outside it, and moves between calls, so that a kept pointer would show.
 */
#ifndef WEIR_WIRE_HTTP1_TESTING_H
#define WEIR_WIRE_HTTP1_TESTING_H

#include "wire/http1_head.h"
#include <stdlib.h>

static inline int parse_moved(struct weir__http1_head *h, const char *bytes, size_t len,
                              const struct weir__http1_limits *limits)
{
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    int rc = weir__http1_head_parse(h, copy, len, limits);
    free(copy);
    return rc;
}

/* Everything that a head says, but for progress, is the same in both. */
static inline void assert_same_head(const struct weir__http1_head *a,
                                    const struct weir__http1_head *b)
{
    const size_t from = offsetof(struct weir__http1_head, method);
    const size_t to = offsetof(struct weir__http1_head, fields);
    assert_true(a->content_length == b->content_length);
    assert_memory_equal((const char *)a + from, (const char *)b + from, to - from);
    assert_memory_equal(a->fields, b->fields, a->nfields * sizeof a->fields[0]);
}

/* Feeds `len` bytes, stopping first at `cut`, then every `step` bytes, until there is a result. */
static inline int parse_in_pieces(struct weir__http1_head *h, const char *bytes, size_t len,
                                  size_t cut, size_t step, const struct weir__http1_limits *limits)
{
    int rc = 0;
    weir__http1_head_init(h);
    for (size_t have = cut;; have += step) {
        have = have < len ? have : len;
        rc = parse_moved(h, bytes, have, limits);
        if (rc != 0 || have == len)
            return rc;
    }
}

/* Parses `request` in all ways; `h` has the result. */
static inline int parse_all_ways(struct weir__http1_head *h, weir_str request,
                                 const struct weir__http1_limits *limits)
{
    struct weir__http1_head other;
    weir__http1_head_init(h);
    int rc = parse_moved(h, request.ptr, request.len, limits);
    for (size_t cut = 0; cut <= request.len; cut++) {
        size_t step = cut == 0 ? 1 : request.len;
        int again = parse_in_pieces(&other, request.ptr, request.len, cut, step, limits);
        assert_int_equal(again, rc);
        if (rc > 0)
            assert_same_head(&other, h);
    }
    return rc;
}

#endif
