/*
 * Connections tried everywhere, as operations_test.c tries the rest: those that come in, those that
 * go out, what is leased from a pool, programs. The peer is in the run too, so its calls fail as
 * well.
 */
#include "testing/operations_testing.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "net/dns_testing.h"
#include "net/pool.h"
#include "rt/io.h"
#include "rt/runtime.h"
#include "rt/sim.h"
#include <weir/weir.h>

/* --- sockets ------------------------------------------------------------------------------ */

struct sockets {
    struct weir__fd fd;
    int peer;
};

static weir_err receive(weir_ctx *c, void *arg)
{
    struct sockets *s = arg;
    char byte;
    ssize_t n;
    while ((n = weir__recv(weir__ctx_of(c), &s->fd, &byte, 1, weir_never())) == 1)
        ;
    return (weir_err)n;
}

static weir_err speak(weir_ctx *c, void *arg)
{
    struct sockets *s = arg;
    weir_err err = WEIR_OK;
    for (int i = 0; i < 3 && err == WEIR_OK; i++) {
        (void)weir__sim_write(s->peer, "x", 1);
        err = weir_sleep(c, weir_ms(1));
    }
    weir__sim_close(s->peer);
    return err;
}

/* A fiber at each end of a connection of 16 bytes each way. */
static weir_err at_both_ends(weir_ctx *c, weir_err (*mine)(weir_ctx *, void *),
                             weir_err (*peers)(weir_ctx *, void *), weir_join_mode mode)
{
    struct sockets s;
    int pair[2];
    weir__sim_socketpair(pair, 16);
    s.peer = pair[1];
    weir_err err = weir__fd_watch(&s.fd, pair[0], NULL);
    WEIR_SCOPE(group, c);
    if (err == WEIR_OK)
        err = WEIR_GO(group, mine, &s);
    if (err == WEIR_OK)
        err = WEIR_GO(group, peers, &s);
    weir_err joined = weir_join_as(group, mode);
    (void)weir_ctx_close(group);
    weir__fd_close(&s.fd);
    weir__sim_close(pair[1]);
    return err < 0 ? err : joined;
}

static weir_err recv_and_peer(weir_ctx *c, void *arg)
{
    (void)arg;
    return at_both_ends(c, receive, speak, WEIR_JOIN_ALL);
}

static weir_err listen_to_all(weir_ctx *c, void *arg)
{
    struct sockets *s = arg;
    char bytes[8];
    weir_err err = WEIR_OK;
    while (err == WEIR_OK && weir__sim_read(s->peer, bytes, sizeof bytes) != 0)
        err = weir_sleep(c, weir_ms(1));
    return err;
}

static weir_err send_all(weir_ctx *c, void *arg)
{
    struct sockets *s = arg;
    static const char bytes[50] = "fifty";
    for (size_t at = 0; at < sizeof bytes;) {
        ssize_t n = weir__send(weir__ctx_of(c), &s->fd, bytes + at, sizeof bytes - at,
                               weir_time_add(weir_now(), weir_sec(1)));
        if (n < 0)
            return (weir_err)n;
        at += (size_t)n;
    }
    weir__fd_close(&s->fd);
    return WEIR_OK;
}

static weir_err send_and_peer(weir_ctx *c, void *arg)
{
    (void)arg;
    return at_both_ends(c, send_all, listen_to_all, WEIR_JOIN_FAIL_FAST);
}

static weir_err dial(weir_ctx *c, void *arg)
{
    const int *listener = arg;
    weir_err err = weir_sleep(c, weir_ms(1));
    weir__sim_close(weir__sim_connect(*listener, 16));
    return err;
}

static weir_err accept_and_dial(weir_ctx *c, void *arg)
{
    struct weir__fd fd;
    int listener = weir__sim_listen();
    (void)arg;
    weir_err err = weir__fd_watch(&fd, listener, NULL);
    WEIR_SCOPE(group, c);
    if (err == WEIR_OK)
        err = WEIR_GO(group, dial, &listener);
    struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &fd};
    ssize_t num = err == WEIR_OK
                      ? weir__io(weir__ctx_of(group), &op, weir_time_add(weir_now(), weir_sec(1)))
                      : err;
    if (num >= 0)
        weir__sim_close((int)num);
    (void)weir_ctx_close(group);
    weir__fd_close(&fd);
    return num < 0 ? (weir_err)num : WEIR_OK;
}

static void sockets_everywhere(void **state)
{
    (void)state;
    EVERYWHERE(recv_and_peer, NULL, .waits = 5, .calls = 20, .orders = 1);
    EVERYWHERE(send_and_peer, NULL, .waits = 4, .calls = 20, .orders = 1);
    EVERYWHERE(accept_and_dial, NULL, .waits = 2, .calls = 9, .orders = 0);
}

/* --- outgoing connections ----------------------------------------------------------------- */

/* Who dials, and the peer that it finds: what comes is sent back, until no more does. */
struct line {
    struct weir__fd listener;
    char where[32];
    weir_socket *s;
    char *sent, *back;
    size_t size;
    bool closes_by_hand;
    weir_err failed; /* the first error of the socket that a call of it returned */
};

/* A listener in the simulation, and its address in the given form. */
static weir_err open_line(struct line *l, const char *form)
{
    int num = weir__sim_listen();
    weir_err err = weir__fd_watch(&l->listener, num, NULL);
    weir_buf text;
    weir_buf_init_fixed(&text, l->where, sizeof l->where - 1);
    weir_buf_printf(&text, "%s%d", form, num);
    l->where[text.len] = '\0';
    return err;
}

/* The next connection that came in, watched. */
static weir_err take_call(weir_ctx *c, struct line *l, struct weir__fd *fd)
{
    struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = &l->listener};
    ssize_t num = weir__io(weir__ctx_of(c), &op, weir_never());
    weir_err err = num >= 0 ? weir__fd_watch(fd, (int)num, NULL) : (weir_err)num;
    if (num >= 0 && err < 0)
        weir__fd_close(fd);
    return err;
}

static ssize_t send_back(weir_ctx *c, struct weir__fd *fd)
{
    struct weir__ctx *ctx = weir__ctx_of(c);
    char bytes[20 << 10];
    ssize_t n = weir__recv(ctx, fd, bytes, sizeof bytes, weir_never());
    for (ssize_t at = 0, sent; at < n; at += sent)
        if ((sent = weir__send(ctx, fd, bytes + at, (size_t)(n - at), weir_never())) < 0)
            return sent;
    return n;
}

/* A peer that fails resets, so that what it sent never looks whole. */
static weir_err echo(weir_ctx *c, void *arg)
{
    struct line *l = arg;
    struct weir__fd fd;
    ssize_t n = take_call(c, l, &fd);
    if (n < 0)
        return (weir_err)n;
    while ((n = send_back(c, &fd)) > 0)
        ;
    if (n < 0)
        weir__sim_reset(weir__fd_unwatch(&fd));
    else
        weir__fd_close(&fd);
    return (weir_err)n;
}

/*
 * What failed on it fails from then on, in every call; what the context's end brought need not, and
 * that may come between two of them, for a call that fails lets others run.
 */
static void must_stay(weir_ctx *c, weir_socket *s, weir_err err)
{
    char byte;
    if (err >= 0 || weir_check(c) < 0)
        return;
    MUST(weir_socket_err(s) == err);
    MUST(weir_socket_send(c, s, "x", 1) == err || weir_check(c) < 0);
    MUST(weir_socket_recv(c, s, &byte, 1) == err || weir_check(c) < 0);
    MUST(weir_socket_shutdown(c, s) == err || weir_check(c) < 0);
}

/* The same where two fibers use it: the first of the two that fails says what stays. */
static void must_keep(weir_ctx *c, struct line *l, weir_err err)
{
    must_stay(c, l->s, err);
    if (err < 0 && weir_check(c) == WEIR_OK && l->failed == WEIR_OK)
        l->failed = err;
}

/* All that comes up to the end, which is where it was promised. */
static weir_err hear_all(weir_ctx *c, void *arg)
{
    struct line *l = arg;
    size_t got = 0;
    ssize_t n;
    while ((n = weir_socket_recv(c, l->s, l->back + got, l->size + 1 - got)) > 0)
        got += (size_t)n;
    must_keep(c, l, (weir_err)n);
    if (n == 0)
        MUST(got == l->size && memcmp(l->back, l->sent, got) == 0);
    return (weir_err)n;
}

static weir_err say_all(weir_ctx *c, void *arg)
{
    struct line *l = arg;
    weir_err err = weir_socket_send(c, l->s, l->sent, l->size);
    must_keep(c, l, err);
    return err == WEIR_OK ? weir_socket_shutdown(c, l->s) : err;
}

/* Nobody waits for what will never be: it is not the deadline of 30 s that ends a run. */
static void must_be_soon(weir_time begin)
{
    MUST(weir_time_sub(weir_now(), begin).ns < weir_sec(10).ns);
}

static weir_err call_and_hear(weir_ctx *c, void *arg)
{
    struct line *l = arg;
    weir_time begin = weir_now();
    l->s = weir_dial(c, l->where, .timeout = weir_sec(1));
    weir_err err = weir_socket_err(l->s);
    must_stay(c, l->s, err);
    if (err == WEIR_OK)
        err = say_all(c, l);
    if (err == WEIR_OK)
        err = hear_all(c, l);
    must_be_soon(begin);
    if (!l->closes_by_hand)
        return err; /* with the context */
    char byte;
    weir_err had = weir_socket_err(l->s);
    weir_socket_close(c, l->s);
    weir_socket_close(c, l->s);
    ssize_t n = weir_socket_recv(c, l->s, &byte, 1);
    MUST(n == WEIR_ECLOSED || n == weir_check(c) || (n == -ENOMEM && had == -ENOMEM));
    return err;
}

static weir_err dial_and_echo(weir_ctx *c, const char *form, bool closes_by_hand)
{
    char bytes[] = "not much", back[sizeof bytes + 1];
    struct line l = {
        .sent = bytes, .back = back, .size = sizeof bytes, .closes_by_hand = closes_by_hand};
    weir_err err = open_line(&l, form);
    WEIR_SCOPE(group, c);
    if (err == WEIR_OK)
        err = WEIR_GO(group, echo, &l);
    if (err == WEIR_OK)
        err = WEIR_GO(group, call_and_hear, &l);
    if (err < 0)
        weir_cancel(group);
    weir_err joined = weir_join(group);
    (void)weir_ctx_close(group);
    weir__fd_close(&l.listener);
    return err < 0 ? err : joined;
}

static weir_err dial_ipv4(weir_ctx *c, void *arg)
{
    (void)arg;
    return dial_and_echo(c, "127.0.0.1:", true);
}

static weir_err dial_ipv6(weir_ctx *c, void *arg)
{
    (void)arg;
    return dial_and_echo(c, "[::1]:", false);
}

static weir_err dial_path(weir_ctx *c, void *arg)
{
    (void)arg;
    return dial_and_echo(c, "unix:/run/", true);
}

static void answer_both_families(struct query *q)
{
    struct reply r;
    reply_begin(&r, q, 0);
    reply_ip(&r, q->type == RR_A ? "10.0.0.1" : "2001:db8::1", 60);
    reply_send(&r, q);
}

static int six_is_unreachable(const struct sockaddr_storage *addr)
{
    return addr->ss_family == AF_INET6 ? -ENETUNREACH : 0;
}

/* A name server is in the run too, and the first of two addresses fails. */
static weir_err dial_name(weir_ctx *c, void *arg)
{
    struct name_server s;
    (void)arg;
    WEIR_SCOPE(peers, c);
    weir_err err = name_server_start(peers, &s, answer_both_families, NULL);
    files_set_servers(&s, 1, "options attempts:1 timeout:1");
    weir__sim_decide_connects(six_is_unreachable);
    if (err == WEIR_OK)
        err = dial_and_echo(c, "db.test:", true);
    weir__sim_decide_connects(NULL);
    (void)weir_ctx_close(peers);
    return err;
}

/* More than lies on the way: one fiber sends, another receives, the socket is of neither. */
static weir_err both_directions(weir_ctx *c, void *arg)
{
    struct line l = {.size = 200 << 10};
    weir_time begin = weir_now();
    (void)arg;
    weir_err err = open_line(&l, "127.0.0.1:");
    WEIR_SCOPE(owner, c);
    WEIR_SCOPE(group, owner);
    l.sent = weir_alloc(owner, l.size);
    l.back = weir_alloc(owner, l.size + 1);
    if (err == WEIR_OK && (l.sent == NULL || l.back == NULL))
        err = -ENOMEM;
    for (size_t i = 0; err == WEIR_OK && i < l.size; i++)
        l.sent[i] = (char)(i * 31 % 251);
    l.s = weir_dial(owner, l.where);
    weir_fiber_fn fns[] = {echo, hear_all, say_all};
    for (int i = 0; i < 3 && err == WEIR_OK; i++)
        err = weir_go_at(WEIR_HERE, group, fns[i], &l, "both directions");
    if (err < 0)
        weir_cancel(group);
    weir_err joined = weir_join(group);
    must_be_soon(begin);
    MUST(l.failed == WEIR_OK || weir_socket_err(l.s) == l.failed);
    (void)weir_ctx_close(owner);
    weir__fd_close(&l.listener);
    return err < 0 ? err : joined;
}

/* --- their ends --------------------------------------------------------------------------- */

struct hearing {
    weir_socket *s;
    bool has_begun, is_over;
    weir_err err;
};

static weir_err hear_one(weir_ctx *c, void *arg)
{
    struct hearing *h = arg;
    char byte;
    h->has_begun = true;
    h->err = weir_check(c);
    if (h->err == WEIR_OK)
        h->err = (weir_err)weir_socket_recv(c, h->s, &byte, 1);
    h->is_over = true;
    return WEIR_OK;
}

/* By hand, or with its context: a fiber of another one, which receives, is waited for. */
static weir_err end_under_a_call(weir_ctx *c, bool by_hand)
{
    struct line l;
    weir_err err = open_line(&l, "127.0.0.1:");
    WEIR_SCOPE(group, c);
    WEIR_SCOPE(owner, c);
    struct hearing h = {.s = weir_dial(owner, l.where)};
    if (err == WEIR_OK)
        err = weir_socket_err(h.s);
    if (err == WEIR_OK)
        err = WEIR_GO(group, hear_one, &h);
    while (err == WEIR_OK && !h.has_begun)
        err = weir_yield(c);
    if (err < 0)
        (void)!weir_join_as((weir_cancel(group), group), WEIR_JOIN_ALL);
    if (by_hand)
        weir_socket_close(c, h.s);
    else
        (void)weir_ctx_close(owner);
    MUST(!h.has_begun || h.is_over);
    MUST(!h.is_over || h.err < 0);
    (void)weir_ctx_close(group);
    weir__fd_close(&l.listener);
    return err;
}

static weir_err close_under_a_call(weir_ctx *c, void *arg)
{
    (void)arg;
    return end_under_a_call(c, true);
}

static weir_err context_ends_under_a_call(weir_ctx *c, void *arg)
{
    (void)arg;
    return end_under_a_call(c, false);
}

/* It ends with the fiber's context, in the middle of an exchange. */
static weir_err call_and_leave(weir_ctx *c, void *arg)
{
    struct line *l = arg;
    weir_socket *s = weir_dial(c, l->where);
    return weir_socket_send(c, s, "hello", 5);
}

static weir_err dial_and_leave(weir_ctx *c, void *arg)
{
    struct line l;
    struct weir__fd fd;
    (void)arg;
    weir_err err = open_line(&l, "127.0.0.1:");
    for (int i = 0; i < 2 && err == WEIR_OK; i++) {
        WEIR_WITH(group, c) {
            err = WEIR_GO(group, call_and_leave, &l);
            weir_err joined = weir_join(group);
            err = err < 0 ? err : joined;
        }
        if (err == WEIR_OK && (err = take_call(c, &l, &fd)) == WEIR_OK)
            weir__fd_close(&fd);
    }
    weir__fd_close(&l.listener);
    return err;
}

/* --- how they fail ------------------------------------------------------------------------ */

/* It says why, once in the record and in every call. */
static weir_err fail_to_dial(weir_ctx *c, const char *where, weir_err expected)
{
    weir_socket *s = weir_dial(c, where, .timeout = weir_ms(50));
    weir_err err = weir_socket_err(s);
    const weir_error *record = weir_last_error(c);
    MUST(err < 0);
    must_stay(c, s, err);
    if (weir_check(c) == WEIR_OK)
        MUST(record != NULL && (record->code == err || record->code == -ENOMEM));
    weir_error_clear(c);
    return err == expected ? WEIR_OK : err;
}

/* Nobody is there; nobody answers. */
static weir_err dial_nobody(weir_ctx *c, void *arg)
{
    struct line ip, path;
    (void)arg;
    weir_err err = open_line(&ip, "127.0.0.1:"), opened = open_line(&path, "unix:/run/");
    weir_err failed = fail_to_dial(c, "127.0.0.1:9", -ECONNREFUSED);
    if (failed == WEIR_OK)
        failed = fail_to_dial(c, "unix:/run/9", -ECONNREFUSED);
    weir__sim_hold_connects(true);
    if (failed == WEIR_OK)
        failed = fail_to_dial(c, ip.where, WEIR_ETIMEDOUT);
    if (failed == WEIR_OK)
        failed = fail_to_dial(c, path.where, WEIR_ETIMEDOUT);
    weir__sim_hold_connects(false);
    weir__fd_close(&ip.listener);
    weir__fd_close(&path.listener);
    return err < 0 ? err : opened < 0 ? opened : failed;
}

static weir_err take_and_reset(weir_ctx *c, void *arg)
{
    struct weir__fd fd;
    weir_err err = take_call(c, arg, &fd);
    if (err == WEIR_OK)
        weir__sim_reset(weir__fd_unwatch(&fd));
    return err;
}

/* A connection that broke never looks like one that was ended. */
static weir_err hear_it_break(weir_ctx *c, void *arg)
{
    struct line *l = arg;
    char byte;
    weir_time begin = weir_now();
    weir_socket *s = weir_dial(c, l->where);
    ssize_t n = weir_socket_recv(c, s, &byte, 1);
    must_be_soon(begin);
    MUST(n < 0);
    must_stay(c, s, (weir_err)n);
    return n == -ECONNRESET ? WEIR_OK : (weir_err)n;
}

static weir_err dial_and_break(weir_ctx *c, void *arg)
{
    struct line l;
    (void)arg;
    weir_err err = open_line(&l, "127.0.0.1:");
    WEIR_SCOPE(group, c);
    if (err == WEIR_OK)
        err = WEIR_GO(group, take_and_reset, &l);
    if (err == WEIR_OK)
        err = WEIR_GO(group, hear_it_break, &l);
    if (err < 0)
        weir_cancel(group);
    weir_err joined = weir_join(group);
    (void)weir_ctx_close(group);
    weir__fd_close(&l.listener);
    return err < 0 ? err : joined;
}

static weir_err leave_it_open(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    int num = weir__poller_socket(&weir__self->poller, AF_INET);
    return num < 0 ? num : WEIR_OK;
}

/* Also a socket that nothing watches. */
static void a_socket_left_open_is_found(void **state)
{
    (void)state;
    weir_test_report r = weir_test_everywhere(.name = "left open", .run = leave_it_open);
    assert_int_equal(r.failures, 1);
    assert_non_null(strstr(r.text, "1 sockets more than before"));
}

static void outgoing_connections_everywhere(void **state)
{
    (void)state;
    EVERYWHERE(dial_ipv4, NULL, .waits = 4, .allocations = 2, .calls = 90, .orders = 1);
    EVERYWHERE(dial_ipv6, NULL, .waits = 4, .allocations = 2, .calls = 90, .orders = 1);
    EVERYWHERE(dial_path, NULL, .waits = 4, .allocations = 2, .calls = 90, .orders = 1);
    EVERYWHERE(dial_name, NULL, .waits = 8, .allocations = 8, .calls = 100, .orders = 10,
               .refusals = 3);
    EVERYWHERE(both_directions, NULL, .waits = 12, .allocations = 4, .calls = 250, .orders = 200);
    EVERYWHERE(close_under_a_call, NULL, .waits = 3, .allocations = 2, .calls = 35, .orders = 10);
    EVERYWHERE(context_ends_under_a_call, NULL, .waits = 3, .allocations = 2, .calls = 35,
               .orders = 10);
    EVERYWHERE(dial_and_leave, NULL, .waits = 4, .allocations = 4, .calls = 90);
    EVERYWHERE(dial_nobody, NULL, .waits = 8, .allocations = 16, .calls = 120);
    EVERYWHERE(dial_and_break, NULL, .waits = 4, .allocations = 2, .calls = 60, .orders = 1);
}

/* --- leases ------------------------------------------------------------------------------- */

struct fake {
    int live;
};

static weir_err fake_open(void *driver, struct weir__ctx *c, void **resource)
{
    struct fake *f = driver;
    weir_err err = weir_sleep(weir__ctx_handle(c), weir_ms(1));
    if (err < 0)
        return err;
    *resource = malloc(40);
    f->live += *resource != NULL;
    return *resource != NULL ? WEIR_OK : -ENOMEM;
}

static void fake_close(void *driver, struct weir__ctx *c, void *resource)
{
    struct fake *f = driver;
    (void)c;
    f->live--;
    free(resource);
}

static const struct weir__pool_ops fake_ops = {.open = fake_open, .close = fake_close};

static weir_err borrow(weir_ctx *c, void *arg)
{
    struct weir__lease lease;
    weir_err err = weir__pool_acquire(arg, weir__ctx_of(c), WEIR_HERE, NULL, &lease);
    if (err < 0)
        return err;
    err = weir_sleep(c, weir_ms(1));
    weir__lease_release(&lease);
    return err;
}

static weir_err acquire_by_three(weir_ctx *c, void *arg)
{
    struct fake *fake = arg;
    weir_err err = WEIR_OK;
    WEIR_SCOPE(owner, c);
    weir_pool_options options = {.max_open = 1};
    struct weir__pool *pool =
        weir__pool_new(weir__ctx_of(owner), "fakes", &options, &fake_ops, fake, WEIR_HERE);
    WEIR_SCOPE(group, owner);
    for (int i = 0; i < 3 && err == WEIR_OK; i++)
        err = pool != NULL ? WEIR_GO(group, borrow, pool) : -ENOMEM;
    weir_err joined = weir_join_as(group, WEIR_JOIN_ALL);
    (void)weir_ctx_close(group);
    (void)weir_ctx_close(owner);
    MUST(fake->live == 0);
    return err < 0 ? err : joined;
}

static void leases_everywhere(void **state)
{
    static struct fake fake;
    (void)state;
    EVERYWHERE(acquire_by_three, &fake, .waits = 6, .allocations = 1, .orders = 4, .refusals = 6);
}

/* --- programs ----------------------------------------------------------------------------- */

static void no_child_is_left(void)
{
    MUST(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

/* Real ones: a filter that is fed, one that speaks and is waited for, one that is forgotten. */
static weir_err spawn_three(weir_ctx *c, void *arg)
{
    static const char *const cat[] = {"cat", NULL}, *const words[] = {"echo", "words", NULL};
    char byte = 0;
    weir_str text;
    (void)arg;
    weir_ctx *owner = weir_ctx_open(c);
    weir_process *p = weir_spawn(owner, cat, .input_open = true);
    weir_err err = weir_process_write(owner, p, "x", 1);
    ssize_t n = err == WEIR_OK ? weir_process_read(owner, p, &byte, 1) : err;
    MUST(n < 0 || (n == 1 && byte == 'x'));
    p = weir_spawn(owner, words, .env = cat, .dir = "/");
    err = weir_process_read_all(owner, p, 100, &text);
    MUST(err < 0 || weir_str_eq(text, WEIR_S("words\n")));
    int status = err == WEIR_OK ? weir_process_wait(owner, p) : err;
    p = weir_spawn(owner, cat, .input = WEIR_S("some text"));
    if (err == WEIR_OK)
        err = weir_process_err(p);
    (void)weir_ctx_close(owner);
    no_child_is_left();
    return n < 0 ? (weir_err)n : err < 0 ? err : status;
}

static void programs_everywhere(void **state)
{
    (void)state;
    EVERYWHERE(spawn_three, NULL, .waits = 5, .allocations = 2, .calls = 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_everywhere),
        cmocka_unit_test(a_socket_left_open_is_found),
        cmocka_unit_test(outgoing_connections_everywhere),
        cmocka_unit_test(leases_everywhere),
        cmocka_unit_test(programs_everywhere),
    };
    return cmocka_run_group_tests_name("operations on connections", tests, NULL, files_remove);
}
