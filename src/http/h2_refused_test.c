/*
 * Streams over HTTP/2 that are refused, which are counted and cost whoever asks for more of them;
 * and those that are reset before they have begun, which cost nothing.
 */
#include "http/h2_testing.h"

#if WEIR_HTTP2

/* Who has not said that it knows of our settings. */
static struct peer *h2_open(struct rig *rig)
{
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    peer_open(p, rig->ctx, weir__sim_connect(rig->listener, 1 << 20));
    put_preface(p);
    return p;
}

/*
 * Who has not yet said that it knows of the limit (section 5.1.2) may have opened too many streams
 * without knowing; that it never says so does not make them free.
 */
static void refused_streams_cost(struct rig *rig)
{
    struct peer *p = h2_open(rig);
    struct frame f;
    uint32_t id = 1;
    for (int i = 0; i < 100; i++, id += 2)
        put_get(p, id, "/sleep?5000");
    for (int i = 0; i < 50; i++, id += 2)
        put_get(p, id, "/hello");
    assert_true(next_of(p, RST_STREAM, &f));
    assert_int_equal(code_of(&f), WEIR_H2_REFUSED_STREAM);
    assert_int_equal(rig_stats(rig).streams_refused, 50);
    for (int i = 0; i < 300; i++, id += 2)
        put_get(p, id, "/hello");
    assert_true(next_of(p, GOAWAY, &f));
    assert_int_equal(code_of(&f), WEIR_H2_ENHANCE_YOUR_CALM);
    assert_int_equal(rig_stats(rig).floods, 1);
    h2_close(p);
}

static void test_refused_streams_are_counted_and_cost(void **state)
{
    (void)state;
    run_rig(refused_streams_cost, NULL);
}

/* What is reset before its fiber has begun needs none, whoever resets it. */
static void doomed_streams_cost_no_fiber(struct rig *rig)
{
    struct peer *p = h2_open(rig);
    struct frame f = {0};
    for (uint32_t id = 1; id < 41; id += 2) {
        put_post(p, id, "/echo");
        put_u32(p, WINDOW_UPDATE, id, 0x7fffffff);
    }
    PUT_FIELDS(p, 41, 0, ":method", "POST", ":scheme", "http", ":path", "/echo", ":authority", "a",
               "content-length", "3");
    put_data(p, 41, END_STREAM, "four");
    put_get(p, 43, "/hello");
    for (uint32_t id = 1; id <= 41; id += 2) {
        assert_true(next_of(p, RST_STREAM, &f));
        assert_int_equal(code_of(&f),
                         id < 41 ? WEIR_H2_FLOW_CONTROL_ERROR : WEIR_H2_PROTOCOL_ERROR);
    }
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).requests, 1);
    assert_int_equal(rig_stats(rig).responses[2], 1);
    h2_close(p);
}

static void test_doomed_streams_cost_no_fiber(void **state)
{
    (void)state;
    run_rig(doomed_streams_cost_no_fiber, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doomed_streams_cost_no_fiber),
        cmocka_unit_test(test_refused_streams_are_counted_and_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* nothing of it is built */
}

#endif
