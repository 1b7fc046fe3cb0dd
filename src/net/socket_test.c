/*
 * Outgoing connections: what goes through, how they fail, and that nothing stays open: on the
 * simulated network at each wait and allocation, on the kernel's at each system call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/dial.h"
#include "net/listener.h"
#include "os/sys.h"
#include "rt/io.h"
#include "rt/sim.h"
#include <weir/fiber.h>
#include <weir/socket.h>

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

/* --- a peer ------------------------------------------------------------------------------- */

/* Takes connections from a listener and sends back what comes, until it is cancelled. */
struct echo {
    int listener; /* its number, watched by the fiber */
    int accepted;
    bool resets; /* instead of sending back */
};

struct visit {
    struct echo *e;
    int num;
};

static weir_err serve_one(weir_ctx *c, void *arg)
{
    struct visit *v = arg;
    struct weir__ctx *ctx = weir__ctx_of(c);
    struct weir__fd fd;
    char bytes[4096];
    assert_int_equal(weir__fd_watch(&fd, v->num, NULL), WEIR_OK);
    for (ssize_t n; (n = weir__recv(ctx, &fd, bytes, sizeof bytes, weir_never())) > 0;) {
        if (v->e->resets) {
            weir__sim_reset(weir__fd_unwatch(&fd));
            return WEIR_OK;
        }
        for (ssize_t at = 0, sent; at < n; at += sent)
            if ((sent = weir__send(ctx, &fd, bytes + at, (size_t)(n - at), weir_never())) <= 0)
                break;
    }
    weir__fd_close(&fd);
    return WEIR_OK;
}

static weir_err serve(weir_ctx *c, void *arg)
{
    struct echo *e = arg;
    struct weir__fd fd;
    assert_int_equal(weir__fd_watch(&fd, e->listener, NULL), WEIR_OK);
    WEIR_SCOPE(visits, c);
    for (;;) {
        struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &fd};
        ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
        if (num < 0)
            break;
        e->accepted++;
        struct visit *v = weir_new(visits, struct visit);
        if (v != NULL)
            *v = (struct visit){e, (int)num};
        if (v == NULL || WEIR_GO(visits, serve_one, v) < 0)
            weir__sim_close((int)num); /* the plan's failure was this peer's */
    }
    (void)weir_ctx_close(visits);
    weir__fd_close(&fd);
    return WEIR_OK;
}

/* A context with a peer in it, which is at `where`. */
static void open_echo(weir_ctx *peer, struct echo *e, char where[32])
{
    *e = (struct echo){.listener = weir__sim_listen()};
    snprintf(where, 32, "127.0.0.1:%d", e->listener);
    assert_int_equal(WEIR_GO(peer, serve, e), WEIR_OK);
}

/* All that comes until `size` bytes have. */
static ssize_t recv_all(weir_ctx *c, weir_socket *s, char *bytes, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = weir_socket_recv(c, s, bytes + got, size - got);
        if (n <= 0)
            return n < 0 ? n : (ssize_t)got;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

/* --- bytes -------------------------------------------------------------------------------- */

static weir_err echoes(weir_ctx *c, void *arg)
{
    struct echo e;
    char where[32], bytes[64] = "";
    size_t chop = *(size_t *)arg;
    WEIR_SCOPE(peer, c);
    open_echo(peer, &e, where);
    weir__sim_chop(chop);
    weir_socket *s = weir_dial(c, where);
    assert_int_equal(weir_socket_err(s), WEIR_OK);
    assert_int_equal(weir_socket_send(c, s, "hello, ", 7), WEIR_OK);
    assert_int_equal(weir_socket_send(c, s, "world", 5), WEIR_OK);
    assert_int_equal(recv_all(c, s, bytes, 12), 12);
    assert_string_equal(bytes, "hello, world");
    assert_int_equal(weir_socket_send(c, s, "bye", 3), WEIR_OK);
    assert_int_equal(weir_socket_shutdown(c, s),
                     WEIR_OK); /* half-closed: what is sent comes back */
    assert_int_equal(weir_socket_shutdown(c, s), WEIR_OK);
    assert_int_equal(recv_all(c, s, bytes, sizeof bytes), 3);
    assert_int_equal(weir_socket_recv(c, s, bytes, sizeof bytes), 0);
    assert_int_equal(weir_socket_send(c, s, "more", 4), -EPIPE);
    assert_int_equal(weir_socket_err(s), -EPIPE);
    weir_socket_close(c, s);
    weir_socket_close(c, s);
    assert_int_equal(weir_socket_recv(c, s, bytes, 1), WEIR_ECLOSED);
    assert_int_equal(weir_socket_shutdown(c, s), WEIR_ECLOSED);
    assert_int_equal(e.accepted, 1);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

struct flow {
    weir_socket *s;
    size_t got;
};

static weir_err drain_flow(weir_ctx *c, void *arg)
{
    struct flow *f = arg;
    char bytes[1000];
    for (ssize_t n; (n = weir_socket_recv(c, f->s, bytes, sizeof bytes)) > 0; f->got += (size_t)n)
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal((unsigned char)bytes[i], (f->got + (size_t)i) * 31 % 251);
    return WEIR_OK;
}

/* More than all buffers on the way hold: both directions at once. */
static weir_err flows(weir_ctx *c, void *arg)
{
    enum { MUCH = 1 << 20 };
    struct echo e;
    char where[32];
    (void)arg;
    unsigned char *much = weir_alloc(c, MUCH);
    for (size_t i = 0; i < MUCH; i++)
        much[i] = (unsigned char)(i * 31 % 251);
    WEIR_SCOPE(peer, c);
    open_echo(peer, &e, where);
    WEIR_SCOPE(g, c);
    struct flow f = {.s = weir_dial(c, where)};
    assert_int_equal(WEIR_GO(g, drain_flow, &f), WEIR_OK);
    assert_int_equal(weir_socket_send(c, f.s, much, MUCH), WEIR_OK);
    assert_int_equal(weir_socket_shutdown(c, f.s), WEIR_OK);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(f.got, MUCH);
    (void)weir_ctx_close(g);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_bytes_go_there_and_back(void **state)
{
    (void)state;
    size_t chops[] = {0, 1, 5};
    for (size_t i = 0; i < 3; i++)
        SIM(echoes, &chops[i]);
    SIM(flows, NULL);
}

/* --- how it fails ------------------------------------------------------------------------- */

static void fails(weir_ctx *c, const char *where, weir_err err, const char *why)
{
    char byte;
    weir_socket *s = weir_dial(c, where, .timeout = weir_ms(50));
    assert_non_null(s);
    assert_int_equal(weir_socket_err(s), err);
    assert_int_equal(weir_socket_send(c, s, "x", 1), err);
    assert_int_equal(weir_socket_recv(c, s, &byte, 1), err);
    assert_int_equal(weir_socket_shutdown(c, s), err);
    weir_socket_close(c, s);
    const weir_error *record = weir_last_error(c);
    assert_non_null(record);
    assert_int_equal(record->code, err);
    assert_non_null(strstr(record->message.ptr, why));
    weir_error_clear(c);
}

static weir_err does_not_connect(weir_ctx *c, void *arg)
{
    static const char *const bad[] = {
        "",        "80",      ":80",        "exa mple.org:80", "127.0.0.1",   "127.0.0.1:0",
        "unix:",   "[::]:80", "0.0.0.0:80", "127.0.0.1:66000", "10.0.0.1:-1", "tcp:127.0.0.1:80",
        "[::1:80", "::1:80",  "127.1:80",   "a..b:80",         "[0::0]:80",
    };
    struct echo e;
    char where[32], path[200] = "unix:/";
    (void)arg;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        fails(c, bad[i], WEIR_EINVALID, "write host:port");
    memset(path + 6, 'x', 150);
    fails(c, path, WEIR_EINVALID, "not an address");
    fails(c, "127.0.0.1:9", -ECONNREFUSED, "cannot dial 127.0.0.1:9: ");
    fails(c, "[::1]:9", -ECONNREFUSED, "[::1]:9");
    fails(c, "unix:/run/9", -ECONNREFUSED, "unix:/run/9");
    WEIR_SCOPE(peer, c);
    open_echo(peer, &e, where);
    weir__sim_hold_connects(true);
    weir_time before = weir_now();
    fails(c, where, WEIR_ETIMEDOUT, where); /* its own time-out: the context goes on */
    assert_in_range(weir_time_sub(weir_now(), before).ns, 50000000, 53000000);
    snprintf(path, sizeof path, "unix:/run/%d", e.listener);
    fails(c, path, WEIR_ETIMEDOUT, path);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(20));
    weir_socket *s = weir_dial(hasty, where);
    assert_int_equal(weir_socket_err(s), WEIR_ETIMEDOUT);
    assert_null(weir_last_error(hasty)); /* the deadline is not the network's fault */
    assert_int_equal(weir_socket_err(weir_dial(hasty, where)), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(hasty);
    weir__sim_hold_connects(false);
    assert_int_equal(weir_socket_err(weir_dial(c, path)), WEIR_OK); /* a path works too */
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

/* A connection that broke never looks like one that was ended. */
static weir_err breaks(weir_ctx *c, void *arg)
{
    struct echo e;
    char where[32], byte;
    (void)arg;
    WEIR_SCOPE(peer, c);
    open_echo(peer, &e, where);
    e.resets = true;
    weir_socket *s = weir_dial(c, where);
    assert_int_equal(weir_socket_send(c, s, "x", 1), WEIR_OK);
    assert_int_equal(weir_socket_recv(c, s, &byte, 1), -ECONNRESET);
    assert_int_equal(weir_socket_recv(c, s, &byte, 1), -ECONNRESET);
    assert_int_equal(weir_socket_send(c, s, "x", 1), -ECONNRESET);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static weir_err recv_too(weir_ctx *c, void *arg)
{
    char byte;
    return (weir_err)weir_socket_recv(c, arg, &byte, 1);
}

/* Cancelled calls: a receipt took nothing, half a message stays an error. Two at once: misuse. */
static weir_err is_given_up(weir_ctx *c, void *arg)
{
    struct echo e;
    char where[32], bytes[8];
    (void)arg;
    WEIR_SCOPE(peer, c);
    open_echo(peer, &e, where);
    WEIR_SCOPE(g, c);
    weir_socket *s = weir_dial(c, where);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(5));
    assert_int_equal(weir_socket_recv(hasty, s, bytes, 8), WEIR_ETIMEDOUT);
    assert_int_equal(weir_socket_send(hasty, s, "x", 1), WEIR_ETIMEDOUT);
    (void)weir_ctx_close(hasty);
    assert_int_equal(weir_socket_send(c, s, "x", 1), WEIR_OK);
    assert_int_equal(weir_socket_recv(c, s, bytes, 8), 1);
    assert_int_equal(WEIR_GO(g, recv_too, s), WEIR_OK);
    assert_int_equal(weir_yield(c), WEIR_OK);
    assert_int_equal(weir_protect(c, recv_too, s), WEIR_EPANIC);
    weir_error_clear(c);
    size_t much = 1 << 20;
    hasty = weir_ctx_enter(c, .timeout = weir_ms(5));
    weir_socket *deaf = weir_dial(c, where);
    WEIR_SCOPE(none, c);
    char *bytes_of = weir_alloc(c, much);
    assert_int_equal(weir_socket_send(hasty, deaf, bytes_of, much), WEIR_ETIMEDOUT);
    assert_int_equal(weir_socket_err(deaf), WEIR_ETIMEDOUT); /* nobody has read what came back */
    (void)weir_ctx_close(none);
    (void)weir_ctx_close(hasty);
    (void)weir_ctx_close(g);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_what_fails_says_why(void **state)
{
    (void)state;
    SIM(does_not_connect, NULL);
    SIM(breaks, NULL);
    SIM(is_given_up, NULL);
}

/* --- ends --------------------------------------------------------------------------------- */

struct waiting {
    weir_socket *s;
    weir_err err;
};

static weir_err wait_for_bytes(weir_ctx *c, void *arg)
{
    struct waiting *w = arg;
    char byte;
    w->err = (weir_err)weir_socket_recv(c, w->s, &byte, 1);
    return WEIR_OK;
}

/* It ends, with its context or by hand, while a fiber of another context receives. */
static weir_err ends_under_a_call(weir_ctx *c, void *arg)
{
    struct echo e;
    char where[32];
    bool by_hand = *(bool *)arg;
    WEIR_SCOPE(peer, c);
    open_echo(peer, &e, where);
    WEIR_SCOPE(owner, c);
    WEIR_SCOPE(g, c);
    struct waiting w = {.s = weir_dial(owner, where)};
    assert_int_equal(WEIR_GO(g, wait_for_bytes, &w), WEIR_OK);
    assert_int_equal(weir_yield(c), WEIR_OK);
    if (by_hand)
        weir_socket_close(c, w.s);
    (void)weir_ctx_close(owner);
    assert_int_equal(w.err, WEIR_ECLOSED); /* it has left: the socket is gone */
    assert_int_equal(weir_join(g), WEIR_OK);
    (void)weir_ctx_close(g);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static weir_err forgets(weir_ctx *c, void *arg)
{
    struct echo e;
    char where[32];
    (void)arg;
    WEIR_SCOPE(peer, c);
    open_echo(peer, &e, where);
    size_t watched = weir__sim_watched();
    for (int i = 0; i < 1000; i++) {
        WEIR_WITH(turn, c) {
            weir_socket *s = weir_dial(turn, where);
            assert_int_equal(weir_socket_send(turn, s, "x", 1), WEIR_OK);
        }
    }
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(e.accepted, 1000);
    assert_true(weir__sim_watched() <= watched + 1); /* the listener, which may not have begun */
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_it_ends_with_its_context(void **state)
{
    (void)state;
    bool by_hand[] = {false, true};
    for (int i = 0; i < 2; i++)
        SIM(ends_under_a_call, &by_hand[i]);
    SIM(forgets, NULL);
}

/* --- failures everywhere ------------------------------------------------------------------ */

struct plan {
    uint64_t wait, alloc;
    bool is_whole;
};

static weir_err one_exchange(weir_ctx *c, void *arg)
{
    struct plan *p = arg;
    struct echo e;
    char where[32], bytes[8];
    WEIR_SCOPE(peer, c);
    open_echo(peer, &e, where);
    WEIR_SCOPE(turn, c);
    assert_int_equal(weir_yield(c), WEIR_OK);
    uint64_t waits = weir__wait_count();
    weir__alloc_fail_nth(p->alloc);
    weir__wait_cancel_nth(p->wait);
    weir_socket *s = weir_dial(turn, where);
    weir_err err = weir_socket_send(turn, s, "hello", 5);
    if (err == WEIR_OK) {
        ssize_t n = recv_all(turn, s, bytes, 5);
        err = n == 5 ? WEIR_OK : n < 0 ? (weir_err)n : WEIR_EFAIL;
    }
    weir__alloc_fail_nth(0);
    p->is_whole = err == WEIR_OK && p->wait > weir__wait_count() - waits;
    weir__wait_cancel_nth(0);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    return WEIR_OK;
}

static void test_whatever_fails_nothing_stays(void **state)
{
    (void)state;
    struct plan p = {.wait = 0};
    do {
        p.wait++;
        SIM(one_exchange, &p); /* the simulation finds what is left */
        assert_true(p.wait < 100);
    } while (!p.is_whole);
    assert_true(p.wait > 2);
    p = (struct plan){.wait = 1000, .alloc = 0};
    do {
        p.alloc++;
        SIM(one_exchange, &p);
        assert_true(p.alloc < 100);
    } while (!p.is_whole);
}

/* --- on the kernel's network -------------------------------------------------------------- */

static int open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 512; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

struct real {
    char where[128];
    int listener;
    uint64_t nth;
    int err;
    bool is_whole;
};

/* The peer is this fiber too, once the kernel has connected the two. */
static weir_err exchange_for_real(weir_ctx *app, void *arg)
{
    struct real *r = arg;
    char bytes[8] = "";
    (void)app;
    weir_ctx *c = weir__ctx_handle(weir__ctx_new(weir__self->root, weir_never(), 0, NULL));
    uint64_t calls = weir__sys_count();
    weir__sys_fail_nth(r->nth, r->err);
    weir_socket *s = weir_dial(c, r->where, .timeout = weir_sec(5));
    weir_err err = weir_socket_send(c, s, "hello", 5);
    r->is_whole = err == WEIR_OK && weir__sys_count() - calls < r->nth;
    weir__sys_fail_nth(0, 0);
    if (err == WEIR_OK) {
        int peer = accept(r->listener, NULL, NULL);
        assert_true(peer >= 0);
        assert_int_equal(recv(peer, bytes, 5, MSG_WAITALL), 5);
        assert_string_equal(bytes, "hello");
        assert_int_equal(send(peer, "back", 4, 0), 4);
        assert_int_equal(shutdown(peer, SHUT_WR), 0);
        assert_int_equal(recv_all(c, s, bytes, 8), 4);
        assert_memory_equal(bytes, "back", 4);
        assert_int_equal(weir_socket_shutdown(c, s), WEIR_OK);
        assert_int_equal(close(peer), 0);
        assert_int_equal(weir_socket_shutdown(c, s), WEIR_OK); /* the kernel: ENOTCONN */
    }
    for (int peer; (peer = accept(r->listener, NULL, NULL)) >= 0;) /* what failed and stood */
        assert_int_equal(close(peer), 0);
    weir__ctx_end(weir__ctx_of(c));
    return WEIR_OK;
}

static void run_for_real(weir_fiber_fn fn, void *arg)
{
    struct weir__runtime_options options = {.workers = 1, .stall = weir_ns(-1)};
    char message[128];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, fn, arg), WEIR_OK);
    weir__runtime_free(rt);
}

static void listen_on_ip(struct real *r)
{
    const struct weir__listener_options options = {0};
    struct weir__listener l;
    char message[128];
    assert_int_equal(
        weir__listener_open(WEIR_S("127.0.0.1:0"), &options, &l, message, sizeof message), 0);
    r->listener = l.num;
    (void)weir__endpoint_format(&l.bound, r->where);
}

static void listen_on_path(struct real *r, char *path, size_t size)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    const char *tmp = getenv("TMPDIR");
    snprintf(path, size, "%.60s/weir-socket-%ld", tmp != NULL ? tmp : "/tmp", (long)getpid());
    snprintf(local.sun_path, sizeof local.sun_path, "%s", path);
    r->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(r->listener >= 0);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&local, sizeof local), 0);
    assert_int_equal(listen(r->listener, 4), 0);
    snprintf(r->where, sizeof r->where, "unix:%s", path);
}

/* Each system call fails once; what the plan does not reach goes through. */
static void fail_each_call(struct real *r)
{
    static const int errs[] = {EMFILE, ENOMEM, ECONNREFUSED, ENETUNREACH};
    int before = open_fds();
    for (size_t i = 0; i < sizeof errs / sizeof errs[0]; i++) {
        r->err = errs[i];
        r->nth = 0;
        do {
            r->nth++;
            run_for_real(exchange_for_real, r);
            assert_int_equal(open_fds(), before);
            assert_true(r->nth < 50);
        } while (!r->is_whole);
        assert_true(r->nth > 4); /* socket, watch, connect, send at least */
    }
}

static void test_the_kernel_connects_too(void **state)
{
    (void)state;
    struct real ip = {.nth = 0}, local = {.nth = 0};
    char path[100];
    listen_on_ip(&ip);
    fail_each_call(&ip);
    assert_int_equal(close(ip.listener), 0);
    listen_on_path(&local, path, sizeof path);
    fail_each_call(&local);
    assert_int_equal(close(local.listener), 0);
    assert_int_equal(unlink(path), 0);
}

static int option_of(const struct weir__stream *s, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(s->fd.num, level, name, &value, &len), 0);
    return value;
}

static weir_err bounds_silence(weir_ctx *c, void *arg)
{
    struct real *r = arg;
    struct weir__dial d = {.until = weir_time_add(weir_now(), weir_sec(5))};
    struct weir__stream s;
    assert_true(weir__endpoint_split(weir_str_from(r->where), &d.host, &d.port));
    assert_int_equal(weir__dial_stream(weir__ctx_of(c), &d, &s), WEIR_OK);
    assert_int_equal(option_of(&s, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
    assert_int_equal(option_of(&s, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option_of(&s, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    assert_int_equal(option_of(&s, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    assert_int_equal(option_of(&s, IPPROTO_TCP, TCP_KEEPCNT), 3);
    assert_int_equal(option_of(&s, IPPROTO_TCP, TCP_NODELAY), 1);
    weir__stream_close(&s);
    return WEIR_OK;
}

/* A peer that is gone without a word does not hold a connection for hours. */
static void test_silence_is_bounded(void **state)
{
    (void)state;
    struct real r = {.nth = 0};
    listen_on_ip(&r);
    run_for_real(bounds_silence, &r);
    assert_int_equal(close(r.listener), 0);
}

static weir_err finds_nobody(weir_ctx *c, void *arg)
{
    assert_int_equal(weir_socket_err(weir_dial(c, arg)), -ECONNREFUSED);
    return WEIR_OK;
}

static weir_err finds_it_full(weir_ctx *c, void *arg)
{
    weir_socket *s = weir_dial(c, arg, .timeout = weir_ms(30));
    assert_int_equal(weir_socket_err(s), WEIR_ETIMEDOUT);
    return WEIR_OK;
}

/* Nobody listens; a local listener's queue is full. */
static void test_the_kernel_refuses_too(void **state)
{
    (void)state;
    struct real r = {.nth = 0};
    char path[100];
    int filling[16], n = 0;
    listen_on_ip(&r);
    assert_int_equal(close(r.listener), 0);
    run_for_real(finds_nobody, r.where);
    listen_on_path(&r, path, sizeof path);
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    snprintf(local.sun_path, sizeof local.sun_path, "%s", path);
    do {
        filling[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    } while (connect(filling[n], (struct sockaddr *)&local, sizeof local) == 0 && ++n < 15);
    run_for_real(finds_it_full, r.where);
    for (int i = 0; i <= n; i++)
        assert_int_equal(close(filling[i]), 0);
    assert_int_equal(close(r.listener), 0);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_go_there_and_back),
        cmocka_unit_test(test_what_fails_says_why),
        cmocka_unit_test(test_it_ends_with_its_context),
        cmocka_unit_test(test_whatever_fails_nothing_stays),
        cmocka_unit_test(test_the_kernel_connects_too),
        cmocka_unit_test(test_the_kernel_refuses_too),
        cmocka_unit_test(test_silence_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
