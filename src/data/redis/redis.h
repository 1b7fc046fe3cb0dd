/*
 * Redis from the inside: the client with its options and a seat on each worker, the connection, and
 * the flight that a command is from its sending to its answer. conn.c owns a connection's bytes and
 * the order of its flights; dial.c makes it ready; call.c is what a fiber does with it.
 *
 * R1: answers come in the order of the commands: a connection's ring has a slot for each flight
 *     whose answers are due, first sent first.
 * R2: a flight and its slot point to each other, or the flight is over; a slot without a flight is
 *     one that nobody waits for any more, and its answers are thrown away.
 * R3: a connection's slots are never more than its depth: room at its carrier is what is left of it
 *     by those that nobody waits for.
 * R4: what is over is told once: no flight is left on a connection that has ended.
 * R5: a command is sent again only when nothing of it had been given to the stream.
 * R6: a seat is its worker's: its counters are written there alone.
 * R7: a subscription is on its seat's list from its making to its end, and its channel is asked for
 *     while one is.
 * R8: all connections that carry commands track, or none does, and one is told.
 */
#ifndef WEIR_DATA_REDIS_REDIS_H
#define WEIR_DATA_REDIS_REDIS_H

#include <errno.h>

#include "base/assert.h"
#include "base/counter.h"
#include "base/random.h"
#include "net/pool_shared.h"
#include "net/stream.h"
#include "net/tls.h"
#include "rt/context.h"
#include "rt/owned.h"
#include "rt/worker.h"
#include "wire/resp.h"
#include <weir/redis.h>

enum {
    WEIR__REDIS_WHY_MAX = 256,
    WEIR__REDIS_IN_BYTES = 64 << 10,    /* received at a time */
    WEIR__REDIS_KEPT_BYTES = 256 << 10, /* of a buffer that is empty */
    WEIR__REDIS_UNSENT_MAX = 1 << 20,   /* past so many who has more to send waits */
    WEIR__REDIS_TRIES_MAX = 3           /* of a command of which nothing was sent */
};

struct weir__redis_conn;
struct weir__redis_hub;

/*
 * Who is told what the server says of keys that were read over a worker's connection (CLIENT
 * TRACKING): a cache in front of it. On the worker, on whatever stack; must not wait.
 */
struct weir__redis_tracking_ops {
    /* It has changed, or gone. */
    void (*invalidate)(void *arg, weir_str key);
    /* Nothing is known of any key any more: the connection was lost, or the server has flushed. */
    void (*forget)(void *arg);
};

struct weir__redis_cells {
    struct weir__counter commands, sends, errors, retries, cut, dials, dial_errors, refused,
        invalidations, pushes, messages, lost, gaps;
    struct weir__gauge connections, in_flight, abandoned, down, subscriptions;
};

/* What a worker has of a client (R6). */
struct weir__redis_seat {
    _Alignas(64) weir_redis *redis;
    struct weir__redis_cells n;
    struct weir__random random;
    char *in; /* WEIR__REDIS_IN_BYTES, used by its connections by turns; NULL: there were none */
    /* It cannot be reached: since when, why, and how often that was tried. */
    bool is_down;
    weir_time down_since;
    char why[WEIR__REDIS_WHY_MAX];
    bool is_probing;
    uint32_t tracking;           /* connections that are told of what was read over them */
    weir_time retired;           /* when its connections were last given up for a replica's word */
    struct weir__ctx *below;     /* where its own fibers work; NULL: not yet, or no more */
    struct weir__owned owned;    /* in it */
    struct weir__redis_hub *hub; /* subscriptions; NULL: there were none */
};

struct weir_redis {
    struct weir__token token;
    weir_err err;
    const char *name;
    weir_redis_options o;
    weir_str host; /* empty: `path` is a local socket's */
    uint16_t port;
    const char *path; /* "unix:…" */
    bool is_tls;
    struct weir__ctx *c;
    const weir_site *site;
    struct weir__resp_limits limits;
    struct weir__shared_pool *shared;
    struct weir__pool *leases;
    _Atomic(struct weir__tls_client *) tls;
    unsigned workers;
    struct weir__redis_seat *seats;
    const struct weir__redis_tracking_ops *tracking;
    void *tracking_arg;
    struct weir__owned owned, listed;
    struct weir__list in_all;
};

/* Commands of one fiber that go together, and their answers (R2). On the fiber's stack. */
struct weir__redis_flight {
    struct weir__wait wait;
    struct weir__redis_conn *conn; /* NULL: it is over */
    uint32_t slot;                 /* in its ring */
    struct weir__ctx *c;           /* in whose memory answers are */
    weir_redis_value *values;      /* of `count` answers; NULL: they are not wanted … */
    weir_buf *into;                /* … but the text of the one answer is, behind what is here */
    uint32_t count, got;
    uint64_t begins; /* in the bytes of the connection: R5 */
    weir_err err;
    bool was_sent;
    bool may_block; /* silence is no failure */
    bool is_parked;
};

struct weir__redis_slot {
    struct weir__redis_flight *flight; /* NULL: nobody waits */
    uint32_t left;                     /* answers to come */
};

struct weir__redis_conn {
    struct weir__stream stream;
    struct weir__detached away; /* between two workers */
    weir_redis *redis;
    struct weir__redis_seat *seat;
    struct weir__carrier *carrier; /* NULL: it is lent, or a hub's */
    struct weir__turn_end turn;
    struct weir__timer silence;
    weir_time heard; /* when something came, or what waited left, or was asked after all answers */
    weir_buf out;
    size_t out_at;         /* of `out`, so much has been sent */
    uint64_t queued, sent; /* bytes since its beginning */
    weir_buf in;           /* an answer that has begun */
    struct weir__resp_scan scan;
    struct weir__redis_slot *ring;
    uint32_t mask, head, tail;  /* counts modulo 2^32 of what was answered and sent */
    uint32_t abandoned;         /* slots without a flight */
    uint32_t users;             /* calls inside; its memory stays for them */
    struct weir__list for_room; /* weir__wait.in_object: who has more to send than there is room */
    /* What nobody has asked for, and every answer of a hub; NULL: pushes are tracking's. */
    void (*heard_of)(struct weir__redis_conn *conn, weir_str whole);
    void (*ended)(struct weir__redis_conn *conn);
    void *owner;
    bool is_ready; /* it has been greeted */
    bool is_resp3;
    bool is_tracking;
    bool is_feeding; /* what has come is being looked at */
    bool is_over;
    bool is_left;     /* its pool has closed it: who is inside last frees it */
    bool is_watching; /* WATCH: dirty */
    weir_err err;     /* why it is over */
    char why[WEIR__REDIS_WHY_MAX];
};

/* The command, before it is sent. */
struct weir__redis_words {
    const char *command;
    const weir_arg *args;
    size_t count;
};

static inline struct weir__redis_seat *weir__redis_seat(weir_redis *redis)
{
    return &redis->seats[weir__self->index];
}

static inline uint32_t weir__redis_in_flight(const struct weir__redis_conn *conn)
{
    return conn->tail - conn->head;
}

/* --- conn.c ----------------------------------------------------------------------------------- */

/* An open one of this worker, that carries so many; NULL: no memory, and the stream is closed. */
struct weir__redis_conn *weir__redis_conn_new(weir_redis *redis, struct weir__stream *stream,
                                              uint32_t depth);

/* The end: all flights are told, and no more leases are taken. Idempotent. */
void weir__redis_conn_end(struct weir__redis_conn *conn, weir_err err, const char *why);

/* What is read over it is tracked from now on, and when it rests it is asked whether it lives. */
void weir__redis_conn_track(struct weir__redis_conn *conn);

/* Ends and frees it, when the last call is out of it. */
void weir__redis_conn_close(struct weir__redis_conn *conn);
void weir__redis_conn_leave(struct weir__redis_conn *conn);

/* Nothing is due on it: it may be lent, or go to another worker. */
bool weir__redis_conn_is_clean(const struct weir__redis_conn *conn);

/* Of one that is lent: to another worker, and from there. */
void weir__redis_conn_detach(struct weir__redis_conn *conn);
weir_err weir__redis_conn_attach(struct weir__redis_conn *conn);

/* It has come alive: whether it still is, in one system call. */
bool weir__redis_conn_is_quiet(struct weir__redis_conn *conn);

/*
 * What was written into conn->out from `from` on leaves at the end of the turn, and `f` waits for
 * its answers, up to `until`. WEIR_OK: they are there. Else: f->was_sent. In a context that is
 * cancelled already it does not leave. Fiber.
 */
weir_err weir__redis_fly(struct weir__redis_conn *conn, struct weir__redis_flight *f, size_t from,
                         weir_time until);

/* What was written leaves at the end of the turn; its answers are told to conn->heard_of. */
void weir__redis_send(struct weir__redis_conn *conn, size_t from);

/* Waits until there is room for more to be sent. */
weir_err weir__redis_await_room(struct weir__redis_conn *conn, struct weir__ctx *c);

/* --- words.c ---------------------------------------------------------------------------------- */

enum weir__redis_use {
    WEIR__REDIS_PLAIN,
    WEIR__REDIS_BLOCKS, /* it may wait at the server: on a connection of its own */
    WEIR__REDIS_BEHIND, /* the same, and it is about what that connection has done before */
    WEIR__REDIS_REFUSED /* it would change the connection */
};

/* How a command is used. `*hint`: what to call instead, of one that is not sent by itself. */
enum weir__redis_use weir__redis_use(const struct weir__redis_words *w, const char **hint);

/*
 * Writes it; what was there stays. WEIR_EINVALID with `*why`, a constant; WEIR_ETOOLARGE, -ENOMEM.
 */
weir_err weir__redis_put(weir_buf *out, const struct weir__redis_words *w, const char **why);

/* A value as a word; else why it is none, a constant. */
const char *weir__redis_put_arg(weir_buf *out, const weir_arg *a);

/* The code of an answer that is an error. */
weir_err weir__redis_code(weir_str words);

/* --- dial.c ----------------------------------------------------------------------------------- */

/* A connection that has been greeted. Raised in `c`. */
weir_err weir__redis_dial(weir_redis *redis, struct weir__ctx *c, uint32_t depth, bool may_track,
                          struct weir__carrier *carrier, struct weir__redis_conn **out);

extern const struct weir__shared_ops weir__redis_shared_ops;
extern const struct weir__pool_ops weir__redis_lease_ops;

/* What TLS is made of is there, or why not. */
weir_err weir__redis_tls_open(weir_redis *redis, weir_buf *why);

/* --- health.c --------------------------------------------------------------------------------- */

/* The server was reached, or could not be; `why` is copied. */
void weir__redis_note_up(struct weir__redis_seat *seat);
void weir__redis_note_down(struct weir__redis_seat *seat, const char *why);

/* Fails at once, raised, while it is known not to be reached. */
weir_err weir__redis_is_up(weir_redis *redis, struct weir__ctx *c, const weir_site *site);

/* Where the seat's own fibers work; NULL: its worker ends, or there is no memory. */
struct weir__ctx *weir__redis_below(struct weir__redis_seat *seat);

/* How long to wait before the next try to reach what has been away since then. */
weir_dur weir__redis_pause(struct weir__redis_seat *seat, weir_time since);

/* --- call.c ----------------------------------------------------------------------------------- */

/* The client behind a handle: misuse; its error. */
weir_redis *weir__redis_of(const weir_redis *handle, const char *function);

/* Encodes what a flight sends, into conn->out; raises nothing. */
typedef weir_err (*weir__redis_encode)(void *arg, weir_buf *out, const char **why);

/* Of one command: `arg` is its weir__redis_words. */
weir_err weir__redis_encode_words(void *arg, weir_buf *out, const char **why);

struct weir__redis_call {
    weir_redis *redis;
    struct weir__ctx *c;
    const weir_site *site;
    const char *what; /* the command, for messages */
    weir__redis_encode encode;
    void *arg;
    struct weir__redis_flight f; /* c, values, into, count are set by who calls */
};

/* Runs it on the worker's connection, or on one of its own. Errors are raised. Fiber. */
weir_err weir__redis_run(struct weir__redis_call *call, bool needs_own);

/* The same on a connection that is at hand. */
weir_err weir__redis_run_on(struct weir__redis_call *call, struct weir__redis_conn *conn);

/* One command. `reply` may be NULL. An answer that is an error is raised and returned. */
weir_err weir__redis_command(weir_redis *redis, struct weir__ctx *c, const weir_site *site,
                             const struct weir__redis_words *w, weir_redis_value *reply);

/* Raises an answer that is an error. */
weir_err weir__redis_raise_reply(weir_redis *redis, struct weir__ctx *c, const weir_site *site,
                                 const char *what, weir_str words);
weir_err weir__redis_raise(const weir_redis *redis, struct weir__ctx *c, const weir_site *site,
                           weir_err err, const char *what, const char *why);
/* WEIR_EPROTO: an answer of another kind than the command has. */
weir_err weir__redis_raise_kind(const weir_redis *redis, struct weir__ctx *c, const weir_site *site,
                                const char *what);

/* --- subscribe.c, tracking.c, metrics.c ------------------------------------------------------- */

/* The worker's hub ends with its seat. */
void weir__redis_hub_end(struct weir__redis_seat *seat);

/*
 * From its next connections on `ops` hear of keys that were read over them. Before the client's
 * first command: -EBUSY after that. Nobody may be told yet. The server must speak version 3:
 * weir__redis_tracks says whether it does.
 */
WEIR_MUST_USE weir_err weir__redis_track(weir_redis *redis,
                                         const struct weir__redis_tracking_ops *ops, void *arg);
/* Is this worker told of what changes? While it is not, nothing may be kept. Handle. */
bool weir__redis_tracks(weir_redis *redis);

void weir__redis_enlist(weir_redis *redis);
void weir__redis_delist(weir_redis *redis);

/* Adds the numbers of all clients to a registry. */
struct weir__metrics;
void weir__redis_metrics(struct weir__metrics *to);

#endif
