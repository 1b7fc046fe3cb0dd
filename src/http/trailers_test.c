/*
 * Fields behind bodies, on the server's side: those of HTTP/1.1 behind the last chunk, those of
 * HTTP/2 in a block of their own, however much of the body is still to go before them. What
 * handlers and their clients see of them over every transport is rows of tests/conformance.
 */
#include "http/h2_testing.h"

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        n++;
    return n;
}

static void behind_chunks(struct rig *rig)
{
    static const char *const paths[] = {"", "/nothing", "/full", "/much"};
    int client = dial(rig);
    char request[64];
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        snprintf(request, sizeof request, "GET /behind%s HTTP/1.1\r\nHost: a\r\n\r\n", paths[i]);
        const char *text = ask(rig, client, request);
        assert_has(text, "\r\n0\r\nX-Sum: 42\r\nX-Sum: 42\r\n");
        assert_int_equal(count_of(text, "X-Sum: 42\r\n"), WEIR__TRAILERS_MAX);
        assert_string_equal(text + strlen(text) - 6, "42\r\n\r\n");
    }
    assert_has(ask(rig, client, "HEAD /behind HTTP/1.1\r\nHost: a\r\n\r\n"), " 200 ");
    assert_has(ask(rig, client, HELLO), "hello"); /* they were all of it */
    weir__sim_close(client);
}

static void test_they_follow_the_last_chunk(void **state)
{
    (void)state;
    run_rig(behind_chunks, NULL);
    for (size_t chop = 1; chop <= 33; chop += 8) {
        weir__sim_chop(chop);
        run_rig(behind_chunks, NULL);
    }
    weir__sim_chop(0);
}

#if WEIR_HTTP2

/* Frames of a stream up to its end: a head, `want` bytes that do not end it, and what follows. */
static void check_frames(struct peer *p, uint32_t id, size_t want)
{
    struct frame f;
    size_t got = 0;
    assert_true(next_of(p, HEADERS, &f));
    assert_int_equal(f.flags & END_STREAM, 0);
    assert_in(f.fields, ":status: 200\n");
    while (next_frame(p, &f) && f.type != HEADERS) {
        if (f.type != DATA)
            continue;
        assert_int_equal(f.flags & END_STREAM, 0);
        got += f.len;
        if (f.len > 0) {
            put_u32(p, WINDOW_UPDATE, 0, f.len);
            put_u32(p, WINDOW_UPDATE, id, f.len);
        }
    }
    assert_int_equal(got, want);
    assert_true(f.type == HEADERS && f.id == id && (f.flags & END_STREAM) != 0);
    assert_int_equal(count_of(f.fields, "x-sum: 42\n"), WEIR__TRAILERS_MAX);
    assert_int_equal(count_of(f.fields, "\n"), WEIR__TRAILERS_MAX);
}

static void behind_data(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    put_get(p, 1, "/behind");
    check_frames(p, 1, 5);
    put_get(p, 3, "/behind/nothing");
    check_frames(p, 3, 0);
    put_get(p, 5, "/behind/full");
    check_frames(p, 5, 16200);
    put_get(p, 7, "/behind/much");
    check_frames(p, 7, 100000);
    h2_close(p);
    wait_ms(rig, 5);
    assert_int_equal(rig_stats(rig).streams, 0);
}

static void test_they_are_a_block_behind_data(void **state)
{
    (void)state;
    run_rig(behind_data, NULL);
    for (size_t chop = 1; chop <= 33; chop += 8) {
        weir__sim_chop(chop);
        run_rig(behind_data, NULL);
    }
    weir__sim_chop(0);
}

/* An answer that is its status alone ends with its one block: what gRPC calls trailers-only. */
static void head_alone(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    put_get(p, 1, "/behind/never");
    assert_true(next_of(p, HEADERS, &f));
    assert_true((f.flags & END_STREAM) != 0);
    assert_in(f.fields, "grpc-status: 12\n");
    PUT_FIELDS(p, 3, END_STREAM, ":method", "HEAD", ":scheme", "http", ":path", "/behind",
               ":authority", "a");
    assert_true(next_of(p, HEADERS, &f));
    assert_true((f.flags & END_STREAM) != 0);
    assert_lacks(f.fields, "x-sum");
    h2_close(p);
}

static void test_an_answer_may_be_one_block(void **state)
{
    (void)state;
    run_rig(head_alone, NULL);
}

/* The stream ends while the handler waits to say what follows, and after it has. */
static void ends_before(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    put_get(p, 1, "/behind/much"); /* its body is over the window */
    put_get(p, 3, "/behind/full");
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    assert_true(next_of(p, HEADERS, &f));
    put_u32(p, RST_STREAM, 1, WEIR_H2_CANCEL);
    put_u32(p, RST_STREAM, 3, WEIR_H2_CANCEL);
    wait_ms(rig, 5);
    assert_int_equal(rig_stats(rig).streams, 0);
    put_get(p, 5, "/behind/much");
    assert_true(next_of(p, HEADERS, &f));
    h2_close(p);
    wait_ms(rig, 5);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void test_nothing_is_left_of_what_nobody_took(void **state)
{
    (void)state;
    run_rig(ends_before, NULL);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_follow_the_last_chunk),
#if WEIR_HTTP2
        cmocka_unit_test(test_they_are_a_block_behind_data),
        cmocka_unit_test(test_an_answer_may_be_one_block),
        cmocka_unit_test(test_nothing_is_left_of_what_nobody_took),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
