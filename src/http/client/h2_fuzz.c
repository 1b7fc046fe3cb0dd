/*
 * What a server of HTTP/2 says to a client, in the simulation: the input is all of its bytes, from
 * its settings on, cut where dice say, and behind them the connection's end or silence. Two calls
 * are under way and a third comes later. Whatever is said: each call ends within its time, with an
 * answer whose body is as long as it was told, or with an error that is told; and nothing stays.
 */
#include "base/fuzz.h"
#include "http/client/client.h"
#include "rt/io.h"
#include "rt/sim.h"
#include <weir/client.h>
#include <weir/fiber.h>

static const uint8_t *input;
static size_t input_size;

struct server {
    struct weir__fd listener;
    int number;
};

/* The client's bytes are read and thrown away, so that it is never in the way of itself. */
static void listen_for(weir_ctx *c, struct weir__fd *fd, weir_dur time)
{
    char bytes[4096];
    weir_time until = weir_time_add(weir_now(), time);
    while (weir__recv(weir__ctx_of(c), fd, bytes, sizeof bytes, until) > 0)
        ;
}

static weir_err talk(weir_ctx *c, void *arg)
{
    struct weir__fd fd;
    struct fuzz_dice dice = fuzz_dice_of(input, input_size);
    if (weir__fd_watch(&fd, *(int *)arg, NULL) != WEIR_OK)
        return WEIR_OK;
    for (size_t at = 0; at < input_size;) {
        size_t left = input_size - at;
        size_t n = 1 + fuzz_below(&dice, left < 200 ? left : 200);
        ssize_t sent = weir__send(weir__ctx_of(c), &fd, input + at, n, weir_never());
        if (sent <= 0)
            break;
        at += (size_t)sent;
        listen_for(c, &fd, weir_us(100));
    }
    if (fuzz_below(&dice, 2) == 0)
        listen_for(c, &fd, weir_sec(60));
    weir__fd_close(&fd);
    return WEIR_OK;
}

static weir_err serve(weir_ctx *c, void *arg)
{
    struct server *s = arg;
    int nums[64];
    WEIR_SCOPE(visits, c);
    for (size_t i = 0; i < 64; i++) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &s->listener};
        ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
        if (num < 0)
            break;
        nums[i] = (int)num;
        FUZZ_CHECK(WEIR_GO(visits, talk, &nums[i]) == WEIR_OK, "no fiber");
    }
    (void)weir_ctx_close(visits);
    return WEIR_OK;
}

/* It is whole, and as long as it says, or its error is told. */
static void judge(weir_ctx *c, weir_reply *r, bool is_head)
{
    weir_str body = weir_reply_body(r), length = weir_reply_header(r, "content-length");
    weir_err err = weir_reply_err(r);
    uint64_t told = body.len;
    int status = weir_reply_status(r);
    FUZZ_CHECK((body.ptr == NULL) == (err < 0), "%d", err);
    FUZZ_CHECK(err == WEIR_OK || weir_last_error(c) != NULL, "%d is not told", err);
    if (err < 0)
        return;
    FUZZ_CHECK(status >= 200 && status <= 999, "%d", status);
    bool has_body = !is_head && status != 204 && status != 304;
    if (has_body && length.ptr != NULL) {
        told = strtoull(length.ptr, NULL, 10);
        FUZZ_CHECK(told == body.len, "%zu of %llu", body.len, (unsigned long long)told);
    }
    FUZZ_CHECK(has_body || body.len == 0, "%zu", body.len);
}

static weir_err get(weir_ctx *c, void *arg)
{
    judge(c, weir_http_get(c, arg, "/get"), false);
    return WEIR_OK;
}

static weir_err post(weir_ctx *c, void *arg)
{
    static const char piece[20000] = "piece";
    weir_reply *r = weir_http_begin(c, arg, "POST", "/post");
    for (int i = 0; i < 5 && weir_http_write(r, piece, sizeof piece) == WEIR_OK; i++)
        ;
    (void)weir_http_finish(r);
    judge(c, r, false);
    return WEIR_OK;
}

static void ask(weir_ctx *c, weir_http *http)
{
    WEIR_SCOPE(calls, c);
    FUZZ_CHECK(WEIR_GO(calls, get, http) == WEIR_OK && WEIR_GO(calls, post, http) == WEIR_OK, "go");
    FUZZ_CHECK(weir_join(calls) == WEIR_OK, "a call failed");
    (void)weir_ctx_close(calls);
    WEIR_WITH(later, c) {
        judge(later, weir_http_head(later, http, "/head"), true);
    }
}

static weir_err run(weir_ctx *c, void *arg)
{
    struct server s = {.number = weir__sim_listen()};
    char base[64];
    (void)arg;
    snprintf(base, sizeof base, "http://127.0.0.1:%d", s.number);
    FUZZ_CHECK(weir__fd_watch(&s.listener, s.number, NULL) == WEIR_OK, "no listener");
    WEIR_SCOPE(around, c);
    FUZZ_CHECK(WEIR_GO(around, serve, &s) == WEIR_OK, "no fiber");
    WEIR_SCOPE(client, c);
    weir_http *http = weir_http_open(client, .base = base, .http2 = WEIR_HTTP2_PRIOR,
                                     .dial_timeout = weir_sec(1), .answer_timeout = weir_sec(2),
                                     .idle_timeout = weir_sec(2), .pool = {.max_open = 2});
    FUZZ_CHECK(weir_http_err(http) == WEIR_OK, "%d", weir_http_err(http));
    weir_time begin = weir_now();
    ask(client, http);
    /* Without a deadline each frame may buy the idle time-out once more; there are so many. */
    int64_t most = 60 + 2 * (int64_t)input_size;
    FUZZ_CHECK(weir_time_sub(weir_now(), begin).ns < weir_sec(most).ns, "it lasts");
    (void)weir_ctx_close(client);
    (void)weir_ctx_close(around);
    weir__fd_close(&s.listener);
    return WEIR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_size = size;
    if (WEIR_HTTP2)
        FUZZ_CHECK(weir__sim_run(run, NULL) == WEIR_OK, "the simulation");
    return 0;
}
