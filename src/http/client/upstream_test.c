/*
 * Groups of targets: who gets the calls by each policy, who is left alone and comes back, what
 * probes find, and what is said when nobody is left. Peers are scripts on the simulated network.
 */
#include "http/client/testing.h"

#include "base/metric_testing.h"
#include "rt/log.h"

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define BAD_ANSWER "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"

static const struct peer_step good = {.answer = OK_ANSWER};
static const struct peer_step bad = {.answer = BAD_ANSWER};
static const struct peer_step cut = {.then = PEER_CLOSES};

enum { PEERS = 3 };

struct group {
    struct peer of[PEERS];
    weir_ctx *around, *client, *c;
    weir_http *http;
    weir_buf log;
};

/* Three peers and a client of all of them; what they play is `good` until a test says otherwise. */
static void group_open(struct group *g, weir_ctx *c, weir_http_options *o)
{
    weir_http_target targets[PEERS + 1] = {{.url = NULL}};
    for (int i = 0; i < PEERS; i++) {
        assert_int_equal(peer_open(c, &g->of[i], &good, 1), WEIR_OK);
        targets[i].url = g->of[i].base;
        targets[i].weight = o->targets != NULL ? o->targets[i].weight : 0;
    }
    o->size = sizeof *o;
    o->name = "shop";
    o->targets = targets;
    g->http = peer_http_open_at(WEIR_HERE, c, o);
    assert_int_equal(weir_http_err(g->http), WEIR_OK);
}

static int get(weir_ctx *c, weir_http *http, const char *path)
{
    WEIR_SCOPE(one, c);
    weir_reply *r = weir_http_get(one, http, path);
    (void)weir_reply_body(r);
    int status = weir_reply_err(r) < 0 ? weir_reply_err(r) : weir_reply_status(r);
    weir_error_clear(one);
    (void)weir_ctx_close(one);
    return status;
}

static int get_keyed(weir_ctx *c, weir_http *http, int key)
{
    char text[24];
    WEIR_SCOPE(one, c);
    snprintf(text, sizeof text, "user-%d", key);
    weir_reply *r = weir_http_get(one, http, "/", .key = weir_str_from(text));
    int status = weir_reply_status(r);
    (void)weir_ctx_close(one);
    return status;
}

static void in_group(weir_fiber_fn fn)
{
    assert_int_equal(weir__sim_run(fn, NULL), WEIR_OK);
}

/* --- who gets them ---------------------------------------------------------------------------- */

static weir_err round_robin(weir_ctx *c, void *arg)
{
    struct group g;
    (void)arg;
    WEIR_SCOPE(in, c);
    group_open(&g, in, &(weir_http_options){.body_bytes_max = 0});
    for (int i = 0; i < 30; i++)
        assert_int_equal(get(in, g.http, "/"), 200);
    for (int i = 0; i < PEERS; i++)
        assert_int_equal(g.of[i].request_count, 10);
    assert_non_null(strstr(g.of[1].requests[0], g.of[1].base + 7)); /* its own Host */
    return WEIR_OK;
}

static void calls_go_round_robin(void **state)
{
    (void)state;
    in_group(round_robin);
}

static weir_err weighted(weir_ctx *c, void *arg)
{
    struct group g;
    const weir_http_target weights[PEERS] = {{.weight = 5}, {.weight = 3}, {.weight = 2}};
    (void)arg;
    WEIR_SCOPE(in, c);
    group_open(&g, in, &(weir_http_options){.targets = weights});
    for (int i = 0; i < 100; i++)
        assert_int_equal(get(in, g.http, "/"), 200);
    assert_int_equal(g.of[0].request_count, 50);
    assert_int_equal(g.of[1].request_count, 30);
    assert_int_equal(g.of[2].request_count, 20);
    return WEIR_OK;
}

static void calls_go_by_weight(void **state)
{
    (void)state;
    in_group(weighted);
}

static weir_err ask_once(weir_ctx *c, void *arg)
{
    assert_int_equal(get(c, arg, "/"), 200);
    return WEIR_OK;
}

static weir_err least(weir_ctx *c, void *arg)
{
    static const struct peer_step slow = {.answer = OK_ANSWER, .after = {100000000}};
    struct group g;
    (void)arg;
    WEIR_SCOPE(in, c);
    group_open(&g, in, &(weir_http_options){.group = {.policy = WEIR_HTTP_LEAST}});
    g.of[0].steps = &slow;
    WEIR_SCOPE(calls, in);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(WEIR_GO(calls, ask_once, g.http), WEIR_OK);
        assert_int_equal(weir_sleep(calls, weir_ms(1)), WEIR_OK);
    }
    assert_int_equal(weir_join(calls), WEIR_OK);
    assert_true(g.of[0].request_count < 40);
    assert_true(g.of[1].request_count > 60 && g.of[2].request_count > 60);
    return WEIR_OK;
}

static void who_has_least_to_do_gets_the_call(void **state)
{
    (void)state;
    in_group(least);
}

static weir_err hashed(weir_ctx *c, void *arg)
{
    struct group g;
    size_t before[PEERS], after[PEERS], moved = 0;
    (void)arg;
    WEIR_SCOPE(in, c);
    group_open(&g, in, &(weir_http_options){.group = {.policy = WEIR_HTTP_HASH}});
    for (int k = 0; k < 60; k++)
        assert_int_equal(get_keyed(in, g.http, k), 200);
    for (int i = 0; i < PEERS; i++)
        before[i] = g.of[i].request_count;
    for (int k = 0; k < 60; k++)
        assert_int_equal(get_keyed(in, g.http, k), 200);
    for (int i = 0; i < PEERS; i++) {
        assert_int_equal(g.of[i].request_count, 2 * before[i]); /* the same ones */
        assert_in_range(before[i], 5, 40);
    }
    assert_int_equal(weir_http_drain(in, g.http, g.of[0].base, true), WEIR_OK);
    for (int k = 0; k < 60; k++)
        assert_int_equal(get_keyed(in, g.http, k), 200);
    for (int i = 0; i < PEERS; i++) {
        after[i] = g.of[i].request_count - 2 * before[i];
        moved += i > 0 ? after[i] - before[i] : 0;
    }
    assert_int_equal(after[0], 0);
    assert_int_equal(moved, before[0]); /* and no other key went anywhere else */
    return WEIR_OK;
}

static void a_key_stays_with_its_target(void **state)
{
    (void)state;
    in_group(hashed);
}

static weir_err hashed_by_header(weir_ctx *c, void *arg)
{
    struct group g;
    (void)arg;
    WEIR_SCOPE(in, c);
    group_open(&g, in,
               &(weir_http_options){.group = {.policy = WEIR_HTTP_HASH, .key_header = "X-User"}});
    for (int i = 0; i < 9; i++) {
        char path[16];
        snprintf(path, sizeof path, "/%d", i);
        weir_reply *r = weir_http_get(in, g.http, path,
                                      .headers = WEIR_HTTP_HEADERS({"x-user", WEIR_S("ann")}));
        assert_int_equal(weir_reply_status(r), 200);
    }
    int with = 0;
    for (int i = 0; i < PEERS; i++)
        with += g.of[i].request_count > 0;
    assert_int_equal(with, 1);
    return WEIR_OK;
}

static void a_header_can_be_the_key(void **state)
{
    (void)state;
    in_group(hashed_by_header);
}

/* --- who is left alone ------------------------------------------------------------------------ */

static weir_err ejected(weir_ctx *c, void *arg)
{
    struct group g;
    (void)arg;
    WEIR_SCOPE(in, c);
    group_open(
        &g, in,
        &(weir_http_options){.group = {.out_time = weir_sec(10), .slow_start = weir_sec(10)}});
    g.of[0].steps = &bad;
    for (int i = 0; i < 30; i++)
        (void)get(in, g.http, "/");
    assert_int_equal(g.of[0].request_count, 3); /* out after 3 */
    assert_int_equal(g.of[1].request_count + g.of[2].request_count, 27);
    g.of[0].steps = &good;
    assert_int_equal(weir_sleep(in, weir_sec(21)), WEIR_OK); /* back, and slow start is over */
    for (int i = 0; i < 30; i++)
        assert_int_equal(get(in, g.http, "/"), 200);
    assert_in_range(g.of[0].request_count, 3 + 9, 3 + 11);
    return WEIR_OK;
}

static void a_failing_node_is_ejected_after_3_and_returns_later(void **state)
{
    (void)state;
    weir_buf log;
    weir_buf_init(&log, 1 << 20);
    weir__log_capture(&log);
    in_group(ejected);
    weir__log_capture(NULL);
    weir_buf_putc(&log, '\0');
    assert_non_null(strstr(log.ptr, "is left alone for a while, for failures in a row: the last "
                                    "answer was 503"));
    weir_buf_fini(&log);
}

static weir_err retried(weir_ctx *c, void *arg)
{
    struct group g;
    (void)arg;
    WEIR_SCOPE(in, c);
    group_open(&g, in, &(weir_http_options){.retries_max = 1});
    g.of[0].steps = &cut;
    weir_time began = weir_now();
    for (int i = 0; i < 30; i++)
        assert_int_equal(get(in, g.http, "/"), 200);                   /* nothing is lost */
    assert_true(weir_time_sub(weir_now(), began).ns < weir_ms(50).ns); /* nobody waits for it */
    assert_int_equal(g.of[0].request_count, 3);
    return WEIR_OK;
}

static void a_retry_goes_to_another_target_at_once(void **state)
{
    (void)state;
    in_group(retried);
}

static weir_err drained(weir_ctx *c, void *arg)
{
    struct group g;
    (void)arg;
    WEIR_SCOPE(in, c);
    group_open(&g, in, &(weir_http_options){.body_bytes_max = 0});
    assert_int_equal(weir_http_drain(in, g.http, g.of[2].base, true), WEIR_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(get(in, g.http, "/"), 200);
    assert_int_equal(g.of[2].request_count, 0);
    assert_int_equal(weir_http_drain(in, g.http, g.of[2].base, false), WEIR_OK);
    for (int i = 0; i < 9; i++)
        assert_int_equal(get(in, g.http, "/"), 200);
    assert_int_equal(g.of[2].request_count, 3);
    assert_int_equal(weir_http_drain(in, g.http, "http://nobody", true), WEIR_ENOTFOUND);
    return WEIR_OK;
}

static void a_drained_target_gets_nothing_new(void **state)
{
    (void)state;
    in_group(drained);
}

static weir_err all_out(weir_ctx *c, void *arg)
{
    struct group g;
    (void)arg;
    WEIR_SCOPE(in, c);
    group_open(&g, in, &(weir_http_options){.retries_max = 2, .group = {.out_percent_max = 100}});
    for (int i = 0; i < PEERS; i++)
        g.of[i].steps = i == 0 ? &cut : &bad;
    for (int i = 0; i < 9; i++)
        (void)get(in, g.http, "/");
    assert_int_equal(weir_sleep(in, weir_ms(200)), WEIR_OK);
    weir_time began = weir_now();
    weir_reply *r = weir_http_get(in, g.http, "/x");
    assert_int_equal(weir_reply_err(r), -EHOSTUNREACH);
    assert_int_equal(weir_time_sub(weir_now(), began).ns, 0); /* at once */
    const char *text = weir_last_error(in)->message.ptr;
    assert_non_null(strstr(text, "GET shop/x: all 3 targets are out: http://"));
    assert_non_null(strstr(text, " ms (the last answer was 503)"));
    assert_non_null(strstr(text, weir_strerror(WEIR_ECLOSED)));
    return WEIR_OK;
}

static void all_out_is_one_clear_error_at_once(void **state)
{
    (void)state;
    in_group(all_out);
}

static weir_err streamed(weir_ctx *c, void *arg)
{
    struct group g;
    (void)arg;
    WEIR_SCOPE(in, c);
    group_open(&g, in, &(weir_http_options){.body_bytes_max = 0});
    g.of[0].steps = &bad;
    for (int i = 0; i < 30; i++) {
        weir_reply *r = weir_http_begin(in, g.http, "POST", "/up");
        assert_int_equal(weir_http_write(r, "abc", 3), WEIR_OK);
        assert_int_equal(weir_http_finish(r), WEIR_OK);
    }
    assert_int_equal(g.of[0].request_count, 3);
    return WEIR_OK;
}

static void written_bodies_tell_of_their_target_too(void **state)
{
    (void)state;
    in_group(streamed);
}

/* --- probes ----------------------------------------------------------------------------------- */

static weir_err probed(weir_ctx *c, void *arg)
{
    struct group g;
    (void)arg;
    WEIR_SCOPE(in, c);
    group_open(&g, in,
               &(weir_http_options){.group = {.probe = "/healthy",
                                              .probe_interval = weir_sec(1),
                                              .slow_start = weir_ms(1)}});
    assert_int_equal(weir_sleep(in, weir_ms(1500)), WEIR_OK);
    assert_non_null(strstr(g.of[0].requests[0], "GET /healthy HTTP/1.1\r\n"));
    g.of[0].steps = &bad;
    assert_int_equal(weir_sleep(in, weir_sec(4)), WEIR_OK); /* 3 probes: down without a call */
    g.of[0].request_count = 0;
    for (int i = 0; i < 12; i++)
        assert_int_equal(get(in, g.http, "/"), 200);
    g.of[0].steps = &good;
    assert_int_equal(weir_sleep(in, weir_sec(3)), WEIR_OK); /* two that were well */
    size_t before = g.of[0].request_count;
    for (int i = 0; i < 12; i++)
        assert_int_equal(get(in, g.http, "/"), 200);
    assert_int_equal(g.of[0].request_count - before, 4);
    return WEIR_OK;
}

static void probes_take_a_target_out_and_bring_it_back(void **state)
{
    (void)state;
    weir_buf log;
    weir_buf_init(&log, 1 << 20);
    weir__log_capture(&log);
    in_group(probed);
    weir__log_capture(NULL);
    weir_buf_putc(&log, '\0');
    assert_non_null(strstr(log.ptr, "is down: the last answer was 503"));
    assert_non_null(strstr(log.ptr, "is up again"));
    weir_buf_fini(&log);
}

static weir_err probed_by_tcp(weir_ctx *c, void *arg)
{
    struct peer p;
    (void)arg;
    WEIR_SCOPE(in, c);
    assert_int_equal(peer_open(in, &p, &good, 1), WEIR_OK);
    weir_http *http =
        weir_http_open(in, .name = "shop",
                       .targets = WEIR_HTTP_TARGETS({.url = p.base}, {.url = "http://127.0.0.1:1"}),
                       .group = {.probe = "tcp", .probe_interval = weir_sec(1)});
    assert_int_equal(weir_http_err(http), WEIR_OK);
    assert_int_equal(weir_sleep(in, weir_sec(5)), WEIR_OK);
    assert_true(p.accepted >= 4);
    assert_int_equal(p.request_count, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(get(in, http, "/"), 200); /* the other one is known to be down */
    return WEIR_OK;
}

static void a_connection_is_probe_enough_by_option(void **state)
{
    (void)state;
    in_group(probed_by_tcp);
}

/* --- mistakes --------------------------------------------------------------------------------- */

static void assert_mistake(weir_ctx *c, weir_http *http, const char *part)
{
    assert_int_equal(weir_http_err(http), WEIR_EINVALID);
    assert_told(c, WEIR_EINVALID, part);
}

static weir_err mistakes(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_mistake(c,
                   weir_http_open(c, .name = "a", .base = "http://x",
                                  .targets = WEIR_HTTP_TARGETS({.url = "http://y"})),
                   "HTTP client a: a group has 1 to 100 targets, and no base");
    assert_mistake(c, weir_http_open(c, .name = "a", .group = {.probe = "/"}),
                   "a group has 1 to 100 targets");
    assert_mistake(
        c, weir_http_open(c, .name = "a", .targets = WEIR_HTTP_TARGETS({.url = "http://y/v1"})),
        "its target \"http://y/v1\" cannot be used: a target has no path");
    assert_mistake(
        c,
        weir_http_open(c, .name = "a",
                       .targets = WEIR_HTTP_TARGETS({.url = "http://y", .weight = 1001})),
        "its weight is over 1,000");
    assert_mistake(
        c,
        weir_http_open(c, .name = "a",
                       .targets = WEIR_HTTP_TARGETS({.url = "http://y"}, {.url = "http://y:80"})),
        "its target \"http://y:80\" is there twice");
    assert_mistake(
        c,
        weir_http_open(c, .name = "a", .targets = WEIR_HTTP_TARGETS({.url = "http://y"}),
                       .group = {.probe = "up", .rise = 101, .probe_interval = weir_ms(1)}),
        "group.probe_interval is 1 ms; allowed: 100 ms to 1 h; HTTP client a: "
        "group.rise is 101; allowed: 1 to 100; HTTP client a: group.probe \"up\" is "
        "neither a path nor \"tcp\"");
    assert_mistake(c,
                   weir_http_open(c, .name = "a", .targets = WEIR_HTTP_TARGETS({.url = "http://y"}),
                                  .group = {.key_header = "X-Key"}),
                   "group.key_header \"X-Key\" is no name of a header, or the policy is not");
    return WEIR_OK;
}

static void mistakes_of_a_group_are_told(void **state)
{
    (void)state;
    in_group(mistakes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_go_round_robin),
        cmocka_unit_test(calls_go_by_weight),
        cmocka_unit_test(who_has_least_to_do_gets_the_call),
        cmocka_unit_test(a_key_stays_with_its_target),
        cmocka_unit_test(a_header_can_be_the_key),
        cmocka_unit_test(a_failing_node_is_ejected_after_3_and_returns_later),
        cmocka_unit_test(a_retry_goes_to_another_target_at_once),
        cmocka_unit_test(a_drained_target_gets_nothing_new),
        cmocka_unit_test(all_out_is_one_clear_error_at_once),
        cmocka_unit_test(written_bodies_tell_of_their_target_too),
        cmocka_unit_test(probes_take_a_target_out_and_bring_it_back),
        cmocka_unit_test(a_connection_is_probe_enough_by_option),
        cmocka_unit_test(mistakes_of_a_group_are_told),
    };
    peer_over();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
