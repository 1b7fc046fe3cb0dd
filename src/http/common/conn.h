/*
 * The inside of the server's connections, for what knows no version and for the versions of HTTP. A
 * connection at rest is this struct in a slab, a place in a bucket of seconds, and nothing else.
 * What speaks on it is its version, a table of operations that common code calls.
 *
 * N1: a connection is in exactly one bucket of its worker, from accept to close.
 * N4: only a connection at rest, of which nothing has been read, goes to another worker.
 */
#ifndef WEIR_HTTP_COMMON_CONN_H
#define WEIR_HTTP_COMMON_CONN_H

#include "base/counter.h"
#include "base/list.h"
#include "http/common/exchange.h"
#include "http/common/server.h"
#include "net/stream.h"
#include "net/tls.h"
#include "rt/latch.h"
#include "rt/worker.h"
#include "wire/http1_write.h"

#define WEIR__HTTP_OUT_BYTES (16u << 10) /* an output buffer, its struct included */
#define WEIR__HTTP_IN_SPARE (16u << 10)  /* room in an input buffer past the longest head */
#define WEIR__HTTP_BUCKETS 128           /* seconds; what is due later is looked at once a round */
#define WEIR__HTTP_LISTENERS 8
#define WEIR__HTTP_POOL_KEPT 64 /* idle buffers and exchanges that a worker keeps of each kind */
#define WEIR__CONN_OWN 32       /* bytes that a version keeps in a connection */
#define WEIR__CONN_JUST_MADE_TICKS 2 /* its client is about to ask; a drain waits so long for it */
#define WEIR__TLS_WARM_MAX 64 /* connections of a worker that keep TLS's buffers while at rest */

enum weir__conn_state {
    WEIR__CONN_REST,   /* between requests */
    WEIR__CONN_HEAD,   /* a head, or TLS's handshake, has begun and is not complete */
    WEIR__CONN_ACTIVE, /* fibers are at work for it */
    WEIR__CONN_LINGER /* answered and shut; what still comes is thrown away until the peer closes */
};

/* A version of HTTP, for common code. None of it waits; all but `on_ready` may come at any time. */
struct weir__http_version {
    const char *name; /* "HTTP/1.1" */
    /* At rest it is its struct and its stream: another worker may take it over. */
    bool is_movable;
    /* An event, or the end of what somebody else did first: there may be something to receive. */
    void (*on_ready)(struct weir__http_conn *c);
    /*
     * Takes over a connection on which another version has received `bytes`, which it does not
     * speak. It closes it if it cannot.
     */
    void (*take_over)(struct weir__http_conn *c, weir_str bytes);
    /* Its state has lasted too long. */
    void (*timed_out)(struct weir__http_conn *c);
    /* The service ends: nothing may be at rest any more, what runs is answered. */
    void (*drain)(struct weir__http_conn *c);
    /* What runs on it is cancelled; it is closed when nothing does. */
    void (*cancel)(struct weir__http_conn *c, weir_reason reason);
    /* It is closed; where fibers are at work, they find it broken and do that. */
    void (*cut)(struct weir__http_conn *c);
    /* Frees what the version has in `own`, before the stream is closed. */
    void (*release)(struct weir__http_conn *c);
    /* Calls `fn` for each request that runs on it. */
    void (*each)(struct weir__http_conn *c, void (*fn)(struct weir__exchange *x, void *arg),
                 void *arg);
};

struct weir__http_in {
    struct weir__http_in *next_free;
    uint32_t len, at; /* bytes received; those before `at` are used up */
    char bytes[];
};

/* For weir__exchange_piece: what its handler may have views of. */
size_t weir__http_piece(const void *exchange, size_t nth, const void **at);

struct weir__http_out {
    struct weir__http_out *next_free;
    uint32_t len, at; /* bytes written; those before `at` are sent */
    uint32_t mark;    /* of who fills it; UINT32_MAX in a new one */
    char bytes[];
};

struct weir__http_conn {
    struct weir__stream stream;
    struct weir__http_worker *home;
    struct weir__list in_bucket; /* weir__http_worker.buckets; free: next is the next free one */
    const struct weir__http_version *version;
    uint32_t due;      /* tick at which its state has lasted too long */
    uint32_t look_at;  /* tick of its bucket; never after `due` */
    uint32_t requests; /* so far */
    uint8_t state;     /* enum weir__conn_state */
    bool is_closing;   /* no further request is read */
    bool is_broken;    /* nothing can be sent any more */
    bool is_peer_shut; /* the peer has shut its side, or is gone */
    bool is_reset_due; /* end it so that the peer sees an error */
    bool is_dirty;     /* there may be bytes that nobody reads: linger when closing */
    struct weir__endpoint peer;
    union {
        _Alignas(8) char own[WEIR__CONN_OWN]; /* its version's */
        struct {
            uint64_t bytes; /* thrown away so far */
            uint32_t until; /* tick at which it ends, whatever comes */
        } linger;           /* in LINGER */
    };
};

/* Counters of one worker: written there, read anywhere. */
struct weir__http_counters {
    struct weir__counter accepted, refused, handed_over, handed_over_late, accept_pauses;
    struct weir__gauge open, active;
    struct weir__counter requests, responses[6], malformed;
    struct weir__counter timeouts_handshake, timeouts_head, timeouts_body, timeouts_write,
        timeouts_idle, timeouts_handler;
    struct weir__counter client_gone, panics, aborted, second_refused, bytes_in, bytes_out;
    struct weir__gauge streams; /* of HTTP/2 whose fibers run */
    struct weir__counter streams_reset, streams_wrong, streams_refused;
    struct weir__counter goaways, floods, protocol_errors;
};

struct weir__http_listener {
    struct weir__fd fd;
    struct weir__http_worker *home;
    struct weir__tls_server *tls; /* of its connections; NULL: they are plain */
};

/* A message to a worker's part of a server; each is on its way at most once. */
struct weir__http_message {
    struct weir__task task;
    struct weir__http_worker *home;
    atomic_bool is_sent;
};

/* A server's part on one worker. */
struct weir__http_worker {
    struct weir__http_server *server;
    struct weir__worker *worker;
    struct weir__http_conn *free_conns;
    struct weir__http_slab *slabs;
    struct weir__exchange *free_exchanges;
    struct weir__http_in *free_ins;
    struct weir__http_out *free_outs;
    uint32_t free_exchange_count, free_in_count, free_out_count;
    uint32_t kept;    /* of each: WEIR__HTTP_POOL_KEPT; none where memory is watched or trapped */
    uint32_t tick;    /* the second that is now */
    bool is_ending;   /* every answer is its connection's last */
    bool is_draining; /* and nobody is accepted any more */
    bool is_drained;  /* no connection may be at rest */
    uint32_t idle_ticks, head_ticks; /* time-outs in ticks, rounded up; UINT32_MAX: none */
    uint32_t linger_ticks;           /* 0: no lingering */
    struct weir__http1_date date;
    uint32_t refused_tick; /* second of the log's last lines about refused heads; … */
    uint32_t refused_lines, refused_unsaid; /* … how many, and how many had none */
    struct weir__http_counters count;
    void *gather; /* where HTTP/2 puts frames together, of all connections here; freed at the end */
    struct weir__timer sweep; /* armed while a connection is open */
    struct weir__list buckets[WEIR__HTTP_BUCKETS];

    /* accepting */
    struct weir__http_listener listeners[WEIR__HTTP_LISTENERS];
    bool is_accepting, is_paused;
    struct weir__timer resume;
    int reserve;               /* a descriptor to give up when there are no others */
    _Atomic uint32_t incoming; /* connections on their way from other workers */
    uint32_t choice;           /* turns through the others */
    uint32_t late_moved;       /* of the events of poll number `late_poll`: handed to others */
    uint64_t late_poll;
    struct weir__http_message stop, end, drain, cancel, close;
};

struct weir__http_server {
    struct weir__runtime *runtime;
    struct weir__http_server_options options;
    struct weir__http_app app;
    struct weir__http_limits limits;
    const struct weir__http_versions *versions;
    uint32_t in_bytes; /* size of an input buffer's bytes */
    unsigned first, count;
    int listeners[WEIR__HTTP_LISTENERS];
    struct weir__tls_server *tls[WEIR__HTTP_LISTENERS];  /* NULL: plain */
    struct weir__local_file files[WEIR__HTTP_LISTENERS]; /* of local ones */
    atomic_uint listener_users[WEIR__HTTP_LISTENERS];    /* workers that watch it, the server */
    unsigned listener_count;
    bool is_started;
    bool has_let_go;           /* of its listeners: workers that watch them still do */
    struct weir__latch open;   /* connections, those on their way included, messages to workers */
    _Atomic int cancel_reason; /* of cancel_all */
    struct weir__http_worker *homes[WEIR__WORKERS_MAX];
};

/* --- connections: conn.c ---------------------------------------------------------------------- */

/*
 * Takes a connection in, to be made TLS unless `tls` is NULL; closes it when there is no memory. On
 * the worker's own stack.
 */
void weir__conn_open(struct weir__http_worker *home, struct weir__detached d,
                     const struct weir__endpoint *peer, struct weir__tls_server *tls);

/*
 * The same for one that another worker had at rest and that has become readable: its request is
 * received at once, even when this worker has been drained meanwhile. `requests`: those so far.
 */
void weir__conn_adopt(struct weir__http_worker *home, struct weir__detached d,
                      const struct weir__endpoint *peer, uint32_t requests);

/* Gives back the struct of a connection at rest; its stream goes on elsewhere. */
struct weir__detached weir__conn_let_go(struct weir__http_conn *c);

/* From now on `to` speaks on it, which is given what was received. Nothing is in `own`. */
void weir__conn_switch(struct weir__http_conn *c, const struct weir__http_version *to,
                       weir_str bytes);

/*
 * Nobody may be at rest any more: closes it. One that was just made has a moment to send its first
 * request, for its client knows of nothing but a connection that was accepted.
 */
void weir__conn_drain(struct weir__http_conn *c);

/*
 * The last answer has left, and nothing is in `own`: closes it, but lingers when its client may
 * still be sending, which must not be reset before it has read that answer.
 */
void weir__conn_finish(struct weir__http_conn *c);

/* Closes it and gives it back. Its fibers have gone. */
void weir__conn_close(struct weir__http_conn *c);

/* Its state has lasted too long. */
void weir__conn_timed_out(struct weir__http_conn *c);

/* Where it goes when it has half a request, or none: to HEAD or REST, with their time-outs. */
void weir__conn_rest(struct weir__http_conn *c, bool has_begun);

/* --- a connection's handshake: hello.c -------------------------------------------------------- */

/*
 * A connection that was just taken in is TLS: its versions come after its handshake. `is_ready`:
 * the client's part of that may be there already, and no event will tell of it.
 */
void weir__hello_begin(struct weir__http_conn *c, struct weir__tls_server *tls, bool is_ready);

/* --- behind a proxy: proxied.c ---------------------------------------------------------------- */

/*
 * Its peer, who is trusted, begins with a header of the PROXY protocol; then TLS goes on, or HTTP
 * where `tls` is NULL.
 */
void weir__proxied_begin(struct weir__http_conn *c, struct weir__tls_server *tls);

/* The peer is one whose word is taken. */
bool weir__peer_is_trusted(const struct weir__http_conn *c);

/* Makes the deadline what a trusted peer says is left of its own, if that is earlier. */
void weir__exchange_heed_caller(struct weir__exchange *x);

static inline bool weir__anybody_is_trusted(const struct weir__http_worker *home)
{
    return WEIR_UNLIKELY(home->server->options.trusted.count != 0);
}

/*
 * A line for what never became a request, so that no middleware sees it. Whoever sends rubbish does
 * not fill the log: a few lines a second, then their number. `status` 0: there was no answer.
 */
void weir__log_refused(struct weir__http_conn *c, int status, const char *why);

/* --- one request: serve.c --------------------------------------------------------------------- */

/*
 * Opens an exchange whose head and `ops` are there, and its context, in the running fiber, whose
 * context that becomes. False: no memory.
 */
bool weir__exchange_open(struct weir__exchange *x);

/* Has it answered: by the app, or as the refusal that it is. */
void weir__exchange_answer(struct weir__exchange *x);

/*
 * The handler has returned, or unwound: sees to it that there is exactly one of a whole response,
 * one that is visibly cut, and none because nobody is there; counts it and tells the app.
 */
void weir__exchange_settle(struct weir__exchange *x);

/* Its context ends, and with it what the request owned. Its memory is given back by the caller. */
void weir__exchange_close(struct weir__exchange *x);

/*
 * A panic has unwound the handler: counts and records it, and answers unless a response has left.
 * Then settle and close as always. False: even that has panicked; the response is cut.
 */
struct weir__panic_info;
bool weir__exchange_panicked(struct weir__exchange *x, const struct weir__panic_info *info,
                             void (*settle)(void *arg), void *arg);

/* Makes of it the refusal of a request that there never was. `why` is constant. */
void weir__exchange_refuse(struct weir__exchange *x, int status, const char *why);

/* Makes sure that the request has an answer: by the app's `refuse`, else a line of text. */
void weir__response_refuse(struct weir__exchange *x, int status, const char *why);

/*
 * Bytes of the request's body have come, or of its response have gone: it is not stuck. Its
 * deadline moves on for every 16 KiB, so that who is merely slow is not cut off.
 */
#define WEIR__PROGRESS_BYTES (16u << 10)
void weir__exchange_progressed(struct weir__exchange *x, size_t n);

/* --- the end in stages: linger.c -------------------------------------------------------------- */

/* The last answer has left, and its client may be sending still. Ends the connection. */
void weir__linger_begin(struct weir__http_conn *c);
/* What comes from a client in LINGER is thrown away. */
void weir__linger_on(struct weir__http_conn *c);
void weir__linger_timed_out(struct weir__http_conn *c);
/* The process ends: less patience. */
void weir__linger_hurry(struct weir__http_conn *c);

/* --- time: idle.c ----------------------------------------------------------------------------- */

void weir__idle_init(struct weir__http_worker *home);
/* Puts a connection into its bucket; it is due after `ticks`. */
void weir__idle_add(struct weir__http_conn *c, uint32_t ticks);
void weir__idle_remove(struct weir__http_conn *c);
/* Changes `due`; moves only when it became earlier. */
void weir__idle_due(struct weir__http_conn *c, uint32_t due);
/* Calls `fn` for every connection; it may close the one that it is given. */
void weir__idle_each(struct weir__http_worker *home,
                     void (*fn)(struct weir__http_conn *c, void *arg), void *arg);
/* Ticks from now until after `d` has passed. */
uint32_t weir__idle_ticks(weir_dur d);
/* The tick that is `ticks` from now; never for UINT32_MAX. */
static inline uint32_t weir__idle_after(const struct weir__http_worker *home, uint32_t ticks)
{
    return ticks == UINT32_MAX ? UINT32_MAX : home->tick + ticks;
}

/* --- pools: pool.c ---------------------------------------------------------------------------- */

struct weir__exchange *weir__pool_exchange(struct weir__http_worker *home);
void weir__pool_give_exchange(struct weir__http_worker *home, struct weir__exchange *x);
struct weir__http_in *weir__pool_in(struct weir__http_worker *home);
void weir__pool_give_in(struct weir__http_worker *home, struct weir__http_in *in);
struct weir__http_out *weir__pool_out(struct weir__http_worker *home);
void weir__pool_give_out(struct weir__http_worker *home, struct weir__http_out *out);
struct weir__http_conn *weir__pool_conn(struct weir__http_worker *home);
void weir__pool_give_conn(struct weir__http_worker *home, struct weir__http_conn *c);
void weir__pool_fini(struct weir__http_worker *home);

/* --- late binding: late.c --------------------------------------------------------------------- */

/* What is known of an event that is handed out late, and of who else could answer it. */
struct weir__late_facts {
    weir_dur lateness; /* it has waited so long at most */
    bool is_bare;      /* of a connection at rest, and it is readable and nothing else */
    bool is_draining;
    uint32_t moved; /* events of the same poll that others have been given */
};
struct weir__late_other {
    bool is_sleeping;
    uint32_t incoming; /* connections on their way to it */
    uint64_t runnable; /* its fibers that wait for their turn: it only looks at its poller */
};

/* Whether to look for another worker, and whether to choose this one. */
bool weir__late_may_give(const struct weir__late_facts *f);
bool weir__late_may_take(const struct weir__late_other *o);

/*
 * Hands a connection that became readable (`ready`) to a worker that sleeps, if there is reason to;
 * it is gone when true.
 */
bool weir__late_give(struct weir__http_conn *c, unsigned ready);

/* Hands a connection at rest to `to`, whoever that is. False: no memory, nothing has happened. */
bool weir__late_send(struct weir__http_conn *c, struct weir__http_worker *to);

/* True when weir__late_give is worth its call. */
static inline bool weir__late_is_possible(const struct weir__http_worker *home)
{
    return home->server->count > 1 && weir__worker_may_be_late(home->worker);
}

/* --- accepting: accept.c ---------------------------------------------------------------------- */

/* Begins to watch the server's listeners on this worker: all, or on an error none. */
weir_err weir__accept_start(struct weir__http_worker *home);
/* Takes in whoever has connected by now, without waiting for the poller to tell. */
void weir__accept_rest(struct weir__http_worker *home);
void weir__accept_stop(struct weir__http_worker *home);
/* One user less of a listener; the last one closes it. */
void weir__accept_let_go(struct weir__http_server *s, unsigned listener);
/* A descriptor became free: paused accepting goes on. */
void weir__accept_resume(struct weir__http_worker *home);
/* One connection less. */
void weir__server_closed_one(struct weir__http_server *s);

#endif
