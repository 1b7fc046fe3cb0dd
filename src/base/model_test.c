/*
 * Models: kinds found from types, tables, wrong definitions each with its sentence, first use by
 * many threads and without memory, and setting members from typed values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/model.h"

typedef enum color { RED, GREEN } color;

typedef struct {
    weir_str city;
} address;
WEIR_MODEL(address, (city, .required = true));

typedef struct {
    bool flag, has_nick;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    long long ll;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    size_t size;
    color col;
    float f;
    double d;
    weir_str s, nick;
    address home;
    WEIR_ARRAY(address) more;
    WEIR_ARRAY(int64_t) numbers;
} all_kinds;
WEIR_MODEL(all_kinds, (flag), (i8, .min = -100.5, .max = 99.5), (i16), (i32), (i64), (ll), (u8),
           (u16), (u32), (u64), (size), (col), (f), (d, .min = 0.5, .max = 1e9), (s),
           (nick, .json = "nick-name", .present = weir_flag_of(all_kinds, has_nick)),
           (home, .model = weir_model_of(address)), (more, .array_of = weir_model_of(address)),
           (numbers, .array_of = weir_model_of(int64_t), .len_max = 3));

typedef struct {
    int a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15;
    int b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15;
    int c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15;
    int d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15;
    int e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13, e14, e15;
    int f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15;
    int g0, g1, g2, g3, g4, g5, g6, g7, g8, g9, g10, g11, g12, g13, g14, g15;
    int h0, h1, h2, h3, h4, h5, h6, h7, h8, h9, h10, h11, h12, h13, h14, h15;
} widest;
WEIR_MODEL(widest, (a0), (a1), (a2), (a3), (a4), (a5), (a6), (a7), (a8), (a9), (a10), (a11),
           (a12), (a13), (a14), (a15), (b0), (b1), (b2), (b3), (b4), (b5), (b6), (b7), (b8),
           (b9), (b10), (b11), (b12), (b13), (b14), (b15), (c0), (c1), (c2), (c3), (c4), (c5),
           (c6), (c7), (c8), (c9), (c10), (c11), (c12), (c13), (c14), (c15), (d0), (d1), (d2),
           (d3), (d4), (d5), (d6), (d7), (d8), (d9), (d10), (d11), (d12), (d13), (d14), (d15),
           (e0), (e1), (e2), (e3), (e4), (e5), (e6), (e7), (e8), (e9), (e10), (e11), (e12),
           (e13), (e14), (e15), (f0), (f1), (f2), (f3), (f4), (f5), (f6), (f7), (f8), (f9),
           (f10), (f11), (f12), (f13), (f14), (f15), (g0), (g1), (g2), (g3), (g4), (g5), (g6),
           (g7), (g8), (g9), (g10), (g11), (g12), (g13), (g14), (g15), (h0), (h1), (h2), (h3),
           (h4), (h5), (h6), (h7), (h8), (h9), (h10), (h11), (h12), (h13), (h14), (h15, .required
           = true));

static const struct weir__member *find(const weir_model *model, const char *key)
{
    const struct weir__member *m = weir__model_find(model, weir_str_from(key));
    assert_non_null(m);
    return m;
}

static void kinds_are_found_from_types(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        weir_kind kind;
        uint32_t size;
    } expected[] = {
        {"flag", WEIR_KIND_BOOL, 1},      {"i8", WEIR_KIND_INT, 1},
        {"i16", WEIR_KIND_INT, 2},        {"i32", WEIR_KIND_INT, 4},
        {"i64", WEIR_KIND_INT, 8},        {"ll", WEIR_KIND_INT, 8},
        {"u8", WEIR_KIND_UINT, 1},        {"u16", WEIR_KIND_UINT, 2},
        {"u32", WEIR_KIND_UINT, 4},       {"u64", WEIR_KIND_UINT, 8},
        {"size", WEIR_KIND_UINT, 8},      {"col", WEIR_KIND_UINT, 4},
        {"f", WEIR_KIND_FLOAT, 4},        {"d", WEIR_KIND_FLOAT, 8},
        {"s", WEIR_KIND_STR, 16},         {"nick-name", WEIR_KIND_STR, 16},
        {"home", WEIR_KIND_MODEL, 16},    {"more", WEIR_KIND_ARRAY, 16},
        {"numbers", WEIR_KIND_ARRAY, 16},
    };
    const weir_model *model = weir_model_of(all_kinds);
    assert_int_equal(model->field_count, sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < model->field_count; i++) {
        const struct weir__member *m = find(model, expected[i].key);
        assert_int_equal(m->kind, expected[i].kind);
        assert_int_equal(m->size, expected[i].size);
        assert_int_equal(m->index, i);
        assert_int_equal(m->offset, model->fields[i].offset);
    }
    assert_string_equal(model->name, "all_kinds");
    assert_int_equal(model->size, sizeof(all_kinds));
}

static void bounds_are_those_of_type_and_options(void **state)
{
    (void)state;
    const weir_model *model = weir_model_of(all_kinds);
    const struct weir__member *m = find(model, "i8");
    assert_int_equal(m->bound.i.min, -100);
    assert_int_equal(m->bound.i.max, 99);
    m = find(model, "i64");
    assert_true(m->bound.i.min == INT64_MIN && m->bound.i.max == INT64_MAX);
    m = find(model, "u64");
    assert_true(m->bound.u.min == 0 && m->bound.u.max == UINT64_MAX);
    m = find(model, "u16");
    assert_true(m->bound.u.min == 0 && m->bound.u.max == 65535);
    m = find(model, "d");
    assert_true(m->bound.f.min == 0.5 && m->bound.f.max == 1e9);
    m = find(model, "numbers");
    assert_true(m->bound.len.min == 0 && m->bound.len.max == 3);
}

typedef struct {
    int64_t a;
    uint64_t b;
} edges;
WEIR_MODEL(edges, (a, .min = INT64_MIN, .max = INT64_MAX - 1),
           (b, .min = 1, .max = UINT64_MAX - 1));

static void bounds_are_exact_over_64_bits(void **state)
{
    (void)state;
    const struct weir__member *m = find(weir_model_of(edges), "a");
    assert_true(m->bound.i.min == INT64_MIN && m->bound.i.max == INT64_MAX - 1);
    m = find(weir_model_of(edges), "b");
    assert_true(m->bound.u.min == 1 && m->bound.u.max == UINT64_MAX - 1);
}

static void members_are_found_by_key_and_by_name(void **state)
{
    (void)state;
    const weir_model *model = weir_model_of(all_kinds);
    assert_null(weir__model_find(model, WEIR_S("nick")));
    assert_null(weir__model_find(model, WEIR_S("")));
    assert_null(weir__model_find(model, WEIR_S("fla")));
    assert_non_null(weir__model_find_name(model, WEIR_S("nick")));
    assert_null(weir__model_find_name(model, WEIR_S("nick-name")));
    for (size_t i = 0; i < weir_model_of(widest)->field_count; i++) {
        weir_str name = weir_model_of(widest)->fields[i].name;
        assert_int_equal(weir__model_find(weir_model_of(widest), name)->index, i);
        assert_int_equal(weir__model_find_name(weir_model_of(widest), name)->index, i);
    }
    const struct weir__model_tables *t = weir__model_tables(weir_model_of(widest));
    assert_true(t->required.word[0] == 0 && t->required.word[1] == (uint64_t)1 << 63);
}

/* --- wrong definitions ----------------------------------------------------------------------- */

typedef struct {
    int n, m;
    double d;
    float f;
    weir_str s;
    address home;
    WEIR_ARRAY(int64_t) items;
    char *c;
} wrong;

WEIR_MODEL(wrong, (c));
typedef wrong wrong1, wrong2, wrong3, wrong4, wrong5, wrong6, wrong7, wrong8, wrong10, wrong11,
    wrong12, wrong13, wrong14, wrong16, wrong17, wrong18, wrong19, wrong20, wrong21;
WEIR_MODEL(wrong1, (n, .min = 5, .max = 4));
WEIR_MODEL(wrong2, (s, .min = 5));
WEIR_MODEL(wrong3, (n, .len_max = 5));
WEIR_MODEL(wrong4, (s, .len_min = 6, .len_max = 5));
WEIR_MODEL(wrong5, (n, .format = WEIR_EMAIL));
WEIR_MODEL(wrong6, (s, .pattern = "(unclosed"));
WEIR_MODEL(wrong7, (n), (m, .json = "n"));
WEIR_MODEL(wrong8, (s, .json = "a\"b"));
WEIR_MODEL(wrong10, (n, .array_of = weir_model_of(int64_t)));
WEIR_MODEL(wrong11, (home, .model = weir_model_of(wrong1)));
WEIR_MODEL(wrong12, (s, .json = ""));
WEIR_MODEL(wrong13, (c, .array_of = weir_model_of(address)));
WEIR_MODEL(wrong14, (n, .min = 1e10));
WEIR_MODEL(wrong16, (home, .model = weir_model_of(weir_str)));
WEIR_MODEL(wrong17, (s, .json = "\xff"));
WEIR_MODEL(wrong18, (s, .present = 10000));
WEIR_MODEL(wrong19, (f, .min = 1e300));
WEIR_MODEL(wrong20, (d, .max = -__builtin_infl()));

WEIR_MODEL(wrong21, (s, .min = 1, .len_min = 3, .len_max = 2), (n, .one_of = WEIR_ONE_OF("x")));

/* The first mistake without its place, "" for none. */
static size_t mistake_count;
static const char *mistakes_of(const weir_model *model)
{
    static char text[2048];
    weir_buf report;
    weir_buf_init_fixed(&report, text, sizeof text);
    weir_err err = weir__model_check(model, &report);
    assert_int_equal(err, report.len == 0 ? WEIR_OK : WEIR_EINVALID);
    mistake_count = 0;
    for (size_t i = 0; i < report.len; i++)
        mistake_count += text[i] == '\n';
    text[report.len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (report.len == 0)
        return text;
    char place[200];
    int n = snprintf(place, sizeof place, "%s:%d: ", model->file, model->line);
    assert_memory_equal(text, place, (size_t)n);
    return text + n;
}

static void wrong_definitions_are_named(void **state)
{
    (void)state;
    static const struct {
        const weir_model *model;
        const char *text;
    } cases[] = {
        {&weir_model_wrong, "model wrong, member c: its type is not one a model can hold; a "
                            "struct and a pointer to one need .model, an array .array_of, a map "
                            ".map_of"},
        {&weir_model_wrong1, "model wrong1, member n: .min is over .max"},
        {&weir_model_wrong2, "model wrong2, member s: .min and .max are for numbers"},
        {&weir_model_wrong3, "model wrong3, member n: .len_min and .len_max are for texts, "
                             "bytes, raw JSON, arrays and maps"},
        {&weir_model_wrong4, "model wrong4, member s: .len_min is over .len_max"},
        {&weir_model_wrong5, "model wrong5, member n: .format, .one_of and .pattern are for texts"},
        {&weir_model_wrong7, "model wrong7, member m: another member has the same JSON key"},
        {&weir_model_wrong8, "model wrong8, member s: the JSON key has a quote, a backslash or a "
                             "control character"},
        {&weir_model_wrong10, "model wrong10, member n: .model, .array_of and .map_of are for "
                              "structs, arrays and maps only"},
        {&weir_model_wrong12, "model wrong12, member s: the JSON key must have 1 to 200 bytes"},
        {&weir_model_wrong13, "model wrong13, member c: .array_of needs a member made with "
                              "WEIR_ARRAY"},
        {&weir_model_wrong14, "model wrong14, member n: .min and .max allow no value of its type"},
        {&weir_model_wrong16, "model wrong16, member home: .model is not the model of a struct"},
        {&weir_model_wrong17, "model wrong17, member s: the JSON key is not UTF-8"},
        {&weir_model_wrong18, "model wrong18, member s: .present lies outside the struct"},
        {&weir_model_wrong19, "model wrong19, member f: .min and .max allow no value of its type"},
        {&weir_model_wrong20, "model wrong20, member d: .min and .max allow no value of its type"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(mistakes_of(cases[i].model), cases[i].text);
    assert_non_null(strstr(mistakes_of(&weir_model_wrong6), "member s: .pattern (unclosed: "));
    assert_string_equal(mistakes_of(weir_model_of(all_kinds)), "");
    /* edges and address have the same size, which no check can tell apart; wrong1 has not. */
    assert_non_null(
        strstr(mistakes_of(&weir_model_wrong11), ".model is the model of another type"));
}

/* Every mistake of every model, in the order of their places; a place that is there twice is told
 * once. */
static void all_mistakes_are_found_at_once(void **state)
{
    (void)state;
    weir_buf report;
    weir_model_link link = {0};
    weir_model twin = weir_model_wrong2; /* as in a header that two files include */
    twin.link = &link;
    weir_model_register(&twin);
    weir_model_register(&twin);
    weir_buf_init(&report, 64 << 10);
    assert_int_equal(weir__models_check(&report), WEIR_EINVALID);
    weir_buf_putc(&report, '\0');
    int last = 0, count = 0;
    for (char *line = strtok(report.ptr, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        int at = 0;
        assert_int_equal(sscanf(line, "%*[^:]:%d: model ", &at), 1);
        assert_true(at >= last);
        last = at;
        count += strstr(line, "model wrong2,") != NULL;
    }
    assert_int_equal(count, 1);
    weir_buf_fini(&report);
    assert_string_equal(mistakes_of(&weir_model_wrong21),
                        "model wrong21, member s: .min and .max are for numbers");
    assert_int_equal(mistake_count, 3); /* of two members, all at once */
}

static void a_wrong_definition_ends_the_process(void **state)
{
    (void)state;
    int fds[2], status;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        weir__model_tables(weir_model_of(wrong1));
        _exit(0);
    }
    close(fds[1]);
    char text[500] = {0};
    size_t n = 0;
    for (ssize_t got; (got = read(fds[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, ": model wrong1, member n: .min is over"));
}

/* --- first use -------------------------------------------------------------------------------- */

typedef struct {
    weir_str s;
    int n;
} late;
WEIR_MODEL(late, (s, .pattern = "^[a-z]+$"), (n));
typedef late raced;
WEIR_MODEL(raced, (s, .pattern = "^[a-z]+$"), (n));

static void tables_need_memory_only_once(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        struct weir__alloc_stats before = weir__alloc_stats();
        weir__alloc_fail_nth(nth);
        assert_null(weir__model_tables(weir_model_of(late)));
        struct weir__alloc_stats after = weir__alloc_stats();
        assert_int_equal(after.allocs - before.allocs, after.frees - before.frees);
    }
    weir__alloc_fail_nth(0);
    const struct weir__model_tables *t = weir__model_tables(weir_model_of(late));
    assert_non_null(t);
    uint64_t allocs = weir__alloc_stats().allocs;
    assert_ptr_equal(weir__model_tables(weir_model_of(late)), t);
    assert_int_equal(weir__alloc_stats().allocs, allocs);
}

static pthread_barrier_t barrier;

static void *use_first(void *arg)
{
    pthread_barrier_wait(&barrier);
    *(const void **)arg = weir__model_tables(weir_model_of(raced));
    return NULL;
}

static void many_threads_may_be_first(void **state)
{
    (void)state;
    pthread_t t[4];
    const void *tables[4] = {0};
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, use_first, &tables[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(tables[i], weir__model_tables(weir_model_of(raced)));
    pthread_barrier_destroy(&barrier);
}

/* --- typed values ----------------------------------------------------------------------------- */

static all_kinds row;

static weir_err set_int(const char *key, int64_t v)
{
    return weir__field_set_int(find(weir_model_of(all_kinds), key), &row, v);
}

static weir_err set_double(const char *key, double v)
{
    return weir__field_set_double(find(weir_model_of(all_kinds), key), &row, v);
}

static void integers_go_where_they_fit(void **state)
{
    (void)state;
    assert_int_equal(set_int("i8", -128), WEIR_OK);
    assert_int_equal(row.i8, -128);
    assert_int_equal(set_int("i8", 128), -ERANGE);
    assert_int_equal(set_int("u8", 255), WEIR_OK);
    assert_int_equal(set_int("u8", 256), -ERANGE);
    assert_int_equal(set_int("u8", -1), -ERANGE);
    assert_int_equal(row.u8, 255);
    assert_int_equal(set_int("i32", INT32_MIN), WEIR_OK);
    assert_int_equal(set_int("i32", (int64_t)INT32_MAX + 1), -ERANGE);
    assert_int_equal(set_int("i64", INT64_MIN), WEIR_OK);
    assert_true(row.i64 == INT64_MIN);
    assert_int_equal(set_int("u64", INT64_MAX), WEIR_OK);
    assert_int_equal(set_int("u64", -1), -ERANGE);
    assert_int_equal(set_int("flag", 1), WEIR_OK);
    assert_true(row.flag);
    assert_int_equal(set_int("flag", 2), -ERANGE);
    assert_int_equal(set_int("d", 1 << 20), WEIR_OK);
    assert_true(row.d == 1 << 20);
    assert_int_equal(set_int("d", ((int64_t)1 << 53) + 1), -ERANGE);
    assert_int_equal(set_int("d", INT64_MAX), -ERANGE);
    assert_int_equal(set_int("f", (1 << 24) + 1), -ERANGE);
    assert_int_equal(set_int("s", 1), WEIR_EINVALID);
    assert_int_equal(set_int("home", 1), WEIR_EINVALID);
}

static void doubles_texts_and_nulls(void **state)
{
    (void)state;
    const struct weir__member *nick = find(weir_model_of(all_kinds), "nick-name");
    assert_int_equal(set_double("d", 0.1), WEIR_OK);
    assert_true(row.d == 0.1);
    assert_int_equal(set_double("f", 0.5), WEIR_OK);
    assert_int_equal(set_double("f", 1e300), -ERANGE);
    assert_int_equal(set_double("i64", 12.0), WEIR_OK);
    assert_int_equal(row.i64, 12);
    assert_int_equal(set_double("i64", 12.5), WEIR_EINVALID);
    assert_int_equal(set_double("i64", 1e300), -ERANGE);
    assert_int_equal(set_double("i64", __builtin_nan("")), -ERANGE);
    assert_int_equal(set_double("s", 1), WEIR_EINVALID);
    assert_int_equal(weir__field_set_text(nick, &row, WEIR_S("ada")), WEIR_OK);
    assert_true(row.has_nick && weir_str_eq(row.nick, WEIR_S("ada")));
    weir__field_set_null(nick, &row);
    assert_true(!row.has_nick && row.nick.ptr == NULL);
    assert_int_equal(weir__field_set_text(find(weir_model_of(all_kinds), "i64"), &row, WEIR_S("1")),
                     WEIR_EINVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_found_from_types),
        cmocka_unit_test(bounds_are_those_of_type_and_options),
        cmocka_unit_test(bounds_are_exact_over_64_bits),
        cmocka_unit_test(members_are_found_by_key_and_by_name),
        cmocka_unit_test(wrong_definitions_are_named),
        cmocka_unit_test(all_mistakes_are_found_at_once),
        cmocka_unit_test(a_wrong_definition_ends_the_process),
        cmocka_unit_test(tables_need_memory_only_once),
        cmocka_unit_test(many_threads_may_be_first),
        cmocka_unit_test(integers_go_where_they_fit),
        cmocka_unit_test(doubles_texts_and_nulls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
