/*
 * Getters and binders agree: one table of inputs, each asked of all doors through which a value of
 * that kind can come (getter and binder of the query, binder of a form, getter and binder of the
 * path), once with memory and once without.
 */
#include "watch/watch.h"
#include "web/web_test_kit.h"

typedef struct {
    weir_str v;
} text_in;
typedef struct {
    int64_t v;
} whole_in;
typedef struct {
    double v;
} real_in;
typedef struct {
    bool v;
} truth_in;
WEIR_MODEL(text_in, (v));
WEIR_MODEL(whole_in, (v));
WEIR_MODEL(real_in, (v));
WEIR_MODEL(truth_in, (v));

/* --- the doors -------------------------------------------------------------------------------- */

/* From here on the request's context gets no memory: that is what a decoder meets then. */
static void take_memory(weir_ctx *c)
{
    struct weir__arena *a = weir__ctx_arena(weir__ctx_of(c));
    if (weir_header(c, "X-No-Memory").ptr == NULL)
        return;
    a->at = a->end;
    weir__arena_single(true);
    weir__alloc_fail_nth(1);
}

static void give_memory(void)
{
    weir__alloc_fail_nth(0);
    weir__arena_single(false);
}

static weir_err show_text(weir_ctx *c, weir_str s)
{
    char hex[64] = "-";
    for (size_t i = 0; i < s.len && i < sizeof hex / 2 - 1; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)s.ptr[i]);
    if (s.ptr != NULL && s.len == 0)
        hex[0] = '\0';
    return weir_textf(c, 200, "text %s", hex);
}

static weir_err show_whole(weir_ctx *c, int64_t v)
{
    return weir_textf(c, 200, "whole %lld", (long long)v);
}

static weir_err show_real(weir_ctx *c, double v)
{
    return weir_textf(c, 200, "real %.17g", v);
}

static weir_err show_truth(weir_ctx *c, bool v)
{
    return weir_textf(c, 200, "truth %d", v);
}

/* A handler that reads one value of a kind by one door, and shows it. */
#define DOOR(name, T, kind, read)                                                                  \
    static weir_err name##_##kind(weir_ctx *c)                                                     \
    {                                                                                              \
        T##_in in = {0};                                                                           \
        take_memory(c);                                                                            \
        weir_err err = (read);                                                                     \
        give_memory();                                                                             \
        return err < 0 ? weir_fail_bind(c) : show_##kind(c, in.v);                                 \
    }
DOOR(get, text, text, weir_query_param_str(c, "v", &in.v))
DOOR(get, whole, whole, weir_query_param_i64(c, "v", &in.v))
DOOR(get, real, real, weir_query_param_double(c, "v", &in.v))
DOOR(get, truth, truth, weir_query_param_bool(c, "v", &in.v))
DOOR(bind, text, text, weir_bind_query(c, text_in, &in))
DOOR(bind, whole, whole, weir_bind_query(c, whole_in, &in))
DOOR(bind, real, real, weir_bind_query(c, real_in, &in))
DOOR(bind, truth, truth, weir_bind_query(c, truth_in, &in))
DOOR(form, text, text, weir_bind_form(c, text_in, &in))
DOOR(form, whole, whole, weir_bind_form(c, whole_in, &in))
DOOR(form, real, real, weir_bind_form(c, real_in, &in))
DOOR(form, truth, truth, weir_bind_form(c, truth_in, &in))
DOOR(path_get, text, text, weir_param_str(c, "v", &in.v))
DOOR(path_get, whole, whole, weir_param_i64(c, "v", &in.v))
DOOR(path_bind, text, text, weir_bind_path(c, text_in, &in))
DOOR(path_bind, whole, whole, weir_bind_path(c, whole_in, &in))

static void build(weir_group *app)
{
    weir_get(app, "/get/text", get_text);
    weir_get(app, "/get/whole", get_whole);
    weir_get(app, "/get/real", get_real);
    weir_get(app, "/get/truth", get_truth);
    weir_get(app, "/bind/text", bind_text);
    weir_get(app, "/bind/whole", bind_whole);
    weir_get(app, "/bind/real", bind_real);
    weir_get(app, "/bind/truth", bind_truth);
    weir_post(app, "/form/text", form_text);
    weir_post(app, "/form/whole", form_whole);
    weir_post(app, "/form/real", form_real);
    weir_post(app, "/form/truth", form_truth);
    weir_get(app, "/path/get/text/:v", path_get_text);
    weir_get(app, "/path/get/whole/:v", path_get_whole);
    weir_get(app, "/path/bind/text/:v", path_bind_text);
    weir_get(app, "/path/bind/whole/:v", path_bind_whole);
}

/* --- the table -------------------------------------------------------------------------------- */

struct input {
    const char *kind, *pairs; /* a query, or a form */
    const char *shown;        /* of a 200; NULL: 400 */
};

static const struct input inputs[] = {
    {"text", "v=abc", "text 616263"},
    {"text", "", "text -"},
    {"text", "w=1", "text -"},
    {"text", "v=", "text "},
    {"text", "v", "text "},
    {"text", "v=a+b%20c", "text 6120622063"},
    {"text", "v=a%00b", "text 610062"},
    {"text", "v=%c3%bc", "text c3bc"},
    {"text", "%76=1", "text 31"},
    {"text", "v=%zz", NULL},
    {"text", "v=%4", NULL},
    {"text", "v=100%", NULL},
    {"text", "v=%ff", NULL},
    {"text", "v=%ed%a0%80", NULL},
    {"text", "v=1&v=2", NULL},
    {"text", "v=1&%76=2", NULL},
    {"whole", "v=-42", "whole -42"},
    {"whole", "", "whole 0"},
    {"whole", "v=%34%32", "whole 42"},
    {"whole", "v=9223372036854775807", "whole 9223372036854775807"},
    {"whole", "v=9223372036854775808", NULL},
    {"whole", "v=-9223372036854775809", NULL},
    {"whole", "v=", NULL},
    {"whole", "v", NULL},
    {"whole", "v=%zz", NULL},
    {"whole", "v=4%", NULL},
    {"whole", "v=4%00", NULL},
    {"whole", "v=+4", NULL},
    {"whole", "v=4.0", NULL},
    {"whole", "v=4&v=4", NULL},
    {"real", "v=2.5", "real 2.5"},
    {"real", "", "real 0"},
    {"real", "v=%32", "real 2"},
    {"real", "v=1e999", NULL},
    {"real", "v=nan", NULL},
    {"real", "v=inf", NULL},
    {"real", "v=", NULL},
    {"real", "v", NULL},
    {"real", "v=%zz", NULL},
    {"real", "v=2%00", NULL},
    {"real", "v=1&v=1", NULL},
    {"truth", "v=true", "truth 1"},
    {"truth", "v=on", "truth 1"},
    {"truth", "v=off", "truth 0"},
    {"truth", "v", "truth 1"},
    {"truth", "", "truth 0"},
    {"truth", "v=%31", "truth 1"},
    {"truth", "v=", NULL},
    {"truth", "v=yes", NULL},
    {"truth", "v=%zz", NULL},
    {"truth", "v=1&v=1", NULL},
};

static char *ask(struct kit *k, const char *door, const struct input *in, const char *headers)
{
    const char *type = "Content-Type: application/x-www-form-urlencoded\r\n";
    bool is_form = strcmp(door, "form") == 0;
    weir_str path = weir_sprintf(k->c, "/%s/%s%s%s", door, in->kind, is_form ? "" : "?",
                                 is_form ? "" : in->pairs);
    weir_str lines = weir_sprintf(k->c, "%s%s", is_form ? type : "", headers);
    return kit_ask(k, is_form ? "POST" : "GET", path.ptr, lines.ptr, is_form ? in->pairs : "");
}

/* Each wrong value is said under its name. */
static void expect_refused(const char *a, const char *door, const struct input *in)
{
    if (kit_status(a) != 400 || strstr(kit_body(a), "{\"at\":\"/v\",\"msg\":") == NULL)
        fail_msg("%s %s \"%s\": not refused under its name:\n%s", door, in->kind, in->pairs, a);
}

static void expect(struct kit *k, const char *door, const struct input *in)
{
    const char *a = ask(k, door, in, "");
    if (in->shown == NULL)
        expect_refused(a, door, in);
    else if (kit_status(a) != 200 || strcmp(kit_body(a), in->shown) != 0)
        fail_msg("%s %s \"%s\": not \"%s\":\n%s", door, in->kind, in->pairs, in->shown, a);
    const char *value = strchr(in->pairs, '=');
    if (in->shown == NULL || value == NULL || strpbrk(value, "%+") == NULL)
        return; /* there is nothing to decode */
    a = ask(k, door, in, "X-No-Memory: 1\r\n");
    if (kit_status(a) != 503)
        fail_msg("%s %s \"%s\": no 503 without memory:\n%s", door, in->kind, in->pairs, a);
}

static void use_table(struct kit *k)
{
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        expect(k, "get", &inputs[i]);
        expect(k, "bind", &inputs[i]);
        expect(k, "form", &inputs[i]);
    }
}

static void test_getters_and_binders_agree(void **state)
{
    (void)state;
    kit_run(build, use_table);
}

/* What a path may have: the head's parser has refused bad escapes and NUL before (400). */
static void use_paths(struct kit *k)
{
    static const struct {
        const char *kind, *segment, *shown;
        int status, without_memory;
    } cases[] = {
        {"text", "a+b", "text 612b62", 200, 200},
        {"text", "a%2Fb", "text 612f62", 200, 503},
        {"text", "%C3%BC", "text c3bc", 200, 503},
        {"text", "%ff", NULL, 400, 503},
        {"text", "%zz", NULL, 400, 400},
        {"text", "a%00", NULL, 400, 400},
        {"whole", "7", "whole 7", 200, 200},
        {"whole", "%37", "whole 7", 200, 503},
        {"whole", "9223372036854775808", NULL, 400, 400},
        {"whole", "+7", NULL, 400, 400},
    };
    static const char *const doors[] = {"get", "bind"};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        weir_str path = weir_sprintf(k->c, "/path/%s/%s/%s", doors[i % 2], cases[i / 2].kind,
                                     cases[i / 2].segment);
        const char *a = kit_get(k, path.ptr);
        if (kit_status(a) != cases[i / 2].status ||
            (cases[i / 2].shown != NULL && strcmp(kit_body(a), cases[i / 2].shown) != 0))
            fail_msg("%s:\n%s", path.ptr, a);
        a = kit_ask(k, "GET", path.ptr, "X-No-Memory: 1\r\n", "");
        if (kit_status(a) != cases[i / 2].without_memory)
            fail_msg("%s without memory:\n%s", path.ptr, a);
    }
}

static void test_path_getters_and_binders_agree(void **state)
{
    (void)state;
    kit_run(build, use_paths);
}

/* --- several mistakes ------------------------------------------------------------------------- */

typedef struct {
    int64_t a, b;
} two_in;
WEIR_MODEL(two_in, (a, .required = true), (b));

static weir_err bind_two(weir_ctx *c)
{
    two_in in;
    return weir_bind_query(c, two_in, &in) < 0 ? weir_fail_bind(c) : weir_no_content(c);
}

/* Plain getters yield what is there or nothing; the checked one after it says what was wrong. */
static weir_err plain(weir_ctx *c)
{
    weir_str v = weir_query_param(c, "v");
    int64_t n = 5;
    if (weir_query_param_i64(c, "n", &n) < 0)
        return weir_fail_bind(c);
    return v.ptr != NULL ? show_text(c, v) : weir_textf(c, 200, "nothing");
}

static void build_several(weir_group *app)
{
    weir_get(app, "/two", bind_two);
    weir_get(app, "/plain", plain);
}

static void use_several(struct kit *k)
{
    const char *a = kit_get(k, "/two?a=%zz&b=x&%qq=1");
    assert_int_equal(kit_status(a), 400);
    assert_int_equal(kit_count(kit_body(a), "\"at\":"), 3); /* and "a" is not said to be missing */
    assert_null(strstr(kit_body(a), "is required"));
    kit_expect(kit_get(k, "/plain?v=%zz"), 200, "nothing");
    kit_expect(kit_get(k, "/plain?v=1&v=2"), 200, "text 31");
    kit_expect(kit_get(k, "/plain?v=%ff%00"), 200, "text ff00");
    assert_int_equal(kit_status(kit_get(k, "/plain?v=%zz&n=x")), 400);
}

static void test_all_mistakes_are_said(void **state)
{
    (void)state;
    kit_run(build_several, use_several);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_getters_and_binders_agree),
        cmocka_unit_test(test_path_getters_and_binders_agree),
        cmocka_unit_test(test_all_mistakes_are_said),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
