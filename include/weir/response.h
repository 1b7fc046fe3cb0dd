/*
 * What the client gets. A response is written once: a second one is refused (WEIR_ECLOSED) and
 * counted. All of these wait when the client is slow, and return the reason when the request is
 * cancelled meanwhile; a handler ends with one of them: `return weir_json(c, 200, user, &u);`.
 */
#ifndef WEIR_RESPONSE_H
#define WEIR_RESPONSE_H

#include <weir/model.h>
#include <weir/route.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Responds with a struct as JSON, by its model.
 *
 * status   200 to 599
 * T        the type's name, as in WEIR_MODEL
 * object   a const T *
 * returns  WEIR_OK; WEIR_ECLOSED when there is a response already; WEIR_ECLIENTGONE, WEIR_ETIMEDOUT
 *          … while writing; WEIR_EBUDGET, -ENOMEM
 * context  fiber; may wait for the client
 */
#define weir_json(c, status, T, object)                                                            \
    weir_json_at((c), (status), weir_model_of(T), (1 ? (object) : (const T *)0))
/** The function behind weir_json. */
WEIR_API weir_err weir_json_at(weir_ctx *c, int status, const weir_model *model,
                               const void *object) WEIR_MUST_USE WEIR_NONNULL(1, 3, 4);

/** The same inside of the envelope that failures have: 200 {"code":"ok","msg":"","data":{…}}. */
#define weir_reply(c, T, object) weir_reply_at((c), weir_model_of(T), (1 ? (object) : (const T *)0))
/** The function behind weir_reply. */
WEIR_API weir_err weir_reply_at(weir_ctx *c, const weir_model *model,
                                const void *object) WEIR_MUST_USE WEIR_NONNULL(1, 2, 3);

#ifndef __cplusplus
/** Responds with text/plain; `text` is a weir_str or a C string. Returns as weir_json. */
#define weir_text(c, status, text)                                                                 \
    _Generic((text), weir_str : weir_text_str, default : weir_text_z)((c), (status), (text))
#endif
/** The functions behind weir_text. */
WEIR_API weir_err weir_text_str(weir_ctx *c, int status, weir_str text) WEIR_MUST_USE
    WEIR_NONNULL(1);
WEIR_API weir_err weir_text_z(weir_ctx *c, int status, const char *text) WEIR_MUST_USE
    WEIR_NONNULL(1);

/** Responds with text/plain as printf writes it. */
WEIR_API weir_err weir_textf(weir_ctx *c, int status, const char *format, ...)
    WEIR_PRINTF(3, 4) WEIR_MUST_USE WEIR_NONNULL(1, 3);

/** Responds with bytes of any type: weir_bytes(c, 200, "image/png", png). Returns as weir_json. */
WEIR_API weir_err weir_bytes(weir_ctx *c, int status, const char *type,
                             weir_str bytes) WEIR_MUST_USE WEIR_NONNULL(1, 3);

/** Responds without a body: 204. */
WEIR_API weir_err weir_no_content(weir_ctx *c) WEIR_MUST_USE WEIR_NONNULL(1);

/**
 * Sends the client elsewhere.
 *
 * status    301, 302, 303, 307 or 308
 * location  a URL or a path, percent-encoded where it must be
 * returns   as weir_json; WEIR_EINVALID for another status or a location with bytes that no URL has
 *           (blanks, controls, line ends, what is not ASCII): nothing is sent then. Whether a
 *           location that a client gave may be gone to is for the handler to decide
 */
WEIR_API weir_err weir_redirect(weir_ctx *c, int status, weir_str location) WEIR_MUST_USE
    WEIR_NONNULL(1);

/**
 * Adds a header to the response that is not yet begun, in place of one of the same name.
 *
 * returns  WEIR_OK; WEIR_EINVALID: not a name, not a value (line ends, controls), or one that the
 *          server sets itself (Content-Length, Transfer-Encoding, Connection, Date, Trailer);
 *          WEIR_ECLOSED: the response has begun
 */
WEIR_API weir_err weir_set_header(weir_ctx *c, const char *name, weir_str value) WEIR_NONNULL(1, 2);

/** What a cookie may be given; the zero value is the safe one. */
typedef struct weir_cookie_options {
    unsigned unused;       /* the macro's */
    weir_dur max_age;      /* 0: until the browser is closed; below 0: delete it now */
    const char *path;      /* default "/" */
    const char *domain;    /* default: this host alone */
    const char *same_site; /* "Strict", "Lax" (the default), "None" */
    bool is_insecure;      /* without "Secure": it goes over plain HTTP too */
    bool is_readable;      /* without "HttpOnly": scripts may read it */
} weir_cookie_options;

/**
 * Sets a cookie in the client: Secure, HttpOnly and SameSite=Lax unless told otherwise.
 *
 * value    printable ASCII without blanks, quotes, commas, semicolons and backslashes
 * returns  WEIR_OK; WEIR_EINVALID for what no cookie may hold; WEIR_ECLOSED: the response has begun
 */
#define weir_cookie_set(c, name, value, ...)                                                       \
    weir_cookie_set_at((c), (name), (value), &(weir_cookie_options){.unused = 0, __VA_ARGS__})
/** The function behind weir_cookie_set. */
WEIR_API weir_err weir_cookie_set_at(weir_ctx *c, const char *name, weir_str value,
                                     const weir_cookie_options *options) WEIR_NONNULL(1, 2, 4);

/* --- streams ------------------------------------------------------------------------------ */

/**
 * A response that is written item by item; memory stays flat, a slow client suspends the writer.
 */
typedef struct weir_stream weir_stream;

/**
 * Begins a JSON array. As long as nothing of it has left for the client, an error still gets its
 * own status.
 *
 * returns  the stream; never NULL. When there is a response already, one whose weir_stream_end
 *          returns WEIR_ECLOSED
 * owner    the request
 */
WEIR_API weir_stream *weir_json_array(weir_ctx *c, int status) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(1);

/** Begins a body of any type, for weir_stream_write. */
WEIR_API weir_stream *weir_stream_begin(weir_ctx *c, int status,
                                        const char *type) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(1, 3);

/**
 * Appends an item, a const T *, to a JSON array. The first error stays; later calls do nothing. May
 * wait.
 */
#define weir_stream_put(stream, T, object)                                                         \
    weir_stream_put_at((stream), weir_model_of(T), (1 ? (object) : (const T *)0))
/** The function behind weir_stream_put. Returns the stream's error. */
WEIR_API weir_err weir_stream_put_at(weir_stream *stream, const weir_model *model,
                                     const void *object) WEIR_NONNULL(1, 2, 3);

/** Appends bytes to a stream that is not a JSON array. Sticky like weir_stream_put. May wait. */
WEIR_API weir_err weir_stream_write(weir_stream *stream, weir_str bytes) WEIR_NONNULL(1);

/** Sends what was written so far: for streams that pause. May wait. */
WEIR_API weir_err weir_stream_flush(weir_stream *stream) WEIR_NONNULL(1);

/**
 * Ends the stream, and decides what it was: with `err` below 0 the client never sees a proper end
 * (or gets the error's status, when nothing was sent yet), so that an error is never a short
 * success.
 *
 * err      what went wrong with the source of the items; WEIR_OK when it ended as it should
 * returns  `err`, or the stream's own error, or WEIR_OK
 */
WEIR_API weir_err weir_stream_end(weir_stream *stream, weir_err err) WEIR_MUST_USE WEIR_NONNULL(1);

/* --- files -------------------------------------------------------------------------------- */

/** What a file's response may be given. */
typedef struct weir_file_options {
    unsigned unused; /* the macro's */
    const char
        *root; /* a folder that the path is in and cannot leave; default: the path is trusted */
    const char *download;      /* a name to be saved under: Content-Disposition: attachment */
    const char *type;          /* default: by the path's ending */
    const char *cache_control; /* the header's value; none by default */
} weir_file_options;

/**
 * Responds with a file: with its length, type, ETag and Last-Modified; 304 when the client has it,
 * 206 for a single Range.
 *
 *     return weir_file(c, weir_param(c, "path"), .root = "/srv/assets");
 *
 * path     in the file system, not percent-encoded. With `.root` it may come from the client: it is
 *          below the root, without "..", and no symbolic link leads out
 * returns  as weir_json; 404 by itself when it is not there, is no plain file or lies outside of
 *          the root
 * context  fiber; waits for the client, and for the disk without holding up the worker
 */
#define weir_file(c, path, ...)                                                                    \
    weir_file_at((c), (path), &(weir_file_options){.unused = 0, __VA_ARGS__})
/** The function behind weir_file. */
WEIR_API weir_err weir_file_at(weir_ctx *c, weir_str path,
                               const weir_file_options *options) WEIR_MUST_USE WEIR_NONNULL(1, 3);

/**
 * Serves the files of a folder: weir_static(app, "/assets/", "/srv/assets"). GET and HEAD;
 * "index.html" for a path that ends in '/'. A folder that is not there stops the start.
 *
 * pattern  the prefix; a wildcard is put behind it
 * folder   its string must live as long as the application
 */
#define weir_static(target, pattern, folder)                                                       \
    weir_static_at(WEIR_HERE, WEIR__GROUP(target), (pattern), (folder))
/** The function behind weir_static. */
WEIR_API void weir_static_at(const weir_site *site, weir_group *group, const char *pattern,
                             const char *folder) WEIR_NONNULL(2, 3, 4);

#ifdef __cplusplus
}
#endif
#endif
