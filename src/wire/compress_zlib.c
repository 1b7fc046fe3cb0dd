/* gzip, zlib and raw deflate, packed by zlib. */
#include "wire/compress_inside.h"

#include <limits.h>

#include "base/assert.h"

enum { GZIP = 16, AS_RAW = -1, MEM_LEVEL = 8 };

static int begin(struct weir__encoder *e)
{
    int bits = e->options.window_bits;
    if (e->coding == WEIR_CODING_GZIP)
        bits += GZIP;
    else if (e->coding != WEIR_CODING_DEFLATE)
        bits *= AS_RAW;
    e->z.zalloc = weir__coding_heap_zlib_take;
    e->z.zfree = weir__coding_heap_give;
    e->z.opaque = &e->heap;
    int rc = deflateInit2(&e->z, e->options.level, Z_DEFLATED, bits, MEM_LEVEL, Z_DEFAULT_STRATEGY);
    if (rc == Z_MEM_ERROR)
        return weir__coding_heap_error(&e->heap);
    WEIR_ASSERT(rc == Z_OK, "W8: zlib is used as its manual says");
    e->is_begun = true;
    return WEIR_OK;
}

static int reset(struct weir__encoder *e)
{
    int rc = deflateReset(&e->z);
    WEIR_ASSERT(rc == Z_OK, "W8: zlib is used as its manual says");
    return WEIR_OK;
}

static uInt at_most_uint(size_t n)
{
    return n < UINT_MAX ? (uInt)n : UINT_MAX;
}

static int step(struct weir__encoder *e, struct weir__flow *flow, enum weir__encode_flush flush)
{
    static const int flushes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
    while (flow->out_len > 0) {
        uInt in_n = at_most_uint(flow->in_len), out_n = at_most_uint(flow->out_len);
        bool is_rest = in_n == flow->in_len;
        e->z.next_in = (z_const Bytef *)flow->in;
        e->z.avail_in = in_n;
        e->z.next_out = (Bytef *)flow->out;
        e->z.avail_out = out_n;
        int rc = deflate(&e->z, is_rest ? flushes[flush] : Z_NO_FLUSH);
        WEIR_ASSERT(rc != Z_STREAM_ERROR, "W8: zlib is used as its manual says");
        if (in_n > e->z.avail_in)
            flow->in += in_n - e->z.avail_in;
        flow->in_len -= in_n - e->z.avail_in;
        flow->out += out_n - e->z.avail_out;
        flow->out_len -= out_n - e->z.avail_out;
        if (rc == Z_STREAM_END)
            return WEIR_FLOW_END;
        /* Room is left, so nothing waits inside: zlib has done what it was asked for. */
        if (flow->in_len == 0 && flow->out_len > 0)
            return WEIR_FLOW_IN;
    }
    return WEIR_FLOW_OUT;
}

static void end(struct weir__encoder *e)
{
    if (e->is_begun)
        deflateEnd(&e->z);
    e->is_begun = false;
}

const struct weir__encoder_ops weir__encoder_zlib = {
    .level = 6,
    .level_max = 9,
    .window = MAX_WBITS,
    .window_min = 9, /* 8 is not what zlib packs with, whatever it is told */
    .window_max = MAX_WBITS,
    .begin = begin,
    .reset = reset,
    .step = step,
    .end = end,
};
