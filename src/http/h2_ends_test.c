/*
 * The server over HTTP/2: how streams, connections and servers end. Time, drains, age, what fails
 * in the middle, and handlers that outlive their streams.
 */
#include "http/h2_testing.h"

#if WEIR_HTTP2

/* --- time ------------------------------------------------------------------------------------- */

static const struct weir__http_server_options quick = {.idle_timeout = {2000000000},
                                                       .head_timeout = {3000000000},
                                                       .body_timeout = {2000000000},
                                                       .write_timeout = {2000000000},
                                                       .handler_timeout = {20000000000}};

static const struct weir__http_server_options late_heads = {.head_timeout = {2000000000}};
static const struct weir__http_server_options patient = {.write_timeout = {2000000000}};

static void idle_ends(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    assert_string_equal(h2_ask(p, 1, "/hello")->body, "hello");
    wait_ms(rig, 5000);
    assert_true(next_of(p, GOAWAY, &f));
    assert_int_equal(code_of(&f), WEIR_H2_NO_ERROR);
    assert_true(peer_is_over(p));
    assert_int_equal(rig_stats(rig).timeouts_idle, 1);
    h2_close(p);
}

static void half_head_ends(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    put_frame(p, HEADERS, 0, 1, "\x82", 1);
    wait_ms(rig, 6000);
    assert_true(next_of(p, GOAWAY, &f));
    assert_int_equal(rig_stats(rig).timeouts_head, 1);
    h2_close(p);
}

static void no_settings_ends(struct rig *rig)
{
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    peer_open(p, rig->ctx, weir__sim_connect(rig->listener, 1 << 20));
    send_bytes(p, PREFACE, strlen(PREFACE));
    wait_ms(rig, 6000);
    assert_true(peer_is_over(p));
    h2_close(p);
}

static void stalled_window_ends(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    put_setting(p, 4, 0);
    put_get(p, 1, "/hello"); /* its handler has returned long ago */
    put_get(p, 3, "/big");   /* its handler waits for room */
    put_get(p, 5, "/empty"); /* and it needs none */
    put_get(p, 7, "/cut");   /* and what it has said first does not leave */
    wait_ms(rig, 1000);
    assert_int_equal(rig_stats(rig).streams, 1);
    wait_ms(rig, 4000);
    assert_int_equal(rig_stats(rig).timeouts_write, 3);
    assert_int_equal(rig_stats(rig).streams, 0);
    assert_int_equal(rig->last_err, WEIR_ETIMEDOUT);
    assert_false(peer_is_over(p));
    h2_close(p);
}

static void socket_that_takes_nothing_ends(struct rig *rig)
{
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    peer_open(p, rig->ctx, weir__sim_connect(rig->listener, 4096));
    put_preface(p);
    put_setting(p, 4, 1 << 20);
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    put_get(p, 1, "/big");
    wait_ms(rig, 8000);
    assert_int_equal(rig_stats(rig).open, 0);
    assert_int_equal(rig_stats(rig).streams, 0);
    h2_close(p);
}

/* It is full, and its client has a moment from when there is something to send. */
static void full_socket_has_its_time(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    (void)h2_ask(p, 1, "/hello");
    uint64_t all = rig_stats(rig).bytes_out;
    h2_close(p);
    p = calloc(1, sizeof *p);
    assert_non_null(p);
    peer_open(p, rig->ctx, weir__sim_connect(rig->listener, all));
    put_preface(p);
    put_frame(p, SETTINGS, ACK, 0, NULL, 0);
    put_get(p, 1, "/hello");
    wait_ms(rig, 5000);
    assert_int_equal(rig_stats(rig).bytes_out, 2 * all); /* and not a byte more fits */
    put_get(p, 3, "/hello");
    wait_ms(rig, 1500);
    assert_int_equal(rig_stats(rig).timeouts_write, 0);
    wait_ms(rig, 1500);
    assert_int_equal(rig_stats(rig).timeouts_write, 1);
    h2_close(p);
}

/* Who is late with a head is so once, though it does not even fetch the end. */
static void late_head_is_counted_once(struct rig *rig)
{
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    peer_open(p, rig->ctx, weir__sim_connect(rig->listener, 4096));
    put_preface(p);
    put_setting(p, 4, 1 << 20);
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    put_get(p, 1, "/big");
    put_frame(p, HEADERS, 0, 3, "\x82", 1);
    wait_ms(rig, 8000);
    assert_int_equal(rig_stats(rig).open, 1);
    assert_int_equal(rig_stats(rig).timeouts_head, 1);
    h2_close(p);
}

static void body_that_does_not_come(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    put_post(p, 1, "/echo");
    wait_ms(rig, 3000);
    assert_in(h2_get(p, 1)->fields, ":status: 408\n");
    assert_int_equal(rig_stats(rig).timeouts_body, 1);
    h2_close(p);
}

static void test_time_is_limited(void **state)
{
    (void)state;
    run_rig(idle_ends, &quick);
    run_rig(half_head_ends, &quick);
    run_rig(no_settings_ends, &quick);
    run_rig(stalled_window_ends, &patient);
    run_rig(full_socket_has_its_time, &patient);
    run_rig(late_head_is_counted_once, &late_heads);
    run_rig(socket_that_takes_nothing_ends, &quick);
    run_rig(body_that_does_not_come, &quick);
}

/* --- the server goes -------------------------------------------------------------------------- */

static void drains(struct rig *rig)
{
    struct peer *busy = h2_dial(rig), *idle = h2_dial(rig);
    struct frame f;
    assert_string_equal(h2_ask(idle, 1, "/hello")->body, "hello");
    put_get(busy, 1, "/sleep?3000");
    wait_ms(rig, 1);
    weir__http_server_drain(rig->server, weir__ctx_of(rig->ctx));
    assert_true(next_of(idle, GOAWAY, &f));
    assert_true(peer_is_over(idle));
    assert_true(next_of(busy, GOAWAY, &f));
    assert_int_equal(u32_at(f.payload), 0x7fffffff);
    assert_string_equal(h2_ask(busy, 3, "/hello")->body, "hello"); /* it was on its way */
    wait_ms(rig, 1500);
    assert_true(next_of(busy, GOAWAY, &f));
    assert_int_equal(u32_at(f.payload), 3);
    wait_ms(rig, 2000);
    assert_string_equal(h2_get(busy, 1)->body, "slept");
    assert_true(peer_is_over(busy));
    assert_int_equal(rig_stats(rig).goaways, 2);
    h2_close(busy);
    h2_close(idle);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void cancels(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    put_get(p, 1, "/sleep?30000");
    wait_ms(rig, 1);
    weir__http_server_cancel_all(rig->server, weir__ctx_of(rig->ctx), WEIR_REASON_SHUTDOWN);
    assert_in(h2_get(p, 1)->fields, ":status: 503\n");
    wait_ms(rig, 2000);
    assert_true(peer_is_over(p));
    h2_close(p);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void closes(struct rig *rig)
{
    struct peer *p = h2_dial(rig), *idle = h2_dial(rig);
    put_get(p, 1, "/sleep?30000");
    put_get(p, 3, "/big");
    wait_ms(rig, 1);
    assert_int_equal(weir__http_server_close(rig->server, weir__ctx_of(rig->ctx)), WEIR_OK);
    assert_true(peer_is_over(p) && peer_is_over(idle));
    h2_close(p);
    h2_close(idle);
}

static void goes_after_so_many(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    for (uint32_t i = 0; i < 300; i++) /* a connection is worth a hundred */
        assert_string_equal(h2_ask(p, 1 + 2 * i, "/hello")->body, "hello");
    wait_ms(rig, 1500);
    assert_true(next_of(p, GOAWAY, &f));
    assert_true(peer_is_over(p));
    h2_close(p);
}

/* --- it goes by itself ------------------------------------------------------------------------ */

/* Which GOAWAY comes; UINT32_MAX: none. */
static uint32_t next_goaway(struct peer *p)
{
    struct frame f;
    if (!next_of(p, GOAWAY, &f))
        return UINT32_MAX;
    assert_int_equal(code_of(&f), WEIR_H2_NO_ERROR);
    return u32_at(f.payload);
}

/* After an hour and up to six minutes, at the next request. */
static void goes_of_age(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    wait_ms(rig, 3599000);
    assert_string_equal(h2_ask(p, 1, "/hello")->body, "hello");
    assert_int_equal(next_goaway(p), UINT32_MAX);
    wait_ms(rig, 362000);
    assert_int_equal(next_goaway(p), UINT32_MAX); /* nobody waits for it */
    put_get(p, 3, "/sleep?2500");
    assert_int_equal(next_goaway(p), 0x7fffffff);
    assert_string_equal(h2_ask(p, 5, "/hello")->body, "hello"); /* it was on its way */
    wait_ms(rig, 1000);
    assert_int_equal(next_goaway(p), 5);
    put_get(p, 7, "/hello");
    assert_int_equal(h2_get(p, 7)->fields[0], '\0');
    wait_ms(rig, 1500);
    assert_string_equal(h2_get(p, 3)->body, "slept");
    assert_true(peer_is_over(p));
    assert_int_equal(rig_stats(rig).goaways, 1);
    h2_close(p);
}

static void test_it_goes_of_age(void **state)
{
    (void)state;
    static const struct weir__http_server_options idle = {.idle_timeout = {-1}};
    run_rig(goes_of_age, &idle);
}

/* Opens `count` streams that run for long, from `id` on; the next number. */
static uint32_t keep_busy(struct peer *p, uint32_t id, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, id += 2)
        put_get(p, id, "/sleep?30000");
    return id;
}

/* The load is looked at with the 1,024th request. */
static uint32_t ask_up_to(struct peer *p, uint32_t id, uint32_t requests)
{
    for (; id < 2 * requests; id += 2) {
        assert_string_equal(h2_ask(p, id, "/hello")->body, "hello");
    }
    return id;
}

/*
 * One worker is all that the simulation has; of the second there are its numbers. Two connections
 * have `mine` and `beside` streams, the other worker has `there`.
 */
static bool goes_elsewhere(struct rig *rig, uint32_t mine, uint32_t beside, int64_t there)
{
    static struct weir__http_worker second;
    struct peer *p = h2_dial(rig), *other = h2_dial(rig);
    memset(&second, 0, sizeof second);
    weir__gauge_add(&second.count.streams, there);
    keep_busy(other, 1, beside);
    uint32_t id = keep_busy(p, 1, mine - 1);
    id = ask_up_to(p, id, 1023);
    rig->server->homes[1] = &second;
    rig->server->count = 2;
    put_get(p, id, "/hello");
    uint32_t last = next_goaway(p);
    rig->server->homes[1] = NULL;
    rig->server->count = 1;
    assert_true(last == UINT32_MAX || last == 0x7fffffff);
    assert_int_equal(rig_stats(rig).goaways, last != UINT32_MAX);
    h2_close(p);
    h2_close(other);
    wait_ms(rig, 5);
    return last != UINT32_MAX;
}

static void who_has_much_gives_away(struct rig *rig)
{
    assert_true(goes_elsewhere(rig, 25, 25, 0));
}

static void nobody_goes_where_there_is_as_much(struct rig *rig)
{
    assert_false(goes_elsewhere(rig, 25, 25, 1));
    assert_false(goes_elsewhere(rig, 10, 40, 30));
}

/* All would be as it is, but elsewhere. */
static void nobody_goes_for_nothing(struct rig *rig)
{
    assert_false(goes_elsewhere(rig, 60, 0, 0));
    assert_false(goes_elsewhere(rig, 2, 4, 0));
}

static void test_who_has_much_gives_away(void **state)
{
    (void)state;
    run_rig(who_has_much_gives_away, NULL);
    run_rig(nobody_goes_where_there_is_as_much, NULL);
    run_rig(nobody_goes_for_nothing, NULL);
}

static void test_the_server_goes(void **state)
{
    (void)state;
    static const struct weir__http_server_options few = {.requests_max = 3};
    run_rig(drains, NULL);
    run_rig(cancels, NULL);
    run_rig(closes, NULL);
    run_rig(goes_after_so_many, &few);
}

/* --- what fails ------------------------------------------------------------------------------- */

enum { ALLOCATIONS, CALLS };
static uint64_t fail_at;
static int fail_what;
static unsigned unserved;

/* Something fails in the middle: what was begun ends, and the next connection is served. */
static void fails_somewhere(struct rig *rig)
{
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    peer_open(p, rig->ctx, weir__sim_connect(rig->listener, 1 << 20));
    put_preface(p);
    put_get(p, 1, "/hello");
    put_post(p, 3, "/echo");
    put_data(p, 3, END_STREAM, "a body");
    put_get(p, 5, "/rows");
    put_u32(p, WINDOW_UPDATE, 5, 1 << 20);
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    if (fail_what == ALLOCATIONS)
        weir__alloc_fail_nth(fail_at);
    else
        weir__sys_fail_nth(fail_at, ECONNRESET);
    wait_ms(rig, 20);
    weir__alloc_fail_nth(0);
    weir__sys_fail_nth(0, 0);
    struct response *r = h2_get(p, 5);
    unserved += !r->is_whole;
    h2_close(p);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).streams, 0);
    p = h2_dial(rig);
    assert_string_equal(h2_ask(p, 1, "/hello")->body, "hello");
    h2_close(p);
}

static void test_what_fails_ends_and_leaves_nothing(void **state)
{
    (void)state;
    for (fail_what = ALLOCATIONS; fail_what <= CALLS; fail_what++) {
        unserved = 0;
        for (fail_at = 1; fail_at <= (fail_what == ALLOCATIONS ? 80u : 12u); fail_at++)
            run_rig(fails_somewhere, NULL);
        assert_true(unserved > 3);
    }
}

/* --- handlers that outlive their streams ------------------------------------------------------ */

static unsigned stubborn_running;

/* Waits in a shield: it goes on when its client is gone. */
static void serve_stubbornly(struct weir__exchange *x, void *arg)
{
    weir_ctx *c = weir__ctx_handle(x->ctx);
    (void)arg;
    stubborn_running++;
    weir_shield(c, weir_sec(5));
    (void)!weir_sleep(c, weir_sec(2));
    weir_unshield(c);
    stubborn_running--;
    (void)weir__exchange_respond(x, 200, WEIR_S("text/plain"), WEIR_S("at last"));
}

static weir_err outlives(weir_ctx *c, void *arg)
{
    const struct weir__http_app app = {.serve = serve_stubbornly};
    const struct weir__http_server_options none = {0};
    struct rig rig = {.ctx = c, .listener = weir__sim_listen()};
    struct frame f;
    (void)arg;
    rig.server = weir__http_server_new(weir__self->runtime, &none, &app);
    assert_int_equal(weir__http_server_adopt_listener(rig.server, rig.listener), 0);
    assert_int_equal(weir__http_server_start(rig.server, weir__ctx_of(c)), 0);
    struct peer *p = h2_dial(&rig);
    for (uint32_t i = 0; i < 110; i++) {
        put_get(p, 1 + 2 * i, "/");
        wait_ms(&rig, 1); /* its fiber has begun */
        put_u32(p, RST_STREAM, 1 + 2 * i, WEIR_H2_CANCEL);
    }
    wait_ms(&rig, 1);
    assert_int_equal(stubborn_running, 100); /* whether or not their streams live */
    assert_int_equal(rig_stats(&rig).streams_refused, 10);
    assert_true(next_of(p, RST_STREAM, &f));
    assert_int_equal(code_of(&f), WEIR_H2_REFUSED_STREAM);
    h2_close(p);
    wait_ms(&rig, 1);
    assert_int_equal(rig_stats(&rig).open, 1); /* its fibers are */
    wait_ms(&rig, 3000);
    assert_int_equal(stubborn_running, 0);
    assert_int_equal(rig_stats(&rig).open, 0);
    rig_close(&rig);
    return WEIR_OK;
}

static void test_handlers_may_outlive_their_streams(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(outlives, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_is_limited),
        cmocka_unit_test(test_the_server_goes),
        cmocka_unit_test(test_it_goes_of_age),
        cmocka_unit_test(test_who_has_much_gives_away),
        cmocka_unit_test(test_what_fails_ends_and_leaves_nothing),
        cmocka_unit_test(test_handlers_may_outlive_their_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
