/*
 * Connections that go on in another protocol: what came with the head is not lost, both sides are
 * as they are, and whatever ends it ends the connection.
 */
#include "http/testing.h"

#define UPGRADE(path)                                                                              \
    "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c, echo\r\n\r\n"

static void both_ways(struct rig *rig, const char *head)
{
    int client = dial(rig);
    put(client, head);
    char *answer = get(rig, client, NULL);
    assert_has(answer, "HTTP/1.1 101 Switching Protocols\r\n");
    assert_has(answer, "\r\nUpgrade: echo\r\nConnection: upgrade\r\n");
    assert_lacks(answer, "Content-Length");
    assert_string_equal(body_of(answer), "");
    put(client, "GET / HTTP/1.1\r\n\r\n");
    assert_string_equal(get(rig, client, NULL), "GET / HTTP/1.1\r\n\r\n");
    wait_ms(rig, 20000);
    put(client, "late, but not too late");
    assert_string_equal(get(rig, client, NULL), "late, but not too late");
    weir__sim_shutdown(client);
    bool over;
    assert_string_equal(get(rig, client, &over), "bye");
    assert_true(over);
    assert_int_equal(rig->last_err, WEIR_OK);
    assert_int_equal(rig->last_status, 101);
}

static void in_one_fiber(struct rig *rig)
{
    both_ways(rig, UPGRADE("/tunnel"));
}

static void in_another(struct rig *rig)
{
    both_ways(rig, UPGRADE("/tunnel-apart"));
}

static void test_both_ways(void **state)
{
    (void)state;
    run_rig(in_one_fiber, NULL);
    run_rig(in_another, NULL);
}

static void with_the_head(struct rig *rig)
{
    int client = dial(rig);
    put(client, UPGRADE("/tunnel") "and this at once");
    assert_string_equal(body_of(get(rig, client, NULL)), "and this at once");
    weir__sim_shutdown(client);
    assert_true(is_over(rig, client));
}

static void test_what_came_with_the_head(void **state)
{
    (void)state;
    run_rig(with_the_head, NULL);
}

/* RFC 9110 section 7.8: what was not asked for is not switched to; the connection goes on. */
static void not_offered(struct rig *rig)
{
    static const char *const heads[] = {
        "GET /tunnel HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /tunnel HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n\r\n",
        "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echoes\r\n\r\n",
        "GET /tunnel HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: echo\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        int client = dial(rig);
        assert_has(ask(rig, client, heads[i]), " 426 ");
        assert_int_equal(rig->last_err, WEIR_EINVALID);
        assert_has(ask(rig, client, HELLO), "hello");
    }
}

static void test_not_offered(void **state)
{
    (void)state;
    run_rig(not_offered, NULL);
}

/* The client vanishes: who reads is told, and nothing is left. */
static void vanishes(struct rig *rig)
{
    int client = dial(rig);
    assert_has(ask(rig, client, UPGRADE("/tunnel")), " 101 ");
    weir__sim_reset(client);
    wait_ms(rig, 1);
    assert_int_equal(rig->last_err, WEIR_ECLIENTGONE);
    assert_int_equal(rig_stats(rig).aborted, 1);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void test_vanishes(void **state)
{
    (void)state;
    run_rig(vanishes, NULL);
}

/* A drain that cancels ends it as it ends any request. */
static void cancelled(struct rig *rig)
{
    int client = dial(rig);
    assert_has(ask(rig, client, UPGRADE("/tunnel")), " 101 ");
    weir__http_server_cancel_all(rig->server, weir__ctx_of(rig->ctx), WEIR_REASON_SHUTDOWN);
    assert_true(is_over(rig, client));
    assert_int_equal(rig->last_err, WEIR_ESHUTDOWN);
}

static void test_cancelled(void **state)
{
    (void)state;
    run_rig(cancelled, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),   cmocka_unit_test(test_what_came_with_the_head),
        cmocka_unit_test(test_not_offered), cmocka_unit_test(test_vanishes),
        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
