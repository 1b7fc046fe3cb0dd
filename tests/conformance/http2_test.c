/*
 * RFC 9113 and RFC 7541: what a server answers to frames that are right, wrong, not known, or too
 * many. A row is what is sent on a connection past its settings, and what comes of it: the error of
 * the connection (GOAWAY, and its end), of the stream alone (RST_STREAM, and the next is served),
 * or an answer. Each end is counted, and the connection beside it goes on. The blocks are written
 * out byte by byte (RFC 7541 appendix A has the numbers).
 */
#include "http/h2/testing.h"
#include "http/testing.h"

#if WEIR_HTTP2

enum outcome { GOES, RESETS, ANSWERS, FLOODS };
enum { NO, PROTOCOL = 1, FLOW = 3, CLOSED = 5, SIZE = 6, COMPRESSION = 9, CALM = 11 };
enum { FRAMES_MAX = 5, ROUNDS_MAX = 3000 };

struct sent {
    unsigned type, flags;
    uint32_t id;
    const char *payload;
    size_t len;
    bool is_there, is_answered;
};

struct row {
    const char *section, *name;
    enum outcome outcome; /* FLOODS: when its frames come again and again, but for the first */
    uint32_t code;
    struct sent frames[FRAMES_MAX];
};

#define F(type_, flags_, id_, payload_)                                                            \
    {                                                                                              \
        .type = type_, .flags = flags_, .id = id_, .payload = payload_,                            \
        .len = sizeof(payload_) - 1, .is_there = true                                              \
    }
#define UNKNOWN 0x77
#define ASKS                                                                                       \
    "\x82\x86\x84\x41\x01"                                                                         \
    "a" /* GET, http, /, and the authority "a" */
#define POSTS                                                                                      \
    "\x83\x86\x84\x41\x01"                                                                         \
    "a" /* POST */
#define ANSWERED                                                                                   \
    {                                                                                              \
        .is_answered = true                                                                        \
    } /* what has been asked for has come before the next frame */
#define T8(text) text text text text text text text text
#define GET1 F(HEADERS, END_STREAM | END_HEADERS, 1, ASKS)
#define POST1 F(HEADERS, END_HEADERS, 1, POSTS)

static const struct row rows[] = {
    {"9113 4.1", "a frame of no known type", ANSWERS, NO, {F(UNKNOWN, 0xff, 0, "abc"), GET1}},
    {"9113 4.1",
     "flags that a type does not have",
     ANSWERS,
     NO,
     {F(HEADERS, END_STREAM | END_HEADERS | 0x40, 1, ASKS)}},
    {"9113 4.1", "the reserved bit", ANSWERS, NO, {F(HEADERS, 5, 0x80000001, ASKS)}},
    {"9113 4.2",
     "a frame longer than was allowed",
     GOES,
     SIZE,
     {POST1, F(DATA, 0, 1, T8(T8(T8(T8("0123")))) "x")}},
    {"9113 4.3",
     "a block that cannot be decoded",
     GOES,
     COMPRESSION,
     {F(HEADERS, END_STREAM | END_HEADERS, 1, "\x82\xff\xff\xff\xff\xff\xff")}},
    {"7541 6.1", "the index 0", GOES, COMPRESSION, {F(HEADERS, 5, 1, ASKS "\x80")}},
    {"7541 2.3.3",
     "an index that the tables do not have",
     GOES,
     COMPRESSION,
     {F(HEADERS, 5, 1, ASKS "\xfe")}},
    {"7541 4.2",
     "a table larger than was allowed",
     GOES,
     COMPRESSION,
     {F(HEADERS, 5, 1, "\x3f\xe1\xff\x03" ASKS)}},
    {"7541 4.2",
     "a change of its size behind the first field",
     GOES,
     COMPRESSION,
     {F(HEADERS, 5, 1, ASKS "\x20")}},
    {"7541 5.2",
     "Huffman code with the end of a string in it",
     GOES,
     COMPRESSION,
     {F(HEADERS, 5, 1,
        ASKS "\x00\x84\xff\xff\xff\xff\x01"
             "a")}},
    {"7541 5.2",
     "a string longer than its block",
     GOES,
     COMPRESSION,
     {F(HEADERS, 5, 1,
        ASKS "\x00\x05"
             "abc")}},
    {"9113 5.1", "DATA on a stream that is idle", GOES, PROTOCOL, {F(DATA, 0, 1, "x")}},
    {"9113 5.1", "RST_STREAM of one", GOES, PROTOCOL, {F(RST_STREAM, 0, 1, "\0\0\0\x08")}},
    {"9113 5.1", "WINDOW_UPDATE of one", GOES, PROTOCOL, {F(WINDOW_UPDATE, 0, 1, "\0\0\0\x01")}},
    {"9113 5.1",
     "DATA on a stream whose other side is closed",
     GOES,
     CLOSED,
     {GET1, F(DATA, 0, 1, "x")}},
    {"9113 5.1", "HEADERS on one", GOES, CLOSED, {GET1, F(HEADERS, 5, 1, ASKS)}},
    {"9113 5.1", "RST_STREAM of one", RESETS, NO, {GET1, F(RST_STREAM, 0, 1, "\0\0\0\x08")}},
    {"9113 5.1",
     "DATA on a stream that is closed is passed over",
     ANSWERS,
     NO,
     {GET1, ANSWERED, F(DATA, 0, 1, "x")}},
    {"9113 5.1",
     "HEADERS on one as well, for what they do to the tables",
     ANSWERS,
     NO,
     {GET1, ANSWERED, F(HEADERS, 5, 1, ASKS)}},
    {"9113 5.1",
     "RST_STREAM of one",
     ANSWERS,
     NO,
     {GET1, ANSWERED, F(RST_STREAM, 0, 1, "\0\0\0\x08")}},
    {"9113 5.1",
     "WINDOW_UPDATE of one",
     ANSWERS,
     NO,
     {GET1, ANSWERED, F(WINDOW_UPDATE, 0, 1, "\0\0\0\x01")}},
    {"9113 5.1.1", "an even number", GOES, PROTOCOL, {F(HEADERS, 5, 2, ASKS)}},
    {"9113 5.1.1",
     "a number below one that was seen is passed over",
     ANSWERS,
     NO,
     {F(HEADERS, 5, 5, ASKS), F(HEADERS, 5, 3, ASKS)}},
    {"7540 5.3.1",
     "a stream that depends on itself",
     GOES,
     PROTOCOL,
     {F(HEADERS, 5 | HAS_PRIORITY, 1, "\0\0\0\x01\x10" ASKS)}},
    {"7540 5.3.1",
     "PRIORITY that says so is passed over",
     ANSWERS,
     NO,
     {F(PRIORITY, 0, 1, "\0\0\0\x01\x10"), GET1}},
    {"9113 5.3.1",
     "PRIORITY is passed over",
     ANSWERS,
     NO,
     {F(PRIORITY, 0, 3, "\0\0\0\0\x10"), GET1}},
    {"9113 6.1", "DATA without a stream", GOES, PROTOCOL, {F(DATA, 0, 0, "x")}},
    {"9113 6.1",
     "padding",
     ANSWERS,
     NO,
     {POST1, F(DATA, END_STREAM | PADDED, 1,
               "\x03"
               "abc"
               "\0\0\0")}},
    {"9113 6.1",
     "more padding than frame",
     GOES,
     PROTOCOL,
     {POST1, F(DATA, END_STREAM | PADDED, 1,
               "\x09"
               "abc")}},
    {"9113 6.2", "HEADERS without a stream", GOES, PROTOCOL, {F(HEADERS, 5, 0, ASKS)}},
    {"9113 6.2",
     "more padding than block",
     GOES,
     PROTOCOL,
     {F(HEADERS, 5 | PADDED, 1, "\x20" ASKS)}},
    {"9113 6.3", "PRIORITY without a stream", GOES, PROTOCOL, {F(PRIORITY, 0, 0, "\0\0\0\0\x10")}},
    {"9113 6.3", "PRIORITY of another length", GOES, SIZE, {POST1, F(PRIORITY, 0, 1, "\0\0\0\0")}},
    {"9113 6.4",
     "RST_STREAM without a stream",
     GOES,
     PROTOCOL,
     {F(RST_STREAM, 0, 0, "\0\0\0\x08")}},
    {"9113 6.4",
     "RST_STREAM of another length",
     GOES,
     SIZE,
     {POST1, F(RST_STREAM, 0, 1, "\0\0\x08")}},
    {"9113 6.5", "SETTINGS of a stream", GOES, PROTOCOL, {F(SETTINGS, 0, 1, "")}},
    {"9113 6.5",
     "SETTINGS of a length that is not of sixes",
     GOES,
     SIZE,
     {F(SETTINGS, 0, 0, "\0\x03\0\0\0")}},
    {"9113 6.5", "an ACK with settings", GOES, SIZE, {F(SETTINGS, ACK, 0, "\0\x03\0\0\0\x01")}},
    {"9113 6.5.2",
     "a setting that nobody knows",
     ANSWERS,
     NO,
     {F(SETTINGS, 0, 0, "\x77\x77\0\0\0\x01"), GET1}},
    {"9113 6.5.2",
     "ENABLE_PUSH other than 0 and 1",
     GOES,
     PROTOCOL,
     {F(SETTINGS, 0, 0, "\0\x02\0\0\0\x02")}},
    {"9113 6.5.2", "a window past 2^31 - 1", GOES, FLOW, {F(SETTINGS, 0, 0, "\0\x04\x80\0\0\0")}},
    {"9113 6.5.2",
     "frames shorter than 16,384",
     GOES,
     PROTOCOL,
     {F(SETTINGS, 0, 0, "\0\x05\0\0\x3f\xff")}},
    {"9113 6.5.2",
     "frames longer than 2^24 - 1",
     GOES,
     PROTOCOL,
     {F(SETTINGS, 0, 0, "\0\x05\x01\0\0\0")}},
    {"9113 6.6",
     "PUSH_PROMISE of a client",
     GOES,
     PROTOCOL,
     {F(PUSH_PROMISE, END_HEADERS, 1, "\0\0\0\x02" ASKS)}},
    {"9113 6.7", "PING of a stream", GOES, PROTOCOL, {F(PING, 0, 1, "12345678")}},
    {"9113 6.7", "PING of another length", GOES, SIZE, {F(PING, 0, 0, "1234567")}},
    {"9113 6.8", "GOAWAY of a stream", GOES, PROTOCOL, {F(GOAWAY, 0, 1, "\0\0\0\0\0\0\0\0")}},
    {"9113 6.9",
     "a step of 0, of the connection",
     GOES,
     PROTOCOL,
     {F(WINDOW_UPDATE, 0, 0, "\0\0\0\0")}},
    {"9113 6.9",
     "a step of 0, of a stream: the end of all as well",
     GOES,
     PROTOCOL,
     {POST1, F(WINDOW_UPDATE, 0, 1, "\0\0\0\0")}},
    {"9113 6.9",
     "WINDOW_UPDATE of another length",
     GOES,
     SIZE,
     {F(WINDOW_UPDATE, 0, 0, "\0\0\x01")}},
    {"9113 6.9.1",
     "a window past 2^31 - 1, of the connection",
     GOES,
     FLOW,
     {F(WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff"), F(WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff")}},
    {"9113 6.9.1",
     "the same of a stream",
     RESETS,
     FLOW,
     {POST1, F(WINDOW_UPDATE, 0, 1, "\x7f\xff\xff\xff")}},
    {"9113 6.9.2",
     "a setting that opens a window past 2^31 - 1",
     GOES,
     FLOW,
     {POST1, F(WINDOW_UPDATE, 0, 1, "\x7f\xfe\0\0"), F(SETTINGS, 0, 0, "\0\x04\x7f\xff\xff\xff")}},
    {"9113 6.10",
     "a block in two frames",
     ANSWERS,
     NO,
     {F(HEADERS, END_STREAM, 1, "\x82\x86"), F(CONTINUATION, END_HEADERS, 1,
                                               "\x84\x41\x01"
                                               "a")}},
    {"9113 6.10",
     "CONTINUATION of nothing",
     GOES,
     PROTOCOL,
     {F(CONTINUATION, END_HEADERS, 1, ASKS)}},
    {"9113 6.10",
     "another frame within a block",
     GOES,
     PROTOCOL,
     {F(HEADERS, END_STREAM, 1, "\x82"), F(PING, 0, 0, "12345678")}},
    {"9113 6.10",
     "another stream's CONTINUATION",
     GOES,
     PROTOCOL,
     {F(HEADERS, END_STREAM, 1, "\x82"), F(CONTINUATION, END_HEADERS, 3, "\x86\x84")}},
    {"9113 8.2.1",
     "a name in capital letters",
     RESETS,
     PROTOCOL,
     {F(HEADERS, 5, 1,
        ASKS "\x00\x01"
             "A"
             "\x01"
             "b")}},
    {"9113 8.2.2",
     "a field of the connection",
     RESETS,
     PROTOCOL,
     {F(HEADERS, 5, 1,
        ASKS "\x00\x0a"
             "connection"
             "\x05"
             "close")}},
    {"9113 8.3",
     "a pseudo-field that there is not",
     RESETS,
     PROTOCOL,
     {F(HEADERS, 5, 1,
        ASKS "\x00\x02"
             ":x"
             "\x01"
             "b")}},
    {"9113 8.3",
     "a pseudo-field behind a field",
     RESETS,
     PROTOCOL,
     {F(HEADERS, 5, 1,
        "\x82\x86\x00\x01"
        "a"
        "\x01"
        "b\x84")}},
    {"9113 8.3.1", "two paths", RESETS, PROTOCOL, {F(HEADERS, 5, 1, ASKS "\x84")}},
    {"9113 8.3.1", "no path", RESETS, PROTOCOL, {F(HEADERS, 5, 1, "\x82\x86")}},
    {"9113 8.1.1",
     "less body than its length",
     RESETS,
     PROTOCOL,
     {F(HEADERS, END_HEADERS, 1,
        POSTS "\x0f\x0d\x01"
              "5"),
      F(DATA, END_STREAM, 1, "x")}},
    {"9113 10.5.1",
     "more fields than there may be: 431",
     ANSWERS,
     NO,
     {F(HEADERS, 5, 1, ASKS T8(T8("\x90\x90")))}},
    {"9113 10.5.1",
     "one entry of the table again and again, each by a byte",
     GOES,
     CALM,
     {F(HEADERS, 5, 1,
        ASKS "\x40\x01"
             "x\x7f\x81\x1b" T8(T8(T8("seven b"))) T8("\xbe\xbe\xbe\xbe"))}},
};

/* --- too much of what is right: 10.5 ---------------------------------------------------------- */

/* In each round the streams' numbers are the next ones. */
static const struct row floods[] = {
    {"9113 10.5", "SETTINGS", FLOODS, CALM, {ANSWERED, F(SETTINGS, 0, 0, "")}},
    {"9113 10.5", "PING", FLOODS, CALM, {ANSWERED, F(PING, 0, 0, "12345678")}},
    {"9113 10.5", "ACK of no PING", FLOODS, CALM, {ANSWERED, F(PING, ACK, 0, "12345678")}},
    {"9113 10.5", "PRIORITY", FLOODS, CALM, {ANSWERED, F(PRIORITY, 0, 1, "\0\0\0\0\x10")}},
    {"9113 10.5", "WINDOW_UPDATE", FLOODS, CALM, {ANSWERED, F(WINDOW_UPDATE, 0, 0, "\0\0\0\x01")}},
    {"9113 10.5",
     "WINDOW_UPDATE of a stream",
     FLOODS,
     CALM,
     {F(HEADERS, END_HEADERS, 0x1001, POSTS), F(WINDOW_UPDATE, 0, 0x1001, "\0\0\0\x01")}},
    {"9113 10.5",
     "DATA of nothing",
     FLOODS,
     CALM,
     {F(HEADERS, END_HEADERS, 0x1001, POSTS), F(DATA, 0, 0x1001, "")}},
    {"9113 10.5",
     "DATA of padding",
     FLOODS,
     CALM,
     {F(HEADERS, END_HEADERS, 0x1001, POSTS), F(DATA, PADDED, 0x1001, "\x02\0\0")}},
    {"9113 10.5",
     "CONTINUATION of nothing",
     FLOODS,
     CALM,
     {F(HEADERS, END_STREAM, 0x1001, ASKS), F(CONTINUATION, 0, 0x1001, "")}},
    {"9113 10.5",
     "CONTINUATION of something",
     FLOODS,
     CALM,
     {F(HEADERS, END_STREAM, 0x1001, ASKS), F(CONTINUATION, 0, 0x1001, "\x90")}},
    {"9113 5.4.2",
     "streams opened and reset",
     FLOODS,
     CALM,
     {ANSWERED, F(HEADERS, END_HEADERS, 1, POSTS), F(RST_STREAM, 0, 1, "\0\0\0\x08")}},
    {"9113 5.4.2",
     "streams opened and made to be reset",
     FLOODS,
     CALM,
     {ANSWERED, F(HEADERS, END_HEADERS, 1, POSTS), F(WINDOW_UPDATE, 0, 1, "\x7f\xff\xff\xff")}},
    {"9113 8.1.1", "malformed requests", FLOODS, CALM, {ANSWERED, F(HEADERS, 5, 1, "\x82\x86")}},
};

/* --- a row ------------------------------------------------------------------------------------ */

/* What has come, until nothing does. */
struct seen {
    uint32_t goaway, reset; /* codes; UINT32_MAX: none */
    bool is_answered;
};

static void take(struct peer *p, struct seen *seen)
{
    struct frame f;
    while (next_frame(p, &f)) {
        if (f.type == GOAWAY)
            seen->goaway = code_of(&f);
        if (f.type == RST_STREAM)
            seen->reset = code_of(&f);
        seen->is_answered = seen->is_answered || f.type == HEADERS;
    }
}

static const struct row *present;

#define hold(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: %s: %s does not hold", present->section, present->name, #condition);     \
    } while (0)

static void open_talking(struct peer *p, struct rig *rig)
{
    struct seen seen;
    peer_open(p, rig->ctx, weir__sim_connect(rig->listener, 1 << 20));
    put_preface(p);
    put_frame(p, SETTINGS, ACK, 0, NULL, 0);
    take(p, &seen);
}

/* The next request, of this connection or of the one beside it, is answered. */
static void check_neighbour(struct peer *p, uint32_t id)
{
    struct seen seen = {UINT32_MAX, UINT32_MAX, false};
    put_get(p, id, "/hello");
    take(p, &seen);
    hold(seen.is_answered && seen.reset == UINT32_MAX && seen.goaway == UINT32_MAX);
}

static void send_row(struct peer *p, struct seen *seen)
{
    for (const struct sent *f = present->frames; f < present->frames + FRAMES_MAX; f++) {
        if (f->is_there)
            (void)put_frame(p, f->type, f->flags, f->id, f->payload, f->len);
        if (f->is_answered)
            take(p, seen);
    }
}

/* Each end is in one of the server's numbers, once. */
static void check_counts(struct rig *rig)
{
    struct weir__http_stats s = rig_stats(rig);
    bool goes = present->outcome == GOES || present->outcome == FLOODS;
    bool is_by_us = present->outcome == RESETS && present->code != NO;
    hold(s.floods == (goes && present->code == CALM));
    hold(s.protocol_errors == (goes && present->code != CALM));
    hold(present->outcome == FLOODS || s.streams_wrong == is_by_us);
    hold(s.streams == 0);
}

static void check_row(struct peer *p, const struct seen *seen)
{
    if (present->outcome == GOES || present->outcome == FLOODS) {
        hold(seen->goaway == present->code && peer_is_over(p));
        return;
    }
    hold(seen->goaway == UINT32_MAX);
    hold(present->outcome != ANSWERS || (seen->is_answered && seen->reset == UINT32_MAX));
    hold(present->outcome != RESETS || present->code == NO || seen->reset == present->code);
    check_neighbour(p, 101);
}

static void use_row(struct rig *rig)
{
    static struct peer p, beside;
    struct seen seen = {UINT32_MAX, UINT32_MAX, false};
    open_talking(&beside, rig);
    open_talking(&p, rig);
    send_row(&p, &seen);
    take(&p, &seen);
    check_row(&p, &seen);
    check_neighbour(&beside, 1);
    peer_close(&p);
    peer_close(&beside);
    wait_ms(rig, 5);
    check_counts(rig);
    hold(rig_stats(rig).open == 0 && rig_stats(rig).active == 0);
}

/* Whole, and a few bytes at a time. */
static void test_frames(void **state)
{
    static const size_t chops[] = {0, 1, 7};
    (void)state;
    for (size_t c = 0; c < sizeof chops / sizeof chops[0]; c++) {
        weir__sim_chop(chops[c]);
        for (present = rows; present < rows + sizeof rows / sizeof rows[0]; present++)
            run_rig(use_row, NULL);
    }
    weir__sim_chop(0);
}

/* --- a flood ---------------------------------------------------------------------------------- */

static void use_flood(struct rig *rig)
{
    static struct peer p, beside;
    struct seen seen = {UINT32_MAX, UINT32_MAX, false};
    const struct sent *first = present->frames;
    uint32_t round = 0;
    open_talking(&beside, rig);
    open_talking(&p, rig);
    if (first->is_there)
        (void)put_frame(&p, first->type, first->flags, first->id, first->payload, first->len);
    for (; round < ROUNDS_MAX && seen.goaway == UINT32_MAX; round++) {
        for (const struct sent *f = first + 1; f < first + FRAMES_MAX && f->is_there; f++)
            (void)put_frame(&p, f->type, f->flags, f->id == 1 ? 1 + 2 * round : f->id, f->payload,
                            f->len);
        if (round % 16 == 0)
            take(&p, &seen);
        if (round % 256 == 0)
            check_neighbour(&beside, 1 + 2 * round);
    }
    take(&p, &seen);
    check_row(&p, &seen);
    check_neighbour(&beside, 1 + 2 * ROUNDS_MAX);
    peer_close(&p);
    peer_close(&beside);
    wait_ms(rig, 5);
    check_counts(rig);
}

static void test_floods(void **state)
{
    (void)state;
    for (present = floods; present < floods + sizeof floods / sizeof floods[0]; present++)
        run_rig(use_flood, NULL);
}

/* --- what is passed over takes no window ------------------------------------------------------ */

/* More than the connection's window, on a stream that has been answered. */
static void pass_over_data(struct rig *rig)
{
    static const unsigned char piece[16384];
    static struct peer p;
    struct seen seen = {UINT32_MAX, UINT32_MAX, false};
    open_talking(&p, rig);
    put_get(&p, 1, "/hello");
    take(&p, &seen);
    for (int i = 0; i < 130; i++) {
        put_frame(&p, DATA, 0, 1, piece, sizeof piece);
        take(&p, &seen);
    }
    put_post(&p, 3, "/echo");
    put_data(&p, 3, END_STREAM, "body");
    seen.is_answered = false;
    take(&p, &seen);
    assert_true(seen.is_answered && seen.goaway == UINT32_MAX && seen.reset == UINT32_MAX);
    peer_close(&p);
}

static void test_what_is_passed_over_takes_no_window(void **state)
{
    (void)state;
    run_rig(pass_over_data, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_floods),
        cmocka_unit_test(test_what_is_passed_over_takes_no_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
