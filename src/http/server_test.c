/*
 * The server as its clients see it: keep-alive, pipelining, bodies both ways, what is refused, and
 * that nothing is left over (the simulation asserts that at the end of each test).
 */
#include "http/testing.h"
#include "watch/watch.h"

static void keep_alive(struct rig *rig)
{
    int client = dial(rig);
    for (int i = 0; i < 3; i++) {
        char *text = ask(rig, client, HELLO);
        assert_has(text, "HTTP/1.1 200 OK\r\n");
        assert_has(text, "\r\nContent-Type: text/plain\r\n");
        assert_has(text, "\r\nContent-Length: 5\r\n");
        assert_has(text, "\r\nDate: ");
        assert_lacks(text, "Connection");
        assert_string_equal(body_of(text), "hello");
    }
    struct weir__http_stats n = rig_stats(rig);
    assert_int_equal(n.accepted, 1);
    assert_int_equal(n.open, 1);
    assert_int_equal(n.active, 0);
    assert_int_equal(n.requests, 3);
    assert_int_equal(n.responses[2], 3);
    assert_int_equal(rig->done, 3);
    weir__sim_close(client);
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).open, 0);
}

static void test_keep_alive(void **state)
{
    (void)state;
    run_rig(keep_alive, NULL);
}

static void close_asked(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    put(client, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" HELLO);
    char *text = get(rig, client, &over);
    assert_has(text, "Connection: close\r\n");
    assert_string_equal(body_of(text), "hello"); /* the second is not answered */
    assert_true(over);
    client = dial(rig);
    put(client, "GET /hello HTTP/1.0\r\n\r\n");
    assert_has(get(rig, client, &over), "Connection: close\r\n");
    assert_true(over);
    client = dial(rig);
    put(client, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_has(get(rig, client, &over), "Connection: keep-alive\r\n");
    assert_false(over);
}

static void test_close_asked(void **state)
{
    (void)state;
    run_rig(close_asked, NULL);
}

static void pipeline(struct rig *rig)
{
    char requests[8192] = "", expected[4096] = "";
    int client = dial(rig);
    for (int i = 0; i < 40; i++) {
        size_t at = strlen(requests);
        snprintf(requests + at, sizeof requests - at,
                 i % 3 == 0 ? "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n#%03d"
                            : "GET /path?n=%03d HTTP/1.1\r\nHost: a\r\n\r\n",
                 i);
        at = strlen(expected);
        snprintf(expected + at, sizeof expected - at, i % 3 == 0 ? "#%03d\n" : "/path?n=%03d\n", i);
    }
    char *text = ask(rig, client, requests), *want = expected;
    for (int i = 0; i < 40; i++) {
        char *body = body_of(text), *line = strchr(want, '\n');
        assert_memory_equal(body, want, (size_t)(line - want));
        text = body + (line - want);
        want = line + 1;
    }
    assert_string_equal(text, "");
    assert_int_equal(rig_stats(rig).requests, 40);
}

static void test_pipeline(void **state)
{
    (void)state;
    run_rig(pipeline, NULL);
}

/* The first answer does not wait for the second, slow request of the same pipeline. */
static void slow_second(struct rig *rig)
{
    int client = dial(rig);
    char *text = ask(rig, client, HELLO "GET /sleep?5000 HTTP/1.1\r\nHost: a\r\n\r\n" HELLO);
    assert_string_equal(body_of(text), "hello");
    wait_ms(rig, 5000);
    text = get(rig, client, NULL);
    assert_has(text, "slept");
    assert_has(text, "hello");
}

static void test_slow_second(void **state)
{
    (void)state;
    run_rig(slow_second, NULL);
}

static const char mixed[] =
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world"
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5;x=y\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"
    "POST /pieces HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "10\r\n0123456789abcdef\r\n3\r\nxyz\r\n0\r\n\r\n"
    "POST /pieces HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n01234567890123456789"
    "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nskip!" /* is not read */
    "POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nskip\r\n0\r\n\r\n"
    "POST /trailers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n"
    "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

static void check_mixed(const char *text)
{
    int count = 0;
    for (const char *p = text; (p = strstr(p, "HTTP/1.1 200 OK")) != NULL; p++)
        count++;
    assert_int_equal(count, 8);
    assert_has(text, "\r\n\r\nhello world");
    assert_has(text, "\r\n\r\nhello, world");
    assert_has(text, "X-Trailer: 42\r\n");
    assert_has(text, "0\r\n\r\n");
    assert_has(text, "\r\n\r\nhello");
    assert_lacks(text, "skip");
}

static void drop_dates(char *text)
{
    for (char *p = text; (p = strstr(p, "Date: ")) != NULL; p++)
        memset(p + 6, '-', 29);
}

static void split_everywhere(struct rig *rig)
{
    int client = dial(rig);
    check_mixed(ask(rig, client, mixed));
    for (size_t cut = 1; cut < sizeof mixed - 1; cut++) {
        client = dial(rig);
        assert_int_equal(weir__sim_write(client, mixed, cut), cut);
        wait_ms(rig, 1);
        put(client, mixed + cut);
        check_mixed(get(rig, client, NULL));
        weir__sim_close(client);
    }
}

static void test_split_everywhere(void **state)
{
    (void)state;
    run_rig(split_everywhere, NULL);
}

static void byte_by_byte(struct rig *rig)
{
    char whole[4096];
    int client = dial(rig);
    strcpy(whole, ask(rig, client, mixed));
    drop_dates(whole);
    for (size_t chop = 1; chop < 20; chop++) {
        weir__sim_chop(chop);
        client = dial(rig);
        char *text = ask(rig, client, mixed);
        check_mixed(text);
        weir__sim_close(client);
        weir__sim_chop(0);
    }
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    run_rig(byte_by_byte, NULL);
}

static void heads_only(struct rig *rig)
{
    int client = dial(rig);
    char *text = ask(rig, client, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_has(text, "Content-Length: 5\r\n");
    assert_string_equal(body_of(text), "");
    text = ask(rig, client, "HEAD /rows HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_string_equal(body_of(text), "");
    text = ask(rig, client, "HEAD /big HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_has(text, "Content-Length: 200000\r\n");
    assert_string_equal(body_of(text), "");
    text = ask(rig, client, "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_has(text, "204 No Content");
    assert_lacks(text, "Content-Length");
    assert_lacks(text, "Content-Type");
    assert_string_equal(body_of(text), "");
    assert_string_equal(body_of(ask(rig, client, HELLO)), "hello");
}

static void test_heads_only(void **state)
{
    (void)state;
    run_rig(heads_only, NULL);
}

/* RFC 9110 section 15.3.6: a 205 has no content, and says so, or its end would not be known. */
static void reset_content(struct rig *rig)
{
    int client = dial(rig);
    static const char *const asked[] = {"GET /reset HTTP/1.1\r\nHost: a\r\n\r\n",
                                        "GET /reset-stream HTTP/1.1\r\nHost: a\r\n\r\n"};
    for (int i = 0; i < 2; i++) {
        char *text = ask(rig, client, asked[i]);
        assert_has(text, "205 Reset Content");
        assert_has(text, "\r\nContent-Length: 0\r\n");
        assert_lacks(text, "chunked");
        assert_string_equal(body_of(text), "");
    }
    assert_string_equal(body_of(ask(rig, client, HELLO)), "hello");
}

static void test_reset_content(void **state)
{
    (void)state;
    run_rig(reset_content, NULL);
}

/* RFC 9110 section 7.4: what was asked for over TLS is not answered without it. */
static void misdirected(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    put(client, "GET https://a/hello HTTP/1.1\r\nHost: a\r\n\r\n" HELLO);
    char *text = get(rig, client, &over);
    assert_has(text, "421 Misdirected Request");
    assert_has(text, "Connection: close\r\n");
    assert_lacks(text, "\r\n\r\nhello");
    assert_true(over);
    assert_int_equal(rig->done, 1);
}

static void test_misdirected(void **state)
{
    (void)state;
    run_rig(misdirected, NULL);
}

/*
 * RFC 9112 section 9.6: who ends a connection without being asked to does not reset it when a
 * request comes that was on its way: that could destroy the answer.
 */
static void last_answer_is_not_reset(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    put(client, HELLO);
    assert_has(get(rig, client, &over), "Connection: close\r\n");
    assert_true(over);
    put(client, HELLO); /* it is still taken */
    assert_string_equal(get(rig, client, &over), "");
    assert_true(over);
    assert_int_equal(rig_stats(rig).open, 1);
    wait_ms(rig, 8000); /* but not for ever */
    assert_int_equal(rig_stats(rig).open, 0);
    assert_int_equal(rig->done, 1);
}

static void test_last_answer_is_not_reset(void **state)
{
    struct weir__http_server_options options = {.requests_max = 1};
    (void)state;
    run_rig(last_answer_is_not_reset, &options);
}

/* Joins the chunks of a body; returns how many bytes. The end must be a last chunk. */
static size_t join_chunks(char *body)
{
    char *from = body, *to = body;
    for (;;) {
        unsigned size;
        char *line = strstr(from, "\r\n");
        assert_non_null(line);
        assert_int_equal(sscanf(from, "%x", &size), 1);
        if (size == 0)
            break;
        memmove(to, line + 2, size);
        to += size;
        from = line + 2 + size + 2;
    }
    *to = '\0';
    return (size_t)(to - body);
}

static void large_bodies(struct rig *rig)
{
    int client = dial(rig);
    char *text = ask(rig, client, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(strlen(body_of(text)), 200000);
    text = ask(rig, client, "GET /rows HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_has(text, "Transfer-Encoding: chunked\r\n");
    assert_int_equal(join_chunks(body_of(text)), 5000 * 11);
    assert_memory_equal(body_of(text) + 4999 * 11, "row 004999\n", 11);
    assert_int_equal(rig->last_err, 0);
    bool over;
    client = dial(rig);
    put(client, "GET /rows HTTP/1.0\r\n\r\n");
    text = get(rig, client, &over);
    assert_true(over);
    assert_lacks(text, "chunked");
    assert_int_equal(strlen(body_of(text)), 5000 * 11);
}

static void test_large_bodies(void **state)
{
    (void)state;
    run_rig(large_bodies, NULL);
}

/* A body larger than the input buffer, with a length and without, comes back whole. */
static void large_uploads(struct rig *rig)
{
    enum { SIZE = 60000, PIECE = 1500 };
    static char piece[PIECE + 1], head[256];
    memset(piece, 'u', PIECE);
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        int client = dial(rig);
        snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n",
                 is_chunked ? "Transfer-Encoding: chunked" : "Content-Length: 60000");
        put(client, head);
        for (int sent = 0; sent < SIZE; sent += PIECE) {
            if (is_chunked)
                put(client, "5dc\r\n");
            put(client, piece);
            if (is_chunked)
                put(client, "\r\n");
            wait_ms(rig, 1);
        }
        if (is_chunked)
            put(client, "0\r\n\r\n");
        char *text = get(rig, client, NULL);
        assert_int_equal(strlen(body_of(text)), SIZE);
        assert_int_equal(strspn(body_of(text), "u"), SIZE);
        assert_string_equal(body_of(ask(rig, client, HELLO)), "hello");
    }
}

static void test_large_uploads(void **state)
{
    (void)state;
    run_rig(large_uploads, NULL);
}

static void malformed(struct rig *rig)
{
    static const struct {
        const char *request, *status;
    } cases[] = {
        {"GET /hello HTTP/1.1\r\n\r\n", "400 Bad Request"},
        {"GET /hello HTTP/1.1\nHost: a\n\n", "400 Bad Request"},
        {"GET /hello HTTP/1.1\r\nHost : a\r\n\r\n", "400 Bad Request"},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
         "Transfer-Encoding: chunked\r\n\r\n",
         "400 Bad Request"},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
         "400 Bad Request"},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
         "501 Not Implemented"},
        {"GET /hello HTTP/2.0\r\n\r\n", "505 HTTP Version Not Supported"},
        {"GET /hello HTTP/1.1\r\nHost: a\r\nExpect: a pony\r\n\r\n", "417 Expectation Failed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool over;
        int client = dial(rig);
        put(client, cases[i].request);
        put(client, HELLO);
        char *text = get(rig, client, &over);
        assert_has(text, cases[i].status);
        assert_has(text, "Connection: close\r\n");
        assert_lacks(text, "hello"); /* what followed is not taken for a request */
        assert_true(over);
        weir__sim_close(client);
    }
    wait_ms(rig, 1);
    assert_int_equal(rig_stats(rig).malformed, sizeof cases / sizeof cases[0]);
    assert_int_equal(rig_stats(rig).open, 0);
    assert_string_equal(body_of(ask(rig, dial(rig), HELLO)), "hello");
}

static void test_malformed(void **state)
{
    (void)state;
    run_rig(malformed, NULL);
}

static void too_large(struct rig *rig)
{
    static char request[80000];
    bool over;
    int client = dial(rig);
    memset(request, 'a', 9000);
    memcpy(request, "GET /", 5);
    put(client, request);
    assert_has(get(rig, client, &over), "414 ");
    assert_true(over);
    client = dial(rig);
    size_t at = (size_t)sprintf(request, "GET /hello HTTP/1.1\r\nHost: a\r\n");
    while (at < 17000)
        at += (size_t)sprintf(request + at, "X-Filler-%zu: value\r\n", at);
    put(client, request);
    assert_has(get(rig, client, &over), "431 ");
    assert_true(over);
    client = dial(rig); /* announced: refused before it is sent */
    put(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n");
    assert_has(get(rig, client, &over), "413 ");
    assert_true(over);
    assert_int_equal(rig->last_err, WEIR_ETOOLARGE);
}

static void test_too_large(void **state)
{
    (void)state;
    run_rig(too_large, NULL);
}

static void too_large_chunked(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    put(client, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                "8\r\n12345678\r\n8\r\n12345678\r\n");
    assert_has(get(rig, client, &over), "413 ");
    assert_true(over);
    client = dial(rig); /* small enough to be skipped: the connection goes on */
    put(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n123456789012" HELLO);
    char *text = get(rig, client, &over);
    assert_has(text, "413 ");
    assert_has(text, "hello");
    assert_false(over);
}

static void test_too_large_chunked(void **state)
{
    struct weir__http_server_options options = {.body_max = 10};
    (void)state;
    run_rig(too_large_chunked, &options);
}

static void expect_continue(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    put(client,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_string_equal(get(rig, client, &over), "HTTP/1.1 100 Continue\r\n\r\n");
    put(client, "body");
    char *text = get(rig, client, &over);
    assert_has(text, "200 OK");
    assert_string_equal(body_of(text), "body");
    assert_false(over);
    /* Who does not read it does not ask for it, and cannot go on after it. */
    put(client,
        "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    text = get(rig, client, &over);
    assert_lacks(text, "100 Continue");
    assert_has(text, "Connection: close");
    assert_true(over);
}

static void test_expect_continue(void **state)
{
    (void)state;
    run_rig(expect_continue, NULL);
}

/* The second head ends where the buffer does: its body is received all the same. */
static void pipeline_fills_buffer(struct rig *rig)
{
    static const char head[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    static char text[CAPACITY + 1];
    static const char last[] = "GET /hello HTTP/1.1\r\nHost: a\r\nX: ", end[] = "\r\n\r\n";
    size_t len = 0, size = rig->server->in_bytes - (sizeof head - 1);
    assert_in_range(rig->server->in_bytes, 1000, CAPACITY);
    while (len + 2 * sizeof HELLO + sizeof last < size)
        len += (size_t)sprintf(text + len, "%s", HELLO);
    len += (size_t)sprintf(text + len, "%s", last);
    memset(text + len, 'x', size - len);
    sprintf(text + size - (sizeof end - 1), "%s%s", end, head);
    int client = dial(rig);
    put(client, text);
    wait_ms(rig, 1);
    put(client, "5\r\nabcde\r\n0\r\n\r\n");
    const char *answer = get(rig, client, NULL);
    for (int i = 0; i < 10 && strstr(answer, "\r\n\r\nabcde") == NULL; i++)
        answer = get(rig, client, NULL);
    assert_has(answer, "\r\n\r\nabcde");
}

static void test_pipeline_fills_buffer(void **state)
{
    (void)state;
    run_rig(pipeline_fills_buffer, NULL);
}

/* What a handler does not read is thrown away up to a limit, else the connection closes. */
static void unread_bodies(struct rig *rig)
{
    static char body[30001];
    bool over;
    int client = dial(rig);
    memset(body, 'x', 30000);
    put(client, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n");
    assert_has(get(rig, client, &over), "hello"); /* answered before the body is there */
    put(client, body);
    put(client, HELLO);
    assert_has(get(rig, client, &over), "hello");
    assert_false(over);
    put(client, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 99000\r\n\r\n");
    put(client, body);
    char *text = get(rig, client, &over);
    assert_has(text, "Connection: close");
    assert_true(over);
    client = dial(rig); /* nor one that does not end */
    put(client, "POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_has(get(rig, client, &over), "hello");
    for (int i = 0; i < 4 && !over; i++) {
        put(client, "7530\r\n");
        put(client, body);
        put(client, "\r\n");
        (void)get(rig, client, &over);
    }
    assert_true(over);
}

static void test_unread_bodies(void **state)
{
    struct weir__http_server_options options = {.drain_max = 40000};
    (void)state;
    run_rig(unread_bodies, &options);
}

static void handlers_that_fail(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    assert_has(ask(rig, client, "GET /silence HTTP/1.1\r\nHost: a\r\n\r\n"), "500 ");
    assert_has(ask(rig, client, HELLO), "hello");
    assert_has(ask(rig, client, "GET /twice HTTP/1.1\r\nHost: a\r\n\r\n"), "first");
    assert_int_equal(rig->last_err, WEIR_ECLOSED);
    assert_int_equal(rig_stats(rig).second_refused, 1);
    put(client, "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_has(get(rig, client, &over), "500 ");
    assert_true(over);
    assert_int_equal(rig_stats(rig).panics, 1);
    client = dial(rig); /* nothing of it has left: taken back */
    assert_has(ask(rig, client, "GET /kept HTTP/1.1\r\nHost: a\r\n\r\n"), "500 ");
    assert_has(ask(rig, client, HELLO), "hello");
    put(client, "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
    char *text = get(rig, client, &over);
    assert_has(text, "half of it");
    assert_lacks(text, "0\r\n\r\n");
    assert_true(over);
    assert_int_equal(rig_stats(rig).aborted, 1);
    assert_has(ask(rig, dial(rig), HELLO), "hello");
}

static void test_handlers_that_fail(void **state)
{
    (void)state;
    run_rig(handlers_that_fail, NULL);
}

static void requests_per_connection(struct rig *rig)
{
    bool over;
    int client = dial(rig);
    assert_lacks(ask(rig, client, HELLO), "Connection");
    assert_lacks(ask(rig, client, HELLO), "Connection");
    put(client, HELLO);
    assert_has(get(rig, client, &over), "Connection: close\r\n");
    assert_true(over);
}

static void test_requests_per_connection(void **state)
{
    struct weir__http_server_options options = {.requests_max = 3};
    (void)state;
    run_rig(requests_per_connection, &options);
}

static void warm_requests(struct rig *rig)
{
    int client = dial(rig);
    const char *post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    for (int i = 0; i < 3; i++) {
        (void)ask(rig, client, HELLO);
        (void)ask(rig, client, post);
    }
    uint64_t before = weir__alloc_stats().allocs;
    for (int i = 0; i < 100; i++) {
        (void)ask(rig, client, HELLO);
        (void)ask(rig, client, post);
    }
    assert_int_equal(weir__alloc_stats().allocs - before, 0);
}

static void test_warm_requests(void **state)
{
    (void)state;
    run_rig(warm_requests, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_alive),         cmocka_unit_test(test_close_asked),
        cmocka_unit_test(test_pipeline),           cmocka_unit_test(test_slow_second),
        cmocka_unit_test(test_split_everywhere),   cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_heads_only),         cmocka_unit_test(test_reset_content),
        cmocka_unit_test(test_misdirected),        cmocka_unit_test(test_last_answer_is_not_reset),
        cmocka_unit_test(test_large_bodies),       cmocka_unit_test(test_large_uploads),
        cmocka_unit_test(test_malformed),          cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_too_large_chunked),  cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_unread_bodies),      cmocka_unit_test(test_pipeline_fills_buffer),
        cmocka_unit_test(test_handlers_that_fail), cmocka_unit_test(test_requests_per_connection),
        cmocka_unit_test(test_warm_requests),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
