/*
 * The server: listeners, connections on every worker, limits and time-outs, drain. What answers is
 * the `app` table; the server answers by itself only what never becomes a request.
 */
#ifndef WEIR_HTTP_COMMON_SERVER_H
#define WEIR_HTTP_COMMON_SERVER_H

#include "http/common/exchange.h"
#include "net/listener.h"
#include "rt/runtime.h"
#include "wire/ip.h"

/* Zero means the default; for time-outs and requests_max a value below 0 means "none". */
struct weir__http_server_options {
    uint32_t head_bytes_max;  /* 16 KiB */
    uint32_t line_bytes_max;  /* 8 KiB */
    uint32_t fields_max;      /* 100 */
    uint64_t body_max;        /* 8 MiB: default of read_all */
    uint64_t drain_max;       /* 256 KiB: of a body nobody read */
    weir_dur head_timeout;    /* 10 s from the first byte to the last of a head */
    weir_dur body_timeout;    /* 30 s for a piece of the body; 240 bytes/s over all after that */
    weir_dur write_timeout;   /* 30 s for 16 KiB to be taken by the client */
    weir_dur idle_timeout;    /* 75 s between requests */
    weir_dur handler_timeout; /* 30 s: the deadline of the request's context */
    weir_dur linger_timeout;  /* 30 s for a client to end after its last answer; <0: no lingering */
    uint64_t linger_bytes_max;  /* 256 MiB: what it may send meanwhile, thrown away */
    int64_t requests_max;       /* 10,000 on a connection */
    uint32_t connections_max;   /* 100,000 in all; past it 503 */
    uint32_t backlog;           /* 4096 */
    bool is_half_close_served;  /* a client that shuts its sending side is not yet gone */
    struct weir__cidrs trusted; /* peers whose word is taken for what follows; none */
    bool is_proxied;            /* they begin with a header of the PROXY protocol */
    bool is_forwarded;          /* they name the client in Forwarded, not X-Forwarded-For */
    weir_str deadline_field;    /* in which they say what is left to their callers; absent: none */
};

/* How a server's requests are answered. Called in the request's fiber, its context ready. */
struct weir__http_app {
    /*
     * Answers a request. What it leaves unanswered gets 504, 503 or 500 by `refuse`, or nothing
     * (client gone).
     */
    void (*serve)(struct weir__exchange *x, void *arg);
    /*
     * Answers in serve's place: the request is malformed, too large, too slow, timed out; a panic;
     * no room. May be NULL or leave it unanswered: then a line of plain text is sent. For bad heads
     * only `head.method` may be set in `x`.
     */
    void (*refuse)(struct weir__exchange *x, int status, weir_str reason, void *arg);
    /*
     * The response is complete, aborted, or never came (499); before the context ends. Must not
     * wait. May be NULL.
     */
    void (*done)(struct weir__exchange *x, void *arg);
    void *arg;
};

/* All readable from any thread; sums over the workers. */
struct weir__http_stats {
    uint64_t accepted, refused; /* connections; refused: past connections_max, or no descriptors */
    uint64_t open, active;      /* connections now; those that serve a request */
    uint64_t handed_over;       /* connections that went to a less loaded worker */
    uint64_t handed_over_late;  /* with a request that their own worker was late to look at */
    uint64_t accept_pauses;     /* times that accepting was stopped for want of descriptors */
    uint64_t requests;          /* begun */
    uint64_t responses[6];      /* by class: [2] is 2xx; [0] is none (client gone: 499) */
    uint64_t malformed;         /* heads and chunked bodies */
    uint64_t timeouts_handshake, timeouts_head, timeouts_body, timeouts_write, timeouts_idle,
        timeouts_handler;
    uint64_t client_gone;    /* while a handler ran */
    uint64_t panics;         /* that reached the server */
    uint64_t aborted;        /* responses cut short */
    uint64_t second_refused; /* second responses to a request */
    uint64_t bytes_in, bytes_out;
    uint64_t streams;         /* of HTTP/2 whose handlers run now */
    uint64_t streams_reset;   /* by their clients */
    uint64_t streams_wrong;   /* by us, for what their clients sent on them */
    uint64_t streams_refused; /* too many at a time: they may be tried again */
    uint64_t goaways;         /* connections that were asked to go elsewhere */
    uint64_t floods;          /* connections ended because of what they sent beside requests */
    uint64_t protocol_errors; /* connections ended because they sent what none may */
};

struct weir__http_server;

/* The versions of HTTP that a server speaks. */
struct weir__http_version;
struct weir__http_versions {
    const struct weir__http_version *h1; /* every connection begins with it */
    const struct weir__http_version *h2; /* NULL: not built */
};

/*
 * A server without listeners. The options are copied; `app` too. NULL: no memory. Any thread,
 * before the workers run too. `versions` is constant.
 */
struct weir__http_server *weir__server_new(struct weir__runtime *rt,
                                           const struct weir__http_server_options *options,
                                           const struct weir__http_app *app,
                                           const struct weir__http_versions *versions);

/*
 * Opens a listening socket; connections wait in its backlog until start. On failure -errno and one
 * line in `message` that names the address. `opened` gets what is to be told of it: the server
 * closes it, and takes a local one's file away. At most 8 listeners.
 */
WEIR_MUST_USE weir_err weir__http_server_listen(struct weir__http_server *s, weir_str where,
                                                struct weir__listener *opened, char *message,
                                                size_t size);

/*
 * Takes over a descriptor that listens already (of a simulation, of a parent). Closed by the
 * server.
 */
WEIR_MUST_USE weir_err weir__http_server_adopt_listener(struct weir__http_server *s, int num);

/*
 * The connections of the listener that was opened or taken over last are TLS, with this, which
 * outlives the server's end. Before start.
 */
struct weir__tls_server;
void weir__http_server_use_tls(struct weir__http_server *s, struct weir__tls_server *tls);

/* Which workers accept: [first, first + count). Default: all but the extra ones. Before start. */
void weir__http_server_on_workers(struct weir__http_server *s, unsigned first, unsigned count);

/* Begins to accept on the workers. Fiber only; waits for the workers. */
WEIR_MUST_USE weir_err weir__http_server_start(struct weir__http_server *s, struct weir__ctx *c);

/* Closes the listeners. Fiber only. */
void weir__http_server_stop_accepting(struct weir__http_server *s, struct weir__ctx *c);

/*
 * From now on every answer says "Connection: close" and ends its connection, so that clients go
 * elsewhere before they would be turned away; new ones are still accepted. Does not wait for it.
 */
void weir__http_server_announce_end(struct weir__http_server *s);

/*
 * Stops accepting, closes connections at rest, answers what runs with "Connection: close". Does not
 * wait for it.
 */
void weir__http_server_drain(struct weir__http_server *s, struct weir__ctx *c);

/*
 * Cancels all requests that run, and closes what is open without one: half a head, a last answer.
 */
void weir__http_server_cancel_all(struct weir__http_server *s, struct weir__ctx *c,
                                  weir_reason reason);

/* Waits until no connection is open; WEIR_ETIMEDOUT at `until`. Fiber only. */
WEIR_MUST_USE weir_err weir__http_server_wait_closed(struct weir__http_server *s,
                                                     struct weir__ctx *c, weir_time until);

/*
 * Closes all that is left, and waits for what runs to notice it; WEIR_ETIMEDOUT when a request does
 * not. Needs no memory. Fiber only; after a drain. Its numbers may be read until it is freed.
 */
WEIR_MUST_USE weir_err weir__http_server_close(struct weir__http_server *s, struct weir__ctx *c);

/* Closes it and frees it. Fiber only; no request may run, and nobody read its numbers. */
void weir__http_server_free(struct weir__http_server *s, struct weir__ctx *c);

/*
 * Requests that run now, those of the calling worker: for lists of what had to be cancelled. `fn`
 * must not wait.
 */
void weir__http_server_each_active(struct weir__http_server *s,
                                   void (*fn)(struct weir__exchange *x, void *arg), void *arg);

void weir__http_server_stats(const struct weir__http_server *s, struct weir__http_stats *out);

/*
 * Raises RLIMIT_NOFILE to its hard limit and compares it with `needed` descriptors. -EMFILE, and
 * one line in `message` that says both numbers and what to change.
 */
WEIR_MUST_USE weir_err weir__http_preflight_files(uint64_t needed, char *message, size_t size);

/* Adds the server's numbers to a registry; it must live as long as that is read. */
struct weir__metrics;
void weir__http_server_metrics(struct weir__http_server *s, struct weir__metrics *to);

#endif
