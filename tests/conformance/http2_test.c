/*
 * RFC 9113 and RFC 7541: what a server answers to frames that are right, wrong, or not known. A row
 * is what is sent on a connection past its settings, and what comes of it: the error of the
 * connection (GOAWAY, and its end), of the stream alone (RST_STREAM, and the next is served), or an
 * answer. The blocks are written out byte by byte (RFC 7541 appendix A has the numbers).
 */
#include "http/h2/testing.h"
#include "http/testing.h"

#if WEIR_HTTP2

enum outcome { GOES, RESETS, ANSWERS };
enum { NO, PROTOCOL = 1, FLOW = 3, CLOSED = 5, SIZE = 6, COMPRESSION = 9 };
enum { FRAMES_MAX = 5 };

struct sent {
    unsigned type, flags;
    uint32_t id;
    const char *payload;
    size_t len;
    bool is_there;
};

struct row {
    const char *section, *name;
    enum outcome outcome;
    uint32_t code;
    struct sent frames[FRAMES_MAX];
};

#define F(type, flags, id, payload)                                                                \
    {                                                                                              \
        type, flags, id, payload, sizeof(payload) - 1, true                                        \
    }
#define UNKNOWN 0x77
#define ASKS                                                                                       \
    "\x82\x86\x84\x41\x01"                                                                         \
    "a" /* GET, http, /, and the authority "a" */
#define POSTS                                                                                      \
    "\x83\x86\x84\x41\x01"                                                                         \
    "a" /* POST */
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
    {"9113 5.1.1", "an even number", GOES, PROTOCOL, {F(HEADERS, 5, 2, ASKS)}},
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
};

/* What has come, until nothing does. */
struct seen {
    uint32_t goaway, reset; /* codes; UINT32_MAX: none */
    bool is_answered;
};

static struct seen take_all(struct peer *p)
{
    struct seen seen = {UINT32_MAX, UINT32_MAX, false};
    struct frame f;
    while (next_frame(p, &f)) {
        if (f.type == GOAWAY)
            seen.goaway = code_of(&f);
        if (f.type == RST_STREAM)
            seen.reset = code_of(&f);
        seen.is_answered = seen.is_answered || f.type == HEADERS;
    }
    return seen;
}

static const struct row *present;

#define hold(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: %s: %s does not hold", present->section, present->name, #condition);     \
    } while (0)

static void check(struct peer *p, const struct row *r)
{
    struct seen seen = take_all(p);
    if (r->outcome == GOES) {
        hold(seen.goaway == r->code && peer_is_over(p));
        return;
    }
    hold(seen.goaway == UINT32_MAX);
    hold(r->outcome == ANSWERS ? seen.reset == UINT32_MAX && seen.is_answered
                               : seen.reset == r->code);
    put_get(p, 101, "/hello"); /* its neighbour */
    seen = take_all(p);
    hold(seen.is_answered && seen.reset == UINT32_MAX && seen.goaway == UINT32_MAX);
}

static void use_row(struct rig *rig)
{
    static struct peer p;
    peer_open(&p, rig->ctx, weir__sim_connect(rig->listener, 1 << 20));
    put_preface(&p);
    put_frame(&p, SETTINGS, ACK, 0, NULL, 0);
    (void)take_all(&p);
    for (const struct sent *f = present->frames; f < present->frames + FRAMES_MAX; f++) {
        if (f->is_there)
            (void)put_frame(&p, f->type, f->flags, f->id, f->payload, f->len);
    }
    check(&p, present);
    peer_close(&p);
    wait_ms(rig, 5);
    struct weir__http_stats s = rig_stats(rig);
    hold(s.open == 0 && s.active == 0 && s.streams == 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_frames)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
