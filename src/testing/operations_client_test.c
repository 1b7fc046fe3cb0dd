/*
 * Requests to others tried everywhere: each wait cancelled, each allocation, call and limit failed,
 * in other orders. The peer is in the run too, so its calls fail as well. Whatever happens, what
 * comes back is whole and right or an error, and nothing stays.
 */
#include "testing/operations_testing.h"

#include <errno.h>
#include <string.h>

#include "rt/io.h"
#include "rt/runtime.h"
#include "rt/sim.h"
#include <weir/weir.h>

/* --- a peer ----------------------------------------------------------------------------------- */

/* Answers each request with the same text, over any number of connections. */
struct peer {
    struct weir__fd listener;
    char base[48];
    const char *answer;
    bool closes; /* after each answer */
    bool is_h2;
    bool breaks_off; /* of HTTP/2: the answer, behind its first bytes */
};

struct visit {
    const struct peer *peer;
    int num;
};

/* The end of a request: of its head, or of its chunks. */
static bool is_whole(const char *bytes, size_t len)
{
    const char *chunked = memmem(bytes, len, "chunked", 7);
    size_t tail = chunked != NULL ? 7 : 4;
    const char *end = chunked != NULL ? "\r\n0\r\n\r\n" : "\r\n\r\n";
    return len >= tail && memcmp(bytes + len - tail, end, tail) == 0;
}

static weir_err say(weir_ctx *c, struct weir__fd *fd, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = weir__send(weir__ctx_of(c), fd, bytes + at, len - at, weir_never());
        if (n < 0)
            return (weir_err)n;
        at += (size_t)n;
    }
    return WEIR_OK;
}

static weir_err answer(weir_ctx *c, const struct peer *p, struct weir__fd *fd)
{
    weir_err err = say(c, fd, p->answer, strlen(p->answer));
    return err == WEIR_OK && p->closes ? WEIR_ECLOSED : err;
}

/* The same over HTTP/2: ":status: 200" is the eighth entry of HPACK's table. */
static weir_err answer_stream(weir_ctx *c, const struct peer *p, struct weir__fd *fd, char id)
{
    char frames[] = "\0\0\1\1\4\0\0\0\0\x88\0\0\2\0\0\0\0\0\0he\0\0\3\0\1\0\0\0\0llo";
    frames[8] = frames[18] = frames[29] = id;
    weir_err err = say(c, fd, frames, p->breaks_off ? 21 : 33);
    return err == WEIR_OK && p->closes ? WEIR_ECLOSED : err;
}

/* Takes the frames that are whole, and answers those that end a request. */
static weir_err take_frames(weir_ctx *c, const struct peer *p, struct weir__fd *fd,
                            const char *bytes, size_t len, size_t *taken)
{
    enum { DATA, HEADERS, END_STREAM = 1 };
    weir_err err = WEIR_OK;
    for (*taken = 0; err == WEIR_OK && len - *taken >= 9;) {
        const unsigned char *head = (const unsigned char *)bytes + *taken;
        size_t size = 9 + ((size_t)head[1] << 8 | head[2]);
        if (len - *taken < size)
            break;
        *taken += size;
        if ((head[3] == DATA || head[3] == HEADERS) && (head[4] & END_STREAM) != 0)
            err = answer_stream(c, p, fd, (char)head[8]);
    }
    return err;
}

static weir_err serve_h2(weir_ctx *c, const struct peer *p, struct weir__fd *fd)
{
    const size_t preface = 24;
    char bytes[4096];
    size_t len = 0, taken;
    bool has_begun = false;
    weir_err err = say(c, fd, "\0\0\0\4\0\0\0\0\0", 9);
    while (err == WEIR_OK) {
        ssize_t n = weir__recv(weir__ctx_of(c), fd, bytes + len, sizeof bytes - len, weir_never());
        if (n <= 0)
            return n < 0 ? (weir_err)n : WEIR_ECLOSED;
        len += (size_t)n;
        if (!has_begun && len < preface)
            continue;
        size_t skipped = has_begun ? 0 : preface;
        has_begun = true;
        err = take_frames(c, p, fd, bytes + skipped, len - skipped, &taken);
        len -= skipped + taken;
        memmove(bytes, bytes + skipped + taken, len);
    }
    return err;
}

/* A peer that fails resets, so that what it sent never looks whole. */
static weir_err serve_one(weir_ctx *c, void *arg)
{
    const struct visit *v = arg;
    struct weir__fd fd;
    char bytes[2048];
    size_t len = 0;
    weir_err err = weir__fd_watch(&fd, v->num, NULL);
    if (err < 0) {
        weir__fd_close(&fd);
        return WEIR_OK;
    }
    if (v->peer->is_h2)
        err = serve_h2(c, v->peer, &fd);
    while (err == WEIR_OK) {
        ssize_t n = weir__recv(weir__ctx_of(c), &fd, bytes + len, sizeof bytes - len, weir_never());
        err = n > 0 ? WEIR_OK : n == 0 ? WEIR_ECLOSED : (weir_err)n;
        len += n > 0 ? (size_t)n : 0;
        if (err == WEIR_OK && is_whole(bytes, len)) {
            err = answer(c, v->peer, &fd);
            len = 0;
        }
    }
    if (err == WEIR_ECLOSED)
        weir__fd_close(&fd);
    else
        weir__sim_reset(weir__fd_unwatch(&fd));
    return WEIR_OK;
}

static weir_err serve(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    WEIR_SCOPE(visits, c);
    for (;;) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &p->listener};
        ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
        if (num < 0)
            break;
        struct visit *v = weir_new(visits, struct visit);
        if (v != NULL)
            *v = (struct visit){p, (int)num};
        if (v == NULL || WEIR_GO(visits, serve_one, v) < 0)
            weir__sim_close((int)num);
    }
    (void)weir_ctx_close(visits);
    return WEIR_OK;
}

/* --- runs ------------------------------------------------------------------------------------- */

/* What is done with a client of the peer. */
struct errand {
    const char *answer;
    bool closes, is_h2, breaks_off;
    weir_err (*run)(weir_ctx *c, weir_http *http);
};

static weir_err run_errand(weir_ctx *c, void *arg)
{
    const struct errand *e = arg;
    struct peer p = {
        .answer = e->answer, .closes = e->closes, .is_h2 = e->is_h2, .breaks_off = e->breaks_off};
    int num = weir__sim_listen();
    weir_time begin = weir_now();
    weir_err err = weir__fd_watch(&p.listener, num, NULL);
    weir_buf text;
    weir_buf_init_fixed(&text, p.base, sizeof p.base - 1);
    weir_buf_printf(&text, "http://127.0.0.1:%d", num);
    p.base[text.len] = '\0';
    WEIR_SCOPE(peer, c);
    if (err == WEIR_OK)
        err = WEIR_GO(peer, serve, &p);
    WEIR_SCOPE(mine, c, .timeout = weir_sec(20));
    if (err == WEIR_OK) {
        weir_http *http = weir_http_open(mine, .base = p.base, .pool = {.max_open = 2},
                                         .dial_timeout = weir_sec(1), .answer_timeout = weir_sec(2),
                                         .idle_timeout = weir_sec(2), .retries_max = 1,
                                         .http2 = e->is_h2 ? WEIR_HTTP2_PRIOR : WEIR_HTTP2_NEVER);
        err = weir_http_err(http);
        if (err == WEIR_OK)
            err = e->run(mine, http);
    }
    (void)weir_ctx_close(mine);
    (void)weir_ctx_close(peer);
    weir__fd_close(&p.listener);
    MUST(weir_time_sub(weir_now(), begin).ns < weir_sec(15).ns);
    return err;
}

/* An answer is whole, or its reply has the error that it keeps. */
static weir_err must_be(weir_reply *r, const char *text)
{
    weir_str body = weir_reply_body(r);
    weir_err err = weir_reply_err(r);
    MUST((body.ptr == NULL) == (err < 0));
    MUST(err < 0 || weir_str_eq(body, weir_str_from(text)));
    MUST(err < 0 || weir_reply_status(r) == 200);
    MUST(weir_reply_err(r) == err);
    return err;
}

static weir_err get_twice(weir_ctx *c, weir_http *http)
{
    weir_err err = WEIR_OK;
    for (int i = 0; i < 2 && err == WEIR_OK; i++) {
        WEIR_WITH(request, c, .timeout = weir_sec(5)) {
            err = must_be(weir_http_get(request, http, "/x", .timeout = weir_sec(4)), "hello");
        }
    }
    return err;
}

static weir_err read_pieces(weir_ctx *c, weir_http *http)
{
    char bytes[8];
    size_t at = 0;
    ssize_t n;
    weir_reply *r = weir_http_get(c, http, "/x");
    while ((n = weir_reply_read(r, bytes + at, 2)) > 0 && at < 5)
        at += (size_t)n;
    MUST(n == weir_reply_err(r));
    MUST(n < 0 || (at == 5 && memcmp(bytes, "hello", 5) == 0));
    return (weir_err)n;
}

static weir_err upload(weir_ctx *c, weir_http *http)
{
    weir_reply *r = weir_http_begin(c, http, "PUT", "/in", .type = "text/plain");
    weir_err lets = WEIR_OK;
    for (int i = 0; i < 3 && lets == WEIR_OK && weir_http_write(r, "piece", 5) == WEIR_OK; i++)
        lets = weir_yield(c);
    weir_err err = weir_http_finish(r);
    MUST(err == weir_reply_err(r));
    return err < 0 ? err : must_be(r, "hello");
}

/* Left where they are: unread, half read, half written. */
static weir_err forget(weir_ctx *c, weir_http *http)
{
    char byte;
    weir_err err = WEIR_OK;
    for (int i = 0; i < 3 && err == WEIR_OK; i++) {
        WEIR_WITH(request, c) {
            weir_reply *r = i < 2 ? weir_http_get(request, http, "/x")
                                  : weir_http_begin(request, http, "PUT", "/in");
            err = weir_reply_err(r);
            if (err == WEIR_OK && i == 1)
                err = weir_reply_read(r, &byte, 1) < 0 ? weir_reply_err(r) : WEIR_OK;
            if (err == WEIR_OK && i == 2)
                err = weir_http_write(r, "x", 1);
        }
    }
    return err;
}

static weir_err get_one(weir_ctx *c, void *arg)
{
    return must_be(weir_http_get(c, arg, "/x"), "hello");
}

/* Three fibers share two connections. */
static weir_err get_together(weir_ctx *c, weir_http *http)
{
    weir_err err = WEIR_OK;
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3 && err == WEIR_OK; i++)
        err = WEIR_GO(group, get_one, http);
    weir_err joined = weir_join(group);
    (void)weir_ctx_close(group);
    return err < 0 ? err : joined;
}

#define LENGTH "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED                                                                                    \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n"

/* A redirection to itself: followed once, then told to be a loop; before it each is retried. */
static weir_err be_led_around(weir_ctx *c, weir_http *http)
{
    weir_reply *r = weir_http_get(c, http, "/x");
    MUST(weir_reply_err(r) < 0 && weir_reply_status(r) == 0);
    return weir_reply_err(r) == WEIR_EPROTO ? WEIR_OK : weir_reply_err(r);
}

static const struct errand is_led = {
    .answer = "HTTP/1.1 302 x\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", .run = be_led_around};
static const struct errand gets = {.answer = LENGTH, .run = get_twice};
static const struct errand gets_anew = {.answer = CHUNKED, .closes = true, .run = get_twice};
static const struct errand reads = {.answer = CHUNKED, .run = read_pieces};
static const struct errand uploads = {.answer = LENGTH, .run = upload};
static const struct errand forgets = {
    .answer = "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\nhello", .run = forget};
static const struct errand shares = {.answer = LENGTH, .run = get_together};

#define ERRAND(its_name, errand, ...)                                                              \
    check(its_name,                                                                                \
          weir_test_everywhere(.name = (its_name), .run = run_errand,                              \
                               .arg = (void *)(uintptr_t) & (errand)),                             \
          (struct least){__VA_ARGS__})

static void requests_to_others_everywhere(void **state)
{
    (void)state;
    ERRAND("get_twice", gets, .waits = 4, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("get_anew", gets_anew, .waits = 5, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("read_pieces", reads, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("upload", uploads, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("forget", forgets, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("be_led_around", is_led, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("get_together", shares, .waits = 6, .allocations = 10, .calls = 10, .refusals = 1,
           .orders = 1);
}

static const struct errand gets_h2 = {.is_h2 = true, .run = get_twice};
static const struct errand gets_anew_h2 = {.is_h2 = true, .closes = true, .run = get_twice};
static const struct errand reads_h2 = {.is_h2 = true, .run = read_pieces};
static const struct errand uploads_h2 = {.is_h2 = true, .run = upload};
static const struct errand forgets_h2 = {.is_h2 = true, .breaks_off = true, .run = forget};
static const struct errand shares_h2 = {.is_h2 = true, .run = get_together};

static void requests_over_http2_everywhere(void **state)
{
    (void)state;
    if (!WEIR_HTTP2)
        return;
    ERRAND("get_twice_h2", gets_h2, .waits = 4, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("get_anew_h2", gets_anew_h2, .waits = 5, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("read_pieces_h2", reads_h2, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("upload_h2", uploads_h2, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("forget_h2", forgets_h2, .waits = 3, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("get_together_h2", shares_h2, .waits = 6, .allocations = 10, .calls = 10, .refusals = 1,
           .orders = 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_over_http2_everywhere),
        cmocka_unit_test(requests_to_others_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
