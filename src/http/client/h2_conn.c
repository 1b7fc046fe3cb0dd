/*
 * A connection of HTTP/2 to a peer: it begins with the peer's settings, tells its carrier how many
 * exchanges there is room for, and ends. All but its beginning runs on the worker's own stack.
 *
 * The one hard thing is the peer that is not there any more: requests over one connection hide from
 * one another that nothing comes back. So while anything is due, silence is answered with a PING,
 * and silence after that ends the connection for all, also for who comes next.
 *
 * Owns the session, and what all connections of a worker use by turns, which its client frees.
 */
#include "http/client/h2.h"

#include "base/alloc.h"
#include "rt/scope.h"
#include "rt/worker.h"

#define RECEIVES_MAX 8 /* before others have their turn */

static struct weir__client_h2 *h2_of(struct weir__h2_session *session)
{
    return WEIR_CONTAINER(session, struct weir__client_h2, session);
}

/* --- the end ---------------------------------------------------------------------------------- */

void weir__client_h2_end(struct weir__client_h2 *h, weir_err err, const char *why)
{
    struct weir__list *node;
    if (h->is_over)
        return;
    h->is_over = true;
    h->err = err;
    h->why = why;
    weir__timer_disarm(&h->silence);
    weir__h2_session_fini(&h->session);
    while ((node = weir__list_pop_front(&h->streams)) != NULL)
        weir__client_stream_cut(WEIR_CONTAINER(node, struct weir__client_stream, in_conn), err,
                                why);
    (void)weir__wake_first(&h->openers, WEIR_OK);
    if (h->conn.carrier != NULL)
        weir__carrier_break(h->conn.carrier);
}

/* What the peer said as it went, in the order of enum weir__h2_code. */
static const char *text_of_going(uint32_t code)
{
    static const char *const texts[] = {
        [WEIR_H2_NO_ERROR] = "the peer ended the connection",
        [WEIR_H2_PROTOCOL_ERROR] = "the peer ended the connection (PROTOCOL_ERROR)",
        [WEIR_H2_INTERNAL_ERROR] = "the peer ended the connection (INTERNAL_ERROR)",
        [WEIR_H2_FLOW_CONTROL_ERROR] = "the peer ended the connection (FLOW_CONTROL_ERROR)",
        [WEIR_H2_SETTINGS_TIMEOUT] = "the peer ended the connection (SETTINGS_TIMEOUT)",
        [WEIR_H2_STREAM_CLOSED] = "the peer ended the connection (STREAM_CLOSED)",
        [WEIR_H2_FRAME_SIZE_ERROR] = "the peer ended the connection (FRAME_SIZE_ERROR)",
        [WEIR_H2_REFUSED_STREAM] = "the peer ended the connection (REFUSED_STREAM)",
        [WEIR_H2_CANCEL] = "the peer ended the connection (CANCEL)",
        [WEIR_H2_COMPRESSION_ERROR] = "the peer ended the connection (COMPRESSION_ERROR)",
        [WEIR_H2_CONNECT_ERROR] = "the peer ended the connection (CONNECT_ERROR)",
        [WEIR_H2_ENHANCE_YOUR_CALM] = "the peer ended the connection (ENHANCE_YOUR_CALM)",
        [WEIR_H2_INADEQUATE_SECURITY] = "the peer ended the connection (INADEQUATE_SECURITY)",
        [WEIR_H2_HTTP_1_1_REQUIRED] = "the peer ended the connection (HTTP_1_1_REQUIRED)",
    };
    return code < sizeof texts / sizeof texts[0] ? texts[code]
                                                 : "the peer ended the connection (unknown code)";
}

/* Nothing more will come: what those who wait are told. */
static void end_of_bytes(struct weir__client_h2 *h, weir_err err)
{
    const char *why = h->is_going ? text_of_going(h->going_code) : "the connection was cut";
    weir__client_h2_end(h, err, why);
}

/* The session wants no more of the peer: it went, or broke a rule. */
static void end_of_session(struct weir__client_h2 *h)
{
    if (h->session.is_calmed)
        weir__client_h2_end(h, WEIR_EPROTO,
                            "the peer floods: frames that carry nothing, or resets");
    else if (h->is_going)
        end_of_bytes(h, WEIR_ECLOSED);
    else
        weir__client_h2_end(h, WEIR_EPROTO, "the peer broke a rule of HTTP/2's frames");
}

void weir__client_h2_leave(struct weir__client_h2 *h)
{
    if (h->is_over)
        return;
    weir__h2_session_goaway(&h->session, WEIR_H2_NO_ERROR);
    (void)weir__h2_session_flush(&h->session);
    weir__client_h2_end(h, WEIR_ECLOSED, "the connection has been closed");
}

/* --- silence ---------------------------------------------------------------------------------- */

static void look_again(struct weir__client_h2 *h)
{
    struct weir__worker *w = weir__self;
    weir__timer_arm(&w->wheel, &h->silence,
                    weir_time_add(h->heard, weir_ns(WEIR__CLIENT_SILENCE_NS)));
}

static void on_silence(struct weir__timer *t)
{
    struct weir__client_h2 *h = WEIR_CONTAINER(t, struct weir__client_h2, silence);
    weir_time due = weir_time_add(h->heard, weir_ns(WEIR__CLIENT_SILENCE_NS));
    if (!h->is_waiting)
        return;
    if (weir_time_before(weir__self->now, due)) {
        look_again(h);
        return;
    }
    if (h->is_pinged) {
        weir__client_h2_end(h, WEIR_ETIMEDOUT, "the peer is silent, and does not answer a PING");
        return;
    }
    h->is_pinged = true;
    h->heard = weir__self->now;
    weir__h2_session_ping(&h->session);
    look_again(h);
}

void weir__client_h2_expect(struct weir__client_h2 *h)
{
    if (h->is_waiting)
        return;
    h->is_waiting = true;
    h->heard = weir__self->now;
    if (!weir__timer_armed(&h->silence))
        look_again(h);
}

/* Something came; more is due while there are streams. */
static void note_heard(struct weir__client_h2 *h)
{
    h->heard = weir__self->now;
    h->is_pinged = false;
    h->is_waiting = h->open > 0;
}

/* --- what comes ------------------------------------------------------------------------------- */

/* How many exchanges there is room for, as the peer has said last. */
static void tell_room(struct weir__client_h2 *h)
{
    uint32_t room = weir__h2_session_streams_max(&h->session);
    room = room < WEIR__CLIENT_STREAMS_MAX ? room : WEIR__CLIENT_STREAMS_MAX;
    if (room == h->room || h->conn.carrier == NULL)
        return;
    h->room = room;
    weir__carrier_set_room(h->conn.carrier, room);
}

/* -EAGAIN: for now that is all; 0: nothing more is wanted; else why there will be nothing more. */
static weir_err receive_all(struct weir__client_h2 *h)
{
    struct weir__stream *stream = &h->conn.stream;
    for (int i = 0; i < RECEIVES_MAX; i++) {
        ssize_t n = weir__stream_try_recv(stream, h->scratch->in, sizeof h->scratch->in);
        if (n <= 0)
            return n < 0 ? (weir_err)n : WEIR_ECLOSED;
        bool is_fed = weir__h2_session_feed(&h->session, h->scratch->in, (size_t)n);
        note_heard(h);
        if (!is_fed)
            return WEIR_OK;
        if (!weir__stream_has_more(stream)) /* its end may have come with the last bytes */
            return weir__stream_is_over(stream) ? WEIR_ECLOSED : -EAGAIN;
    }
    return weir__stream_again(stream) == WEIR_OK ? -EAGAIN : -ENOMEM;
}

static void receive(struct weir__client_h2 *h)
{
    weir_err err = receive_all(h);
    if (err == WEIR_OK) {
        (void)weir__h2_session_flush(&h->session); /* why, if the peer is to be told */
        end_of_session(h);
        return;
    }
    if (err != -EAGAIN) {
        end_of_bytes(h, err);
        return;
    }
    tell_room(h);
    if (h->session.has_settings)
        (void)weir__wake_first(&h->openers, WEIR_OK);
}

/* The peer takes nothing more. What it has said before counts: an answer, or why it goes. */
static void end_of_sending(struct weir__client_h2 *h)
{
    weir_err err = receive_all(h);
    if (err == WEIR_OK)
        end_of_session(h);
    else
        end_of_bytes(h, err == -EAGAIN ? WEIR_ECLOSED : err);
}

static void on_ready(struct weir__fd *fd, unsigned ready)
{
    struct weir__client_h2 *h = WEIR_CONTAINER(fd, struct weir__client_h2, conn.stream.fd);
    (void)ready;
    if (h->is_over)
        return;
    weir__h2_session_on_room(&h->session);
    receive(h);
}

void weir__client_h2_going(struct weir__h2_session *session, int32_t last, uint32_t code)
{
    struct weir__client_h2 *h = h2_of(session);
    (void)last; /* what lies above it the session tells one by one */
    h->is_going = true;
    h->going_code = code;
    if (h->conn.carrier != NULL)
        weir__carrier_retire(h->conn.carrier);
}

void weir__client_h2_flushed(struct weir__h2_session *session, enum weir__h2_flushed result)
{
    struct weir__client_h2 *h = h2_of(session);
    if (result == WEIR__H2_IS_OVER)
        end_of_session(h);
    else if (result == WEIR__H2_IS_BROKEN && session->has_no_memory)
        weir__client_h2_end(h, -ENOMEM, "there is no memory for the connection");
    else if (result == WEIR__H2_IS_BROKEN)
        end_of_sending(h);
}

/* --- its beginning ---------------------------------------------------------------------------- */

/* One for all connections of the worker; it lives as long as its client. */
static struct weir__client_scratch *scratch_of(weir_http *http)
{
    struct weir__client_cells *cells = weir__client_cells(http);
    if (cells->scratch == NULL) {
        cells->scratch = weir__malloc(sizeof *cells->scratch);
        if (cells->scratch != NULL)
            cells->scratch->gather.len = 0;
    }
    return cells->scratch;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static weir_err start(struct weir__client_h2 *h)
{
    const weir_http_options *o = &h->http->o;
    h->scratch = scratch_of(h->http);
    if (h->scratch == NULL)
        return -ENOMEM;
    h->limits = (struct weir__h2_fields_limits){
        .bytes_max = least(o->head_bytes_max, WEIR__H2_FIELDS_BYTES_MAX),
        .fields_max = o->headers_max};
    weir__list_init(&h->streams);
    weir__list_init(&h->openers);
    weir__timer_init(&h->silence, on_silence);
    const struct weir__h2_session_options options = {.ops = &weir__client_h2_ops,
                                                     .stream = &h->conn.stream,
                                                     .gather = &h->scratch->gather,
                                                     .is_client = true,
                                                     .streams_max = 0,
                                                     .stream_window = WEIR__CLIENT_STREAM_WINDOW,
                                                     .connection_window =
                                                         WEIR__CLIENT_CONNECTION_WINDOW,
                                                     .fields_bytes_max = h->limits.bytes_max};
    weir_err err = weir__h2_session_init(&h->session, &options);
    if (err != WEIR_OK)
        return err;
    h->conn.stream.fd.on_ready = on_ready;
    receive(h); /* what came with the farewell of a handshake makes no event */
    return WEIR_OK;
}

static weir_err await_settings(struct weir__client_h2 *h, struct weir__ctx *c, weir_time until)
{
    static const struct weir__wait_type type = {.name = "settings of HTTP/2"};
    struct weir__wait wait;
    while (!h->session.has_settings && !h->is_over) {
        weir_err err = weir__ctx_check(c);
        if (err != WEIR_OK)
            return weir__wait_refused(err);
        weir__wait_init(&wait, &type, c, NULL, h);
        weir__list_push_back(&h->openers, &wait.in_object);
        err = weir__park(&wait, until);
        if (err != WEIR_OK)
            return err;
    }
    return h->is_over ? h->err : WEIR_OK;
}

weir_err weir__client_h2_begin(struct weir__client_h2 *h, struct weir__ctx *c, weir_time until)
{
    weir_err err = start(h);
    if (err == WEIR_OK)
        err = await_settings(h, c, until);
    if (err == WEIR_OK) {
        tell_room(h);
        return WEIR_OK;
    }
    const char *why = h->why != NULL ? h->why : "the peer did not begin to speak it";
    h->conn.carrier = NULL; /* it is not open: there is nothing to break */
    if (h->session.stream != NULL)
        weir__client_h2_end(h, err, why);
    if (c->reason != WEIR_REASON_NONE || err == -ENOMEM)
        return err;
    return weir_raise(weir__ctx_handle(c), err, "there is no connection of HTTP/2: %s", why);
}
