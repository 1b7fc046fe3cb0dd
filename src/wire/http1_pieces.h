/*
 * For tests and fuzzers of the head parser: feeds bytes in pieces. Each piece lies in memory of
 * exactly its size, so that a sanitizer sees any read outside it, and moves between calls, so that
 * a kept pointer would show.
 */
#ifndef WEIR_WIRE_HTTP1_PIECES_H
#define WEIR_WIRE_HTTP1_PIECES_H

#include <stdlib.h>

#include "wire/http1_head.h"

static inline int parse_moved(struct weir__http_head *h, const char *bytes, size_t len,
                              const struct weir__http_limits *limits)
{
    char *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, bytes, len);
    int rc = weir__http1_head_parse(h, copy, len, limits);
    free(copy);
    return rc;
}

/* True when everything that a head says, but for progress, is the same in both. */
static inline bool is_same_head(const struct weir__http_head *a, const struct weir__http_head *b)
{
    const size_t from = offsetof(struct weir__http_head, method);
    const size_t to = offsetof(struct weir__http_head, fields);
    return a->content_length == b->content_length &&
           memcmp((const char *)a + from, (const char *)b + from, to - from) == 0 &&
           memcmp(a->fields, b->fields, a->nfields * sizeof a->fields[0]) == 0;
}

/* Feeds `len` bytes, stopping first at `cut`, then every `step` bytes, until there is a result. */
static inline int parse_in_pieces(struct weir__http_head *h, const char *bytes, size_t len,
                                  size_t cut, size_t step, const struct weir__http_limits *limits)
{
    int rc = 0;
    weir__http_head_init(h);
    for (size_t have = cut;; have += step) {
        have = have < len ? have : len;
        rc = parse_moved(h, bytes, have, limits);
        if (rc != 0 || have == len)
            return rc;
    }
}

#endif
