/*
 * The handler's time limit, and what is slow without standing still: a body that comes, a response
 * that goes. And bodies whose limit does not depend on how they are sent.
 */
#include "http/testing.h"
#include "watch/watch.h"

#include <stdlib.h>

#define SMALL 4096u /* bytes that a client's socket holds */

/* --- progress --------------------------------------------------------------------------------- */

/* What a client gets that takes so much every second. */
static size_t take_slowly(struct rig *rig, int client, size_t a_second, bool *is_over)
{
    static char bytes[1 << 20];
    size_t len = 0;
    for (int i = 0; i < 300; i++) {
        for (size_t left = a_second; left > 0;) {
            ssize_t n = weir__sim_read(client, bytes + len, left < 1000 ? left : 1000);
            if (n <= 0) {
                *is_over = n != -EAGAIN;
                if (*is_over || rig_stats(rig).active == 0)
                    return len;
                break;
            }
            len += (size_t)n;
            left -= (size_t)n;
            wait_ms(rig, 1);
        }
        wait_ms(rig, 1000);
    }
    return len;
}

static void slow_is_not_stuck(struct rig *rig)
{
    static const char *const paths[] = {"/big", "/rows", "/child"};
    for (size_t i = 0; i < 3; i++) {
        char request[100];
        bool over = false;
        int client = weir__sim_connect(rig->listener, SMALL);
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                 paths[i]);
        weir_time began = weir_now();
        put(client, request);
        wait_ms(rig, 1);
        size_t len = take_slowly(rig, client, 8000, &over);
        assert_true(over);
        assert_true(len > 50000);
        assert_true(weir_time_sub(weir_now(), began).ns > weir_sec(5).ns);
        assert_int_equal(rig->last_err, WEIR_OK);
    }
    assert_int_equal(rig_stats(rig).timeouts_handler, 0);
    assert_int_equal(rig_stats(rig).aborted, 0);
}

static void test_slow_is_not_stuck(void **state)
{
    struct weir__http_server_options options = {.handler_timeout = weir_sec(5)};
    (void)state;
    run_rig(slow_is_not_stuck, &options);
}

/* A byte now and then is no progress. */
static void a_trickle_is(struct rig *rig)
{
    bool over = false;
    int client = weir__sim_connect(rig->listener, SMALL);
    put(client, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_ms(rig, 1);
    for (int i = 0; i < 30 && rig_stats(rig).active > 0; i++) {
        char byte[100];
        (void)weir__sim_read(client, byte, sizeof byte);
        wait_ms(rig, 1000);
    }
    assert_int_equal(rig_stats(rig).active, 0);
    assert_int_equal(rig_stats(rig).timeouts_handler, 1);
    (void)take_slowly(rig, client, SMALL, &over);
    assert_true(over);
}

static void test_a_trickle_is(void **state)
{
    struct weir__http_server_options options = {.handler_timeout = weir_sec(5)};
    (void)state;
    run_rig(a_trickle_is, &options);
}

/* What was taken quickly buys no time: who then stops is cut one write_timeout later. */
static void takes_and_stops(struct rig *rig)
{
    static char bytes[100000];
    int client = weir__sim_connect(rig->listener, SMALL);
    put(client, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_ms(rig, 1);
    for (size_t len = 0; len < sizeof bytes;) {
        ssize_t n = weir__sim_read(client, bytes, 1000);
        if (n > 0)
            len += (size_t)n;
        wait_ms(rig, 1);
    }
    wait_ms(rig, 9900);
    assert_int_equal(rig_stats(rig).active, 1);
    wait_ms(rig, 200);
    assert_int_equal(rig_stats(rig).active, 0);
    assert_int_equal(rig_stats(rig).timeouts_write, 1);
}

static void test_takes_and_stops(void **state)
{
    struct weir__http_server_options options = {.handler_timeout = weir_sec(3600),
                                                .write_timeout = weir_sec(10)};
    (void)state;
    run_rig(takes_and_stops, &options);
}

/* Before the response has begun nothing moves the deadline on; a body that comes does. */
static void a_slow_upload(struct rig *rig)
{
    static const char piece[5000];
    int client = dial(rig);
    put(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(weir__sim_write(client, piece, sizeof piece), sizeof piece);
        wait_ms(rig, 1000);
    }
    assert_has(get(rig, client, NULL), "200 OK");
    put(client, "GET /sleep?6000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_ms(rig, 5500);
    assert_has(get(rig, client, NULL), "504 ");
}

static void test_a_slow_upload(void **state)
{
    struct weir__http_server_options options = {.handler_timeout = weir_sec(5)};
    (void)state;
    run_rig(a_slow_upload, &options);
}

/* --- deadlines below -------------------------------------------------------------------------- */

static void extended(struct rig *rig)
{
    struct weir__worker *w = weir__self;
    weir_time one = weir_time_add(w->now, weir_sec(1)), two = weir_time_add(w->now, weir_sec(2));
    weir_time half = weir_time_add(w->now, weir_ms(500));
    struct weir__ctx *top = weir__ctx_new(w->root, one, 0, NULL);
    struct weir__ctx *first = weir__ctx_new(top, weir_never(), 0, NULL);
    struct weir__ctx *deep = weir__ctx_new(first, weir_never(), 0, NULL);
    struct weir__ctx *own = weir__ctx_new(top, half, 0, NULL);
    struct weir__ctx *below_own = weir__ctx_new(own, weir_never(), 0, NULL);
    struct weir__ctx *beside = weir__ctx_new(w->root, one, 0, NULL);
    (void)rig;
    weir__ctx_extend(top, two);
    assert_int_equal(top->deadline.ns, two.ns);
    assert_int_equal(first->deadline.ns, two.ns);
    assert_int_equal(deep->deadline.ns, two.ns);
    assert_int_equal(own->deadline.ns, half.ns);
    assert_int_equal(below_own->deadline.ns, half.ns);
    assert_int_equal(beside->deadline.ns, one.ns);
    weir__ctx_extend(top, one); /* never back */
    assert_int_equal(deep->deadline.ns, two.ns);
    weir__ctx_extend(first, weir_never()); /* it has none of its own */
    assert_int_equal(first->deadline.ns, two.ns);
    weir__ctx_cancel(top, WEIR_REASON_CALLER);
    weir__ctx_extend(top, weir_never());
    assert_int_equal(top->deadline.ns, two.ns);
    weir__ctx_end(below_own);
    weir__ctx_end(own);
    weir__ctx_end(deep);
    weir__ctx_end(first);
    weir__ctx_end(top);
    weir__ctx_end(beside);
}

static void test_extended(void **state)
{
    (void)state;
    run_rig(extended, NULL);
}

/* --- the limit of bodies ---------------------------------------------------------------------- */

/* The status of an upload of that size to /echo. */
static int status_of_upload(struct rig *rig, size_t size, bool is_chunked)
{
    static char bytes[4 << 20];
    int client = weir__sim_connect(rig->listener, sizeof bytes);
    size_t len = (size_t)snprintf(bytes, sizeof bytes, "POST /echo HTTP/1.1\r\nHost: a\r\n");
    if (!is_chunked) {
        len +=
            (size_t)snprintf(bytes + len, sizeof bytes - len, "Content-Length: %zu\r\n\r\n", size);
        memset(bytes + len, 'b', size);
        len += size;
    } else {
        len +=
            (size_t)snprintf(bytes + len, sizeof bytes - len, "Transfer-Encoding: chunked\r\n\r\n");
        for (size_t n; size > 0; size -= n) {
            n = size < 10000 ? size : 10000;
            len += (size_t)snprintf(bytes + len, sizeof bytes - len, "%zx\r\n", n);
            memset(bytes + len, 'b', n);
            memcpy(bytes + len + n, "\r\n", 3);
            len += n + 2;
        }
        len += (size_t)snprintf(bytes + len, sizeof bytes - len, "0\r\n\r\n");
    }
    assert_int_equal(weir__sim_write(client, bytes, len), len);
    char *text = get(rig, client, NULL);
    int status = atoi(text + 9);
    if (status == 413)
        assert_has(text, "the request's body is too large");
    weir__sim_close(client);
    wait_ms(rig, 1);
    return status;
}

static void one_limit(struct rig *rig)
{
    for (int is_chunked = 0; is_chunked <= 1; is_chunked++) {
        assert_int_equal(status_of_upload(rig, 1000, is_chunked), 200);
        assert_int_equal(status_of_upload(rig, 600000, is_chunked), 200);
        assert_int_equal(status_of_upload(rig, 900000, is_chunked), 200);
        assert_int_equal(status_of_upload(rig, 1000000, is_chunked), 200);
        assert_int_equal(status_of_upload(rig, 1200000, is_chunked), 413); /* the memory's end */
        assert_int_equal(status_of_upload(rig, 3000000, is_chunked), 413);
    }
}

static void test_one_limit(void **state)
{
    (void)state;
    struct weir__http_server_options server = {.body_max = 2 << 20};
    struct rig_run run = {one_limit, &server};
    struct weir__runtime_options options = {.request_memory_max = 1 << 20};
    assert_int_equal(weir__sim_run_with(&options, rig_main, &run), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_is_not_stuck), cmocka_unit_test(test_a_trickle_is),
        cmocka_unit_test(test_takes_and_stops),   cmocka_unit_test(test_a_slow_upload),
        cmocka_unit_test(test_extended),          cmocka_unit_test(test_one_limit),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
