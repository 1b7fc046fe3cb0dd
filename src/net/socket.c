/*
 * Outgoing connections. Nothing here but addresses, what stays an error, and the end: receiving and
 * sending are the stream's, on the kernel as in the simulation.
 *
 * The one hard thing is the end, by hand or by the context, while a fiber of another context waits
 * in a call: it is woken by the closing, and waited for until it has left (sync/busy.h), because
 * the socket's memory goes with the context.
 *
 * Owns the descriptor. Context: fibers of the worker that dialled.
 */
#include <stdio.h>
#include <string.h>

#include "base/given.h"
#include "net/dial.h"
#include "net/endpoint.h"
#include "net/local.h"
#include "net/stream.h"
#include "net/tls_handle.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/sized.h"
#include "rt/slip.h"
#include "sync/busy.h"
#include <weir/fiber.h>
#include <weir/socket.h>

#define KIND WEIR__KIND_SOCKET
#define TIMEOUT_NS_DEFAULT 5000000000

struct weir_socket {
    struct weir__busy busy;
    struct weir__stream stream;
    weir_err err; /* the one that stays */
    bool is_receiving, is_sending, is_shut;
    char *where;
};

static weir_socket no_memory = {.busy = {.q = {.token = WEIR__TOKEN_STATIC(KIND)}},
                                .stream = {.fd = {.num = -1}},
                                .err = -ENOMEM};

/* --- the end ------------------------------------------------------------------------------ */

/* What is behind a handle; misuse unless this worker may use it. */
static weir_socket *socket_of(const weir_socket *handle, const char *function)
{
    return weir__waitq_of(handle, KIND, function, "the socket");
}

static void release(struct weir__owned *o)
{
    weir_socket *s = WEIR_CONTAINER(o, weir_socket, busy.q.owned);
    if (weir__busy_end(&s->busy, false))
        weir__stream_close(&s->stream);
    weir__busy_await(&s->busy, 0);
    WEIR_ASSERT(!s->is_receiving && !s->is_sending, "S5: a socket goes when no call is inside");
    WEIR_ASSERT(!weir__stream_is_open(&s->stream), "S7: a socket that has ended is closed");
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    const weir_socket *s = WEIR_CONTAINER(o, weir_socket, busy.q.owned);
    weir_buf_printf(out, "to %s", s->where != NULL ? s->where : "?");
}

static const struct weir__owned_type owned_type = {
    .name = "socket", .release = release, .describe = describe};

void weir_socket_close(weir_ctx *c, weir_socket *s)
{
    WEIR__FIBERS_ONLY();
    (void)weir__ctx_of(c);
    s = socket_of(s, __func__);
    if (!weir__busy_end(&s->busy, true))
        return;
    weir__stream_close(&s->stream);
    weir__busy_await(&s->busy, 1);
    WEIR_ASSERT(!s->is_receiving && !s->is_sending, "S5: a socket goes when no call is inside");
    weir__disown(&s->busy.q.owned);
    weir__busy_leave(&s->busy);
}

/* --- dialling ----------------------------------------------------------------------------- */

static const char form[] = "not an address; write host:port, ip:port, [ip6]:port, unix:/path or "
                           "unix:@name";

/* "every address of the machine" is for listening. */
static bool is_any(weir_str where)
{
    static const uint8_t any[16];
    struct weir__endpoint e;
    return weir__endpoint_parse(where, &e) == WEIR_OK && memcmp(e.ip, any, sizeof any) == 0;
}

/* `why` is what is told of an error. */
static weir_err dial(struct weir__ctx *c, weir_socket *s, weir_time until,
                     char why[WEIR__DIAL_WHY_MAX])
{
    struct weir__dial d = {.until = until};
    weir_err err = weir__may_wait(c);
    if (err < 0)
        return err;
    if (weir__local_is(weir_str_from(s->where))) {
        err = weir__dial_local(c, weir_str_from(s->where), until, &s->stream);
        snprintf(why, WEIR__DIAL_WHY_MAX, "%s", err == WEIR_EINVALID ? form : weir_strerror(err));
        return err;
    }
    if (!weir__endpoint_split(weir_str_from(s->where), &d.host, &d.port) ||
        is_any(weir_str_from(s->where)))
        err = weir__wait_refused(WEIR_EINVALID);
    else
        err = weir__dial_stream(c, &d, &s->stream);
    snprintf(why, WEIR__DIAL_WHY_MAX, "%s", err == WEIR_EINVALID ? form : d.why);
    return err;
}

/*
 * Whom the certificate must name: what was said, else the host of `where`. A path has no name, and
 * the port 0.
 */
static weir_str name_of(const char *where, const char *said, uint16_t *port)
{
    weir_str host;
    bool has_host = !weir__local_is(weir_str_from(where)) &&
                    weir__endpoint_split(weir_str_from(where), &host, port);
    if (!has_host) {
        *port = 0;
        host = (weir_str){NULL, 0};
    }
    return said != NULL ? weir_str_from(said) : host;
}

static weir_err shake_hands(struct weir__ctx *c, weir_socket *s, struct weir__tls_client *client,
                            const char *said, weir_time until, weir_buf *why)
{
    uint16_t port;
    weir_str name = name_of(s->where, said, &port);
    WEIR_ASSERT(weir__stream_is_open(&s->stream), "D4: a handshake is made on a connection");
    weir_err err = weir__tls_connect(&s->stream, client, name, port);
    if (err == WEIR_EINVALID)
        weir_buf_puts(why, WEIR_S("no name for its certificate: TLS needs .tls_name here"));
    if (err == WEIR_OK)
        err = weir__tls_await_handshake(c, &s->stream, until, why);
    if (err < 0)
        weir__stream_close(&s->stream);
    return err;
}

/* A TLS that could not be made is refused before there is a connection. */
static weir_err dial_with_tls(struct weir__ctx *c, weir_socket *s, const weir_dial_options *o,
                              weir_time until, char text[WEIR__DIAL_WHY_MAX])
{
    struct weir__tls_client *client;
    weir_err err = weir__tls_of(o->tls, "weir_dial", &client);
    weir_buf why;
    if (err < 0) {
        snprintf(text, WEIR__DIAL_WHY_MAX, "its TLS could not be made: weir_tls_new has said why");
        return weir__wait_refused(err);
    }
    err = dial(c, s, until, text);
    if (err < 0)
        return err;
    weir_buf_init_fixed(&why, text, WEIR__DIAL_WHY_MAX - 1);
    err = shake_hands(c, s, client, o->tls_name, until, &why);
    text[why.len] = '\0';
    return err;
}

static void tell(const weir_site *site, weir_ctx *c, weir_err err, const char *where,
                 const char *why)
{
    WEIR_ASSERT(err < 0, "S7: a socket has its connection or an error");
    if (weir__ctx_of(c)->reason == WEIR_REASON_NONE)
        (void)weir_raise_at(site, c, err, 0, "cannot dial %s: %s", where, why);
}

weir_socket *weir_dial_at(const weir_site *site, weir_ctx *c, const char *where,
                          const weir_dial_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    if (where == NULL)
        weir__misuse("weir_dial", "the address is NULL");
    weir_dial_options room;
    options = weir__options(options, &room, sizeof room, "weir_dial");
    struct weir__ctx *owner = weir__ctx_local(weir__ctx_of_at(c, "weir_dial"));
    weir_socket *s = weir__waitq_new(owner, sizeof *s, KIND, &owned_type, site);
    if (s == NULL) {
        tell(site, c, -ENOMEM, where, weir_strerror(-ENOMEM));
        return &no_memory;
    }
    s->stream.fd.num = -1;
    s->err = -ENOMEM;
    size_t size = strlen(where) + 1;
    s->where = weir__ctx_object(owner, size);
    char why[WEIR__DIAL_WHY_MAX] = "";
    if (s->where != NULL) {
        memcpy(s->where, where, size);
        weir__slip_look(site, weir__ctx_of(c), "weir_dial: .timeout", options->timeout);
        weir_dur timeout = options->timeout.ns > 0 ? options->timeout : weir_ns(TIMEOUT_NS_DEFAULT);
        weir_time until = weir_time_add(weir__worker_now(weir__self), timeout);
        s->err = options->tls != NULL ? dial_with_tls(weir__ctx_of(c), s, options, until, why)
                                      : dial(weir__ctx_of(c), s, until, why);
    }
    WEIR_ASSERT((s->err == WEIR_OK) == weir__stream_is_open(&s->stream),
                "S7: a socket has its connection or an error");
    if (s->err < 0)
        tell(site, c, s->err, where, why[0] != '\0' ? why : weir_strerror(s->err));
    return weir__token_handle(&s->busy.q.token);
}

weir_err weir_socket_err(const weir_socket *s)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return socket_of(s, __func__)->err;
}

weir_str weir_socket_alpn(const weir_socket *s)
{
    WEIR__FIBERS_ONLY((weir_str){NULL, 0});
    struct weir__tls_facts facts = {.alpn = {NULL, 0}};
    const struct weir__stream *stream = &socket_of(s, __func__)->stream;
    if (weir__stream_is_open(stream) && weir__tls_is_on(stream))
        weir__tls_facts(stream, &facts);
    return facts.alpn;
}

/* --- calls -------------------------------------------------------------------------------- */

/* Each call begins with it, and ends with weir__busy_leave when it was WEIR_OK. */
static weir_err enter(struct weir__ctx *c, weir_socket *s)
{
    weir_err err = weir__may_wait(c);
    if (err < 0)
        return err;
    err = weir__busy_enter(&s->busy);
    if (err == WEIR_OK && s->err < 0) {
        weir__busy_leave(&s->busy);
        err = s->err;
    }
    return err < 0 ? weir__wait_refused(err) : WEIR_OK;
}

/* The same for calls of which one goes on at a time. */
static weir_err enter_alone(struct weir__ctx *c, weir_socket *s, bool *is_taken,
                            const char *function)
{
    weir_err err = enter(c, s);
    if (err == WEIR_OK && *is_taken) {
        weir__busy_leave(&s->busy);
        weir__misuse(function, "another fiber is in it: one at a time on a socket");
    }
    WEIR_ASSERT(err < 0 || weir__stream_is_open(&s->stream),
                "S7: a socket has its connection or an error");
    if (err == WEIR_OK)
        *is_taken = true;
    return err;
}

/* What the end of the descriptor under a call means. */
static ssize_t or_closed(const weir_socket *s, ssize_t n)
{
    return n < 0 && !weir__stream_is_open(&s->stream) ? WEIR_ECLOSED : n;
}

/* True for what says nothing of the connection: the context is over, or the socket. */
static bool is_passing(struct weir__ctx *c, weir_err err)
{
    return err == WEIR_ECLOSED || err == weir__ctx_check(c);
}

/* The first error stays, and is what every call returns from then on. */
static weir_err keep(weir_socket *s, weir_err err)
{
    WEIR_ASSERT(err < 0, "S7: what stays is an error");
    if (s->err == WEIR_OK)
        s->err = err;
    return s->err;
}

ssize_t weir_socket_recv(weir_ctx *c, weir_socket *s, void *bytes, size_t size)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_some(bytes, size, "the memory");
    struct weir__ctx *ctx = weir__ctx_of(c);
    s = socket_of(s, __func__);
    weir_err err = enter_alone(ctx, s, &s->is_receiving, "weir_socket_recv");
    if (err < 0)
        return err;
    ssize_t n = or_closed(s, weir__stream_recv(ctx, &s->stream, bytes, size, weir_never()));
    if (n < 0 && !is_passing(ctx, (weir_err)n))
        n = keep(s, (weir_err)n);
    WEIR_ASSERT(s->is_receiving, "S7: nobody else received meanwhile");
    s->is_receiving = false;
    weir__busy_leave(&s->busy);
    return n;
}

static weir_err send_all(struct weir__ctx *c, weir_socket *s, const void *bytes, size_t size)
{
    size_t sent;
    weir_err err =
        (weir_err)or_closed(s, weir__stream_send(c, &s->stream, bytes, size, &sent, weir_never()));
    WEIR_ASSERT(sent <= size && (err != WEIR_OK || sent == size),
                "S4: of what was given no more is taken, and without an error all of it");
    if (err == WEIR_OK || (is_passing(c, err) && sent == 0))
        return err;
    if (!is_passing(c, err))
        return keep(s, err);
    (void)keep(s, err); /* the peer has half a message */
    return err;
}

weir_err weir_socket_send(weir_ctx *c, weir_socket *s, const void *bytes, size_t size)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_some(bytes, size, "the data");
    struct weir__ctx *ctx = weir__ctx_of(c);
    s = socket_of(s, __func__);
    weir_err err = enter_alone(ctx, s, &s->is_sending, "weir_socket_send");
    if (err < 0)
        return err;
    err = send_all(ctx, s, bytes, size);
    WEIR_ASSERT(s->is_sending, "S1: nobody else was the sender meanwhile");
    s->is_sending = false;
    weir__busy_leave(&s->busy);
    return err;
}

weir_err weir_socket_shutdown(weir_ctx *c, weir_socket *s)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    (void)weir__ctx_of(c);
    s = socket_of(s, __func__);
    weir_err err = weir__waitq_state(&s->busy.q);
    if (err == WEIR_OK)
        err = s->err;
    if (err < 0)
        return err;
    if (s->is_sending)
        weir__misuse("weir_socket_shutdown", "a fiber is sending on it");
    if (s->is_shut)
        return WEIR_OK; /* the kernel would refuse once the peer has sent its last as well */
    WEIR_ASSERT(weir__stream_is_open(&s->stream), "S7: a socket has its connection or an error");
    err = weir__stream_shutdown(&s->stream);
    s->is_shut = err == WEIR_OK;
    return err;
}
