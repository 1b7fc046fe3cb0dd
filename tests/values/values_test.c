/*
 * Every kind of value at every place: {JSON, query, form, path, value of a statement, row, bare
 * row, item of an array, of a map, nested, behind a pointer} × {a value, the smallest, the largest,
 * null, absent, what it is not}. A real service in the simulation answers with what it has
 * understood.
 *
 * A kind is a row of `kinds`; what is new in a kind is a new row, and all places are tried for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/sqlite.h>
#include <weir/test.h>
#include <weir/weir.h>

enum { TEXT_MAX = 2048 };

/* --- the models of a kind: at each place that JSON has ---------------------------------------- */

#define KIND(T)                                                                                    \
    typedef struct {                                                                               \
        T v;                                                                                       \
        weir_presence v_is;                                                                        \
    } T##_box;                                                                                     \
    WEIR_MODEL(T##_box, (v, .present = weir_flag_of(T##_box, v_is)));                              \
    typedef struct {                                                                               \
        WEIR_ARRAY(T) v;                                                                           \
    } T##_list;                                                                                    \
    WEIR_MODEL(T##_list, (v, .array_of = weir_model_of(T)));                                       \
    typedef struct {                                                                               \
        WEIR_MAP(T) v;                                                                             \
    } T##_map;                                                                                     \
    WEIR_MODEL(T##_map, (v, .map_of = weir_model_of(T)));                                          \
    typedef struct {                                                                               \
        T##_box in;                                                                                \
        T##_box *behind;                                                                           \
    } T##_nest;                                                                                    \
    WEIR_MODEL(T##_nest, (in, .model = weir_model_of(T##_box)),                                    \
               (behind, .model = weir_model_of(T##_box)));                          \
    static weir_arg arg_of_##T(const void *box)                                                    \
    {                                                                                              \
        const T##_box *b = box;                                                                    \
        return WEIR_OR_NULL(b->v_is, b->v);                                                        \
    }

typedef bool flag; /* bool is a macro in C17, and would not survive the one above */
#define weir_model_flag weir_model_bool
KIND(flag)
KIND(int8_t)
KIND(uint8_t)
KIND(int16_t)
KIND(uint16_t)
KIND(int32_t)
KIND(uint32_t)
KIND(int64_t)
KIND(uint64_t)
KIND(float)
KIND(double)
KIND(weir_str)
KIND(weir_wall)
KIND(weir_uuid)
KIND(weir_decimal)
KIND(weir_blob)
KIND(weir_raw_json)

/* --- the table -------------------------------------------------------------------------------- */

#define NINES65 "99999999999999999999999999999999999999999999999999999999999999999"

/*
 * A value: as JSON, as a text of a query (NULL: as in JSON), and what is written (NULL: the same).
 */
struct value {
    const char *json, *text, *out;
    bool is_no_column; /* no database holds it */
};

/* What a column holds, in SQL, and what is written of it; NULL: it is refused. */
struct column {
    const char *sql, *out;
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* what is not said is none */

static const struct kind {
    const char *name;
    const weir_model *bare, *box, *list, *map, *nest;
    weir_arg (*arg)(const void *box);
    struct value values[9];
    const char *bad[16];      /* in JSON */
    const char *bad_texts[8]; /* in a query */
    struct column columns[10];
} kinds[] = {
#define MODELS(T)                                                                                  \
#T, weir_model_of(T), weir_model_of(T##_box), weir_model_of(T##_list), weir_model_of(T##_map), \
        weir_model_of(T##_nest), arg_of_##T
#define NO_NUMBER "\"1\"", "true", "{}", "[]", "1.", "01", "nul", "NaN"
#define NO_INTEGER NO_NUMBER, "1.0", "1e1"
    {MODELS(flag),
     {{"true"}, {"false"}, {"true", "on", "true"}, {"false", "0", "false"}},
     {"1", "0", "\"true\"", "\"\"", "{}", "[]", "tru"},
     {"yes", "2", "TRUE"},
     {{"1", "true"}, {"0", "false"}, {"2"}, {"'true'"}, {"x'01'"}, {"NULL", "null"}}},
    {MODELS(int8_t),
     {{"1"}, {"-128"}, {"127"}, {"0"}},
     {NO_INTEGER, "128", "-129"},
     {"", "x", "128", "1.0", "+1"},
     {{"127", "127"}, {"2.0", "2"}, {"128"}, {"-129"}, {"2.5"}, {"'1'"}, {"x'31'"}}},
    {MODELS(uint8_t),
     {{"1"}, {"0"}, {"255"}},
     {NO_INTEGER, "-1", "256"},
     {"", "-1", "256", "x"},
     {{"255", "255"}, {"256"}, {"-1"}, {"'1'"}}},
    {MODELS(int16_t),
     {{"1"}, {"-32768"}, {"32767"}},
     {NO_INTEGER, "32768"},
     {"-32769"},
     {{"32768"}}},
    {MODELS(uint16_t), {{"1"}, {"0"}, {"65535"}}, {NO_INTEGER, "65536", "-1"}, {"-1"}, {{"65536"}}},
    {MODELS(int32_t),
     {{"1"}, {"-2147483648"}, {"2147483647"}},
     {NO_INTEGER, "2147483648"},
     {"-2147483649"},
     {{"2147483648"}, {"'x'"}}},
    {MODELS(uint32_t),
     {{"1"}, {"0"}, {"4294967295"}},
     {NO_INTEGER, "4294967296", "-1"},
     {"4294967296"},
     {{"4294967296"}, {"-1"}}},
    {MODELS(int64_t),
     {{"1"}, {"-9223372036854775808"}, {"9223372036854775807"}},
     {NO_INTEGER, "9223372036854775808", "-9223372036854775809"},
     {"9223372036854775808", "x"},
     {{"1e300"}, {"'1'"}, {"x'31'"}}},
    {MODELS(uint64_t),
     {{"1"}, {"0"}, {"9223372036854775807"}, {"18446744073709551615", .is_no_column = true}},
     {NO_INTEGER, "18446744073709551616", "-1"},
     {"18446744073709551616", "-1"},
     {{"-1"}}},
    {MODELS(float),
     {{"1.5"}, {"-3.4028235e+38"}, {"3.4028235e+38"}, {"1e-45"}, {"0"}},
     {NO_NUMBER, "1e39"},
     {"", "x", "1e39", "inf"},
     {{"1", "1"}, {"16777217"}, {"1e300"}, {"'1'"}}},
    {MODELS(double),
     {{"0.1"},
      {"-1.7976931348623157e+308"},
      {"1.7976931348623157e+308"},
      {"5e-324"},
      {"1E2", "1E2", "100"}},
     {NO_NUMBER, "1e309"},
     {"", "x", "1e309", "nan"},
     {{"7", "7"}, {"9007199254740993"}, {"'1'"}, {"x'31'"}}},
    {MODELS(weir_str),
     {{"\"text\"", "text"},
      {"\"\"", ""},
      {"\"\\u00e9\\n\\\"\"", "\xc3\xa9\n\"", "\"\xc3\xa9\\n\\\"\""}},
     {"1", "true", "{}", "[]", "\"\\x\"", "\"\xff\""},
     {"\xff"},
     {{"'a'", "\"a\""}, {"x'61'", "\"a\""}, {"1"}, {"1.5"}, {"NULL", "null"}}},
    {MODELS(weir_wall),
     {{"\"2024-02-29T12:30:00Z\"", "2024-02-29T12:30:00Z"},
      {"\"0001-01-01T00:00:00Z\"", "0001-01-01T00:00:00Z"},
      {"\"9999-12-31T23:59:59.999999Z\"", "9999-12-31T23:59:59.999999Z"},
      {"\"2024-02-29t13:30:00.5+01:00\"", "2024-02-29T13:30:00.5+01:00",
       "\"2024-02-29T12:30:00.500000Z\""}},
     {"1709209800", "true", "{}", "[]", "\"\"", "\"2023-02-29T00:00:00Z\"", "\"2024-02-29\"",
      "\"2024-02-29 12:30:00Z\"", "\"0000-01-01T00:00:00Z\"", "\"0001-01-01T00:00:00+01:00\"",
      "\"2016-12-31T23:59:60Z\""},
     {"", "today", "2024-02-29T12:30:00"},
     {{"1709209800", "\"2024-02-29T12:30:00Z\""},
      {"'2024-02-29 12:30:00'", "\"2024-02-29T12:30:00Z\""},
      {"datetime('2024-02-29 12:30:00')", "\"2024-02-29T12:30:00Z\""},
      {"'2024-02-29'", "\"2024-02-29T00:00:00Z\""},
      {"'today'"},
      {"2460370.5"},
      {"x'00'"},
      {"300000000000"}}},
    {MODELS(weir_uuid),
     {{"\"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
      {"\"00000000-0000-0000-0000-000000000000\"", "00000000-0000-0000-0000-000000000000"},
      {"\"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\"", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
       "\"ffffffff-ffff-ffff-ffff-ffffffffffff\""}},
     {"1", "true", "{}", "[]", "\"\"", "\"f81d4fae7dec11d0a76500a0c91e6bf6\"",
      "\"g81d4fae-7dec-11d0-a765-00a0c91e6bf6\""},
     {"", "1"},
     {{"x'f81d4fae7dec11d0a76500a0c91e6bf6'", "\"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\""},
      {"x'f81d'"},
      {"'f81d'"},
      {"1"},
      {"1.5"}}},
    {MODELS(weir_decimal),
     {{"\"12.50\"", "12.50"},
      {"\"-" NINES65 "\"", "-" NINES65},
      {"\"" NINES65 "\"", NINES65},
      {"\"0." NINES65 "\"", "0." NINES65},
      {"12.50", "12.50", "\"12.50\""},
      {"-1.5e2", "-1.5e2", "\"-150\""},
      {NINES65, NINES65, "\"" NINES65 "\""},
      {"-0", "-0", "\"0\""}},
     {"true", "{}", "[]", "\"\"", "\"1.\"", "\"+1\"", "\"1 \"", "\"NaN\"", NINES65 "9", "1e65",
      "1e-66", "\"1e999999999999999999999\"", "01"},
     {"", "x", "1e65", ".5"},
     {{"12", "\"12\""},
      {"12.5", "\"12.5\""},
      {"'12.500'", "\"12.500\""},
      {"0.1234567890123456"},
      {"9007199254740993.0"},
      {"'x'"},
      {"x'31'"},
      {"1e300"}}},
    {MODELS(weir_blob),
     {{"\"AAECAw==\"", "AAECAw=="},
      {"\"\"", ""},
      {"\"/+8=\"", "_-8", "\"/+8=\""},
      {"\"_-8\"", "/+8", "\"/+8=\""}},
     {"1", "true", "{}", "[]", "\"A\"", "\"A===\"", "\"AB==\"", "\"AA =\"", "\"AAAA=\""},
     {"A", "A*==", "AB"},
     {{"x'00ff'", "\"AP8=\""},
      {"x''", "\"\""},
      {"'abc'", "\"YWJj\""},
      {"1"},
      {"1.5"},
      {"NULL", "null"}}},
    {MODELS(weir_raw_json),
     {{"{\"a\":[1,null,{\"b\":\"\\u00e9\"}]}"},
      {"\"x\""},
      {"1.50"},
      {"[]"},
      {"true"},
      {"[ 1 ]"},
      {"\n[1] ", "\r\n[1]\t", "[1]"}},
     {"{\"a\":1,\"a\":2}", "{", "[1,]", "tru", "\"\xff\"", "01"},
     {"", "{", "x", "1 2"},
     {{"'{\"a\":1}'", "{\"a\":1}"}, {"'{'"}, {"''"}, {"1"}, {"x'7b7d'"}, {"NULL", "null"}}},
};
#pragma GCC diagnostic pop

enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

/* --- the service ------------------------------------------------------------------------------ */

static weir_db *db;

static weir_err start(weir_ctx *c, void *arg)
{
    (void)arg;
    unlink("values_test.db");
    db = weir_sqlite_open(c, .path = "values_test.db", .create = true);
    return weir_exec_script(c, db, "CREATE TABLE t(v)");
}

static const struct kind *kind_of(weir_ctx *c)
{
    weir_str name = weir_param(c, "kind");
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (weir_str_eq(name, weir_str_from(kinds[i].name)))
            return &kinds[i];
    abort();
}

/* Room for any of the structs, at the alignment of all of them. */
struct room {
    _Alignas(16) char bytes[128];
};

static weir_err reply(weir_ctx *c, weir_err err, const weir_model *model, const struct room *r)
{
    return err < 0 ? weir_fail_bind(c) : weir_json_at(c, 200, model, r);
}

static weir_err json(weir_ctx *c)
{
    struct room r;
    weir_str place = weir_param(c, "place");
    const struct kind *k = kind_of(c);
    const weir_model *model = weir_str_eq(place, WEIR_S("box"))    ? k->box
                              : weir_str_eq(place, WEIR_S("list")) ? k->list
                              : weir_str_eq(place, WEIR_S("map"))  ? k->map
                                                                   : k->nest;
    return reply(c, weir_bind_json_at(c, model, &r), model, &r);
}

static weir_err query(weir_ctx *c)
{
    struct room r;
    const weir_model *model =
        weir_str_eq(weir_param(c, "place"), WEIR_S("list")) ? kind_of(c)->list : kind_of(c)->box;
    return reply(c, weir_bind_query_at(c, model, &r), model, &r);
}

static weir_err form(weir_ctx *c)
{
    struct room r;
    return reply(c, weir_bind_form_at(c, kind_of(c)->box, &r), kind_of(c)->box, &r);
}

static weir_err path(weir_ctx *c)
{
    struct room r;
    return reply(c, weir_bind_path_at(c, kind_of(c)->box, &r), kind_of(c)->box, &r);
}

/* A value into a statement, and out of the row. */
static weir_err sql(weir_ctx *c)
{
    struct room r;
    const struct kind *k = kind_of(c);
    if (weir_bind_json_at(c, k->box, &r) < 0)
        return weir_fail_bind(c);
    if (weir_db_exec(c, db, NULL, "DELETE FROM t") < 0 ||
        weir_db_exec(c, db, NULL, "INSERT INTO t VALUES (?)", k->arg(&r)) < 0)
        return weir_fail_last(c, 500);
    memset(&r, 0, sizeof r);
    weir_arg none[1] = {0};
    weir_err err =
        weir_query_one_at(WEIR_HERE, c, weir_source_of(db), k->box, &r, "SELECT v FROM t", none, 0);
    return err < 0 ? weir_fail_last(c, 500) : weir_json_at(c, 200, k->box, &r);
}

/* A column as the query's text says it, into a member and into a bare value. */
static weir_err column(weir_ctx *c)
{
    struct room r = {{0}}, bare = {{0}};
    char text[TEXT_MAX];
    const struct kind *k = kind_of(c);
    snprintf(text, sizeof text, "SELECT " WEIR_STR_FMT " AS v",
             WEIR_STR_ARG(weir_query_param(c, "sql")));
    weir_arg none[1] = {0};
    weir_source from = weir_source_of(db);
    weir_err err = weir_query_one_at(WEIR_HERE, c, from, k->box, &r, text, none, 0);
    if (err < 0)
        return weir_fail_last(c, err == WEIR_EDBTYPE ? 422 : 500);
    weir_err bare_err = weir_query_one_at(WEIR_HERE, c, from, k->bare, &bare, text, none, 0);
    if (bare_err == WEIR_OK && memcmp(&r, &bare, k->bare->size) != 0 &&
        k->bare->fields->kind < WEIR_KIND_STR)
        return weir_fail(c, 500, "a bare value is another one");
    return weir_json_at(c, 200, k->box, &r);
}

static weir_app *app(void)
{
    static char *argv[] = {"values", NULL};
    weir_app *a = weir_app_new(1, argv, .name = "values", .start = start, .log_level = "error");
    weir_post(a, "/json/:kind/:place", json);
    weir_get(a, "/query/:kind/:place", query);
    weir_post(a, "/form/:kind", form);
    weir_get(a, "/path/:kind/:v", path);
    weir_post(a, "/sql/:kind", sql);
    weir_get(a, "/column/:kind", column);
    return a;
}

/* --- asking ----------------------------------------------------------------------------------- */

static weir_test *t;

static int open_service(void **state)
{
    (void)state;
    t = weir_test_open(app());
    return weir_test_error(t)[0] == '\0' ? 0 : -1;
}

static int close_service(void **state)
{
    (void)state;
    const char *left = weir_test_close(t);
    unlink("values_test.db");
    unlink("values_test.db-wal");
    unlink("values_test.db-shm");
    return left[0] == '\0' ? 0 : -1;
}

static void expect(const char *what, const char *input, const weir_test_reply *r, int status,
                   const char *body)
{
    if (r->status != status || (body != NULL && !weir_str_eq(r->body, weir_str_from(body))))
        fail_msg("%s %s: %d " WEIR_STR_FMT ", not %d %s", what, input, r->status,
                 WEIR_STR_ARG(r->body), status, body != NULL ? body : "");
}

/* Posts a body of JSON that `form` makes of the value; it comes back as it makes of `out`. */
static void post(const char *target, const struct kind *k, const char *place, const char *value,
                 const char *form, const char *out, int status)
{
    char where[100], body[TEXT_MAX], expected[TEXT_MAX];
    snprintf(where, sizeof where, "%s/%s%s", target, k->name, place);
    snprintf(body, sizeof body, form, value, value);
    snprintf(expected, sizeof expected, form, out, out);
    weir_test_reply r = weir_test_request(t, "POST", where, .json = body);
    expect(where, body, &r, status, status == 200 ? expected : NULL);
}

static void put_encoded(char *out, const char *text)
{
    for (; *text != '\0'; text++)
        out += sprintf(out, "%%%02X", (unsigned char)*text);
    *out = '\0';
}

/* The text in a query (alone and as one of several), a form, a path. */
static void give(const struct kind *k, const char *text, const char *out, int status)
{
    char encoded[TEXT_MAX], target[2 * TEXT_MAX], expected[TEXT_MAX];
    put_encoded(encoded, text);
    snprintf(expected, sizeof expected, "{\"v\":%s}", out != NULL ? out : "");
    snprintf(target, sizeof target, "/query/%s/box?v=%s", k->name, encoded);
    weir_test_reply r = weir_test_request(t, "GET", target);
    expect(target, text, &r, status, out != NULL ? expected : NULL);
    snprintf(target, sizeof target, "/path/%s/%s", k->name, encoded);
    if (encoded[0] != '\0') {
        r = weir_test_request(t, "GET", target);
        expect(target, text, &r, status, out != NULL ? expected : NULL);
    }
    snprintf(target, sizeof target, "/form/%s", k->name);
    snprintf(encoded + strlen(encoded), sizeof encoded - strlen(encoded), "&other=1");
    char body[2 * TEXT_MAX];
    snprintf(body, sizeof body, "v=%s", encoded);
    r = weir_test_request(t, "POST", target, .body = weir_str_from(body),
                          .headers = "Content-Type: application/x-www-form-urlencoded");
    expect(target, text, &r, status, out != NULL ? expected : NULL);
    snprintf(target, sizeof target, "/query/%s/list?v=%s&v=", k->name, encoded);
    char *and = strstr(target, "&other=1");
    put_encoded(and, "");
    snprintf(and, TEXT_MAX, "&v=%.*s", (int)(strlen(encoded) - 8), encoded);
    snprintf(expected, sizeof expected, "{\"v\":[%s,%s]}", out != NULL ? out : "",
             out != NULL ? out : "");
    r = weir_test_request(t, "GET", target);
    expect(target, text, &r, status, out != NULL ? expected : NULL);
}

static const char box[] = "{\"v\":%s}", list[] = "{\"v\":[%s,%s]}",
                  map[] = "{\"v\":{\"\":%s,\"a\\nb\":%s}}",
                  nest[] = "{\"in\":{\"v\":%s},\"behind\":{\"v\":%s}}";

static const struct {
    const char *name, *form;
} places[] = {{"/box", box}, {"/list", list}, {"/map", map}, {"/nest", nest}};

/* --- the table, walked ------------------------------------------------------------------------ */

static void values_come_back_from_json(void **state)
{
    (void)state;
    for (const struct kind *k = kinds; k < kinds + KIND_COUNT; k++)
        for (const struct value *v = k->values; v->json != NULL; v++)
            for (size_t p = 0; p < sizeof places / sizeof places[0]; p++)
                post("/json", k, places[p].name, v->json, places[p].form,
                     v->out != NULL ? v->out : v->json, 200);
}

static void values_come_back_from_texts(void **state)
{
    (void)state;
    for (const struct kind *k = kinds; k < kinds + KIND_COUNT; k++)
        for (const struct value *v = k->values; v->json != NULL; v++)
            give(k, v->text != NULL ? v->text : v->json, v->out != NULL ? v->out : v->json, 200);
}

static void values_come_back_from_the_database(void **state)
{
    (void)state;
    for (const struct kind *k = kinds; k < kinds + KIND_COUNT; k++)
        for (const struct value *v = k->values; v->json != NULL; v++)
            post("/sql", k, "", v->json, box, v->out != NULL ? v->out : v->json,
                 v->is_no_column ? 500 : 200);
}

static void null_is_not_absent(void **state)
{
    (void)state;
    for (const struct kind *k = kinds; k < kinds + KIND_COUNT; k++) {
        bool is_raw = k->bare == weir_model_of(weir_raw_json); /* of which null is a value */
        char target[100];
        post("/json", k, "/box", "null", box, "null", 200);
        post("/json", k, "/box", "", "{%s}", "", 200);
        post("/json", k, "/nest", "null", nest, "null", 200);
        post("/json", k, "/nest", "", "{\"in\":{},\"behind\":null%s}", "", 200);
        post("/json", k, "/nest", "", "{\"in\":{},\"behind\":{}%s}", "", 200);
        post("/json", k, "/list", "null", list, "null", is_raw ? 200 : 400);
        post("/json", k, "/map", "null", map, "null", is_raw ? 200 : 400);
        post("/json", k, "/list", "", "{\"v\":[]%s}", "", 200);
        post("/json", k, "/map", "", "{\"v\":{}%s}", "", 200);
        post("/sql", k, "", "null", box, "null", 200);
        post("/sql", k, "", "", "{\"v\":null%s}", "", 200);
        snprintf(target, sizeof target, "/query/%s/box?other=1", k->name);
        weir_test_reply r = weir_test_request(t, "GET", target);
        expect(target, "", &r, 200, "{}");
    }
}

static void what_it_is_not_is_refused(void **state)
{
    (void)state;
    for (const struct kind *k = kinds; k < kinds + KIND_COUNT; k++) {
        for (const char *const *bad = k->bad; *bad != NULL; bad++)
            for (size_t p = 0; p < sizeof places / sizeof places[0]; p++)
                post("/json", k, places[p].name, *bad, places[p].form, "", 400);
        for (const char *const *bad = k->bad_texts; *bad != NULL; bad++)
            give(k, *bad, NULL, 400);
        const char *good = k->values[0].json;
        post("/json", k, "/map", good, "{\"v\":{\"a\":%s,\"\\u0061\":%s}}", good, 400);
        post("/json", k, "/map", good, "{\"v\":[%s]}", good, 400);
        post("/json", k, "/list", good, "{\"v\":{\"a\":%s}}", good, 400);
        post("/json", k, "/nest", "", "{\"behind\":[]%s}", "", 400);
    }
}

static void columns_are_taken_or_refused(void **state)
{
    (void)state;
    for (const struct kind *k = kinds; k < kinds + KIND_COUNT; k++)
        for (const struct column *col = k->columns; col->sql != NULL; col++) {
            char encoded[TEXT_MAX], target[2 * TEXT_MAX], expected[TEXT_MAX];
            put_encoded(encoded, col->sql);
            snprintf(target, sizeof target, "/column/%s?sql=%s", k->name, encoded);
            snprintf(expected, sizeof expected, box, col->out);
            weir_test_reply r = weir_test_request(t, "GET", target);
            expect(k->name, col->sql, &r, col->out != NULL ? 200 : 422,
                   col->out != NULL ? expected : NULL);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_from_json),
        cmocka_unit_test(values_come_back_from_texts),
        cmocka_unit_test(values_come_back_from_the_database),
        cmocka_unit_test(null_is_not_absent),
        cmocka_unit_test(what_it_is_not_is_refused),
        cmocka_unit_test(columns_are_taken_or_refused),
    };
    return cmocka_run_group_tests(tests, open_service, close_service);
}
