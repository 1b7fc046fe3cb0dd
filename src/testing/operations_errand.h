/*
 * An errand: what is done with a client of a peer, tried everywhere. Whatever fails, what comes
 * back is whole and right or an error, within its time, and the pools' counts are even afterwards.
 */
#ifndef WEIR_TESTING_OPERATIONS_ERRAND_H
#define WEIR_TESTING_OPERATIONS_ERRAND_H

#include "testing/operations_peer.h"

#include "http/client/client.h"

#define LENGTH "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED                                                                                    \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n"
#define BUSY "HTTP/1.1 503 x\r\nContent-Length: 4\r\n\r\nbusy"

struct errand {
    struct peer peer;
    weir_err (*run)(weir_ctx *c, weir_http *http);
    /* What a client needs beyond the peer's address; may be NULL. In a context of its own. */
    weir_err (*prepare)(weir_ctx *c, struct peer *p, weir_http_options *o);
    void (*afterwards)(void); /* may be NULL: nothing is left to be undone */
    bool has_probes;          /* they have leases of their own, at any time */
};

static inline void must_be_even(const weir_pool_stats *stats, void *arg)
{
    (void)arg;
    MUST(stats->in_use == 0 && stats->waiting == 0);
    MUST(stats->idle <= stats->open && stats->open <= 4);
}

static inline weir_err run_with_client(weir_ctx *c, const struct errand *e, struct peer *p)
{
    weir_http_options o = {.size = sizeof o,
                           .base = p->base,
                           .pool = {.max_open = 2},
                           .dial_timeout = weir_sec(1),
                           .answer_timeout = weir_sec(2),
                           .idle_timeout = weir_sec(2),
                           .retries_max = 1};
    o.http2 = !p->is_h2 ? WEIR_HTTP2_NEVER : p->tls != NULL ? WEIR_HTTP2_AGREED : WEIR_HTTP2_PRIOR;
    weir_err err = e->prepare != NULL ? e->prepare(c, p, &o) : WEIR_OK;
    if (err < 0)
        return err;
    weir_http *http = weir_http_open_at(WEIR_HERE, c, &o);
    err = weir_http_err(http);
    if (err < 0)
        return err;
    WEIR_SCOPE(calls, c);
    err = e->run(calls, http);
    (void)weir_ctx_close(calls);
    if (!e->has_probes)
        weir__pool_each(must_be_even, NULL); /* what was lent is back, and nobody is in line */
    return err;
}

static weir_err run_errand(weir_ctx *c, void *arg)
{
    const struct errand *e = arg;
    struct peer p = e->peer;
    weir_time begin = weir_now();
    WEIR_SCOPE(peer, c);
    weir_err err = peer_start(peer, &p);
    WEIR_SCOPE(mine, c, .timeout = weir_sec(20));
    if (err == WEIR_OK)
        err = run_with_client(mine, e, &p);
    (void)weir_ctx_close(mine);
    (void)weir_ctx_close(peer);
    if (e->afterwards != NULL)
        e->afterwards();
    MUST(weir_time_sub(weir_now(), begin).ns < weir_sec(15).ns);
    return err;
}

/* An answer is whole, or its reply has the error that it keeps. */
static inline weir_err must_be(weir_reply *r, const char *text)
{
    weir_str body = weir_reply_body(r);
    weir_err err = weir_reply_err(r);
    MUST((body.ptr == NULL) == (err < 0));
    MUST(err < 0 || weir_str_eq(body, weir_str_from(text)));
    MUST(err < 0 || weir_reply_status(r) == 200);
    MUST(weir_reply_err(r) == err);
    return err;
}

static inline weir_err get_twice(weir_ctx *c, weir_http *http)
{
    weir_err err = WEIR_OK;
    for (int i = 0; i < 2 && err == WEIR_OK; i++) {
        WEIR_WITH(request, c, .timeout = weir_sec(5)) {
            err = must_be(weir_http_get(request, http, "/x", .timeout = weir_sec(4)), "hello");
        }
    }
    return err;
}

#define ERRAND(its_name, errand, ...)                                                              \
    check(its_name,                                                                                \
          weir_test_everywhere(.name = (its_name), .run = run_errand,                              \
                               .arg = (void *)(uintptr_t) & (errand)),                             \
          (struct least){__VA_ARGS__})

#endif
