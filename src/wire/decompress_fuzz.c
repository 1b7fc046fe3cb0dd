/*
 * Unpacking. The first byte of an input says in which coding the rest is. In any pieces it comes
 * out the same, with the same error, and within the limits; the way through libdeflate agrees;
 * what came out, packed again at any level and in any pieces, comes out the same.
 */
#include "base/fuzz.h"
#include "wire/compress.h"
#include "wire/compress_whole.h"
#include "wire/decode_chain.h"

enum { OUT_MAX = 1 << 16 };

static const struct weir__decode_limits limits = {
    .bytes_max = OUT_MAX - 1, .ratio_max = 1u << 20, .memory_bytes_max = 1 << 20};

struct result {
    int err;
    size_t len;
    char bytes[OUT_MAX];
};

typedef int step_fn(void *codec, struct weir__flow *flow, bool is_last);

static int decode_step(void *codec, struct weir__flow *flow, bool is_last)
{
    return weir__decoder_step(codec, flow, is_last);
}

static int chain_step(void *codec, struct weir__flow *flow, bool is_last)
{
    return weir__decode_chain_step(codec, flow, is_last);
}

static int encode_step(void *codec, struct weir__flow *flow, bool is_last)
{
    return weir__encoder_step(codec, flow, is_last ? WEIR_ENCODE_END : WEIR_ENCODE_ON);
}

/* All of it, pieces and room of sizes by dice; none: whole. */
static void run(step_fn *step, void *codec, weir_str in, struct fuzz_dice *dice, struct result *r)
{
    int state = WEIR_FLOW_IN;
    r->len = 0;
    while (state == WEIR_FLOW_IN || state == WEIR_FLOW_OUT) {
        size_t n = dice != NULL ? fuzz_below(dice, in.len + 1) : in.len;
        size_t room = OUT_MAX - r->len;
        if (dice != NULL && room > 1)
            room = 1 + fuzz_below(dice, room < 300 ? room : 300);
        char *piece = fuzz_copy(in.ptr, n), *out = fuzz_alloc(room);
        struct weir__flow f = {piece, n, out, room};
        state = step(codec, &f, n == in.len);
        FUZZ_CHECK(f.in == piece + (n - f.in_len) && f.out == out + (room - f.out_len),
                   "%zu and %zu are left of %zu and %zu", f.in_len, f.out_len, n, room);
        FUZZ_CHECK(state != WEIR_FLOW_IN || f.in_len == 0, "%zu bytes are left over", f.in_len);
        FUZZ_CHECK(state != WEIR_FLOW_OUT || f.out_len == 0, "%zu bytes of room", f.out_len);
        memcpy(r->bytes + r->len, out, room - f.out_len);
        r->len += room - f.out_len;
        in = (weir_str){in.ptr + (n - f.in_len), in.len - (n - f.in_len)};
        free(piece);
        free(out);
    }
    r->err = state < 0 ? state : 0;
}

static bool is_same(const struct result *a, const struct result *b)
{
    return a->err == b->err && a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static void check_pieces(enum weir__coding coding, weir_str in, struct fuzz_dice *dice,
                         struct result *whole)
{
    static struct result other;
    struct weir__decoder *d;
    int rc = weir__decoder_new(coding, &limits, &d);
    FUZZ_CHECK(rc == 0, "%d", rc);
    run(decode_step, d, in, NULL, whole);
    FUZZ_CHECK(whole->len <= limits.bytes_max, "%zu bytes", whole->len);
    for (int i = 0; i < 3; i++) {
        rc = weir__decoder_reset(d);
        FUZZ_CHECK(rc == 0, "%d", rc);
        run(decode_step, d, in, dice, &other);
        /* How far a broken text comes is the library's; what comes is the same. */
        size_t n = other.len < whole->len ? other.len : whole->len;
        FUZZ_CHECK(other.err == whole->err && memcmp(other.bytes, whole->bytes, n) == 0,
                   "%d and %d", other.err, whole->err);
        FUZZ_CHECK(whole->err != 0 || other.len == whole->len, "%zu and %zu", other.len,
                   whole->len);
    }
    weir__decoder_free(d);
}

static void check_whole(enum weir__coding coding, weir_str in, const struct result *expected)
{
    struct weir__unpacker *u;
    weir_buf b;
    int rc = weir__unpacker_new(coding, &limits, &u);
    FUZZ_CHECK(rc == 0, "%d", rc);
    weir_buf_init(&b, OUT_MAX);
    rc = weir__unpacker_unpack(u, in, &b);
    /* libdeflate reads codes that are reserved, where the checksum agrees all the same. */
    bool is_lenient = rc == 0 && expected->err == WEIR_CODING_EDATA;
    FUZZ_CHECK(rc == expected->err || is_lenient, "%d and %d", rc, expected->err);
    FUZZ_CHECK(rc != 0 || is_lenient ||
                   (b.len == expected->len &&
                    memcmp(b.ptr != NULL ? b.ptr : "", expected->bytes, b.len) == 0),
               "%zu and %zu bytes", b.len, expected->len);
    weir_buf_fini(&b);
    weir__unpacker_free(u);
}

static void check_chain(enum weir__coding coding, weir_str in, struct fuzz_dice *dice,
                        const struct result *expected)
{
    static struct result r;
    struct weir__decode_chain *c;
    int rc = weir__decode_chain_new(weir__coding_name(coding), &limits, &c);
    FUZZ_CHECK(rc == 0, "%d", rc);
    run(chain_step, c, in, dice, &r);
    FUZZ_CHECK(expected->err != 0 ? r.err == expected->err : is_same(&r, expected), "%d and %d",
               r.err, expected->err);
    weir__decode_chain_free(c);
}

static void check_back(enum weir__coding coding, struct fuzz_dice *dice, const struct result *plain)
{
    static struct result packed, back;
    struct weir__encode_options o = {.level = 1 + (int)fuzz_below(dice, 9)};
    struct weir__encoder *e;
    struct weir__decoder *d;
    int rc = weir__encoder_new(coding, &o, &e);
    FUZZ_CHECK(rc == 0, "%d", rc);
    run(encode_step, e, (weir_str){plain->bytes, plain->len}, dice, &packed);
    weir__encoder_free(e);
    rc = weir__decoder_new(coding, &limits, &d);
    FUZZ_CHECK(rc == 0 && packed.err == 0, "%d, %d", rc, packed.err);
    run(decode_step, d, (weir_str){packed.bytes, packed.len}, dice, &back);
    FUZZ_CHECK(is_same(&back, plain), "it comes back as %zu bytes, error %d", back.len, back.err);
    weir__decoder_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result r;
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    if (size == 0 || size > 1 << 15)
        return 0;
    enum weir__coding coding = (enum weir__coding)(1 + data[0] % (WEIR_CODING_COUNT - 1));
    if (!weir__coding_is_built(coding))
        return 0;
    char *bytes = fuzz_copy(data + 1, size - 1);
    weir_str in = {bytes, size - 1};
    check_pieces(coding, in, &dice, &r);
    if (coding != WEIR_CODING_MESSAGE)
        check_whole(coding, in, &r);
    if (coding != WEIR_CODING_MESSAGE && r.err == 0)
        check_back(coding, &dice, &r);
    if (weir__coding_name(coding).len > 0)
        check_chain(coding, in, &dice, &r);
    free(bytes);
    return 0;
}
