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
#include "http/h2/testing.h"
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

/* Of the server, before it starts; NULL: nothing. */
static KIT_UNUSED void (*kit_prepares)(struct weir__http_server *server);

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

/* --- the same over HTTP/2 --------------------------------------------------------------------- */

/* WEIR_OVER=h2c: requests of kit_ask go over HTTP/2, and look as if they had not. */
static KIT_UNUSED bool kit_is_h2(void)
{
    const char *name = getenv("WEIR_OVER");
    return WEIR_HTTP2 && name != NULL && strcmp(name, "h2c") == 0;
}

/* For tests of how HTTP/1 writes things. */
#define KIT_HTTP1_ONLY()                                                                           \
    do {                                                                                           \
        if (kit_is_h2())                                                                           \
            skip();                                                                                \
    } while (0)

#if WEIR_HTTP2

/* Lines with CRLF become fields; what says nothing over HTTP/2 is left out. */
static size_t kit_fields(struct kit *k, const char **fields, size_t count, const char *lines)
{
    while (*lines != '\0' && count < 240) {
        const char *end = strstr(lines, "\r\n"), *colon = strchr(lines, ':');
        char *name =
            (char *)(uintptr_t)weir_strdup(k->c, (weir_str){lines, (size_t)(colon - lines)}).ptr;
        weir_str value = weir_str_trim((weir_str){colon + 1, (size_t)(end - colon - 1)});
        for (char *at = name; *at != '\0'; at++)
            *at = (char)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at);
        fields[count++] = name;
        fields[count++] = weir_strdup(k->c, value).ptr;
        lines = end + 2;
        if (strcmp(name, "transfer-encoding") == 0)
            count -= 2;
    }
    fields[count] = NULL;
    return count;
}

/* "name: value" as HTTP/1 would have written it. */
static void kit_put_line(weir_buf *out, const char *line, size_t len)
{
    static const char *const odd[] = {"ETag", "WWW-Authenticate"};
    size_t name = strcspn(line, ":"), start = out->len;
    weir_buf_puts(out, (weir_str){line, len});
    for (size_t i = 0; i < name; i++) {
        if ((i == 0 || line[i - 1] == '-') && line[i] >= 'a' && line[i] <= 'z')
            out->ptr[start + i] = (char)(line[i] - 32);
    }
    for (size_t i = 0; i < 2; i++) {
        if (strlen(odd[i]) == name && strncasecmp(odd[i], line, name) == 0)
            memcpy(out->ptr + start, odd[i], name);
    }
    weir_buf_puts(out, WEIR_S("\r\n"));
}

static void kit_put_head(weir_buf *out, const char *fields)
{
    weir_buf_printf(out, "HTTP/1.1 %.3s \r\n", fields + strlen(":status: "));
    for (const char *line = strchr(fields, '\n') + 1; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        kit_put_line(out, line, len);
        line += len + 1;
    }
    weir_buf_puts(out, WEIR_S("Connection: close\r\n\r\n"));
}

static char *kit_response_h2(struct kit *k, struct peer *p)
{
    weir_buf out = {0};
    struct frame f;
    weir_buf_init(&out, 4 << 20);
    for (int patience = 0; patience < 20000;) {
        if (!next_frame(p, &f)) {
            patience++;
            peer_wait(p, 5);
            continue;
        }
        bool is_final = f.type == HEADERS && strncmp(f.fields, ":status: 1", 10) != 0;
        if (is_final)
            kit_put_head(&out, f.fields);
        if (f.type == DATA)
            weir_buf_puts(&out, (weir_str){(const char *)f.payload, f.len});
        if (f.type == RST_STREAM || f.type == GOAWAY ||
            ((f.type == DATA || is_final) && (f.flags & END_STREAM) != 0))
            break;
    }
    weir_str copy = weir_strdup(k->c, weir_buf_str(&out));
    weir_buf_fini(&out);
    return (char *)(uintptr_t)copy.ptr;
}

static KIT_UNUSED char *kit_ask_h2(struct kit *k, const char *method, const char *path,
                                   const char *headers, const char *body)
{
    const char *fields[256] = {":method", method, ":scheme",    "http",
                               ":path",   path,   ":authority", "t"};
    char length[32];
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    size_t count = 8, left = strlen(body);
    snprintf(length, sizeof length, "%zu", left);
    if (left > 0) {
        fields[count++] = "content-length";
        fields[count++] = length;
    }
    (void)kit_fields(k, fields, count, headers);
    peer_open(p, k->c, weir__sim_connect(k->listener, 4 << 20));
    put_preface(p);
    put_setting(p, 4, 1 << 30);
    put_u32(p, WINDOW_UPDATE, 0, 1 << 30);
    if (strcmp(method, "CONNECT") == 0)
        PUT_FIELDS(p, 1, 0, ":method", method, ":authority", path);
    else
        put_fields(p, 1, left == 0 && strstr(headers, "chunked") == NULL ? END_STREAM : 0, fields);
    for (size_t n; left > 0; left -= n, body += n) {
        n = left < 16000 ? left : 16000;
        put_frame(p, DATA, n == left ? END_STREAM : 0, 1, body, n);
    }
    char *answer = kit_response_h2(k, p);
    peer_close(p);
    free(p);
    return answer;
}

#endif

/* A request whose connection closes after it; `headers` are lines with CRLF, `body` may be "". */
static KIT_UNUSED char *kit_ask(struct kit *k, const char *method, const char *path,
                                const char *headers, const char *body)
{
    char length[64] = "";
#if WEIR_HTTP2
    if (kit_is_h2() && strlen(body) <= 60000)
        return kit_ask_h2(k, method, path, headers, body);
#endif
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
    const char *end = strstr(answer, "\r\n\r\n");
    const char *at = kit_is_h2() ? strcasestr(answer, line) : strstr(answer, line);
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
    if (kit_prepares != NULL)
        kit_prepares(k->server);
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
