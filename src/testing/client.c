/*
 * The client of a test: one request over a simulated connection of its own. It is no fiber: it puts
 * bytes in and takes them out between two turns of the worker, so that every wait and every system
 * call of the worker is the service's.
 */
#include "testing/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "rt/sim.h"
#include "rt/sized.h"

enum { SOCKET_BYTES = 16 << 10, PATIENCE_SECONDS = 3600 };

/* --- the request's text ------------------------------------------------------------------- */

static void put_lines(FILE *out, const char *lines)
{
    while (lines != NULL && *lines != '\0') {
        size_t n = strcspn(lines, "\n");
        fprintf(out, "%.*s\r\n", (int)n, lines);
        lines += lines[n] == '\n' ? n + 1 : n;
    }
}

static void write_request(struct weir__ask *ask, const char *method, const char *target,
                          const weir_test_options *o)
{
    weir_str body = o->json != NULL ? weir_str_from(o->json) : o->body;
    FILE *out = open_memstream(&ask->text, &ask->len); /* T2: not from the heap's door */
    WEIR_ASSERT(out != NULL, "there is memory for a request");
    fprintf(out, "%s %s HTTP/1.1\r\nHost: test\r\n", method, target);
    if (o->json != NULL)
        fputs("Content-Type: application/json\r\n", out);
    put_lines(out, o->headers);
    if (body.ptr != NULL)
        fprintf(out, "Content-Length: %zu\r\n", body.len);
    fputs("\r\n", out);
    fwrite(body.ptr != NULL ? body.ptr : "", 1, body.len, out);
    fclose(out);
}

/* --- the connection ----------------------------------------------------------------------- */

static void send_more(weir_test *t, struct weir__ask *ask)
{
    while (ask->sent < ask->len) {
        ssize_t n = weir__sim_write(t->client, ask->text + ask->sent, ask->len - ask->sent);
        if (n <= 0)
            return;
        ask->sent += (size_t)n;
    }
}

static void receive_more(weir_test *t, struct weir__reply *r)
{
    char piece[4096];
    ssize_t n;
    while ((n = weir__sim_read(t->client, piece, sizeof piece)) > 0)
        weir__reply_add(r, piece, (size_t)n);
    if (n != -EAGAIN)
        weir__reply_end(r, n < 0);
}

static bool is_answered(weir_test *t, void *arg)
{
    struct weir__ask *ask = arg;
    if (t->client < 0)
        return true;
    send_more(t, ask);
    receive_more(t, ask->reply);
    return ask->reply->is_whole || ask->reply->is_over || ask->reply->mistake != NULL;
}

void weir__ask_begin(weir_test *t, struct weir__ask *ask, const char *method, const char *target,
                     const weir_test_options *options)
{
    *ask = (struct weir__ask){.reply = calloc(1, sizeof *ask->reply)};
    WEIR_ASSERT(ask->reply != NULL, "there is memory for a reply");
    ask->reply->next = t->replies;
    ask->reply->has_no_body = strcmp(method, "HEAD") == 0;
    t->replies = ask->reply;
    write_request(ask, method, target, options);
    if (t->app == NULL || t->error.len > 0)
        return;
    t->ask = ask;
    t->client = weir__sim_connect(t->listener, SOCKET_BYTES);
    send_more(t, ask);
}

void weir__ask_reset(weir_test *t)
{
    if (t->client >= 0)
        weir__sim_reset(t->client);
    if (t->ask != NULL)
        t->ask->is_reset = true;
    t->client = -1;
}

static bool is_answered_or_late(weir_test *t, void *arg)
{
    struct weir__ask *ask = arg;
    return is_answered(t, ask) || ask->gone.has_rung;
}

weir_test_reply weir__ask_end(weir_test *t, struct weir__ask *ask, weir_dur gone_after)
{
    weir__alarm_set(t, &ask->gone, gone_after.ns > 0 ? gone_after : weir_sec(PATIENCE_SECONDS));
    (void)weir__test_drive(t, is_answered_or_late, ask, weir_ns(INT64_MAX));
    weir__timer_disarm(&ask->gone.timer);
    if (t->client >= 0)
        weir__sim_close(t->client);
    t->client = -1;
    t->ask = NULL;
    free(ask->text);
    const struct weir__reply *r = ask->reply;
    const char *bytes = r->head_len > 0 ? r->bytes : "";
    return (weir_test_reply){
        .status = r->mistake == NULL && r->head_len > 0 ? r->status : 0,
        .is_whole = r->is_whole && r->mistake == NULL,
        .head = {bytes, r->head_len},
        .body = {r->body != NULL ? r->body : "", r->body_len},
    };
}

weir_test_reply weir_test_request_of(weir_test *t, const char *method, const char *target,
                                     const weir_test_options *options)
{
    struct weir__ask ask;
    weir_test_options room;
    options = weir__options(options, &room, sizeof room, "weir_test_request");
    weir__ask_begin(t, &ask, method, target, options);
    return weir__ask_end(t, &ask, options->gone_after);
}
