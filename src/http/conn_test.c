/*
 * What befalls connections: time-outs of every kind, clients that go, drain, cancel, lack of
 * descriptors. In virtual time.
 */
#include "http/testing.h"
#include "watch/watch.h"

/* --- time-outs -------------------------------------------------------------------------------- */

static void slow_head(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    put(client, "GET /hello HT");
    for (int i = 0; i < 8; i++) { /* a byte now and then does not help */
        assert_string_equal(get(rig, client, &over), "");
        assert_false(over);
        put(client, "T");
        wait_ms(rig, 1000);
    }
    wait_ms(rig, 4000);
    char *text = get(rig, client, &over);
    assert_has(text, "408 Request Timeout");
    assert_has(text, "Connection: close");
    assert_true(over);
    assert_int_equal(rig_stats(rig).timeouts_head, 1);
    assert_int_equal(rig->last_status, 408);
}

static void test_slow_head(void **state)
{
    (void)state;
    run_rig(slow_head, NULL);
}

static void idle(struct rig *rig)
{
    bool over;
    int silent = dial(rig), client = dial(rig);
    wait_ms(rig, 50000);
    assert_has(ask(rig, client, HELLO), "hello");
    wait_ms(rig, 26000);
    assert_string_equal(get(rig, silent, &over), "");
    assert_true(over);
    wait_ms(rig, 40000);
    assert_string_equal(get(rig, client, &over), "");
    assert_false(over); /* its time began anew with its request */
    wait_ms(rig, 12000);
    assert_string_equal(get(rig, client, &over), "");
    assert_true(over);
    assert_int_equal(rig_stats(rig).timeouts_idle, 2);
}

static void test_idle(void **state)
{
    (void)state;
    run_rig(idle, NULL);
}

static void long_idle(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    wait_ms(rig, 499000);
    assert_string_equal(get(rig, client, &over), "");
    assert_false(over);
    wait_ms(rig, 4000);
    (void)get(rig, client, &over);
    assert_true(over);
}

static void test_long_idle(void **state)
{
    struct weir__http_server_options options = {.idle_timeout = weir_sec(500)};
    (void)state;
    run_rig(long_idle, &options);
}

static void slow_body(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    put(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n123");
    wait_ms(rig, 29000);
    assert_string_equal(get(rig, client, &over), "");
    assert_false(over);
    wait_ms(rig, 2000);
    char *text = get(rig, client, &over);
    assert_has(text, "408 ");
    assert_true(over);
    assert_int_equal(rig_stats(rig).timeouts_body, 1);
    client = dial(rig); /* it comes, but at a rate that holds the connection for ever */
    put(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n123");
    for (int i = 0; i < 6; i++) {
        assert_string_equal(get(rig, client, NULL), "");
        put(client, "x");
        wait_ms(rig, 5000);
    }
    wait_ms(rig, 5000);
    assert_has(get(rig, client, &over), "408 ");
    assert_true(over);
    assert_int_equal(rig_stats(rig).timeouts_body, 2);
}

static void test_slow_body(void **state)
{
    struct weir__http_server_options options = {.handler_timeout = weir_sec(3600)};
    (void)state;
    run_rig(slow_body, &options);
}

/* The unread rest of a body is not waited for any longer. */
static void slow_rest(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    put(client, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n123");
    assert_has(get(rig, client, &over), "hello");
    assert_false(over);
    wait_ms(rig, 35000);
    (void)get(rig, client, &over);
    assert_true(over);
}

static void test_slow_rest(void **state)
{
    (void)state;
    run_rig(slow_rest, NULL);
}

static void slow_reader(struct rig *rig)
{
    static char bytes[CAPACITY];
    int client = dial(rig);
    put(client, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n"); /* 200,000 bytes into 64 KiB */
    wait_ms(rig, 29000);
    assert_int_equal(rig_stats(rig).active, 1);
    assert_int_equal(weir__sim_read(client, bytes, 1000), 1000);
    wait_ms(rig, 29000);
    assert_int_equal(rig_stats(rig).active, 0); /* a little is not enough to go on for long */
    assert_int_equal(rig_stats(rig).timeouts_write, 1);
    assert_int_equal(rig_stats(rig).open, 0);
    assert_int_equal(rig->last_err, WEIR_ETIMEDOUT);
    client = dial(rig);
    put(client, "GET /rows HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).active, 0); /* 60 KB: they all fit */
}

static void test_slow_reader(void **state)
{
    struct weir__http_server_options options = {.handler_timeout = weir_sec(3600)};
    (void)state;
    run_rig(slow_reader, &options);
}

static void slow_handler(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    put(client, "GET /sleep?100000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_ms(rig, 1990);
    assert_string_equal(get(rig, client, &over), "");
    wait_ms(rig, 20);
    char *text = get(rig, client, &over);
    assert_has(text, "504 Gateway Timeout");
    assert_false(over);
    assert_int_equal(rig->last_err, WEIR_ETIMEDOUT);
    assert_int_equal(rig->last_status, 504);
    assert_int_equal(rig_stats(rig).timeouts_handler, 1);
    assert_has(ask(rig, client, HELLO), "hello");
}

static void test_slow_handler(void **state)
{
    struct weir__http_server_options options = {.handler_timeout = weir_sec(2)};
    (void)state;
    run_rig(slow_handler, &options);
}

/* --- clients that go -------------------------------------------------------------------------- */

static void client_gone(struct rig *rig)
{
    int client = dial(rig);
    put(client, "GET /sleep?20000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_ms(rig, 10);
    assert_int_equal(rig_stats(rig).active, 1);
    weir__sim_close(client);
    wait_ms(rig, 1);
    assert_int_equal(rig->slow_ends, 1);
    assert_int_equal(rig->last_err, WEIR_ECLIENTGONE);
    assert_int_equal(rig->last_status, 499);
    assert_int_equal(rig_stats(rig).open, 0);
    assert_int_equal(rig_stats(rig).client_gone, 1);
    assert_int_equal(rig_stats(rig).responses[0], 1);
    client = dial(rig);
    put(client, "GET /sleep?20000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_ms(rig, 10);
    weir__sim_reset(client);
    wait_ms(rig, 1);
    assert_int_equal(rig->slow_ends, 2);
    client = dial(rig);
    put(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    wait_ms(rig, 10);
    weir__sim_close(client);
    wait_ms(rig, 1);
    assert_int_equal(rig->last_err, WEIR_ECLIENTGONE);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void test_client_gone(void **state)
{
    (void)state;
    run_rig(client_gone, NULL);
}

/* Shut along with the request: answered where that takes no wait; a wait finds the client gone. */
static void half_closed(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    put(client, HELLO);
    weir__sim_shutdown(client);
    assert_has(get(rig, client, &over), "hello");
    assert_true(over);
    client = dial(rig);
    put(client, "GET /sleep?5000 HTTP/1.1\r\nHost: a\r\n\r\n");
    weir__sim_shutdown(client);
    wait_ms(rig, 1);
    assert_int_equal(rig->last_err, WEIR_ECLIENTGONE);
    client = dial(rig); /* the end of the body is not the end of the client */
    put(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    wait_ms(rig, 1);
    put(client, "body");
    weir__sim_shutdown(client);
    assert_has(get(rig, client, &over), "\r\n\r\nbody");
    assert_true(over);
    client = dial(rig);
    weir__sim_shutdown(client);
    (void)get(rig, client, &over);
    assert_true(over);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void test_half_closed(void **state)
{
    (void)state;
    run_rig(half_closed, NULL);
}

static void half_close_served(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    put(client, "GET /sleep?5000 HTTP/1.1\r\nHost: a\r\n\r\n");
    weir__sim_shutdown(client);
    wait_ms(rig, 5000);
    assert_has(get(rig, client, &over), "slept");
    assert_true(over);
}

static void test_half_close_served(void **state)
{
    struct weir__http_server_options options = {.is_half_close_served = true};
    (void)state;
    run_rig(half_close_served, &options);
}

/* --- drain and cancel ------------------------------------------------------------------------- */

static void drain(struct rig *rig)
{
    bool over;
    int busy = dial(rig), resting = dial(rig);
    assert_has(ask(rig, resting, HELLO), "hello");
    put(busy, "GET /sleep?5000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_ms(rig, 1);
    weir__http_server_drain(rig->server, weir__ctx_of(rig->ctx));
    wait_ms(rig, 1);
    (void)get(rig, resting, &over);
    assert_true(over);
    assert_int_equal(rig_stats(rig).open, 1);
    weir_time soon = weir_time_add(weir_now(), weir_sec(1));
    assert_int_equal(weir__http_server_wait_closed(rig->server, weir__ctx_of(rig->ctx), soon),
                     WEIR_ETIMEDOUT);
    weir_time later = weir_time_add(weir_now(), weir_sec(10));
    assert_int_equal(weir__http_server_wait_closed(rig->server, weir__ctx_of(rig->ctx), later), 0);
    char *text = get(rig, busy, &over);
    assert_has(text, "slept");
    assert_has(text, "Connection: close");
    assert_true(over);
}

/* What comes between the worker's last look at its sockets and the beginning of the drain. */
struct late {
    struct weir__task task;
    struct rig *rig;
    int resting, fresh;
};

static void come_late(struct weir__task *t)
{
    struct late *late = WEIR_CONTAINER(t, struct late, task);
    put(late->resting, HELLO);
    late->fresh = dial(late->rig);
    put(late->fresh, HELLO);
}

/*
 * Requests that nobody has been told of, on a connection at rest and in the backlog, are answered.
 */
static void drain_answers_all(struct rig *rig)
{
    bool over;
    struct late late = {.task = {.run = come_late}, .rig = rig, .resting = dial(rig)};
    assert_has(ask(rig, late.resting, HELLO), "hello");
    weir__post(weir__self, &late.task);
    weir__http_server_drain(rig->server, weir__ctx_of(rig->ctx));
    wait_ms(rig, 1);
    assert_has(get(rig, late.resting, &over), "hello");
    assert_true(over);
    assert_has(get(rig, late.fresh, &over), "hello");
    assert_true(over);
}

static void test_drain_answers_all(void **state)
{
    (void)state;
    run_rig(drain_answers_all, NULL);
}

/*
 * Whoever has just connected is about to ask, and has a moment to; who never does is not waited
 * for.
 */
static void drain_waits_for_the_first_request(struct rig *rig)
{
    bool over;
    int silent = dial(rig);
    wait_ms(rig, 5000);
    int slow = dial(rig), mute = dial(rig);
    wait_ms(rig, 1);
    weir__http_server_drain(rig->server, weir__ctx_of(rig->ctx));
    wait_ms(rig, 1);
    (void)get(rig, silent, &over);
    assert_true(over);
    wait_ms(rig, 500);
    char *text = ask(rig, slow, HELLO);
    assert_has(text, "hello");
    assert_has(text, "Connection: close");
    weir__sim_close(slow);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).open, 1);
    weir_time until = weir_time_add(weir_now(), weir_sec(3));
    assert_int_equal(weir__http_server_wait_closed(rig->server, weir__ctx_of(rig->ctx), until), 0);
    (void)get(rig, mute, &over);
    assert_true(over);
}

static void test_drain_waits_for_the_first_request(void **state)
{
    (void)state;
    run_rig(drain_waits_for_the_first_request, NULL);
}

static void test_drain(void **state)
{
    (void)state;
    run_rig(drain, NULL);
}

static void cancel(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    put(client, "GET /sleep?20000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_ms(rig, 1);
    weir__http_server_cancel_all(rig->server, weir__ctx_of(rig->ctx), WEIR_REASON_SHUTDOWN);
    char *text = get(rig, client, &over);
    assert_int_equal(rig->last_err, WEIR_ESHUTDOWN);
    assert_has(text, "503 ");
}

/* Half a head is no request, and is not waited for. */
static void cancel_half_a_head(struct rig *rig)
{
    bool over = false;
    int client = dial(rig);
    put(client, "GET / HT");
    wait_ms(rig, 1);
    weir__http_server_cancel_all(rig->server, weir__ctx_of(rig->ctx), WEIR_REASON_SHUTDOWN);
    weir_time now = weir_now();
    assert_string_equal(get(rig, client, &over), "");
    assert_true(over);
    assert_true(weir_now().ns - now.ns < 1000000000);
}

static void test_cancel(void **state)
{
    (void)state;
    run_rig(cancel, NULL);
    run_rig(cancel_half_a_head, NULL);
}

/* The end of a server closes whatever its connections are doing. */
static void end_with_all(struct rig *rig)
{
    static const char *const beginnings[] = {
        "", "GET /hel", HELLO, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n"};
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        put(dial(rig), beginnings[i]);
    wait_ms(rig, 5);
    assert_true(rig_stats(rig).open >= 4);
}

static void test_end_with_all(void **state)
{
    (void)state;
    run_rig(end_with_all, NULL);
}

/* --- accepting -------------------------------------------------------------------------------- */

static void no_descriptors(struct rig *rig)
{
    bool over;
    assert_has(ask(rig, dial(rig), HELLO), "hello");
    weir__sim_fail_accept(EMFILE, 1);
    int refused = dial(rig), waiting = dial(rig);
    put(refused, HELLO);
    put(waiting, HELLO);
    assert_has(get(rig, refused, &over), "503 ");
    assert_true(over);
    assert_string_equal(get(rig, waiting, &over), ""); /* in the backlog */
    assert_false(over);
    assert_int_equal(rig_stats(rig).accept_pauses, 1);
    assert_int_equal(rig_stats(rig).refused, 1);
    wait_ms(rig, 100);
    assert_has(get(rig, waiting, NULL), "hello");
}

static void test_no_descriptors(void **state)
{
    (void)state;
    run_rig(no_descriptors, NULL);
}

/* A connection that closes ends the pause. */
static void pause_ends(struct rig *rig)
{
    int first = dial(rig);
    assert_has(ask(rig, first, HELLO), "hello");
    weir__sim_fail_accept(ENFILE, 1);
    (void)dial(rig);
    int waiting = dial(rig);
    put(waiting, HELLO);
    assert_string_equal(get(rig, waiting, NULL), "");
    weir__sim_close(first);
    wait_ms(rig, 3);
    assert_has(get(rig, waiting, NULL), "hello");
}

static void test_pause_ends(void **state)
{
    (void)state;
    run_rig(pause_ends, NULL);
}

static void too_many(struct rig *rig)
{
    bool over;
    int first = dial(rig), second = dial(rig);
    assert_has(ask(rig, first, HELLO), "hello");
    assert_has(ask(rig, second, HELLO), "hello");
    assert_has(get(rig, dial(rig), &over), "503 ");
    assert_true(over);
    weir__sim_close(first);
    wait_ms(rig, 1);
    assert_has(ask(rig, dial(rig), HELLO), "hello");
    assert_int_equal(rig_stats(rig).refused, 1);
}

static void test_too_many(void **state)
{
    struct weir__http_server_options options = {.connections_max = 2};
    (void)state;
    run_rig(too_many, &options);
}

static void gone_before_accept(struct rig *rig)
{
    weir__sim_fail_accept(ECONNABORTED, 1);
    assert_has(ask(rig, dial(rig), HELLO), "hello");
    assert_int_equal(rig_stats(rig).accept_pauses, 0);
}

static void test_gone_before_accept(void **state)
{
    (void)state;
    run_rig(gone_before_accept, NULL);
}

/* Errors without end, of whatever kind, are no loop without end. */
static void many_accept_errors(struct rig *rig)
{
    weir__sim_fail_accept(ECONNABORTED, 1000);
    int client = dial(rig);
    put(client, HELLO);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).accept_pauses, 1);
    weir__sim_fail_accept(0, 0);
    wait_ms(rig, 100);
    assert_has(get(rig, client, NULL), "hello");
}

static void test_many_accept_errors(void **state)
{
    (void)state;
    run_rig(many_accept_errors, NULL);
}

/* The server ends while it pauses: the end of the pause finds nothing. */
static void ends_in_a_pause(struct rig *rig)
{
    weir__sim_fail_accept(EMFILE, 1);
    (void)dial(rig);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).accept_pauses, 1);
}

static void test_ends_in_a_pause(void **state)
{
    (void)state;
    run_rig(ends_in_a_pause, NULL);
}

/* No fiber for a request, no memory for its first bytes: its connection is closed, and is gone. */
static void no_fibers(struct rig *rig)
{
    bool over;
    assert_has(ask(rig, dial(rig), HELLO), "hello");
    int busy = dial(rig), refused = dial(rig);
    put(busy, "GET /sleep?50 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_ms(rig, 1);
    put(refused, HELLO);
    assert_has(get(rig, refused, &over), "503 ");
    assert_true(over);
    weir__sim_close(refused);
    wait_ms(rig, 60);
    assert_has(get(rig, busy, NULL), "slept");
    assert_int_equal(rig_stats(rig).open, 2);
    assert_int_equal(rig_stats(rig).active, 0);
}

static void test_no_fibers(void **state)
{
    (void)state;
    struct weir__http_server_options none = {0};
    struct rig_run run = {no_fibers, &none};
    struct weir__runtime_options options = {.fibers_max = 2};
    assert_int_equal(weir__sim_run_with(&options, rig_main, &run), WEIR_OK);
}

static void no_buffers(struct rig *rig)
{
    int client = dial(rig);
    wait_ms(rig, 1);
    weir__alloc_fail_nth(1);
    put(client, HELLO);
    bool is_closed = is_over(rig, client);
    weir__alloc_fail_nth(0);
    assert_true(is_closed);
    assert_int_equal(rig_stats(rig).open, 0);
    assert_has(ask(rig, dial(rig), HELLO), "hello");
}

static void test_no_buffers(void **state)
{
    (void)state;
    run_rig(no_buffers, NULL);
}

/* What is asked for past the parser's own limit is that limit. */
static void large_heads(struct rig *rig)
{
    assert_int_equal(rig->server->options.head_bytes_max, WEIR_HTTP_HEAD_BYTES_MAX);
    assert_has(ask(rig, dial(rig), HELLO), "hello");
}

static void test_large_heads(void **state)
{
    struct weir__http_server_options options = {.head_bytes_max = 1u << 30};
    (void)state;
    run_rig(large_heads, &options);
}

/* A head that takes too long is answered, or where there is no memory for that, just closed. */
static void slow_head_no_buffers(struct rig *rig)
{
    int slow = dial(rig), busy = dial(rig);
    put(slow, "GET /hel");
    wait_ms(rig, 1);
    put(busy, "GET /sleep?15000 HTTP/1.1\r\nHost: a\r\n\r\n"); /* takes what that gave back */
    wait_ms(rig, 9000);
    weir__alloc_fail_nth(1);
    wait_ms(rig, 3000);
    weir__alloc_fail_nth(0);
    bool over;
    assert_string_equal(get(rig, slow, &over), "");
    assert_true(over);
    assert_int_equal(rig_stats(rig).open, 1);
}

static void test_slow_head_no_buffers(void **state)
{
    (void)state;
    run_rig(slow_head_no_buffers, NULL);
}

/* More at a time than buffers are kept for: all are answered, and what is too much goes back. */
static void many_at_once(struct rig *rig)
{
    enum { MANY = WEIR__HTTP_POOL_KEPT + 40 };
    static int clients[MANY];
    for (int i = 0; i < MANY; i++) {
        clients[i] = dial(rig);
        put(clients[i], "GET /sleep?1000 HTTP/1.1\r\nHost: a\r\n\r\n");
        if (i % 32 == 0)
            wait_ms(rig, 1);
    }
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).active, MANY);
    wait_ms(rig, 2000);
    assert_int_equal(rig_stats(rig).active, 0);
    assert_int_equal(rig->slow_ends, MANY);
    assert_has(get(rig, clients[MANY - 1], NULL), "slept");
    for (int i = 0; i < MANY; i++) {
        clients[i] = dial(rig);
        put(clients[i], "GET /big HTTP/1.1\r\nHost: a\r\n\r\n"); /* and does not read it */
        if (i % 32 == 0)
            wait_ms(rig, 1);
    }
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).active, MANY);
    for (int i = 0; i < MANY; i++)
        weir__sim_close(clients[i]);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).active, 0);
}

static void test_many_at_once(void **state)
{
    (void)state;
    run_rig(many_at_once, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_head),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_long_idle),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_slow_rest),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_slow_handler),
        cmocka_unit_test(test_client_gone),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_half_close_served),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_answers_all),
        cmocka_unit_test(test_drain_waits_for_the_first_request),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_end_with_all),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_pause_ends),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_gone_before_accept),
        cmocka_unit_test(test_many_accept_errors),
        cmocka_unit_test(test_ends_in_a_pause),
        cmocka_unit_test(test_no_fibers),
        cmocka_unit_test(test_no_buffers),
        cmocka_unit_test(test_large_heads),
        cmocka_unit_test(test_slow_head_no_buffers),
        cmocka_unit_test(test_many_at_once),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
