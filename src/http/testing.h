/*
 * For the tests of the server: a server on the simulation with a handler for each thing that a
 * handler may do, and a client that talks in bytes. Time is virtual: waiting costs nothing.
 */
#ifndef WEIR_HTTP_TESTING_H
#define WEIR_HTTP_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "http/common/conn.h"
#include "http/http.h"
#include "rt/sim.h"
#include "wire/chunked.h"
#include <weir/fiber.h>

#define CAPACITY (64u << 10) /* of a simulated socket, each way */

struct rig {
    weir_ctx *ctx;
    struct weir__http_server *server;
    int listener;
    unsigned done;        /* calls of app.done */
    unsigned last_status; /* what it saw */
    weir_err last_err;    /* of what the last handler waited for or wrote */
    unsigned slow_ends;   /* handlers of /sleep that have returned */
};

static weir_err say(struct weir__exchange *x, int status, weir_str body)
{
    return weir__exchange_respond(x, status, WEIR_S("text/plain"), body);
}

static void serve_echo(struct weir__exchange *x, struct rig *rig)
{
    weir_str body;
    rig->last_err = weir__exchange_read_all(x, 0, &body);
    if (rig->last_err == WEIR_OK)
        (void)say(x, 200, body);
}

/* In pieces of seven bytes, streamed back as they come. */
static void serve_pieces(struct weir__exchange *x, struct rig *rig)
{
    char piece[7];
    ssize_t n;
    (void)weir__exchange_begin(x, 200, WEIR_S("text/plain"), -1);
    while ((n = weir__exchange_read(x, piece, sizeof piece)) > 0)
        (void)weir__exchange_write(x, (weir_str){piece, (size_t)n});
    rig->last_err = (weir_err)n;
    if (n == 0)
        (void)weir__exchange_end(x);
}

/* Behind `bytes` of a body follow as many fields as there may be. */
static void serve_behind(struct weir__exchange *x, size_t bytes)
{
    static char much[100000];
    weir_err err = weir__exchange_begin(x, 200, WEIR_S("text/plain"), -1);
    if (err == WEIR_OK)
        err = weir__exchange_write(x, (weir_str){memset(much, 'x', bytes), bytes});
    for (int i = 0; err == WEIR_OK && i < WEIR__TRAILERS_MAX; i++)
        err = weir__exchange_trailer_add(x, WEIR_S("X-Sum"), WEIR_S("42"));
    assert_int_equal(weir__exchange_trailer_add(x, WEIR_S("X-Sum"), WEIR_S("")),
                     err == WEIR_OK ? -EMSGSIZE : WEIR_OK);
    if (err == WEIR_OK)
        (void)weir__exchange_end(x);
}

/* No body, and no word of its length. */
static void serve_head_alone(struct weir__exchange *x)
{
    (void)weir__exchange_header_add(x, WEIR_S("grpc-status"), WEIR_S("12"));
    (void)weir__exchange_begin(x, 200, WEIR_S("application/grpc"), -1);
    (void)weir__exchange_end(x);
}

static void serve_trailers(struct weir__exchange *x)
{
    weir_str body, rest, name, value;
    if (weir__exchange_read_all(x, 0, &body) != WEIR_OK)
        return;
    rest = weir__exchange_trailers(x);
    if (weir__trailer_next(&rest, &name, &value))
        (void)weir__exchange_header_add(x, WEIR_S("X-Trailer"), value);
    (void)say(x, 200, body);
}

static void serve_big(struct weir__exchange *x, struct rig *rig)
{
    int64_t size = 200000;
    if (weir_str_i64(weir__exchange_query(x), &size) < 0)
        size = 200000;
    char *bytes = weir__ctx_alloc(x->ctx, (size_t)size);
    assert_non_null(bytes);
    memset(bytes, 'b', (size_t)size);
    rig->last_err = say(x, 200, (weir_str){bytes, (size_t)size});
}

static void serve_rows(struct weir__exchange *x, struct rig *rig)
{
    rig->last_err = weir__exchange_begin(x, 200, WEIR_S("text/plain"), -1);
    for (int i = 0; i < 5000 && rig->last_err == WEIR_OK; i++) {
        char *at;
        size_t room;
        rig->last_err = weir__exchange_window(x, 16, &at, &room);
        if (rig->last_err == WEIR_OK)
            rig->last_err = weir__exchange_commit(x, (size_t)snprintf(at, room, "row %06d\n", i));
    }
    if (rig->last_err == WEIR_OK)
        rig->last_err = weir__exchange_end(x);
}

static void serve_sleep(struct weir__exchange *x, struct rig *rig)
{
    int64_t ms = 1000;
    if (weir_str_i64(weir__exchange_query(x), &ms) < 0)
        ms = 1000;
    rig->last_err = weir_sleep(weir__ctx_handle(x->ctx), weir_ms(ms));
    rig->slow_ends++;
    if (rig->last_err == WEIR_OK)
        (void)say(x, 200, WEIR_S("slept"));
}

/* Whom it is from, and how long it may take in all. */
static void serve_client(struct weir__exchange *x)
{
    char ip[WEIR__ENDPOINT_TEXT_MAX], text[128];
    struct weir__endpoint client;
    weir__exchange_client(x, &client);
    (void)weir__endpoint_format_ip(&client, ip);
    int64_t ms = weir_time_sub(x->ctx->deadline, x->began).ns / 1000000;
    int n = snprintf(text, sizeof text, "%s port %u in %lld ms", ip, client.port, (long long)ms);
    (void)say(x, 200, (weir_str){text, (size_t)n});
}

static void serve_cut(struct weir__exchange *x, bool has_left)
{
    (void)weir__exchange_begin(x, 200, WEIR_S("text/plain"), -1);
    (void)weir__exchange_write(x, WEIR_S("half of it"));
    if (has_left)
        (void)weir__exchange_flush(x);
}

#define ROW 6000
#define ROWS_BYTES ((uint64_t)26 * ROW)

/* In a fiber of its own, more than a client takes at once. */
static weir_err write_rows(weir_ctx *c, void *arg)
{
    struct weir__exchange *x = arg;
    char row[ROW];
    (void)c;
    for (int ch = 'a'; ch <= 'z'; ch++) {
        memset(row, ch, sizeof row);
        weir_err err = weir__exchange_write(x, (weir_str){row, sizeof row});
        if (err != WEIR_OK)
            return err;
    }
    return WEIR_OK;
}

/* Written by a child, or by two at once, while the handler has other waits. */
static void serve_by_children(struct weir__exchange *x, struct rig *rig, int count)
{
    weir_ctx *c = weir__ctx_handle(x->ctx);
    (void)weir__exchange_begin(x, 200, WEIR_S("text/plain"), -1);
    for (int i = 0; i < count; i++)
        assert_int_equal(WEIR_GO(c, write_rows, x), 0);
    while (x->bytes_out < ROWS_BYTES && x->ctx->reason == WEIR_REASON_NONE)
        (void)!weir_sleep(c, weir_ms(3));
    rig->last_err = weir_join(c);
    if (rig->last_err == WEIR_OK)
        (void)weir__exchange_end(x);
}

static weir_err echo_tunnel(weir_ctx *c, void *arg)
{
    struct weir__exchange *x = arg;
    char piece[7];
    ssize_t n;
    (void)c;
    while ((n = weir__exchange_read(x, piece, sizeof piece)) > 0) {
        weir_err err = weir__exchange_write(x, (weir_str){piece, (size_t)n});
        if (err == WEIR_OK)
            err = weir__exchange_flush(x);
        if (err != WEIR_OK)
            return err;
    }
    return (weir_err)n;
}

/* Goes on as another protocol, which says what it is told; `is_apart`: in a fiber of its own. */
static void serve_tunnel(struct weir__exchange *x, struct rig *rig, bool is_apart)
{
    weir_ctx *c = weir__ctx_handle(x->ctx);
    rig->last_err = weir__exchange_upgrade(x, WEIR_S("echo"));
    if (rig->last_err != WEIR_OK) {
        (void)say(x, 426, WEIR_S("only as echo"));
        return;
    }
    if (is_apart) {
        assert_int_equal(WEIR_GO(c, echo_tunnel, x), 0);
        rig->last_err = weir_join(c);
    } else {
        rig->last_err = echo_tunnel(c, x);
    }
    if (rig->last_err == WEIR_OK && weir__exchange_write(x, WEIR_S("bye")) == WEIR_OK)
        (void)weir__exchange_end(x);
}

#define AT(literal) weir_str_eq(weir__exchange_path(x), WEIR_S(literal))

/* What no handler should do. */
static void serve_badly(struct weir__exchange *x, struct rig *rig)
{
    if (AT("/empty"))
        (void)say(x, 204, WEIR_S("must not be sent"));
    else if (AT("/reset"))
        (void)say(x, 205, WEIR_S("must not be sent"));
    else if (AT("/reset-stream")) {
        (void)weir__exchange_begin(x, 205, WEIR_S("text/plain"), -1);
        (void)weir__exchange_write(x, WEIR_S("must not be sent"));
        (void)weir__exchange_end(x);
    } else if (AT("/panic"))
        weir_panic("as asked");
    else if (AT("/cut"))
        serve_cut(x, true);
    else if (AT("/kept"))
        serve_cut(x, false);
    else if (AT("/twice")) {
        (void)say(x, 200, WEIR_S("first"));
        rig->last_err = say(x, 500, WEIR_S("second"));
    } else if (!AT("/silence"))
        (void)say(x, 404, WEIR_S("no such path"));
}

static void serve(struct weir__exchange *x, void *arg)
{
    struct rig *rig = arg;
    if (AT("/hello"))
        (void)say(x, 200, WEIR_S("hello"));
    else if (AT("/path"))
        (void)say(x, 200, weir__exchange_target(x));
    else if (AT("/echo"))
        serve_echo(x, rig);
    else if (AT("/pieces"))
        serve_pieces(x, rig);
    else if (AT("/behind"))
        serve_behind(x, 5);
    else if (AT("/behind/never"))
        serve_head_alone(x);
    else if (AT("/behind/nothing"))
        serve_behind(x, 0);
    else if (AT("/behind/full"))
        serve_behind(x, 16200);
    else if (AT("/behind/much"))
        serve_behind(x, 100000);
    else if (AT("/trailers"))
        serve_trailers(x);
    else if (AT("/big"))
        serve_big(x, rig);
    else if (AT("/rows"))
        serve_rows(x, rig);
    else if (AT("/sleep"))
        serve_sleep(x, rig);
    else if (AT("/child"))
        serve_by_children(x, rig, 1);
    else if (AT("/children"))
        serve_by_children(x, rig, 2);
    else if (AT("/tunnel"))
        serve_tunnel(x, rig, false);
    else if (AT("/tunnel-apart"))
        serve_tunnel(x, rig, true);
    else if (AT("/client"))
        serve_client(x);
    else
        serve_badly(x, rig);
}

#undef AT

static void done(struct weir__exchange *x, void *arg)
{
    struct rig *rig = arg;
    rig->done++;
    rig->last_status = x->status;
}

/* --- the rig ---------------------------------------------------------------------------------- */

/* With a handler of the test's own. */
static inline void rig_open_for(struct rig *rig, weir_ctx *c,
                                const struct weir__http_server_options *options,
                                void (*handler)(struct weir__exchange *x, void *arg))
{
    struct weir__http_app app = {.serve = handler, .done = done, .arg = rig};
    *rig = (struct rig){.ctx = c, .listener = weir__sim_listen()};
    rig->server = weir__http_server_new(weir__self->runtime, options, &app);
    assert_non_null(rig->server);
    assert_int_equal(weir__http_server_adopt_listener(rig->server, rig->listener), 0);
    assert_int_equal(weir__http_server_start(rig->server, weir__ctx_of(c)), 0);
}

static inline void rig_open(struct rig *rig, weir_ctx *c,
                            const struct weir__http_server_options *options)
{
    rig_open_for(rig, c, options, serve);
}

static inline void rig_close(struct rig *rig)
{
    weir__http_server_free(rig->server, weir__ctx_of(rig->ctx));
}

static inline struct weir__http_stats rig_stats(const struct rig *rig)
{
    struct weir__http_stats stats;
    weir__http_server_stats(rig->server, &stats);
    return stats;
}

static inline void wait_ms(struct rig *rig, int64_t ms)
{
    assert_int_equal(weir_sleep(rig->ctx, weir_ms(ms)), 0);
}

static inline int dial(struct rig *rig)
{
    return weir__sim_connect(rig->listener, CAPACITY);
}

static inline void put(int client, const char *text)
{
    assert_int_equal(weir__sim_write(client, text, strlen(text)), strlen(text));
}

/*
 * What has come for the client by now, NUL-terminated. `*is_over` (may be NULL): and nothing will
 * follow.
 */
static inline char *get(struct rig *rig, int client, bool *is_over)
{
    static char bytes[1 << 20];
    size_t len = 0;
    ssize_t n;
    wait_ms(rig, 1);
    for (;;) {
        n = weir__sim_read(client, bytes + len, sizeof bytes - 1 - len);
        if (n > 0) {
            len += (size_t)n;
            wait_ms(rig, 1);
        } else {
            break;
        }
    }
    bytes[len] = '\0';
    if (is_over != NULL)
        *is_over = n != -EAGAIN;
    return bytes;
}

static inline char *ask(struct rig *rig, int client, const char *request)
{
    put(client, request);
    return get(rig, client, NULL);
}

static inline char *body_of(char *response)
{
    char *end = strstr(response, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

#define assert_has(text, part)                                                                     \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL)                                                        \
            fail_msg("no \"%s\" in \"%.300s\"", (part), (text));                                   \
    } while (0)
#define assert_lacks(text, part)                                                                   \
    do {                                                                                           \
        if (strstr((text), (part)) != NULL)                                                        \
            fail_msg("\"%s\" in \"%.300s\"", (part), (text));                                      \
    } while (0)

static inline bool is_over(struct rig *rig, int client)
{
    bool over;
    (void)get(rig, client, &over);
    return over;
}

#define HELLO "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"

typedef void (*rig_test)(struct rig *rig);

struct rig_run {
    rig_test test;
    const struct weir__http_server_options *options;
};

static weir_err rig_main(weir_ctx *c, void *arg)
{
    struct rig_run *run = arg;
    struct rig rig;
    rig_open(&rig, c, run->options);
    run->test(&rig);
    rig_close(&rig);
    return WEIR_OK;
}

static inline void run_rig(rig_test test, const struct weir__http_server_options *options)
{
    struct weir__http_server_options none = {0};
    struct rig_run run = {test, options != NULL ? options : &none};
    assert_int_equal(weir__sim_run(rig_main, &run), WEIR_OK);
}

#endif
