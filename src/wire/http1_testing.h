/*
 * For the tests of the head parser: parses bytes whole, cut in two at every place, and a byte at a
 * time, and insists on one result.
 */
#ifndef WEIR_WIRE_HTTP1_TESTING_H
#define WEIR_WIRE_HTTP1_TESTING_H

#include "wire/http1_pieces.h"

/* Parses `request` in all ways; `h` has the result. */
static inline int parse_all_ways(struct weir__http_head *h, weir_str request,
                                 const struct weir__http_limits *limits)
{
    struct weir__http_head other;
    weir__http_head_init(h);
    int rc = parse_moved(h, request.ptr, request.len, limits);
    for (size_t cut = 0; cut <= request.len; cut++) {
        size_t step = cut == 0 ? 1 : request.len;
        int again = parse_in_pieces(&other, request.ptr, request.len, cut, step, limits);
        assert_int_equal(again, rc);
        if (rc > 0)
            assert_true(is_same_head(&other, h));
    }
    return rc;
}

#endif
