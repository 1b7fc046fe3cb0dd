/*
 * Encoding: values and escapes, windows of every size, buffers at their maximum, pieces, and a
 * round trip of seeded random structs through text and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/json_decode.h"
#include "base/json_encode.h"
#include "base/utf8.h"

typedef struct {
    int32_t x;
    double y;
} point;
WEIR_MODEL(point, (x), (y));

typedef struct {
    bool b, has_opt;
    int8_t i8;
    int64_t i64;
    uint64_t u64;
    float f;
    double d;
    weir_str s;
    weir_str opt;
    point at;
    WEIR_ARRAY(point) points;
    WEIR_ARRAY(weir_str) names;
    WEIR_ARRAY(double) ratios;
} thing;
WEIR_MODEL(thing, (b), (i8), (i64), (u64), (f), (d),
           (s, .json = "a-key-of-more-than-sixteen-bytes"),
           (opt, .present = weir_flag_of(thing, has_opt)), (at, .model = weir_model_of(point)),
           (points, .array_of = weir_model_of(point)), (names, .array_of = weir_model_of(weir_str)),
           (ratios, .array_of = weir_model_of(double)));

typedef struct {
    bool b;
    int64_t i;
    double d;
    weir_str s;
    WEIR_ARRAY(int64_t) list;
} sparse;
WEIR_MODEL(sparse, (b, .omit_empty = true), (i, .omit_empty = true), (d, .omit_empty = true),
           (s, .omit_empty = true), (list, .omit_empty = true, .array_of = weir_model_of(int64_t)));

typedef struct {
    weir_str s;
} text;
WEIR_MODEL(text, (s));

static const char *encode_any(const weir_model *model, const void *object)
{
    static char result[65536];
    weir_buf b;
    weir_buf_init_fixed(&b, result, sizeof result - 1);
    assert_int_equal(weir_json_encode(&b, model, object), WEIR_OK);
    result[b.len] = '\0';
    return result;
}

#define ENCODE(type, object) encode_any(weir_model_of(type), object)

static void members_are_written_in_order(void **state)
{
    (void)state;
    point points[] = {{1, 2}, {-3, 0.5}};
    weir_str names[] = {WEIR_S("x"), {0}, WEIR_S("")};
    double ratios[] = {0.1, NAN, -INFINITY, -0.0, 1e21};
    thing t = {.b = true,
               .i8 = -128,
               .i64 = INT64_MIN,
               .u64 = UINT64_MAX,
               .f = 0.1f,
               .d = 0.1 + 0.2,
               .s = WEIR_S("text"),
               .at = {7, 1e-7},
               .points = {points, 2},
               .names = {names, 3},
               .ratios = {ratios, 5}};
    assert_string_equal(
        ENCODE(thing, &t),
        "{\"b\":true,\"i8\":-128,\"i64\":-9223372036854775808,\"u64\":18446744073709551615,"
        "\"f\":0.1,\"d\":0.30000000000000004,\"a-key-of-more-than-sixteen-bytes\":\"text\","
        "\"at\":{\"x\":7,\"y\":1e-7},\"points\":[{\"x\":1,\"y\":2},{\"x\":-3,\"y\":0.5}],"
        "\"names\":[\"x\",null,\"\"],\"ratios\":[0.1,null,null,-0,1e+21]}");
    t = (thing){.has_opt = true, .opt = WEIR_S("o")};
    assert_string_equal(
        ENCODE(thing, &t),
        "{\"b\":false,\"i8\":0,\"i64\":0,\"u64\":0,\"f\":0,\"d\":0,"
        "\"a-key-of-more-than-sixteen-bytes\":null,\"opt\":\"o\",\"at\":{\"x\":0,\"y\":0},"
        "\"points\":[],\"names\":[],\"ratios\":[]}");
}

static void what_is_empty_can_be_left_out(void **state)
{
    (void)state;
    int64_t list[] = {0};
    sparse s = {0};
    assert_string_equal(ENCODE(sparse, &s), "{}");
    s.d = -0.0;
    s.s = WEIR_S("");
    assert_string_equal(ENCODE(sparse, &s), "{}");
    s.d = 0.5;
    assert_string_equal(ENCODE(sparse, &s), "{\"d\":0.5}");
    s = (sparse){.b = true, .i = 1, .s = WEIR_S("x"), .list = {list, 1}};
    assert_string_equal(ENCODE(sparse, &s), "{\"b\":true,\"i\":1,\"s\":\"x\",\"list\":[0]}");
}

static void check_text(weir_str s, const char *expected)
{
    text t = {s};
    const char *json = ENCODE(text, &t);
    char whole[512];
    snprintf(whole, sizeof whole, "{\"s\":\"%s\"}", expected);
    assert_string_equal(json, whole);
}

static void strings_are_escaped(void **state)
{
    (void)state;
    check_text(WEIR_S("\"\\/\b\f\n\r\t"), "\\\"\\\\/\\b\\f\\n\\r\\t");
    check_text(WEIR_S("\0\x01\x1f\x7f"), "\\u0000\\u0001\\u001f\x7f");
    check_text(WEIR_S("Gr\xc3\xbc\xc3\x9f\x65 \xf0\x9f\x98\x80"),
               "Gr\xc3\xbc\xc3\x9f\x65 \xf0\x9f\x98\x80");
    check_text(WEIR_S("a\xff\x62"), "a\xef\xbf\xbd\x62");
    check_text(WEIR_S("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd");
    check_text(WEIR_S("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

/* What the string's JSON must be, written in the dullest way. */
static size_t dull_string(char *to, weir_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];
        if (ch == '"' || ch == '\\')
            n += (size_t)sprintf(to + n, "\\%c", ch);
        else if (ch < 0x20)
            n += (size_t)sprintf(to + n, "\\u%04x", ch);
        else
            to[n++] = (char)ch;
    }
    to[n] = '\0';
    return n;
}

static void specials_are_seen_in_every_place(void **state)
{
    (void)state;
    static const char specials[] = {'"', '\\', 1, 31, 'z', ' ', '!', '#', '[', ']', 127, '~'};
    for (size_t len = 1; len < 70; len++) {
        for (size_t at = 0; at < len; at++) {
            for (size_t k = 0; k < sizeof specials; k++) {
                char bytes[80], expected[500];
                memset(bytes, 'a' + (int)(at % 26), len);
                bytes[at] = specials[k];
                dull_string(expected, (weir_str){bytes, len});
                check_text((weir_str){bytes, len}, expected);
            }
        }
    }
}

/* --- windows ---------------------------------------------------------------------------------- */

struct sink {
    char bytes[8192], window[256];
    size_t len, window_size;
    int flushes_left;
};

static weir_err flush_to_sink(struct weir__json_writer *w)
{
    struct sink *sink = w->sink;
    size_t n = (size_t)(w->at - w->start);
    if (n != 0)
        memcpy(sink->bytes + sink->len, w->start, n);
    sink->len += n;
    w->start = w->at = sink->window;
    w->end = w->at + sink->window_size;
    return sink->flushes_left-- > 0 ? WEIR_OK : WEIR_ECLIENTGONE;
}

static thing large_thing(void)
{
    static point points[20];
    static weir_str names[3];
    static double ratios[4] = {0.1, 1e300, 5e-324, 12345.678};
    for (int i = 0; i < 20; i++)
        points[i] = (point){i * 1000003, i / 7.0};
    names[0] =
        WEIR_S("a text that is longer than any window that the writer is given in this test, "
               "and then some more of it, so that it does not fit twice or even three times");
    names[1] =
        WEIR_S("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13");
    names[2] = WEIR_S("\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xff");
    return (thing){.i64 = INT64_MIN,
                   .s = WEIR_S("s"),
                   .points = {points, 20},
                   .names = {names, 3},
                   .ratios = {ratios, 4}};
}

static void windows_of_any_size_give_the_same_text(void **state)
{
    (void)state;
    thing t = large_thing();
    char *expected = strdup(ENCODE(thing, &t));
    for (size_t size = WEIR__JSON_WINDOW_MIN; size <= sizeof(((struct sink *)0)->window); size++) {
        static struct sink sink;
        sink = (struct sink){.window_size = size, .flushes_left = 1000};
        struct weir__json_writer w = {.flush = flush_to_sink, .sink = &sink};
        weir__json_write_model(&w, weir_model_of(thing), &t);
        assert_int_equal(w.err, WEIR_OK);
        flush_to_sink(&w);
        sink.bytes[sink.len] = '\0';
        assert_string_equal(sink.bytes, expected);
    }
    free(expected);
}

static void a_failing_sink_ends_the_writing(void **state)
{
    (void)state;
    thing t = large_thing();
    for (int flushes = 0; flushes < 20; flushes++) {
        static struct sink sink;
        sink = (struct sink){.window_size = 64, .flushes_left = flushes};
        struct weir__json_writer w = {.flush = flush_to_sink, .sink = &sink};
        weir__json_write_model(&w, weir_model_of(thing), &t);
        weir__json_int(&w, 1);
        weir__json_string(&w, WEIR_S("after"));
        assert_int_equal(w.err, WEIR_ECLIENTGONE);
        assert_int_equal(sink.flushes_left, -1);
        assert_true(w.at == w.end);
    }
    char window[100];
    struct weir__json_writer w = {.start = window, .at = window, .end = window + sizeof window};
    weir__json_write_model(&w, weir_model_of(thing), &t);
    assert_int_equal(w.err, WEIR_ETOOLARGE);
}

static void a_buffer_is_filled_up_to_its_maximum(void **state)
{
    (void)state;
    thing t = large_thing();
    char *expected = strdup(ENCODE(thing, &t));
    size_t len = strlen(expected);
    for (size_t max = 0; max <= len + 70; max++) {
        weir_buf b;
        weir_buf_init(&b, max);
        weir_err err = weir_json_encode(&b, weir_model_of(thing), &t);
        assert_int_equal(err, max < len ? WEIR_ETOOLARGE : WEIR_OK);
        assert_int_equal(err, b.err);
        assert_true(b.len <= len && memcmp(weir_buf_str(&b).ptr, expected, b.len) == 0);
        assert_true(max < len || b.len == len);
        weir_buf_fini(&b);
    }
    weir_buf b;
    weir_buf_init(&b, 1 << 20);
    for (uint64_t nth = 1; nth <= 3; nth++) {
        weir__alloc_fail_nth(nth);
        assert_int_equal(weir_json_encode(&b, weir_model_of(thing), &t), -ENOMEM);
        assert_int_equal(b.err, -ENOMEM);
        weir_buf_fini(&b);
    }
    weir__alloc_fail_nth(0);
    free(expected);
}

/* --- pieces ----------------------------------------------------------------------------------- */

static void pieces_get_their_commas(void **state)
{
    (void)state;
    weir_buf b;
    struct weir__json_writer w;
    point p = {1, 2};
    weir_buf_init(&b, 4096);
    weir__json_writer_init_buf(&w, &b);
    weir__json_begin_object(&w);
    weir__json_key(&w, WEIR_S("a\n"));
    weir__json_begin_array(&w);
    weir__json_int(&w, -1);
    weir__json_uint(&w, 2);
    weir__json_begin_object(&w);
    weir__json_end_object(&w);
    weir__json_begin_array(&w);
    weir__json_end_array(&w);
    weir__json_write_model(&w, weir_model_of(point), &p);
    weir__json_end_array(&w);
    weir__json_key(&w, WEIR_S("b"));
    weir__json_double(&w, 0.5);
    weir__json_key(&w, WEIR_S("c"));
    weir__json_bool(&w, false);
    weir__json_key(&w, WEIR_S("d"));
    weir__json_null(&w);
    weir__json_key(&w, WEIR_S("e"));
    weir__json_string(&w, (weir_str){0});
    weir__json_key(&w, WEIR_S("f"));
    weir__json_raw(&w, WEIR_S("[1,2]"));
    weir__json_key(&w, WEIR_S("g"));
    weir__json_double(&w, NAN);
    weir__json_end_object(&w);
    assert_int_equal(weir__json_writer_fini_buf(&w), WEIR_OK);
    weir_buf_putc(&b, '\0');
    assert_string_equal(b.ptr, "{\"a\\n\":[-1,2,{},[],{\"x\":1,\"y\":2}],\"b\":0.5,\"c\":false,"
                               "\"d\":null,\"e\":null,\"f\":[1,2],\"g\":null}");
    weir_buf_fini(&b);
}

static void misuse_of_pieces_is_an_error(void **state)
{
    (void)state;
    weir_buf b;
    struct weir__json_writer w;
    weir_buf_init(&b, 4096);
    weir__json_writer_init_buf(&w, &b);
    weir__json_end_object(&w);
    assert_int_equal(weir__json_writer_fini_buf(&w), WEIR_EINVALID);
    weir_buf_reset(&b);
    weir__json_writer_init_buf(&w, &b);
    for (int i = 0; i < WEIR_JSON_DEPTH_MAX; i++)
        weir__json_begin_array(&w);
    assert_int_equal(w.err, WEIR_OK);
    weir__json_begin_array(&w);
    assert_int_equal(weir__json_writer_fini_buf(&w), WEIR_EINVALID);
    weir_buf_fini(&b);
}

/* --- round trips ------------------------------------------------------------------------------ */

static uint64_t random_state = 7;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static weir_str random_text(struct weir__arena *a)
{
    char bytes[200];
    size_t n = 0;
    for (uint64_t left = random_bits() % 40; left > 0; left--) {
        uint32_t cp = (uint32_t)(random_bits() >> 20) % (random_bits() % 3 != 0 ? 0x80 : 0x110000);
        if (cp < 0xd800 || cp > 0xdfff)
            n += weir__utf8_put(bytes + n, cp);
    }
    return weir__arena_str(a, (weir_str){bytes, n});
}

static double random_double(void)
{
    double d;
    uint64_t bits = random_bits();
    memcpy(&d, &bits, sizeof d);
    return isfinite(d) ? d : (double)(bits & 0xffff) / 100;
}

static thing random_thing(struct weir__arena *a)
{
    thing t = {.b = random_bits() & 1,
               .has_opt = random_bits() & 1,
               .i8 = (int8_t)random_bits(),
               .i64 = (int64_t)random_bits(),
               .u64 = random_bits(),
               .f = (float)(int32_t)random_bits() / 1024,
               .d = random_double(),
               .s = random_text(a)};
    if (t.has_opt)
        t.opt = random_text(a);
    t.at = (point){(int32_t)random_bits(), random_double()};
    t.names.len = random_bits() % 9;
    t.names.ptr = weir__arena_alloc(a, t.names.len * sizeof(weir_str));
    for (size_t i = 0; i < t.names.len; i++)
        t.names.ptr[i] = random_text(a);
    t.points.len = random_bits() % 9;
    t.points.ptr = weir__arena_alloc(a, t.points.len * sizeof(point));
    for (size_t i = 0; i < t.points.len; i++)
        t.points.ptr[i] = (point){(int32_t)random_bits(), random_double()};
    return t;
}

static void assert_same(const thing *a, const thing *b)
{
    assert_true(a->b == b->b && a->has_opt == b->has_opt && a->i8 == b->i8 && a->i64 == b->i64);
    assert_true(a->u64 == b->u64 && a->f == b->f && a->d == b->d);
    assert_true(weir_str_eq(a->s, b->s) && weir_str_eq(a->opt, b->opt));
    assert_true(a->at.x == b->at.x && a->at.y == b->at.y);
    assert_true(a->names.len == b->names.len && a->points.len == b->points.len);
    for (size_t i = 0; i < a->names.len; i++)
        assert_true(weir_str_eq(a->names.ptr[i], b->names.ptr[i]));
    for (size_t i = 0; i < a->points.len; i++)
        assert_true(a->points.ptr[i].x == b->points.ptr[i].x &&
                    a->points.ptr[i].y == b->points.ptr[i].y);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    for (int round = 0; round < 5000; round++) {
        struct weir__arena a;
        weir_json_errors errors;
        thing back;
        weir__arena_init(&a, NULL, 0, 8 << 20);
        thing t = random_thing(&a);
        weir_str json = weir_str_from(ENCODE(thing, &t));
        assert_int_equal(weir__json_decode(&a, json, weir_model_of(thing), &back, NULL, &errors),
                         WEIR_OK);
        assert_same(&t, &back);
        weir__arena_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_written_in_order),
        cmocka_unit_test(what_is_empty_can_be_left_out),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(specials_are_seen_in_every_place),
        cmocka_unit_test(windows_of_any_size_give_the_same_text),
        cmocka_unit_test(a_failing_sink_ends_the_writing),
        cmocka_unit_test(a_buffer_is_filled_up_to_its_maximum),
        cmocka_unit_test(pieces_get_their_commas),
        cmocka_unit_test(misuse_of_pieces_is_an_error),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
