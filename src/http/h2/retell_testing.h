/*
 * For tests: the other side of translate_testing.h. A server that was written for HTTP/1 is asked
 * over HTTP/2: each stream's request becomes text, and the text of an answer frames. nghttp2's own
 * server session does the frames: it is strict, and what it does not accept ends the connection as
 * a real peer would.
 *
 * An answer may come in pieces of any size, and its body be of any kind that HTTP/1 has; what of it
 * HTTP/2 has not (Connection, Transfer-Encoding, chunks) is understood here. Its memory is the C
 * library's: what a test lets fail at the heap's door is never the server.
 */
#ifndef WEIR_HTTP_H2_RETELL_TESTING_H
#define WEIR_HTTP_H2_RETELL_TESTING_H

#include "http/h2/translate_testing.h"

#if WEIR_HTTP2

/* Where in its answer's text a stream is. */
enum retold_at { AT_HEAD, AT_BODY, AT_CHUNK, AT_CHUNK_END, AT_TRAILERS, AT_CLOSE, AT_END };

/* A request and its answer. */
struct retold {
    struct retold *next;
    nghttp2_session *lib;
    int32_t id;    /* 0: the stream is closed */
    void *of;      /* the server's own, while it is served */
    bool is_given; /* it was, or is */

    struct queue method, path, authority, lines;
    struct queue text; /* of the request, as HTTP/1 has it; the server takes it */
    bool has_head;     /* it is in the text */
    bool is_asked;     /* and so is all of it */
    bool in_chunks;    /* its body is told in chunks */

    enum retold_at at;
    struct queue answer;   /* text that is not understood yet */
    struct queue body;     /* bytes that are to be sent */
    size_t left;           /* of the body, or its chunk */
    bool is_whole;         /* all of the body is here */
    bool has_chunks;       /* that is how the text has the body */
    struct queue trailers; /* their lines */
};

/* A connection. */
struct retelling {
    nghttp2_session *lib;
    struct retold *streams; /* in the order in which they came */
};

/* --- the request ------------------------------------------------------------------------------ */

static inline struct retold *retold_of(nghttp2_session *lib, int32_t id)
{
    return nghttp2_session_get_stream_user_data(lib, id);
}

static inline void retell_line(struct queue *q, const char *name, size_t name_len,
                               const uint8_t *value, size_t len)
{
    put_name(q, name, name_len);
    put_text(q, ": ");
    queue_put(q, value, len);
    put_text(q, "\r\n");
}

static inline int retell_begin(nghttp2_session *lib, const nghttp2_frame *frame, void *arg)
{
    struct retelling *all = arg;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct retold *t = calloc(1, sizeof *t);
    WEIR_ASSERT(t != NULL, "the test has memory");
    *t = (struct retold){.lib = lib, .id = frame->hd.stream_id};
    struct retold **last = &all->streams;
    while (*last != NULL)
        last = &(*last)->next;
    *last = t;
    nghttp2_session_set_stream_user_data(lib, t->id, t);
    return 0;
}

static inline int retell_field(nghttp2_session *lib, const nghttp2_frame *frame,
                               const uint8_t *name, size_t name_len, const uint8_t *value,
                               size_t len, uint8_t flags, void *arg)
{
    struct retold *t = retold_of(lib, frame->hd.stream_id);
    const char *n = (const char *)name;
    (void)flags, (void)arg;
    if (is_named(n, name_len, ":method"))
        queue_put(&t->method, value, len);
    else if (is_named(n, name_len, ":path"))
        queue_put(&t->path, value, len);
    else if (is_named(n, name_len, ":authority"))
        queue_put(&t->authority, value, len);
    else if (n[0] != ':')
        retell_line(&t->lines, n, name_len, value, len);
    return 0;
}

static inline void retell_queue(struct queue *to, struct queue *from)
{
    if (queue_left(from) > 0)
        queue_put(to, from->bytes + from->at, queue_left(from));
    from->at = from->len;
}

static inline void retell_request_head(struct retold *t, bool is_end)
{
    bool has_length = queue_left(&t->lines) > 0 &&
                      memmem(t->lines.bytes, t->lines.len, "Content-Length: ", 16) != NULL;
    struct queue method = t->method;
    retell_queue(&t->text, &method);
    put_text(&t->text, " ");
    retell_queue(&t->text, &t->path);
    put_text(&t->text, " HTTP/1.1\r\nHost: ");
    retell_queue(&t->text, &t->authority);
    put_text(&t->text, "\r\n");
    retell_queue(&t->text, &t->lines);
    t->in_chunks = !is_end && !has_length;
    put_text(&t->text, t->in_chunks ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    t->has_head = true;
}

static inline int retell_frame(nghttp2_session *lib, const nghttp2_frame *frame, void *arg)
{
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    struct retold *t = retold_of(lib, frame->hd.stream_id);
    (void)arg;
    if (t == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (!t->has_head)
        retell_request_head(t, is_end);
    if (!is_end)
        return 0;
    t->is_asked = true;
    if (t->in_chunks) {
        put_text(&t->text, "0\r\n");
        retell_queue(&t->text, &t->lines);
        put_text(&t->text, "\r\n");
    }
    return 0;
}

static inline int retell_data(nghttp2_session *lib, uint8_t flags, int32_t id, const uint8_t *bytes,
                              size_t len, void *arg)
{
    struct retold *t = retold_of(lib, id);
    char line[32];
    (void)flags, (void)arg;
    if (t->in_chunks && len > 0) {
        snprintf(line, sizeof line, "%zx\r\n", len);
        put_text(&t->text, line);
    }
    queue_put(&t->text, bytes, len);
    if (t->in_chunks && len > 0)
        put_text(&t->text, "\r\n");
    return 0;
}

static inline int retell_close(nghttp2_session *lib, int32_t id, uint32_t code, void *arg)
{
    struct retold *t = retold_of(lib, id);
    (void)code, (void)arg;
    if (t != NULL)
        t->id = 0;
    return 0;
}

/* --- the answer ------------------------------------------------------------------------------- */

static inline void retell_whole(struct retold *t)
{
    t->at = AT_END;
    t->is_whole = true;
}

/* What a line says of how the answer ends; false: it does not go along. */
static inline bool retell_is_field(struct retold *t, const char *name, size_t len,
                                   const char *value)
{
    if (is_named(name, len, "Transfer-Encoding")) {
        t->at = AT_CHUNK;
        t->has_chunks = true;
        return false;
    }
    if (is_named(name, len, "Content-Length")) {
        t->at = AT_BODY;
        t->left = (size_t)strtoull(value, NULL, 10);
    }
    return !is_named(name, len, "Connection") && !is_named(name, len, "Keep-Alive") &&
           !is_named(name, len, "Upgrade");
}

/* Lines up to the blank one, as fields: an answer's, or trailers. */
static inline void retell_lines(struct retold *t, struct translated *to, char *at, const char *end)
{
    while (at < end) {
        char *cr = memchr(at, '\r', (size_t)(end - at)),
             *colon = memchr(at, ':', (size_t)(cr - at));
        WEIR_ASSERT(colon != NULL, "a test's answer is well-formed where it is retold");
        char *value = colon + 1;
        while (value < cr && *value == ' ')
            value++;
        for (char *c = at; c < colon; c++)
            *c = (char)tolower((unsigned char)*c);
        if (retell_is_field(t, at, (size_t)(colon - at), value))
            add_nv(to, at, (size_t)(colon - at), value, (size_t)(cr - value));
        at = cr + 2;
    }
}

static inline ssize_t retell_read(nghttp2_session *lib, int32_t id, uint8_t *to, size_t size,
                                  uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct retold *t = source->ptr;
    size_t n = queue_left(&t->body) < size ? queue_left(&t->body) : size;
    (void)arg;
    if (n == 0 && !t->is_whole)
        return NGHTTP2_ERR_DEFERRED;
    if (n > 0)
        memcpy(to, t->body.bytes + t->body.at, n);
    t->body.at += n;
    if (t->is_whole && queue_left(&t->body) == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (t->trailers.len > 0) {
            struct translated lines = {.count = 0};
            retell_lines(t, &lines, t->trailers.bytes, t->trailers.bytes + t->trailers.len);
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            nghttp2_submit_trailer(lib, id, lines.nv, lines.count);
        }
    }
    return (ssize_t)n;
}

/* The head of an answer, or an interim one; false: it is not whole. */
static inline bool retell_head(struct retold *t)
{
    char *start = t->answer.bytes + t->answer.at, status[4] = "";
    const char *end = memmem(start, queue_left(&t->answer), "\r\n\r\n", 4);
    if (end == NULL)
        return false;
    struct translated to = {.count = 0};
    memcpy(status, start + strlen("HTTP/1.1 "), 3);
    add_nv(&to, ":status", 7, status, 3);
    t->at = AT_CLOSE;
    char *cr = memmem(start, queue_left(&t->answer), "\r\n", 2);
    if (cr < end)
        retell_lines(t, &to, cr + 2, end + 2);
    t->answer.at += (size_t)(end + 4 - start);
    if (status[0] == '1') {
        nghttp2_submit_headers(t->lib, NGHTTP2_FLAG_NONE, t->id, NULL, to.nv, to.count, NULL);
        t->at = AT_HEAD;
        return true;
    }
    bool is_bare = strcmp(status, "204") == 0 || strcmp(status, "304") == 0 ||
                   is_named(t->method.bytes, t->method.len, "HEAD");
    if (is_bare || (t->at == AT_BODY && t->left == 0))
        retell_whole(t);
    const nghttp2_data_provider provider = {.source = {.ptr = t}, .read_callback = retell_read};
    nghttp2_submit_response(t->lib, t->id, to.nv, to.count, t->is_whole ? NULL : &provider);
    return true;
}

/* A chunk's line; false: it is not whole. */
static inline bool retell_chunk(struct retold *t)
{
    ssize_t size = queue_left(&t->answer) > 0 ? take_chunk_line(&t->answer) : -1;
    if (size < 0)
        return false;
    t->left = (size_t)size;
    t->at = size > 0 ? AT_BODY : AT_TRAILERS;
    return true;
}

static inline bool retell_trailers(struct retold *t)
{
    const char *start = t->answer.bytes + t->answer.at;
    size_t have = queue_left(&t->answer);
    const char *end =
        have >= 2 && memcmp(start, "\r\n", 2) == 0 ? start : memmem(start, have, "\r\n\r\n", 4);
    if (end == NULL)
        return false;
    if (end > start)
        queue_put(&t->trailers, start, (size_t)(end + 2 - start));
    t->answer.at += (size_t)(end - start) + (end == start ? 2 : 4);
    retell_whole(t);
    return true;
}

/* Bytes of the body; false: no further ones are here. */
static inline bool retell_body(struct retold *t)
{
    size_t n = queue_left(&t->answer);
    if (n == 0)
        return false;
    n = t->at == AT_BODY && n > t->left ? t->left : n;
    queue_put(&t->body, t->answer.bytes + t->answer.at, n);
    t->answer.at += n;
    t->left -= t->at == AT_BODY ? n : 0;
    if (t->at == AT_BODY && t->left == 0 && t->has_chunks)
        t->at = AT_CHUNK_END;
    else if (t->at == AT_BODY && t->left == 0)
        retell_whole(t);
    return true;
}

static inline bool retell_step(struct retold *t)
{
    switch (t->at) {
    case AT_HEAD:
        return queue_left(&t->answer) > 0 && retell_head(t);
    case AT_CHUNK:
        return retell_chunk(t);
    case AT_CHUNK_END:
        if (queue_left(&t->answer) < 2)
            return false;
        t->answer.at += 2;
        t->at = AT_CHUNK;
        return true;
    case AT_TRAILERS:
        return queue_left(&t->answer) > 0 && retell_trailers(t);
    case AT_BODY:
    case AT_CLOSE:
        return retell_body(t);
    default:
        return false;
    }
}

/* --- a connection ----------------------------------------------------------------------------- */

static inline void retelling_open(struct retelling *all)
{
    nghttp2_session_callbacks *calls;
    *all = (struct retelling){.streams = NULL};
    nghttp2_session_callbacks_new(&calls);
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, retell_begin);
    nghttp2_session_callbacks_set_on_header_callback(calls, retell_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, retell_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, retell_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, retell_close);
    int err = nghttp2_session_server_new(&all->lib, calls, all);
    WEIR_ASSERT(err == 0, "the test has memory");
    nghttp2_session_callbacks_del(calls);
    nghttp2_submit_settings(all->lib, 0, NULL, 0);
}

static inline void retold_free(struct retold *t)
{
    struct queue *const queues[] = {&t->method, &t->path,   &t->authority, &t->lines,
                                    &t->text,   &t->answer, &t->body,      &t->trailers};
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++)
        free(queues[i]->bytes);
    free(t);
}

/* Frees what the server has done with. */
static inline void retelling_forget(struct retelling *all)
{
    for (struct retold **at = &all->streams, *t; (t = *at) != NULL;) {
        if (t->id != 0 || t->of != NULL) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        retold_free(t);
    }
}

static inline void retelling_close(struct retelling *all)
{
    nghttp2_session_del(all->lib);
    for (struct retold *t = all->streams, *next; t != NULL; t = next) {
        next = t->next;
        retold_free(t);
    }
}

/* A piece of an answer's text. */
static inline void retold_say(struct retold *t, const char *text, size_t len)
{
    queue_put(&t->answer, text, len);
    while (t->id != 0 && retell_step(t))
        ;
    if (t->id != 0)
        nghttp2_session_resume_data(t->lib, t->id);
}

/* The answer's connection ends; false: it was not to end yet. */
static inline bool retold_end(struct retold *t)
{
    if (t->at == AT_CLOSE)
        retell_whole(t);
    if (t->id != 0)
        nghttp2_session_resume_data(t->lib, t->id);
    return t->at == AT_END;
}

#endif /* WEIR_HTTP2 */

#endif
