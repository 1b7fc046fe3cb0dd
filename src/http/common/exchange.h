/*
 * One request and its response: what the room web builds on. An exchange lives from the moment a
 * request's head is complete until its response is, in a fiber, with a context. Which version of
 * HTTP it came by is known below its table of operations, and nowhere above. Exchanges are pooled
 * by worker; a warm one costs no malloc.
 *
 * X1: the status is decided once; a second response is refused and counted.
 * X2: a response that was begun ends whole (`end`), or is cut so that the client notices (`abort`).
 * X3: what `head` and its strings point to is valid until the exchange ends; so are the bytes of
 *     read_all.
 */
#ifndef WEIR_HTTP_COMMON_EXCHANGE_H
#define WEIR_HTTP_COMMON_EXCHANGE_H

#include "base/assert.h"
#include "net/endpoint.h"
#include "rt/context.h"
#include "wire/http_head.h"
#include "wire/trailer.h"

struct weir__exchange;
struct weir__http_conn;
struct weir__http_worker;

#define WEIR__EXTRA_BYTES 512   /* response header lines that need no memory of the arena */
#define WEIR__USER_SPACE 512    /* what the room web keeps of a request; never cleared here */
#define WEIR__VERSION_SPACE 264 /* what the version keeps of an exchange; never cleared here */

/* How far a response is. It never goes back, but by `retract`. */
enum weir__response {
    WEIR__RESPONSE_NONE,   /* header lines may still be added */
    WEIR__RESPONSE_OPEN,   /* begun: nothing but more body can follow */
    WEIR__RESPONSE_WINDOW, /* the same, and an encoder is writing: between window and commit */
    WEIR__RESPONSE_WHOLE,  /* `end` was reached */
    WEIR__RESPONSE_CUT     /* given up: the client sees that it has no end */
};

/* What body a response has, by its status, its method and its length. */
enum weir__response_body {
    WEIR__RESPONSE_BARE,   /* none may be: 204, 304 */
    WEIR__RESPONSE_UNSENT, /* its length is said, and nothing of it sent: HEAD, 205 */
    WEIR__RESPONSE_SIZED,
    WEIR__RESPONSE_UNSIZED
};

/* How far the request's body has been read. */
enum weir__body_state {
    WEIR__BODY_DONE, /* all of it, or there was none */
    WEIR__BODY_COMING,
    WEIR__BODY_BROKEN /* it failed: nothing more is read */
};

/*
 * What a version does for an exchange. Common code has checked that the call makes sense (X1, X2),
 * and keeps the state and the counts. All of it runs in the exchange's fibers; what may wait does
 * so in its context.
 */
struct weir__exchange_ops {
    const char *protocol; /* "HTTP/1.1" */

    /* The next bytes of a body that is COMING; results as weir__exchange_read. */
    ssize_t (*read)(struct weir__exchange *x, void *buf, size_t len);
    /* All of them, at most `max`, as weir__exchange_read_all. */
    weir_err (*read_all)(struct weir__exchange *x, uint64_t max, weir_str *out);

    /*
     * Begins a response, whose body is x->response_body: a whole one, or one whose body follows;
     * `length` below 0: unknown. Calls weir__response_begun as soon as it cannot be refused any
     * more.
     */
    weir_err (*respond)(struct weir__exchange *x, int status, weir_str type, weir_str body);
    weir_err (*begin)(struct weir__exchange *x, int status, weir_str type, int64_t length);
    /* More body: copied or sent. */
    weir_err (*write)(struct weir__exchange *x, weir_str bytes);
    /* Room to write body bytes in place, and how many were. */
    weir_err (*window)(struct weir__exchange *x, size_t min, char **ptr, size_t *len);
    void (*commit)(struct weir__exchange *x, size_t n);
    /* `*left` bytes of a file, counted down; -EOPNOTSUPP: not that way, copy what is left. */
    weir_err (*sendfile)(struct weir__exchange *x, int file, uint64_t at, uint64_t *left);
    weir_err (*flush)(struct weir__exchange *x);
    /* The end, and the fields of x->behind before it where there is a place for them. */
    weir_err (*end)(struct weir__exchange *x);
    /* The end that cannot be taken for one. */
    void (*abort)(struct weir__exchange *x);
    /* False when some of it has left. */
    bool (*retract)(struct weir__exchange *x);
    /*
     * Answers that both sides go on in another protocol, and makes body and response the bytes of
     * that, both ways, for `read`, `write`, `flush` and `end`.
     */
    weir_err (*upgrade)(struct weir__exchange *x, weir_str protocol);

    /* The nth piece of memory that the head's strings, or the body's bytes, lie in; 0: no more. */
    size_t (*piece)(const struct weir__exchange *x, size_t nth, const void **at);
};

struct weir__exchange {
    struct weir__ctx *ctx; /* the request's context; ctx->exchange is this */
    const struct weir__exchange_ops *ops;
    struct weir__http_conn *conn;
    struct weir__http_worker *home;
    const char *bytes; /* the head's text */

    /* from here to `head`: cleared when it is opened */
    void *user;        /* of the room web */
    weir_time began;   /* when it was taken up (the worker's clock after the poll) */
    weir_dur timeout;  /* its context's: without progress once there is some; below 0: none */
    uint32_t progress; /* bytes that have come or gone since the deadline was last moved on */
    bool is_half_close_served; /* a client that shuts its sending side is not yet gone */
    bool has_failed;           /* set by `serve`: it is answered, and the handler has failed */

    /* the response so far */
    bool has_type;         /* a Content-Type line is among the header lines */
    bool has_trailers;     /* fields behind its body were announced or added */
    uint8_t response;      /* enum weir__response */
    uint8_t response_body; /* enum weir__response_body, of a response that was begun */
    uint16_t status;       /* 0 until it is begun; 499: the client was gone before */
    uint32_t extra_len, extra_cap;
    char *extra;                  /* header lines: extra_bytes, or a longer piece of the arena */
    uint64_t length_left;         /* of a SIZED one */
    uint64_t bytes_out;           /* body bytes of the response, as the handler wrote them */
    struct weir__trailers behind; /* what follows its body, in the context's memory */

    /* the request's body */
    uint64_t bytes_in; /* body bytes received */
    char *trailers;    /* collected, in the context's memory */
    uint32_t trailers_len;
    weir_err body_err;  /* of the last read */
    uint8_t body_state; /* enum weir__body_state */

    struct weir__http_head head; /* cleared by who fills it in */

    /* set by who opens it */
    bool is_refused;         /* no request for `serve`: the head was bad, or too slow */
    int16_t refused_status;  /* what `refuse` is told then */
    const char *refused_why; /* constant */

    char extra_bytes[WEIR__EXTRA_BYTES];
    _Alignas(16) char user_space[WEIR__USER_SPACE];
    _Alignas(16) char version_space[WEIR__VERSION_SPACE];
    struct weir__exchange *next_free;
};
_Static_assert(sizeof(struct weir__exchange) <= 2560,
               "it fits a size of jemalloc's: the next one is 512 bytes more for each stream");

/* --- the request ----------------------------------------------------------------------------- */

/* The method as sent, and as a number: enum weir__http_method. */
static inline weir_str weir__exchange_method(const struct weir__exchange *x)
{
    return weir__http_head_str(x->bytes, x->head.method_token);
}
static inline unsigned weir__exchange_method_id(const struct weir__exchange *x)
{
    return x->head.method;
}

/* "OPTIONS *": it asks about the server, not about a path. */
static inline bool weir__exchange_is_asterisk(const struct weir__exchange *x)
{
    return x->head.form == WEIR_HTTP_ASTERISK;
}

/*
 * The target as sent; its path, still percent-encoded ("*" for OPTIONS *); its query (absent
 * without '?').
 */
static inline weir_str weir__exchange_target(const struct weir__exchange *x)
{
    return weir__http_head_str(x->bytes, x->head.target);
}
static inline weir_str weir__exchange_path(const struct weir__exchange *x)
{
    return weir__http_head_path(&x->head, x->bytes);
}
static inline bool weir__exchange_path_is_plain(const struct weir__exchange *x)
{
    return x->head.path_is_plain;
}
static inline weir_str weir__exchange_query(const struct weir__exchange *x)
{
    return weir__http_head_str(x->bytes, x->head.query);
}

/* The length that the body's head says; false when it says none. */
static inline bool weir__exchange_length(const struct weir__exchange *x, uint64_t *out)
{
    *out = x->head.content_length;
    return x->head.body == WEIR_HTTP_BODY_LENGTH;
}

/* Is there a field with that id? */
static inline bool weir__exchange_has(const struct weir__exchange *x, enum weir__http_field_id id)
{
    return x->head.slots[id] != 0;
}

/*
 * The fields in their order: the index of the first one with that id at or after `from`, and how
 * many there are in all; there is none where the two are equal. Then name and value of one.
 */
static inline unsigned weir__exchange_fields(const struct weir__exchange *x)
{
    return x->head.nfields;
}
static inline unsigned weir__exchange_find(const struct weir__exchange *x,
                                           enum weir__http_field_id id, unsigned from)
{
    const struct weir__http_head *h = &x->head;
    unsigned i = h->slots[id] != 0 ? h->slots[id] - 1u : h->nfields;
    for (i = i < from ? from : i; i < h->nfields && h->fields[i].id != id;)
        i++;
    return i;
}
static inline weir_str weir__exchange_field_name(const struct weir__exchange *x, unsigned i)
{
    WEIR_ASSERT(i < x->head.nfields, "X3: a field is one of the head's");
    return weir__http_head_name(&x->head, x->bytes, i);
}
static inline weir_str weir__exchange_field_value(const struct weir__exchange *x, unsigned i)
{
    WEIR_ASSERT(i < x->head.nfields, "X3: a field is one of the head's");
    return weir__http_head_value(&x->head, x->bytes, i);
}

/* Is there more than one field with that id? */
static inline bool weir__exchange_is_repeated(const struct weir__exchange *x,
                                              enum weir__http_field_id id)
{
    unsigned first = weir__exchange_find(x, id, 0);
    return weir__exchange_find(x, id, first + 1) < weir__exchange_fields(x);
}

/* The first field with that id, or that name in any case; absent when there is none. */
static inline weir_str weir__exchange_field(const struct weir__exchange *x,
                                            enum weir__http_field_id id)
{
    return weir__http_head_field(&x->head, x->bytes, id);
}
weir_str weir__exchange_header(const struct weir__exchange *x, weir_str name);

/*
 * Who is asked, as host and port: the target's where it names one, which a Host beside it does not
 * change (RFC 9112 section 3.2.2), else Host's. Absent: HTTP/1.0 that says neither.
 */
weir_str weir__exchange_authority(const struct weir__exchange *x);

/* Who is at the other end of the connection; family 0 when unknown. */
const struct weir__endpoint *weir__exchange_peer(const struct weir__exchange *x);

/*
 * Whom the request is from: the peer, or whom peers that are trusted have named (server options
 * `trusted`, `is_forwarded`). Port 0 where it is not known. While the head is there.
 */
void weir__exchange_client(const struct weir__exchange *x, struct weir__endpoint *out);

/* "HTTP/1.0", "HTTP/1.1" or "HTTP/2"; and whether it came over TLS. While the head is there. */
const char *weir__exchange_protocol(const struct weir__exchange *x);
bool weir__exchange_is_tls(const struct weir__exchange *x);

/* The time that the response's Date says, in seconds of Unix. */
int64_t weir__exchange_date(const struct weir__exchange *x);

/*
 * Its time limit in place of the server's; below 0: none. What a trusted caller has left still
 * holds. Before anything waits in its context, so that no timer is armed for another one yet.
 */
void weir__exchange_limit_time(struct weir__exchange *x, weir_dur timeout);

/* Requests on this connection before this one. */
uint32_t weir__exchange_index(const struct weir__exchange *x);

/*
 * Reads the next bytes of the body, waiting in the fiber's own context: > 0 how many, 0 at its end,
 * < 0 the error: the reason when that is cancelled, WEIR_ETIMEDOUT when it comes too slowly,
 * WEIR_ECLIENTGONE when it is cut short, WEIR_EINVALID when its chunks are malformed. May wait. The
 * errors are also the status that fits (408, 400): weir__exchange_body_status.
 */
ssize_t weir__exchange_read(struct weir__exchange *x, void *buf, size_t len);

/*
 * The whole body, valid as long as the exchange. Not copied when it came with the head. Over `max`
 * bytes (0: the server's body_max) WEIR_ETOOLARGE, beforehand when its length was announced. Call
 * it once, and not after weir__exchange_read.
 */
WEIR_MUST_USE weir_err weir__exchange_read_all(struct weir__exchange *x, size_t max, weir_str *out);

/* The server's limit of a body's bytes. */
uint64_t weir__exchange_body_max(const struct weir__exchange *x);

/*
 * The status for an error of the two functions above: 413, 408, 400; 0 when no answer makes sense.
 */
int weir__exchange_body_status(weir_err err);

/*
 * The fields behind the body (RFC 9110 section 6.5) after its end, for weir__trailer_next; empty
 * when there are none.
 */
weir_str weir__exchange_trailers(const struct weir__exchange *x);

/* Does it say "TE: trailers" (RFC 9110 section 10.1.4)? */
bool weir__exchange_wants_trailers(const struct weir__exchange *x);

/* --- the response ---------------------------------------------------------------------------- */

/* Its status is decided. */
static inline bool weir__exchange_is_begun(const struct weir__exchange *x)
{
    return x->response != WEIR__RESPONSE_NONE;
}
/* All of it was said. */
static inline bool weir__exchange_is_whole(const struct weir__exchange *x)
{
    return x->response == WEIR__RESPONSE_WHOLE;
}
static inline bool weir__exchange_is_cut(const struct weir__exchange *x)
{
    return x->response == WEIR__RESPONSE_CUT;
}
/* Of a response that was begun: what is written of its body is also sent. */
static inline bool weir__exchange_has_body(const struct weir__exchange *x)
{
    return x->response_body >= WEIR__RESPONSE_SIZED;
}

/*
 * Adds a header line to the response that is not yet begun. WEIR_EINVALID: not a name, not a value
 * (CR, LF, NUL), or a name that the server itself sets (Content-Length, Transfer-Encoding,
 * Connection, Date, Trailer); -EMSGSIZE: all lines have over 8 KiB; WEIR_ECLOSED: already begun;
 * WEIR_EBUDGET, -ENOMEM. A Content-Type given here is the one that is sent.
 */
weir_err weir__exchange_header_add(struct weir__exchange *x, weir_str name, weir_str value);

/* The same, replacing lines of that name that were added before. */
weir_err weir__exchange_header_set(struct weir__exchange *x, weir_str name, weir_str value);

/* The same, replacing those lines of that name whose value `is` picks. */
weir_err weir__exchange_header_replace(struct weir__exchange *x, weir_str name, weir_str value,
                                       bool (*is)(weir_str value, const void *arg),
                                       const void *arg);

/* Takes lines of that name out again; true when there was one. */
bool weir__exchange_header_remove(struct weir__exchange *x, weir_str name);

/* The value of a line added before; absent when there is none. */
weir_str weir__exchange_header_added(const struct weir__exchange *x, weir_str name);

/*
 * Fields behind the response's body (RFC 9110 section 6.5), while it is not whole. `announce` says
 * before it is begun that a field of that name will follow; `add` is that field, and more of them.
 * A response of HTTP/1.1 has them where its body goes in chunks, as it does when something was
 * announced or added before it was begun, whatever its length; where a response has no body, or
 * ends with the connection, they are left out. WEIR_EINVALID: not a name, not a value, or a field
 * that may not trail; -EMSGSIZE: too many of them, or too long; WEIR_ECLOSED: too late;
 * WEIR_EBUDGET, -ENOMEM.
 */
weir_err weir__exchange_trailer_announce(struct weir__exchange *x, weir_str name);
weir_err weir__exchange_trailer_add(struct weir__exchange *x, weir_str name, weir_str value);

/*
 * Responds whole. `type` is a constant, or has been checked to be a field's value; it may be absent
 * (then there is no Content-Type unless one was added). `body` is used during the call only.
 * WEIR_ECLOSED when a response was begun already (a second one: counted); else what `begin` and
 * `write` return.
 */
weir_err weir__exchange_respond(struct weir__exchange *x, int status, weir_str type, weir_str body);

/*
 * X1, for who knows of a second response before it gets here: counts it, and raises WEIR_ECLOSED,
 * which says so.
 */
weir_err weir__exchange_refuse_second(struct weir__exchange *x);

/*
 * Begins a response whose body follows by write, window or sendfile, and then `end`.
 *
 * length   of the body; -1: unknown (chunked, or up to the connection's end for HTTP/1.0)
 */
weir_err weir__exchange_begin(struct weir__exchange *x, int status, weir_str type, int64_t length);

/*
 * Writes body bytes; may wait for the client to take earlier ones (up to write_timeout). Bytes of a
 * response without a body (HEAD, 204, 304) are dropped. WEIR_ECLIENTGONE, WEIR_ETIMEDOUT, the
 * reason; WEIR_ETOOLARGE past the announced length.
 */
weir_err weir__exchange_write(struct weir__exchange *x, weir_str bytes);

/*
 * Room for encoders to write body bytes in place: at least `min` (at most WEIR__WINDOW_MIN_MAX)
 * bytes at `*ptr`, `*len` of them. May wait. Then `commit` what was written. Nothing else may be
 * written between the two.
 */
#define WEIR__WINDOW_MIN_MAX 8192
weir_err weir__exchange_window(struct weir__exchange *x, size_t min, char **ptr, size_t *len);
weir_err weir__exchange_commit(struct weir__exchange *x, size_t n);

/* Sends `len` bytes of a file from `at` on as body bytes. May wait. */
weir_err weir__exchange_sendfile(struct weir__exchange *x, int file, uint64_t at, uint64_t len);

/*
 * Sends what has been written so far. For streams that pause; else it happens by itself. May wait.
 */
weir_err weir__exchange_flush(struct weir__exchange *x);

/*
 * Ends the response. WEIR_EINVALID when fewer bytes were written than announced: then it is
 * aborted.
 */
weir_err weir__exchange_end(struct weir__exchange *x);

/*
 * Gives up a response that was begun: what follows would be wrong, so the connection is cut without
 * a proper end.
 */
void weir__exchange_abort(struct weir__exchange *x);

/*
 * Takes back a response that was begun, header lines included, as long as none of it has left:
 * true, and another may be begun. For errors that show while a body is written.
 */
bool weir__exchange_retract(struct weir__exchange *x);

/*
 * Answers 101 and goes on in `protocol` (a constant), which the client has offered. From then on
 * `read` has what the client sends, `write` and `flush` send, and `end` tells that no more comes;
 * one fiber may read while another writes. WEIR_EINVALID: it has not offered it, or this version
 * of HTTP has no such thing; else as `begin`. May wait.
 */
weir_err weir__exchange_upgrade(struct weir__exchange *x, weir_str protocol);

/* --- for versions ----------------------------------------------------------------------------- */

/* A header line of the server's own, which a handler may not add. As weir__exchange_header_add. */
weir_err weir__exchange_own_line(struct weir__exchange *x, weir_str name, weir_str value);

/* The status is decided: nothing but more body can follow. */
static inline void weir__response_begun(struct weir__exchange *x, int status)
{
    WEIR_ASSERT(x->response == WEIR__RESPONSE_NONE, "X1: the status is decided once");
    x->response = WEIR__RESPONSE_OPEN;
    x->status = (uint16_t)status;
}

/*
 * The next of the response's header lines, from offset *at on; false at the end. Names are as the
 * handler wrote them.
 */
bool weir__response_next_line(const struct weir__exchange *x, uint32_t *at, weir_str *name,
                              weir_str *value);

#endif
