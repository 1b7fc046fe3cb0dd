/*
 * Traces of requests: the caller's goes on, else one is begun; every line of a request names it,
 * those of its fibers and of what it detaches too, panics and leaks included.
 */
#include "watch/watch.h"
#include "web/web_test_kit.h"
#include "wire/traceparent.h"
#include <weir/fiber.h>
#include <weir/sync.h>
#include <weir/trace.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define GOOD "00-" TRACE "-" SPAN "-01"

static const char *text_of(weir_ctx *c)
{
    weir_str trace = weir_trace_id(c), span = weir_span_id(c), field = weir_traceparent(c);
    return weir_sprintf(c, WEIR_STR_FMT " " WEIR_STR_FMT " " WEIR_STR_FMT, WEIR_STR_ARG(trace),
                        WEIR_STR_ARG(span), WEIR_STR_ARG(field))
        .ptr;
}

static weir_err show(weir_ctx *c)
{
    return weir_text(c, 200, text_of(c));
}

/* --- what is said ----------------------------------------------------------------------------- */

static void build_show(weir_group *app)
{
    weir_get(app, "/show", show);
}

struct shown {
    char trace[33], span[17], field[56];
};

static struct shown ask(struct kit *k, const char *headers)
{
    struct shown s;
    const char *a = kit_ask(k, "GET", "/show", headers, "");
    assert_int_equal(kit_status(a), 200);
    assert_int_equal(sscanf(kit_body(a), "%32s %16s %55s", s.trace, s.span, s.field), 3);
    assert_int_equal(strspn(s.trace, "0123456789abcdef"), 32);
    assert_int_equal(strspn(s.span, "0123456789abcdef"), 16);
    weir_str expected =
        weir_sprintf(k->c, "00-%s-%s-%.2s", s.trace, s.span, s.field + WEIR_TRACEPARENT_LEN - 2);
    assert_string_equal(s.field, expected.ptr);
    return s;
}

static void use_callers(struct kit *k)
{
    struct shown s = ask(k, "traceparent: " GOOD "\r\n");
    assert_string_equal(s.trace, TRACE);
    assert_string_not_equal(s.span, SPAN);
    assert_string_equal(s.field + 53, "01");
    s = ask(k, "TraceParent: \t00-" TRACE "-" SPAN "-00 \r\n");
    assert_string_equal(s.trace, TRACE);
    assert_string_equal(s.field + 53, "00");
    s = ask(k, "traceparent: cc-" TRACE "-" SPAN "-01-what-comes\r\n");
    assert_string_equal(s.trace, TRACE);
    assert_string_equal(s.field + 53, "01");
    s = ask(k, ""); /* in the same memory */
    assert_string_not_equal(s.trace, TRACE);
}

static void test_the_callers_trace_goes_on(void **state)
{
    (void)state;
    kit_run(build_show, use_callers);
}

static void use_own(struct kit *k)
{
    static const char *const headers[] = {
        "",
        "traceparent: \r\n",
        "traceparent: 00-" TRACE "-" SPAN "-01.\r\n",
        "traceparent: ff-" TRACE "-" SPAN "-01\r\n",
        "trace-parent: " GOOD "\r\n",
        "traceparent: " GOOD "\r\ntraceparent: " GOOD "\r\n",
        "traceparent: " GOOD "\r\nX-A: b\r\nTraceparent: ff\r\n",
        "traceparent: " GOOD "," GOOD "\r\n",
    };
    struct shown before = {.trace = TRACE, .span = SPAN};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct shown s = ask(k, headers[i]);
        assert_string_not_equal(s.trace, TRACE);
        assert_string_not_equal(s.trace, before.trace);
        assert_string_not_equal(s.span, before.span);
        assert_string_equal(s.field + 53, "00");
        before = s;
    }
}

static void test_any_other_request_begins_one(void **state)
{
    (void)state;
    kit_run(build_show, use_own);
}

/* --- who has it ------------------------------------------------------------------------------- */

static char first[256];
static int others;

/* In whatever belongs to the request: the same ids, and a line that names them. */
static weir_err same(weir_ctx *c, void *arg)
{
    assert_string_equal(text_of(c), first);
    weir_log(c, WEIR_LOG_INFO, "line %s", (const char *)arg);
    others++;
    return WEIR_OK;
}

/* Its request is over by now, and the memory of the request's id another's. */
static weir_err later(weir_ctx *c, void *arg)
{
    weir_err err = weir_sleep(c, weir_ms(10));
    assert_string_equal(weir_request_id(c).ptr != NULL ? "kept" : "lost", "kept");
    return err < 0 ? err : same(c, arg);
}

/* As the middleware of the request's id does, in memory of the request. */
static weir_err named(weir_ctx *c)
{
    weir_str id = weir_strdup(c, weir_header(c, "X-Request-Id"));
    weir__request_of(c)->x->ctx->own_origin.request_id = id;
    return weir_next(c);
}

static weir_err everywhere(weir_ctx *c)
{
    weir_err err = WEIR_OK;
    weir_log(c, WEIR_LOG_INFO, "line handler");
    snprintf(first, sizeof first, "%s", text_of(c));
    WEIR_WITH(step, c)
        err = same(step, "step");
    WEIR_WITH(group, c) {
        if (err == WEIR_OK)
            err = WEIR_GO(group, same, "fiber");
        if (err == WEIR_OK)
            err = weir_join(group);
    }
    if (err == WEIR_OK)
        err = weir_detach(c, later, "detached", sizeof "detached");
    return err < 0 ? err : weir_text(c, 200, "ok");
}

/* The line with `part` names all that its request is known by. */
static void expect_line(struct kit *k, const char *part, const char *route)
{
    weir_str named = weir_sprintf(k->c,
                                  "\"trace_id\":\"" TRACE "\",\"request_id\":\"r-17\","
                                  "\"route\":\"GET %s\"",
                                  route);
    for (const char *line = kit_log(k); *line != '\0'; line += strcspn(line, "\n") + 1) {
        size_t n = strcspn(line, "\n");
        if (memmem(line, n, part, strlen(part)) != NULL &&
            memmem(line, n, named.ptr, named.len) != NULL)
            return;
    }
    fail_msg("no line has %s and %s:\n%s", part, named.ptr, kit_log(k));
}

static weir_err fails_badly(weir_ctx *c)
{
    (void)c;
    weir_panic("a bug");
}

static weir_err forgets(weir_ctx *c)
{
    weir_err err = weir_lock(c, weir_mutex_new(c));
    return err < 0 ? err : weir_text(c, 200, "still locked");
}

static void build_lines(weir_group *app)
{
    weir_use(app, named);
    weir_get(app, "/everywhere", everywhere);
    weir_get(app, "/panic", fails_badly);
    weir_get(app, "/forgets", forgets);
    weir_get(app, "/", show);
}

static void use_lines(struct kit *k)
{
    static const struct {
        const char *part, *route;
    } lines[] = {
        {"\"line handler\"", "/everywhere"},   {"\"line step\"", "/everywhere"},
        {"\"line fiber\"", "/everywhere"},     {"\"line detached\"", "/everywhere"},
        {"panic in request: a bug", "/panic"}, {"left open at the end", "/forgets"},
    };
    const char *headers = "traceparent: " GOOD "\r\nX-Request-Id: r-17\r\n";
    others = 0;
    assert_int_equal(kit_status(kit_ask(k, "GET", "/everywhere", headers, "")), 200);
    /* Another, whose id is where that of the first was. */
    assert_int_equal(kit_status(kit_ask(k, "GET", "/", "X-Request-Id: xxxx\r\n", "")), 200);
    assert_int_equal(weir_sleep(k->c, weir_ms(50)), WEIR_OK);
    assert_int_equal(others, 3);
    assert_int_equal(kit_status(kit_ask(k, "GET", "/panic", headers, "")), 500);
    assert_int_equal(kit_status(kit_ask(k, "GET", "/forgets", headers, "")), 200);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        expect_line(k, lines[i].part, lines[i].route);
}

static void test_every_line_of_a_request_names_it(void **state)
{
    (void)state;
    kit_run(build_lines, use_lines);
}

/* --- who has none ----------------------------------------------------------------------------- */

static weir_err outside_of_requests(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_null(weir_trace_id(c).ptr);
    assert_null(weir_span_id(c).ptr);
    assert_null(weir_traceparent(c).ptr);
    return WEIR_OK;
}

static void test_a_context_of_no_request_has_none(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(outside_of_requests, NULL), WEIR_OK);
}

static weir_err full(weir_ctx *c)
{
    while (weir_alloc(c, 1) != NULL) {
    }
    assert_null(weir_trace_id(c).ptr);
    assert_null(weir_span_id(c).ptr);
    assert_null(weir_traceparent(c).ptr);
    weir_log(c, WEIR_LOG_INFO, "line without memory");
    return WEIR_EBUDGET;
}

static void build_full(weir_group *app)
{
    weir_get(app, "/full", full);
}

static void use_full(struct kit *k)
{
    assert_int_equal(kit_status(kit_ask(k, "GET", "/full", "traceparent: " GOOD "\r\n", "")), 503);
    assert_non_null(strstr(kit_log(k), "\"trace_id\":\"" TRACE "\",\"route\":\"GET /full\""));
}

static void test_without_memory_lines_name_it(void **state)
{
    (void)state;
    kit_run(build_full, use_full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_callers_trace_goes_on),
        cmocka_unit_test(test_any_other_request_begins_one),
        cmocka_unit_test(test_every_line_of_a_request_names_it),
        cmocka_unit_test(test_a_context_of_no_request_has_none),
        cmocka_unit_test(test_without_memory_lines_name_it),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
