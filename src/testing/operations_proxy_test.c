/*
 * A request that is carried on, tried everywhere: each wait cancelled, each allocation, call and
 * limit failed, in other orders. Two upstreams are in the run, of which a group of the client's
 * gives one. Whatever happens, what the client gets is whole and right, or an error, or cut.
 */
#include "testing/operations_peer.h"

#include <errno.h>

#define LENGTH "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED                                                                                    \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n"

struct both {
    struct peer of[2];
    weir_http *http;
};
static struct both both;

/* Until its context ends, with its listener. */
static weir_err serve(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    weir_err err = peer_serve(c, p);
    weir__fd_close(&p->listener);
    return err;
}

static weir_err start_peer(weir_ctx *c, struct peer *p, const char *answer)
{
    int num = weir__sim_listen();
    *p = (struct peer){.answer = answer};
    snprintf(p->base, sizeof p->base, "http://127.0.0.1:%d", num);
    weir_err err = weir__fd_watch(&p->listener, num, NULL);
    if (err == WEIR_OK)
        err = WEIR_GO(c, serve, p);
    if (err != WEIR_OK)
        weir__fd_close(&p->listener);
    return err;
}

static weir_err start(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_err err = start_peer(c, &both.of[0], LENGTH);
    if (err == WEIR_OK)
        err = start_peer(c, &both.of[1], CHUNKED);
    if (err < 0)
        return err;
    both.http = weir_http_open(
        c, .name = "both", .retries_max = 1,
        .targets = WEIR_HTTP_TARGETS({.url = both.of[0].base}, {.url = both.of[1].base}),
        .dial_timeout = weir_sec(1), .answer_timeout = weir_sec(2), .idle_timeout = weir_sec(2));
    return weir_http_err(both.http);
}

static weir_err hand_on(weir_ctx *c)
{
    return weir_proxy(c, both.http);
}

static weir_app *new_app(void *arg)
{
    static char *argv[] = {(char *)"operations", (char *)"--log-level=error", NULL};
    (void)arg;
    weir_app *app = weir_app_new(2, argv, .name = "operations", .start = start);
    weir_use(app, weir_mw_recover);
    weir_fallback(app, hand_on);
    return app;
}

static weir_err is_hello(weir_ctx *c, const weir_test_reply *r, void *arg)
{
    (void)arg;
    if (r->is_whole && r->status == 200 && !weir_str_eq(r->body, WEIR_S("hello")))
        return weir_raise(c, WEIR_EFAIL, "\"" WEIR_STR_FMT "\" was handed on",
                          WEIR_STR_ARG(r->body));
    return WEIR_OK;
}

static void requests_that_are_carried_on_everywhere(void **state)
{
    const struct {
        const char *name, *method;
        weir_str body;
        struct least least;
    } rows[] = {
        {"a GET carried on", "GET", {NULL, 0}, {3, 10, 40, 0, 0}},
        {"a PUT carried on", "PUT", WEIR_S("some bytes"), {3, 10, 40, 0, 0}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weir_test_report r =
            weir_test_everywhere(.name = rows[i].name, .app = new_app, .method = rows[i].method,
                                 .target = "/x", .with = {.body = rows[i].body}, .after = is_hello);
        check(rows[i].name, r, rows[i].least);
        if (getenv("WEIR_TEST_REPLAY") == NULL)
            assert_int_equal(r.status, 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_are_carried_on_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
