/*
 * For tests: a service on a simulated listener, and a client that sends raw bytes and gets raw
 * bytes. A test says how the service is built and what is asked of it; the kit freezes, serves, and
 * ends everything. What was logged is kept.
 */
#ifndef WEIR_WEB_WEB_TEST_KIT_H
#define WEIR_WEB_WEB_TEST_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "rt/io.h"
#include "rt/log.h"
#include "rt/sim.h"
#include "http/http.h"
#include "web/web.h"

#define KIT_UNUSED __attribute__((unused))

struct kit {
    struct weir__web web;
    struct weir__http_server_options options;
    struct weir__http_server *server;
    int listener;
    weir_ctx *c; /* the test's own context */
    weir_buf log;
    void (*build)(weir_group *app);
    void (*use)(struct kit *k);
};

/* A connection of the client's. */
struct kit_client {
    struct weir__fd fd;
};

static KIT_UNUSED void kit_connect(struct kit *k, struct kit_client *client)
{
    int num = weir__sim_connect(k->listener, 64 << 10);
    assert_true(num >= 0);
    assert_int_equal(weir__fd_watch(&client->fd, num, NULL), WEIR_OK);
}

static KIT_UNUSED void kit_send(struct kit *k, struct kit_client *client, const char *text)
{
    struct weir__ctx *c = weir__ctx_of(k->c);
    for (size_t at = 0, len = strlen(text); at < len;) {
        ssize_t n = weir__send(c, &client->fd, text + at, len - at, weir_never());
        assert_true(n > 0);
        at += (size_t)n;
    }
}

/* All that comes until the server closes, as a C string of the test's memory. */
static KIT_UNUSED char *kit_receive(struct kit *k, struct kit_client *client)
{
    static char text[4 << 20];
    size_t len = 0;
    for (;;) {
        ssize_t n = weir__recv(weir__ctx_of(k->c), &client->fd, text + len, sizeof text - len,
                               weir_never());
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    weir_str copy = weir_strdup(k->c, (weir_str){text, len});
    assert_non_null(copy.ptr);
    return (char *)(uintptr_t)copy.ptr;
}

static KIT_UNUSED void kit_close(struct kit_client *client)
{
    weir__fd_close(&client->fd);
}

/* One connection: sends `text`, returns everything up to its end. */
static KIT_UNUSED char *kit_raw(struct kit *k, const char *text)
{
    struct kit_client client;
    kit_connect(k, &client);
    kit_send(k, &client, text);
    char *answer = kit_receive(k, &client);
    kit_close(&client);
    return answer;
}

/* A request whose connection closes after it; `headers` are lines with CRLF, `body` may be "". */
static KIT_UNUSED char *kit_ask(struct kit *k, const char *method, const char *path,
                                const char *headers, const char *body)
{
    char length[64] = "";
    if (body[0] != '\0')
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body));
    weir_str text =
        weir_sprintf(k->c, "%s %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n%s%s\r\n%s", method,
                     path, headers, length, body);
    return kit_raw(k, text.ptr);
}

static KIT_UNUSED char *kit_get(struct kit *k, const char *path)
{
    return kit_ask(k, "GET", path, "", "");
}

static KIT_UNUSED char *kit_post_json(struct kit *k, const char *path, const char *body)
{
    return kit_ask(k, "POST", path, "Content-Type: application/json\r\n", body);
}

/* The status of a response, its body, and whether its head has a line (without CRLF). */
static KIT_UNUSED int kit_status(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

static KIT_UNUSED const char *kit_body(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end != NULL ? end + 4 : "";
}

static KIT_UNUSED bool kit_has_header(const char *answer, const char *line)
{
    const char *end = strstr(answer, "\r\n\r\n"), *at = strstr(answer, line);
    return at != NULL && end != NULL && at <= end && at[strlen(line)] == '\r' && at[-1] == '\n';
}

/* What has been logged so far, as a C string. */
static KIT_UNUSED const char *kit_log(struct kit *k)
{
    weir_buf_putc(&k->log, '\0');
    k->log.len--;
    return k->log.ptr;
}

static KIT_UNUSED size_t kit_count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        n++;
    return n;
}

#define kit_expect(answer, status, body)                                                           \
    do {                                                                                           \
        const char *kit_answer_ = (answer);                                                        \
        assert_int_equal(kit_status(kit_answer_), (status));                                       \
        assert_string_equal(kit_body(kit_answer_), (body));                                        \
    } while (0)

static KIT_UNUSED weir_err kit_main(weir_ctx *c, void *arg)
{
    struct kit *k = arg;
    struct weir__ctx *ctx = weir__ctx_of(c);
    k->c = c;
    struct weir__http_app app = weir__web_app(&k->web);
    k->server = weir__http_server_new(weir__self->runtime, &k->options, &app);
    assert_non_null(k->server);
    k->listener = weir__sim_listen();
    assert_int_equal(weir__http_server_adopt_listener(k->server, k->listener), WEIR_OK);
    assert_int_equal(weir__http_server_start(k->server, ctx), WEIR_OK);
    weir__web_attach(weir__self, &k->web);
    k->use(k);
    weir__http_server_stop_accepting(k->server, ctx);
    weir__http_server_drain(k->server, ctx);
    (void)!weir__http_server_wait_closed(k->server, ctx, weir_time_add(weir_now(), weir_sec(60)));
    weir__http_server_free(k->server, ctx);
    return WEIR_OK;
}

/* Builds, freezes (which must succeed), serves, lets `use` ask, ends. */
static KIT_UNUSED void kit_run_with(const struct weir__http_server_options *options,
                                    void (*build)(weir_group *app), void (*use)(struct kit *k))
{
    struct kit *k = calloc(1, sizeof *k);
    if (k == NULL)
        abort();
    if (options != NULL)
        k->options = *options;
    k->use = use;
    weir_buf_init(&k->log, 16 << 20);
    weir__log_capture(&k->log);
    weir__web_init(&k->web);
    build(&k->web.root);
    weir_buf report;
    weir_buf_init(&report, 1 << 20);
    weir_err err = weir__web_freeze(&k->web, &report);
    if (err != WEIR_OK)
        fail_msg("the service has mistakes:\n" WEIR_STR_FMT, WEIR_STR_ARG(weir_buf_str(&report)));
    weir_buf_fini(&report);
    assert_int_equal(weir__sim_run(kit_main, k), WEIR_OK);
    weir__web_fini(&k->web);
    weir__log_capture(NULL);
    weir_buf_fini(&k->log);
    free(k);
}

static KIT_UNUSED void kit_run(void (*build)(weir_group *app), void (*use)(struct kit *k))
{
    kit_run_with(NULL, build, use);
}

/* The mistakes of a service, in the caller's buffer. */
static KIT_UNUSED weir_err kit_mistakes(void (*build)(weir_group *app), char *text, size_t size)
{
    struct weir__web *web = calloc(1, sizeof *web);
    weir_buf report;
    weir_buf_init_fixed(&report, text, size - 1);
    weir__web_init(web);
    build(&web->root);
    weir_err err = weir__web_freeze(web, &report);
    text[report.len] = '\0';
    weir__web_fini(web);
    free(web);
    return err;
}

#endif
