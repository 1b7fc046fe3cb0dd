/*
 * For the tests of sessions: an owner that answers at once, and what a session of a server needs to
 * talk to a peer that is written frame by frame (testing.h).
 */
#ifndef WEIR_HTTP_H2_SESSION_TESTING_H
#define WEIR_HTTP_H2_SESSION_TESTING_H

#include "http/h2/testing.h"

#if WEIR_HTTP2

#include "base/alloc.h"

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)
#define STREAMS 400
#define BIG 200000u

static const unsigned char zeroes[70000];

/* --- an owner that answers at once ------------------------------------------------------------ */

struct entry {
    int32_t id;
    char fields[512];
    size_t body, to_send, sent;
    unsigned blocks;
    bool is_ended, is_closed, is_reset, has_trailers, is_put_off;
    uint32_t code;
};

struct owner {
    struct weir__stream stream;
    struct weir__h2_session session;
    struct weir__h2_gather gather;
    struct entry entries[STREAMS];
    unsigned count, flushes;
    enum weir__h2_flushed last;
    bool is_fed_out; /* feed has said false */
    bool is_consuming;
    int32_t going;
};

static inline struct owner *owner_of(struct weir__h2_session *s)
{
    return WEIR_CONTAINER(s, struct owner, session);
}

static inline void *begin(struct weir__h2_session *s, int32_t id)
{
    struct owner *o = owner_of(s);
    if (o->count == STREAMS)
        return NULL;
    struct entry *e = &o->entries[o->count++];
    *e = (struct entry){.id = id};
    return e;
}

static inline void field(struct weir__h2_session *s, void *of, weir_str name, weir_str value)
{
    struct entry *e = of;
    size_t len = strlen(e->fields);
    (void)s;
    snprintf(e->fields + len, sizeof e->fields - len, WEIR_STR_FMT ": " WEIR_STR_FMT "\n",
             WEIR_STR_ARG(name), WEIR_STR_ARG(value));
}

static inline void answer(struct weir__h2_session *s, struct entry *e)
{
    static const struct weir__h2_field ok[] = {{WEIR_S(":status"), WEIR_S("200")},
                                               {WEIR_S("x-own"), WEIR_S("1")}};
    e->to_send = strstr(e->fields, "/big") != NULL     ? BIG
                 : strstr(e->fields, "/empty") != NULL ? 0
                                                       : 5;
    e->has_trailers = strstr(e->fields, "/trail") != NULL;
    weir_err err = weir__h2_session_respond(s, e->id, ok, 2, e->to_send > 0);
    assert_true(err == WEIR_OK || err == -ENOMEM);
    if (err != WEIR_OK)
        weir__h2_session_terminate(s, WEIR_H2_INTERNAL_ERROR);
}

static inline void block(struct weir__h2_session *s, void *of)
{
    (void)s;
    ((struct entry *)of)->blocks++;
}

static inline void ended(struct weir__h2_session *s, struct entry *e)
{
    e->is_ended = true;
    if (!s->is_client && strstr(e->fields, "/wait") == NULL)
        answer(s, e);
}

static inline void fields_end(struct weir__h2_session *s, void *of, bool is_end)
{
    if (is_end)
        ended(s, of);
}

static inline void data(struct weir__h2_session *s, void *of, weir_str bytes)
{
    struct entry *e = of;
    e->body += bytes.len;
    if (owner_of(s)->is_consuming)
        weir__h2_session_consume(s, e->id, bytes.len, bytes.len);
}

static inline void data_end(struct weir__h2_session *s, void *of)
{
    ended(s, of);
}

static inline void closed(struct weir__h2_session *s, void *of, uint32_t code, bool is_reset)
{
    struct entry *e = of;
    (void)s;
    assert_false(e->is_closed);
    e->is_closed = true;
    e->is_reset = is_reset;
    e->code = code;
}

static inline struct weir__h2_supply supply(struct weir__h2_session *s, void *of)
{
    struct entry *e = of;
    (void)s;
    return (struct weir__h2_supply){.len = e->is_put_off ? 0 : e->to_send - e->sent,
                                    .is_end = !e->is_put_off,
                                    .has_trailers = e->has_trailers};
}

static inline void take(struct weir__h2_session *s, void *of, char *to, size_t n)
{
    struct entry *e = of;
    (void)s;
    for (size_t i = 0; i < n; i++)
        to[i] = (char)('a' + (e->sent + i) % 26);
    e->sent += n;
}

static inline void trailers(struct weir__h2_session *s, void *of)
{
    static const struct weir__h2_field sum = {WEIR_S("x-sum"), WEIR_S("7")};
    weir_err err = weir__h2_session_trailers(s, ((struct entry *)of)->id, &sum, 1);
    assert_true(err == WEIR_OK || err == -ENOMEM);
}

static inline void going(struct weir__h2_session *s, int32_t last, uint32_t code)
{
    (void)code;
    owner_of(s)->going = last;
}

static inline void flushed(struct weir__h2_session *s, enum weir__h2_flushed result)
{
    owner_of(s)->flushes++;
    owner_of(s)->last = result;
    if (result == WEIR__H2_IS_OVER || result == WEIR__H2_IS_BROKEN) {
        struct owner *o = owner_of(s);
        weir__h2_session_fini(s);
        weir__stream_close(&o->stream);
    }
}

static const struct weir__h2_session_ops ops = {.begin = begin,
                                                .block = block,
                                                .field = field,
                                                .fields_end = fields_end,
                                                .data = data,
                                                .data_end = data_end,
                                                .closed = closed,
                                                .supply = supply,
                                                .take = take,
                                                .trailers = trailers,
                                                .going = going,
                                                .flushed = flushed};

static inline void on_ready(struct weir__fd *fd, unsigned ready)
{
    struct owner *o = WEIR_CONTAINER(fd, struct owner, stream.fd);
    static char bytes[32768];
    if ((ready & WEIR__WRITABLE) != 0)
        weir__h2_session_on_room(&o->session);
    while (!o->is_fed_out) {
        ssize_t n = weir__stream_try_recv(&o->stream, bytes, sizeof bytes);
        if (n <= 0)
            break;
        o->is_fed_out = !weir__h2_session_feed(&o->session, bytes, (size_t)n);
    }
}

static inline void owner_open(struct owner *o, int num, bool is_client)
{
    memset(o, 0, sizeof *o); /* it is too large for a literal on the stack */
    o->is_consuming = true;
    struct weir__detached d = {.num = num};
    assert_int_equal(weir__stream_attach(&o->stream, d, on_ready), WEIR_OK);
    const struct weir__h2_session_options options = {.ops = &ops,
                                                     .stream = &o->stream,
                                                     .gather = &o->gather,
                                                     .is_client = is_client,
                                                     .streams_max = 100,
                                                     .stream_window = 65535,
                                                     .connection_window = 1 << 20,
                                                     .fields_bytes_max = 16384};
    assert_int_equal(weir__h2_session_init(&o->session, &options), WEIR_OK);
}

static inline void owner_close(struct owner *o)
{
    weir__h2_session_fini(&o->session);
    weir__h2_session_fini(&o->session);
    weir__stream_close(&o->stream);
}

/* --- a server and a peer ---------------------------------------------------------------------- */

struct both {
    struct owner owner;
    struct peer peer;
};

static inline struct both *open_both(weir_ctx *c, size_t capacity)
{
    int pair[2];
    struct both *b = calloc(1, sizeof *b);
    assert_non_null(b);
    weir__sim_socketpair(pair, capacity);
    owner_open(&b->owner, pair[0], false);
    peer_open(&b->peer, c, pair[1]);
    return b;
}

static inline weir_err close_both(struct both *b)
{
    owner_close(&b->owner);
    peer_close(&b->peer);
    free(b);
    return WEIR_OK;
}

/* Past the settings of both. */
static inline struct both *open_talking(weir_ctx *c, size_t capacity)
{
    struct both *b = open_both(c, capacity);
    struct frame f;
    put_preface(&b->peer);
    assert_true(next_of(&b->peer, SETTINGS, &f) && f.flags == 0);
    assert_true(put_frame(&b->peer, SETTINGS, ACK, 0, NULL, 0));
    assert_true(next_of(&b->peer, SETTINGS, &f) && f.flags == ACK);
    return b;
}

#endif

#endif
