/* Between compress.c and the libraries behind it: a table for each. */
#ifndef WEIR_WIRE_COMPRESS_INSIDE_H
#define WEIR_WIRE_COMPRESS_INSIDE_H

#include <zlib.h>

#include "wire/coding_heap.h"
#include "wire/compress.h"

struct weir__encoder_ops {
    int level, level_max; /* the default, and the most */
    int window, window_min, window_max;
    int (*begin)(struct weir__encoder *e);
    int (*reset)(struct weir__encoder *e);
    int (*step)(struct weir__encoder *e, struct weir__flow *flow, enum weir__encode_flush flush);
    void (*end)(struct weir__encoder *e); /* may be called for one that never began */
};

/* NULL where the part is left out. */
extern const struct weir__encoder_ops weir__encoder_zlib, *const weir__encoder_brotli;

struct weir__encoder {
    const struct weir__encoder_ops *ops;
    enum weir__coding coding;
    struct weir__encode_options options;
    struct weir__coding_heap heap;
    int err;      /* stays */
    bool is_over; /* the end is out */
    z_stream z;
    bool is_begun;
    void *brotli;
};

#endif
