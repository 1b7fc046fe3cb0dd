/*
 * What the client gets. What is given to the functions here is written or copied before they
 * return, and may be changed or freed then; where one keeps something, it says so.
 *
 * A response is written once: a second one is refused (WEIR_ECLOSED) and
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
 * object   a const T *; written before the call returns, or copied: nothing of it is kept
 * returns  WEIR_OK; WEIR_ECLOSED when there is a response already; WEIR_ECLIENTGONE, WEIR_ETIMEDOUT
 *          … while writing; WEIR_EBUDGET, -ENOMEM
 * context  fiber; may wait for the client
 */
#define weir_json(c, status, T, object)                                                            \
    weir_json_at((c), (status), weir_model_of(T), (1 ? (object) : (const T *)0))
/** The function behind weir_json. */
WEIR_API weir_err weir_json_at(weir_ctx *c, int status, const weir_model *model,
                               const void *object) WEIR_MUST_USE WEIR_NONNULL(1, 3, 4);

/**
 * The same inside of the envelope that failures have: 200 {"code":"ok","msg":"","data":{…}}.
 * Nothing of `object` is kept.
 */
#define weir_reply(c, T, object) weir_reply_at((c), weir_model_of(T), (1 ? (object) : (const T *)0))
/** The function behind weir_reply. */
WEIR_API weir_err weir_reply_at(weir_ctx *c, const weir_model *model,
                                const void *object) WEIR_MUST_USE WEIR_NONNULL(1, 2, 3);

/**
 * Responds with text/plain; the last argument, `text`, is a weir_str or a C string, and not kept.
 * Returns as weir_json.
 */
#ifndef __cplusplus
#define weir_text(c, status, ...)                                                                  \
    _Generic((__VA_ARGS__), weir_str                                                               \
             : weir_text_str, default                                                              \
             : weir_text_z)((c), (status), (__VA_ARGS__))
#else
#define weir_text(c, status, ...) weir__text((c), (status), (__VA_ARGS__))
#endif
/** The functions behind weir_text; `text` is not kept. */
WEIR_API weir_err weir_text_str(weir_ctx *c, int status, weir_str text) WEIR_MUST_USE
    WEIR_NONNULL(1);
WEIR_API weir_err weir_text_z(weir_ctx *c, int status, const char *text) WEIR_MUST_USE
    WEIR_NONNULL(1);

#ifdef __cplusplus
extern "C++" {
WEIR_MUST_USE inline weir_err weir__text(weir_ctx *c, int status, weir_str text)
{
    return weir_text_str(c, status, text);
}
WEIR_MUST_USE inline weir_err weir__text(weir_ctx *c, int status, const char *text)
{
    return weir_text_z(c, status, text);
}
}
#endif

/** Responds with text/plain as printf writes it. */
WEIR_API weir_err weir_textf(weir_ctx *c, int status, const char *format, ...)
    WEIR_PRINTF(3, 4) WEIR_MUST_USE WEIR_NONNULL(1, 3);

/**
 * Responds with bytes of any type: weir_bytes(c, 200, "image/png", png). Neither `type` nor `bytes`
 * are kept. Returns as weir_json; WEIR_EINVALID for a type with bytes that no header may have.
 */
WEIR_API weir_err weir_bytes(weir_ctx *c, int status, const char *type,
                             weir_str bytes) WEIR_MUST_USE WEIR_NONNULL(1, 3);

/** Responds without a body: 204. */
WEIR_API weir_err weir_no_content(weir_ctx *c) WEIR_MUST_USE WEIR_NONNULL(1);

/**
 * Sends the client elsewhere.
 *
 * status    301, 302, 303, 307 or 308; another is misuse and panics
 * location  a URL or a path, percent-encoded where it must be; at most some 8 KiB; not kept
 * returns   as weir_json; WEIR_EINVALID for a location with bytes that no URL has (blanks, line
 *           ends and other controls, backslashes, what is not ASCII): nothing is sent then. Whether
 *           a location that a client gave may be gone to is for the handler to decide
 */
WEIR_API weir_err weir_redirect(weir_ctx *c, int status, weir_str location) WEIR_MUST_USE
    WEIR_NONNULL(1);

/**
 * Header lines of the response that is not yet begun. weir_set_header puts one in place of all that
 * have the name (in any case); weir_add_header puts one more, for headers that are lists: Link,
 * Vary, WWW-Authenticate. Set-Cookie, whose lines cannot stand for each other, is only ever added
 * to, by both; a cookie's line is replaced by weir_cookie_set for the same cookie.
 *
 * name     letters, digits and what else RFC 9110 section 5.6.2 allows in a token; copied
 * value    no line ends or other controls, no blanks at its ends; copied
 * returns  WEIR_OK; WEIR_EINVALID: not a name, not a value, or one that the server sets itself
 *          (Content-Length, Transfer-Encoding, Connection, Keep-Alive, Date, Trailer), or a second
 *          Content-Type or Location; -EMSGSIZE: all lines together have at most 8 KiB;
 *          WEIR_ECLOSED: the response has begun; WEIR_EBUDGET, -ENOMEM. The lines stay as they
 *          were then
 * context  fiber; does not wait
 */
WEIR_API weir_err weir_set_header(weir_ctx *c, const char *name, weir_str value) WEIR_NONNULL(1, 2);
WEIR_API weir_err weir_add_header(weir_ctx *c, const char *name, weir_str value) WEIR_NONNULL(1, 2);

/**
 * Takes all header lines of that name out again, those of Set-Cookie as well.
 *
 * name     in any case; not kept
 * returns  true when there was one; false also when the response has begun
 * context  fiber; does not wait
 */
WEIR_API bool weir_remove_header(weir_ctx *c, const char *name) WEIR_NONNULL(1, 2);

/** What a cookie may be given; the zero value is the safe one. Strings are copied. */
typedef struct weir_cookie_options {
    size_t size;           /* the macro's */
    weir_dur max_age;      /* 0: until the browser is closed; below 0: delete it; else from 1 s */
    const char *path;      /* default "/" */
    const char *domain;    /* default: this host alone */
    const char *same_site; /* "Strict", "Lax" (the default), "None", which is_insecure forbids */
    bool is_insecure;      /* without "Secure": it goes over plain HTTP too */
    bool is_readable;      /* without "HttpOnly": scripts may read it */
} weir_cookie_options;

/**
 * Sets a cookie in the client: Secure, HttpOnly and SameSite=Lax unless told otherwise. One that
 * was set before in this response, with the same name, path and domain, is replaced (RFC 6265
 * section 4.1.1).
 *
 * name     a token, as a header's; copied
 * value    printable ASCII without blanks, quotes, commas, semicolons and backslashes; copied.
 *          Name, value and attributes together have at most 4,096 bytes
 * returns  WEIR_OK; WEIR_EINVALID for what no cookie may hold, or no browser takes: a max_age
 *          between 0 and 1 s (`weir_sec(30)`, not 30), SameSite=None without Secure, a name that
 *          begins with __Secure- or __Host- without what these promise; else as weir_add_header
 */
#define weir_cookie_set(c, name, ...) WEIR__COOKIE_SET(c, name, __VA_ARGS__, )
#define WEIR__COOKIE_SET(c, name, value, ...)                                                      \
    WEIR__CALL(weir_cookie_set_at, ((c), (name), (value)), weir_cookie_options, __VA_ARGS__)
/** The function behind weir_cookie_set. */
WEIR_API weir_err weir_cookie_set_at(weir_ctx *c, const char *name, weir_str value,
                                     const weir_cookie_options *options) WEIR_NONNULL(1, 2, 4);

/**
 * Deletes a cookie in the client: the one with this name and the `.path` and `.domain` that it was
 * set with. In the response it takes the place of one that was to be set.
 */
#define weir_cookie_delete(c, ...) WEIR__COOKIE_DELETE(c, __VA_ARGS__, )
#define WEIR__COOKIE_DELETE(c, name, ...)                                                          \
    WEIR__CALL(weir_cookie_set_at, ((c), (name), WEIR_S("")), weir_cookie_options,                 \
               .max_age = weir_ns(-1), __VA_ARGS__)

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

/**
 * Begins a body of any type, for weir_stream_write. Else as weir_json_array.
 *
 * type     the Content-Type; copied
 * owner    the request
 */
WEIR_API weir_stream *weir_stream_begin(weir_ctx *c, int status,
                                        const char *type) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(1, 3);

/**
 * Appends an item, a const T *, to a JSON array. The first error stays; later calls do nothing.
 * Nothing of `object` is kept. May wait.
 */
#define weir_stream_put(stream, T, object)                                                         \
    weir_stream_put_at((stream), weir_model_of(T), (1 ? (object) : (const T *)0))
/** The function behind weir_stream_put. Returns the stream's error. */
WEIR_API weir_err weir_stream_put_at(weir_stream *stream, const weir_model *model,
                                     const void *object) WEIR_NONNULL(1, 2, 3);

/**
 * Appends bytes, which are copied, to a stream that is not a JSON array: `bytes` are not kept.
 * Sticky like weir_stream_put. May wait.
 */
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

/* --- behind the body -------------------------------------------------------------------------- */

/**
 * A field that follows the response's body (RFC 9110 section 6.5): what is known at its end alone,
 * such as a checksum or how it went. Before the response, or while a stream is open:
 *
 *     weir_announce_trailer(c, "x-rows");
 *     weir_stream *s = weir_json_array(c, 200);
 *     …
 *     weir_add_trailer(c, "x-rows", text);
 *     return weir_stream_end(s, err);
 *
 * HTTP/2 has a place for them behind every body. In HTTP/1.1 they follow one that goes in chunks: a
 * stream, or any response for which a field was announced or added before it began. They are left
 * out where there is no body (HEAD, 204, 304) and in HTTP/1.0; and whoever carries the response on
 * may drop them, so they are for what the client can do without, unless weir_wants_trailers says
 * that it reads them. A response that is answered anew, because of an error, has none of them.
 *
 * name     a token; not one that must be known before the body: framing, routing, authentication,
 *          conditions, controls and the content's format (Content-Length, Host, Set-Cookie,
 *          Cache-Control, Content-Type …). Copied
 * value    as of weir_add_header; copied
 * returns  WEIR_OK, also where it will be left out; WEIR_EINVALID, raised: not a name that may be
 *          there, or not a value; -EMSGSIZE: at most 64 of them, of 8 KiB together; WEIR_ECLOSED:
 *          the response has ended; WEIR_EBUDGET, -ENOMEM
 * owner    the request
 * context  fiber; does not wait
 */
#define weir_add_trailer(c, name, ...) weir_add_trailer_at(WEIR_HERE, (c), (name), (__VA_ARGS__))
/** The function behind weir_add_trailer; `name` and `value` are copied. */
WEIR_API weir_err weir_add_trailer_at(const weir_site *site, weir_ctx *c, const char *name,
                                      weir_str value) WEIR_NONNULL(2, 3);

/**
 * Says in the header field Trailer that one of that name will follow the body (RFC 9110 section
 * 6.6.2), and has a response of HTTP/1.1 go in chunks. A field need not be announced.
 *
 * name     as of weir_add_trailer; copied
 * returns  as weir_add_trailer; WEIR_ECLOSED: the response has begun; -EMSGSIZE: the header lines
 *          have at most 8 KiB
 * context  fiber; does not wait
 */
#define weir_announce_trailer(c, name) weir_announce_trailer_at(WEIR_HERE, (c), (name))
/** The function behind weir_announce_trailer; `name` is copied. */
WEIR_API weir_err weir_announce_trailer_at(const weir_site *site, weir_ctx *c, const char *name)
    WEIR_NONNULL(2, 3);

/* --- files -------------------------------------------------------------------------------- */

/** What a file's response may be given. Strings are read during the call, and not kept. */
typedef struct weir_file_options {
    size_t size; /* the macro's */
    const char
        *root; /* a folder that the path is in and cannot leave; default: the path is trusted */
    const char *download;      /* a name to be saved under: Content-Disposition: attachment */
    const char *type;          /* default: by the path's ending */
    const char *cache_control; /* the header's value; none by default */
    /*
     * What changes whenever the content does, such as a build's number: the ETag is made of it and
     * of the size. 1 to 64 printable ASCII characters but blanks and quotes; others are misuse and
     * panic. By default the tag is made of what the file system says (times, inode, size), so that
     * no other content has it, but hosts with copies of one file have a tag each.
     */
    const char *version;
    bool dot_files; /* below a root, also files and folders whose names begin with a dot */
} weir_file_options;

/**
 * Responds with a file: with its length, type, ETag and Last-Modified; 304 when the client has it,
 * 412 when it wants another one, 206 for a single Range, 416 for one outside of it (RFC 9110
 * sections 13 and 14). Several ranges are answered with the whole file.
 *
 *     return weir_file(c, weir_param(c, "path"), .root = "/srv/assets");
 *
 * path     in the file system, not percent-encoded; not kept. With `.root` it may come from the
 *          client: it is below the root, without "..", no symbolic link leads out, and no name in
 *          it begins with a dot (".git", ".env") unless `.dot_files` says so; ".well-known" as the
 *          first one may, for what is in it is meant for everybody (RFC 8615)
 * returns  as weir_json; 404 by itself when it is not there, is no plain file or lies outside of
 *          the root
 * context  fiber; waits for the client, and for the disk without holding up the worker
 */
#define weir_file(c, ...) WEIR__FILE(c, __VA_ARGS__, )
#define WEIR__FILE(c, path, ...)                                                                   \
    WEIR__CALL(weir_file_at, ((c), (path)), weir_file_options, __VA_ARGS__)
/** The function behind weir_file. */
WEIR_API weir_err weir_file_at(weir_ctx *c, weir_str path,
                               const weir_file_options *options) WEIR_MUST_USE WEIR_NONNULL(1, 3);

/**
 * What the files of a folder may be given: as in weir_file_options, but strings are kept: they must
 * live as long as the application.
 */
typedef struct weir_static_options {
    size_t size; /* the macro's */
    const char *cache_control;
    const char *version; /* of all of them */
    weir_dur timeout;    /* as a route's; weir_no_timeout(): none */
    bool dot_files;
} weir_static_options;

/**
 * Serves the files of a folder: weir_static(app, "/assets/", "/srv/assets"). GET and HEAD;
 * "index.html" for a path that ends in '/'. What begins with a dot is not there, but for
 * ".well-known/" at the folder's top. A folder that is not there stops the start.
 *
 * pattern  the prefix; a wildcard is put behind it; copied
 * folder   kept: must live as long as the application
 * ...      members of weir_static_options; their strings are kept too
 */
#define weir_static(target, pattern, ...) WEIR__STATIC(target, pattern, __VA_ARGS__, )
#define WEIR__STATIC(target, pattern, folder, ...)                                                 \
    WEIR__CALL(weir_static_at, (WEIR_HERE, WEIR__GROUP(target), (pattern), (folder)),              \
               weir_static_options, __VA_ARGS__)
/** The function behind weir_static. */
WEIR_API void weir_static_at(const weir_site *site, weir_group *group, const char *pattern,
                             const char *folder, const weir_static_options *options)
    WEIR_NONNULL(2, 3, 4, 5);

#ifdef __cplusplus
}
#endif
#endif
