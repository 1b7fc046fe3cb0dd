/*
 * The HTTP client from the inside: the client with its options and numbers, the exchange that a
 * reply is, the connection, and the table that a version of HTTP fills in. call.c owns the order of
 * things; a transport does the work on one connection, and waits only in the exchange's context.
 *
 * C1: an exchange has a connection exactly while it has a lease, of a pool or of a shared one; what
 *     gives the one back gives back the other.
 * C2: a connection goes back to be used again only when its request was sent whole, the answer was
 *     read to its end, the server lets it stay, and nothing stands behind the answer.
 * C3: nothing of a request is sent twice once a byte of an answer has come.
 * C4: a reply keeps its first error.
 * C12: an exchange runs at no more than one target of a group, and at none once it is over.
 */
#ifndef WEIR_HTTP_CLIENT_CLIENT_H
#define WEIR_HTTP_CLIENT_CLIENT_H

#include <errno.h>
#include <stdarg.h>

#include "base/counter.h"
#include "base/random.h"
#include "net/endpoint.h"
#include "net/pool_shared.h"
#include "net/stream.h"
#include "rt/context.h"
#include "os/lock.h"
#include "wire/chunked.h"
#include "wire/cookie_jar.h"
#include "wire/http1_response.h"
#include "wire/http1_write.h"
#include "wire/trailer.h"
#include <weir/client.h>

/*
 * Outside, a weir_http * or weir_reply * is a handle (rt/token.h); in here it is the address.
 * open.c, call.c and reply.c translate.
 */

/* --- numbers ---------------------------------------------------------------------------------- */

/* How a request ended. */
enum weir__client_outcome {
    WEIR__CLIENT_2XX,
    WEIR__CLIENT_3XX,
    WEIR__CLIENT_4XX,
    WEIR__CLIENT_5XX,       /* and what is above */
    WEIR__CLIENT_CONNECT,   /* no connection */
    WEIR__CLIENT_TIMEOUT,   /* no answer in time */
    WEIR__CLIENT_CUT,       /* the connection was cut before the answer's head */
    WEIR__CLIENT_MALFORMED, /* the answer is none, or too large a head */
    WEIR__CLIENT_CANCELLED, /* the context's reason */
    WEIR__CLIENT_OTHER,     /* never sent: the target, a header, the pool, memory */
    WEIR__CLIENT_OUTCOMES
};

/*
 * What stood in front of the path in the last whole URL that a worker was given, and what it has
 * been read as: one host is mostly asked again and again.
 */
struct weir__client_known {
    uint16_t text_len; /* "HTTP://Shop.example"; 0: none yet */
    uint16_t origin_len, host_len, name_len;
    bool is_https, is_ip;
    char bytes[240]; /* the text, the origin, the host */
};

/* A worker's: it alone writes, anybody reads. */
struct weir__client_cells {
    _Alignas(64) struct weir__counter outcomes[2][WEIR__CLIENT_OUTCOMES]; /* [is the base's host] */
    struct weir__counter retries;
    struct weir__counter opened, reused, stale; /* connections that exchanges got; passed over */
    struct weir__random random;                 /* for the jitter between tries */
    struct weir__client_scratch *scratch;       /* h2_conn.c: its own; NULL: not wanted yet */
    struct weir__client_known known;            /* target.c */
};

/* --- the client ------------------------------------------------------------------------------- */

/* Where a request goes, and what it says of that. */
struct weir__client_target {
    /*
     * Of the pool: what is dialled. The origin, and before it the address where one of several is
     * meant: "10.0.0.5 http://shop:80".
     */
    weir_str key;
    weir_str origin; /* "http://10.0.0.5:80", "unix:/run/x" */
    weir_str host;   /* the field Host: without a port that is the scheme's own */
    weir_str name;   /* the host alone, for the list of trusted ones */
    weir_str path;   /* with the query, escaped; of a base: what stands before all, or empty */
    struct weir__endpoint address; /* that of its key; without a family: none */
    bool is_https;
    bool is_ip;   /* no name, so no domain */
    bool is_base; /* the base's host */
    bool is_trusted;
};

struct weir_http {
    struct weir__token token;
    struct weir__owned owned;
    struct weir__owned listed; /* that it is in the list: ends before all that the numbers read */
    struct weir__list in_all;  /* metrics.c */
    weir_err err;
    const char *name;
    weir_http_options o; /* settled; what it points to is the context's */
    struct weir__client_target base, proxy;
    bool has_base, has_proxy;
    struct weir__pool_group *group;
    struct weir__shared_pool *shared; /* of what may speak HTTP/2; NULL: nothing may */
    unsigned workers;
    struct weir__client_cells *cells; /* [workers]; NULL without memory */
    struct weir__retry_budget *budget;
    struct weir__tls_client *_Atomic tls; /* secure.c: NULL until it is wanted */
    struct weir__lock jar_lock;           /* cookies.c */
    struct weir__cookie_jar jar;
    struct weir__upstream *upstream; /* NULL: no group */
};

/* Notes one more, or one fewer, for the metrics. */
void weir__client_enlist(weir_http *http);
void weir__client_delist(weir_http *http);

/* Adds the numbers of all clients of the process to a registry. */
struct weir__metrics;
void weir__client_metrics(struct weir__metrics *to);

/* --- connections ------------------------------------------------------------------------------ */

struct weir__client_transport;
struct weir__url_authority;

struct weir__client_conn {
    const struct weir__client_transport *transport;
    struct weir__stream stream;
    struct weir__detached away; /* while it is at no worker */
    uint64_t exchanges;         /* that got it; 0: it is fresh */
    char *buf;                  /* of `cap` bytes; what came and was not taken is [at, end) */
    size_t cap, at, end;

    /* of a shared pool */
    bool is_carried;
    bool is_left; /* its carrier has ended, under those who use it */
    struct weir__carrier *carrier;
    uint32_t users;
};

/* Of the pools: `driver` is a struct weir__pool_key of a weir_http, resources are connections. */
extern const struct weir__pool_ops weir__client_pool_ops;

/* Of the shared pool: `driver` is a weir_http, resources are connections. */
extern const struct weir__shared_ops weir__client_shared_ops;

/* --- the exchange ----------------------------------------------------------------------------- */

/* A header line of a message that is carried on: it was parsed, or is made of what was. */
struct weir__client_line {
    weir_str name, value;
};

/*
 * What a proxy asks for beyond what programs may, for a message that it carries on: nothing of the
 * client's own is added (User-Agent), redirections are the other's to follow.
 */
struct weir__client_carry {
    const struct weir__client_line *lines; /* behind the call's own, as they are */
    size_t line_count;
    weir_str host;      /* the field Host; absent: the target's own */
    bool is_host_read;  /* it came in a head that was parsed, so it is one */
    bool asks_trailers; /* `lines` say "TE: trailers" */
    weir_str upgrade;   /* the protocols that are offered; absent: none */
    int64_t length;     /* of the body that is written piece by piece; below 0: unknown */
    /*
     * Where it goes, whatever the client's base is: for a probe, which is as a program's request in
     * all else. NULL: the target tells.
     */
    const struct weir__client_target *at;
};

enum weir__client_state {
    WEIR__REPLY_ASKING, /* the body of the request is being written */
    WEIR__REPLY_ANSWERED,
    WEIR__REPLY_OVER /* nothing more comes: read to its end, closed, or failed */
};

enum { WEIR__CLIENT_TRIED_MAX = 12 }; /* above all retries */

enum weir__answer_body {
    WEIR__ANSWER_NONE,
    WEIR__ANSWER_LENGTH,
    WEIR__ANSWER_CHUNKED,
    WEIR__ANSWER_UNTIL_END /* of the connection, or of the stream */
};

struct weir_reply {
    struct weir__token token;
    struct weir__owned owned;
    weir_http *http;
    struct weir__ctx *c;
    const weir_site *site;
    const struct weir__fiber *fiber;
    weir_err err;                   /* C4 */
    const weir_error *error_before; /* the context's record when it was asked */
    uint8_t state;
    weir_time until; /* of all of it */
    uint64_t body_bytes_max;

    /* the request; texts are the caller's and valid while it is sent */
    enum weir__http_method method;
    weir_str method_text; /* in the context's memory */
    struct weir__client_target target;
    const weir_http_call_options *call; /* NULL when it has been sent */
    weir_str body;
    struct weir__client_form *form;         /* form.c: instead of `body`; NULL: none */
    const struct weir__client_carry *carry; /* NULL when it has been sent, or is a program's own */
    uint64_t body_left;                     /* of a body that is written, and has a length */
    bool has_length;
    bool is_carried;  /* a proxy's: nothing of the client's own is added, or kept of its answer */
    bool is_streamed; /* its body is not ended yet */
    bool is_duplex;   /* its answer is read while it is written, by a fiber each or by one */
    bool is_due;      /* the connection is given back by who is still inside … */
    uint8_t inside;   /* … of a call of the transport: of a duplex one alone, up to two */
    const struct weir__fiber *writer, *reader; /* who that is; NULL: nobody */
    weir_time ended_at;                        /* its body; of a duplex one */
    bool is_dropped;                           /* nobody reads it any more */
    bool is_refused;                           /* the peer takes no more of it */
    bool expects;
    bool asks_coding; /* Accept-Encoding is the client's own */
    bool has_left;    /* it was redirected to another host: secrets stay behind */
    bool is_bodiless; /* a redirection has made a GET of it */
    bool asks_trailers;
    struct weir__trailers behind; /* what follows a body that is written */
    uint8_t retries, redirects;
    const struct weir__client_visit *visits; /* where redirections led */

    /* C1: what it is sent on */
    struct weir__lease lease;
    struct weir__share share;
    struct weir__client_conn *conn;
    struct weir__client_stream *stream; /* of HTTP/2 */
    bool is_reused;
    bool is_untouched; /* the peer has done nothing of it, it says */
    const char *why;   /* what a transport knows of an error that it returned; a constant */
    uint64_t sent;     /* bytes of this try that have left */
    size_t head_len;   /* so many of them are the head */
    bool is_sent;      /* the request, whole */
    bool has_answer;   /* a byte of it came */
    bool keeps;        /* the server lets the connection stay */
    uint8_t tries;

    /* where it goes in a group (upstream.c) */
    struct weir__upstream_set *set; /* C12: of its worker; it counts as a call there. NULL: none */
    uint32_t seat;                  /* of the target, in `set` */
    uint8_t tried_count;            /* targets that have failed it */
    uint64_t sits_at;               /* the target's id; once there was one */
    uint64_t tried[WEIR__CLIENT_TRIED_MAX];

    /* the answer; all in the context's memory */
    uint16_t status;
    uint8_t major, minor; /* the version of HTTP by which it came */
    uint8_t kind;         /* enum weir__answer_body */
    uint8_t field_count;
    const char *head; /* what the fields' offsets are of */
    const struct weir__http_line *fields;
    uint64_t left; /* of WEIR__ANSWER_LENGTH */
    uint64_t got;  /* of any body */
    struct weir__chunked chunked;
    char *trailers; /* of WEIR_CHUNKED_TRAILER_BYTES_MAX; NULL: none came */
    size_t trailers_len;
    struct weir__client_coded *coded; /* coded.c: what is still to be unpacked; NULL: nothing */
    weir_str whole;  /* the body, or what weir_reply_read had left of it; absent: not read whole */
    size_t whole_at; /* up to where weir_reply_read has taken it */
};

/*
 * A version of HTTP on one connection, which `r` has a lease of. What returns an error has raised
 * nothing, unless it says so; the connection is then of no more use to the exchange.
 */
struct weir__client_transport {
    const char *name;
    bool is_shared; /* it carries others too: what breaks an exchange leaves the connection */
    /*
     * Sends the head, and the body unless it is streamed or a form; waits for 100 where that was
     * asked.
     */
    weir_err (*begin)(weir_reply *r);
    /* A piece of a body that is one of these. WEIR_ECLOSED: the answer has come already. */
    weir_err (*write)(weir_reply *r, const void *bytes, size_t size);
    /* The end of it. */
    weir_err (*end)(weir_reply *r);
    /* Waits for the answer's head; fills in status, fields, kind, keeps, maybe the whole body. */
    weir_err (*read_head)(weir_reply *r);
    /* Bytes of the body, 0 at its end, -EAGAIN if it is not to wait and must; an error. */
    ssize_t (*read)(weir_reply *r, void *bytes, size_t size, bool waits);
    /* Breaks it off: no more of it is sent or read. Idempotent. */
    void (*abort)(weir_reply *r);
    /* Who waits inside of it comes out, with an error. The connection stays until then. */
    void (*interrupt)(weir_reply *r);
    /* It is over. May the connection be used again? (C2) */
    bool (*close)(weir_reply *r);
};

extern const struct weir__client_transport weir__client_h1, weir__client_h2;

/* h1_body.c, for h1.c: what of the body came with the head, if that was all of it. */
weir_err weir__client_h1_take_whole(weir_reply *r);
ssize_t weir__client_h1_read(weir_reply *r, void *bytes, size_t size, bool waits);
/* h1.c, for h1_body.c: receives more behind what is there; 0 at the end, -EAGAIN, an error. */
ssize_t weir__client_h1_fill(weir_reply *r, weir_time until, bool waits);

/*
 * Begins a request that a proxy carries on: weir_http_begin where it has a body that is written,
 * else weir_http_do. `carry` is read during the call.
 */
weir_reply *weir__client_carry(const weir_site *site, weir_ctx *c, weir_http *http,
                               const char *method, const char *target,
                               const weir_http_call_options *options,
                               const struct weir__client_carry *carry, bool is_streamed);

/* upgrade.c: both sides of a connection after 101, each for one fiber, waiting in its context. */
bool weir__client_is_upgraded(const weir_reply *r);
ssize_t weir__client_upgraded_read(weir_reply *r, struct weir__ctx *c, void *bytes, size_t size);
weir_err weir__client_upgraded_send(weir_reply *r, struct weir__ctx *c, weir_str bytes);
/* No more is sent; what comes is still read. */
weir_err weir__client_upgraded_end(weir_reply *r);

/* --- parts ------------------------------------------------------------------------------------ */

/* target.c: reads a base, or the target of a call. WEIR_EINVALID with `*why`, -ENOMEM. */
weir_err weir__client_base_read(struct weir__ctx *c, const char *base,
                                struct weir__client_target *out, const char **why);
weir_err weir__client_target_read(const weir_http *http, struct weir__ctx *c, weir_str target,
                                  struct weir__client_target *out, const char **why);

/* Is its host among those that are told of time, trace and request? */
bool weir__client_is_trusted(const weir_http *http, const struct weir__client_target *t);

/* request.c: it frames a message or is of one connection, and so is the client's own to send. */
bool weir__client_is_own_header(weir_str name);

/* request.c: the value of a line of the call, or of what it carries on; absent. */
weir_str weir__client_line_of(const weir_reply *r, weir_str name);

/* request.c: the head of the request. WEIR_EINVALID, raised; WEIR_ETOOLARGE: the window is full. */
weir_err weir__client_request_write(weir_reply *r, struct weir__http1_writer *w);

/*
 * coded.c: the answer is there: its body will be unpacked if it is packed, and so asked for. False:
 * it has failed.
 */
bool weir__client_coded_begin(weir_reply *r);
/* Unpacked bytes, 0 at the end, which frees it, or the reply's error. `raw` gets packed ones. */
ssize_t weir__client_coded_read(weir_reply *r, void *bytes, size_t size,
                                ssize_t (*raw)(weir_reply *r, void *bytes, size_t size));
void weir__client_coded_end(weir_reply *r); /* idempotent */

/* coded.c: packs the request's body into `out`, as the call says. WEIR_EINVALID …, raised. */
weir_err weir__client_pack(weir_reply *r, weir_buf *out);

/*
 * cookies.c: does what an answer says of cookies, and writes those of a request, where the client
 * keeps any. -ENOMEM.
 */
weir_err weir__client_cookies_take(weir_reply *r);
void weir__client_cookies_write(weir_reply *r, struct weir__http1_writer *w);

/*
 * form.c: makes the form of the call's parts, with its length. WEIR_EINVALID …, raised. Then what
 * it is sent with: WEIR_OK, an error of the transport's, or one that has been raised (r->err).
 */
weir_err weir__client_form_new(weir_reply *r);
weir_err weir__client_form_send(weir_reply *r);
uint64_t weir__client_form_len(const struct weir__client_form *form);
weir_str weir__client_form_type(const struct weir__client_form *form);

/* call.c: asks, until there is an answer that is the reply's, or an error. */
void weir__client_ask(weir_reply *r);
/* call.c: the same request as another's, in a context of its own. NULL: no memory. */
weir_reply *weir__client_same(const weir_reply *r, struct weir__ctx *c);
/* reply.c: the fields behind a body that has been read to its end; empty: none. */
weir_str weir__client_trailers(const weir_reply *r);
/* call.c: a field behind the body that is written. As weir__trailers_add, or WEIR_ECLOSED. */
weir_err weir__client_trail(weir_reply *r, weir_str name, weir_str value);
/* call.c: of a duplex one: it fails, for a reason that is told elsewhere; who waits comes out. */
void weir__client_break_off(weir_reply *r, weir_err err);
/* reply.c: the body, whole; an error that the reply keeps. */
weir_err weir__client_read_whole(weir_reply *r);
/* hedge.c: asks, and once more when that takes long; what comes first is the reply's, whole. */
bool weir__client_is_hedged(const weir_reply *r);
void weir__client_hedge(weir_reply *r);

/* again.c: the first field of that name; absent. */
weir_str weir__client_field(const weir_reply *r, const char *name);

/*
 * secure.c: what TLS is made of: the option's, or the default's when it is wanted first. `why` gets
 * a line; blocks for files. The other one when the client ends.
 */
weir_err weir__client_tls_open(weir_http *http, weir_buf *why);
void weir__client_tls_close(weir_http *http);

/* secure.c: makes the connection to `at` (no brackets) one of TLS; on an error it is closed. */
weir_err weir__client_secure(weir_http *http, struct weir__ctx *c,
                             const struct weir__url_authority *at, const char *const *protocols,
                             weir_time until, struct weir__stream *s);

/* secure.c: the version of HTTP that is spoken on a connection that stands. */
const struct weir__client_transport *weir__client_transport_of(const struct weir__stream *s);

/* hosts.c: a connection to a pool's key, ready for a request. `protocols`: for ALPN, best first. */
weir_err weir__client_dial(weir_http *http, struct weir__ctx *c, weir_str key,
                           const char *const *protocols, weir_time until, struct weir__stream *s);
extern const char *const weir__client_only_http1[];
/* hosts.c: memory for what comes, of a connection that speaks HTTP/1.1. */
bool weir__client_give_buffer(struct weir__client_conn *conn);

/*
 * shared.c: is the exchange's host asked over shared connections? Then it leases one there, in `c`,
 * and gives it back.
 */
bool weir__client_is_shared(const weir_reply *r);
weir_err weir__client_lease_share(weir_reply *r, struct weir__ctx *c);
void weir__client_give_back_share(weir_reply *r, bool is_good);

/* proxy.c: makes a tunnel to "host:port" of a connection to the proxy; on an error it is closed. */
weir_err weir__client_tunnel(const weir_http *http, struct weir__ctx *c, weir_str where,
                             weir_time until, struct weir__stream *s);

/* hosts.c: gets a connection; `is_fresh`: one that was not used before. May have raised. */
weir_err weir__client_connect(weir_reply *r, bool is_fresh);

/* Where the running fiber waits for something of it. */
static inline struct weir__ctx *weir__client_waits_in(const weir_reply *r)
{
    return r->is_duplex ? weir__fiber_waits_in(r->c) : r->c;
}

/*
 * Around calls of the transport that wait, on one of both sides: r->writer or r->reader. Who comes
 * out last gives back what is due.
 */
void weir__client_enter(weir_reply *r, const struct weir__fiber **side);
void weir__client_leave(weir_reply *r, const struct weir__fiber **side);

/* Misuse where another fiber asked for it, or, of a duplex one, is at work on that side. */
void weir__client_check_fiber(weir_reply *r, const struct weir__fiber **side, const char *function);

/* Nothing more comes of it: the connection may be good for others. */
void weir__client_release(weir_reply *r);

/*
 * Gives back the connection, if there is one: to be used again, or to be closed (C1). Idempotent.
 */
void weir__client_give_back(weir_reply *r, bool is_good);

/* The same of one whose body nobody reads: a short rest that has come is thrown away. */
void weir__client_drop(weir_reply *r);

/*
 * again.c: it has failed with `err`, or been answered: is it to be asked again? Then the wait
 * before that is over, and all of the answer is forgotten.
 */
bool weir__client_retry(weir_reply *r, weir_err err);
/* It has been answered: is it to be asked elsewhere? False with r->err: that has failed. */
bool weir__client_redirect(weir_reply *r);
/* May a header go along to where the request is sent now? */
bool weir__client_may_travel(const weir_reply *r, weir_str name);

/* call.c: it is dropped: one whose request was not even ended counts as cancelled. */
void weir__client_count_left(const weir_reply *r);

/* It is over: nothing more comes, and it runs nowhere (C12). Idempotent. */
void weir__client_end(weir_reply *r);

/* The first error (C4), told with method, URL and the text; ends it. Returns r->err. */
weir_err weir__client_fail(weir_reply *r, weir_err err, const char *format, ...) WEIR_PRINTF(3, 4);

/* For errors: the URL without the query, and its address; at most 1,020 bytes. */
void weir__client_put_url(const weir_reply *r, weir_buf *out);

/* Tells and keeps what `err` means where it happened. */
weir_err weir__client_fail_sending(weir_reply *r, weir_err err);
weir_err weir__client_fail_reading(weir_reply *r, weir_err err);

/* The authority that is asked. */
static inline weir_str weir__client_host(const weir_reply *r)
{
    return r->carry != NULL && r->carry->host.len > 0 ? r->carry->host : r->target.host;
}

/* No later than `until`, nor than the exchange's end. */
static inline weir_time weir__client_within(const weir_reply *r, weir_dur limit)
{
    return weir_time_min(r->until, weir_time_add(weir__self->now, limit));
}

/* Why the context has no memory for the answer. */
static inline weir_err weir__client_no_memory(const weir_reply *r)
{
    return weir__ctx_arena(r->c)->is_over_budget ? WEIR_EBUDGET : -ENOMEM;
}

static inline bool weir__client_is_idempotent(enum weir__http_method m)
{
    return m == WEIR_HTTP_GET || m == WEIR_HTTP_HEAD || m == WEIR_HTTP_OPTIONS ||
           m == WEIR_HTTP_TRACE || m == WEIR_HTTP_PUT || m == WEIR_HTTP_DELETE;
}

/* The peer takes no more: it may have said why. */
static inline bool weir__client_is_broken(weir_err err)
{
    return err == -EPIPE || err == -ECONNRESET || err == WEIR_ECLOSED;
}

static inline struct weir__client_cells *weir__client_cells(const weir_http *http)
{
    return &http->cells[weir__self->index];
}

#endif
