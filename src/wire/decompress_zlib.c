/*
 * gzip, zlib and raw deflate, unpacked by zlib.
 *
 * "deflate" is the zlib format, and some servers send raw deflate under that name (RFC 9110 section
 * 8.4.1.2 says so). The first two bytes tell: a zlib head has the method 8 and is a multiple of 31,
 * and raw deflate that begins with these bits would be a stored block with padding that is not 0,
 * which no encoder writes. So two bytes are held until both are there.
 */
#include "wire/decompress_inside.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/assert.h"

enum { GZIP = 16, AS_RAW = -1 };

/* zlib tells what is wrong with data by a text alone. These are its texts since 1.0. */
static int data_error(const struct weir__decoder *d)
{
    const char *text = d->z.msg != NULL ? d->z.msg : "";
    if (strcmp(text, "incorrect header check") == 0 ||
        strcmp(text, "unknown compression method") == 0)
        return WEIR_CODING_EFORMAT;
    if (strcmp(text, "incorrect data check") == 0 || strcmp(text, "incorrect length check") == 0 ||
        strcmp(text, "header crc mismatch") == 0)
        return WEIR_CODING_ECHECKSUM;
    if (strcmp(text, "invalid window size") == 0)
        return WEIR_CODING_EFORMAT;
    return WEIR_CODING_EDATA;
}

static int begin_as(struct weir__decoder *d, int window_bits)
{
    d->z.zalloc = weir__coding_heap_zlib_take;
    d->z.zfree = weir__coding_heap_give;
    d->z.opaque = &d->heap;
    int rc = d->is_begun ? inflateReset2(&d->z, window_bits) : inflateInit2(&d->z, window_bits);
    if (rc == Z_MEM_ERROR)
        return weir__coding_heap_error(&d->heap);
    WEIR_ASSERT(rc == Z_OK, "W8: zlib is used as its manual says");
    d->is_begun = true;
    return WEIR_OK;
}

static int begin(struct weir__decoder *d)
{
    switch (d->coding) {
    case WEIR_CODING_GZIP:
        return begin_as(d, GZIP + MAX_WBITS);
    case WEIR_CODING_DEFLATE: /* which one, its first bytes say */
        d->first_len = d->first_at = 0;
        return begin_as(d, MAX_WBITS);
    default:
        return begin_as(d, AS_RAW * MAX_WBITS);
    }
}

/* Holds the first two bytes of "deflate"; WEIR_FLOW_IN as long as there are fewer. */
static int look_at_first(struct weir__decoder *d, struct weir__flow *flow)
{
    while (d->first_len < sizeof d->first && flow->in_len > 0) {
        d->first[d->first_len++] = (unsigned char)*flow->in++;
        flow->in_len--;
        if (d->first_len < sizeof d->first)
            continue;
        unsigned head = (unsigned)d->first[0] << 8 | d->first[1];
        bool is_zlib = (d->first[0] & 15) == Z_DEFLATED && head % 31 == 0;
        return is_zlib ? WEIR_OK : begin_as(d, AS_RAW * MAX_WBITS);
    }
    return WEIR_OK;
}

static uInt at_most_uint(size_t n)
{
    return n < UINT_MAX ? (uInt)n : UINT_MAX;
}

/* Gives zlib bytes and room; says how many bytes it took. */
static int inflate_piece(struct weir__decoder *d, weir_str in, struct weir__flow *flow,
                         size_t *taken)
{
    uInt in_n = at_most_uint(in.len), out_n = at_most_uint(flow->out_len);
    char nowhere = 0; /* zlib wants a place even for nothing */
    d->z.next_in = (z_const Bytef *)in.ptr;
    d->z.avail_in = in_n;
    d->z.next_out = (Bytef *)(flow->out != NULL ? flow->out : &nowhere);
    d->z.avail_out = out_n;
    int rc = inflate(&d->z, Z_NO_FLUSH);
    /* It says that a block has just ended (128), and how many bits it holds (the low six). */
    if (rc != Z_BUF_ERROR)
        d->is_between = (d->z.data_type & 128) != 0 && (d->z.data_type & 63) == 0;
    *taken = in_n - d->z.avail_in;
    size_t put = out_n - d->z.avail_out;
    flow->out = put > 0 ? flow->out + put : flow->out;
    flow->out_len -= put;
    return rc;
}

/* What is held goes first. */
static int inflate_next(struct weir__decoder *d, struct weir__flow *flow, size_t *taken)
{
    size_t held = d->first_len - d->first_at;
    if (held > 0) {
        weir_str first = {(const char *)d->first + d->first_at, held};
        int rc = inflate_piece(d, first, flow, taken);
        d->first_at += (unsigned)*taken;
        return rc;
    }
    int rc = inflate_piece(d, (weir_str){flow->in, flow->in_len}, flow, taken);
    flow->in = *taken > 0 ? flow->in + *taken : flow->in;
    flow->in_len -= *taken;
    return rc;
}

/* After a final block of a message more blocks may follow, and refer to what came before. */
static int after_end(struct weir__decoder *d)
{
    if (d->coding != WEIR_CODING_MESSAGE)
        return WEIR_FLOW_END;
    int rc = inflateResetKeep(&d->z);
    WEIR_ASSERT(rc == Z_OK, "W8: zlib is used as its manual says");
    return WEIR_OK;
}

static int result_of(struct weir__decoder *d, int rc)
{
    switch (rc) {
    case Z_OK:
    case Z_BUF_ERROR: /* nothing to do: no input, or no room */
        return WEIR_OK;
    case Z_STREAM_END:
        return after_end(d);
    case Z_NEED_DICT: /* content codings have none */
        return WEIR_CODING_EFORMAT;
    case Z_MEM_ERROR:
        return weir__coding_heap_error(&d->heap);
    default:
        return data_error(d);
    }
}

static int step(struct weir__decoder *d, struct weir__flow *flow)
{
    size_t taken;
    if (d->coding == WEIR_CODING_DEFLATE && d->first_len < sizeof d->first) {
        int rc = look_at_first(d, flow);
        if (rc != WEIR_OK || d->first_len < sizeof d->first)
            return rc != WEIR_OK ? rc : WEIR_FLOW_IN;
    }
    for (;;) {
        int rc = inflate_next(d, flow, &taken);
        int state = result_of(d, rc);
        if (state != WEIR_OK)
            return state;
        bool is_stuck = taken == 0 && rc == Z_BUF_ERROR;
        if (flow->out_len == 0)
            return WEIR_FLOW_OUT;
        if (d->first_at == d->first_len && (flow->in_len == 0 || is_stuck))
            return WEIR_FLOW_IN;
    }
}

static bool may_end(const struct weir__decoder *d)
{
    return d->coding == WEIR_CODING_MESSAGE ? d->is_between : d->is_at_end;
}

static void end(struct weir__decoder *d)
{
    if (d->is_begun)
        inflateEnd(&d->z);
    d->is_begun = false;
}

const struct weir__decoder_ops weir__decoder_zlib = {
    .begin = begin,
    .reset = begin,
    .step = step,
    .may_end = may_end,
    .end = end,
};
