/*
 * Writing JSON. The input is the bytes of values: of a struct with a member of every kind, and of
 * the pieces that are written one by one. Whatever the values and however small the window, what
 * comes out is JSON; read again it is the struct that it was, but for what JSON cannot hold: a byte
 * that is not UTF-8 is U+FFFD, a number that is not finite is absent.
 */
#include <math.h>

#include "base/json_decode.h"
#include "base/json_encode.h"
#include "base/json_reference.h"

enum { BYTES_MAX = 1024, ITEMS_MAX = 8, TEXT_MAX = 64 << 10 };

typedef struct {
    int32_t x;
    double y;
} point;
WEIR_MODEL(point, (x), (y));

typedef struct {
    bool b, has_opt;
    int8_t i8;
    int16_t i16;
    int64_t i64;
    uint8_t u8;
    uint64_t u64;
    float f;
    double d;
    weir_str s, opt;
    point at;
    WEIR_ARRAY(point) points;
    WEIR_ARRAY(weir_str) names;
    WEIR_ARRAY(double) ratios;
    WEIR_ARRAY(int64_t) longs;
    weir_wall time;
    weir_uuid id;
    weir_decimal price;
    weir_blob data;
    weir_raw_json raw;
    weir_str note;
    weir_presence note_is;
    WEIR_MAP(double) rates;
    point *far;
} thing;
WEIR_MODEL(thing, (b), (i8), (i16, .omit_empty = true), (i64), (u8), (u64), (f),
           (d, .omit_empty = true), (s, .json = "a-key-of-more-than-sixteen-bytes"),
           (opt, .present = weir_flag_of(thing, has_opt)), (at, .model = weir_model_of(point)),
           (points, .array_of = weir_model_of(point)), (names, .array_of = weir_model_of(weir_str)),
           (ratios, .array_of = weir_model_of(double)),
           (longs, .array_of = weir_model_of(int64_t), .omit_empty = true),
           (time, .omit_empty = true), (id), (price), (data), (raw),
           (note, .present = weir_flag_of(thing, note_is)),
           (rates, .map_of = weir_model_of(double)), (far, .model = weir_model_of(point)));

/* ---- values of the input ---- */

static double some_double(struct fuzz_input *in)
{
    uint64_t bits = fuzz_u64(in);
    double d;
    memcpy(&d, &bits, sizeof d);
    return bits % 3 == 0 ? (double)(int64_t)(bits >> 40) / 100 : d;
}

static weir_str some_text(struct fuzz_input *in)
{
    size_t n = fuzz_byte(in), left = (size_t)(in->end - in->at);
    if (n == 255)
        return (weir_str){NULL, 0};
    n = n < left ? n : left;
    weir_str s = {(const char *)in->at, n};
    in->at += n;
    return s;
}

struct storage {
    point points[ITEMS_MAX];
    weir_str names[ITEMS_MAX];
    double ratios[ITEMS_MAX];
    int64_t longs[ITEMS_MAX];
    struct {
        weir_str key;
        double value;
    } rates[ITEMS_MAX];
    point far;
};

static point some_point(struct fuzz_input *in)
{
    point p = {(int32_t)fuzz_u64(in), 0};
    p.y = some_double(in);
    return p;
}

/* Bytes that are no decimal too: what was never read may be anything. */
static weir_decimal some_decimal(struct fuzz_input *in)
{
    weir_decimal d = {.scale = fuzz_byte(in), .is_negative = false};
    for (int i = 0; i < 8; i++)
        d.groups[i] = (uint32_t)fuzz_u64(in) % 1000000000;
    d.groups[7] %= 100; /* 65 digits */
    d.scale %= WEIR_DECIMAL_DIGITS_MAX + 1;
    if (d.groups[0] % 2 == 1)
        d.is_negative = true;
    return d;
}

/* Keys that are there once, which is the program's to see to. */
static void fill_rates(thing *t, struct storage *store, struct fuzz_input *in)
{
    static const char *const keys[ITEMS_MAX] = {"",  "a",  "b\"",           "c/d",
                                                "~", "\n", "long long key", "h"};
    t->rates.ptr = (void *)store->rates;
    for (size_t n = fuzz_byte(in) % ITEMS_MAX; t->rates.len < n; t->rates.len++) {
        double d = some_double(in);
        store->rates[t->rates.len].key = weir_str_from(keys[t->rates.len]);
        store->rates[t->rates.len].value = isfinite(d) ? d : 0;
    }
}

static void fill_values(thing *t, struct storage *store, struct fuzz_input *in)
{
    static const char *const raw[] = {NULL, "1", "null", "[1,{\"a\":null}]", "\"x\"", " true "};
    unsigned what = fuzz_byte(in);
    weir_str data = some_text(in);
    t->time.us = (int64_t)fuzz_u64(in) >> (what % 32);
    uint64_t id[2] = {fuzz_u64(in), fuzz_u64(in)};
    memcpy(t->id.bytes, id, sizeof t->id.bytes);
    t->price = some_decimal(in);
    t->data = (weir_blob){data.ptr, data.len};
    t->raw.text = weir_str_from(raw[what % 6]);
    t->note_is = (weir_presence)(what % 3);
    t->note = some_text(in);
    fill_rates(t, store, in);
    store->far = some_point(in);
    t->far = what % 2 == 0 ? &store->far : NULL;
}

static void fill(thing *t, struct storage *store, struct fuzz_input *in)
{
    unsigned flags = fuzz_byte(in);
    uint64_t bits = fuzz_u64(in);
    *t = (thing){.b = flags & 1, .has_opt = (flags & 2) != 0, .i8 = (int8_t)bits};
    t->i16 = (int16_t)(bits >> 8);
    t->u8 = (uint8_t)(bits >> 24);
    t->i64 = (int64_t)fuzz_u64(in);
    t->u64 = fuzz_u64(in);
    uint32_t single = (uint32_t)fuzz_u64(in);
    memcpy(&t->f, &single, sizeof t->f);
    t->d = some_double(in);
    t->s = some_text(in);
    t->opt = some_text(in);
    t->at = some_point(in);
    t->points.ptr = store->points;
    t->names.ptr = store->names;
    t->ratios.ptr = store->ratios;
    t->longs.ptr = store->longs;
    for (size_t n = fuzz_byte(in) % ITEMS_MAX; t->points.len < n; t->points.len++)
        store->points[t->points.len] = some_point(in);
    for (size_t n = fuzz_byte(in) % ITEMS_MAX; t->ratios.len < n; t->ratios.len++) {
        double d = some_double(in);
        store->ratios[t->ratios.len] = isfinite(d) ? d : 0; /* an item may not be absent */
    }
    for (size_t n = fuzz_byte(in) % ITEMS_MAX; t->longs.len < n; t->longs.len++)
        store->longs[t->longs.len] = (int64_t)fuzz_u64(in);
    for (size_t n = fuzz_byte(in) % ITEMS_MAX; t->names.len < n; t->names.len++) {
        weir_str s = some_text(in);
        store->names[t->names.len] = s.ptr != NULL ? s : (weir_str){"", 0};
    }
    fill_values(t, store, in);
}

/* ---- comparing with what was read again ---- */

static bool same_double(double wrote, double read)
{
    if (!isfinite(wrote))
        return memcmp(&read, &(double){0}, sizeof read) == 0;
    return memcmp(&wrote, &read, sizeof read) == 0; /* the sign of 0 too */
}

static bool same_text(weir_str wrote, weir_str read)
{
    if (wrote.ptr == NULL)
        return read.ptr == NULL;
    char *expected = fuzz_alloc(3 * wrote.len);
    size_t n = 0;
    for (const char *p = wrote.ptr, *end = p + wrote.len; p < end;) {
        int len = slow_utf8(p, end);
        memcpy(expected + n, len > 0 ? p : "\xef\xbf\xbd", len > 0 ? (size_t)len : 3);
        n += len > 0 ? (size_t)len : 3;
        p += len > 0 ? len : 1;
    }
    bool is_same =
        (wrote.ptr == NULL) == (read.ptr == NULL) && weir_str_eq((weir_str){expected, n}, read);
    free(expected);
    return is_same;
}

static bool same_point(point wrote, point read)
{
    return wrote.x == read.x && same_double(wrote.y, read.y);
}

static bool same_time(weir_wall wrote, weir_wall read)
{
    return wrote.us >= WEIR_WALL_MIN && wrote.us <= WEIR_WALL_MAX ? wrote.us == read.us
                                                                  : read.us == 0;
}

static void check_same_values(const thing *a, const thing *b)
{
    FUZZ_CHECK(same_time(a->time, b->time), "a time");
    FUZZ_CHECK(weir_uuid_cmp(a->id, b->id) == 0, "a UUID");
    FUZZ_CHECK(weir_decimal_cmp(a->price, b->price) == 0 && a->price.scale == b->price.scale,
               "a decimal");
    FUZZ_CHECK((a->data.ptr == NULL) == (b->data.ptr == NULL) && a->data.len == b->data.len &&
                   (a->data.len == 0 || memcmp(a->data.ptr, b->data.ptr, a->data.len) == 0),
               "bytes");
    weir_str raw = weir_str_trim(a->raw.text);
    FUZZ_CHECK(weir_str_eq(raw, WEIR_S("null")) ? b->raw.text.ptr == NULL
                                                : weir_str_eq(raw, b->raw.text),
               "raw JSON");
    if (a->note_is == WEIR_PRESENT && a->note.ptr != NULL)
        FUZZ_CHECK(b->note_is == WEIR_PRESENT && same_text(a->note, b->note), "a note");
    else
        FUZZ_CHECK(b->note_is == (a->note_is == WEIR_PRESENT ? WEIR_IS_NULL : a->note_is),
                   "a note that is null");
    FUZZ_CHECK(a->rates.len == b->rates.len, "the length of a map");
    for (size_t i = 0; i < a->rates.len; i++)
        FUZZ_CHECK(weir_str_eq(a->rates.ptr[i].key, b->rates.ptr[i].key) &&
                       same_double(a->rates.ptr[i].value, b->rates.ptr[i].value),
                   "rate %zu", i);
    FUZZ_CHECK((a->far == NULL) == (b->far == NULL) &&
                   (a->far == NULL || same_point(*a->far, *b->far)),
               "a struct behind a pointer");
}

static void check_same(const thing *a, const thing *b)
{
    check_same_values(a, b);
    FUZZ_CHECK(a->b == b->b && a->i8 == b->i8 && a->i16 == b->i16 && a->i64 == b->i64 &&
                   a->u8 == b->u8 && a->u64 == b->u64,
               "an integer");
    FUZZ_CHECK(isfinite(a->f) ? memcmp(&a->f, &b->f, sizeof a->f) == 0
                              : memcmp(&b->f, &(float){0}, sizeof b->f) == 0,
               "%a became %a", (double)a->f, (double)b->f);
    FUZZ_CHECK(same_double(a->d, b->d) || (fpclassify(a->d) == FP_ZERO && !signbit(b->d)),
               "%a became %a", a->d, b->d);
    FUZZ_CHECK(same_text(a->s, b->s), "a text");
    FUZZ_CHECK(a->has_opt && a->opt.ptr != NULL ? b->has_opt && same_text(a->opt, b->opt)
                                                : !b->has_opt,
               "an optional text");
    FUZZ_CHECK(same_point(a->at, b->at), "a nested struct");
    FUZZ_CHECK(a->points.len == b->points.len && a->names.len == b->names.len &&
                   a->ratios.len == b->ratios.len && a->longs.len == b->longs.len,
               "the length of an array");
    for (size_t i = 0; i < a->points.len; i++)
        FUZZ_CHECK(same_point(a->points.ptr[i], b->points.ptr[i]), "point %zu", i);
    for (size_t i = 0; i < a->names.len; i++)
        FUZZ_CHECK(same_text(a->names.ptr[i], b->names.ptr[i]), "name %zu", i);
    for (size_t i = 0; i < a->ratios.len; i++)
        FUZZ_CHECK(same_double(a->ratios.ptr[i], b->ratios.ptr[i]), "ratio %zu", i);
    for (size_t i = 0; i < a->longs.len; i++)
        FUZZ_CHECK(a->longs.ptr[i] == b->longs.ptr[i], "long %zu", i);
}

/* ---- windows of any size ---- */

struct sink {
    weir_buf text;
    char *window;
    size_t size;
};

static weir_err take(struct weir__json_writer *w)
{
    struct sink *s = w->sink;
    weir_buf_add(&s->text, w->start, (size_t)(w->at - w->start));
    memset(s->window, 'x', s->size); /* what was not taken is lost */
    w->start = w->at = s->window;
    w->end = s->window + s->size;
    return s->text.err;
}

static void sink_open(struct sink *s, struct weir__json_writer *w, size_t size)
{
    weir_buf_init(&s->text, TEXT_MAX);
    s->window = fuzz_alloc(size);
    s->size = size;
    *w = (struct weir__json_writer){
        .start = s->window, .at = s->window, .end = s->window + size, .flush = take, .sink = s};
}

static weir_str sink_text(struct sink *s, struct weir__json_writer *w)
{
    FUZZ_CHECK(w->at <= w->end, "past the window");
    (void)!take(w);
    return weir_buf_str(&s->text);
}

static void sink_close(struct sink *s)
{
    weir_buf_fini(&s->text);
    free(s->window);
}

static void check_struct(struct fuzz_input *in, struct fuzz_dice *dice)
{
    struct weir__arena arena;
    struct weir__json_writer w;
    struct storage store;
    struct sink s;
    thing t, again;
    weir_buf whole;
    fill(&t, &store, in);
    weir_buf_init(&whole, TEXT_MAX);
    weir_err err = weir_json_encode(&whole, weir_model_of(thing), &t);
    FUZZ_CHECK(err == WEIR_OK && slow_is_json(weir_buf_str(&whole)), "%d: %.*s", err,
               (int)whole.len, whole.ptr);
    sink_open(&s, &w, WEIR__JSON_WINDOW_MIN + fuzz_below(dice, 200));
    weir__json_write_model(&w, weir_model_of(thing), &t);
    FUZZ_CHECK(w.err == WEIR_OK && weir_str_eq(sink_text(&s, &w), weir_buf_str(&whole)),
               "through a window of %zu it is another text", s.size);
    sink_close(&s);
    weir__arena_init(&arena, NULL, 0, 1 << 20);
    err = weir__json_decode(&arena, weir_buf_str(&whole), weir_model_of(thing), &again, NULL, NULL);
    FUZZ_CHECK(err == WEIR_OK, "%d for its own text: %.*s", err, (int)whole.len, whole.ptr);
    check_same(&t, &again);
    weir__arena_fini(&arena);
    weir_buf_fini(&whole);
}

/* ---- pieces ---- */

static void write_piece(struct weir__json_writer *w, unsigned op, struct fuzz_input *in)
{
    switch (op) {
    case 0:
        weir__json_string(w, some_text(in));
        break;
    case 1:
        weir__json_int(w, (int64_t)fuzz_u64(in));
        break;
    case 2:
        weir__json_uint(w, fuzz_u64(in));
        break;
    case 3:
        weir__json_double(w, some_double(in));
        break;
    case 4:
        weir__json_bool(w, (fuzz_byte(in) & 1) != 0);
        break;
    case 5:
        weir__json_raw(w, WEIR_S(" 0.5e1 "));
        break;
    default:
        weir__json_null(w);
        break;
    }
}

/* An array of what the input says, with the keys that objects need and every end at its place. */
static void check_pieces(struct fuzz_input *in, struct fuzz_dice *dice)
{
    struct weir__json_writer w;
    struct sink s;
    bool is_object[WEIR_JSON_DEPTH_MAX + 1] = {false};
    int depth = 1;
    sink_open(&s, &w, WEIR__JSON_WINDOW_MIN + fuzz_below(dice, 20));
    weir__json_begin_array(&w);
    while (in->at < in->end) {
        unsigned op = fuzz_byte(in) % 12;
        if (op >= 10 && depth > 1) {
            is_object[--depth] ? weir__json_end_object(&w) : weir__json_end_array(&w);
            continue;
        }
        if (is_object[depth - 1])
            weir__json_key(&w, some_text(in));
        if (op < 7 || depth == WEIR_JSON_DEPTH_MAX) {
            write_piece(&w, op, in);
            continue;
        }
        is_object[depth] = op % 2 == 0;
        is_object[depth++] ? weir__json_begin_object(&w) : weir__json_begin_array(&w);
    }
    while (depth-- > 0)
        is_object[depth] ? weir__json_end_object(&w) : weir__json_end_array(&w);
    weir_str text = sink_text(&s, &w);
    FUZZ_CHECK(w.err == WEIR_OK || w.err == WEIR_ETOOLARGE, "%d", w.err);
    FUZZ_CHECK(w.err != WEIR_OK || slow_is_json(text), WEIR_STR_FMT, WEIR_STR_ARG(text));
    sink_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    struct fuzz_input in = {data, data + size};
    if (size > BYTES_MAX)
        return 0;
    check_struct(&in, &dice);
    in = (struct fuzz_input){data, data + size};
    check_pieces(&in, &dice);
    return 0;
}
