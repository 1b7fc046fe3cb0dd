/*
 * A session against a peer that is written frame by frame, and against itself: what each frame and
 * each error of RFC 9113 comes to, floods, windows, sockets that take little, and one send a turn.
 */
#include "http/h2/testing.h"

#if WEIR_HTTP2

#include "base/alloc.h"

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)
#define STREAMS 400
#define BIG 200000u

/* --- an owner that answers at once ------------------------------------------------------------ */

struct entry {
    int32_t id;
    char fields[512];
    size_t body, to_send, sent;
    unsigned blocks;
    bool is_ended, is_closed, is_reset, has_trailers, is_put_off;
    uint32_t code;
};

struct owner {
    struct weir__stream stream;
    struct weir__h2_session session;
    struct weir__h2_gather gather;
    struct entry entries[STREAMS];
    unsigned count, flushes;
    enum weir__h2_flushed last;
    bool is_fed_out; /* feed has said false */
    bool is_consuming;
    int32_t going;
};

static struct owner *owner_of(struct weir__h2_session *s)
{
    return WEIR_CONTAINER(s, struct owner, session);
}

static void *begin(struct weir__h2_session *s, int32_t id)
{
    struct owner *o = owner_of(s);
    if (o->count == STREAMS)
        return NULL;
    struct entry *e = &o->entries[o->count++];
    *e = (struct entry){.id = id};
    return e;
}

static void field(struct weir__h2_session *s, void *of, weir_str name, weir_str value)
{
    struct entry *e = of;
    size_t len = strlen(e->fields);
    (void)s;
    snprintf(e->fields + len, sizeof e->fields - len, WEIR_STR_FMT ": " WEIR_STR_FMT "\n",
             WEIR_STR_ARG(name), WEIR_STR_ARG(value));
}

static void answer(struct weir__h2_session *s, struct entry *e)
{
    static const struct weir__h2_field ok[] = {{WEIR_S(":status"), WEIR_S("200")},
                                               {WEIR_S("x-own"), WEIR_S("1")}};
    e->to_send = strstr(e->fields, "/big") != NULL     ? BIG
                 : strstr(e->fields, "/empty") != NULL ? 0
                                                       : 5;
    e->has_trailers = strstr(e->fields, "/trail") != NULL;
    weir_err err = weir__h2_session_respond(s, e->id, ok, 2, e->to_send > 0);
    assert_true(err == WEIR_OK || err == -ENOMEM);
    if (err != WEIR_OK)
        weir__h2_session_terminate(s, WEIR_H2_INTERNAL_ERROR);
}

static void block(struct weir__h2_session *s, void *of)
{
    (void)s;
    ((struct entry *)of)->blocks++;
}

static void ended(struct weir__h2_session *s, struct entry *e)
{
    e->is_ended = true;
    if (!s->is_client && strstr(e->fields, "/wait") == NULL)
        answer(s, e);
}

static void fields_end(struct weir__h2_session *s, void *of, bool is_end)
{
    if (is_end)
        ended(s, of);
}

static void data(struct weir__h2_session *s, void *of, weir_str bytes)
{
    struct entry *e = of;
    e->body += bytes.len;
    if (owner_of(s)->is_consuming)
        weir__h2_session_consume(s, e->id, bytes.len, bytes.len);
}

static void data_end(struct weir__h2_session *s, void *of)
{
    ended(s, of);
}

static void closed(struct weir__h2_session *s, void *of, uint32_t code, bool is_reset)
{
    struct entry *e = of;
    (void)s;
    assert_false(e->is_closed);
    e->is_closed = true;
    e->is_reset = is_reset;
    e->code = code;
}

static struct weir__h2_supply supply(struct weir__h2_session *s, void *of)
{
    struct entry *e = of;
    (void)s;
    return (struct weir__h2_supply){.len = e->is_put_off ? 0 : e->to_send - e->sent,
                                    .is_end = !e->is_put_off,
                                    .has_trailers = e->has_trailers};
}

static void take(struct weir__h2_session *s, void *of, char *to, size_t n)
{
    struct entry *e = of;
    (void)s;
    for (size_t i = 0; i < n; i++)
        to[i] = (char)('a' + (e->sent + i) % 26);
    e->sent += n;
}

static void trailers(struct weir__h2_session *s, void *of)
{
    static const struct weir__h2_field sum = {WEIR_S("x-sum"), WEIR_S("7")};
    weir_err err = weir__h2_session_trailers(s, ((struct entry *)of)->id, &sum, 1);
    assert_true(err == WEIR_OK || err == -ENOMEM);
}

static void going(struct weir__h2_session *s, int32_t last, uint32_t code)
{
    (void)code;
    owner_of(s)->going = last;
}

static void flushed(struct weir__h2_session *s, enum weir__h2_flushed result)
{
    owner_of(s)->flushes++;
    owner_of(s)->last = result;
    if (result == WEIR__H2_IS_OVER || result == WEIR__H2_IS_BROKEN) {
        struct owner *o = owner_of(s);
        weir__h2_session_fini(s);
        weir__stream_close(&o->stream);
    }
}

static const struct weir__h2_session_ops ops = {.begin = begin,
                                                .block = block,
                                                .field = field,
                                                .fields_end = fields_end,
                                                .data = data,
                                                .data_end = data_end,
                                                .closed = closed,
                                                .supply = supply,
                                                .take = take,
                                                .trailers = trailers,
                                                .going = going,
                                                .flushed = flushed};

static void on_ready(struct weir__fd *fd, unsigned ready)
{
    struct owner *o = WEIR_CONTAINER(fd, struct owner, stream.fd);
    static char bytes[32768];
    if ((ready & WEIR__WRITABLE) != 0)
        weir__h2_session_on_room(&o->session);
    while (!o->is_fed_out) {
        ssize_t n = weir__stream_try_recv(&o->stream, bytes, sizeof bytes);
        if (n <= 0)
            break;
        o->is_fed_out = !weir__h2_session_feed(&o->session, bytes, (size_t)n);
    }
}

static void owner_open(struct owner *o, int num, bool is_client)
{
    memset(o, 0, sizeof *o); /* it is too large for a literal on the stack */
    o->is_consuming = true;
    struct weir__detached d = {.num = num};
    assert_int_equal(weir__stream_attach(&o->stream, d, on_ready), WEIR_OK);
    const struct weir__h2_session_options options = {.ops = &ops,
                                                     .stream = &o->stream,
                                                     .gather = &o->gather,
                                                     .is_client = is_client,
                                                     .streams_max = 100,
                                                     .stream_window = 65535,
                                                     .connection_window = 1 << 20,
                                                     .fields_bytes_max = 16384};
    assert_int_equal(weir__h2_session_init(&o->session, &options), WEIR_OK);
}

static void owner_close(struct owner *o)
{
    weir__h2_session_fini(&o->session);
    weir__h2_session_fini(&o->session);
    weir__stream_close(&o->stream);
}

/* --- a server and a peer ---------------------------------------------------------------------- */

struct both {
    struct owner owner;
    struct peer peer;
};

static struct both *open_both(weir_ctx *c, size_t capacity)
{
    int pair[2];
    struct both *b = calloc(1, sizeof *b);
    assert_non_null(b);
    weir__sim_socketpair(pair, capacity);
    owner_open(&b->owner, pair[0], false);
    peer_open(&b->peer, c, pair[1]);
    return b;
}

static weir_err close_both(struct both *b)
{
    owner_close(&b->owner);
    peer_close(&b->peer);
    free(b);
    return WEIR_OK;
}

/* Past the settings of both. */
static struct both *open_talking(weir_ctx *c, size_t capacity)
{
    struct both *b = open_both(c, capacity);
    struct frame f;
    put_preface(&b->peer);
    assert_true(next_of(&b->peer, SETTINGS, &f) && f.flags == 0);
    assert_true(put_frame(&b->peer, SETTINGS, ACK, 0, NULL, 0));
    assert_true(next_of(&b->peer, SETTINGS, &f) && f.flags == ACK);
    return b;
}

static weir_err says_its_settings(weir_ctx *c, void *arg)
{
    struct both *b = open_both(c, 1 << 20);
    struct frame f;
    (void)arg;
    put_preface(&b->peer);
    assert_true(next_frame(&b->peer, &f));
    assert_int_equal(f.type, SETTINGS);
    assert_int_equal(f.len, 24);
    for (uint32_t i = 0; i < f.len; i += 6) {
        unsigned key = (unsigned)f.payload[i] << 8 | f.payload[i + 1];
        uint32_t value = u32_at(f.payload + i + 2);
        assert_int_equal(value, key == 3 ? 100 : key == 4 ? 65535 : key == 6 ? 16384 : 1);
        assert_int_not_equal(key, 2); /* no server may say ENABLE_PUSH */
    }
    assert_true(next_of(&b->peer, WINDOW_UPDATE, &f));
    assert_int_equal(f.id, 0);
    assert_int_equal(u32_at(f.payload), (1 << 20) - 65535);
    return close_both(b);
}

static weir_err answers(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    (void)arg;
    put_get(p, 1, "/");
    assert_true(next_of(p, HEADERS, &f));
    assert_string_equal(f.fields, ":status: 200\nx-own: 1\n");
    assert_true(next_frame(p, &f));
    assert_int_equal(f.type, DATA);
    assert_int_equal(f.flags, END_STREAM);
    assert_memory_equal(f.payload, "abcde", 5);
    assert_string_equal(b->owner.entries[0].fields,
                        ":method: GET\n:scheme: http\n:path: /\n:authority: a\n");
    assert_true(b->owner.entries[0].is_closed);
    assert_int_equal(b->owner.entries[0].code, 0);

    put_get(p, 3, "/empty");
    assert_true(next_of(p, HEADERS, &f));
    assert_int_equal(f.flags & END_STREAM, END_STREAM);

    put_get(p, 5, "/trail");
    assert_true(next_of(p, DATA, &f));
    assert_int_equal(f.flags & END_STREAM, 0);
    assert_true(next_frame(p, &f));
    assert_string_equal(f.fields, "x-sum: 7\n");
    assert_int_equal(f.flags & END_STREAM, END_STREAM);

    put_post(p, 7, "/");
    put_data(p, 7, 0, "some");
    put_data(p, 7, END_STREAM, "body");
    assert_true(next_of(p, DATA, &f));
    assert_int_equal(b->owner.entries[3].body, 8);
    return close_both(b);
}

static void test_requests_are_answered(void **state)
{
    (void)state;
    SIM(says_its_settings, NULL);
    SIM(answers, NULL);
    for (size_t chop = 1; chop < 30; chop += 4) {
        weir__sim_chop(chop);
        SIM(answers, NULL);
    }
    weir__sim_chop(0);
}

/* --- one send a turn -------------------------------------------------------------------------- */

static weir_err sends_once(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct frame f;
    (void)arg;
    for (uint32_t i = 0; i < 32; i++)
        put_get(&b->peer, 1 + 2 * i, "/");
    unsigned before = b->owner.flushes;
    weir__sim_refuse(0, 0);
    peer_wait(&b->peer, 1);
    assert_int_equal(b->owner.flushes - before, 1);
    for (uint32_t i = 0; i < 32; i++)
        assert_true(next_of(&b->peer, DATA, &f));
    return close_both(b);
}

static void test_all_streams_leave_with_one_send(void **state)
{
    (void)state;
    SIM(sends_once, NULL);
}

/* --- windows and sockets that take little ----------------------------------------------------- */

static weir_err window_is_kept(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    size_t got = 0;
    (void)arg;
    put_get(p, 1, "/big");
    while (next_of(p, DATA, &f))
        got += f.len;
    assert_int_equal(got, 65535);
    assert_int_equal(weir__h2_session_window(&b->owner.session, 1), 0);
    put_u32(p, WINDOW_UPDATE, 1, 1000); /* the connection's is spent too */
    assert_false(next_of(p, DATA, &f));
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    assert_true(next_of(p, DATA, &f));
    assert_int_equal(f.len, 1000);
    put_u32(p, WINDOW_UPDATE, 1, 1 << 20);
    for (got = 0; next_of(p, DATA, &f); got += f.len)
        for (uint32_t i = 0; i < f.len; i++)
            assert_int_equal(f.payload[i], 'a' + (66535 + got + i) % 26);
    assert_int_equal(got, BIG - 66535);
    return close_both(b);
}

/* A window that shrinks below nothing by a setting, and opens again: section 6.9.2. */
static weir_err window_may_be_negative(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    (void)arg;
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    put_get(p, 1, "/big");
    while (next_of(p, DATA, &f))
        ;
    put_setting(p, 4, 100);
    put_u32(p, WINDOW_UPDATE, 1, 65435);
    assert_false(next_of(p, DATA, &f));
    put_u32(p, WINDOW_UPDATE, 1, 10);
    assert_true(next_of(p, DATA, &f));
    assert_int_equal(f.len, 10);
    return close_both(b);
}

static weir_err little_room(weir_ctx *c, void *arg)
{
    struct both *b = open_both(c, *(size_t *)arg);
    struct peer *p = &b->peer;
    struct frame f;
    size_t got = 0;
    put_preface(p);
    put_setting(p, 4, 1 << 20);
    put_u32(p, WINDOW_UPDATE, 0, 1 << 20);
    put_get(p, 1, "/big");
    put_get(p, 3, "/big");
    while (got < (size_t)2 * BIG && next_of(p, DATA, &f))
        got += f.len;
    assert_int_equal(got, 2 * BIG);
    assert_null(b->owner.session.rest);
    return close_both(b);
}

static weir_err put_off(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    static const struct weir__h2_field ok = {WEIR_S(":status"), WEIR_S("200")};
    (void)arg;
    put_get(p, 1, "/wait");
    peer_wait(p, 1);
    struct entry *e = &b->owner.entries[0];
    e->is_put_off = true;
    e->to_send = 5;
    assert_int_equal(weir__h2_session_respond(&b->owner.session, 1, &ok, 1, true), WEIR_OK);
    assert_true(next_of(p, HEADERS, &f));
    assert_false(next_of(p, DATA, &f));
    e->is_put_off = false;
    weir__h2_session_resume(&b->owner.session, 1);
    assert_true(next_of(p, DATA, &f));
    assert_int_equal(f.flags, END_STREAM);
    assert_int_equal(weir__h2_session_respond(&b->owner.session, 1, &ok, 1, true), WEIR_ECLOSED);
    return close_both(b);
}

/* Nothing of a body is taken more than its window, and what is not consumed opens none. */
static weir_err unread_bodies_stop_their_stream(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    static char piece[16385];
    (void)arg;
    memset(piece, 'x', sizeof piece - 1);
    b->owner.is_consuming = false;
    put_post(p, 1, "/");
    for (int i = 0; i < 3; i++)
        put_data(p, 1, 0, piece);
    assert_false(next_of(p, WINDOW_UPDATE, &f));
    weir__h2_session_consume(&b->owner.session, 1, 49152, 0);
    assert_true(next_of(p, WINDOW_UPDATE, &f));
    assert_int_equal(f.id, 1);
    assert_int_equal(u32_at(f.payload), 49152);
    return close_both(b);
}

static void test_windows(void **state)
{
    (void)state;
    static size_t rooms[] = {100, 1000, 65536, 1 << 20};
    SIM(window_is_kept, NULL);
    SIM(window_may_be_negative, NULL);
    SIM(put_off, NULL);
    SIM(unread_bodies_stop_their_stream, NULL);
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
        SIM(little_room, &rooms[i]);
}

/* --- errors of the connection: RFC 9113 sections 4 to 6 --------------------------------------- */

static const unsigned char zeroes[70000];

struct wrong {
    const char *what;
    enum weir__h2_code code;
    unsigned said, type, flags;
    uint32_t id;
    size_t len;
    bool is_opened; /* stream 1 is open before */
    const void *payload;
};

static const struct wrong all_wrong[] = {
    {"a frame over the maximum (4.2)", WEIR_H2_FRAME_SIZE_ERROR, 16385, DATA, 0, 1, 16385, true, 0},
    {"DATA on stream 0 (6.1)", WEIR_H2_PROTOCOL_ERROR, 1, DATA, 0, 0, 1, false, 0},
    {"padding as long as DATA (6.1)", WEIR_H2_PROTOCOL_ERROR, 3, DATA, PADDED, 1, 3, true, "\3ab"},
    {"DATA on an idle stream (5.1)", WEIR_H2_PROTOCOL_ERROR, 1, DATA, 0, 1, 1, false, 0},
    {"HEADERS on stream 0 (6.2)", WEIR_H2_PROTOCOL_ERROR, 1, HEADERS, END_HEADERS, 0, 1, false,
     "\x82"},
    {"HEADERS on an even stream (5.1.1)", WEIR_H2_PROTOCOL_ERROR, 1, HEADERS, END_HEADERS, 2, 1,
     false, "\x82"},
    {"HPACK that is none (4.3)", WEIR_H2_COMPRESSION_ERROR, 1, HEADERS, END_HEADERS, 1, 1, false,
     "\x80"},
    {"an index past the table (7541 2.3.3)", WEIR_H2_COMPRESSION_ERROR, 2, HEADERS, END_HEADERS, 1,
     2, false, "\xff\x20"},
    {"a table larger than allowed (7541 6.3)", WEIR_H2_COMPRESSION_ERROR, 4, HEADERS, END_HEADERS,
     1, 4, false, "\x3f\xff\xff\x7f"},
    {"Huffman with EOS (7541 5.2)", WEIR_H2_COMPRESSION_ERROR, 7, HEADERS, END_HEADERS, 1, 7, false,
     "\x00\x84\xff\xff\xff\xff\x00"},
    {"padding as long as HEADERS (6.2)", WEIR_H2_PROTOCOL_ERROR, 2, HEADERS, PADDED | END_HEADERS,
     1, 2, false, "\2\x82"},
    {"PRIORITY on stream 0 (6.3)", WEIR_H2_PROTOCOL_ERROR, 5, PRIORITY, 0, 0, 5, false, 0},
    {"PRIORITY of 4 bytes (6.3)", WEIR_H2_FRAME_SIZE_ERROR, 4, PRIORITY, 0, 1, 4, true, 0},
    {"RST_STREAM on stream 0 (6.4)", WEIR_H2_PROTOCOL_ERROR, 4, RST_STREAM, 0, 0, 4, false, 0},
    {"RST_STREAM on an idle stream (6.4)", WEIR_H2_PROTOCOL_ERROR, 4, RST_STREAM, 0, 9, 4, false,
     0},
    {"RST_STREAM of 3 bytes (6.4)", WEIR_H2_FRAME_SIZE_ERROR, 3, RST_STREAM, 0, 1, 3, true, 0},
    {"SETTINGS on a stream (6.5)", WEIR_H2_PROTOCOL_ERROR, 0, SETTINGS, 0, 1, 0, true, 0},
    {"SETTINGS of 5 bytes (6.5)", WEIR_H2_FRAME_SIZE_ERROR, 5, SETTINGS, 0, 0, 5, false, 0},
    {"an ACK with a payload (6.5)", WEIR_H2_FRAME_SIZE_ERROR, 6, SETTINGS, ACK, 0, 6, false, 0},
    {"an ACK of nothing", WEIR_H2_PROTOCOL_ERROR, 0, SETTINGS, ACK, 0, 0, false, 0},
    {"ENABLE_PUSH of 2 (6.5.2)", WEIR_H2_PROTOCOL_ERROR, 6, SETTINGS, 0, 0, 6, false,
     "\0\2\0\0\0\2"},
    {"a window of 2^31 (6.5.2)", WEIR_H2_FLOW_CONTROL_ERROR, 6, SETTINGS, 0, 0, 6, false,
     "\0\4\x80\0\0\0"},
    {"a frame size below 2^14 (6.5.2)", WEIR_H2_PROTOCOL_ERROR, 6, SETTINGS, 0, 0, 6, false,
     "\0\5\0\0\x3f\xff"},
    {"a frame size over 2^24 - 1 (6.5.2)", WEIR_H2_PROTOCOL_ERROR, 6, SETTINGS, 0, 0, 6, false,
     "\0\5\1\0\0\0"},
    {"PUSH_PROMISE of a client (8.4)", WEIR_H2_PROTOCOL_ERROR, 5, PUSH_PROMISE, END_HEADERS, 1, 5,
     true, "\0\0\0\2\x82"},
    {"PING on a stream (6.7)", WEIR_H2_PROTOCOL_ERROR, 8, PING, 0, 1, 8, true, 0},
    {"PING of 7 bytes (6.7)", WEIR_H2_FRAME_SIZE_ERROR, 7, PING, 0, 0, 7, false, 0},
    {"GOAWAY on a stream (6.8)", WEIR_H2_PROTOCOL_ERROR, 8, GOAWAY, 0, 1, 8, true, 0},
    {"GOAWAY of 7 bytes (6.8)", WEIR_H2_FRAME_SIZE_ERROR, 7, GOAWAY, 0, 0, 7, false, 0},
    {"an update of 0 for the connection (6.9)", WEIR_H2_PROTOCOL_ERROR, 4, WINDOW_UPDATE, 0, 0, 4,
     false, 0},
    {"an update of 0 for a stream (6.9)", WEIR_H2_PROTOCOL_ERROR, 4, WINDOW_UPDATE, 0, 1, 4, true,
     0}, /* of the stream; section 5.4 lets it be the connection's */
    {"an update of 3 bytes (6.9)", WEIR_H2_FRAME_SIZE_ERROR, 3, WINDOW_UPDATE, 0, 0, 3, false, 0},
    {"an update on an idle stream (5.1)", WEIR_H2_PROTOCOL_ERROR, 4, WINDOW_UPDATE, 0, 7, 4, false,
     "\0\0\0\1"},
    {"a window over 2^31 - 1 (6.9.1)", WEIR_H2_FLOW_CONTROL_ERROR, 4, WINDOW_UPDATE, 0, 0, 4, false,
     "\x7f\xff\xff\xff"},
    {"CONTINUATION without HEADERS (6.10)", WEIR_H2_PROTOCOL_ERROR, 1, CONTINUATION, END_HEADERS, 1,
     1, true, "\x82"},
};

static weir_err ends_with_code(weir_ctx *c, void *arg)
{
    const struct wrong *w = arg;
    struct both *b = open_talking(c, 1 << 20);
    struct frame f;
    if (w->is_opened)
        put_post(&b->peer, 1, "/wait");
    put_frame_of(&b->peer, w->said, w->type, w->flags, w->id,
                 w->payload != NULL ? w->payload : zeroes, w->len);
    if (!next_of(&b->peer, GOAWAY, &f))
        fail_msg("%s: no GOAWAY", w->what);
    if (code_of(&f) != w->code)
        fail_msg("%s: code %u, not %u", w->what, code_of(&f), w->code);
    assert_true(peer_is_over(&b->peer));
    return close_both(b);
}

static weir_err bad_preface(weir_ctx *c, void *arg)
{
    struct both *b = open_both(c, 1 << 20);
    (void)arg;
    send_bytes(&b->peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    assert_true(peer_is_over(&b->peer));
    close_both(b);
    b = open_both(c, 1 << 20); /* the first frame is no SETTINGS: section 3.4 */
    send_bytes(&b->peer, PREFACE, strlen(PREFACE));
    put_frame(&b->peer, PING, 0, 0, zeroes, 8);
    struct frame f;
    assert_true(next_of(&b->peer, GOAWAY, &f));
    assert_int_equal(code_of(&f), WEIR_H2_PROTOCOL_ERROR);
    return close_both(b);
}

/* Another frame between HEADERS and its CONTINUATION: section 6.10. */
static weir_err interrupted_block(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct frame f;
    (void)arg;
    put_frame(&b->peer, HEADERS, 0, 1, "\x82", 1);
    put_frame(&b->peer, PING, 0, 0, zeroes, 8);
    assert_true(next_of(&b->peer, GOAWAY, &f));
    assert_int_equal(code_of(&f), WEIR_H2_PROTOCOL_ERROR);
    return close_both(b);
}

/*
 * A number below one that was seen may be trailers of a stream that we have reset meanwhile, which
 * are to be ignored (section 5.1); so it always is.
 */
static weir_err lower_stream(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct frame f;
    (void)arg;
    put_get(&b->peer, 5, "/");
    put_get(&b->peer, 3, "/");
    put_get(&b->peer, 7, "/");
    assert_true(next_of(&b->peer, DATA, &f) && f.id == 5);
    assert_true(next_of(&b->peer, DATA, &f) && f.id == 7);
    assert_int_equal(b->owner.count, 2);
    return close_both(b);
}

static weir_err overrun_connection(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 4 << 20);
    struct frame f;
    (void)arg;
    b->owner.is_consuming = false;
    for (uint32_t i = 0; i < 17; i++) {
        put_post(&b->peer, 1 + 2 * i, "/wait");
        for (int k = 0; k < 4; k++)
            put_frame(&b->peer, DATA, 0, 1 + 2 * i, zeroes, k < 3 ? 16384 : 16383);
    }
    assert_true(next_of(&b->peer, GOAWAY, &f));
    assert_int_equal(code_of(&f), WEIR_H2_FLOW_CONTROL_ERROR);
    return close_both(b);
}

static void test_errors_of_the_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all_wrong / sizeof all_wrong[0]; i++)
        SIM(ends_with_code, (void *)(uintptr_t)&all_wrong[i]);
    SIM(bad_preface, NULL);
    SIM(interrupted_block, NULL);
    SIM(lower_stream, NULL);
    SIM(overrun_connection, NULL);
}

/* --- errors of a stream: the connection goes on ----------------------------------------------- */

static void expect_reset(struct both *b, uint32_t id, uint32_t code)
{
    struct frame f;
    assert_true(next_of(&b->peer, RST_STREAM, &f));
    assert_int_equal(f.id, id);
    assert_int_equal(code_of(&f), code);
}

static weir_err stream_errors(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    (void)arg;
    put_post(p, 3, "/wait");
    put_u32(p, WINDOW_UPDATE, 3, 0x7fffffff); /* section 6.9.1 */
    expect_reset(b, 3, WEIR_H2_FLOW_CONTROL_ERROR);
    assert_int_equal(b->owner.session.resets_provoked, 1);

    b->owner.is_consuming = false;
    put_post(p, 5, "/wait");
    for (int i = 0; i < 5; i++)
        put_frame(p, DATA, 0, 5, zeroes, 16384); /* over its window: section 6.9.1 */
    assert_true(next_frame(p, &f));
    assert_true(f.type == RST_STREAM || f.type == GOAWAY);
    assert_int_equal(code_of(&f), WEIR_H2_FLOW_CONTROL_ERROR);
    if (f.type == RST_STREAM) {
        put_get(p, 7, "/");
        assert_true(next_of(p, HEADERS, &f));
    }
    return close_both(b);
}

static weir_err unknown_is_ignored(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    (void)arg;
    put_frame(p, 0xee, 0xff, 0, zeroes, 100); /* section 5.5 */
    put_setting(p, 0xabcd, 1);
    put_frame(p, PRIORITY, 0, 99, "\0\0\0\0\1", 5);
    put_frame(p, PING, 0, 0, "pingpong", 8);
    assert_true(next_of(p, PING, &f));
    assert_int_equal(f.flags, ACK);
    assert_memory_equal(f.payload, "pingpong", 8);
    put_get(p, 1, "/");
    assert_true(next_of(p, HEADERS, &f));
    return close_both(b);
}

static weir_err peer_resets(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    (void)arg;
    put_get(&b->peer, 1, "/wait");
    put_u32(&b->peer, RST_STREAM, 1, WEIR_H2_CANCEL);
    peer_wait(&b->peer, 1);
    const struct entry *e = &b->owner.entries[0];
    assert_true(e->is_closed && e->is_reset);
    assert_int_equal(e->code, WEIR_H2_CANCEL);
    assert_int_equal(b->owner.session.resets_received, 1);
    put_get(&b->peer, 3, "/wait");
    peer_wait(&b->peer, 1);
    weir__h2_session_reset(&b->owner.session, 3, WEIR_H2_INTERNAL_ERROR, false);
    expect_reset(b, 3, WEIR_H2_INTERNAL_ERROR);
    assert_true(b->owner.entries[1].is_closed && !b->owner.entries[1].is_reset);
    assert_int_equal(b->owner.session.resets_provoked, 0);
    return close_both(b);
}

static void test_errors_of_a_stream(void **state)
{
    (void)state;
    SIM(stream_errors, NULL);
    SIM(unknown_is_ignored, NULL);
    SIM(peer_resets, NULL);
}

/* --- floods ----------------------------------------------------------------------------------- */

static void flood_resets(struct peer *p, uint32_t i)
{
    put_get(p, 1 + 2 * i, "/wait");
    put_u32(p, RST_STREAM, 1 + 2 * i, WEIR_H2_CANCEL);
}

static void flood_provoked(struct peer *p, uint32_t i)
{
    put_get(p, 1 + 2 * i, "/wait");
    put_u32(p, WINDOW_UPDATE, 1 + 2 * i, 0x7fffffff);
}

static void flood_pings(struct peer *p, uint32_t i)
{
    (void)i;
    put_frame(p, PING, 0, 0, zeroes, 8);
}

static void flood_settings(struct peer *p, uint32_t i)
{
    (void)i;
    put_frame(p, SETTINGS, 0, 0, NULL, 0);
}

static void flood_priorities(struct peer *p, uint32_t i)
{
    put_frame(p, PRIORITY, 0, 1 + 2 * i, "\0\0\0\0\1", 5);
}

static void flood_updates(struct peer *p, uint32_t i)
{
    (void)i;
    put_u32(p, WINDOW_UPDATE, 0, 1);
}

static void flood_empty_data(struct peer *p, uint32_t i)
{
    if (i == 0)
        put_post(p, 1, "/wait");
    put_frame(p, DATA, 0, 1, NULL, 0);
}

static void flood_padding(struct peer *p, uint32_t i)
{
    if (i == 0)
        put_post(p, 1, "/wait");
    put_frame(p, DATA, PADDED, 1, "\2\0\0", 3);
}

static void flood_continuations(struct peer *p, uint32_t i)
{
    if (i == 0)
        put_frame(p, HEADERS, 0, 1, "\x82", 1);
    put_frame(p, CONTINUATION, 0, 1, NULL, 0);
}

static void (*const floods[])(struct peer *p, uint32_t i) = {
    flood_resets,  flood_provoked, flood_pings,      flood_settings,     flood_priorities,
    flood_updates, flood_padding,  flood_empty_data, flood_continuations};

struct flood {
    size_t which;
    bool is_fetched; /* the peer reads what it is answered */
};

static weir_err flood_ends(weir_ctx *c, void *arg)
{
    const struct flood *flood = arg;
    struct both *b = open_talking(c, 1 << 16);
    struct frame f;
    uint32_t n = 0;
    for (; n < 3000 && !b->owner.is_fed_out; n++) {
        floods[flood->which](&b->peer, n);
        if (n % 16 == 0)
            peer_wait(&b->peer, 1);
        if (!flood->is_fetched)
            continue;
        peer_receive(&b->peer);
        while (is_whole(&b->peer) && b->peer.in[b->peer.at + 3] != GOAWAY)
            assert_true(next_frame(&b->peer, &f));
    }
    if (!b->owner.is_fed_out)
        fail_msg("flood %zu goes on", flood->which);
    if (!next_of(&b->peer, GOAWAY, &f))
        fail_msg("flood %zu (%d): no GOAWAY", flood->which, flood->is_fetched);
    assert_int_equal(code_of(&f), WEIR_H2_ENHANCE_YOUR_CALM);
    assert_true(peer_is_over(&b->peer));
    return close_both(b);
}

static void test_floods_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
        struct flood flood = {.which = i};
        SIM(flood_ends, &flood);
        flood.is_fetched = true;
        SIM(flood_ends, &flood);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static weir_err goes_in_two_steps(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct peer *p = &b->peer;
    struct frame f;
    (void)arg;
    put_get(p, 1, "/wait");
    peer_wait(p, 1);
    weir__h2_session_notice(&b->owner.session);
    assert_true(next_of(p, GOAWAY, &f));
    assert_int_equal(u32_at(f.payload), 0x7fffffff);
    put_get(p, 3, "/"); /* it was on its way */
    assert_true(next_of(p, DATA, &f));
    weir__h2_session_goaway(&b->owner.session, WEIR_H2_NO_ERROR);
    assert_true(next_of(p, GOAWAY, &f));
    assert_int_equal(u32_at(f.payload), 3);
    put_get(p, 5, "/"); /* it is not answered any more */
    assert_false(next_of(p, HEADERS, &f));
    assert_false(peer_is_over(p));
    answer(&b->owner.session, &b->owner.entries[0]);
    assert_true(next_of(p, DATA, &f));
    assert_true(peer_is_over(p));
    assert_int_equal(b->owner.last, WEIR__H2_IS_OVER);
    return close_both(b);
}

static weir_err peer_goes(weir_ctx *c, void *arg)
{
    struct both *b = open_talking(c, 1 << 20);
    struct frame f;
    (void)arg;
    put_get(&b->peer, 1, "/");
    put_frame(&b->peer, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    assert_true(next_of(&b->peer, DATA, &f));
    assert_true(peer_is_over(&b->peer));
    return close_both(b);
}

static void test_the_end_has_steps(void **state)
{
    (void)state;
    SIM(goes_in_two_steps, NULL);
    SIM(peer_goes, NULL);
}

/* --- a client --------------------------------------------------------------------------------- */

struct pair {
    struct owner server, client;
};

static int32_t ask(struct owner *client, const char *path, size_t body)
{
    const struct weir__h2_field get[] = {{WEIR_S(":method"), WEIR_S("POST")},
                                         {WEIR_S(":scheme"), WEIR_S("http")},
                                         {WEIR_S(":authority"), WEIR_S("a")},
                                         {WEIR_S(":path"), weir_str_from(path)}};
    struct entry *e = &client->entries[client->count++];
    *e = (struct entry){.to_send = body};
    e->id = weir__h2_session_request(&client->session, get, 4, body > 0, e);
    return e->id;
}

static weir_err client_asks(weir_ctx *c, void *arg)
{
    int ends[2];
    struct pair *p = calloc(1, sizeof *p);
    assert_non_null(p);
    weir__sim_socketpair(ends, *(size_t *)arg);
    owner_open(&p->server, ends[0], false);
    owner_open(&p->client, ends[1], true);
    assert_int_equal(ask(&p->client, "/", 0), 1);
    assert_int_equal(ask(&p->client, "/big", BIG), 3);
    assert_int_equal(ask(&p->client, "/trail", 10), 5);
    assert_int_equal(weir_sleep(c, weir_ms(1000)), 0);
    for (int i = 0; i < 3; i++) {
        const struct entry *e = &p->client.entries[i];
        assert_true(e->is_ended && e->is_closed && e->code == 0);
        assert_in(e->fields, ":status: 200\n");
        assert_int_equal(e->body, i == 1 ? BIG : 5);
    }
    assert_in(p->client.entries[2].fields, "x-sum: 7\n");
    assert_int_equal(p->client.entries[2].blocks, 2);
    assert_int_equal(p->server.entries[1].body, BIG);
    weir__h2_session_goaway(&p->server.session, WEIR_H2_NO_ERROR);
    assert_int_equal(weir_sleep(c, weir_ms(1)), 0);
    assert_int_equal(p->client.going, 5);
    owner_close(&p->client);
    owner_close(&p->server);
    free(p);
    return WEIR_OK;
}

static void test_a_client_is_answered(void **state)
{
    (void)state;
    static size_t rooms[] = {1000, 1 << 20};
    for (size_t i = 0; i < 2; i++)
        SIM(client_asks, &rooms[i]);
}

/* --- memory ----------------------------------------------------------------------------------- */

static unsigned failed;

static weir_err fails_nth(weir_ctx *c, void *arg)
{
    uint64_t *nth = arg;
    struct both *b = calloc(1, sizeof *b);
    int ends[2];
    assert_non_null(b);
    weir__sim_socketpair(ends, 1 << 20);
    b->owner.is_consuming = true;
    struct weir__detached d = {.num = ends[0]};
    assert_int_equal(weir__stream_attach(&b->owner.stream, d, on_ready), WEIR_OK);
    const struct weir__h2_session_options options = {.ops = &ops,
                                                     .stream = &b->owner.stream,
                                                     .gather = &b->owner.gather,
                                                     .streams_max = 100,
                                                     .stream_window = 65535,
                                                     .connection_window = 1 << 20,
                                                     .fields_bytes_max = 16384};
    peer_open(&b->peer, c, ends[1]);
    put_preface(&b->peer);
    put_get(&b->peer, 1, "/");
    put_post(&b->peer, 3, "/trail");
    put_data(&b->peer, 3, END_STREAM, "body");
    weir__alloc_fail_nth(*nth);
    weir_err err = weir__h2_session_init(&b->owner.session, &options);
    assert_true(err == WEIR_OK || err == -ENOMEM);
    if (err == WEIR_OK)
        peer_wait(&b->peer, 1);
    weir__alloc_fail_nth(0);
    bool is_over = err != WEIR_OK || b->owner.last >= WEIR__H2_IS_OVER;
    if (is_over)
        failed++;
    return close_both(b);
}

static void test_no_memory_ends_the_connection(void **state)
{
    (void)state;
    failed = 0;
    for (uint64_t nth = 1; nth < 80; nth++)
        SIM(fails_nth, &nth);
    assert_in_range(failed, 20, 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_answered),
        cmocka_unit_test(test_all_streams_leave_with_one_send),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_errors_of_the_connection),
        cmocka_unit_test(test_errors_of_a_stream),
        cmocka_unit_test(test_floods_end),
        cmocka_unit_test(test_the_end_has_steps),
        cmocka_unit_test(test_a_client_is_answered),
        cmocka_unit_test(test_no_memory_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void test_there_is_none(void **state)
{
    struct weir__h2_session s;
    (void)state;
    assert_int_equal(weir__h2_session_init(&s, NULL), WEIR_ENOTBUILT);
    weir__h2_session_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_is_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
