/*
 * The end in stages: who still sends when it has been answered for the last time is not reset, and
 * does not hold its connection for longer than it may either.
 */
#include "http/testing.h"
#include "watch/watch.h"

#define REFUSED "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n"

static bool is_cut_off(int client)
{
    ssize_t n = weir__sim_write(client, "x", 1);
    return n == -ECONNRESET || n == -EPIPE;
}

/* Sends so many bytes as fast as they are taken; false when it was cut off. */
static bool pour(struct rig *rig, int client, size_t bytes)
{
    static const char piece[CAPACITY];
    while (bytes > 0) {
        ssize_t n = weir__sim_write(client, piece, bytes < sizeof piece ? bytes : sizeof piece);
        if (n > 0)
            bytes -= (size_t)n;
        else if (n != -EAGAIN)
            return false;
        wait_ms(rig, 1);
    }
    return true;
}

static void an_upload_is_refused(struct rig *rig)
{
    int client = dial(rig);
    bool over;
    put(client, REFUSED);
    assert_true(pour(rig, client, 20000000));
    const char *text = get(rig, client, &over);
    assert_has(text, "200 OK");
    assert_has(text, "Connection: close");
    assert_true(over);
    assert_int_equal(rig_stats(rig).open, 1);
    weir__sim_close(client);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void test_an_upload_is_refused(void **state)
{
    (void)state;
    run_rig(an_upload_is_refused, NULL);
}

static void bytes_are_limited(struct rig *rig)
{
    int client = dial(rig);
    put(client, REFUSED);
    assert_true(pour(rig, client, 900000));
    assert_int_equal(rig_stats(rig).open, 1);
    assert_false(pour(rig, client, 300000));
    assert_int_equal(rig_stats(rig).open, 0);
}

static void test_bytes_are_limited(void **state)
{
    struct weir__http_server_options options = {.linger_bytes_max = 1000000};
    (void)state;
    run_rig(bytes_are_limited, &options);
}

/* Who is silent has what it wants; who is not may go on up to the limit. */
static void time_is_limited(struct rig *rig)
{
    int silent = dial(rig), talking = dial(rig);
    put(silent, REFUSED);
    put(talking, REFUSED);
    for (int i = 0; i < 28; i++) {
        wait_ms(rig, 1000);
        assert_false(is_cut_off(talking));
        if (i == 4)
            assert_int_equal(rig_stats(rig).open, 2);
        if (i == 8)
            assert_int_equal(rig_stats(rig).open, 1);
    }
    assert_true(is_cut_off(silent));
    wait_ms(rig, 5000);
    assert_true(is_cut_off(talking));
    assert_int_equal(rig_stats(rig).open, 0);
}

static void test_time_is_limited(void **state)
{
    (void)state;
    run_rig(time_is_limited, NULL);
}

static void none(struct rig *rig)
{
    int client = dial(rig);
    put(client, REFUSED);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).open, 0);
    assert_true(is_cut_off(client));
}

static void test_none(void **state)
{
    struct weir__http_server_options options = {.linger_timeout = weir_ns(-1)};
    (void)state;
    run_rig(none, &options);
}

/* A fast client does not keep the worker: others are served between its pieces. */
static void others_have_their_turn(struct rig *rig)
{
    static const char bytes[6 << 20];
    int client = weir__sim_connect(rig->listener, sizeof bytes), other = dial(rig);
    assert_has(ask(rig, other, HELLO), "hello");
    put(client, REFUSED);
    wait_ms(rig, 1);
    assert_int_equal(weir__sim_write(client, bytes, sizeof bytes), sizeof bytes);
    put(other, HELLO);
    uint64_t before = rig_stats(rig).requests;
    while (rig_stats(rig).requests == before)
        weir__fiber_yield();
    assert_int_equal(weir__sim_write(client, bytes, sizeof bytes), sizeof bytes - (5 << 20));
    assert_has(get(rig, other, NULL), "hello");
    wait_ms(rig, 1);
    assert_int_equal(weir__sim_write(client, bytes, sizeof bytes), sizeof bytes);
    assert_has(get(rig, client, NULL), "200 OK");
}

static void test_others_have_their_turn(void **state)
{
    (void)state;
    run_rig(others_have_their_turn, NULL);
}

/* A process that ends does not wait for as long; one that cancels does not wait at all. */
static void drain(struct rig *rig)
{
    int before = dial(rig), after = dial(rig);
    put(before, REFUSED);
    wait_ms(rig, 1);
    put(after, "GET /sleep?500 HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n");
    wait_ms(rig, 1);
    weir__http_server_drain(rig->server, weir__ctx_of(rig->ctx));
    wait_ms(rig, 1000);
    assert_int_equal(rig_stats(rig).open, 2);
    for (int i = 0; i < 3; i++) {
        (void)is_cut_off(before);
        (void)is_cut_off(after);
        wait_ms(rig, 1000);
    }
    assert_int_equal(rig_stats(rig).open, 0);
}

static void test_drain(void **state)
{
    (void)state;
    run_rig(drain, NULL);
}

static void cancel(struct rig *rig)
{
    put(dial(rig), REFUSED);
    wait_ms(rig, 1);
    weir__http_server_cancel_all(rig->server, weir__ctx_of(rig->ctx), WEIR_REASON_SHUTDOWN);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void test_cancel(void **state)
{
    (void)state;
    run_rig(cancel, NULL);
}

/* What was kept of half a head behind the last request is given back, though its end lingers. */
static void half_a_head_follows(struct rig *rig)
{
    uint64_t held = 0;
    for (int i = 0; i < 2; i++) {
        bool over;
        int client = dial(rig);
        put(client, HELLO "GET /hel");
        weir__sim_shutdown(client);
        assert_has(get(rig, client, &over), "200 OK");
        assert_true(over);
        weir__sim_close(client);
        assert_int_equal(rig_stats(rig).open, 0);
        struct weir__alloc_stats now = weir__alloc_stats();
        assert_true(i == 0 || now.allocs - now.frees == held);
        held = now.allocs - now.frees;
    }
}

static void test_half_a_head_follows(void **state)
{
    (void)state;
    run_rig(half_a_head_follows, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_upload_is_refused),
        cmocka_unit_test(test_bytes_are_limited),
        cmocka_unit_test(test_time_is_limited),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_others_have_their_turn),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_half_a_head_follows),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
