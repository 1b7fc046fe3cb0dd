/*
 * A request that is carried on, tried everywhere: each wait cancelled, each allocation, call and
 * limit failed, in other orders. Two upstreams are in the run, of which a group of the client's
 * gives one; one of them is also there by each address of its name. Whatever happens, what the
 * client gets is whole and right, or an error, or cut.
 */
#include "testing/operations_peer.h"

#include <errno.h>

#define LENGTH "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED                                                                                    \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n"
#define BUSY "HTTP/1.1 503 x\r\nContent-Length: 4\r\n\r\nbusy"

/* A body that is still coming when the first of it goes on: it gets a fiber of its own. */
enum { MUCH = 50000 };
static char much[MUCH];

/* A request, and what the two upstreams are. */
struct row {
    const char *name, *method, *headers;
    weir_str body;
    struct peer peers[2];
    int status;
    struct least least;
};

struct both {
    struct peer of[2];
    weir_http *http;
};
static struct both both;
static const struct row *row;

static weir_err start(weir_ctx *c, void *arg)
{
    weir_err err = WEIR_OK;
    (void)arg;
    for (int i = 0; i < 2 && err == WEIR_OK; i++) {
        both.of[i] = row->peers[i];
        err = peer_start(c, &both.of[i]);
    }
    if (err < 0)
        return err;
    char named[64];
    snprintf(named, sizeof named, "http://localhost%s", strrchr(both.of[1].base, ':'));
    both.http = weir_http_open(
        c, .name = "both", .retries_max = 1,
        .http2 = row->peers[0].is_h2 ? WEIR_HTTP2_PRIOR : WEIR_HTTP2_NEVER,
        .targets = WEIR_HTTP_TARGETS({.url = both.of[0].base}, {.url = both.of[1].base},
                                     {.url = named, .each_address = true}),
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

#define BOTH(...)                                                                                  \
    {                                                                                              \
        {__VA_ARGS__},                                                                             \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const struct row rows[] = {
    {"a GET carried on",
     "GET",
     NULL,
     {NULL, 0},
     {{.answer = LENGTH}, {.answer = CHUNKED}},
     200,
     {3, 10, 40, 0, 0}},
    {"a PUT carried on",
     "PUT",
     NULL,
     WEIR_S("some bytes"),
     {{.answer = LENGTH}, {.answer = CHUNKED}},
     200,
     {3, 10, 40, 0, 0}},
    {"a PUT that waits",
     "PUT",
     "Expect: 100-continue",
     WEIR_S("some bytes"),
     {{.answer = LENGTH}, {.answer = CHUNKED}},
     200,
     {3, 10, 40, 0, 0}},
    {"a PUT that is still coming",
     "PUT",
     NULL,
     {much, MUCH},
     {{.answer = LENGTH}, {.answer = CHUNKED}},
     200,
     {8, 10, 40, 1, 6}},
    {"a PUT that is answered early",
     "PUT",
     NULL,
     {much, MUCH},
     {{.answer = LENGTH, .hears = 20000}, {.answer = CHUNKED, .hears = 20000}},
     200,
     {5, 10, 40, 1, 3}},
    {"a busy upstream",
     "GET",
     NULL,
     {NULL, 0},
     {{.answer = LENGTH, .first = BUSY}, {.answer = CHUNKED}},
     200,
     {3, 10, 40, 0, 0}},
    {"an upgrade",
     "GET",
     "Connection: upgrade\nUpgrade: echo",
     {NULL, 0},
     BOTH(.answer = "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello",
          .closes = true),
     101,
     {3, 10, 40, 0, 0}},
    {"a GET carried on by HTTP/2",
     "GET",
     NULL,
     {NULL, 0},
     BOTH(.is_h2 = true),
     200,
     {3, 10, 40, 0, 0}},
    {"a PUT carried on by HTTP/2",
     "PUT",
     NULL,
     WEIR_S("some bytes"),
     BOTH(.is_h2 = true),
     200,
     {3, 10, 40, 0, 0}},
    {"a PUT still coming by HTTP/2",
     "PUT",
     NULL,
     {much, MUCH},
     BOTH(.is_h2 = true),
     200,
     {10, 10, 40, 1, 6}},
};

static void requests_that_are_carried_on_everywhere(void **state)
{
    (void)state;
    memset(much, 'x', sizeof much);
    for (row = rows; row < rows + sizeof rows / sizeof rows[0]; row++) {
        if (row->peers[0].is_h2 && !WEIR_HTTP2)
            continue;
        weir_test_report r =
            weir_test_everywhere(.name = row->name, .app = new_app, .method = row->method,
                                 .target = "/x",
                                 .with = {.headers = row->headers, .body = row->body},
                                 .after = is_hello);
        check(row->name, r, row->least);
        if (getenv("WEIR_TEST_REPLAY") == NULL)
            assert_int_equal(r.status, row->status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_are_carried_on_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
