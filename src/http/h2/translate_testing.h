/*
 * For tests: a request's text of HTTP/1 becomes frames of HTTP/2, and the answer text again, so
 * that what was written for one version is tried over the other. nghttp2's own client session does
 * the frames: it is strict, and what it does not accept ends the connection as a real peer would.
 *
 * One request is on its way at a time, as in a pipeline that is answered in order. What of the text
 * HTTP/2 has not (Connection, Transfer-Encoding) is understood here; what an answer has not is
 * added: chunks around a body of no known length, "Connection: close" where it is the last.
 *
 * Its memory is the C library's: what a test lets fail at the heap's door is never the client.
 */
#ifndef WEIR_HTTP_H2_TRANSLATE_TESTING_H
#define WEIR_HTTP_H2_TRANSLATE_TESTING_H

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

#include "base/assert.h"

/* Bytes that are put behind and taken in front. */
struct queue {
    char *bytes;
    size_t at, len, cap;
};

static inline size_t queue_left(const struct queue *q)
{
    return q->len - q->at;
}

static inline void queue_put(struct queue *q, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    if (q->at > 0) {
        memmove(q->bytes, q->bytes + q->at, q->len - q->at);
        q->len -= q->at;
        q->at = 0;
    }
    if (q->bytes == NULL || q->len + n > q->cap) {
        q->cap = 2 * (q->len + n);
        char *more = realloc(q->bytes, q->cap);
        if (more == NULL)
            abort();
        q->bytes = more;
    }
    memcpy(q->bytes + q->len, bytes, n);
    q->len += n;
}

#if WEIR_HTTP2

#include <nghttp2/nghttp2.h>

enum { TRANSLATED_FIELDS_MAX = 200 };

struct translation {
    nghttp2_session *lib;
    struct queue *text;   /* of the client's, not yet taken */
    struct queue *answer; /* to the client */
    int32_t id;           /* of the stream that is open; 0: none is */
    bool is_sent;         /* all of its body has been taken from the text */
    bool is_chunked;      /* the text's body */
    size_t left;          /* of the body, or of its chunk */
    bool has_trailers;    /* which wait to be submitted */
    bool is_head;         /* it asks with HEAD: the answer has no body */
    bool is_last;         /* the client has asked for the end */
    bool has_begun;       /* a last status was told */
    bool is_whole;        /* and all behind it */
    bool in_chunks;       /* the answer's body is told in chunks */
    int status;
    struct queue head; /* of the answer, as it comes */
    size_t untold;     /* bytes of bodies that were not given back to the windows yet */
    bool is_over;      /* nothing more is asked: the connection may end */
};

/* --- the request ------------------------------------------------------------------------------ */

/* "name: value" lines of a head, as fields; what belongs to a connection is left out. */
struct translated {
    nghttp2_nv nv[TRANSLATED_FIELDS_MAX];
    size_t count;
};

static inline void add_nv(struct translated *t, const char *name, size_t name_len,
                          const char *value, size_t value_len)
{
    WEIR_ASSERT(t->count < TRANSLATED_FIELDS_MAX, "a test's request has so many fields");
    t->nv[t->count++] = (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value,
                                     name_len, value_len, NGHTTP2_NV_FLAG_NONE};
}

static inline bool is_named(const char *line, size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(line, name, len) == 0;
}

static inline bool has_word(const char *value, size_t len, const char *word)
{
    for (size_t i = 0, n = strlen(word); i + n <= len; i++) {
        if (strncasecmp(value + i, word, n) == 0)
            return true;
    }
    return false;
}

/* False: it belongs to the connection, and was understood. */
static inline bool is_end_to_end(struct translation *t, const char *name, size_t len,
                                 const char *value, size_t value_len)
{
    if (is_named(name, len, "Connection")) {
        t->is_last = t->is_last || has_word(value, value_len, "close");
        return false;
    }
    if (is_named(name, len, "Transfer-Encoding")) {
        t->is_chunked = true;
        return false;
    }
    if (is_named(name, len, "Content-Length"))
        t->left = (size_t)strtoull(value, NULL, 10);
    return !is_named(name, len, "Host") && !is_named(name, len, "Keep-Alive") &&
           !is_named(name, len, "Upgrade") && !is_named(name, len, "HTTP2-Settings");
}

/* The lines from `at` to the blank one; Host into `authority`. */
static inline void read_lines(struct translation *t, struct translated *to, char *at,
                              const char *end, nghttp2_nv *authority)
{
    while (at < end) {
        char *cr = memchr(at, '\r', (size_t)(end - at));
        char *colon = memchr(at, ':', (size_t)(cr - at));
        WEIR_ASSERT(colon != NULL, "a test's request is well-formed where it is translated");
        char *value = colon + 1, *value_end = cr;
        size_t len = (size_t)(colon - at);
        while (value < value_end && (*value == ' ' || *value == '\t'))
            value++;
        while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t'))
            value_end--;
        for (char *c = at; c < colon; c++)
            *c = (char)tolower((unsigned char)*c);
        if (is_end_to_end(t, at, len, value, (size_t)(value_end - value)))
            add_nv(to, at, len, value, (size_t)(value_end - value));
        else if (authority != NULL && is_named(at, len, "Host"))
            *authority = (nghttp2_nv){(uint8_t *)(uintptr_t) ":authority", (uint8_t *)value, 10,
                                      (size_t)(value_end - value), 0};
        at = cr + 2;
    }
}

/* A chunk's line; -1: it is not whole. */
static inline ssize_t take_chunk_line(struct queue *text)
{
    char *start = text->bytes + text->at;
    const char *end = memmem(start, queue_left(text), "\r\n", 2);
    if (end == NULL)
        return -1;
    text->at += (size_t)(end + 2 - start);
    return (ssize_t)strtoull(start, NULL, 16);
}

/* The lines behind the last chunk: true when they were all here. */
static inline bool take_trailers(struct translation *t)
{
    struct translated to = {.count = 0};
    char *start = t->text->bytes + t->text->at;
    size_t have = queue_left(t->text);
    const char *end =
        have >= 2 && memcmp(start, "\r\n", 2) == 0 ? start : memmem(start, have, "\r\n\r\n", 4);
    if (end == NULL)
        return false;
    t->text->at += (size_t)(end - start) + (end == start ? 2 : 4);
    if (end > start)
        read_lines(t, &to, start, end + 2, NULL);
    t->has_trailers = to.count > 0;
    if (t->has_trailers)
        nghttp2_submit_trailer(t->lib, t->id, to.nv, to.count);
    return true;
}

/* How many bytes of the body are here now; goes on from chunk to chunk. -1: wait; 0: the end. */
static inline ssize_t body_here(struct translation *t)
{
    if (t->is_chunked && t->left == 0) {
        size_t before = t->text->at;
        ssize_t size = take_chunk_line(t->text);
        if (size == 0 && take_trailers(t))
            return 0;
        if (size <= 0) {
            t->text->at = before;
            return -1;
        }
        t->left = (size_t)size + 2; /* its line's end too */
    }
    if (t->left == 0)
        return 0;
    size_t here = queue_left(t->text);
    here = here < t->left ? here : t->left;
    return here > 0 ? (ssize_t)here : -1;
}

static inline ssize_t read_body(nghttp2_session *lib, int32_t id, uint8_t *to, size_t size,
                                uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct translation *t = arg;
    (void)lib, (void)id, (void)source;
    for (;;) {
        ssize_t here = body_here(t);
        if (here < 0)
            return NGHTTP2_ERR_DEFERRED;
        if (here == 0) {
            t->is_sent = true;
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            *flags |= t->has_trailers ? NGHTTP2_DATA_FLAG_NO_END_STREAM : 0u;
            return 0;
        }
        /* The CRLF behind a chunk is not its content. */
        size_t content = t->is_chunked ? (t->left > 2 ? t->left - 2 : 0) : t->left;
        size_t n = (size_t)here < content ? (size_t)here : content;
        n = n < size ? n : size;
        if (n == 0) {
            n = (size_t)here < t->left ? (size_t)here : t->left;
            t->text->at += n;
            t->left -= n;
            continue;
        }
        memcpy(to, t->text->bytes + t->text->at, n);
        t->text->at += n;
        t->left -= n;
        bool is_end = !t->is_chunked && t->left == 0;
        t->is_sent = is_end;
        *flags |= is_end ? NGHTTP2_DATA_FLAG_EOF : 0u;
        return (ssize_t)n;
    }
}

/* The request line's three words, and an absolute target's two parts. */
static inline void read_request_line(struct translated *to, char *line, const char *cr,
                                     nghttp2_nv *authority, const char *scheme)
{
    char *target = memchr(line, ' ', (size_t)(cr - line));
    const char *end = target != NULL ? memrchr(line, ' ', (size_t)(cr - line)) : NULL;
    WEIR_ASSERT(target != NULL && end > target, "a test's request line has three words");
    add_nv(to, ":method", 7, line, (size_t)(target - line));
    target++;
    const char *colon = memmem(target, (size_t)(end - target), "://", 3);
    if (target[0] != '/' && colon != NULL) {
        const char *path = memchr(colon + 3, '/', (size_t)(end - colon - 3));
        path = path != NULL ? path : end;
        add_nv(to, ":scheme", 7, target, (size_t)(colon - target));
        *authority =
            (nghttp2_nv){(uint8_t *)(uintptr_t) ":authority", (uint8_t *)(uintptr_t)(colon + 3), 10,
                         (size_t)(path - colon - 3), 0};
        add_nv(to, ":path", 5, path < end ? path : "/", path < end ? (size_t)(end - path) : 1);
        return;
    }
    add_nv(to, ":scheme", 7, scheme, strlen(scheme));
    add_nv(to, ":path", 5, target, (size_t)(end - target));
}

/* The next request, once its head is whole. */
static inline void begin_request(struct translation *t, const char *scheme)
{
    char *start = t->text->bytes + t->text->at;
    const char *end = memmem(start, queue_left(t->text), "\r\n\r\n", 4);
    if (end == NULL || t->is_last)
        return;
    struct translated to = {.count = 0}, fields = {.count = 0};
    nghttp2_nv authority = {.name = NULL};
    char *cr = memmem(start, queue_left(t->text), "\r\n", 2);
    t->is_chunked = t->has_trailers = t->is_sent = false;
    t->has_begun = t->is_whole = t->in_chunks = false;
    t->left = 0;
    t->is_head = strncmp(start, "HEAD ", 5) == 0;
    if (cr + 2 < end + 2)
        read_lines(t, &fields, cr + 2, end + 2, &authority);
    read_request_line(&to, start, cr, &authority, scheme);
    if (authority.name != NULL)
        to.nv[to.count++] = authority;
    for (size_t i = 0; i < fields.count; i++)
        add_nv(&to, (const char *)fields.nv[i].name, fields.nv[i].namelen,
               (const char *)fields.nv[i].value, fields.nv[i].valuelen);
    t->text->at += (size_t)(end + 4 - start);
    bool has_body = t->is_chunked || t->left > 0;
    const nghttp2_data_provider provider = {.read_callback = read_body};
    t->is_sent = !has_body;
    t->id =
        nghttp2_submit_request(t->lib, NULL, to.nv, to.count, has_body ? &provider : NULL, NULL);
    WEIR_ASSERT(t->id > 0, "a request can be submitted");
}

/* --- the answer ------------------------------------------------------------------------------- */

static inline void put_text(struct queue *q, const char *text)
{
    queue_put(q, text, strlen(text));
}

/* "content-length" as it is written in HTTP/1. */
static inline void put_name(struct queue *q, const char *name, size_t len)
{
    static const char *const odd[] = {"ETag", "WWW-Authenticate", "DNT"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        if (is_named(name, len, odd[i])) {
            queue_put(q, odd[i], len);
            return;
        }
    }
    for (size_t i = 0; i < len; i++) {
        char c = i == 0 || name[i - 1] == '-' ? (char)toupper((unsigned char)name[i]) : name[i];
        queue_put(q, &c, 1);
    }
}

static inline const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {100, "Continue"},          {200, "OK"},    {204, "No Content"},   {206, "Partial Content"},
        {301, "Moved Permanently"}, {302, "Found"}, {304, "Not Modified"}, {404, "Not Found"}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "";
}

static inline int on_begin(nghttp2_session *lib, const nghttp2_frame *frame, void *arg)
{
    struct translation *t = arg;
    (void)lib, (void)frame;
    t->head.at = t->head.len = 0;
    t->status = 0;
    return 0;
}

static inline int on_field(nghttp2_session *lib, const nghttp2_frame *frame, const uint8_t *name,
                           size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                           void *arg)
{
    struct translation *t = arg;
    (void)lib, (void)frame, (void)flags;
    if (is_named((const char *)name, name_len, ":status")) {
        t->status = atoi((const char *)value);
        return 0;
    }
    put_name(&t->head, (const char *)name, name_len);
    put_text(&t->head, ": ");
    queue_put(&t->head, value, value_len);
    put_text(&t->head, "\r\n");
    return 0;
}

static inline void tell_head(struct translation *t, bool is_end)
{
    char line[64];
    snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", t->status, reason_of(t->status));
    put_text(t->answer, line);
    queue_put(t->answer, t->head.bytes, t->head.len);
    t->has_begun = t->status >= 200;
    bool has_length = memmem(t->head.bytes, t->head.len, "Content-Length: ", 16) != NULL;
    bool is_bare = t->status < 200 || t->status == 204 || t->status == 304;
    t->in_chunks = !is_bare && !has_length && !t->is_head && !is_end;
    if (t->in_chunks || (t->is_head && !is_bare && !has_length))
        put_text(t->answer, "Transfer-Encoding: chunked\r\n");
    else if (is_end && !is_bare && !has_length)
        put_text(t->answer, "Content-Length: 0\r\n");
    if (t->has_begun && t->is_last)
        put_text(t->answer, "Connection: close\r\n");
    put_text(t->answer, "\r\n");
}

static inline void tell_end(struct translation *t, bool has_trailers)
{
    if (!t->in_chunks)
        return;
    put_text(t->answer, "0\r\n");
    if (has_trailers)
        queue_put(t->answer, t->head.bytes, t->head.len);
    put_text(t->answer, "\r\n");
}

static inline int on_frame(nghttp2_session *lib, const nghttp2_frame *frame, void *arg)
{
    struct translation *t = arg;
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    (void)lib;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        t->is_last = true;
    if (frame->hd.stream_id != t->id ||
        (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    bool is_trailer = frame->hd.type == NGHTTP2_HEADERS && t->has_begun;
    if (frame->hd.type == NGHTTP2_HEADERS && !is_trailer)
        tell_head(t, is_end);
    if (is_end)
        tell_end(t, is_trailer);
    t->is_whole = is_end;
    return 0;
}

static inline int on_data(nghttp2_session *lib, uint8_t flags, int32_t id, const uint8_t *bytes,
                          size_t len, void *arg)
{
    struct translation *t = arg;
    char line[32];
    (void)lib, (void)flags, (void)id;
    t->untold += len;
    if (t->in_chunks && len > 0) {
        snprintf(line, sizeof line, "%zx\r\n", len);
        put_text(t->answer, line);
    }
    queue_put(t->answer, bytes, len);
    if (t->in_chunks && len > 0)
        put_text(t->answer, "\r\n");
    return 0;
}

/* The rest of the request's body in the text is nobody's: the client is told the end. */
static inline int on_close(nghttp2_session *lib, int32_t id, uint32_t code, void *arg)
{
    struct translation *t = arg;
    (void)lib, (void)code;
    if (id != t->id)
        return 0;
    t->id = 0;
    t->is_over = t->is_over || !t->is_whole || !t->is_sent || t->is_last;
    return 0;
}

/* --- a connection ----------------------------------------------------------------------------- */

static inline void translation_open(struct translation *t, struct queue *text, struct queue *answer)
{
    nghttp2_session_callbacks *calls;
    nghttp2_option *options;
    *t = (struct translation){.text = text, .answer = answer};
    queue_put(&t->head, "\r\n", 2); /* it has memory */
    nghttp2_option_new(&options);
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_session_callbacks_new(&calls);
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(calls, on_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
    int err = nghttp2_session_client_new2(&t->lib, calls, t, options);
    WEIR_ASSERT(err == 0, "the test has memory");
    nghttp2_session_callbacks_del(calls);
    nghttp2_option_del(options);
    nghttp2_submit_settings(t->lib, 0, NULL, 0);
}

static inline void translation_close(struct translation *t)
{
    nghttp2_session_del(t->lib);
    free(t->head.bytes);
}

/* Takes in what the server has sent; false: it is no HTTP/2. */
static inline bool translation_feed(struct translation *t, const char *bytes, size_t len)
{
    return nghttp2_session_mem_recv(t->lib, (const uint8_t *)bytes, len) == (ssize_t)len;
}

/* From the text to frames, in `out`. */
static inline void translation_move(struct translation *t, const char *scheme, struct queue *out)
{
    const uint8_t *bytes;
    ssize_t n;
    if (t->id == 0 && !t->is_over)
        begin_request(t, scheme);
    if (t->id > 0 && !t->is_sent)
        nghttp2_session_resume_data(t->lib, t->id);
    while ((n = nghttp2_session_mem_send(t->lib, &bytes)) > 0)
        queue_put(out, bytes, (size_t)n);
}

/* The client has taken so much of its answers that the server may send again. */
static inline void translation_taken(struct translation *t)
{
    if (t->untold > 0 && t->id > 0)
        nghttp2_session_consume(t->lib, t->id, t->untold);
    else if (t->untold > 0)
        nghttp2_session_consume_connection(t->lib, t->untold);
    t->untold = 0;
}

/* The client is gone in the middle of a request. */
static inline void translation_cancel(struct translation *t)
{
    if (t->id > 0)
        nghttp2_submit_rst_stream(t->lib, NGHTTP2_FLAG_NONE, t->id, NGHTTP2_CANCEL);
}

#endif /* WEIR_HTTP2 */

#endif
