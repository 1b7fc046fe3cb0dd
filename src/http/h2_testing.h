/*
 * For the tests of the server over HTTP/2: a client that writes frame by frame (h2/testing.h), and
 * takes in whole responses.
 */
#ifndef WEIR_HTTP_H2_SERVER_TESTING_H
#define WEIR_HTTP_H2_SERVER_TESTING_H

#include "http/h2/testing.h"
#include "http/testing.h"

#if WEIR_HTTP2

/* A connection past its settings. */
static inline struct peer *h2_dial(struct rig *rig)
{
    struct peer *p = calloc(1, sizeof *p);
    struct frame f;
    assert_non_null(p);
    peer_open(p, rig->ctx, weir__sim_connect(rig->listener, 1 << 20));
    put_preface(p);
    assert_true(next_of(p, SETTINGS, &f) && f.flags == 0);
    put_frame(p, SETTINGS, ACK, 0, NULL, 0);
    assert_true(next_of(p, SETTINGS, &f) && f.flags == ACK);
    return p;
}

static inline void h2_close(struct peer *p)
{
    peer_close(p);
    free(p);
}

/* The response on a stream: its fields, and the body's bytes up to its end. */
struct response {
    char fields[20000];
    char body[300000];
    size_t len;
    bool is_whole;
    uint32_t reset; /* code; UINT32_MAX: none */
};

/* Takes in what comes for `id`, other streams' frames skipped; opens windows as bytes come. */
static inline struct response *h2_get(struct peer *p, uint32_t id)
{
    static struct response r;
    struct frame f;
    memset(&r, 0, sizeof r); /* it is too large for a literal on the stack */
    r.reset = UINT32_MAX;
    while (!r.is_whole && next_frame(p, &f)) {
        if (f.id != id)
            continue;
        if (f.type == HEADERS)
            snprintf(r.fields + strlen(r.fields), sizeof r.fields - strlen(r.fields), "%s",
                     f.fields);
        if (f.type == DATA && f.len > 0) {
            assert_true(r.len + f.len < sizeof r.body);
            memcpy(r.body + r.len, f.payload, f.len);
            r.len += f.len;
            put_u32(p, WINDOW_UPDATE, 0, f.len);
            put_u32(p, WINDOW_UPDATE, id, f.len);
        }
        if (f.type == RST_STREAM) {
            r.reset = code_of(&f);
            break;
        }
        r.is_whole = (f.type == DATA || f.type == HEADERS) && (f.flags & END_STREAM) != 0;
    }
    r.body[r.len] = '\0';
    return &r;
}

static inline struct response *h2_ask(struct peer *p, uint32_t id, const char *path)
{
    put_get(p, id, path);
    return h2_get(p, id);
}

static inline void expect_reset_of(struct peer *p, uint32_t id, uint32_t code)
{
    struct frame f;
    assert_true(next_of(p, RST_STREAM, &f));
    assert_int_equal(f.id, id);
    assert_int_equal(code_of(&f), code);
}

#endif

#endif
