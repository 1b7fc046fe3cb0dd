/*
 * Checks: which texts are e-mail addresses, lengths in code points, patterns; whole structs; and
 * the binding of query and path values, missing and doubled ones included.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <math.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json_decode.h"
#include "base/validate.h"

typedef struct {
    weir_str mail, id, kind, code, name;
} texts;
WEIR_MODEL(texts, (mail, .format = WEIR_EMAIL), (id, .format = WEIR_UUID),
           (kind, .one_of = WEIR_ONE_OF("red", "green")), (code, .pattern = "^[a-z]+[0-9]?$"),
           (name, .len_min = 3, .len_max = 5));

typedef struct {
    weir_str sort;
    int32_t page;
    uint64_t size;
    double ratio;
    float small;
    bool all, has_page;
    WEIR_ARRAY(int64_t) ids;
    WEIR_ARRAY(weir_str) tags;
} query;
WEIR_MODEL(query, (sort, .required = true, .one_of = WEIR_ONE_OF("name", "age")),
           (page, .min = 1, .present = weir_flag_of(query, has_page)), (size, .max = 100),
           (ratio, .min = 0.25, .max = 0.75), (small), (all),
           (ids, .array_of = weir_model_of(int64_t), .len_max = 9),
           (tags, .array_of = weir_model_of(weir_str), .len_min = 2));

typedef struct {
    texts text;
    WEIR_ARRAY(texts) list;
} outer;
WEIR_MODEL_STRICT(outer, (text, .model = weir_model_of(texts)),
                  (list, .array_of = weir_model_of(texts), .required = true));

typedef struct {
    float share;
    float any;
} floats;
WEIR_MODEL(floats, (share, .min = 0.1, .max = 0.7), (any));

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

static const char *lines(void)
{
    static char text[4096];
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < errors.count; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, WEIR_STR_FMT " " WEIR_STR_FMT "\n",
                              WEIR_STR_ARG(errors.items[i].pointer),
                              WEIR_STR_ARG(errors.items[i].message));
        assert_int_equal(errors.items[i].line, 0);
    }
    return text;
}

static bool is_fine(const char *key, weir_str value)
{
    const struct weir__member *m = weir__model_find(weir_model_of(texts), weir_str_from(key));
    struct weir__path path = {.member = m};
    struct weir__report r;
    weir__report_init(&r, &arena, &errors);
    bool fine = weir__check_text(&r, &path, m, value);
    assert_int_equal(errors.count, !fine);
    return fine;
}

static void addresses_are_told_from_what_is_none(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a@b.c",
        "ada@example.com",
        "first.last+tag@sub.example.org",
        "x_y-z@a-b.co",
        "1@2.3",
        "!#$%&'*+-/=?^_`{|}~@example.com",
        "A@B.C.D.E",
        "a@xn--bcher-kva.example",
        "1234567890123456789012345678901234567890123456789012345678901234@example.com",
    };
    static const char *const bad[] = {
        "",
        "a",
        "@",
        "a@",
        "@b.c",
        "a@b",
        "a@b.",
        "a@.b",
        "a@b..c",
        ".a@b.c",
        "a.@b.c",
        "a..b@c.d",
        "a b@c.d",
        "a@b c.d",
        "a@-b.c",
        "a@b-.c",
        "a@@b.c",
        "a@b@c.d",
        "a@b.c ",
        " a@b.c",
        "a@b_c.d",
        "\"a\"@b.c",
        "a@[127.0.0.1]",
        "\xc3\xa9@b.c",
        "a@\xc3\xa9.c",
        "a,b@c.d",
        "12345678901234567890123456789012345678901234567890123456789012345@example.com",
        "a@1234567890123456789012345678901234567890123456789012345678901234.com",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(is_fine("mail", weir_str_from(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(is_fine("mail", weir_str_from(bad[i])));
    assert_false(is_fine("mail", WEIR_S("a\0b@c.d")));
    char long_one[300] = "a@";
    for (size_t i = 2; i < 254; i++)
        long_one[i] = i % 60 == 0 ? '.' : 'x';
    assert_true(is_fine("mail", (weir_str){long_one, 254}));
    long_one[254] = 'x';
    assert_false(is_fine("mail", (weir_str){long_one, 255}));
}

static void formats_choices_and_patterns(void **state)
{
    (void)state;
    assert_true(is_fine("id", WEIR_S("123e4567-E89b-12d3-a456-426614174000")));
    assert_false(is_fine("id", WEIR_S("123e4567-e89b-12d3-a456-42661417400")));
    assert_false(is_fine("id", WEIR_S("123e4567-e89b-12d3-a456-42661417400g")));
    assert_false(is_fine("id", WEIR_S("123e4567ae89b-12d3-a456-426614174000")));
    assert_true(is_fine("kind", WEIR_S("green")));
    assert_false(is_fine("kind", WEIR_S("gree")));
    assert_false(is_fine("kind", WEIR_S("")));
    assert_string_equal(lines(), "/kind must be one of red, green\n");
    assert_true(is_fine("code", WEIR_S("abc1")));
    assert_false(is_fine("code", WEIR_S("abc12")));
    assert_false(is_fine("code", WEIR_S("abc\n")));
    assert_false(is_fine("code", WEIR_S("abc\0x")));
    assert_string_equal(lines(), "/code must match ^[a-z]+[0-9]?$\n");
    /* A view is matched up to its end, not up to a NUL. */
    assert_true(is_fine("code", (weir_str){"abc123", 4}));
    static char huge[4097];
    memset(huge, 'a', sizeof huge);
    assert_true(is_fine("code", (weir_str){huge, 4096}));
    assert_false(is_fine("code", (weir_str){huge, 4097}));
}

static void lengths_count_code_points(void **state)
{
    (void)state;
    assert_true(is_fine("name", WEIR_S("abc")));
    assert_true(is_fine("name", WEIR_S("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9")));
    assert_true(is_fine("name", WEIR_S("\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80")));
    assert_false(is_fine("name", WEIR_S("\xf0\x9f\x98\x80\xf0\x9f\x98\x80")));
    assert_string_equal(lines(), "/name must have at least 3 characters, has 2\n");
    assert_false(is_fine("name", WEIR_S("abcdef")));
    assert_string_equal(lines(), "/name must have at most 5 characters, has 6\n");
}

static void whole_structs_are_checked(void **state)
{
    (void)state;
    texts list[2] = {{.kind = WEIR_S("red")}, {.kind = WEIR_S("blue"), .name = WEIR_S("a")}};
    outer o = {.text = {.mail = WEIR_S("nobody")}, .list = {list, 2}};
    assert_int_equal(weir__model_validate(&arena, weir_model_of(outer), &o, &errors),
                     WEIR_EINVALID);
    assert_string_equal(lines(), "/text/mail must be an e-mail address\n"
                                 "/list/1/kind must be one of red, green\n"
                                 "/list/1/name must have at least 3 characters, has 1\n");
    o = (outer){.list = {list, 1}};
    assert_int_equal(weir__model_validate(&arena, weir_model_of(outer), &o, &errors), WEIR_OK);
    assert_int_equal(errors.count, 0);

    query q = {.has_page = true, .size = 101, .ratio = NAN, .small = INFINITY};
    assert_int_equal(weir__model_validate(&arena, weir_model_of(query), &q, &errors),
                     WEIR_EINVALID);
    assert_string_equal(lines(), "/sort is required\n"
                                 "/page must be at least 1, is 0\n"
                                 "/size must be at most 100, is 101\n"
                                 "/ratio must be a number that a double holds\n"
                                 "/small must be a number that a float holds\n"
                                 "/tags must have at least 2 items, has 0\n");
    assert_int_equal(weir__model_validate(&arena, weir_model_of(query), &q, NULL), WEIR_EINVALID);
}

static weir_err check_floats(const char *text, floats *f)
{
    weir_err err =
        weir__json_decode(&arena, weir_str_from(text), weir_model_of(floats), f, NULL, &errors);
    for (size_t i = 0; i < errors.count; i++)
        errors.items[i].line = 0; /* lines() is for errors without a place */
    return err;
}

/* 0.1f is over 0.1 and FLT_MAX under its own shortest text: what is meant are the floats. */
static void floats_are_held_to_floats(void **state)
{
    (void)state;
    floats f;
    assert_int_equal(check_floats("{\"share\":0.1,\"any\":3.4028235e+38}", &f), WEIR_OK);
    assert_true(f.share == 0.1f && f.any == FLT_MAX);
    assert_int_equal(weir__model_validate(&arena, weir_model_of(floats), &f, &errors), WEIR_OK);
    assert_int_equal(check_floats("{\"share\":0.7,\"any\":-3.4028235e+38}", &f), WEIR_OK);
    assert_int_equal(weir__model_validate(&arena, weir_model_of(floats), &f, &errors), WEIR_OK);
    assert_int_equal(check_floats("{\"share\":0.70001,\"any\":3.4028236e+38}", &f), WEIR_EINVALID);
    assert_string_equal(lines(), "/share must be at most 0.7, is 0.70001\n"
                                 "/any must be a number that a float holds\n");
}

/* --- binding ---------------------------------------------------------------------------------- */

struct pair {
    const char *key, *text;
};

static weir_err bind(const struct pair *pairs, query *q)
{
    struct weir__binder b;
    weir__bind_begin(&b, &arena, weir_model_of(query), q, &errors);
    for (; pairs->key != NULL; pairs++)
        weir__bind_text(&b, weir_str_from(pairs->key), weir_str_from(pairs->text));
    return weir__bind_end(&b);
}

static void texts_become_typed_members(void **state)
{
    (void)state;
    query q;
    memset(&q, 0xff, sizeof q);
    assert_int_equal(bind((struct pair[]){{"sort", "age"},
                                          {"page", "3"},
                                          {"size", "100"},
                                          {"ratio", "0.5"},
                                          {"all", "true"},
                                          {"ids", "1"},
                                          {"tags", "x"},
                                          {"utm_source", "ignored"},
                                          {"ids", "-2"},
                                          {"tags", "y"},
                                          {"ids", "3"},
                                          {"ids", "4"},
                                          {"ids", "5"},
                                          {"ids", "6"},
                                          {0}},
                          &q),
                     WEIR_OK);
    assert_true(weir_str_eq(q.sort, WEIR_S("age")));
    assert_true(q.page == 3 && q.has_page && q.size == 100 && q.ratio == 0.5 && q.all);
    assert_true(q.small == 0);
    assert_int_equal(q.ids.len, 6);
    assert_true(q.ids.ptr[0] == 1 && q.ids.ptr[1] == -2 && q.ids.ptr[5] == 6);
    assert_true(q.tags.len == 2 && weir_str_eq(q.tags.ptr[1], WEIR_S("y")));
}

static void bad_texts_are_told(void **state)
{
    (void)state;
    query q;
    assert_int_equal(bind((struct pair[]){{"page", "0"},
                                          {"page", "2"},
                                          {"size", "-1"},
                                          {"ratio", "0,5"},
                                          {"small", "1e400"},
                                          {"all", "yes"},
                                          {"ids", "1"},
                                          {"ids", "1.0"},
                                          {"ids", ""},
                                          {"tags", "\xff"},
                                          {0}},
                          &q),
                     WEIR_EINVALID);
    assert_string_equal(lines(), "/page must be at least 1, is 0\n"
                                 "/page is given twice\n"
                                 "/size must be at least 0\n"
                                 "/ratio must be a number\n"
                                 "/small must be a number that a float holds\n"
                                 "/all must be true or false\n"
                                 "/ids/1 must be an integer\n"
                                 "/ids/1 must be an integer\n"
                                 "/tags/0 must be UTF-8 text\n"
                                 "/sort is required\n"
                                 "/tags must have at least 2 items, has 0\n");
    assert_int_equal(q.ids.len, 1);
    assert_false(q.has_page);
    static const struct pair sixteen[] = {
        {"sort", "a"},  {"page", "x"},  {"size", "99999999999999999999"},
        {"page", "-1"}, {"ratio", "1"}, {0}};
    assert_int_equal(bind(sixteen, &q), WEIR_EINVALID);
    assert_string_equal(lines(), "/sort must be one of name, age\n"
                                 "/page must be an integer\n"
                                 "/size must be at most 100\n"
                                 "/page is given twice\n"
                                 "/ratio must be at most 0.75, is 1\n");
}

static void unknown_and_nested_keys(void **state)
{
    (void)state;
    outer o;
    struct weir__binder b;
    weir__bind_begin(&b, &arena, weir_model_of(outer), &o, &errors);
    weir__bind_text(&b, WEIR_S("a/b"), WEIR_S("1"));
    weir__bind_text(&b, WEIR_S("text"), WEIR_S("1"));
    weir__bind_text(&b, WEIR_S("caf\xe9"), WEIR_S("1"));
    assert_int_equal(weir__bind_end(&b), WEIR_EINVALID);
    assert_string_equal(lines(), "/a~1b is not known\n"
                                 "/text cannot be given as text\n"
                                 " has a key that is not UTF-8\n"
                                 "/list is required\n");
}

static void one_value_can_be_bound(void **state)
{
    (void)state;
    query q = {0};
    struct weir__report r;
    weir__report_init(&r, &arena, &errors);
    const struct weir__member *m = weir__model_find(weir_model_of(query), WEIR_S("page"));
    assert_int_equal(weir__model_bind_text(&r, m, WEIR_S("12"), &q), WEIR_OK);
    assert_true(q.page == 12 && q.has_page);
    assert_int_equal(weir__model_bind_text(&r, m, WEIR_S("2147483648"), &q), WEIR_EINVALID);
    assert_string_equal(lines(), "/page must be at most 2147483647, is 2147483648\n");
    assert_int_equal(q.page, 12);
}

static void memory_may_fail(void **state)
{
    (void)state;
    query q;
    weir__arena_fini(&arena);
    weir__arena_trim();
    weir__arena_init(&arena, NULL, 0, 1 << 20);
    weir__alloc_fail_nth(1);
    assert_int_equal(bind((struct pair[]){{"sort", "age"}, {"ids", "1"}, {"tags", "x"}, {0}}, &q),
                     -ENOMEM);
    weir__alloc_fail_nth(0);
    weir__arena_fini(&arena);
    weir__arena_init(&arena, NULL, 0, 0);
    assert_int_equal(bind((struct pair[]){{"sort", "age"}, {"ids", "1"}, {0}}, &q), WEIR_EBUDGET);
    /* Messages without memory are constant texts. */
    assert_int_equal(bind((struct pair[]){{"sort", "what"}, {0}}, &q), WEIR_EINVALID);
    assert_string_equal(lines(), " is not valid\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(addresses_are_told_from_what_is_none),
        TEST(formats_choices_and_patterns),
        TEST(lengths_count_code_points),
        TEST(whole_structs_are_checked),
        TEST(floats_are_held_to_floats),
        TEST(texts_become_typed_members),
        TEST(bad_texts_are_told),
        TEST(unknown_and_nested_keys),
        TEST(one_value_can_be_bound),
        TEST(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
