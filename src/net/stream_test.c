/*
 * Streams without a layer, with one that seals what goes through it in records, and with TLS: the
 * same bytes arrive, nothing is forgotten inside, one fiber at a time sends, and the end leaves
 * nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/alloc.h"
#include "net/stream.h"
#include "net/tls_testing.h"
#include "rt/context.h"
#include "rt/sim.h"
#include <weir/fiber.h>
#include <weir/sync.h>
#include <weir/time.h>

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)
#define MESSAGE 20000u
#define TOO_MUCH (5 * MESSAGE) /* for what a layer takes at a time */
#define SMALL 100u             /* bytes that a socket holds */

/* --- a layer ---------------------------------------------------------------------------------- */

#define RECORD_MAX 200u
#define KEY 0x5a

/* A record is its length in a byte, and so many bytes, changed so that no other could be meant. */
struct seal {
    struct weir__layer layer;
    char in[RECORD_MAX + 1], opened[RECORD_MAX], out[RECORD_MAX + 1];
    size_t in_len, opened_at, opened_len, out_at, out_len;
};

static unsigned seals; /* that are not freed */

static struct seal *seal_of(const struct weir__stream *s)
{
    return WEIR_CONTAINER(s->layer, struct seal, layer);
}

static bool open_record(struct seal *l)
{
    size_t len = l->in_len > 0 ? (unsigned char)l->in[0] : 0;
    if (l->in_len < 1 + len || l->in_len == 0)
        return false;
    for (size_t i = 0; i < len; i++)
        l->opened[i] = l->in[1 + i] ^ KEY;
    l->opened_at = 0;
    l->opened_len = len;
    l->in_len -= 1 + len;
    memmove(l->in, l->in + 1 + len, l->in_len);
    return true;
}

static ssize_t seal_recv(struct weir__stream *s, void *buf, size_t len)
{
    struct seal *l = seal_of(s);
    while (l->opened_at == l->opened_len && !open_record(l)) {
        ssize_t n = weir__try_recv(&s->fd, l->in + l->in_len, sizeof l->in - l->in_len);
        if (n <= 0)
            return n == 0 && l->in_len > 0 ? -ECONNRESET : n;
        l->in_len += (size_t)n;
    }
    size_t n = l->opened_len - l->opened_at;
    n = n < len ? n : len;
    memcpy(buf, l->opened + l->opened_at, n);
    l->opened_at += n;
    return (ssize_t)n;
}

static weir_err seal_flush(struct weir__stream *s)
{
    struct seal *l = seal_of(s);
    while (l->out_at < l->out_len) {
        ssize_t n = weir__try_send(&s->fd, l->out + l->out_at, l->out_len - l->out_at);
        if (n < 0)
            return (weir_err)n;
        l->out_at += (size_t)n;
    }
    return WEIR_OK;
}

static ssize_t seal_send(struct weir__stream *s, const struct iovec *vec, int count)
{
    struct seal *l = seal_of(s);
    weir_err err = seal_flush(s);
    if (err != WEIR_OK)
        return err;
    l->out_at = 0;
    l->out_len = 1;
    for (int i = 0; i < count; i++) {
        const char *bytes = vec[i].iov_base;
        for (size_t k = 0; k < vec[i].iov_len && l->out_len <= RECORD_MAX; k++)
            l->out[l->out_len++] = bytes[k] ^ KEY;
    }
    l->out[0] = (char)(l->out_len - 1);
    err = seal_flush(s);
    return err == WEIR_OK || err == -EAGAIN ? (ssize_t)(l->out_len - 1) : err;
}

static bool seal_has_more(const struct weir__stream *s)
{
    const struct seal *l = seal_of(s);
    bool is_whole = l->in_len > 0 && l->in_len > (unsigned char)l->in[0];
    return l->opened_at < l->opened_len || is_whole;
}

static bool seal_has_unsent(const struct weir__stream *s)
{
    return seal_of(s)->out_at < seal_of(s)->out_len;
}

static weir_err seal_shutdown(struct weir__stream *s)
{
    return weir__poller_shutdown(&weir__self->poller, s->fd.num);
}

static void seal_close(struct weir__stream *s)
{
    (void)s;
}

static void seal_free(struct weir__layer *layer)
{
    seals--;
    weir__free(WEIR_CONTAINER(layer, struct seal, layer));
}

static const struct weir__layer_ops seal_ops = {.name = "seal",
                                                .recv = seal_recv,
                                                .send = seal_send,
                                                .flush = seal_flush,
                                                .has_unsent = seal_has_unsent,
                                                .has_more = seal_has_more,
                                                .shutdown = seal_shutdown,
                                                .close = seal_close,
                                                .free = seal_free};

static struct weir__layer *seal_new(void)
{
    struct seal *l = weir__calloc(1, sizeof *l);
    assert_non_null(l);
    l->layer.ops = &seal_ops;
    seals++;
    return &l->layer;
}

/* --- two ends --------------------------------------------------------------------------------- */

/* What a test is run for. */
struct kind {
    enum { PLAIN, SEALED, TLS, KINDS = TLS + WEIR_TLS } layer;
    size_t chop;                     /* of weir__sim_chop */
    uint64_t refused_nth, refused_n; /* of weir__sim_refuse */
};

struct ends {
    const struct kind *kind;
    struct weir__stream a, b;
};

static struct weir__detached end_of(const struct kind *k, int num)
{
    return (struct weir__detached){.num = num, .layer = k->layer == SEALED ? seal_new() : NULL};
}

static struct weir__tls_server *tls_server;
static struct weir__tls_client *tls_client;

/* `a` is the client, so that what a server sends behind a handshake is received first. */
static void put_on_tls(struct ends *e)
{
    char byte;
    weir_err a = -EAGAIN, b = -EAGAIN;
    assert_int_equal(weir__tls_connect(&e->a, tls_client, WEIR_S("server.example"), 443), WEIR_OK);
    assert_int_equal(weir__tls_accept(&e->b, tls_server), WEIR_OK);
    while (a == -EAGAIN || b == -EAGAIN) {
        a = a == -EAGAIN ? weir__tls_handshake(&e->a, NULL) : a;
        b = b == -EAGAIN ? weir__tls_handshake(&e->b, NULL) : b;
        if (a == WEIR_OK)
            assert_int_equal(weir__stream_try_recv(&e->a, &byte, 1), -EAGAIN);
    }
    assert_int_equal(a, WEIR_OK);
    assert_int_equal(b, WEIR_OK);
    assert_int_equal(weir__stream_try_recv(&e->a, &byte, 1), -EAGAIN);
}

static void open_ends(struct ends *e, const struct kind *k, size_t capacity)
{
    int pair[2];
    weir__sim_socketpair(pair, capacity);
    e->kind = k;
    assert_int_equal(weir__stream_attach(&e->a, end_of(k, pair[0]), NULL), WEIR_OK);
    assert_int_equal(weir__stream_attach(&e->b, end_of(k, pair[1]), NULL), WEIR_OK);
    if (k->layer == TLS)
        put_on_tls(e);
}

static void close_ends(struct ends *e)
{
    weir__stream_close(&e->a);
    weir__stream_close(&e->b);
    weir__stream_close(&e->b);
    assert_false(weir__stream_is_open(&e->a));
    assert_int_equal(seals, 0);
}

/* All kinds, one after the other. */
static void for_all(weir_fiber_fn fn)
{
    static const struct kind kinds[] = {{.layer = PLAIN}, {.layer = SEALED}, {.layer = TLS}};
    for (size_t i = 0; i < KINDS; i++)
        SIM(fn, (void *)(uintptr_t)&kinds[i]);
}

static struct weir__ctx *ctx_of(weir_ctx *c)
{
    return weir__ctx_of(c);
}

/* --- all of it arrives ------------------------------------------------------------------------ */

static char nth_byte(size_t i)
{
    return (char)(i * 31 + i / 251);
}

static weir_err send_message(weir_ctx *c, void *arg)
{
    static char message[MESSAGE];
    struct ends *e = arg;
    size_t sent;
    for (size_t i = 0; i < MESSAGE; i++)
        message[i] = nth_byte(i);
    assert_int_equal(weir__stream_send(ctx_of(c), &e->a, message, MESSAGE, &sent, weir_never()),
                     WEIR_OK);
    assert_int_equal(sent, MESSAGE);
    assert_int_equal(weir__stream_shutdown(&e->a), WEIR_OK);
    return WEIR_OK;
}

static weir_err message_arrives(weir_ctx *c, void *arg)
{
    struct ends *e = weir_new(c, struct ends);
    assert_non_null(e);
    open_ends(e, arg, SMALL);
    weir__sim_chop(e->kind->chop);
    weir__sim_refuse(e->kind->refused_nth, e->kind->refused_n);
    assert_int_equal(WEIR_GO(c, send_message, e), WEIR_OK);
    size_t got = 0;
    char piece[7];
    for (ssize_t n; (n = weir__stream_recv(ctx_of(c), &e->b, piece, sizeof piece, weir_never()));) {
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(piece[i], nth_byte(got++));
    }
    assert_int_equal(got, MESSAGE);
    assert_int_equal(weir_join(c), WEIR_OK);
    weir__sim_chop(0);
    weir__sim_refuse(0, 0);
    close_ends(e);
    return WEIR_OK;
}

static void test_all_of_it_arrives(void **state)
{
    (void)state;
    static const size_t chops[] = {0, 1, 3, 99};
    for (size_t i = 0; i < 4 * KINDS; i++) {
        struct kind k = {.layer = i % KINDS, .chop = chops[i / KINDS]};
        SIM(message_arrives, &k);
    }
}

static void test_it_arrives_whatever_the_socket_refuses(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 60; nth++) {
        for (unsigned layer = 0; layer < KINDS; layer++) {
            struct kind k = {.layer = layer, .refused_nth = nth, .refused_n = nth % 3 + 1};
            SIM(message_arrives, &k);
        }
    }
}

/* --- nothing is forgotten --------------------------------------------------------------------- */

static weir_err tells_of_what_is_left(weir_ctx *c, void *arg)
{
    struct ends e;
    char bytes[10];
    size_t sent;
    open_ends(&e, arg, 4096);
    assert_int_equal(weir__stream_send(ctx_of(c), &e.a, "12345678901", 11, &sent, weir_never()),
                     WEIR_OK);
    assert_int_equal(weir__stream_recv(ctx_of(c), &e.b, bytes, 10, weir_never()), 10);
    assert_true(weir__stream_has_more(&e.b));
    assert_int_equal(weir__stream_try_recv(&e.b, bytes, 10), 1);
    assert_int_equal(bytes[0], '1');
    (void)weir__stream_try_recv(&e.b, bytes, 10);
    assert_false(weir__stream_has_more(&e.b));
    assert_int_equal(weir__stream_try_recv(&e.b, bytes, 10), -EAGAIN);
    assert_false(weir__stream_is_over(&e.b));
    close_ends(&e);
    return WEIR_OK;
}

static weir_err end_waits_for_what_is_left(weir_ctx *c, void *arg)
{
    struct ends e;
    char bytes[8];
    size_t sent;
    open_ends(&e, arg, 4096);
    assert_int_equal(weir__stream_send(ctx_of(c), &e.a, "12345678", 8, &sent, weir_never()),
                     WEIR_OK);
    weir__stream_close(&e.a);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(weir__stream_recv(ctx_of(c), &e.b, bytes, 4, weir_never()), 4);
    assert_false(weir__stream_is_over(&e.b));
    assert_int_equal(weir__stream_recv(ctx_of(c), &e.b, bytes, 8, weir_never()), 4);
    if (e.kind->layer != TLS) /* whose farewell may still be inside */
        assert_true(weir__stream_is_over(&e.b));
    assert_int_equal(weir__stream_recv(ctx_of(c), &e.b, bytes, 8, weir_never()), 0);
    assert_true(weir__stream_is_over(&e.b));
    close_ends(&e);
    return WEIR_OK;
}

static void test_nothing_is_forgotten(void **state)
{
    (void)state;
    for_all(tells_of_what_is_left);
    for_all(end_waits_for_what_is_left);
}

struct told {
    struct weir__stream *s;
    unsigned times;
};

static struct told told;

static void note_ready(struct weir__fd *fd, unsigned ready)
{
    assert_ptr_equal(fd, &told.s->fd);
    told.times += (ready & WEIR__READABLE) != 0;
}

/* Who leaves off in the middle is told of what lies in the socket, or inside of the layer. */
static weir_err left_is_told_again(weir_ctx *c, void *arg)
{
    struct ends e;
    char bytes[4];
    size_t sent;
    open_ends(&e, arg, 4096);
    e.b.fd.on_ready = note_ready;
    told = (struct told){&e.b, 0};
    assert_int_equal(weir__stream_send(ctx_of(c), &e.a, "12345678", 8, &sent, weir_never()),
                     WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(5)), WEIR_OK);
    assert_int_equal(told.times, 1);
    for (unsigned times = 2; times < 4; times++) {
        assert_int_equal(weir__stream_try_recv(&e.b, bytes, 3), 3);
        assert_int_equal(weir__stream_again(&e.b), WEIR_OK);
        assert_int_equal(weir_sleep(c, weir_ms(5)), WEIR_OK);
        assert_int_equal(told.times, times);
    }
    assert_int_equal(weir__stream_again(&e.b), WEIR_OK);
    close_ends(&e); /* which nobody is told of */
    assert_int_equal(weir_sleep(c, weir_ms(5)), WEIR_OK);
    assert_int_equal(told.times, 3);
    return WEIR_OK;
}

static void test_what_is_left_is_told_again(void **state)
{
    (void)state;
    for_all(left_is_told_again);
}

/* --- room is told of -------------------------------------------------------------------------- */

static unsigned room_told;

static void on_room(struct weir__fd *fd, unsigned ready)
{
    (void)fd;
    room_told += (ready & WEIR__WRITABLE) != 0;
}

static weir_err room_is_told(weir_ctx *c, void *arg)
{
    struct ends e;
    char bytes[SMALL];
    struct iovec all = {bytes, sizeof bytes};
    memset(bytes, 'x', sizeof bytes);
    for (int asked = 0; asked < 2; asked++) {
        open_ends(&e, arg, SMALL);
        e.a.fd.on_ready = on_room;
        e.a.fd.tells_room = asked != 0;
        assert_true(weir__stream_try_send(&e.a, &all, 1) > 0);
        while (weir__stream_try_send(&e.a, &all, 1) != -EAGAIN)
            ;
        assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK); /* of what was there at first */
        room_told = 0;
        while (weir__stream_try_recv(&e.b, bytes, sizeof bytes) > 0)
            ;
        assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
        assert_int_equal(room_told > 0, asked);
        close_ends(&e);
    }
    return WEIR_OK;
}

static void test_room_is_told_to_who_asks(void **state)
{
    (void)state;
    for_all(room_is_told);
}

/* --- one fiber at a time sends ---------------------------------------------------------------- */

struct long_send {
    struct ends *ends;
    weir_err err;
    size_t sent;
};

static weir_err send_too_much(weir_ctx *c, void *arg)
{
    static const char bytes[TOO_MUCH];
    struct long_send *l = arg;
    l->err = weir__stream_send(ctx_of(c), &l->ends->a, bytes, TOO_MUCH, &l->sent, weir_never());
    return WEIR_OK;
}

static weir_err sender_is_known(weir_ctx *c, void *arg)
{
    struct ends e;
    struct long_send *l = weir_new(c, struct long_send);
    assert_non_null(l);
    open_ends(&e, arg, SMALL);
    l->ends = &e;
    weir_ctx *inner = weir_ctx_open(c);
    assert_int_equal(WEIR_GO(inner, send_too_much, l), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_true(weir__stream_has_sender(&e.a));
    assert_false(weir__stream_has_sender(&e.b));
    weir_cancel(inner);
    (void)weir_ctx_close(inner);
    assert_int_equal(l->err, WEIR_ECANCELED);
    assert_true(l->sent < TOO_MUCH);
    assert_false(weir__stream_has_sender(&e.a));
    /* Who is refused before it waits is not a sender either. */
    WEIR_SCOPE(over, c);
    weir_cancel(over);
    assert_int_equal(weir__stream_await_room(ctx_of(over), &e.a, weir_never()), WEIR_ECANCELED);
    assert_false(weir__stream_has_sender(&e.a));
    close_ends(&e);
    return WEIR_OK;
}

static weir_err closing_wakes_who_waits(weir_ctx *c, void *arg)
{
    struct ends e;
    struct long_send *l = weir_new(c, struct long_send);
    assert_non_null(l);
    open_ends(&e, arg, SMALL);
    l->ends = &e;
    assert_int_equal(WEIR_GO(c, send_too_much, l), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    weir__stream_close(&e.a);
    assert_int_equal(weir_join(c), WEIR_OK);
    assert_int_equal(l->err, -ECANCELED);
    close_ends(&e);
    return WEIR_OK;
}

static weir_err no_room_will_come(weir_ctx *c, void *arg)
{
    struct ends e;
    open_ends(&e, arg, SMALL);
    weir__sim_reset(weir__stream_detach(&e.b).num);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_true(weir__stream_is_broken(&e.a));
    assert_int_equal(weir__stream_await_room(ctx_of(c), &e.a, weir_never()), -EPIPE);
    weir__stream_close(&e.a);
    return WEIR_OK;
}

static void test_one_fiber_sends(void **state)
{
    (void)state;
    static struct kind plain;
    for_all(sender_is_known);
    for_all(closing_wakes_who_waits);
    SIM(no_room_will_come, &plain);
}

/* --- from worker to worker, and the end ------------------------------------------------------- */

static weir_err moves_with_what_is_inside(weir_ctx *c, void *arg)
{
    struct ends e;
    struct weir__stream moved;
    char bytes[8];
    size_t sent;
    open_ends(&e, arg, 4096);
    assert_int_equal(weir__stream_send(ctx_of(c), &e.a, "12345678", 8, &sent, weir_never()),
                     WEIR_OK);
    assert_int_equal(weir__stream_recv(ctx_of(c), &e.b, bytes, 3, weir_never()), 3);
    struct weir__detached d = weir__stream_detach(&e.b);
    assert_false(weir__stream_is_open(&e.b));
    assert_int_equal(weir__stream_attach(&moved, d, NULL), WEIR_OK);
    assert_int_equal(weir__stream_recv(ctx_of(c), &moved, bytes, 8, weir_never()), 5);
    assert_memory_equal(bytes, "45678", 5);
    weir__detached_close(weir__stream_detach(&moved)); /* without a farewell */
    assert_int_equal(weir__stream_recv(ctx_of(c), &e.a, bytes, 8, weir_never()),
                     e.kind->layer == TLS ? -ECONNRESET : 0);
    close_ends(&e);
    return WEIR_OK;
}

/* Who could not be watched is as it was, and goes on where that is possible. */
static weir_err cannot_be_watched(weir_ctx *c, void *arg)
{
    struct ends e;
    struct weir__stream moved;
    char byte;
    size_t sent;
    open_ends(&e, arg, 4096);
    struct weir__detached d = weir__stream_detach(&e.b);
    weir__sys_fail_nth(1, ENOSPC);
    assert_int_equal(weir__stream_attach(&moved, d, NULL), -ENOSPC);
    weir__sys_fail_nth(0, 0);
    assert_false(weir__stream_is_open(&moved));
    assert_int_equal(weir__stream_attach(&moved, d, NULL), WEIR_OK);
    assert_int_equal(weir__stream_send(ctx_of(c), &e.a, "1", 1, &sent, weir_never()), WEIR_OK);
    assert_int_equal(weir__stream_recv(ctx_of(c), &moved, &byte, 1, weir_never()), 1);
    d = weir__stream_detach(&moved);
    weir__sys_fail_nth(1, ENOSPC);
    assert_int_equal(weir__stream_attach(&moved, d, NULL), -ENOSPC);
    weir__sys_fail_nth(0, 0);
    weir__detached_close(d);
    close_ends(&e);
    return WEIR_OK;
}

static weir_err layer_takes_no_files(weir_ctx *c, void *arg)
{
    (void)c;
    struct ends e;
    off_t at = 0;
    open_ends(&e, arg, SMALL);
    assert_int_equal(weir__stream_try_sendfile(&e.a, 0, &at, 1), -EINVAL);
    close_ends(&e);
    return WEIR_OK;
}

static void test_it_moves_with_what_is_inside(void **state)
{
    (void)state;
    static struct kind sealed = {.layer = SEALED}, tls = {.layer = TLS};
    for_all(moves_with_what_is_inside);
    for_all(cannot_be_watched);
    SIM(layer_takes_no_files, &sealed);
    if (WEIR_TLS)
        SIM(layer_takes_no_files, &tls);
}

static int begin(void **state)
{
    (void)state;
    if (!WEIR_TLS)
        return 0;
    make_test_certificates();
    tls_server = server_of((struct weir__tls_server_options){.pairs = NULL});
    tls_client = client_of((struct weir__tls_client_options){.is_unverified = false});
    return 0;
}

static int end(void **state)
{
    (void)state;
    weir__tls_server_free(tls_server);
    weir__tls_client_unref(tls_client);
    if (WEIR_TLS)
        free_test_certificates();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it_arrives),
        cmocka_unit_test(test_it_arrives_whatever_the_socket_refuses),
        cmocka_unit_test(test_nothing_is_forgotten),
        cmocka_unit_test(test_what_is_left_is_told_again),
        cmocka_unit_test(test_room_is_told_to_who_asks),
        cmocka_unit_test(test_one_fiber_sends),
        cmocka_unit_test(test_it_moves_with_what_is_inside),
    };
    return cmocka_run_group_tests_name("stream", tests, begin, end);
}
