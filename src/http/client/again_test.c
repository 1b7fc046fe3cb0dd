/*
 * Retries and redirections on the simulation: what is tried again and what is not, how long is
 * waited, when the budget is spent; where answers lead, what goes along, and where it ends.
 */
#include "http/client/testing.h"

#include <errno.h>

#include "base/metric.h"

#define OK(body_len, body) "HTTP/1.1 200 OK\r\nContent-Length: " #body_len "\r\n\r\n" body
#define BUSY "HTTP/1.1 503 x\r\nContent-Length: 4\r\n\r\nbusy"
#define MOVED(status, where)                                                                       \
    "HTTP/1.1 " #status " x\r\nLocation: " where "\r\nContent-Length: 0\r\n\r\n"

static bool was_sent(const struct peer *p, size_t i, const char *part)
{
    return p->requests[i] != NULL && strcasestr(p->requests[i], part) != NULL;
}

/* --- retries ---------------------------------------------------------------------------------- */

static weir_http *patient(weir_ctx *c, const struct peer *p)
{
    return weir_http_open(c, .base = p->base, .retries_max = 3, .answer_timeout = weir_ms(100));
}

static void retries(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = patient(c, p);
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_OK);
    assert_body(r, "hi");
    assert_null(weir_last_error(c)); /* what went wrong before is forgotten */
    assert_int_equal(p->request_count, 3);
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void does_not_retry(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = patient(c, p);
    weir_reply *r = weir_http_do(c, http, "POST", "/", .body = WEIR_S("x"));
    assert_true(weir_reply_err(r) < 0 || weir_reply_status(r) == 503);
    assert_int_equal(p->request_count, 1);
    weir_error_clear(c);
}

static void gives_up(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_reply *r = weir_http_get(c, patient(c, p), "/");
    assert_int_equal(weir_reply_status(r), 503);
    assert_body(r, "busy"); /* the last answer is the reply */
    assert_int_equal(p->request_count, 4);
}

static void test_what_may_pass_is_tried_again(void **state)
{
    (void)state;
    PLAY(retries, {.answer = BUSY}, {.answer = BUSY}, {.answer = OK(2, "hi")});
    PLAY(retries, {.then = PEER_CLOSES}, {.then = PEER_RESETS}, {.answer = OK(2, "hi")});
    PLAY(retries, {.then = PEER_HANGS}, {.answer = BUSY}, {.answer = OK(2, "hi")});
    PLAY(does_not_retry, {.answer = BUSY});
    PLAY(does_not_retry, {.then = PEER_CLOSES});
    PLAY(gives_up, {.answer = BUSY});
}

static weir_err listens_late(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(g, c, .timeout = weir_sec(5));
    weir_http *http = weir_http_open(g, .base = "http://127.0.0.1:9", .retries_max = 2);
    weir_reply *r = weir_http_do(g, http, "POST", "/", .body = WEIR_S("x")); /* nothing was sent */
    assert_int_equal(weir_reply_err(r), -ECONNREFUSED);
    const weir_http *h = weir__token_must(http, WEIR__KIND_HTTP, "test", "the client");
    assert_int_equal(weir__counter_read(&h->cells[0].retries), 2);
    (void)weir_ctx_close(g);
    return WEIR_OK;
}

static void test_what_was_not_sent_is_tried_again(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(listens_late, NULL), WEIR_OK);
}

/* RFC 9110 section 10.2.3: not before that. */
static void waits_as_asked(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_time before = weir_now();
    assert_body(weir_http_get(c, patient(c, p), "/"), "hi");
    assert_in_range(weir_time_sub(weir_now(), before).ns, 7000000000, 7200000000);
}

/* What ends behind the deadline is not begun: the answer is there, so it is returned. */
static void does_not_wait_in_vain(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_time before = weir_now();
    weir_reply *r = weir_http_get(c, patient(c, p), "/", .timeout = weir_sec(2));
    assert_int_equal(weir_reply_status(r), 429);
    assert_true(weir_time_sub(weir_now(), before).ns < 100000000);
    assert_int_equal(p->request_count, 1);
}

static void test_it_waits_between_tries(void **state)
{
    (void)state;
    const struct peer_step later = {
        .answer = "HTTP/1.1 429 x\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"};
    PLAY(waits_as_asked, later, {.answer = OK(2, "hi")});
    PLAY(does_not_wait_in_vain, later, {.answer = OK(2, "hi")});
}

/* A host that is down gets a fifth more, and what was saved: not four times as much. */
static void is_budgeted(weir_ctx *c, weir_http *unused, struct peer *p)
{
    enum { CALLS = 1000 };
    (void)unused;
    weir_http *http = patient(c, p);
    const weir_http *h = weir__token_must(http, WEIR__KIND_HTTP, "test", "the client");
    weir_time before = weir_now();
    for (int i = 0; i < CALLS; i++) {
        WEIR_SCOPE(request, c);
        assert_int_equal(weir_reply_status(weir_http_get(request, http, "/")), 503);
        (void)weir_ctx_close(request);
    }
    uint64_t seconds = (uint64_t)weir_time_sub(weir_now(), before).ns / 1000000000 + 1;
    uint64_t retries = weir__counter_read(&h->cells[0].retries);
    assert_in_range(retries, 100, CALLS / 5 + 100 + 10 * seconds);
}

static void test_retries_have_a_budget(void **state)
{
    (void)state;
    PLAY(is_budgeted, {.answer = BUSY});
}

static weir_err get_in(weir_ctx *c, void *arg)
{
    return weir_reply_err(weir_http_get(c, arg, "/"));
}

static void is_cancelled_between(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = patient(c, p);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, get_in, http), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(1)), WEIR_OK);
    weir_cancel(group);
    assert_int_equal(weir_join_as(group, WEIR_JOIN_ALL), WEIR_ECANCELED);
    assert_int_equal(conn_stats(http, p).in_use, 0);
    (void)weir_ctx_close(group);
}

static void test_a_wait_between_tries_can_be_cancelled(void **state)
{
    (void)state;
    PLAY(is_cancelled_between,
         {.answer = "HTTP/1.1 503 x\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"});
}

/* --- redirections ----------------------------------------------------------------------------- */

static void follows(weir_ctx *c, weir_http *http, struct peer *p)
{
    assert_body(weir_http_get(c, http, "/a/b?c"), "hi");
    assert_true(was_sent(p, 0, "GET /a/b?c HTTP"));
    assert_true(was_sent(p, 1, "GET /x HTTP"));
    assert_true(was_sent(p, 2, "GET /y?z HTTP"));
    assert_true(was_sent(p, 3, "GET /w HTTP"));
    assert_int_equal(p->accepted, 1);
}

static void test_answers_that_lead_elsewhere_are_followed(void **state)
{
    (void)state;
    PLAY(follows, {.answer = MOVED(301, "/x")}, {.answer = MOVED(302, "y?z#f")},
         {.answer = MOVED(307, "./v/../w")}, {.answer = OK(2, "hi")});
}

struct change {
    const char *method, *answer, *then;
    bool has_body;
};

/* RFC 9110 section 15.4 */
static const struct change changes[] = {
    {"POST", MOVED(301, "/x"), "GET", false}, {"POST", MOVED(302, "/x"), "GET", false},
    {"POST", MOVED(303, "/x"), "GET", false}, {"POST", MOVED(307, "/x"), "POST", true},
    {"POST", MOVED(308, "/x"), "POST", true}, {"PUT", MOVED(301, "/x"), "PUT", true},
    {"PUT", MOVED(303, "/x"), "GET", false},  {"PATCH", MOVED(308, "/x"), "PATCH", true},
};

static const struct change *change;

static void changes_method(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_reply *r =
        weir_http_do(c, http, change->method, "/", .body = WEIR_S("body"), .type = "text/plain");
    assert_body(r, "hi");
    assert_int_equal(strncmp(p->requests[1], change->then, strlen(change->then)), 0);
    assert_int_equal(was_sent(p, 1, "\r\n\r\nbody"), change->has_body);
    assert_int_equal(was_sent(p, 1, "Content-Type: text/plain"), change->has_body);
}

static void test_methods_change_as_they_must(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        change = &changes[i];
        PLAY(changes_method, {.answer = change->answer}, {.answer = OK(2, "hi")});
    }
}

/* Where it is not to go, the answer is the reply. */
static void stays(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_OK);
    assert_int_equal(weir_reply_status(r) / 100, 3);
    assert_int_equal(p->request_count, 1);
    weir_http *none = weir_http_open(c, .base = p->base, .redirects_max = WEIR_HTTP_NONE);
    assert_int_equal(weir_reply_status(weir_http_get(c, none, "/")), 302);
    r = weir_http_begin(c, http, "POST", "/");
    assert_int_equal(weir_http_write(r, "x", 1), WEIR_OK);
    assert_int_equal(weir_http_finish(r), WEIR_OK);
    assert_int_equal(weir_reply_status(r), 302); /* what was streamed cannot be sent again */
}

static void test_what_does_not_lead_anywhere_is_the_reply(void **state)
{
    (void)state;
    PLAY(stays, {.answer = "HTTP/1.1 304 x\r\nLocation: /x\r\n\r\n"}, {.answer = MOVED(302, "/x")});
    PLAY(stays, {.answer = "HTTP/1.1 302 x\r\nContent-Length: 0\r\n\r\n"},
         {.answer = MOVED(302, "/x")});
}

static void loops(weir_ctx *c, weir_http *http, struct peer *p)
{
    (void)p;
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_EPROTO);
    assert_told(c, WEIR_EPROTO, "/: a loop of redirections: it has been here 2 steps before");
    assert_int_equal(weir_reply_status(r), 0);
    assert_null(weir_reply_body(r).ptr);
}

static void goes_on_and_on(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = weir_http_open(c, .base = p->base, .redirects_max = 2);
    weir_reply *r = weir_http_get(c, http, "/");
    assert_int_equal(weir_reply_err(r), WEIR_ELIMIT);
    assert_told(c, WEIR_ELIMIT, "more than 2 redirections");
    assert_int_equal(p->request_count, 3);
}

static void leads_nowhere(weir_ctx *c, weir_http *http, struct peer *p)
{
    (void)p;
    weir_reply *r = weir_http_get(c, http, "/");
    assert_true(weir_reply_err(r) == WEIR_EINVALID || weir_reply_err(r) == WEIR_ENOTBUILT);
    assert_told(c, weir_reply_err(r), "leads nowhere: ");
}

static void test_redirections_end(void **state)
{
    (void)state;
    PLAY(loops, {.answer = MOVED(302, "/x")}, {.answer = MOVED(302, "/")});
    PLAY(goes_on_and_on, {.answer = MOVED(302, "/1")}, {.answer = MOVED(302, "/2")},
         {.answer = MOVED(302, "/3")});
    PLAY(leads_nowhere, {.answer = MOVED(302, "ftp://a/")});
    PLAY(leads_nowhere, {.answer = MOVED(302, "http://user@a/")});
    if (!WEIR_TLS)
        PLAY(leads_nowhere, {.answer = MOVED(302, "https://a/")});
}

/* Secrets have any name: to another host only what is known to be none goes along. */
static weir_err leaves_secrets(weir_ctx *c, void *arg)
{
    static const struct peer_step hi[] = {{.answer = OK(2, "hi")}};
    static char moved[200];
    struct peer_step away[] = {{.answer = moved}};
    struct peer there, here;
    (void)arg;
    WEIR_SCOPE(around, c);
    assert_int_equal(peer_open(around, &there, hi, 1), WEIR_OK);
    assert_int_equal(peer_open(around, &here, away, 1), WEIR_OK);
    snprintf(moved, sizeof moved, "HTTP/1.1 307 x\r\nLocation: %s/to\r\nContent-Length: 0\r\n\r\n",
             there.base);
    WEIR_SCOPE(g, c, .timeout = weir_sec(3));
    weir_http *http = weir_http_open(g, .base = here.base, .trust_base = true,
                                     .headers = WEIR_HTTP_HEADERS({"X-Api-Key", WEIR_S("k1")}));
    weir_reply *r = weir_http_do(
        g, http, "PUT", "/", .body = WEIR_S("body"), .type = "text/plain",
        .headers = WEIR_HTTP_HEADERS({"Authorization", WEIR_S("k2")}, {"Cookie", WEIR_S("k3")},
                                     {"Accept", WEIR_S("a/b")}, {"X-Other", WEIR_S("k4")}));
    assert_body(r, "hi");
    assert_true(was_sent(&here, 0, "k1") && was_sent(&here, 0, "k2"));
    assert_true(was_sent(&here, 0, "Weir-Deadline-Ms"));
    assert_true(was_sent(&there, 0, "PUT /to HTTP/1.1\r\n"));
    assert_true(was_sent(&there, 0, "Accept: a/b\r\n"));
    assert_true(was_sent(&there, 0, "Content-Type: text/plain\r\n"));
    for (const char *const *part = (const char *const[]){"k1", "k2", "k3", "k4", "Weir-", NULL};
         *part != NULL; part++)
        assert_false(was_sent(&there, 0, *part));
    (void)weir_ctx_close(g);
    (void)weir_ctx_close(around);
    return WEIR_OK;
}

static void test_secrets_stay_behind(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(leaves_secrets, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_may_pass_is_tried_again),
        cmocka_unit_test(test_what_was_not_sent_is_tried_again),
        cmocka_unit_test(test_it_waits_between_tries),
        cmocka_unit_test(test_retries_have_a_budget),
        cmocka_unit_test(test_a_wait_between_tries_can_be_cancelled),
        cmocka_unit_test(test_answers_that_lead_elsewhere_are_followed),
        cmocka_unit_test(test_methods_change_as_they_must),
        cmocka_unit_test(test_what_does_not_lead_anywhere_is_the_reply),
        cmocka_unit_test(test_redirections_end),
        cmocka_unit_test(test_secrets_stay_behind),
    };
    peer_over();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
