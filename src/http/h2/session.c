/*
 * The one file that knows nghttp2. The library makes and reads frames, keeps HPACK's tables,
 * windows and states of streams; memory, bytes and time are ours.
 *
 * What the library of Debian 12 does not bound is bounded here: frames that carry nothing and
 * resets have a budget (budget.h), answers to them that the peer does not fetch a queue of
 * QUEUE_MAX. Whether fields make a message is not left to it either (no_http_messaging): that has
 * to be the same for what it takes and what we answer, and is fields.c's.
 *
 * The hard thing is that the library calls back in the middle of what it does. It allows submitting
 * from there; what may not be is reading, sending, or ending the session. So an error inside a
 * call-back leaves a GOAWAY in the queue and makes the library stop, and the owner ends the session
 * from a flush.
 */
#include "http/h2/session.h"

#if WEIR_HTTP2

#include <nghttp2/nghttp2.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define FRAME_ROOM (16384 + 32ul) /* the longest piece that the library makes at once */
#define PASSES_MAX 4  /* buffers that a connection sends before others have their turn */
#define QUEUE_MAX 500 /* frames in the library's queue that the peer has not fetched */
#define CONTINUATIONS_MAX 8
#define SETTINGS_MAX 16 /* entries of a frame */

_Static_assert(sizeof(struct weir__h2_gather) > 3 * FRAME_ROOM, "several frames leave at once");

/* --- memory ----------------------------------------------------------------------------------- */

/*
 * What the library allocates is known: when there is no memory it may forget what it has, or free
 * it twice, as it ends; so then it is not asked to, and all that it had is freed here.
 */
struct block {
    struct weir__list in_session; /* weir__h2_session.blocks */
    _Alignas(16) char bytes[];
};

static struct block *block_of(void *p)
{
    return WEIR_CONTAINER((char(*)[])p, struct block, bytes);
}

static void *mem_malloc(size_t size, void *session)
{
    struct weir__h2_session *s = session;
    struct block *b = weir__malloc(sizeof *b + size);
    if (b == NULL) {
        s->has_no_memory = true;
        return NULL;
    }
    weir__list_init(&b->in_session);
    weir__list_push_back(&s->blocks, &b->in_session);
    return b->bytes;
}

static void mem_free(void *p, void *session)
{
    (void)session;
    if (p == NULL)
        return;
    WEIR_ASSERT(!weir__list_empty(&block_of(p)->in_session), "H11: what is given back was had");
    weir__list_remove(&block_of(p)->in_session);
    weir__free(block_of(p));
}

static void *mem_calloc(size_t count, size_t size, void *session)
{
    void *p = size == 0 || count <= SIZE_MAX / 2 / size ? mem_malloc(count * size, session) : NULL;
    if (p != NULL)
        memset(p, 0, count * size);
    return p;
}

static void *mem_realloc(void *p, size_t size, void *session)
{
    struct weir__h2_session *s = session;
    if (p == NULL)
        return mem_malloc(size, session);
    struct block *b = block_of(p);
    WEIR_ASSERT(!weir__list_empty(&b->in_session), "H11: what grows was had");
    weir__list_remove(&b->in_session);
    struct block *moved = weir__realloc(b, sizeof *b + size);
    s->has_no_memory = s->has_no_memory || moved == NULL;
    b = moved != NULL ? moved : b;
    weir__list_init(&b->in_session);
    weir__list_push_back(&s->blocks, &b->in_session);
    return moved != NULL ? moved->bytes : NULL;
}

static void free_library(struct weir__h2_session *s)
{
    struct weir__list *node;
    if (!s->has_no_memory)
        nghttp2_session_del(s->lib);
    while ((node = weir__list_pop_front(&s->blocks)) != NULL)
        weir__free(WEIR_CONTAINER(node, struct block, in_session));
}

/* --- what a peer spends ----------------------------------------------------------------------- */

/* For call-backs of the library: 0, or what makes it stop. */
static int spend(struct weir__h2_session *s, enum weir__h2_cost cost)
{
    if (WEIR_LIKELY(weir__h2_budget_take(&s->budget, cost, weir__self->now)))
        return 0;
    weir__h2_session_calm(s);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* The library does not look at whose it is where priorities are not followed: section 6.3. */
static int check_priority(struct weir__h2_session *s, const nghttp2_frame_hd *hd)
{
    if (hd->stream_id > 0)
        return spend(s, WEIR__H2_PRIORITY);
    weir__h2_session_terminate(s, WEIR_H2_PROTOCOL_ERROR);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/*
 * A client has said that it takes no push before it has asked for anything, so there is none that
 * could have been on its way: section 8.4.
 */
static int check_push(struct weir__h2_session *s)
{
    if (!s->is_client)
        return 0; /* the library ends who pushes to a server */
    weir__h2_session_terminate(s, WEIR_H2_PROTOCOL_ERROR);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_frame(nghttp2_session *lib, const nghttp2_frame_hd *hd, void *user)
{
    struct weir__h2_session *s = user;
    WEIR_ASSERT(lib == s->lib, "H11: a session has one of the library's");
    s->data_bytes = 0;
    switch (hd->type) {
    case NGHTTP2_DATA:
        if (hd->length == 0 && (hd->flags & NGHTTP2_FLAG_END_STREAM) == 0)
            return spend(s, WEIR__H2_EMPTY_DATA);
        return 0;
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
        return 0;
    case NGHTTP2_PUSH_PROMISE:
        return check_push(s);
    case NGHTTP2_RST_STREAM:
        s->resets_received++;
        return spend(s, WEIR__H2_RESET_RECEIVED);
    case NGHTTP2_PING:
        return spend(s, WEIR__H2_PING);
    case NGHTTP2_SETTINGS:
        s->has_settings = true;
        s->queued = (uint32_t)nghttp2_session_get_outbound_queue_size(lib);
        return spend(s, WEIR__H2_SETTINGS);
    case NGHTTP2_PRIORITY:
        return check_priority(s, hd);
    case NGHTTP2_WINDOW_UPDATE:
        return spend(s, WEIR__H2_WINDOW_UPDATE);
    case NGHTTP2_GOAWAY:
        return spend(s, WEIR__H2_GOAWAY);
    default:
        return 0; /* of a type that the library passes over: they cost their bytes */
    }
}

/* The library answers an error with a reset, or with the end of all, which costs nothing more. */
static int on_invalid_frame(nghttp2_session *lib, const nghttp2_frame *frame, int code, void *user)
{
    struct weir__h2_session *s = user;
    bool is_refused = code == NGHTTP2_ERR_REFUSED_STREAM; /* before the peer knows the limit */
    void *of = nghttp2_session_get_stream_user_data(lib, frame->hd.stream_id);
    if (!is_refused && of == NULL)
        return 0;
    if (of != NULL && s->ops->doomed != NULL)
        s->ops->doomed(s, of);
    s->streams_refused += is_refused;
    s->resets_provoked++;
    return spend(s, WEIR__H2_RESET_PROVOKED);
}

/* --- what has come ---------------------------------------------------------------------------- */

static void *owner_of(nghttp2_session *lib, int32_t id)
{
    return nghttp2_session_get_stream_user_data(lib, id);
}

static int on_begin_headers(nghttp2_session *lib, const nghttp2_frame *frame, void *user)
{
    struct weir__h2_session *s = user;
    int32_t id = frame->hd.stream_id;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        void *of = owner_of(lib, id);
        if (of != NULL && s->ops->block != NULL)
            s->ops->block(s, of);
        return 0;
    }
    void *of = s->ops->begin(s, id);
    if (of != NULL)
        return nghttp2_session_set_stream_user_data(lib, id, of);
    if (nghttp2_submit_rst_stream(lib, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    s->resets_provoked++;
    return spend(s, WEIR__H2_RESET_PROVOKED);
}

static int on_header(nghttp2_session *lib, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    struct weir__h2_session *s = user;
    void *of = owner_of(lib, frame->hd.stream_id);
    (void)flags;
    if (of != NULL)
        s->ops->field(s, of, (weir_str){(const char *)name, name_len},
                      (weir_str){(const char *)value, value_len});
    /* The rest of a block that is too much is not even decoded. */
    return WEIR_UNLIKELY(s->is_calmed) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_data_chunk(nghttp2_session *lib, uint8_t flags, int32_t id, const uint8_t *bytes,
                         size_t len, void *user)
{
    struct weir__h2_session *s = user;
    void *of = owner_of(lib, id);
    (void)flags;
    s->data_bytes += (uint32_t)len;
    if (of != NULL)
        s->ops->data(s, of, (weir_str){(const char *)bytes, len});
    else
        weir__h2_session_consume(s, id, 0, len); /* of nobody: but others have the window too */
    return 0;
}

static int on_data_end(struct weir__h2_session *s, const nghttp2_frame *frame, void *of)
{
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        if (of != NULL)
            s->ops->data_end(s, of);
        return 0;
    }
    bool is_padding = s->data_bytes == 0 && frame->hd.length > 0;
    return is_padding ? spend(s, WEIR__H2_EMPTY_DATA) : 0;
}

/*
 * A setting that opens a window too far is an error of the connection: section 6.9.2. The library
 * resets the streams that it concerns, unasked and untold; beside them it has queued the ACK alone.
 */
static int check_settings(struct weir__h2_session *s)
{
    if (nghttp2_session_get_outbound_queue_size(s->lib) <= s->queued + 1ul)
        return 0;
    weir__h2_session_terminate(s, WEIR_H2_FLOW_CONTROL_ERROR);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *lib, const nghttp2_frame *frame, void *user)
{
    struct weir__h2_session *s = user;
    void *of = frame->hd.stream_id > 0 ? owner_of(lib, frame->hd.stream_id) : NULL;
    if (frame->hd.type == NGHTTP2_DATA)
        return on_data_end(s, frame, of);
    if (frame->hd.type == NGHTTP2_SETTINGS)
        return check_settings(s);
    if (frame->hd.type == NGHTTP2_HEADERS && of != NULL)
        s->ops->fields_end(s, of, (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    else if (frame->hd.type == NGHTTP2_RST_STREAM)
        s->reset_id = frame->hd.stream_id;
    else if (frame->hd.type == NGHTTP2_GOAWAY && s->ops->going != NULL)
        s->ops->going(s, frame->goaway.last_stream_id, frame->goaway.error_code);
    return 0;
}

static int on_stream_close(nghttp2_session *lib, int32_t id, uint32_t code, void *user)
{
    struct weir__h2_session *s = user;
    void *of = owner_of(lib, id);
    bool is_reset = s->reset_id == id;
    s->reset_id = 0;
    if (of == NULL)
        return 0;
    (void)nghttp2_session_set_stream_user_data(lib, id, NULL);
    s->ops->closed(s, of, code, is_reset);
    return 0;
}

bool weir__h2_session_feed(struct weir__h2_session *s, const char *bytes, size_t len)
{
    WEIR_ASSERT(s->lib != NULL && s->gather->len == 0,
                "H3: bytes are not read while others are made");
    if (s->is_broken || s->is_over)
        return false;
    weir__h2_session_ask(s);
    ssize_t n = nghttp2_session_mem_recv(s->lib, (const uint8_t *)bytes, len);
    if (WEIR_LIKELY(n >= 0) && nghttp2_session_get_outbound_queue_size(s->lib) > QUEUE_MAX)
        n = NGHTTP2_ERR_FLOODED;
    if (n == NGHTTP2_ERR_NOMEM)
        s->is_broken = true;
    else if (n == NGHTTP2_ERR_FLOODED || n == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
        weir__h2_session_calm(s);
    else if (n < 0)
        weir__h2_session_terminate(s, WEIR_H2_PROTOCOL_ERROR); /* nothing where there is one */
    return n >= 0 && nghttp2_session_want_read(s->lib) != 0;
}

/* --- what goes -------------------------------------------------------------------------------- */

static void gather(struct weir__h2_session *s, const void *bytes, size_t len)
{
    struct weir__h2_gather *g = s->gather;
    WEIR_ASSERT(len <= sizeof g->bytes - g->len, "H3: a frame is made when there is room for it");
    memcpy(g->bytes + g->len, bytes, len);
    g->len += (uint32_t)len;
}

/*
 * There is more than this frame, so others have their turn before the next. Left alone the library
 * sends one body after the other, by number (RFC 9218's default, made for pieces of one page); what
 * is one frame is not asked about, which is most answers. Of a client nothing can be changed.
 */
static bool take_turns(const struct weir__h2_session *s, int32_t id)
{
    static const nghttp2_extpri in_turn = {NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    WEIR_ASSERT(s->lib != NULL && id > 0, "H4: nothing is asked of a stream that is over");
    return s->is_client ||
           nghttp2_session_change_extpri_stream_priority(s->lib, id, &in_turn, 1) == 0;
}

static ssize_t on_supply(nghttp2_session *lib, int32_t id, uint8_t *buf, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct weir__h2_session *s = user;
    struct weir__h2_supply has = s->ops->supply(s, source->ptr);
    (void)lib, (void)buf;
    WEIR_ASSERT(sizeof s->gather->bytes - s->gather->len >= FRAME_ROOM,
                "H3: a frame is made when there is room for it");
    if (has.len == 0 && !has.is_end)
        return NGHTTP2_ERR_DEFERRED;
    *flags = NGHTTP2_DATA_FLAG_NO_COPY;
    size_t n = has.len < len ? has.len : len;
    bool is_last = n == has.len && has.is_end;
    if (!is_last && !take_turns(s, id))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (is_last) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (has.has_trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            s->ops->trailers(s, source->ptr);
        }
    }
    weir__h2_budget_sent(&s->budget, (uint32_t)n, n == has.len);
    return (ssize_t)n;
}

static int on_send_data(nghttp2_session *lib, nghttp2_frame *frame, const uint8_t *hd, size_t len,
                        nghttp2_data_source *source, void *user)
{
    struct weir__h2_session *s = user;
    struct weir__h2_gather *g = s->gather;
    (void)lib, (void)frame;
    gather(s, hd, 9);
    WEIR_ASSERT(len <= sizeof g->bytes - g->len, "H3: a frame is made when there is room for it");
    s->ops->take(s, source->ptr, g->bytes + g->len, len);
    g->len += (uint32_t)len;
    s->is_paused = sizeof g->bytes - g->len < FRAME_ROOM;
    return s->is_paused ? NGHTTP2_ERR_PAUSE : 0;
}

/* RFC 9113 section 8.3: a message begins with pseudo-fields, trailers have none. */
static bool begins_message(const struct weir__h2_session *s, const nghttp2_frame *frame)
{
    if (frame->hd.type != NGHTTP2_HEADERS || s->is_client)
        return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    const nghttp2_nv *first = frame->headers.nva;
    return frame->headers.nvlen > 0 && first->name[0] == ':' && first->value[0] != '1';
}

static int on_sent(nghttp2_session *lib, const nghttp2_frame *frame, void *user)
{
    struct weir__h2_session *s = user;
    bool is_told = s->ops->begun != NULL && begins_message(s, frame);
    void *begun = is_told ? owner_of(lib, frame->hd.stream_id) : NULL;
    if (begun != NULL)
        s->ops->begun(s, begun);
    if (frame->hd.type == NGHTTP2_GOAWAY)
        s->goaway_code = frame->goaway.error_code;
    bool is_last = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                   (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    void *of = is_last && s->ops->left != NULL ? owner_of(lib, frame->hd.stream_id) : NULL;
    if (of != NULL)
        s->ops->left(s, of);
    return 0;
}

/* Frames, as many as there is room for. False: there is nothing more to make. */
static bool make_frames(struct weir__h2_session *s)
{
    struct weir__h2_gather *g = s->gather;
    while (sizeof g->bytes - g->len >= FRAME_ROOM) {
        const uint8_t *bytes;
        s->is_paused = false;
        ssize_t n = nghttp2_session_mem_send(s->lib, &bytes);
        if (n < 0) {
            s->is_broken = true;
            return false;
        }
        if (n == 0)
            return s->is_paused;
        gather(s, bytes, (size_t)n);
    }
    return true;
}

/* Nothing more can be sent. */
static bool is_mute(const struct weir__h2_session *s)
{
    return s->is_broken || s->is_refused;
}

/* As many bytes as the socket takes; how many those are. */
static size_t send_some(struct weir__h2_session *s, const char *bytes, size_t len)
{
    size_t sent = 0;
    while (sent < len) {
        struct iovec rest = {(char *)(uintptr_t)bytes + sent, len - sent};
        ssize_t n = weir__stream_try_send(s->stream, &rest, 1);
        if (n < 0) {
            s->is_refused = s->is_refused || n != -EAGAIN;
            break;
        }
        sent += (size_t)n;
    }
    WEIR_ASSERT(sent <= len, "H3: no more leaves than there is");
    s->bytes_out += sent;
    return sent;
}

static void send_gathered(struct weir__h2_session *s)
{
    struct weir__h2_gather *g = s->gather;
    size_t left = g->len - send_some(s, g->bytes, g->len);
    WEIR_ASSERT(s->rest == NULL, "H3: nothing is gathered while something has not left");
    if (left > 0 && !is_mute(s)) {
        s->rest = weir__malloc(left);
        s->is_broken = s->rest == NULL;
    }
    if (s->rest != NULL) {
        WEIR_ASSERT(left > 0 && left <= g->len, "H3: what has not left is kept");
        memcpy(s->rest, g->bytes + g->len - left, left);
        s->rest_at = 0;
        s->rest_len = (uint32_t)left;
    }
    g->len = 0;
}

/* What is left of before. True: all of it has left. */
static bool send_rest(struct weir__h2_session *s)
{
    if (s->rest != NULL) {
        WEIR_ASSERT(s->rest_at < s->rest_len, "H3: what is kept has not left");
        s->rest_at += (uint32_t)send_some(s, s->rest + s->rest_at, s->rest_len - s->rest_at);
        if (s->rest_at < s->rest_len)
            return false;
        weir__free(s->rest);
        s->rest = NULL;
    }
    weir_err err = weir__stream_try_flush(s->stream);
    s->is_refused = s->is_refused || (err != WEIR_OK && err != -EAGAIN);
    return err == WEIR_OK;
}

enum weir__h2_flushed weir__h2_session_flush(struct weir__h2_session *s)
{
    WEIR_ASSERT(s->lib != NULL && s->gather->len == 0, "H3: one session gathers at a time");
    bool has_more = true;
    for (int pass = 0; pass < PASSES_MAX && has_more && !is_mute(s); pass++) {
        if (!send_rest(s))
            return is_mute(s) ? WEIR__H2_IS_BROKEN : WEIR__H2_IS_FULL;
        has_more = make_frames(s);
        send_gathered(s);
    }
    if (is_mute(s))
        return WEIR__H2_IS_BROKEN;
    if (weir__h2_session_has_rest(s))
        return WEIR__H2_IS_FULL;
    if (has_more) {
        weir__h2_session_ask(s);
        return WEIR__H2_HAS_MORE;
    }
    bool is_over = !nghttp2_session_want_read(s->lib) && !nghttp2_session_want_write(s->lib);
    s->is_over = s->is_over || is_over;
    return is_over ? WEIR__H2_IS_OVER : WEIR__H2_ALL_LEFT;
}

static void on_turn_end(struct weir__turn_end *t)
{
    struct weir__h2_session *s = WEIR_CONTAINER(t, struct weir__h2_session, turn);
    WEIR_ASSERT(s->lib != NULL, "H4: of a session that has ended nothing is sent");
    if (s->ops->flushing != NULL)
        s->ops->flushing(s);
    s->ops->flushed(s, weir__h2_session_flush(s));
}

bool weir__h2_session_end_turn(struct weir__h2_session *s)
{
    if (weir__list_empty(&s->turn.in_turn))
        return false;
    weir__turn_end_forget(&s->turn);
    on_turn_end(&s->turn);
    return true;
}

void weir__h2_session_on_room(struct weir__h2_session *s)
{
    if (weir__h2_session_has_rest(s))
        weir__h2_session_ask(s);
}

/* --- its life --------------------------------------------------------------------------------- */

static nghttp2_session_callbacks *new_callbacks(void)
{
    nghttp2_session_callbacks *cb;
    if (nghttp2_session_callbacks_new(&cb) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
    return cb;
}

static nghttp2_option *new_option(const struct weir__h2_session_options *o)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0)
        return NULL;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
    nghttp2_option_set_max_settings(option, SETTINGS_MAX);
    nghttp2_option_set_max_reserved_remote_streams(option, 0);
    if (o->is_client)
        nghttp2_option_set_peer_max_concurrent_streams(option, 100); /* until it says so itself */
    return option;
}

static int make_session(struct weir__h2_session *s, const nghttp2_session_callbacks *cb,
                        const nghttp2_option *option)
{
    nghttp2_mem memory = {s, mem_malloc, mem_free, mem_calloc, mem_realloc};
    return s->is_client ? nghttp2_session_client_new3(&s->lib, cb, s, option, &memory)
                        : nghttp2_session_server_new3(&s->lib, cb, s, option, &memory);
}

/*
 * With settings that no peer may change, and none that only one side may send. A client says
 * nothing of priorities: with that setting the library would send one of its bodies after the
 * other, and that can be changed in servers alone.
 */
static int submit_settings(struct weir__h2_session *s, const struct weir__h2_session_options *o)
{
    const nghttp2_settings_entry all[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, o->streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, o->stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, o->fields_bytes_max},
        o->is_client ? (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0}
                     : (nghttp2_settings_entry){NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int err = nghttp2_submit_settings(s->lib, NGHTTP2_FLAG_NONE, all, sizeof all / sizeof all[0]);
    if (err == 0)
        err = nghttp2_session_set_local_window_size(s->lib, NGHTTP2_FLAG_NONE, 0,
                                                    (int32_t)o->connection_window);
    return err;
}

weir_err weir__h2_session_init(struct weir__h2_session *s, const struct weir__h2_session_options *o)
{
    *s = (struct weir__h2_session){
        .stream = o->stream, .ops = o->ops, .gather = o->gather, .is_client = o->is_client};
    weir__list_init(&s->blocks);
    weir__turn_end_init(&s->turn, on_turn_end);
    weir__h2_budget_init(&s->budget, weir__self->now);
    nghttp2_session_callbacks *cb = new_callbacks();
    nghttp2_option *option = new_option(o);
    bool is_made = cb != NULL && option != NULL && make_session(s, cb, option) == 0;
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    if (!is_made || submit_settings(s, o) != 0) {
        weir__h2_session_fini(s);
        return -ENOMEM;
    }
    WEIR_ASSERT(s->lib != NULL, "H11: a session has one of the library's");
    s->stream->fd.tells_room = true;
    weir__h2_session_ask(s);
    return WEIR_OK;
}

void weir__h2_session_fini(struct weir__h2_session *s)
{
    if (s->stream == NULL)
        return;
    weir__turn_end_forget(&s->turn);
    free_library(s);
    weir__free(s->rest);
    s->stream->fd.tells_room = false;
    *s = (struct weir__h2_session){.lib = NULL};
}

/* --- on streams ------------------------------------------------------------------------------- */

static size_t to_library(nghttp2_nv *to, const struct weir__h2_field *fields, size_t count)
{
    WEIR_ASSERT(count <= WEIR__H2_SENT_FIELDS_MAX, "H6: a block of fields is bounded");
    for (size_t i = 0; i < count; i++)
        to[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)fields[i].name.ptr,
                             (uint8_t *)(uintptr_t)fields[i].value.ptr, fields[i].name.len,
                             fields[i].value.len, NGHTTP2_NV_FLAG_NONE};
    return count;
}

static weir_err submitted(struct weir__h2_session *s, int err)
{
    weir__h2_session_ask(s);
    return err == 0 ? WEIR_OK : err == NGHTTP2_ERR_NOMEM ? -ENOMEM : WEIR_ECLOSED;
}

weir_err weir__h2_session_respond(struct weir__h2_session *s, int32_t id,
                                  const struct weir__h2_field *fields, size_t count, bool has_body)
{
    nghttp2_nv all[WEIR__H2_SENT_FIELDS_MAX];
    WEIR_ASSERT(s->lib != NULL, "H4: nothing is asked of a session that has ended");
    nghttp2_data_provider from = {{.ptr = owner_of(s->lib, id)}, on_supply};
    if (from.source.ptr == NULL)
        return WEIR_ECLOSED;
    size_t n = to_library(all, fields, count);
    return submitted(s, nghttp2_submit_response(s->lib, id, all, n, has_body ? &from : NULL));
}

weir_err weir__h2_session_inform(struct weir__h2_session *s, int32_t id,
                                 const struct weir__h2_field *fields, size_t count)
{
    nghttp2_nv all[WEIR__H2_SENT_FIELDS_MAX];
    WEIR_ASSERT(s->lib != NULL && id > 0, "H4: nothing is asked of a stream that is over");
    size_t n = to_library(all, fields, count);
    return submitted(s, nghttp2_submit_headers(s->lib, NGHTTP2_FLAG_NONE, id, NULL, all, n, NULL));
}

int32_t weir__h2_session_request(struct weir__h2_session *s, const struct weir__h2_field *fields,
                                 size_t count, bool has_body, void *of)
{
    nghttp2_nv all[WEIR__H2_SENT_FIELDS_MAX];
    nghttp2_data_provider from = {{.ptr = of}, on_supply};
    WEIR_ASSERT(s->lib != NULL && s->is_client, "H4: nothing is asked of a session that has ended");
    size_t n = to_library(all, fields, count);
    if (nghttp2_session_check_request_allowed(s->lib) == 0)
        return WEIR_ECLOSED;
    int32_t id = nghttp2_submit_request(s->lib, NULL, all, n, has_body ? &from : NULL, of);
    weir_err err = submitted(s, id > 0 ? 0 : id);
    return err == WEIR_OK ? id : err;
}

weir_err weir__h2_session_trailers(struct weir__h2_session *s, int32_t id,
                                   const struct weir__h2_field *fields, size_t count)
{
    nghttp2_nv all[WEIR__H2_SENT_FIELDS_MAX];
    WEIR_ASSERT(s->lib != NULL && id > 0, "H4: nothing is asked of a stream that is over");
    size_t n = to_library(all, fields, count);
    return submitted(s, nghttp2_submit_trailer(s->lib, id, all, n));
}

void weir__h2_session_resume(struct weir__h2_session *s, int32_t id)
{
    WEIR_ASSERT(s->lib != NULL && id > 0, "H4: nothing is asked of a session that has ended");
    (void)nghttp2_session_resume_data(s->lib, id); /* refused where nothing was put off */
    weir__h2_session_ask(s);
}

void weir__h2_session_reset(struct weir__h2_session *s, int32_t id, enum weir__h2_code code,
                            bool is_provoked)
{
    WEIR_ASSERT(s->lib != NULL && id > 0, "H4: nothing is asked of a stream that is over");
    if (nghttp2_submit_rst_stream(s->lib, NGHTTP2_FLAG_NONE, id, (uint32_t)code) != 0)
        s->is_broken = true;
    if (is_provoked) {
        s->resets_provoked++;
        (void)spend(s, WEIR__H2_RESET_PROVOKED);
    }
    weir__h2_session_ask(s);
}

void weir__h2_session_consume(struct weir__h2_session *s, int32_t id, size_t of_stream,
                              size_t of_connection)
{
    int err = 0;
    WEIR_ASSERT(s->lib != NULL, "H4: nothing is asked of a session that has ended");
    if (of_stream > 0)
        err = nghttp2_session_consume_stream(s->lib, id, of_stream);
    if (err == 0 && of_connection > 0)
        err = nghttp2_session_consume_connection(s->lib, of_connection);
    s->is_broken = s->is_broken || nghttp2_is_fatal(err) != 0;
    weir__h2_session_ask(s);
}

void weir__h2_session_ping(struct weir__h2_session *s)
{
    WEIR_ASSERT(s->lib != NULL, "H4: nothing is asked of a session that has ended");
    if (nghttp2_submit_ping(s->lib, NGHTTP2_FLAG_NONE, NULL) != 0)
        s->is_broken = true;
    weir__h2_session_ask(s);
}

uint32_t weir__h2_session_streams_max(const struct weir__h2_session *s)
{
    WEIR_ASSERT(s->lib != NULL, "H4: nothing is asked of a session that has ended");
    return nghttp2_session_get_remote_settings(s->lib, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

size_t weir__h2_session_window(const struct weir__h2_session *s, int32_t id)
{
    WEIR_ASSERT(s->lib != NULL && id > 0, "H4: nothing is asked of a stream that is over");
    int32_t stream = nghttp2_session_get_stream_remote_window_size(s->lib, id);
    int32_t connection = nghttp2_session_get_remote_window_size(s->lib);
    int32_t least = stream < connection ? stream : connection;
    return least > 0 ? (size_t)least : 0;
}

/* --- on the connection ------------------------------------------------------------------------ */

void weir__h2_session_notice(struct weir__h2_session *s)
{
    WEIR_ASSERT(s->lib != NULL && !s->is_client, "H14: a server says that it goes");
    if (nghttp2_submit_shutdown_notice(s->lib) != 0)
        s->is_broken = true;
    weir__h2_session_ask(s);
}

void weir__h2_session_goaway(struct weir__h2_session *s, enum weir__h2_code code)
{
    WEIR_ASSERT(s->lib != NULL, "H4: nothing is asked of a session that has ended");
    int32_t last = nghttp2_session_get_last_proc_stream_id(s->lib);
    if (nghttp2_submit_goaway(s->lib, NGHTTP2_FLAG_NONE, last, (uint32_t)code, NULL, 0) != 0)
        s->is_broken = true;
    weir__h2_session_ask(s);
}

void weir__h2_session_terminate(struct weir__h2_session *s, enum weir__h2_code code)
{
    WEIR_ASSERT(s->lib != NULL, "H4: nothing is asked of a session that has ended");
    if (nghttp2_session_terminate_session(s->lib, (uint32_t)code) != 0)
        s->is_broken = true;
    weir__h2_session_ask(s);
}

void weir__h2_session_calm(struct weir__h2_session *s)
{
    WEIR_ASSERT(s->lib != NULL, "H4: nothing is asked of a session that has ended");
    if (s->is_calmed)
        return;
    s->is_calmed = true;
    weir__h2_session_terminate(s, WEIR_H2_ENHANCE_YOUR_CALM);
}

#endif
