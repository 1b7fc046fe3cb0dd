/*
 * One request and its response: what the room web builds on. An exchange lives from the moment a
 * request's head is complete until its response is, in a fiber, with a context. Exchanges are
 * pooled by worker; a warm one costs no malloc.
 *
 * X1: the status line is written once; a second response is refused and counted.
 * X2: a response that was begun ends whole (`end`), or its connection is cut so that the client
 *     notices (`abort`).
 * X3: what `head` and its strings point to is valid until the exchange ends; so are the bytes of
 *     read_all.
 */
#ifndef WEIR_HTTP_EXCHANGE_H
#define WEIR_HTTP_EXCHANGE_H

#include "net/endpoint.h"
#include "rt/context.h"
#include "wire/chunked.h"
#include "wire/http1_head.h"

struct weir__http_conn;
struct weir__http_worker;

#define WEIR__EXTRA_BYTES 512 /* response header lines that need no memory of the arena */
#define WEIR__USER_SPACE 512  /* what the room web keeps of a request; never cleared here */

struct weir__exchange {
    struct weir__ctx *ctx; /* the request's context; ctx->exchange is this */
    struct weir__http_conn *conn;
    struct weir__http_worker *home;
    const char *bytes; /* the head's first byte */
    void *user;        /* of the room web; NULL at the start */
    weir_time began;   /* when it was taken up (the worker's clock after the poll) */
    weir_dur timeout;  /* its context's: without progress once there is some; below 0: none */
    uint32_t progress; /* bytes that have come or gone since the deadline was last moved on */
    bool is_half_close_served; /* a client that shuts its sending side is not yet gone */

    /* the response so far */
    uint16_t status;       /* 0 until it is begun; 499: the client was gone before */
    bool is_started;       /* the status line is decided: nothing but more body can follow */
    bool is_complete;      /* `end` was reached */
    bool is_aborted;       /* the connection will be cut */
    bool has_body;         /* of the response: false for HEAD, 204, 205, 304 */
    bool has_body_allowed; /* its length is said: false for 204, 304 */
    bool is_chunked;
    bool is_close_delimited; /* HTTP/1.0 without a length */
    bool is_last;            /* the connection closes after it */
    bool has_type;           /* a Content-Type line is among the header lines */
    bool has_failed;         /* set by `serve`: it is answered, and the handler has failed */
    uint64_t length_left;    /* of a response whose length was announced */
    uint64_t bytes_in;       /* body bytes received */
    uint64_t bytes_out;      /* body bytes of the response, without chunk heads */
    uint32_t extra_len, extra_cap;
    char *extra; /* header lines: extra_bytes, or a longer piece of the arena */

    /* the request's body */
    uint8_t body_state; /* enum weir__body_state */
    bool is_continue_due;
    bool is_reading;    /* a wait for body bytes: the peer may shut its side meanwhile */
    weir_err body_err;  /* of the last read */
    uint64_t body_left; /* of a body with a length */
    weir_time body_began;
    struct weir__chunked chunked;
    weir_str piece; /* data of a chunk that `read` has not handed out yet */
    char *trailers; /* collected, in the context's memory */
    uint32_t trailers_len;

    /* where the response stands in the output */
    uint32_t out_from;   /* where it begins … */
    bool is_out_kept;    /* … while nothing of it has been sent */
    bool is_window_open; /* between window and commit: output stays where it is */

    /* of the head; not cleared with what is above */
    bool is_refused;         /* no request for `serve`: the head was bad, or too slow */
    int16_t refused_status;  /* what `refuse` is told then */
    uint32_t head_len;       /* of its bytes */
    const char *refused_why; /* constant */
    struct weir__timer
        gone; /* cancels the context soon after it was seen that the client is gone */

    struct weir__http_head head; /* parsed; not cleared but for its progress */
    char extra_bytes[WEIR__EXTRA_BYTES];
    _Alignas(16) char user_space[WEIR__USER_SPACE];
    struct weir__exchange *next_free;
};

enum weir__body_state { WEIR__BODY_DONE, WEIR__BODY_LENGTH, WEIR__BODY_CHUNKED, WEIR__BODY_BROKEN };

/* --- the request ----------------------------------------------------------------------------- */

/* The method as sent; enum weir__http_method is in head.method. */
static inline weir_str weir__exchange_method(const struct weir__exchange *x)
{
    return weir__http_head_str(x->bytes, x->head.method_token);
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
static inline weir_str weir__exchange_query(const struct weir__exchange *x)
{
    return weir__http_head_str(x->bytes, x->head.query);
}

/* The first field with that id, or that name in any case; absent when there is none. */
static inline weir_str weir__exchange_field(const struct weir__exchange *x,
                                            enum weir__http_field_id id)
{
    return weir__http_head_field(&x->head, x->bytes, id);
}
weir_str weir__exchange_header(const struct weir__exchange *x, weir_str name);

/* Who is at the other end of the connection; family 0 when unknown. */
const struct weir__endpoint *weir__exchange_peer(const struct weir__exchange *x);

/* The time that the response's Date says, in seconds of Unix. */
int64_t weir__exchange_date(const struct weir__exchange *x);

/*
 * Its time limit in place of the server's; below 0: none. Before anything waits in its context, so
 * that no timer is armed for another one yet.
 */
void weir__exchange_limit_time(struct weir__exchange *x, weir_dur timeout);

/* Requests on this connection before this one. */
uint32_t weir__exchange_index(const struct weir__exchange *x);

/*
 * Reads the next bytes of the body: > 0 how many, 0 at its end, < 0 the error: the reason when the
 * context is cancelled, WEIR_ETIMEDOUT when it comes too slowly, WEIR_ECLIENTGONE when it is cut
 * short, WEIR_EINVALID when its chunks are malformed. May wait. The errors are also the status that
 * fits (408, 400): weir__exchange_body_status.
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
 * The trailer section of a chunked body after its end, for weir__trailer_next; empty when there is
 * none.
 */
weir_str weir__exchange_trailers(const struct weir__exchange *x);

/* --- the response ---------------------------------------------------------------------------- */

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
 * Responds whole. `type` is a constant, or has been checked to be a field's value; it may be absent
 * (then there is no Content-Type unless one was added). `body` is used during the call only.
 * WEIR_ECLOSED when a response was begun already (a second one: counted); else what `begin` and
 * `write` return.
 */
weir_err weir__exchange_respond(struct weir__exchange *x, int status, weir_str type, weir_str body);

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

/* The connection closes after this response ("Connection: close"). Before it is begun. */
static inline void weir__exchange_close_after(struct weir__exchange *x)
{
    x->is_last = true;
}

#endif
