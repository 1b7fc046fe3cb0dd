/*
 * Hedging: who is first, what becomes of the other, what is not asked twice, the budget, errors,
 * and that nothing of either stays.
 */
#include "http/client/testing.h"

#include <errno.h>

#include "base/alloc.h"

#define OK(n, body) "HTTP/1.1 200 OK\r\nX-Who: " #n "\r\nContent-Length: 2\r\n\r\n" body
#define SLOW(body)                                                                                 \
    {                                                                                              \
        .answer = OK(0, body), .after = { 1000000000 }                                             \
    }
#define FAST(body)                                                                                 \
    {                                                                                              \
        .answer = OK(0, body)                                                                      \
    }

static int64_t ms_since(weir_time begin)
{
    return weir_time_sub(weir_now(), begin).ns / 1000000;
}

static weir_reply *ask(weir_ctx *c, weir_http *http)
{
    return weir_http_get(c, http, "/", .hedge_after = weir_ms(50));
}

static void second_wins(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_time begin = weir_now();
    weir_reply *r = ask(c, http);
    assert_int_equal(weir_reply_status(r), 200);
    assert_body(r, "no");
    assert_true(weir_str_eq(weir_reply_header(r, "x-who"), WEIR_S("0")));
    assert_in_range(ms_since(begin), 50, 60);
    assert_int_equal(p->request_count, 2);
    assert_string_equal(p->requests[0], p->requests[1]);
    assert_int_equal(conn_stats(http, p).in_use, 0);
    assert_int_equal(conn_stats(http, p).open, 1); /* the other was broken off */
    char bytes[8];
    r = ask(c, http);
    assert_int_equal(weir_reply_read(r, bytes, 1), 1);
    assert_int_equal(weir_reply_read(r, bytes, sizeof bytes), 1);
    assert_int_equal(weir_reply_read(r, bytes, sizeof bytes), 0);
    assert_int_equal(p->request_count, 3);
}

static void first_wins(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_time begin = weir_now();
    assert_body(ask(c, http), "hi");
    assert_in_range(ms_since(begin), 80, 90);
    assert_int_equal(p->request_count, 2);
    assert_int_equal(conn_stats(http, p).in_use, 0);
    weir_reply_close(ask(c, http));
}

static void is_fast(weir_ctx *c, weir_http *http, struct peer *p)
{
    for (int i = 0; i < 3; i++)
        assert_body(ask(c, http), "hi");
    assert_int_equal(p->request_count, 3);
    assert_int_equal(p->accepted, 1);
}

static void test_the_first_answer_counts(void **state)
{
    (void)state;
    PLAY(second_wins, SLOW("hi"), FAST("no"));
    PLAY(first_wins, {.answer = OK(0, "hi"), .after = {80000000}}, SLOW("no"), FAST("hi"));
    PLAY(is_fast, FAST("hi"));
}

/* An answer counts when it is whole, and not when it begins. */
static void begins_and_hangs(weir_ctx *c, weir_http *http, struct peer *p)
{
    assert_body(ask(c, http), "hi");
    assert_int_equal(p->request_count, 2);
}

static void test_half_an_answer_is_none(void **state)
{
    (void)state;
    PLAY(begins_and_hangs,
         {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", .then = PEER_HANGS},
         FAST("hi"));
}

static void is_not_hedged(weir_ctx *c, weir_http *http, struct peer *p)
{
    assert_body(weir_http_do(c, http, "PUT", "/", .hedge_after = weir_ms(50)), "hi");
    assert_body(weir_http_do(c, http, "POST", "/", .hedge_after = weir_ms(50)), "hi");
    assert_body(weir_http_get(c, http, "/"), "hi");
    assert_int_equal(p->request_count, 3);
}

static void test_what_is_not_safe_is_asked_once(void **state)
{
    (void)state;
    PLAY(is_not_hedged, SLOW("hi"));
}

static void has_a_budget(weir_ctx *c, weir_http *unused, struct peer *p)
{
    (void)unused;
    weir_http *http = weir_http_open(c, .base = p->base, .pool = {.max_open = 4});
    for (int i = 0; i < 300; i++) {
        WEIR_WITH(one, c) {
            assert_body(weir_http_get(one, http, "/", .hedge_after = weir_ms(1)), "hi");
        }
    }
    assert_in_range(p->request_count, 400,
                    480); /* a hundred saved, a fifth of them, ten a second */
}

static void test_hedges_have_a_budget(void **state)
{
    (void)state;
    PLAY(has_a_budget, {.answer = OK(0, "hi"), .after = {5000000}});
}

static void fails_before(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_time begin = weir_now();
    weir_reply *r = ask(c, http);
    assert_int_equal(weir_reply_err(r), WEIR_EPROTO);
    assert_told(c, WEIR_EPROTO, "GET http://127.0.0.1:");
    assert_int_equal(ms_since(begin), 0);
    assert_null(weir_reply_body(r).ptr);
    assert_int_equal(weir_reply_status(r), 0);
    assert_int_equal(p->request_count, 1);
}

static void both_fail(weir_ctx *c, weir_http *http, struct peer *p)
{
    weir_reply *r =
        weir_http_get(c, http, "/", .hedge_after = weir_ms(50), .timeout = weir_ms(200));
    assert_int_equal(weir_reply_err(r), WEIR_ETIMEDOUT);
    assert_told(c, WEIR_ETIMEDOUT, "there was not an answer in time");
    assert_int_equal(p->request_count, 2);
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void is_cancelled(weir_ctx *c, weir_http *http, struct peer *p)
{
    WEIR_SCOPE(short_one, c, .timeout = weir_ms(100));
    weir_reply *r = ask(short_one, http);
    assert_int_equal(weir_reply_err(r), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(short_one);
    assert_int_equal(p->request_count, 2);
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void test_failures_are_told(void **state)
{
    (void)state;
    if (!peer_is_h2()) /* where what is no HTTP is not one request's */
        PLAY(fails_before, {.answer = "nonsense\r\n", .then = PEER_CLOSES});
    PLAY(both_fail, {.then = PEER_HANGS});
    PLAY(is_cancelled, {.then = PEER_HANGS});
}

static uint64_t fails_nth, cancels_nth;
static unsigned failed;

static void survives(weir_ctx *c, weir_http *http, struct peer *p)
{
    WEIR_SCOPE(inner, c);
    weir__alloc_fail_nth(fails_nth);
    weir__wait_cancel_nth(cancels_nth);
    weir_reply *r = ask(inner, http);
    weir__alloc_fail_nth(0);
    weir__wait_cancel_nth(0);
    if (weir_reply_err(r) == WEIR_OK)
        assert_body(r, "hi");
    failed += weir_reply_err(r) < 0;
    (void)weir_ctx_close(inner);
    weir_error_clear(c);
    assert_int_equal(conn_stats(http, p).in_use, 0);
}

static void test_nothing_stays(void **state)
{
    (void)state;
    failed = 0;
    cancels_nth = 0;
    for (fails_nth = 1; fails_nth < 30; fails_nth++)
        PLAY(survives, SLOW("hi"), FAST("hi"));
    fails_nth = 0;
    for (cancels_nth = 1; cancels_nth < 10; cancels_nth++)
        PLAY(survives, SLOW("hi"), FAST("hi"));
    assert_true(failed > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_answer_counts),
        cmocka_unit_test(test_half_an_answer_is_none),
        cmocka_unit_test(test_what_is_not_safe_is_asked_once),
        cmocka_unit_test(test_hedges_have_a_budget),
        cmocka_unit_test(test_failures_are_told),
        cmocka_unit_test(test_nothing_stays),
    };
    peer_over();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
