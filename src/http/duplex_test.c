/*
 * Both ways at once: a handler that answers while it still reads. What it has written reaches the
 * client while it waits for more, however little the sockets hold; a client that sends and does not
 * read stops, and what becomes of it is a matter of time limits.
 */
#include "http/h2_testing.h"

#include <stdlib.h>

#define POST_PIECES "POST /pieces HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

/* Takes the data out of the chunks of a response that has no end yet; how many bytes they are. */
static size_t data_of(const char *text)
{
    const char *at = strstr(text, "\r\n\r\n");
    size_t sum = 0, n = 1;
    for (at = at != NULL ? at + 4 : ""; at[0] != '\0' && n > 0;) {
        char *end;
        n = strtoul(at, &end, 16);
        assert_true(strlen(end) >= n + 4);
        sum += n;
        at = end + 2 + n + 2;
    }
    return sum;
}

static void put_chunk(int client, size_t size)
{
    char text[4200];
    int head = snprintf(text, sizeof text, "%zx\r\n", size);
    memset(text + head, 'x', size);
    memcpy(text + (size_t)head + size, "\r\n", 3);
    put(client, text);
}

/* --- each waits for the other ----------------------------------------------------------------- */

/* The next piece is sent when the one before is back; sockets hold less than a piece is. */
static void in_turn(struct rig *rig)
{
    int client = weir__sim_connect(rig->listener, 5000);
    static char all[1 << 16];
    size_t len = 0;
    put(client, POST_PIECES);
    for (size_t i = 1; i <= 8; i++) {
        put_chunk(client, 4000);
        len += (size_t)snprintf(all + len, sizeof all - len, "%s", get(rig, client, NULL));
        assert_int_equal(data_of(all), i * 4000);
    }
    put(client, "0\r\n\r\n");
    assert_has(get(rig, client, NULL), "0\r\n\r\n");
    assert_has(ask(rig, client, HELLO), "hello");
    weir__sim_close(client);
}

/* What the socket did not take when the handler began to wait leaves when it takes more. */
static void by_little(struct rig *rig)
{
    int client = weir__sim_connect(rig->listener, 700);
    put(client, POST_PIECES "a00\r\n");
    for (size_t sent = 0; sent < 0xa00; sent += 0x200) { /* none of it is read meanwhile */
        char part[0x201];
        memset(part, 'x', 0x200);
        part[0x200] = '\0';
        put(client, part);
        wait_ms(rig, 1);
    }
    assert_int_equal(data_of(get(rig, client, NULL)), 0xa00);
    put(client, "\r\n0\r\n\r\n");
    assert_has(get(rig, client, NULL), "0\r\n\r\n");
    weir__sim_close(client);
}

static void test_what_was_written_leaves_while_more_is_read(void **state)
{
    (void)state;
    run_rig(in_turn, NULL);
    run_rig(by_little, NULL);
    for (size_t chop = 1; chop <= 65; chop += 16) {
        weir__sim_chop(chop);
        run_rig(in_turn, NULL);
        run_rig(by_little, NULL);
    }
    weir__sim_chop(0);
}

/* --- nobody reads ----------------------------------------------------------------------------- */

/* Sends until nothing is taken any more; how much that was. */
static size_t fill(struct rig *rig, int client)
{
    static char text[4096];
    size_t sent = 0;
    memset(text, 'x', sizeof text);
    for (int idle = 0; idle < 3;) {
        ssize_t n = weir__sim_write(client, text, sizeof text);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        wait_ms(rig, 1);
    }
    return sent;
}

/* The handler waits for room to write, the client for room to send: the time limit ends it. */
static void stuck(struct rig *rig)
{
    int client = weir__sim_connect(rig->listener, 2000);
    put(client, POST_PIECES "fffffff\r\n");
    size_t sent = fill(rig, client);
    assert_true(sent > 2000 && sent < 100000); /* a socket each way, and what is kept between */
    wait_ms(rig, 29000);
    assert_int_equal(rig_stats(rig).open, 1);
    assert_int_equal(rig_stats(rig).timeouts_write, 0);
    wait_ms(rig, 2000);
    assert_int_equal(rig_stats(rig).timeouts_write, 1);
    assert_int_equal(rig_stats(rig).open, 0);
    assert_int_equal(rig->done, 1);
    weir__sim_close(client);
}

/* It reads before that is over, and both go on as if nothing had been. */
static void goes_on(struct rig *rig)
{
    int client = weir__sim_connect(rig->listener, 2000);
    static char all[1 << 18];
    char head[32];
    const size_t size = 100000;
    size_t len = 0, sent = 0;
    snprintf(head, sizeof head, "%zx\r\n", size);
    put(client, POST_PIECES);
    put(client, head);
    while (sent < size) {
        char part[1000];
        memset(part, 'x', sizeof part);
        ssize_t n = weir__sim_write(client, part, sizeof part);
        sent += n > 0 ? (size_t)n : 0;
        if (n > 0)
            continue;
        wait_ms(rig, 20000);
        const char *text = get(rig, client, NULL);
        memcpy(all + len, text, strlen(text) + 1);
        len += strlen(text);
    }
    put(client, "\r\n0\r\n\r\n");
    memcpy(all + len, get(rig, client, NULL), 4000);
    assert_int_equal(data_of(all), size);
    assert_int_equal(rig_stats(rig).timeouts_write, 0);
    weir__sim_close(client);
}

static void test_who_does_not_read_is_stopped(void **state)
{
    (void)state;
    const struct weir__http_server_options o = {.handler_timeout = {-1}, .body_timeout = {-1}};
    run_rig(stuck, &o);
    run_rig(goes_on, &o);
}

/* --- HTTP/2 ----------------------------------------------------------------------------------- */

#if WEIR_HTTP2

/* The bytes of DATA that come for stream 1, whose windows open if `opens`. */
static size_t h2_data(struct peer *p, bool opens)
{
    struct frame f;
    size_t sum = 0;
    while (next_frame(p, &f)) {
        if (f.type != DATA || f.len == 0)
            continue;
        sum += f.len;
        if (opens) {
            put_u32(p, WINDOW_UPDATE, 0, f.len);
            put_u32(p, WINDOW_UPDATE, 1, f.len);
        }
    }
    return sum;
}

static void h2_in_turn(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    char piece[4001] = {0};
    memset(piece, 'x', 4000);
    put_post(p, 1, "/pieces");
    for (int i = 0; i < 8; i++) {
        put_data(p, 1, 0, piece);
        assert_int_equal(h2_data(p, true), 4000);
    }
    put_data(p, 1, END_STREAM, "");
    h2_close(p);
}

/* Sends as long as the stream's window is open, and opens none; how much that was. */
static size_t h2_fill(struct rig *rig, struct peer *p)
{
    static char piece[1001];
    size_t window = 65535, sent = 0;
    struct frame f;
    memset(piece, 'x', 1000);
    for (int idle = 0; idle < 3; idle++) {
        for (; window >= 1000; window -= 1000, sent += 1000)
            put_data(p, 1, 0, piece);
        wait_ms(rig, 1);
        while (next_frame(p, &f)) {
            if (f.type == WINDOW_UPDATE && f.id == 1)
                window += u32_at(f.payload), idle = 0;
        }
    }
    return sent;
}

static void h2_stuck(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    struct frame f;
    put_post(p, 1, "/pieces");
    size_t sent = h2_fill(rig, p);
    assert_true(sent > 65535 && sent < 200000); /* a window each way, and what is kept between */
    wait_ms(rig, 29000);
    assert_int_equal(rig_stats(rig).streams, 1);
    wait_ms(rig, 10000);
    assert_true(next_of(p, RST_STREAM, &f));
    assert_int_equal(code_of(&f), WEIR_H2_CANCEL);
    assert_int_equal(rig_stats(rig).timeouts_write, 1);
    assert_int_equal(rig_stats(rig).streams, 0);
    put_get(p, 3, "/hello"); /* the others go on */
    assert_true(next_of(p, HEADERS, &f));
    h2_close(p);
}

static void h2_goes_on(struct rig *rig)
{
    struct peer *p = h2_dial(rig);
    put_post(p, 1, "/pieces");
    size_t sent = h2_fill(rig, p);
    wait_ms(rig, 20000);
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    put_u32(p, WINDOW_UPDATE, 1, 1 << 20);
    assert_int_equal(h2_data(p, false), sent - 65535); /* the rest is what filled the window */
    assert_int_equal(rig_stats(rig).timeouts_write, 0);
    h2_close(p);
}

static void test_streams_go_both_ways(void **state)
{
    (void)state;
    const struct weir__http_server_options o = {.handler_timeout = {-1}, .body_timeout = {-1}};
    run_rig(h2_in_turn, NULL);
    run_rig(h2_stuck, &o);
    run_rig(h2_goes_on, &o);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_leaves_while_more_is_read),
        cmocka_unit_test(test_who_does_not_read_is_stopped),
#if WEIR_HTTP2
        cmocka_unit_test(test_streams_go_both_ways),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
