/* Kinds of HTTP/1.1: heads, bodies and connections that are not what they should be. */
#include <string.h>
#include <sys/socket.h>

#include "bad.h"

#define HEAD(start) start " HTTP/1.1\r\nHost: localhost\r\n"

static void half_head(struct bad *b)
{
    BAD_TEXT(b, "GET /hello/1 HTTP/1.1\r\nHost: loc");
}

static void slow_head(struct bad *b)
{
    static const char head[] = HEAD("GET /hello/1") "X-Slow: and so on, a byte at a time, for ever";
    size_t at = b->step++;
    bad_send(b, at < sizeof head - 1 ? head + at : "x", 1);
}

static void giant_head(struct bad *b)
{
    char filler[16384];
    memset(filler, 'x', sizeof filler);
    BAD_TEXT(b, HEAD("GET /hello/1") "X-Giant: ");
    for (int i = 0; i < 4; i++)
        bad_send(b, filler, sizeof filler);
}

static void garbage(struct bad *b)
{
    char bytes[1024];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 37 + 129);
    bad_send(b, bytes, sizeof bytes);
}

static void pipeline(struct bad *b)
{
    char body[4000];
    memset(body, 'x', sizeof body);
    for (int i = 0; i < 4; i++) {
        BAD_TEXT(b, HEAD("POST /echo") "Content-Length: 4000\r\n\r\n");
        bad_send(b, body, sizeof body);
    }
}

static void large(struct bad *b)
{
    BAD_TEXT(b, HEAD("GET /large") "\r\n");
}

static void body_stalls(struct bad *b)
{
    BAD_TEXT(b, HEAD("POST /echo") "Content-Length: 1000\r\n\r\nhalf of it");
}

static void body_is_short(struct bad *b)
{
    body_stalls(b);
    bad_shut(b);
}

static void chunked_nonsense(struct bad *b)
{
    BAD_TEXT(b, HEAD("POST /echo") "Transfer-Encoding: chunked\r\n\r\nfour\r\nabcd\r\n");
}

static void two_lengths(struct bad *b)
{
    BAD_TEXT(b,
             HEAD("POST /echo") "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

static void go_by_reset(struct bad *b)
{
    bad_leave(b, true);
}

static void nothing(struct bad *b)
{
    (void)b;
}

static void upgrade(struct bad *b)
{
    BAD_TEXT(b, HEAD("GET /hello/1") "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                     "Sec-WebSocket-Version: 13\r\n\r\n"
                                     "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}

/* Nothing is wrong with these: what the same number of connections costs that do as they should. */
static void polite(struct bad *b)
{
    for (int i = 0; i < 9; i++)
        BAD_TEXT(b, HEAD("GET /hello/1") "\r\n");
    BAD_TEXT(b, HEAD("GET /hello/1") "Connection: close\r\n\r\n");
}

const struct kind kinds_h1[] = {
    {.name = "h1-polite", .begin = polite},
    {.name = "h1-half-head", .begin = half_head},
    {.name = "h1-slow-head", .begin = nothing, .tick = slow_head},
    {.name = "h1-giant-head", .begin = giant_head},
    {.name = "h1-garbage", .begin = garbage},
    {.name = "h1-pipeline-unread", .begin = nothing, .more = pipeline, .is_deaf = true},
    {.name = "h1-answer-unread", .begin = large, .is_deaf = true},
    {.name = "h1-body-stalls", .begin = body_stalls},
    {.name = "h1-body-short", .begin = body_is_short},
    {.name = "h1-chunked-nonsense", .begin = chunked_nonsense},
    {.name = "h1-two-lengths", .begin = two_lengths},
    {.name = "h1-connect-reset", .begin = go_by_reset},
    {.name = "h1-silent", .begin = nothing},
    {.name = "h1-upgrade", .begin = upgrade},
    {0},
};
