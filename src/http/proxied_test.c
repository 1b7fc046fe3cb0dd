/*
 * What trusted peers say: PROXY headers in any pieces, who the client is, and deadlines. The peer
 * is 127.0.0.1 in all of these, and trusted in all that do not say otherwise.
 */
#include "http/testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define CLIENT "GET /client HTTP/1.1\r\nHost: a\r\n"
#define ASK CLIENT "\r\n"
#define LINE "PROXY TCP4 192.0.2.7 198.51.100.1 5000 80\r\n"
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void write_bytes(int client, const char *bytes, size_t n)
{
    assert_int_equal(weir__sim_write(client, bytes, n), n);
}

static struct weir__http_server_options options_with(const char *trusted)
{
    struct weir__http_server_options o = {.deadline_field = WEIR_S("Weir-Deadline-Ms")};
    weir_str bad;
    assert_int_equal(weir__cidrs_parse(weir_str_from(trusted), &o.trusted, &bad), 0);
    return o;
}

struct run {
    rig_test test;
    struct weir__http_server_options options;
};

/* Connections come from 127.0.0.1. */
static weir_err main_fiber(weir_ctx *c, void *arg)
{
    struct run *run = arg;
    struct rig rig;
    struct sockaddr_storage from = {0};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(4711)};
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&from, &four, sizeof four);
    weir__sim_accepts_from(&from);
    rig_open(&rig, c, &run->options);
    run->test(&rig);
    rig_close(&rig);
    return WEIR_OK;
}

static void run_with(rig_test test, struct weir__http_server_options options)
{
    struct run run = {test, options};
    assert_int_equal(weir__sim_run(main_fiber, &run), WEIR_OK);
}

static void run_proxied(rig_test test)
{
    struct weir__http_server_options o = options_with("127.0.0.0/8");
    o.is_proxied = true;
    run_with(test, o);
}

/* --- the PROXY protocol ----------------------------------------------------------------------- */

static void line_and_request(struct rig *rig)
{
    int client = dial(rig);
    assert_has(ask(rig, client, LINE ASK), "192.0.2.7 port 5000 in");
    assert_has(ask(rig, client, ASK), "192.0.2.7 port 5000 in"); /* and so for each that follows */
    int other = dial(rig);
    assert_has(ask(rig, other, "PROXY TCP6 2001:db8::1 ::1 1 2\r\n" ASK), "2001:db8::1 port 1 in");
    weir__sim_close(client);
    weir__sim_close(other);
}

static void a_line_names_the_client(void **state)
{
    (void)state;
    run_proxied(line_and_request);
}

static void bytes_and_request(struct rig *rig)
{
    static const char header[] = SIGNATURE "\x21\x11\0\x13"
                                           "\xc0\0\x02\x07"
                                           "\x01\x02\x03\x04"
                                           "\x13\x88"
                                           "\0\x50"
                                           "\x04\0\x04"
                                           "pads";
    int client = dial(rig);
    write_bytes(client, header, sizeof header - 1);
    assert_has(ask(rig, client, ASK), "192.0.2.7 port 5000 in");
    weir__sim_close(client);
}

static void version_2_names_the_client(void **state)
{
    (void)state;
    run_proxied(bytes_and_request);
}

static void cut_everywhere(struct rig *rig)
{
    static const char all[] = LINE ASK;
    for (size_t at = 1; at < sizeof all - 1; at++) {
        int client = dial(rig);
        write_bytes(client, all, at);
        wait_ms(rig, 1);
        assert_has(ask(rig, client, all + at), "192.0.2.7 port 5000 in");
        weir__sim_close(client);
    }
    int client = dial(rig);
    for (size_t at = 0; at < sizeof all - 1; at++) {
        write_bytes(client, all + at, 1);
        wait_ms(rig, 1);
    }
    assert_has(get(rig, client, NULL), "192.0.2.7 port 5000 in");
    weir__sim_close(client);
}

static void a_header_may_come_in_any_pieces(void **state)
{
    (void)state;
    run_proxied(cut_everywhere);
}

static void local_and_unknown(struct rig *rig)
{
    static const char local[] = SIGNATURE "\x20\0\0\0";
    int client = dial(rig), other = dial(rig);
    write_bytes(client, local, sizeof local - 1);
    assert_has(ask(rig, client, ASK), "127.0.0.1 port 4711 in");
    assert_has(ask(rig, other, "PROXY UNKNOWN\r\n" ASK), "127.0.0.1 port 4711 in");
    weir__sim_close(client);
    weir__sim_close(other);
}

static void a_proxy_may_speak_for_itself(void **state)
{
    (void)state;
    run_proxied(local_and_unknown);
}

static void wrong_headers(struct rig *rig)
{
    static const char *const bad[] = {ASK, "PROXY TCP4 x y 1 2\r\n" ASK, "\x16\x03\x01"};
    for (size_t i = 0; i < 3; i++) {
        int client = dial(rig);
        put(client, bad[i]);
        bool over;
        assert_string_equal(get(rig, client, &over), "");
        assert_true(over);
        weir__sim_close(client);
    }
    assert_int_equal(rig_stats(rig).malformed, 3);
    assert_int_equal(rig_stats(rig).requests, 0);
    /* Cut within one; and one that says nothing at all, as who looks whether the port is open. */
    int client = dial(rig);
    put(client, "PROXY TC");
    wait_ms(rig, 1);
    weir__sim_close(client);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).malformed, 4);
    client = dial(rig);
    wait_ms(rig, 1);
    weir__sim_close(client);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).malformed, 4);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void a_wrong_or_missing_header_closes(void **state)
{
    (void)state;
    run_proxied(wrong_headers);
}

static void slow_header(struct rig *rig)
{
    int client = dial(rig);
    put(client, "PROXY TCP4 ");
    wait_ms(rig, 9000);
    assert_false(is_over(rig, client));
    put(client, "192.0.2.7");
    wait_ms(rig, 3000);
    assert_true(is_over(rig, client));
    assert_int_equal(rig_stats(rig).timeouts_head, 1);
    weir__sim_close(client);
}

static void a_header_has_the_time_of_a_head(void **state)
{
    (void)state;
    run_proxied(slow_header);
}

static void header_of_a_stranger(struct rig *rig)
{
    int client = dial(rig), other = dial(rig);
    assert_has(ask(rig, client, ASK), "127.0.0.1 port 4711 in");
    assert_has(ask(rig, other, LINE ASK), "HTTP/1.1 400 ");
    weir__sim_close(client);
    weir__sim_close(other);
}

static void who_is_not_trusted_is_not_asked_and_not_believed(void **state)
{
    (void)state;
    struct weir__http_server_options o = options_with("10.0.0.0/8");
    o.is_proxied = true;
    run_with(header_of_a_stranger, o);
}

static void drained_before_its_header(struct rig *rig)
{
    int half = dial(rig), just_made = dial(rig);
    put(half, "PROXY TC");
    wait_ms(rig, 1);
    weir__http_server_drain(rig->server, weir__ctx_of(rig->ctx));
    wait_ms(rig, 1);
    put(half, &LINE[8]);
    assert_has(ask(rig, half, ASK), "192.0.2.7 port 5000");
    assert_has(ask(rig, just_made, LINE ASK), "192.0.2.7 port 5000");
    assert_true(is_over(rig, just_made));
    weir__sim_close(half);
    weir__sim_close(just_made);
}

static void what_came_before_a_drain_is_answered(void **state)
{
    (void)state;
    run_proxied(drained_before_its_header);
}

static void no_memory_for_a_half(struct rig *rig)
{
    int client = dial(rig);
    wait_ms(rig, 1);
    put(client, "PROXY TC");
    weir__alloc_fail_nth(1);
    wait_ms(rig, 1);
    weir__alloc_fail_nth(0);
    assert_true(is_over(rig, client));
    weir__sim_close(client);
}

static void without_memory_it_is_closed(void **state)
{
    (void)state;
    run_proxied(no_memory_for_a_half);
}

/* --- who the client is ------------------------------------------------------------------------ */

static void forwarded_for(struct rig *rig)
{
    int client = dial(rig);
    assert_has(ask(rig, client, CLIENT "X-Forwarded-For: 192.0.2.1\r\n\r\n"), "192.0.2.1 port 0");
    assert_has(ask(rig, client,
                   CLIENT "X-Forwarded-For: 6.6.6.6, 192.0.2.1:80\r\n"
                          "X-Forwarded-For: 127.0.0.9\r\n\r\n"),
               "192.0.2.1 port 80");
    assert_has(ask(rig, client, CLIENT "X-Forwarded-For: rubbish\r\n\r\n"), "127.0.0.1 port 4711");
    assert_has(ask(rig, client, CLIENT "Forwarded: for=192.0.2.1\r\n\r\n"), "127.0.0.1 port 4711");
    assert_has(ask(rig, client, ASK), "127.0.0.1 port 4711");
    weir__sim_close(client);
}

static void x_forwarded_for_is_believed(void **state)
{
    (void)state;
    run_with(forwarded_for, options_with("127.0.0.0/8"));
}

static void forwarded(struct rig *rig)
{
    int client = dial(rig);
    assert_has(ask(rig, client, CLIENT "Forwarded: for=\"[2001:db8::1]:8\"\r\n\r\n"),
               "2001:db8::1 port 8");
    assert_has(ask(rig, client, CLIENT "X-Forwarded-For: 192.0.2.1\r\n\r\n"),
               "127.0.0.1 port 4711");
    weir__sim_close(client);
}

static void forwarded_is_believed_where_it_is_asked_for(void **state)
{
    (void)state;
    struct weir__http_server_options o = options_with("127.0.0.1");
    o.is_forwarded = true;
    run_with(forwarded, o);
}

static void words_of_a_stranger(struct rig *rig)
{
    int client = dial(rig);
    assert_has(ask(rig, client, CLIENT "X-Forwarded-For: 192.0.2.1\r\nWeir-Deadline-Ms: 5\r\n\r\n"),
               "127.0.0.1 port 4711 in 30000 ms");
    weir__sim_close(client);
}

static void strangers_are_not_believed(void **state)
{
    (void)state;
    run_with(words_of_a_stranger, options_with("10.0.0.0/8"));
    run_with(words_of_a_stranger, options_with(""));
}

/* --- deadlines -------------------------------------------------------------------------------- */

static void deadlines(struct rig *rig)
{
    int client = dial(rig);
    assert_has(ask(rig, client, CLIENT "Weir-Deadline-Ms: 250\r\n\r\n"), "in 250 ms");
    assert_has(ask(rig, client, CLIENT "Weir-Deadline-Ms: 99999\r\n\r\n"), "in 30000 ms");
    assert_has(ask(rig, client, CLIENT "Weir-Deadline-Ms: soon\r\n\r\n"), "in 30000 ms");
    assert_has(ask(rig, client, CLIENT "Weir-Deadline-Ms: -1\r\n\r\n"), "in 30000 ms");
    assert_has(ask(rig, client, ASK), "in 30000 ms");
    weir__sim_close(client);
}

static void a_callers_deadline_is_kept_and_never_beyond_ours(void **state)
{
    (void)state;
    run_with(deadlines, options_with("127.0.0.0/8"));
}

#define SLEEP "GET /sleep?1000 HTTP/1.1\r\nHost: a\r\n"

static void ended_in_time(struct rig *rig)
{
    int client = dial(rig);
    weir_time from = weir__self->now;
    put(client, SLEEP "Weir-Deadline-Ms: 200\r\n\r\n");
    wait_ms(rig, 250);
    assert_has(get(rig, client, NULL), "HTTP/1.1 504 ");
    assert_int_equal(rig->last_err, WEIR_ETIMEDOUT);
    assert_true(weir_time_sub(weir__self->now, from).ns < 300 * 1000000);
    assert_int_equal(rig_stats(rig).timeouts_handler, 1);
    put(client, SLEEP "Weir-Deadline-Ms: 0\r\n\r\n");
    assert_has(get(rig, client, NULL), "HTTP/1.1 504 ");
    weir__sim_close(client);
}

static void what_nobody_waits_for_ends(void **state)
{
    (void)state;
    run_with(ended_in_time, options_with("127.0.0.0/8"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_names_the_client),
        cmocka_unit_test(version_2_names_the_client),
        cmocka_unit_test(a_header_may_come_in_any_pieces),
        cmocka_unit_test(a_proxy_may_speak_for_itself),
        cmocka_unit_test(a_wrong_or_missing_header_closes),
        cmocka_unit_test(a_header_has_the_time_of_a_head),
        cmocka_unit_test(who_is_not_trusted_is_not_asked_and_not_believed),
        cmocka_unit_test(what_came_before_a_drain_is_answered),
        cmocka_unit_test(without_memory_it_is_closed),
        cmocka_unit_test(x_forwarded_for_is_believed),
        cmocka_unit_test(forwarded_is_believed_where_it_is_asked_for),
        cmocka_unit_test(strangers_are_not_believed),
        cmocka_unit_test(a_callers_deadline_is_kept_and_never_beyond_ours),
        cmocka_unit_test(what_nobody_waits_for_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
