/*
 * Cursors of pages, which come back from strangers. The input is a line of letters, the kinds of
 * the values that are asked for (i d s w u n: integer, double, text, time, UUID, decimal), and a
 * cursor. It is read exactly when a slow reader reads it, with the same values; what is refused has
 * changed none of them; what was read is written again as a cursor that reads the same, and is the
 * text that came, unless a decimal, the padding or the alphabet had other forms there. No beginning
 * of a cursor is one.
 */
#include "base/fuzz.h"
#include "rt/sim.h"
#include <weir/page.h>

enum { BYTES_MAX = 4096, FILL = 0xa5 };

static const struct {
    char letter;
    weir_arg_kind kind;
    size_t len; /* of its bytes; 0: two say how many */
} kinds[] = {
    {'i', WEIR_ARG_INT, 8},  {'d', WEIR_ARG_DOUBLE, 8}, {'s', WEIR_ARG_TEXT, 0},
    {'w', WEIR_ARG_WALL, 8}, {'u', WEIR_ARG_UUID, 16},  {'n', WEIR_ARG_DECIMAL, 0},
};

union value {
    int64_t i;
    double d;
    weir_str s;
    weir_wall wall;
    weir_uuid uuid;
    weir_decimal decimal;
    unsigned char bytes[64];
};

struct values {
    union value of[WEIR_PAGE_VALUES_MAX];
};

struct shape {
    size_t kind[WEIR_PAGE_VALUES_MAX + 1]; /* in `kinds` */
    size_t count;
};

struct input {
    struct shape shape;
    weir_str cursor;
};

/* ---- the slow reader ---- */

/* What a letter stands for, or -1. */
static int slow_letter(char ch)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    ch = ch == '+' ? '-' : ch == '/' ? '_' : ch;
    const char *at = ch != '\0' ? strchr(letters, ch) : NULL;
    return at != NULL ? (int)(at - letters) : -1;
}

/* One bit after the other, as '0' and '1'; false: it is no base64. */
static bool slow_bits(weir_str text, char *bits)
{
    size_t len = text.len, n = 0;
    if (len % 4 == 0 && len > 0 && text.ptr[len - 1] == '=')
        len -= len > 1 && text.ptr[len - 2] == '=' ? 2 : 1;
    for (size_t i = 0; i < len; i++) {
        int v = slow_letter(text.ptr[i]);
        if (v < 0)
            return false;
        for (int bit = 5; bit >= 0; bit--)
            bits[n++] = (v >> bit & 1) != 0 ? '1' : '0';
    }
    bits[n] = '\0';
    return n % 8 < 6 && strspn(bits + n - n % 8, "0") == n % 8;
}

struct slow {
    unsigned char bytes[BYTES_MAX];
    size_t len, at, texts;
};

static bool slow_bytes(struct slow *s, weir_str text)
{
    static char bits[BYTES_MAX * 6 + 1];
    if (!slow_bits(text, bits))
        return false;
    for (const char *at = bits; strnlen(at, 8) == 8; at += 8) {
        char byte[9] = "";
        memcpy(byte, at, 8);
        s->bytes[s->len++] = (unsigned char)strtoul(byte, NULL, 2);
    }
    return true;
}

/* The next bytes of the cursor; false: it has fewer. */
static bool slow_take(struct slow *s, size_t n, const unsigned char **out)
{
    if (s->len - s->at < n)
        return false;
    *out = s->bytes + s->at;
    s->at += n;
    return true;
}

static bool slow_value(struct slow *s, size_t kind, union value *out)
{
    const unsigned char *p;
    size_t len = kinds[kind].len;
    if (len == 0) {
        if (!slow_take(s, 2, &p))
            return false;
        len = (size_t)p[0] * 256 + p[1];
    }
    if (!slow_take(s, len, &p))
        return false;
    weir_str text = {(const char *)p, len};
    uint64_t bits = 0;
    for (size_t i = 0; i < 8 && i < len; i++)
        bits = bits * 256 + p[i];
    switch (kinds[kind].kind) {
    case WEIR_ARG_TEXT:
        out->s = text;
        s->texts += len;
        return s->texts <= WEIR_PAGE_BYTES_MAX;
    case WEIR_ARG_DECIMAL:
        return len < WEIR_DECIMAL_TEXT_MAX && weir_decimal_parse(text, &out->decimal) == WEIR_OK;
    case WEIR_ARG_UUID:
        memcpy(out->uuid.bytes, p, len);
        return true;
    default:
        memcpy(&out->i, &bits, sizeof bits);
        return kinds[kind].kind != WEIR_ARG_WALL ||
               (out->i >= WEIR_WALL_MIN && out->i <= WEIR_WALL_MAX);
    }
}

static bool slow_read(struct slow *s, const struct input *in, struct values *out)
{
    const unsigned char *p;
    if (in->shape.count == 0 || in->shape.count > WEIR_PAGE_VALUES_MAX ||
        !slow_bytes(s, in->cursor) || !slow_take(s, 1, &p) || *p != 1)
        return false;
    for (size_t i = 0; i < in->shape.count; i++) {
        size_t kind = in->shape.kind[i];
        if (!slow_take(s, 1, &p) || *p != (unsigned char)kinds[kind].kind ||
            !slow_value(s, kind, &out->of[i]))
            return false;
    }
    return s->at == s->len;
}

/* ---- ours ---- */

static weir_err read_it(weir_ctx *c, const struct shape *shape, weir_str cursor, struct values *v)
{
    weir_page_out outs[WEIR_PAGE_VALUES_MAX + 1];
    memset(v, FILL, sizeof *v);
    for (size_t i = 0; i < shape->count; i++)
        outs[i] =
            (weir_page_out){kinds[shape->kind[i]].kind, &v->of[i < WEIR_PAGE_VALUES_MAX ? i : 0]};
    return weir_page_read_at(c, cursor, outs, shape->count);
}

static bool is_untouched(const struct values *v)
{
    const unsigned char *bytes = (const unsigned char *)v;
    for (size_t i = 0; i < sizeof *v; i++) {
        if (bytes[i] != FILL)
            return false;
    }
    return true;
}

static weir_str write_it(weir_ctx *c, const struct shape *shape, const struct values *v)
{
    weir_arg args[WEIR_PAGE_VALUES_MAX];
    for (size_t i = 0; i < shape->count; i++) {
        const union value *of = &v->of[i];
        args[i] = (weir_arg){.kind = kinds[shape->kind[i]].kind};
        switch (args[i].kind) {
        case WEIR_ARG_TEXT:
            args[i].u.s = of->s;
            break;
        case WEIR_ARG_DECIMAL:
            args[i].u.decimal = of->decimal;
            break;
        case WEIR_ARG_UUID:
            args[i].u.uuid = of->uuid;
            break;
        case WEIR_ARG_DOUBLE:
            memcpy(&args[i].u.d, &of->d, sizeof of->d);
            break;
        case WEIR_ARG_WALL:
            args[i].u.wall = of->wall;
            break;
        default:
            args[i].u.i = of->i;
        }
    }
    return weir_page_cursor_at(WEIR_HERE, c, args, shape->count);
}

static bool is_same(size_t kind, const union value *a, const union value *b)
{
    if (kinds[kind].kind == WEIR_ARG_TEXT)
        return weir_str_eq(a->s, b->s);
    if (kinds[kind].kind == WEIR_ARG_DECIMAL)
        return weir_decimal_cmp(a->decimal, b->decimal) == 0 &&
               a->decimal.scale == b->decimal.scale;
    return memcmp(a->bytes, b->bytes, kinds[kind].len) == 0;
}

static void check_same(const struct shape *shape, const struct values *a, const struct values *b)
{
    for (size_t i = 0; i < shape->count; i++)
        FUZZ_CHECK(is_same(shape->kind[i], &a->of[i], &b->of[i]), "value %zu of kind %c", i,
                   kinds[shape->kind[i]].letter);
}

/* Of what was read as `v`. */
static void check_again(weir_ctx *c, const struct input *in, const struct values *v)
{
    struct values again;
    weir_str written = write_it(c, &in->shape, v);
    FUZZ_CHECK(written.ptr != NULL, "what was read is not written");
    FUZZ_CHECK(read_it(c, &in->shape, written, &again) == WEIR_OK, "what was written is not read");
    check_same(&in->shape, v, &again);
    bool has_forms = memchr(in->cursor.ptr, '=', in->cursor.len) != NULL ||
                     memchr(in->cursor.ptr, '+', in->cursor.len) != NULL ||
                     memchr(in->cursor.ptr, '/', in->cursor.len) != NULL;
    for (size_t i = 0; i < in->shape.count; i++)
        has_forms = has_forms || kinds[in->shape.kind[i]].kind == WEIR_ARG_DECIMAL;
    FUZZ_CHECK(has_forms || weir_str_eq(written, in->cursor), "another text");
    for (size_t len = 1; len < written.len; len++) {
        weir_err err = read_it(c, &in->shape, (weir_str){written.ptr, len}, &again);
        FUZZ_CHECK(err == WEIR_EINVALID && is_untouched(&again), "%zu bytes of it: %d", len, err);
    }
}

static weir_err check(weir_ctx *c, void *arg)
{
    const struct input *in = arg;
    struct slow slow = {.len = 0};
    struct values ours, theirs;
    memset(&theirs, 0, sizeof theirs);
    weir_err err = read_it(c, &in->shape, in->cursor, &ours);
    if (in->cursor.len == 0) {
        FUZZ_CHECK(err == WEIR_OK && is_untouched(&ours), "the first page: %d", err);
        return WEIR_OK;
    }
    bool is_cursor = slow_read(&slow, in, &theirs);
    FUZZ_CHECK(err == (is_cursor ? WEIR_OK : WEIR_EINVALID), "%d", err);
    FUZZ_CHECK(is_cursor || is_untouched(&ours), "a value of what was refused");
    if (!is_cursor)
        return WEIR_OK;
    check_same(&in->shape, &ours, &theirs);
    check_again(c, in, &ours);
    return WEIR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input left = {data, data + size};
    struct input in = {.shape.count = 0};
    if (size > BYTES_MAX)
        return 0;
    weir_str letters = fuzz_until(&left, '\n');
    for (size_t i = 0; i < letters.len && in.shape.count <= WEIR_PAGE_VALUES_MAX; i++) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            if (letters.ptr[i] == kinds[k].letter)
                in.shape.kind[in.shape.count++] = k;
        }
    }
    size_t len = (size_t)(left.end - left.at);
    char *copy = fuzz_copy(left.at, len);
    in.cursor = (weir_str){copy, len};
    FUZZ_CHECK(weir__sim_run(check, &in) == WEIR_OK, "the simulation");
    free(copy);
    return 0;
}
