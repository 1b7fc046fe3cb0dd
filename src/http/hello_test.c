/*
 * The server behind TLS: requests as ever, what comes to such a port and is none, crowds, silence,
 * and ends while a handshake goes on.
 */
#include "net/tls.h"

#if WEIR_TLS

#include "http/hello_testing.h"

#include <netinet/in.h>

/* --- requests as ever ------------------------------------------------------------------------- */

static void serves(struct rig *rig)
{
    struct weir__stream s;
    ssize_t end;
    connect_client(rig, &s, CAPACITY);
    for (int i = 0; i < 3; i++)
        assert_string_equal(body_of(ask_tls(rig, &s, HELLO, NULL)), "hello");
    char *answer =
        ask_tls(rig, &s, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nworld", NULL);
    assert_string_equal(body_of(answer), "world");
    answer = body_of(ask_tls(rig, &s, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n", NULL));
    assert_int_equal(strlen(answer), 200000);
    answer = ask_tls(rig, &s, "GET /rows HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    assert_has(answer, "row 004999\n");
    answer = ask_tls(rig, &s, HELLO HELLO HELLO, NULL);
    assert_has(body_of(body_of(answer)), "HTTP/1.1 200 OK");
    answer = ask_tls(rig, &s, "GET https://a/hello HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    assert_string_equal(body_of(answer), "hello");
    answer = ask_tls(rig, &s, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &end);
    assert_string_equal(body_of(answer), "hello");
    assert_int_equal(end, 0); /* with a farewell */
    weir__stream_close(&s);
    assert_int_equal(rig_stats(rig).requests, 11);
}

static void test_requests_as_ever(void **state)
{
    (void)state;
    run_tls_rig(serves, NULL);
}

/* The balancer's word comes before the handshake, and maybe in one segment with it. */
static void serves_behind_a_proxy(struct rig *rig)
{
    static const char line[] = "PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n";
    static const char request[] = "GET /client HTTP/1.1\r\nHost: a\r\n\r\n";
    for (int i = 0; i < 2; i++) {
        struct weir__stream s;
        int num = weir__sim_connect(rig->listener, CAPACITY);
        assert_int_equal(weir__sim_write(num, line, sizeof line - 1), sizeof line - 1);
        if (i > 0)
            wait_ms(rig, 1);
        assert_int_equal(weir__stream_attach(&s, (struct weir__detached){.num = num}, NULL), 0);
        assert_int_equal(weir__tls_connect(&s, trusting, WEIR_S("server.example"), 443), 0);
        assert_int_equal(weir__tls_await_handshake(weir__ctx_of(rig->ctx), &s, weir_never(), NULL),
                         0);
        assert_has(body_of(ask_tls(rig, &s, request, NULL)), "192.0.2.7 port 5000");
        weir__stream_close(&s);
    }
}

static weir_err from_loopback(weir_ctx *c, void *arg)
{
    struct sockaddr_storage from = {0};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    memcpy(&from, &four, sizeof four);
    weir__sim_accepts_from(&from);
    return tls_rig_main(c, arg);
}

static void test_a_proxy_in_front(void **state)
{
    (void)state;
    struct weir__http_server_options o = {.is_proxied = true};
    struct rig_run run = {serves_behind_a_proxy, &o};
    weir_str bad;
    assert_int_equal(weir__cidrs_parse(WEIR_S("127.0.0.0/8"), &o.trusted, &bad), 0);
    assert_int_equal(weir__sim_run(from_loopback, &run), WEIR_OK);
}

static void serves_in_pieces(struct rig *rig)
{
    struct weir__stream s;
    static const size_t capacities[] = {CAPACITY, 300, 2000};
    for (size_t i = 0; i < 6; i++) {
        weir__sim_chop(i % 2 == 0 ? 1 : 7);
        connect_client(rig, &s, capacities[i / 2]);
        assert_string_equal(body_of(ask_tls(rig, &s, HELLO, NULL)), "hello");
        weir__stream_close(&s);
        weir__sim_chop(0);
    }
}

/* The kernel's refusals at each place: of the handshake too, whose rest the sweep sends. */
static void serves_whatever_is_refused(struct rig *rig)
{
    for (uint64_t nth = 1; nth < 20; nth++) {
        struct weir__stream s;
        weir__sim_refuse(nth, 2);
        connect_client(rig, &s, CAPACITY);
        assert_string_equal(body_of(ask_tls(rig, &s, HELLO, NULL)), "hello");
        weir__sim_refuse(0, 0);
        weir__stream_close(&s);
    }
}

static void test_requests_in_pieces(void **state)
{
    (void)state;
    patience = weir_sec(3);
    run_tls_rig(serves_in_pieces, NULL);
    run_tls_rig(serves_whatever_is_refused, NULL);
    patience = weir_ms(100);
}

/* A cut is told from an end: a response whose length is its connection's end. */
static void cut_is_seen(struct rig *rig)
{
    struct weir__stream s;
    ssize_t end;
    connect_client(rig, &s, CAPACITY);
    (void)ask_tls(rig, &s, "GET /cut HTTP/1.0\r\n\r\n", &end);
    assert_int_equal(end, -ECONNRESET);
    weir__stream_close(&s);
}

static void test_a_cut_is_seen(void **state)
{
    (void)state;
    run_tls_rig(cut_is_seen, NULL);
}

/* --- what is none ----------------------------------------------------------------------------- */

static void plain_gets_a_plain_answer(struct rig *rig)
{
    int client = dial(rig);
    put(client, HELLO);
    char *answer = get(rig, client, NULL);
    assert_has(answer, "HTTP/1.1 400 Bad Request\r\nDate: "); /* RFC 9110 section 6.6.1 */
    assert_has(answer, "\r\n\r\nA plain request came to a port of TLS\n");
    assert_int_equal(strlen(body_of(answer)), 38);
    weir__sim_close(client);
    wait_ms(rig, 10);
    assert_int_equal(rig_stats(rig).open, 0);
    assert_int_equal(rig_stats(rig).requests, 0);
}

static void garbage_is_closed(struct rig *rig)
{
    bool is_over;
    int client = dial(rig);
    put(client, "\x7f\x45\x4c\x46 and so on, and so forth");
    (void)get(rig, client, &is_over);
    assert_true(is_over);
    weir__sim_close(client);
    client = dial(rig);
    weir__sim_close(client); /* who says nothing at all */
    wait_ms(rig, 10);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void silence_is_closed(struct rig *rig)
{
    bool is_over;
    int silent = dial(rig), half = dial(rig);
    assert_int_equal(weir__sim_write(half, "\x16\x03\x01", 3), 3);
    wait_ms(rig, 9000);
    assert_int_equal(rig_stats(rig).open, 2);
    wait_ms(rig, 4000);
    (void)get(rig, silent, &is_over);
    assert_true(is_over);
    assert_int_equal(rig_stats(rig).open, 0);
    assert_int_equal(rig_stats(rig).timeouts_handshake, 2);
    weir__sim_close(silent);
    weir__sim_close(half);
}

static void too_many_are_closed(struct rig *rig)
{
    bool is_over;
    struct weir__stream s;
    connect_client(rig, &s, CAPACITY);
    int other = dial(rig);
    assert_string_equal(get(rig, other, &is_over), ""); /* no plain text */
    assert_true(is_over);
    assert_int_equal(rig_stats(rig).refused, 1);
    weir__sim_close(other);
    weir__stream_close(&s);
}

static void test_what_is_no_tls(void **state)
{
    (void)state;
    struct weir__http_server_options one = {.connections_max = 1};
    run_tls_rig(plain_gets_a_plain_answer, NULL);
    run_tls_rig(garbage_is_closed, NULL);
    run_tls_rig(silence_is_closed, NULL);
    run_tls_rig(too_many_are_closed, &one);
}

/* --- crowds, and the end ---------------------------------------------------------------------- */

enum { CROWD = 40 };

static void crowd_is_served(struct rig *rig)
{
    static struct weir__stream s[CROWD];
    for (int i = 0; i < CROWD; i++) {
        attach_client(rig, &s[i], CAPACITY);
        assert_int_equal(weir__tls_handshake(&s[i], NULL), -EAGAIN);
    }
    weir__stream_close(&s[CROWD - 1]); /* while it is in line */
    for (int i = 0; i < CROWD - 1; i++) {
        assert_int_equal(
            weir__tls_await_handshake(weir__ctx_of(rig->ctx), &s[i], weir_never(), NULL), WEIR_OK);
        assert_string_equal(body_of(ask_tls(rig, &s[i], HELLO, NULL)), "hello");
    }
    for (int i = 0; i < CROWD - 1; i++)
        weir__stream_close(&s[i]);
}

static void ends_while_it_goes_on(struct rig *rig)
{
    struct weir__stream s;
    int silent = dial(rig);
    wait_ms(rig, 10);
    attach_client(rig, &s, CAPACITY);
    weir__http_server_drain(rig->server, weir__ctx_of(rig->ctx));
    assert_int_equal(weir__tls_await_handshake(weir__ctx_of(rig->ctx), &s, weir_never(), NULL),
                     WEIR_OK);
    assert_string_equal(body_of(ask_tls(rig, &s, HELLO, NULL)), "hello");
    assert_int_equal(weir__http_server_wait_closed(rig->server, weir__ctx_of(rig->ctx),
                                                   weir_time_add(weir_now(), weir_sec(9))),
                     WEIR_OK);
    weir__stream_close(&s);
    weir__sim_close(silent);
}

static void is_cancelled(struct rig *rig)
{
    int silent = dial(rig);
    wait_ms(rig, 10);
    weir__http_server_drain(rig->server, weir__ctx_of(rig->ctx));
    weir__http_server_cancel_all(rig->server, weir__ctx_of(rig->ctx), WEIR_REASON_SHUTDOWN);
    wait_ms(rig, 10);
    assert_int_equal(rig_stats(rig).open, 0);
    weir__sim_close(silent);
}

static void test_crowds_and_ends(void **state)
{
    (void)state;
    run_tls_rig(crowd_is_served, NULL);
    run_tls_rig(ends_while_it_goes_on, NULL);
    run_tls_rig(is_cancelled, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_as_ever),   cmocka_unit_test(test_a_proxy_in_front),
        cmocka_unit_test(test_requests_in_pieces), cmocka_unit_test(test_a_cut_is_seen),
        cmocka_unit_test(test_what_is_no_tls),     cmocka_unit_test(test_crowds_and_ends),
    };
    return cmocka_run_group_tests_name("hello", tests, tls_rig_make, tls_rig_unmake);
}

#else

int main(void)
{
    return 0; /* net/tls_test.c has what a build without TLS says */
}

#endif
