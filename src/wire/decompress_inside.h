/* Between decompress.c and the libraries behind it: a table for each. */
#ifndef WEIR_WIRE_DECOMPRESS_INSIDE_H
#define WEIR_WIRE_DECOMPRESS_INSIDE_H

#include <zlib.h>

#include "wire/coding_heap.h"
#include "wire/decompress.h"

struct weir__decoder_ops {
    int (*begin)(struct weir__decoder *d); /* also after a failed reset; what it took is end's */
    int (*reset)(struct weir__decoder *d);
    /* As weir__decoder_step without is_last: END when the coded data is at its end. */
    int (*step)(struct weir__decoder *d, struct weir__flow *flow);
    /* The input may end here, and nothing is missing. */
    bool (*may_end)(const struct weir__decoder *d);
    void (*end)(struct weir__decoder *d); /* may be called for one that never began */
};

/* NULL where the part is left out. */
extern const struct weir__decoder_ops weir__decoder_zlib, *const weir__decoder_brotli;

struct weir__decoder {
    const struct weir__decoder_ops *ops;
    enum weir__coding coding;
    struct weir__decode_limits limits;
    struct weir__coding_heap heap;
    uint64_t in, out;
    int err;          /* stays */
    bool is_at_end;   /* of the coded data */
    bool has_members; /* gzip: a whole member has been read */

    /* zlib's */
    z_stream z;
    bool is_begun;
    bool is_between;        /* two blocks, and two bytes */
    unsigned char first[2]; /* "deflate": held until it is known what it is */
    unsigned first_len, first_at;

    /* brotli's */
    void *brotli;
};

#endif
