/*
 * The HTTP client. A weir_http knows a peer (or any), keeps connections to it, and is asked from
 * every fiber; a reply belongs to the context that asked, so there is nothing to close: what is
 * read to its end gives its connection back, what is not is closed with the context at the latest.
 *
 *     weir_http *api = weir_http_open(app, .base = "http://10.0.0.5:8080/v1");
 *
 *     weir_reply *r = weir_http_get(c, api, "/items/42", .timeout = weir_ms(300));
 *     item it;
 *     if (weir_reply_json(r, item, &it) < 0)      // of the call, the status or the text: the first
 *         …
 *
 * A call always yields a reply: where it failed, one whose every use returns the error, which the
 * error record of the context tells with method, URL and what was tried.
 */
#ifndef WEIR_CLIENT_H
#define WEIR_CLIENT_H

#include <stdint.h>
#include <sys/types.h>
#include <weir/file.h>
#include <weir/model.h>
#include <weir/pool.h>
#include <weir/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What becomes of a body that comes packed (Content-Encoding: gzip, deflate, br). */
typedef enum weir_http_encoding {
    WEIR_HTTP_ENCODING_DEFAULT, /* of a call: its client's; of a client: it is unpacked */
    WEIR_HTTP_UNPACKED,         /* asked for in all codings of this build, and read unpacked */
    WEIR_HTTP_AS_SENT           /* no coding is asked for, and whatever comes is left as it is */
} weir_http_encoding;

/** For redirects_max: none are followed. */
#define WEIR_HTTP_NONE UINT32_MAX

/** Which version of HTTP is spoken. */
typedef enum weir_http2 {
    WEIR_HTTP2_AGREED, /**< over TLS HTTP/2 where the peer agrees (ALPN); else HTTP/1.1 */
    WEIR_HTTP2_NEVER,  /**< HTTP/1.1 */
    WEIR_HTTP2_PRIOR   /**< HTTP/2, without asking: also in clear (RFC 9113 section 3.3) */
} weir_http2;

/** An HTTP client: its options, and connections by host. */
typedef struct weir_http weir_http;

/** The answer to one request, and its body. */
typedef struct weir_reply weir_reply;

/** A header line that is sent. `name` is a token; `value` has no control characters. */
typedef struct weir_http_header {
    const char *name;
    weir_str value;
} weir_http_header;

/** A part of a form: `.parts = WEIR_HTTP_PARTS(…)`. */
typedef struct weir_http_part {
    const char *name;     /* not empty; NULL ends a list */
    weir_str body;        /* its bytes */
    weir_file *file;      /* or a file, from its beginning on, as long as it is at the call */
    const char *filename; /* what the peer is told it is called; default: nothing */
    const char *type;     /* Content-Type; default with a filename: application/octet-stream */
} weir_http_part;

/**
 * Parts of a form: `.parts = WEIR_HTTP_PARTS({.name = "note", .body = text}, {.name = "photo",
 * .file = f, .filename = "a.jpg", .type = "image/jpeg"})`.
 */
#ifdef __cplusplus
#define WEIR_HTTP_PARTS(...) weir__list<weir_http_part>({__VA_ARGS__, weir_http_part{}})
#else
#define WEIR_HTTP_PARTS(...) ((const weir_http_part[]){__VA_ARGS__, {.name = NULL}})
#endif

/** One of the hosts of a group. `url` is "http://host:port" or "unix:/path", without a path. */
typedef struct weir_http_target {
    const char *url;
    uint32_t weight; /* 1 to 1,000; 0 is 1 */
    /*
     * Each address that its name has is a target, with this weight; Host, and the name that a
     * certificate must have, stay the name. The name is looked up again when its time to live is
     * over, between 1 s and 5 minutes. An address that is new gets a tenth of its share at first;
     * one that is no more among them gets nothing more: what runs there goes on, and its
     * connections are closed as they come free. While nobody can say which addresses there are,
     * they stay; where there are none, and before the first answer, the name itself is the target.
     * Of 10 targets at most, and not behind a proxy; 64 addresses each, 32 of a family.
     */
    bool each_address;
} weir_http_target;

/** Which target of a group a call goes to. */
typedef enum weir_http_policy {
    WEIR_HTTP_ROUND_ROBIN, /* one after the other, by their weights */
    WEIR_HTTP_LEAST,       /* of two drawn by weight the one that has less to do */
    WEIR_HTTP_HASH         /* the same key to the same target, while that is not overloaded */
} weir_http_policy;

/**
 * How a group is used; zero means the default. A target is left alone when its calls fail: no
 * connection, no answer, a body that is cut, or a status of 500 and above that speaks of the server
 * (not 501, 505). It comes back by itself after `out_time`, the second time after twice as long, …
 * 5 minutes. With a probe it is down as well after `fall` failures of calls and probes, until
 * `rise` probes were well. Who comes back gets a tenth of its share at first. Texts are copied.
 */
typedef struct weir_http_group_options {
    weir_http_policy policy;
    /*
     * Of WEIR_HTTP_HASH: the header of the call that is its key, where it has no `.key`; default:
     * the target's path without the query.
     */
    const char *key_header;
    const char *probe;        /* a path, asked for by GET: 2xx and 3xx are well; "tcp": a
                                 connection is enough; default: no probes */
    weir_dur probe_interval;  /* 100 ms to 1 h, give or take a tenth; default 5 s */
    weir_dur probe_timeout;   /* 1 ms to 1 min; default 1 s */
    uint32_t rise;            /* 1 to 100 probes in a row bring it back; default 2 */
    uint32_t fall;            /* 1 to 100 failures in a row take it out; default 3 */
    uint32_t failures_max;    /* 1 to 1,000 failed calls in a row eject it; default 3 */
    uint32_t out_percent_max; /* so many of the targets are ejected at most, 1 to 100; default 50 */
    weir_dur out_time;        /* 1 ms to 1 h out at the first time; default 30 s */
    weir_dur slow_start;      /* 1 ms to 1 h until it has all of its share again; default 30 s */
} weir_http_group_options;

/** Header lines: `.headers = WEIR_HTTP_HEADERS({"accept", WEIR_S("a/b")}, {"x-key", key})`. */
#ifdef __cplusplus
#define WEIR_HTTP_HEADERS(...) weir__list<weir_http_header>({__VA_ARGS__, {NULL, {NULL, 0}}})
#else
#define WEIR_HTTP_HEADERS(...) ((const weir_http_header[]){__VA_ARGS__, {NULL, {NULL, 0}}})
#endif

/** Hosts: `.trusted = WEIR_HTTP_HOSTS("10.0.0.5", "localhost")`. */
#ifdef __cplusplus
#define WEIR_HTTP_HOSTS(...) weir__list<const char *>({__VA_ARGS__, NULL})
#else
#define WEIR_HTTP_HOSTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#endif

/** A group: `.targets = WEIR_HTTP_TARGETS({.url = "http://10.0.0.1:80", .weight = 2}, …)`. */
#ifdef __cplusplus
#define WEIR_HTTP_TARGETS(...) weir__list<weir_http_target>({__VA_ARGS__, weir_http_target{}})
#else
#define WEIR_HTTP_TARGETS(...) ((const weir_http_target[]){__VA_ARGS__, {.url = NULL}})
#endif

/** What a client may be given; zero means the default. All of it is copied. */
typedef struct weir_http_options {
    size_t size; /* the macro's */
    /*
     * What targets that begin with '/' stand behind: "https://shop.example", with a path if there
     * is one: "http://10.0.0.5:8080/v1"; "unix:/run/shop.sock" for a local socket. Without it every
     * target is a whole URL.
     */
    const char *base;
    const char *name; /* in metrics; default: the base, or "http" */
    /* Sent with each request whose call has none of the name; not Host, lengths and codings. */
    const weir_http_header *headers;
    const char *user_agent;  /* default "weir/" and the version; "" sends none */
    weir_pool_options pool;  /* of each host; default max_open 100 */
    uint32_t hosts_max;      /* pools kept, 1 to 1,000; default 100 */
    uint32_t open_max;       /* connections to all hosts, 1 to 10,000; default 1,000 */
    weir_dur dial_timeout;   /* 1 ms to 10 min for a connection; default 5 s */
    weir_dur answer_timeout; /* 1 ms to 1 h from the request to its answer's head; 30 s */
    weir_dur idle_timeout;   /* 1 ms to 1 h without a byte of a body; default 30 s */
    uint32_t head_bytes_max; /* of an answer's head, 256 to 65,535; default 32 KiB */
    uint32_t headers_max;    /* lines of it, 1 to 100; default 100 */
    uint64_t body_bytes_max; /* of a body read whole, 1 to 1 GiB; default 4 MiB */
    /*
     * The names of hosts that are told what is left of the time (milliseconds), the trace
     * ("traceparent") and the request's id ("X-Request-Id"). Nobody else is.
     */
    const char *const *trusted;
    bool trust_base;             /* the base's host is one of them */
    const char *deadline_header; /* the field of the time; default "Weir-Deadline-Ms"; "": none */
    /*
     * Retries of what has failed so that another try may go well (no connection, cut, no answer in
     * time, 429, 502, 503, 504) and may be done twice (GET, HEAD, PUT, DELETE, OPTIONS), or of
     * which nothing was sent; 0 to 10, default none. Before each is a wait: what Retry-After asks
     * for, and up to 100 ms, 200 ms … 10 s at random. All retries together are a fifth of the
     * requests, and ten a second, at most. None of a body that is written by pieces, nor past the
     * deadline.
     */
    uint32_t retries_max;
    /*
     * Redirections that are followed, 1 to 50; default 10; WEIR_HTTP_NONE: their answers are the
     * replies. Of the header lines only Accept-…, Content-…, Range and User-Agent go along to
     * another host. 303, and 301 and 302 of a POST, make a GET of it.
     */
    uint32_t redirects_max;
    /*
     * "http://host:port": connections to hosts go through this proxy, which is asked for them by
     * CONNECT and resolves their names; with https it sees neither requests nor answers.
     * `proxy_authorization` is what it gets as Proxy-Authorization ("Basic …"), and nobody else.
     */
    const char *proxy;
    const char *proxy_authorization;
    /*
     * For https: whom it trusts, and its own certificate (weir_tls_new); its `alpn` is not looked
     * at. Default: the system's store, read when the client is made with a base that is https, else
     * by the first connection that wants it. Names are checked either way.
     */
    const weir_tls *tls;
    /*
     * Over HTTP/2 one connection carries many requests, 128 at a time or as many as the peer takes.
     * It is its worker's, and so are the limits of `pool` and open_max then: of each worker; its
     * min_idle, max_idle and check_after are not looked at. Of a client whose base is "http://…"
     * only PRIOR makes a difference, also where it is redirected to.
     */
    weir_http2 http2;
    bool redirects_secure; /* a redirection from https to http is an error: WEIR_ETLS */
    /*
     * Unpacked are bodies that the client itself has asked for so: not those of a call that has an
     * Accept-Encoding or a Range of its own, nor 206. The fields stay as they were sent.
     */
    weir_http_encoding encoding;
    uint64_t unpacked_bytes_max; /* of a body that came packed, 1 to 1 TiB; default 1 GiB */
    uint32_t unpacked_ratio_max; /* unpacked bytes a packed one, beyond 1 MiB; 2 to 2,000; 200 */
    /*
     * The client keeps what hosts set by Set-Cookie, for all of its calls on all workers, and sends
     * it back to them, as RFC 6265 says: by domain, path, age, and secure ones over https alone. At
     * most 300, 50 of a domain; not written anywhere. A call that has a Cookie of its own sends
     * that. There is no list of public suffixes: "co.uk" is taken for a domain like others, so it
     * is for hosts that the program knows.
     */
    bool cookies;
    /*
     * Instead of a base: 1 to 100 hosts that do the same, of which each call gets one. A retry goes
     * to another one, at once while there is one that has not failed the call. `trust_base` is of
     * all of them.
     */
    const weir_http_target *targets;
    weir_http_group_options group;
} weir_http_options;

/**
 * Makes a client. No connection is opened yet.
 *
 * c        the application's context, for all workers; or another, for it and those below it
 * ...      members of weir_http_options
 * returns  the client; never NULL: where it failed, one whose every use returns the error; the
 *          message, with all mistakes at once, is in the error record of `c`
 * errors   WEIR_EINVALID, WEIR_ENOTBUILT (https in a build without TLS), -ENOMEM; why its `.tls`
 *          could not be made
 * owner    the context; its end closes the connections. The context of `.tls` outlives the call
 * context  fiber; does not wait; for https it blocks for the files of whom is trusted
 */
#define weir_http_open(...) WEIR__HTTP_OPEN(__VA_ARGS__, )
#define WEIR__HTTP_OPEN(c, ...)                                                                    \
    WEIR__CALL(weir_http_open_at, (WEIR_HERE, (c)), weir_http_options, __VA_ARGS__)
/** The function behind weir_http_open. */
WEIR_API weir_http *weir_http_open_at(const weir_site *site, weir_ctx *c,
                                      const weir_http_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3);

/** Why the client could not be made; else WEIR_OK. */
WEIR_API weir_err weir_http_err(const weir_http *http) WEIR_NONNULL(1);

/**
 * Takes a target of a group out of use, for an update of it: no new calls go there, and those that
 * run go on. Or back into use.
 *
 *     weir_http_drain(c, shop, "http://10.0.0.1:80", true);
 *
 * c        any of the caller's
 * http     made with targets
 * url      one of them, as it was given, with all of its addresses; read during the call
 * drains   false: calls go there again
 * returns  WEIR_OK; WEIR_ENOTFOUND: there is no such target; weir_http_err
 * context  fiber of any worker; does not wait
 */
WEIR_API weir_err weir_http_drain(weir_ctx *c, weir_http *http, const char *url, bool drains)
    WEIR_NONNULL(1, 2, 3);

/* --- asking ----------------------------------------------------------------------------------- */

/** What a call may be given; zero means the default. All of it is read during the call. */
typedef struct weir_http_call_options {
    size_t size; /* the macro's */
    /*
     * For all of it, the reading of the body as well, never past the deadline; default: that alone.
     * Less than a millisecond is told in the log, once for each place: `.timeout = 300` is 300 ns.
     */
    weir_dur timeout;
    /*
     * Host, lengths and codings are not to be among them; TE may say "trailers" (RFC 9110 section
     * 10.1.4), and Trailer what will follow the body of weir_http_begin.
     */
    const weir_http_header *headers;
    weir_str body;
    const char *type;        /* of the body: Content-Type */
    const weir_model *model; /* instead of `body`: `object` as JSON */
    const void *object;
    uint64_t body_bytes_max; /* of the answer's, read whole; default the client's */
    /*
     * The body is sent when the peer has said that it wants it (RFC 9110 section 10.1.1), or has
     * said nothing for a second. One that answers instead gets none, but over HTTP/2 with `duplex`.
     */
    bool expect_continue;
    /*
     * Instead of `body`: a form of parts, as multipart/form-data (RFC 7578); at most 1,000. Its
     * length is told; files are read as they are sent, never whole, and again for a retry.
     */
    const weir_http_part *parts;
    weir_http_encoding encoding; /* of the answer's body */
    /*
     * Of GET, HEAD and OPTIONS: when there is no whole answer after so long, the same is asked once
     * more beside it, out of the budget of retries. The first answer that is whole counts, and the
     * other request is broken off. The body is read whole during the call. Default: never. Not of
     * weir_http_begin.
     */
    weir_dur hedge_after;
    const char *pack; /* "gzip", "deflate", "br": the request's body is sent so */
    weir_str key; /* of a group by WEIR_HTTP_HASH: calls with the same one go to the same target */
    /*
     * Of weir_http_begin: its answer is read while its body is written (weir_http_await), and does
     * not end the writing.
     */
    bool duplex;
} weir_http_call_options;

/**
 * Asks, and waits for the head of the answer.
 *
 *     weir_reply *r = weir_http_do(c, api, "PATCH", "/items/42", .body = s, .type = "text/csv");
 *
 * http     of this context, of one above it, or of the application
 * method   a token; NUL-terminated, read during the call. Not CONNECT
 * target   a whole URL, or what stands behind the base's: "/items?page=2"; escaped already;
 *          NUL-terminated, read during the call
 * ...      members of weir_http_call_options
 * returns  the reply; never NULL. What went wrong every use of it returns: see weir_reply_err
 * owner    the context, until its end
 * limits   a request's head is at most 64 KiB
 * context  fiber; waits for a connection, the sending and the answer's head
 */
#define weir_http_do(c, http, method, ...) WEIR__HTTP_DO(c, http, method, __VA_ARGS__, )
#define WEIR__HTTP_DO(c, http, method, target, ...)                                                \
    WEIR__CALL(weir_http_do_at, (WEIR_HERE, (c), (http), (method), (target)),                      \
               weir_http_call_options, __VA_ARGS__)
/** The function behind weir_http_do and its like. */
WEIR_API weir_reply *weir_http_do_at(const weir_site *site, weir_ctx *c, weir_http *http,
                                     const char *method, const char *target,
                                     const weir_http_call_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3, 4, 5, 6);

/** weir_http_do with GET, HEAD, DELETE. */
#define weir_http_get(c, http, ...) weir_http_do(c, http, "GET", __VA_ARGS__)
#define weir_http_head(c, http, ...) weir_http_do(c, http, "HEAD", __VA_ARGS__)
#define weir_http_delete(c, http, ...) weir_http_do(c, http, "DELETE", __VA_ARGS__)

/**
 * weir_http_do with POST, PUT, PATCH and an object of type T, which has a model, as JSON:
 * `weir_http_post(c, api, "/items", item, &it, .timeout = weir_sec(1))`. Bytes of another kind are
 * sent with weir_http_do and `.body`.
 */
#define weir_http_post(c, http, ...) WEIR__HTTP_JSON(c, http, "POST", __VA_ARGS__, )
#define weir_http_put(c, http, ...) WEIR__HTTP_JSON(c, http, "PUT", __VA_ARGS__, )
#define weir_http_patch(c, http, ...) WEIR__HTTP_JSON(c, http, "PATCH", __VA_ARGS__, )
#define WEIR__HTTP_JSON(c, http, method, target, T, it, ...)                                       \
    WEIR__CALL(weir_http_do_at, (WEIR_HERE, (c), (http), (method), (target)),                      \
               weir_http_call_options, .model = &weir_model_##T, .object = (1 ? (it) : (T *)0),    \
               __VA_ARGS__)

/**
 * Begins a request whose body is written piece by piece, in chunks: as weir_http_do up to the end
 * of its head.
 *
 *     weir_reply *r = weir_http_begin(c, api, "POST", "/import", .type = "text/csv");
 *     while (next_line(&line) && weir_http_write(r, line.ptr, line.len) == WEIR_OK)
 *         ;
 *     weir_err err = weir_http_finish(r);      // the first error of all three
 *
 * method   a token; NUL-terminated, read during the call
 * target   as for weir_http_do; read during the call
 * ...      members of weir_http_call_options, without a body
 * returns  the reply, never NULL, whose request is not ended yet
 * owner    the context, until its end
 * context  fiber; waits for a connection and the sending of the head
 */
#define weir_http_begin(c, http, method, ...) WEIR__HTTP_BEGIN(c, http, method, __VA_ARGS__, )
#define WEIR__HTTP_BEGIN(c, http, method, target, ...)                                             \
    WEIR__CALL(weir_http_begin_at, (WEIR_HERE, (c), (http), (method), (target)),                   \
               weir_http_call_options, __VA_ARGS__)
/** The function behind weir_http_begin. */
WEIR_API weir_reply *weir_http_begin_at(const weir_site *site, weir_ctx *c, weir_http *http,
                                        const char *method, const char *target,
                                        const weir_http_call_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3, 4, 5, 6);

/**
 * Sends a piece of the body, waiting while the peer is slow.
 *
 * r        made by weir_http_begin
 * bytes    read during the call, and not kept
 * returns  WEIR_OK; WEIR_ECLOSED when the peer has answered already and wants no more of it (call
 *          weir_http_finish: that is no error of the reply's); else the reply's error
 * context  the fiber that began it; may wait
 */
WEIR_API weir_err weir_http_write(weir_reply *r, const void *bytes, size_t size) WEIR_MUST_USE
    WEIR_NONNULL(1) WEIR_ACCESS(read_only, 2, 3);

/**
 * Adds a field that follows the body (RFC 9110 section 6.5), before weir_http_finish: over HTTP/2
 * in a block of its own, over HTTP/1.1 behind the last chunk. A header `Trailer` of the call may
 * have announced it.
 *
 * r        made by weir_http_begin
 * name     a token; none that must be known before the body, as for weir_add_trailer; copied
 * value    as a header's; copied
 * returns  WEIR_OK; WEIR_EINVALID, raised; -EMSGSIZE: at most 64 of them, of 8 KiB together;
 *          WEIR_ECLOSED: the body has been ended, or the peer wants no more of it; the reply's
 *          error; WEIR_EBUDGET, -ENOMEM
 * owner    the context
 * context  the fiber that began it; does not wait
 */
WEIR_API weir_err weir_http_trailer(weir_reply *r, const char *name, weir_str value)
    WEIR_NONNULL(1, 2);

/**
 * Ends the body and waits for the head of the answer. Idempotent. Of a request with `.duplex` whose
 * answer another fiber is about to read it ends the body alone.
 *
 * returns  WEIR_OK: there is an answer; the reply's error
 * context  the fiber that began it; waits
 */
WEIR_API weir_err weir_http_finish(weir_reply *r) WEIR_NONNULL(1);

/**
 * Waits for the head of the answer of a request with `.duplex`, whose body goes on: status and
 * fields are there then, and weir_reply_read may be called between and beside weir_http_write. One
 * fiber does both by turns, or one writes and ends the body (weir_http_write, _trailer, _finish)
 * while another one, each in the context that asked or below it, waits for the answer and reads.
 * When the answer has been read to its end, nothing more of the body is taken: writing returns
 * WEIR_ECLOSED.
 *
 * Who writes without reading stops when both sides' windows are full, and so does a peer that does
 * the same: after idle_timeout without a byte the call that waits returns WEIR_ETIMEDOUT, which is
 * the reply's error for both fibers then.
 *
 * r        made by weir_http_begin with `.duplex`
 * returns  WEIR_OK: there is an answer; the reply's error. As long as the body is not ended the
 *          answer has all the time of the request, then answer_timeout
 * context  the fiber that reads it; waits, in its own context
 */
WEIR_API weir_err weir_http_await(weir_reply *r) WEIR_NONNULL(1);

/* --- the answer ------------------------------------------------------------------------------- */

/**
 * The first error of a reply: of the call or of reading; WEIR_OK while there is none, whatever the
 * status.
 *
 * errors   -ECONNREFUSED …; WEIR_ENOHOST; WEIR_ETLS (the certificate is refused, or the server
 *          refuses); WEIR_ETIMEDOUT; WEIR_ECLOSED (cut); WEIR_EPROTO;
 *          WEIR_ETOOLARGE, a bomb too; WEIR_EINVALID (target, headers, options); WEIR_ENOTBUILT
 *          (https, br); the pool's: WEIR_ELIMIT,
 *          WEIR_EDEADLK (this fiber's own replies hold all connections to the host);
 *          -EHOSTUNREACH (all targets of the group are out); the reason of the context
 */
WEIR_API weir_err weir_reply_err(const weir_reply *r) WEIR_NONNULL(1);

/** The status, 200 to 999; 0 when there is no answer. */
WEIR_API int weir_reply_status(const weir_reply *r) WEIR_NONNULL(1);

/** Has it a status from 200 to 299? */
static inline bool weir_reply_is_ok(const weir_reply *r)
{
    return weir_reply_status(r) / 100 == 2;
}

/**
 * The first header line of that name, in any case; absent. `name` is compared during the call; the
 * result is borrowed from the context.
 */
WEIR_API weir_str weir_reply_header(const weir_reply *r, const char *name) WEIR_NONNULL(1, 2);

/**
 * The header lines one by one, as they were sent; false past the last one.
 *
 *     weir_str name, value;
 *     for (size_t i = 0; weir_reply_header_at(r, i, &name, &value); i++)
 *
 * name     filled: borrowed from the context, as `value` is
 * value    filled
 */
WEIR_API bool weir_reply_header_at(const weir_reply *r, size_t i, weir_str *name, weir_str *value)
    WEIR_NONNULL(1, 3, 4);

/**
 * A field that came behind the body (RFC 9110 section 6.5), once that has been read to its end;
 * absent. A call that has the header `TE: trailers` says that it reads them: some send none
 * otherwise. `name` is compared during the call; the result is borrowed from the context.
 */
WEIR_API weir_str weir_reply_trailer(const weir_reply *r, const char *name) WEIR_NONNULL(1, 2);

/** Those one by one, as they were sent; as weir_reply_header_at. `name` and `value` are filled. */
WEIR_API bool weir_reply_trailer_at(const weir_reply *r, size_t i, weir_str *name, weir_str *value)
    WEIR_NONNULL(1, 3, 4);

/**
 * Reads what has come of the body, waiting while nothing has. With its last byte the connection is
 * given back.
 *
 * bytes    filled, `size` bytes at most
 * returns  how many; 0 at the body's end, which is where it was promised; below 0 the reply's error
 * context  the fiber that asked; may wait
 */
WEIR_API ssize_t weir_reply_read(weir_reply *r, void *bytes, size_t size) WEIR_MUST_USE
    WEIR_NONNULL(1) WEIR_ACCESS(write_only, 2, 3);

/**
 * The body, whole: all of it, or what weir_reply_read has left. The same at each call.
 *
 * returns  the bytes, NUL-terminated behind their end; absent on an error, which the reply keeps:
 *          WEIR_ETOOLARGE past body_bytes_max
 * owner    the context
 * context  the fiber that asked; may wait
 */
WEIR_API weir_str weir_reply_body(weir_reply *r) WEIR_NONNULL(1);

/**
 * The body of an answer that went well into an object of type T, which has a model.
 *
 * out      filled; its texts are the context's; on an error zeroed
 * returns  WEIR_OK; the reply's error; WEIR_EFAIL when the status is not 2xx (it is raised, and the
 *          body can be read still); WEIR_EINVALID when the body is not JSON of the model, as the
 *          record tells; -ENOMEM, WEIR_EBUDGET
 * context  the fiber that asked; may wait
 */
#define weir_reply_json(r, T, out)                                                                 \
    weir_reply_json_at(WEIR_HERE, (r), &weir_model_##T, (1 ? (out) : (T *)0))
/** The function behind weir_reply_json. */
WEIR_API weir_err weir_reply_json_at(const weir_site *site, weir_reply *r, const weir_model *model,
                                     void *out) WEIR_MUST_USE WEIR_NONNULL(2, 3, 4);

/**
 * Ends a reply before its context does: its connection is free for others, or closed when a part of
 * the body is still to come. Idempotent. What was read whole stays; else, as of a request that was
 * not ended, all further calls return WEIR_ECLOSED. The fiber that asked; does not wait.
 */
WEIR_API void weir_reply_close(weir_reply *r) WEIR_NONNULL(1);

#ifdef __cplusplus
}
#endif
#endif
