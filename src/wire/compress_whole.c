/*
 * Whole pieces, by libdeflate where it can.
 *
 * libdeflate's memory passes no door of ours: its hook is the process', and may be set only while
 * no packer of anybody's exists, which a library cannot know (as with libcrypto,
 * docs/design/crypto.md). What it takes is one piece, when a packer or unpacker is made; that one
 * is counted as an allocation that may be planned to fail.
 *
 * When it unpacks, libdeflate has to be given all the room, and says "bad data" to whatever is
 * wrong. So it is tried with as much room as gzip's trailer or four times the input says, then with
 * twice as much, within the limits; and what it does not like is given to the decoder in pieces,
 * whose errors are the ones that are reported. That costs time only where the answer is an error.
 * Raw deflate goes that way at once: libdeflate reads codes that RFC 1951 reserves as if they were
 * others, and only a checksum tells. So does gzip with a checksum of its head, which libdeflate
 * passes over (RFC 1952 section 2.3.1: FHCRC).
 */
#include "wire/compress_whole.h"

#include <errno.h>
#include <libdeflate.h>
#include <string.h>

#include "base/alloc.h"
#include "wire/compress.h"

/* ---- packing ---- */

struct weir__packer {
    enum weir__coding coding;
    struct libdeflate_compressor *deflate;
    struct weir__encoder *stream; /* br */
};

enum { LEVEL = 6, LEVEL_MAX = 12, GUESS = 4, ROOM_MIN = 512, TRAILER = 4 };

static int new_deflate(struct weir__packer *p, int level)
{
    if (level < 0 || level > LEVEL_MAX)
        return WEIR_EINVALID;
    if (!weir__alloc_pretend())
        p->deflate = libdeflate_alloc_compressor(level == 0 ? LEVEL : level);
    return p->deflate != NULL ? WEIR_OK : -ENOMEM;
}

int weir__packer_new(enum weir__coding coding, int level, struct weir__packer **out)
{
    *out = NULL;
    if (coding == WEIR_CODING_IDENTITY)
        return WEIR_EINVALID;
    struct weir__packer *p = weir__calloc(1, sizeof *p);
    if (p == NULL)
        return -ENOMEM;
    struct weir__encode_options options = {.level = level};
    p->coding = coding;
    int rc = coding == WEIR_CODING_BROTLI ? weir__encoder_new(coding, &options, &p->stream)
                                          : new_deflate(p, level);
    if (rc != WEIR_OK) {
        weir__packer_free(p);
        return rc;
    }
    *out = p;
    return WEIR_OK;
}

void weir__packer_free(struct weir__packer *p)
{
    if (p == NULL)
        return;
    libdeflate_free_compressor(p->deflate);
    weir__encoder_free(p->stream);
    weir__free(p);
}

/* What a call has left behind in `b` goes, and its error is the call's. */
static int undo(weir_buf *b, size_t len, int err)
{
    b->len = len;
    b->err = WEIR_OK;
    return err;
}

static int pack_stream(struct weir__packer *p, weir_str in, weir_buf *out)
{
    size_t before = out->len;
    struct weir__flow f = {.in = in.ptr, .in_len = in.len};
    int state = weir__encoder_reset(p->stream);
    while (state >= 0 && state != WEIR_FLOW_END) {
        size_t left = out->bytes_max - out->len, room = f.in_len / GUESS + ROOM_MIN;
        if (room > left)
            room = left;
        f.out = weir_buf_reserve(out, room);
        if (room == 0 || f.out == NULL)
            return undo(out, before, room == 0 ? WEIR_ETOOLARGE : out->err);
        f.out_len = room;
        state = weir__encoder_step(p->stream, &f, WEIR_ENCODE_END);
        out->len += room - f.out_len;
    }
    return state < 0 ? undo(out, before, state) : WEIR_OK;
}

typedef size_t pack_fn(struct libdeflate_compressor *c, const void *in, size_t in_len, void *out,
                       size_t out_len);
typedef size_t bound_fn(struct libdeflate_compressor *c, size_t in_len);

int weir__packer_pack(struct weir__packer *p, weir_str in, weir_buf *out)
{
    static pack_fn *const packs[WEIR_CODING_COUNT] = {
        [WEIR_CODING_GZIP] = libdeflate_gzip_compress,
        [WEIR_CODING_DEFLATE] = libdeflate_zlib_compress,
        [WEIR_CODING_RAW] = libdeflate_deflate_compress,
        [WEIR_CODING_MESSAGE] = libdeflate_deflate_compress,
    };
    static bound_fn *const bounds[WEIR_CODING_COUNT] = {
        [WEIR_CODING_GZIP] = libdeflate_gzip_compress_bound,
        [WEIR_CODING_DEFLATE] = libdeflate_zlib_compress_bound,
        [WEIR_CODING_RAW] = libdeflate_deflate_compress_bound,
        [WEIR_CODING_MESSAGE] = libdeflate_deflate_compress_bound,
    };
    if (p->coding == WEIR_CODING_BROTLI)
        return pack_stream(p, in, out);
    size_t before = out->len, room = bounds[p->coding](p->deflate, in.len);
    size_t left = out->bytes_max - out->len;
    if (room > left) /* the bound is the worst case: what comes may fit */
        room = left;
    char *to = weir_buf_reserve(out, room);
    if (to == NULL)
        return undo(out, before, out->err);
    size_t n = packs[p->coding](p->deflate, in.ptr != NULL ? in.ptr : "", in.len, to, room);
    if (n == 0)
        return undo(out, before, WEIR_ETOOLARGE);
    out->len += n;
    if (p->coding == WEIR_CODING_MESSAGE)
        weir_buf_putc(out, '\0');
    return out->err != WEIR_OK ? undo(out, before, out->err) : WEIR_OK;
}

/* ---- unpacking ---- */

struct weir__unpacker {
    enum weir__coding coding;
    struct weir__decode_limits limits;
    struct libdeflate_decompressor *deflate; /* of gzip and deflate */
    struct weir__decoder *stream;
};

int weir__unpacker_new(enum weir__coding coding, const struct weir__decode_limits *limits,
                       struct weir__unpacker **out)
{
    *out = NULL;
    if (coding == WEIR_CODING_MESSAGE)
        return WEIR_EINVALID;
    struct weir__unpacker *u = weir__calloc(1, sizeof *u);
    if (u == NULL)
        return -ENOMEM;
    u->coding = coding;
    u->limits = weir__decode_limits_of(limits);
    int rc = weir__decoder_new(coding, limits, &u->stream);
    bool is_fast = coding == WEIR_CODING_GZIP || coding == WEIR_CODING_DEFLATE;
    if (rc == WEIR_OK && is_fast) {
        if (!weir__alloc_pretend())
            u->deflate = libdeflate_alloc_decompressor();
        rc = u->deflate != NULL ? WEIR_OK : -ENOMEM;
    }
    if (rc != WEIR_OK) {
        weir__unpacker_free(u);
        return rc;
    }
    *out = u;
    return WEIR_OK;
}

void weir__unpacker_free(struct weir__unpacker *u)
{
    if (u == NULL)
        return;
    libdeflate_free_decompressor(u->deflate);
    weir__decoder_free(u->stream);
    weir__free(u);
}

/* Goes on in what room the buffer may have; a byte more shows whether it has been enough. */
static int unpack_some(struct weir__unpacker *u, struct weir__flow *f, weir_buf *out)
{
    char spare = 0;
    size_t left = out->bytes_max - out->len, room = f->in_len * GUESS + ROOM_MIN;
    if (room > left)
        room = left;
    f->out = room > 0 ? weir_buf_reserve(out, room) : &spare;
    if (f->out == NULL)
        return out->err;
    f->out_len = room > 0 ? room : 1;
    int state = weir__decoder_step(u->stream, f, true);
    if (room == 0)
        return f->out_len == 0 ? WEIR_ETOOLARGE : state;
    out->len += room - f->out_len;
    return state;
}

static int unpack_stream(struct weir__unpacker *u, weir_str in, weir_buf *out)
{
    size_t before = out->len;
    struct weir__flow f = {.in = in.ptr, .in_len = in.len};
    int state = weir__decoder_reset(u->stream);
    while (state >= 0 && state != WEIR_FLOW_END)
        state = unpack_some(u, &f, out);
    return state < 0 ? undo(out, before, state) : WEIR_OK;
}

/* The most that may come out of `in` by the limits. */
static size_t most_of(const struct weir__unpacker *u, size_t in_len)
{
    uint64_t most;
    if (__builtin_mul_overflow((uint64_t)in_len, u->limits.ratio_max, &most) ||
        most > u->limits.bytes_max)
        most = u->limits.bytes_max;
    if (most < u->limits.ratio_bytes_min)
        most = u->limits.ratio_bytes_min < u->limits.bytes_max ? u->limits.ratio_bytes_min
                                                               : u->limits.bytes_max;
    return (size_t)most;
}

/* How much room to begin with: what gzip's trailer says, which may be a lie, else a guess. */
static size_t first_room(const struct weir__unpacker *u, weir_str in, size_t most)
{
    size_t room = in.len * GUESS + ROOM_MIN;
    if (u->coding == WEIR_CODING_GZIP && in.len > TRAILER) {
        const unsigned char *t = (const unsigned char *)in.ptr + in.len - TRAILER;
        uint32_t said =
            (uint32_t)t[0] | (uint32_t)t[1] << 8 | (uint32_t)t[2] << 16 | (uint32_t)t[3] << 24;
        if (said < room * GUESS)
            room = (size_t)said + 1;
    }
    return room < most ? room : most;
}

static enum libdeflate_result unpack_piece(struct weir__unpacker *u, weir_str in, char *out,
                                           size_t room, size_t *taken, size_t *put)
{
    return u->coding == WEIR_CODING_GZIP
               ? libdeflate_gzip_decompress_ex(u->deflate, in.ptr, in.len, out, room, taken, put)
               : libdeflate_zlib_decompress_ex(u->deflate, in.ptr, in.len, out, room, taken, put);
}

/* True when libdeflate has unpacked all of it; false when somebody else is to say what is wrong. */
static bool unpack_fast(struct weir__unpacker *u, weir_str in, weir_buf *out)
{
    size_t before = out->len, most = most_of(u, in.len), left = out->bytes_max - out->len;
    if (most > left)
        most = left;
    for (size_t room = first_room(u, in, most); room > 0;) {
        size_t taken = 0, put = 0;
        char *to = weir_buf_reserve(out, room);
        if (to == NULL)
            return false;
        enum libdeflate_result rc = unpack_piece(u, in, to, room, &taken, &put);
        if (rc == LIBDEFLATE_SUCCESS && taken == in.len) {
            out->len = before + put;
            return true;
        }
        if (rc != LIBDEFLATE_INSUFFICIENT_SPACE || room == most)
            return false;
        room = room > most / 2 ? most : room * 2;
    }
    return false;
}

static bool has_head_checksum(const struct weir__unpacker *u, weir_str in)
{
    enum { FLAGS = 3, FHCRC = 2 };
    return u->coding == WEIR_CODING_GZIP && in.len > FLAGS && (in.ptr[FLAGS] & FHCRC) != 0;
}

int weir__unpacker_unpack(struct weir__unpacker *u, weir_str in, weir_buf *out)
{
    size_t before = out->len;
    bool is_for_it = u->deflate != NULL && in.len > 0 && !has_head_checksum(u, in);
    if (is_for_it && unpack_fast(u, in, out))
        return WEIR_OK;
    (void)undo(out, before, WEIR_OK);
    return unpack_stream(u, in, out);
}
