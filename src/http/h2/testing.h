/*
 * For tests: the other end of a connection of HTTP/2, frame by frame. It writes any frame, right or
 * wrong, on a simulated socket, and reads what comes back into records. HPACK is the library's; all
 * else is written here, so that what is tested is not tested by itself.
 */
#ifndef WEIR_HTTP_H2_TESTING_H
#define WEIR_HTTP_H2_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

#include "http/h2/session.h"
#include "rt/sim.h"
#include <weir/fiber.h>

#if WEIR_HTTP2

#include <nghttp2/nghttp2.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

enum {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, HAS_PRIORITY = 32 };

/* A frame that has come. */
struct frame {
    uint8_t type, flags;
    uint32_t len, id;
    const unsigned char *payload; /* in the peer's buffer, until the next is asked for */
    const char *fields;           /* there too; of HEADERS: "name: value\n" each */
};

struct peer {
    weir_ctx *ctx;
    int num;
    nghttp2_hd_deflater *deflater;
    nghttp2_hd_inflater *inflater;
    unsigned char in[1 << 20];
    size_t at, len;
    char fields[20000];
};

static inline void peer_open(struct peer *p, weir_ctx *ctx, int num)
{
    p->ctx = ctx;
    p->num = num;
    p->at = p->len = 0;
    assert_int_equal(nghttp2_hd_deflate_new(&p->deflater, 4096), 0);
    assert_int_equal(nghttp2_hd_inflate_new(&p->inflater), 0);
}

static inline void peer_close(struct peer *p)
{
    nghttp2_hd_deflate_del(p->deflater);
    nghttp2_hd_inflate_del(p->inflater);
    weir__sim_close(p->num);
}

static inline void peer_wait(struct peer *p, int64_t ms)
{
    assert_int_equal(weir_sleep(p->ctx, weir_ms(ms)), 0);
}

/* --- what it sends ---------------------------------------------------------------------------- */

/* False: the other end is closed. */
static inline bool send_bytes(struct peer *p, const void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = weir__sim_write(p->num, (const char *)bytes + at, len - at);
        if (n == -EAGAIN || n == 0)
            peer_wait(p, 1);
        else if (n < 0)
            return false;
        else
            at += (size_t)n;
    }
    return true;
}

/* A frame of any kind, whose length may be a lie. */
static inline bool put_frame_of(struct peer *p, unsigned said, unsigned type, unsigned flags,
                                uint32_t id, const void *payload, size_t len)
{
    static unsigned char all[9 + (1 << 17)];
    const unsigned char head[9] = {
        (unsigned char)(said >> 16), (unsigned char)(said >> 8), (unsigned char)said,
        (unsigned char)type,         (unsigned char)flags,       (unsigned char)(id >> 24),
        (unsigned char)(id >> 16),   (unsigned char)(id >> 8),   (unsigned char)id};
    assert_true(len <= sizeof all - 9);
    memcpy(all, head, 9);
    if (len > 0)
        memcpy(all + 9, payload, len);
    return send_bytes(p, all, 9 + len);
}

static inline bool put_frame(struct peer *p, unsigned type, unsigned flags, uint32_t id,
                             const void *payload, size_t len)
{
    return put_frame_of(p, (unsigned)len, type, flags, id, payload, len);
}

static inline bool put_u32(struct peer *p, unsigned type, uint32_t id, uint32_t value)
{
    const unsigned char bytes[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                    (unsigned char)(value >> 8), (unsigned char)value};
    return put_frame(p, type, 0, id, bytes, 4);
}

static inline bool put_setting(struct peer *p, unsigned key, uint32_t value)
{
    const unsigned char bytes[6] = {(unsigned char)(key >> 8),    (unsigned char)key,
                                    (unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                    (unsigned char)(value >> 8),  (unsigned char)value};
    return put_frame(p, SETTINGS, 0, 0, bytes, 6);
}

/* Names and values in turn; NULL ends them. The block; its length is returned. */
static inline size_t pack_fields(struct peer *p, const char *const *fields, unsigned char *block,
                                 size_t size)
{
    nghttp2_nv nv[256];
    size_t count = 0;
    for (; fields[2 * count] != NULL; count++) {
        assert_true(count < 256);
        const char *name = fields[2 * count], *value = fields[2 * count + 1];
        nv[count] = (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value,
                                 strlen(name), strlen(value), 0};
    }
    ssize_t n = nghttp2_hd_deflate_hd(p->deflater, block, size, nv, count);
    assert_true(n >= 0);
    return (size_t)n;
}

static inline bool put_fields(struct peer *p, uint32_t id, unsigned flags,
                              const char *const *fields)
{
    static unsigned char block[1 << 16];
    size_t n = pack_fields(p, fields, block, sizeof block);
    return put_frame(p, HEADERS, flags | END_HEADERS, id, block, n);
}

#define PUT_FIELDS(p, id, flags, ...)                                                              \
    put_fields((p), (id), (flags), (const char *const[]){__VA_ARGS__, NULL})

static inline bool put_get(struct peer *p, uint32_t id, const char *path)
{
    return PUT_FIELDS(p, id, END_STREAM, ":method", "GET", ":scheme", "http", ":path", path,
                      ":authority", "a");
}

static inline bool put_post(struct peer *p, uint32_t id, const char *path)
{
    return PUT_FIELDS(p, id, 0, ":method", "POST", ":scheme", "http", ":path", path, ":authority",
                      "a");
}

static inline bool put_data(struct peer *p, uint32_t id, unsigned flags, const char *text)
{
    return put_frame(p, DATA, flags, id, text, strlen(text));
}

/* The preface, and settings without an entry. */
static inline void put_preface(struct peer *p)
{
    assert_true(send_bytes(p, PREFACE, strlen(PREFACE)));
    assert_true(put_frame(p, SETTINGS, 0, 0, NULL, 0));
}

/* --- what comes back -------------------------------------------------------------------------- */

static inline void unpack_fields(struct peer *p, const struct frame *f)
{
    const unsigned char *in = f->payload;
    size_t left = f->len, len = 0;
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(p->inflater, &nv, &flags, in, left, 1);
        assert_true(n >= 0);
        in += n;
        left -= (size_t)n;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
            len += (size_t)snprintf(p->fields + len, sizeof p->fields - len, "%.*s: %.*s\n",
                                    (int)nv.namelen, nv.name, (int)nv.valuelen, nv.value);
        assert_true(len < sizeof p->fields);
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
            break;
    }
    assert_int_equal(nghttp2_hd_inflate_end_headers(p->inflater), 0);
}

/* Takes in what has come; false: nothing will come any more. */
static inline bool peer_receive(struct peer *p)
{
    memmove(p->in, p->in + p->at, p->len - p->at);
    p->len -= p->at;
    p->at = 0;
    ssize_t n = weir__sim_read(p->num, p->in + p->len, sizeof p->in - p->len);
    if (n > 0)
        p->len += (size_t)n;
    return n > 0 || n == -EAGAIN;
}

static inline bool is_whole(const struct peer *p)
{
    const unsigned char *h = p->in + p->at;
    size_t have = p->len - p->at;
    return have >= 9 && have - 9 >= ((size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2]);
}

static inline uint32_t u32_at(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The next frame, after a moment where none is there; false: there is none. */
static inline bool next_frame(struct peer *p, struct frame *f)
{
    for (int tries = 0; !is_whole(p); tries++) {
        size_t had = p->len - p->at;
        bool is_open = peer_receive(p);
        if (is_whole(p))
            break;
        if (!is_open || tries == 3)
            return false;
        if (p->len > had)
            tries = 0;
        peer_wait(p, 1);
    }
    const unsigned char *h = p->in + p->at;
    f->len = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
    f->type = h[3];
    f->flags = h[4];
    f->id = u32_at(h + 5) & 0x7fffffff;
    f->payload = h + 9;
    p->at += 9 + f->len;
    p->fields[0] = '\0';
    f->fields = p->fields;
    if (f->type == HEADERS) {
        assert_true((f->flags & END_HEADERS) != 0);
        unpack_fields(p, f);
    }
    return true;
}

/* The next frame of that type, the others skipped. */
static inline bool next_of(struct peer *p, unsigned type, struct frame *f)
{
    while (next_frame(p, f)) {
        if (f->type == type)
            return true;
    }
    return false;
}

/* Is the connection over, after what may still come? */
static inline bool peer_is_over(struct peer *p)
{
    peer_wait(p, 1);
    while (peer_receive(p)) {
        if (p->len == sizeof p->in)
            p->at = p->len;
        char byte;
        ssize_t n = weir__sim_read(p->num, &byte, 1);
        if (n == -EAGAIN)
            return false;
        if (n <= 0)
            return true;
    }
    return true;
}

/* The code of a GOAWAY or RST_STREAM. */
static inline uint32_t code_of(const struct frame *f)
{
    return u32_at(f->payload + (f->type == GOAWAY ? 4 : 0));
}

#define assert_in(text, part)                                                                      \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL)                                                        \
            fail_msg("no \"%s\" in \"%.300s\"", (part), (text));                                   \
    } while (0)

#endif /* WEIR_HTTP2 */

#endif
