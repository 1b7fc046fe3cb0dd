/*
 * Kinds of HTTP/2, over h2c and over TLS: frames written by hand, as no library would. Sections are
 * RFC 9113's.
 */
#include <string.h>

#include "bad.h"

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE };
enum { CONTINUATION = 9 };
enum { END_STREAM = 1, END_HEADERS = 4 };
enum { INITIAL_WINDOW_SIZE = 4, BURST = 200 };

static void frame(struct bad *b, int kind, int flags, uint32_t id, const void *payload, size_t n)
{
    unsigned char bytes[9 + 16384 + 1] = {
        (unsigned char)(n >> 16),  (unsigned char)(n >> 8),  (unsigned char)n,
        (unsigned char)kind,       (unsigned char)flags,     (unsigned char)(id >> 24),
        (unsigned char)(id >> 16), (unsigned char)(id >> 8), (unsigned char)id};
    if (n > 0)
        memcpy(bytes + 9, payload, n);
    bad_send(b, bytes, 9 + n);
}

static void number(struct bad *b, int kind, uint32_t id, uint32_t value)
{
    const unsigned char payload[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                      (unsigned char)(value >> 8), (unsigned char)value};
    frame(b, kind, 0, id, payload, 4);
}

static void preface(struct bad *b)
{
    BAD_TEXT(b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame(b, SETTINGS, 0, 0, NULL, 0);
}

/* The fields that each request has, by HPACK's static table; `to` has room. */
static size_t fields(const struct bad *b, bool is_post, const char *path, char *to)
{
    size_t n = strlen(path);
    to[0] = (char)(is_post ? 0x83 : 0x82);
    to[1] = (char)(b->is_tls ? 0x87 : 0x86);
    to[2] = 4;
    to[3] = (char)n;
    memcpy(to + 4, path, n);
    memcpy(to + 4 + n, "\x01\x09localhost", 11);
    return n + 15;
}

static void request(struct bad *b, uint32_t id, bool is_post, const char *path)
{
    char block[64];
    size_t n = fields(b, is_post, path, block);
    frame(b, HEADERS, is_post ? END_HEADERS : END_HEADERS | END_STREAM, id, block, n);
}

/* --- no HTTP/2, or not for long --------------------------------------------------------------- */

static void half_preface(struct bad *b)
{
    BAD_TEXT(b, "PRI * HTTP/2.0\r\n\r\nSM");
}

static void wrong_preface(struct bad *b)
{
    BAD_TEXT(b, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\nwhat is this?");
}

static void no_frames(struct bad *b)
{
    char bytes[1024];
    BAD_TEXT(b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 37 + 129);
    bad_send(b, bytes, sizeof bytes);
}

static void even_id(struct bad *b)
{
    preface(b);
    request(b, 2, false, "/hello/1");
}

static void long_frame(struct bad *b)
{
    static const char bytes[16385];
    preface(b);
    frame(b, DATA, 0, 1, bytes, sizeof bytes);
}

static void short_ping(struct bad *b)
{
    preface(b);
    frame(b, PING, 0, 0, "seven..", 7);
}

static void push(struct bad *b)
{
    preface(b);
    frame(b, PUSH_PROMISE, END_HEADERS, 1, "\0\0\0\2\x82\x86\x84", 7);
}

static void data_on_idle(struct bad *b)
{
    preface(b);
    frame(b, DATA, 0, 1, "x", 1);
}

static void wrong_setting(struct bad *b)
{
    preface(b);
    frame(b, SETTINGS, 0, 0, "\0\4\xff\xff\xff\xff", 6); /* a window of more than 2^31 - 1 */
}

/* --- header blocks ---------------------------------------------------------------------------- */

static void no_such_index(struct bad *b)
{
    preface(b);
    frame(b, HEADERS, END_HEADERS | END_STREAM, 1, "\xff\xff\x7f", 3);
}

static void long_fields(struct bad *b)
{
    char block[16384];
    preface(b);
    size_t n = fields(b, false, "/hello/1", block);
    memcpy(block + n, "\0\1x\x7f\xe1\x5d", 6); /* a field of 12,128 bytes, and another */
    memset(block + n + 6, 'x', 12128);
    frame(b, HEADERS, END_STREAM, 1, block, n + 6 + 12128);
    frame(b, CONTINUATION, END_HEADERS, 1, block + n, 6 + 12128);
}

/* A field of 4,000 bytes goes to the table once, and is named by one byte from then on. */
static void bomb(struct bad *b)
{
    char block[16000];
    preface(b);
    size_t n = fields(b, false, "/hello/1", block);
    memcpy(block + n, "\x40\1x\x7f\xa1\x1e", 6);
    memset(block + n + 6, 'x', 4000);
    n += 6 + 4000;
    memset(block + n, '\xbe', sizeof block - n);
    frame(b, HEADERS, END_HEADERS | END_STREAM, 1, block, sizeof block);
}

static void begin_block(struct bad *b)
{
    char block[64];
    preface(b);
    frame(b, HEADERS, 0, 1, block, fields(b, false, "/hello/1", block));
}

static void continuations(struct bad *b)
{
    for (int i = 0; i < BURST; i++)
        frame(b, CONTINUATION, 0, 1, "\0\1y\1y", 5);
}

static void empty_continuations(struct bad *b)
{
    for (int i = 0; i < BURST; i++)
        frame(b, CONTINUATION, 0, 1, NULL, 0);
}

/* --- floods ----------------------------------------------------------------------------------- */

static void settings(struct bad *b)
{
    for (int i = 0; i < BURST; i++)
        frame(b, SETTINGS, 0, 0, "\0\4\0\1\0\0", 6);
}

static void pings(struct bad *b)
{
    for (int i = 0; i < BURST; i++)
        frame(b, PING, 0, 0, "01234567", 8);
}

static void priorities(struct bad *b)
{
    for (int i = 0; i < BURST; i++)
        frame(b, PRIORITY, 0, 1, "\0\0\0\0\x10", 5);
}

static void updates(struct bad *b)
{
    for (int i = 0; i < BURST; i++)
        number(b, WINDOW_UPDATE, 0, 1);
}

static void begin_post(struct bad *b)
{
    preface(b);
    request(b, 1, true, "/echo");
}

static void empty_data(struct bad *b)
{
    for (int i = 0; i < BURST; i++)
        frame(b, DATA, 0, 1, NULL, 0);
}

static void rapid_resets(struct bad *b)
{
    for (int i = 0; i < 50; i++) {
        uint32_t id = 2 * b->step++ + 1;
        request(b, id, false, "/hello/1");
        number(b, RST_STREAM, id, 8);
    }
}

/* Each is reset by the server, for what it says of itself. */
static void provoked_resets(struct bad *b)
{
    for (int i = 0; i < 50; i++) {
        uint32_t id = 2 * b->step++ + 1;
        request(b, id, true, "/echo");
        number(b, WINDOW_UPDATE, id, 0x7fffffff);
    }
}

static void malformed_requests(struct bad *b)
{
    for (int i = 0; i < 50; i++)
        frame(b, HEADERS, END_HEADERS | END_STREAM, 2 * b->step++ + 1, "\x82\x86", 2);
}

/* --- windows and streams ---------------------------------------------------------------------- */

static void update_of_nothing(struct bad *b)
{
    preface(b);
    number(b, WINDOW_UPDATE, 0, 0);
}

static void update_too_far(struct bad *b)
{
    preface(b);
    number(b, WINDOW_UPDATE, 0, 0x7fffffff);
}

static void stalled_window(struct bad *b)
{
    preface(b);
    frame(b, SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
    for (uint32_t i = 0; i < 10; i++)
        request(b, 2 * i + 1, false, "/large");
}

static void unfinished(struct bad *b)
{
    preface(b);
    for (uint32_t i = 0; i < 50; i++)
        request(b, 2 * i + 1, true, "/echo");
}

static void too_many(struct bad *b)
{
    preface(b);
    for (uint32_t i = 0; i < 150; i++)
        request(b, 2 * i + 1, true, "/echo");
}

static void unread(struct bad *b)
{
    preface(b);
    frame(b, SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
    number(b, WINDOW_UPDATE, 0, 0x7fff0000);
    for (uint32_t i = 0; i < 10; i++)
        request(b, 2 * i + 1, false, "/large");
}

/* Nothing is wrong with these: what the same number of connections costs that do as they should. */
static void polite(struct bad *b)
{
    preface(b);
    for (uint32_t i = 0; i < 50; i++)
        request(b, 2 * i + 1, false, "/hello/1");
}

#define H2(kind, ...)                                                                              \
    {                                                                                              \
        .name = "h2-" kind, .speaks = SPEAKS_H2, .where = ON_BOTH, __VA_ARGS__                     \
    }

const struct kind kinds_h2[] = {
    H2("polite", .begin = polite, .tick = bad_leave_told),
    H2("half-preface", .begin = half_preface),
    H2("wrong-preface", .begin = wrong_preface),
    H2("no-frames", .begin = no_frames),
    H2("silent", .begin = preface),
    H2("even-id", .begin = even_id),
    H2("long-frame", .begin = long_frame),
    H2("short-ping", .begin = short_ping),
    H2("push", .begin = push),
    H2("data-on-idle", .begin = data_on_idle),
    H2("wrong-setting", .begin = wrong_setting),
    H2("no-such-index", .begin = no_such_index),
    H2("long-fields", .begin = long_fields, .tick = bad_leave_told),
    H2("bomb", .begin = bomb),
    H2("slow-fields", .begin = begin_block),
    H2("continuations", .begin = begin_block, .more = continuations),
    H2("empty-continuations", .begin = begin_block, .more = empty_continuations),
    H2("settings", .begin = preface, .more = settings),
    H2("pings", .begin = preface, .more = pings),
    H2("priorities", .begin = preface, .more = priorities),
    H2("updates", .begin = preface, .more = updates),
    H2("empty-data", .begin = begin_post, .more = empty_data),
    H2("rapid-resets", .begin = preface, .more = rapid_resets),
    H2("provoked-resets", .begin = preface, .more = provoked_resets),
    H2("malformed-requests", .begin = preface, .more = malformed_requests),
    H2("update-of-nothing", .begin = update_of_nothing),
    H2("update-too-far", .begin = update_too_far),
    H2("stalled-window", .begin = stalled_window, .tick = bad_leave_reset),
    H2("unfinished", .begin = unfinished, .tick = bad_leave_told),
    H2("too-many-streams", .begin = too_many, .tick = bad_leave_told),
    H2("unread", .begin = unread, .is_deaf = true),
    {0},
};
