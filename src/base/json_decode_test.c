/*
 * Decoding into structs: values, exact integers, each message with its pointer and place, limits,
 * escapes, unordered and unknown keys, and what happens when any allocation fails.
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
#include "base/json_decode.h"

typedef struct {
    weir_str name, email;
    int64_t age;
} user_in;
WEIR_MODEL(user_in, (name, .required = true, .len_max = 64),
           (email, .required = true, .format = WEIR_EMAIL), (age, .min = 0, .max = 150));

typedef struct {
    weir_str sku;
    uint32_t qty;
    double price;
} item;
WEIR_MODEL(item, (sku, .required = true, .pattern = "^[A-Z]{2}-[0-9]+$"), (qty, .min = 1),
           (price, .min = 0.5, .max = 1000));

typedef struct {
    user_in user;
    weir_str status, nick;
    bool has_nick, has_user, gift;
    WEIR_ARRAY(item) items;
    WEIR_ARRAY(int32_t) codes;
    WEIR_ARRAY(weir_str) tags;
} order;
WEIR_MODEL_STRICT(order,
                  (user, .model = weir_model_of(user_in), .present = weir_flag_of(order, has_user)),
                  (status, .one_of = WEIR_ONE_OF("new", "paid", "sent")),
                  (nick, .len_min = 2, .len_max = 5, .json = "nickName/x",
                   .present = weir_flag_of(order, has_nick)),
                  (gift), (items, .array_of = weir_model_of(item), .len_min = 1, .len_max = 4),
                  (codes, .array_of = weir_model_of(int32_t)),
                  (tags, .array_of = weir_model_of(weir_str)));

typedef struct {
    int8_t i8;
    int64_t i64;
    uint8_t u8;
    uint64_t u64;
    float f;
    double d;
    bool b;
} numbers;
WEIR_MODEL(numbers, (i8), (i64), (u8), (u64), (f), (d), (b));

typedef struct {
    int32_t b;
} item_of_plain;
WEIR_MODEL(item_of_plain, (b));

typedef struct {
    WEIR_ARRAY(item_of_plain) in;
    int32_t age;
} plain;
WEIR_MODEL(plain, (in, .array_of = weir_model_of(item_of_plain)), (age));

static struct weir__arena arena;
static weir_json_errors errors;

static int setup(void **state)
{
    (void)state;
    weir__arena_init(&arena, NULL, 0, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir__arena_fini(&arena);
    return 0;
}

#define DECODE(type, text, out)                                                                    \
    weir__json_decode(&arena, weir_str_from(text), weir_model_of(type), out, NULL, &errors)

/* All errors as lines "pointer message @line:column". */
static const char *lines(void)
{
    static char text[8192];
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < errors.count; i++) {
        const weir_json_error *e = &errors.items[i];
        n += (size_t)snprintf(text + n, sizeof text - n, WEIR_STR_FMT " " WEIR_STR_FMT " @%u:%u\n",
                              WEIR_STR_ARG(e->pointer), WEIR_STR_ARG(e->message), e->line,
                              e->column);
    }
    return text;
}

static void a_small_body_is_decoded_into_views(void **state)
{
    (void)state;
    const char *text = "{\"name\":\"Ada Lovelace\",\"email\":\"ada@example.com\",\"age\":36}";
    user_in in;
    assert_int_equal(DECODE(user_in, text, &in), WEIR_OK);
    assert_true(weir_str_eq(in.name, WEIR_S("Ada Lovelace")));
    assert_true(in.name.ptr == strstr(text, "Ada"));
    assert_true(weir_str_eq(in.email, WEIR_S("ada@example.com")));
    assert_int_equal(in.age, 36);
    assert_int_equal(errors.count, 0);
    assert_int_equal(arena.bytes_used, 0);
}

static void order_and_blanks_do_not_matter(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"age\":36,\"email\":\"ada@example.com\",\"name\":\"Ada\"}",
        "{\"email\":\"ada@example.com\",\"unknown\":{\"name\":[1,2]},\"name\":\"Ada\",\"age\":36}",
        " { \"name\" : \"Ada\" , \"email\" : \"ada@example.com\" , \"age\" : 36 } ",
        "{\"name\": \"Ada\", \"email\":\"ada@example.com\",\n \"age\"\t:\r36}",
        "{\"n\\u0061me\":\"\\u0041da\",\"email\":\"ada\\u0040example.com\",\"age\":36}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        user_in in;
        assert_int_equal(DECODE(user_in, texts[i], &in), WEIR_OK);
        assert_true(weir_str_eq(in.name, WEIR_S("Ada")));
        assert_true(weir_str_eq(in.email, WEIR_S("ada@example.com")));
        assert_int_equal(in.age, 36);
    }
}

static void escapes_are_what_they_stand_for(void **state)
{
    (void)state;
    user_in in;
    assert_int_equal(DECODE(user_in,
                            "{\"name\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\u20AC"
                            "\\ud83d\\ude00 end\",\"email\":\"a@b.c\"}",
                            &in),
                     WEIR_OK);
    assert_true(weir_str_eq(in.name, WEIR_S("\"\\/\b\f\n\r\t\0\xc3\xa9\xe2\x82\xac"
                                            "\xf0\x9f\x98\x80 end")));
}

static void nested_values_and_flags(void **state)
{
    (void)state;
    order in;
    assert_int_equal(
        DECODE(order,
               "{\"user\":{\"name\":\"A\",\"email\":\"a@b.c\",\"age\":null},"
               "\"status\":\"paid\",\"nickName/x\":\"ad\",\"gift\":true,"
               "\"items\":[{\"sku\":\"AB-1\",\"qty\":2,\"price\":0.5},"
               "{\"sku\":\"CD-22\"},{\"sku\":\"EF-3\",\"qty\":4294967295}],"
               "\"codes\":[1,-2147483648,2147483647,4,5,6,7,8,9],\"tags\":[\"\",\"x\\n\"]}",
               &in),
        WEIR_OK);
    assert_true(in.has_user && in.has_nick && in.gift);
    assert_int_equal(in.items.len, 3);
    assert_true(in.items.ptr[0].qty == 2 && in.items.ptr[0].price == 0.5);
    assert_true(weir_str_eq(in.items.ptr[1].sku, WEIR_S("CD-22")));
    assert_true(in.items.ptr[1].qty == 0);
    assert_true(in.items.ptr[2].qty == UINT32_MAX);
    assert_int_equal(in.codes.len, 9);
    assert_true(in.codes.ptr[1] == INT32_MIN && in.codes.ptr[2] == INT32_MAX);
    assert_int_equal(in.codes.ptr[8], 9);
    assert_true(in.tags.len == 2 && weir_str_eq(in.tags.ptr[1], WEIR_S("x\n")));
    assert_non_null(in.tags.ptr[0].ptr);

    assert_int_equal(
        DECODE(order, "{\"nickName/x\":null,\"items\":[{\"sku\":\"A\"}],\"codes\":[]}", &in),
        WEIR_EINVALID);
    assert_false(in.has_nick || in.has_user);
    assert_null(in.nick.ptr);
}

static void integers_are_exact(void **state)
{
    (void)state;
    numbers n;
    assert_int_equal(DECODE(numbers,
                            "{\"i8\":-128,\"i64\":-9223372036854775808,\"u8\":255,"
                            "\"u64\":18446744073709551615,\"f\":0.1,\"d\":-0,\"b\":true}",
                            &n),
                     WEIR_OK);
    assert_true(n.i8 == INT8_MIN && n.i64 == INT64_MIN && n.u8 == 255 && n.u64 == UINT64_MAX);
    assert_true(n.f == 0.1f && n.d == 0 && signbit(n.d) && n.b);
    assert_int_equal(DECODE(numbers, "{\"i8\":127,\"i64\":9223372036854775807,\"u8\":-0}", &n),
                     WEIR_OK);
    assert_true(n.i8 == INT8_MAX && n.i64 == INT64_MAX && n.u8 == 0);
    assert_int_equal(DECODE(numbers, "{\"d\":5e-324,\"f\":1e-400}", &n), WEIR_OK);
    assert_true(n.d == 5e-324 && n.f == 0);
    assert_int_equal(DECODE(numbers, "{\"i64\":9007199254740993}", &n), WEIR_OK);
    assert_true(n.i64 == 9007199254740993);
}

static void numbers_that_do_not_fit_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"{\"i8\":128}", "/i8 must be at most 127, is 128 @1:7\n"},
        {"{\"i8\":-129}", "/i8 must be at least -128, is -129 @1:7\n"},
        {"{\"u8\":256}", "/u8 must be at most 255, is 256 @1:7\n"},
        {"{\"u8\":-1}", "/u8 must be at least 0 @1:7\n"},
        {"{\"i64\":9223372036854775808}", "/i64 must be at most 9223372036854775807 @1:8\n"},
        {"{\"i64\":-9223372036854775809}", "/i64 must be at least -9223372036854775808 @1:8\n"},
        {"{\"u64\":18446744073709551616}", "/u64 must be at most 18446744073709551615 @1:8\n"},
        {"{\"u64\":99999999999999999999999}", "/u64 must be at most 18446744073709551615 @1:8\n"},
        {"{\"i64\":1.0}", "/i64 must be an integer, is 1.0 @1:8\n"},
        {"{\"i64\":1e3}", "/i64 must be an integer, is 1e3 @1:8\n"},
        {"{\"i64\":-0.5E-7}", "/i64 must be an integer, is -0.5E-7 @1:8\n"},
        {"{\"i64\":1.0000000000000000000000000000000000}",
         "/i64 must be an integer, is 1.000000000000000000000000000000… @1:8\n"},
        {"{\"i64\":\"1\"}", "/i64 must be an integer, is a string @1:8\n"},
        {"{\"i64\":true}", "/i64 must be an integer, is a boolean @1:8\n"},
        {"{\"i64\":[1]}", "/i64 must be an integer, is an array @1:8\n"},
        {"{\"d\":1e400}", "/d must be a number that a double holds @1:6\n"},
        {"{\"d\":-1e400}", "/d must be a number that a double holds @1:6\n"},
        {"{\"f\":1e39}", "/f must be a number that a float holds @1:6\n"},
        {"{\"d\":\"1\"}", "/d must be a number, is a string @1:6\n"},
        {"{\"b\":1}", "/b must be a boolean, is a number @1:6\n"},
        {"{\"b\":{}}", "/b must be a boolean, is an object @1:6\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        numbers n;
        assert_int_equal(DECODE(numbers, cases[i].text, &n), WEIR_EINVALID);
        assert_string_equal(lines(), cases[i].line);
    }
}

static void each_bad_field_has_its_line(void **state)
{
    (void)state;
    order in;
    assert_int_equal(
        DECODE(order,
               "{\"user\": {\"name\": 5, \"age\": 151},\n"
               " \"status\": \"lost\",\n"
               " \"nickName/x\": \"\xc3\xa9\",\n"
               " \"gift\": null, \"~extra/\": [1, {\"a\": 2}],\n"
               " \"items\": [{\"sku\": \"AB-1\", \"qty\": 0},\n"
               "   {\"qty\": 1, \"price\": 1000.5}, null,\n"
               "   {\"sku\": \"ab-1\", \"qty\": 1, \"qty\": 2, \"price\": 0.25}, {}],\n"
               " \"codes\": [1, 2.5, null, 4000000000], \"tags\": [\"ok\", 7]}",
               &in),
        WEIR_EINVALID);
    assert_string_equal(lines(), "/user/name must be a string, is a number @1:19\n"
                                 "/user/age must be at most 150, is 151 @1:29\n"
                                 "/user/email is required @1:10\n"
                                 "/status must be one of new, paid, sent @2:12\n"
                                 "/nickName~1x must have at least 2 characters, has 1 @3:16\n"
                                 "/~0extra~1 is not known @4:16\n"
                                 "/items/0/qty must be at least 1, is 0 @5:35\n"
                                 "/items/1/price must be at most 1000, is 1000.5 @6:24\n"
                                 "/items/1/sku is required @6:4\n"
                                 "/items/2 must not be null @6:33\n"
                                 "/items/3/sku must match ^[A-Z]{2}-[0-9]+$ @7:12\n"
                                 "/items/3/qty is given twice @7:30\n"
                                 "/items/3/price must be at least 0.5, is 0.25 @7:49\n"
                                 "/items must have at most 4 items, has 5 @5:11\n"
                                 "/codes/1 must be an integer, is 2.5 @8:15\n"
                                 "/codes/2 must not be null @8:20\n");
    assert_int_equal(errors.count, 16);
    assert_int_equal(errors.total, 18);
}

static void what_is_missing_is_told(void **state)
{
    (void)state;
    user_in in;
    assert_int_equal(DECODE(user_in, "\n {}", &in), WEIR_EINVALID);
    assert_string_equal(lines(), "/name is required @2:2\n/email is required @2:2\n");
    assert_int_equal(DECODE(user_in, "{\"name\":null,\"email\":\"ada@localhost\"}", &in),
                     WEIR_EINVALID);
    assert_string_equal(lines(),
                        "/name must not be null @1:9\n/email must be an e-mail address @1:22\n");
    assert_int_equal(DECODE(user_in, "{\"name\":\"a\",\"name\":\"b\",\"email\":\"a@b.c\"}", &in),
                     WEIR_EINVALID);
    assert_string_equal(lines(), "/name is given twice @1:13\n");
    assert_true(weir_str_eq(in.name, WEIR_S("a")));
}

static void broken_syntax_is_one_error_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"", " is not JSON: it ends too early at line 1, column 1 @1:1\n"},
        {"{\"age\":200,\n\"name\" 1}", " is not JSON: ':' is expected at line 2, column 8 @2:8\n"},
        {"{\"age\":1", " is not JSON: it ends too early at line 1, column 9 @1:9\n"},
        {"{\"age\":1]", " is not JSON: ',' or '}' is expected at line 1, column 9 @1:9\n"},
        {"{\"age\":1,}", " is not JSON: a key is expected at line 1, column 10 @1:10\n"},
        {"{\"x\":[1 2]}", " is not JSON: ',' or ']' is expected at line 1, column 9 @1:9\n"},
        {"{} {}", " is not JSON: something follows the value at line 1, column 4 @1:4\n"},
        {"{\"age\":01}", " is not JSON: a number that begins with 0 at line 1, column 8 @1:8\n"},
        {"{\"age\":tru}",
         " is not JSON: a word that is not true, false or null at line 1, column 8 @1:8\n"},
        {"{\"age\":-}", " is not JSON: a number without digits at line 1, column 9 @1:9\n"},
        {"{\"age\":?}", " is not JSON: a value is expected at line 1, column 8 @1:8\n"},
        {"{\"name\":\"a\\x\"}",
         " is not JSON: an escape that JSON does not have at line 1, column 11 @1:11\n"},
        {"{\"name\":\"a\\ud800\"}",
         " is not JSON: a surrogate without its other half at line 1, column 11 @1:11\n"},
        {"{\"name\":\"a\tb\"}",
         " is not JSON: a control character in a string at line 1, column 11 @1:11\n"},
        {"{\"name\":\"ab\xff\"}",
         " is not JSON: a string that is not UTF-8 at line 1, column 12 @1:12\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        user_in in;
        assert_int_equal(DECODE(user_in, cases[i].text, &in), WEIR_EINVALID);
        assert_string_equal(lines(), cases[i].line);
        assert_int_equal(errors.total, 1);
    }
}

static void no_key_is_given_twice(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"{\"x\":1,\"age\":2,\"x\":3}", "/x is given twice @1:16\n"},
        {"{\"x\":1,\"y\":{\"x\":1},\"z\":[{\"x\":1},{\"x\":1}],\"\\u0078\":3}",
         "/x is given twice @1:42\n"},
        {"{\"y\":{\"a\":1,\"b\":{\"a\":1},\"a\":2}}", "/y has a key twice: a @1:25\n"},
        {"{\"y\":{\"y\":1,\"y\":2}}", "/y has a key twice: y @1:13\n"},
        {"{\"y\":[{\"a\":1},{\"a\":1,\"a\":2}]}", "/y has a key twice: a @1:22\n"},
        {"{\"age\":{\"a\":1,\"a\":2}}",
         "/age has a key twice: a @1:15\n/age must be an integer, is an object @1:8\n"},
        {"{\"age\":1,\"x\":2,\"age\":{\"a\":1}}", "/age is given twice @1:16\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        plain in;
        assert_int_equal(DECODE(plain, cases[i].text, &in), WEIR_EINVALID);
        assert_string_equal(lines(), cases[i].line);
    }
    plain in;
    assert_int_equal(DECODE(plain,
                            "{\"a\":{\"a\":{\"a\":1},\"b\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}],"
                            "\"in\":[{\"a\":1},{\"a\":1}],\"age\":1}",
                            &in),
                     WEIR_OK);
    assert_int_equal(in.age, 1);
}

/* `count` unknown keys in each of `objects` objects, side by side. */
static weir_err decode_unknown(unsigned objects, unsigned count)
{
    static char text[100000];
    plain in;
    size_t n = (size_t)snprintf(text, sizeof text, "{\"in\":[");
    for (unsigned i = 0; i < objects; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, i > 0 ? ",{" : "{");
        for (unsigned k = 0; k < count; k++)
            n +=
                (size_t)snprintf(text + n, sizeof text - n, "%s\"k%u\":%u", k > 0 ? "," : "", k, k);
        n += (size_t)snprintf(text + n, sizeof text - n, "}");
    }
    snprintf(text + n, sizeof text - n, "],\"age\":3}");
    return DECODE(plain, text, &in);
}

static void unknown_keys_are_limited(void **state)
{
    (void)state;
    assert_int_equal(decode_unknown(3, 1024), WEIR_OK);
    assert_int_equal(decode_unknown(1, 1025), WEIR_EINVALID);
    assert_non_null(strstr(lines(), "an object with too many unknown keys"));
}

/* --- limits ----------------------------------------------------------------------------------- */

static weir_err decode_nested(unsigned depth, const char *key, uint32_t depth_max)
{
    char text[512];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"%s\":", key);
    memset(text + n, '[', depth - 1);
    memset(text + n + depth - 1, ']', depth - 1);
    n += 2 * (depth - 1);
    text[n++] = '}';
    numbers out;
    weir_json_limits limits = {.depth_max = depth_max};
    return weir__json_decode(&arena, (weir_str){text, n}, weir_model_of(numbers), &out, &limits,
                             &errors);
}

static void nesting_is_limited(void **state)
{
    (void)state;
    assert_int_equal(decode_nested(64, "unknown", 0), WEIR_OK);
    assert_int_equal(decode_nested(65, "unknown", 0), WEIR_EINVALID);
    assert_string_equal(lines(),
                        " is not JSON: nesting over 64 levels at line 1, column 75 @1:75\n");
    assert_int_equal(decode_nested(65, "unknown", 1000), WEIR_EINVALID);
    assert_int_equal(decode_nested(3, "unknown", 3), WEIR_OK);
    assert_int_equal(decode_nested(4, "unknown", 3), WEIR_EINVALID);
    assert_int_equal(decode_nested(200, "i64", 0), WEIR_EINVALID);

    order in;
    weir_json_limits limits = {.depth_max = 2};
    weir_str text = WEIR_S("{\"items\":[{\"sku\":\"AB-1\"}]}");
    assert_int_equal(weir__json_decode(&arena, text, weir_model_of(order), &in, &limits, &errors),
                     WEIR_EINVALID);
    limits.depth_max = 3;
    assert_int_equal(weir__json_decode(&arena, text, weir_model_of(order), &in, &limits, &errors),
                     WEIR_OK);
}

static void size_is_limited(void **state)
{
    (void)state;
    user_in in;
    weir_str text = WEIR_S("{\"name\":\"a\",\"email\":\"a@b.c\"}");
    weir_json_limits limits = {.bytes_max = text.len};
    assert_int_equal(weir__json_decode(&arena, text, weir_model_of(user_in), &in, &limits, &errors),
                     WEIR_OK);
    limits.bytes_max--;
    assert_int_equal(weir__json_decode(&arena, text, weir_model_of(user_in), &in, &limits, &errors),
                     WEIR_ETOOLARGE);
    assert_string_equal(lines(), " must have at most 27 bytes, has 28 @1:1\n");
    static char large[(1 << 20) + 1];
    memset(large, ' ', sizeof large);
    assert_int_equal(weir__json_decode(&arena, (weir_str){large, sizeof large},
                                       weir_model_of(user_in), &in, NULL, &errors),
                     WEIR_ETOOLARGE);
}

static void a_budget_is_kept(void **state)
{
    (void)state;
    enum { COUNT = 50000 };
    char *text = malloc(COUNT * 2 + 100);
    size_t n = (size_t)sprintf(text, "{\"codes\":[");
    for (int i = 0; i < COUNT; i++)
        n += (size_t)sprintf(text + n, "%s7", i != 0 ? "," : "");
    n += (size_t)sprintf(text + n, "],\"items\":[{\"sku\":\"AB-1\"}]}");
    order in;
    struct weir__arena small;
    weir__arena_init(&small, NULL, 0, 100000);
    assert_int_equal(
        weir__json_decode(&small, (weir_str){text, n}, weir_model_of(order), &in, NULL, &errors),
        WEIR_EBUDGET);
    assert_true(small.bytes_used <= 100000);
    assert_true(in.codes.len > 0 && in.codes.ptr[in.codes.len - 1] == 7);
    weir__arena_fini(&small);
    assert_int_equal(
        weir__json_decode(&arena, (weir_str){text, n}, weir_model_of(order), &in, NULL, &errors),
        WEIR_OK);
    assert_int_equal(in.codes.len, COUNT);
    free(text);
}

/* Decodes with a planned failure; checks that all memory came back; returns how much was taken. */
static uint64_t decode_failing_at(uint64_t nth, weir_str text, weir_err *err)
{
    order in;
    struct weir__arena a;
    weir__arena_trim();
    weir__arena_init(&a, NULL, 0, 1 << 20);
    struct weir__alloc_stats before = weir__alloc_stats();
    weir__alloc_fail_nth(nth);
    *err = weir__json_decode(&a, text, weir_model_of(order), &in, NULL, &errors);
    weir__alloc_fail_nth(0);
    uint64_t allocs = weir__alloc_stats().allocs - before.allocs;
    assert_true(errors.count == 0 || errors.items[0].message.ptr != NULL);
    for (size_t i = 0; i < in.tags.len; i++)
        assert_true(in.tags.ptr[i].len <= 2);
    weir__arena_fini(&a);
    weir__arena_trim();
    struct weir__alloc_stats after = weir__alloc_stats();
    assert_int_equal(after.allocs - before.allocs, after.frees - before.frees);
    return allocs;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    char text[40000];
    size_t n =
        (size_t)sprintf(text, "{\"status\":\"\\u006eew\",\"items\":[{\"sku\":\"\\u0041B-1\"},"
                              "{\"sku\":\"AB-2\"}],\"tags\":[\"a\\n\"");
    while (n < 30000)
        n += (size_t)sprintf(text + n, ",\"\\u00e9\"");
    n += (size_t)sprintf(text + n, "],\"gift\":{\"a\":1}}");
    weir_err err;
    uint64_t total = decode_failing_at(0, (weir_str){text, n}, &err);
    assert_int_equal(err, WEIR_EINVALID);
    assert_int_equal(errors.count, 1);
    assert_true(total >= 4);
    for (uint64_t nth = 1; nth <= total; nth++) {
        decode_failing_at(nth, (weir_str){text, n}, &err);
        assert_true(err == -ENOMEM || (nth == total && err == WEIR_EINVALID));
    }
}

/* --- arrays at the top, errors left out ------------------------------------------------------- */

static void arrays_may_stand_at_the_top(void **state)
{
    (void)state;
    void *ptr;
    size_t len;
    assert_int_equal(weir__json_decode_array(&arena,
                                             WEIR_S(" [{\"sku\":\"AB-1\"},{\"sku\":\"AB-2\"}] "),
                                             weir_model_of(item), &ptr, &len, NULL, &errors),
                     WEIR_OK);
    assert_int_equal(len, 2);
    assert_true(weir_str_eq(((item *)ptr)[1].sku, WEIR_S("AB-2")));
    assert_int_equal(weir__json_decode_array(&arena, WEIR_S("[1,2,\"3\"]"), weir_model_of(int64_t),
                                             &ptr, &len, NULL, &errors),
                     WEIR_EINVALID);
    assert_string_equal(lines(), "/2 must be an integer, is a string @1:6\n");
    assert_true(((int64_t *)ptr)[1] == 2);
    assert_int_equal(weir__json_decode_array(&arena, WEIR_S("{}"), weir_model_of(int64_t), &ptr,
                                             &len, NULL, &errors),
                     WEIR_EINVALID);
    assert_string_equal(lines(), " must be an array, is an object @1:1\n");
    assert_int_equal(weir__json_decode_array(&arena, WEIR_S("[]"), weir_model_of(int64_t), &ptr,
                                             &len, NULL, &errors),
                     WEIR_OK);
    assert_int_equal(len, 0);
}

static void errors_may_be_left_out(void **state)
{
    (void)state;
    user_in in;
    assert_int_equal(
        weir__json_decode(&arena, WEIR_S("{\"age\":-1}"), weir_model_of(user_in), &in, NULL, NULL),
        WEIR_EINVALID);
    assert_int_equal(
        weir__json_decode(&arena, WEIR_S("{"), weir_model_of(user_in), &in, NULL, NULL),
        WEIR_EINVALID);
    assert_int_equal(arena.bytes_used, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_small_body_is_decoded_into_views),
        TEST(order_and_blanks_do_not_matter),
        TEST(escapes_are_what_they_stand_for),
        TEST(nested_values_and_flags),
        TEST(integers_are_exact),
        TEST(numbers_that_do_not_fit_are_told),
        TEST(each_bad_field_has_its_line),
        TEST(what_is_missing_is_told),
        TEST(broken_syntax_is_one_error_with_its_place),
        TEST(no_key_is_given_twice),
        TEST(unknown_keys_are_limited),
        TEST(nesting_is_limited),
        TEST(size_is_limited),
        TEST(a_budget_is_kept),
        TEST(any_allocation_may_fail),
        TEST(arrays_may_stand_at_the_top),
        TEST(errors_may_be_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
