/*
 * Dialling. One address is connected to by the fiber that dials. Several are raced, each in a fiber
 * of a context below the caller's: whatever ends the dial (one stands, the time, a cancellation)
 * ends that context, which closes and joins them all before the dial returns. So there is nothing
 * that could come to an end later, and belong to nobody.
 *
 * The winner's stream is watched where its fiber put it, in the memory of the race: it is taken off
 * there and attached to the caller's.
 */
#include "net/dial.h"

#include <stdio.h>
#include <string.h>

#include "net/local.h"
#include "net/resolve.h"
#include "rt/context.h"
#include "rt/scope.h"

#define STAGGER_NS 250000000 /* RFC 8305, 5: Connection Attempt Delay */
#define FULL_NS 10000000     /* until a local listener's full queue is tried again */

/* --- one address -------------------------------------------------------------------------- */

/*
 * A local listener whose queue is full says EAGAIN, and nothing says when it is not: that is asked
 * again and again.
 */
static weir_err connect_local(struct weir__ctx *c, struct weir__op *op, weir_time until)
{
    WEIR_ASSERT(op->kind == WEIR__OP_CONNECT && op->fd->num >= 0,
                "D4: what is connected is a socket");
    struct weir__worker *w = weir__self;
    for (;;) {
        if (weir__poller_submit(&w->poller, op))
            return (weir_err)op->result;
        if (weir__worker_now(w).ns >= until.ns)
            return WEIR_ETIMEDOUT;
        weir_err err = weir_sleep(weir__ctx_handle(c), weir_ns(FULL_NS));
        if (err < 0)
            return err;
    }
}

weir_err weir__dial_address(struct weir__ctx *c, const struct sockaddr_storage *addr, socklen_t len,
                            weir_time until, struct weir__stream *out)
{
    WEIR_ASSERT(len > 0 && len <= sizeof *addr, "E2: an address fits where it is kept");
    *out = (struct weir__stream){.fd = {.num = -1}};
    weir_err err = weir__ctx_check(c);
    if (err < 0)
        return weir__wait_refused(err);
    int num = weir__poller_socket(&weir__self->poller, addr->ss_family);
    if (num < 0)
        return num;
    const struct weir__detached made = {.num = num};
    err = weir__stream_attach(out, made, NULL);
    if (err < 0) {
        weir__detached_close(made);
        return err;
    }
    struct weir__op op = {.kind = WEIR__OP_CONNECT,
                          .fd = &out->fd,
                          .u.addr = {(struct sockaddr_storage *)(uintptr_t)addr, len}};
    err = addr->ss_family == AF_UNIX ? connect_local(c, &op, until)
                                     : (weir_err)weir__io(c, &op, until);
    if (err < 0)
        weir__stream_close(out);
    WEIR_ASSERT(weir__stream_is_open(out) == (err == WEIR_OK),
                "D4: a connection stands, or there is an error");
    return err;
}

weir_err weir__dial_local(struct weir__ctx *c, weir_str where, weir_time until,
                          struct weir__stream *out)
{
    struct sockaddr_storage addr;
    socklen_t len = weir__local_address(where, &addr);
    if (len > 0)
        return weir__dial_address(c, &addr, len, until, out);
    *out = (struct weir__stream){.fd = {.num = -1}};
    return weir__wait_refused(WEIR_EINVALID);
}

static weir_time sooner(weir_time a, weir_time b)
{
    return a.ns < b.ns ? a : b;
}

static weir_err dial_endpoint(struct weir__ctx *c, const struct weir__dial *d,
                              const struct weir__endpoint *at, struct weir__stream *out)
{
    struct sockaddr_storage addr;
    struct weir__endpoint e = *at;
    WEIR_ASSERT(d->port != 0, "D4: nobody listens on port 0");
    e.port = d->port;
    socklen_t len = weir__endpoint_to_kernel(&e, &addr);
    weir_time until = d->until;
    if (d->each.ns > 0)
        until = sooner(until, weir_time_add(weir__worker_now(weir__self), d->each));
    return weir__dial_address(c, &addr, len, until, out);
}

/* --- several ------------------------------------------------------------------------------ */

struct race;

struct attempt {
    struct race *race;
    const struct weir__endpoint *at;
    struct weir__stream stream; /* open: it has won */
    weir_err err;               /* of one that has ended */
    bool has_ended;
};

struct race {
    struct weir__dial *dial;
    struct weir__wait *waiter; /* the fiber that dials; NULL: it does not wait */
    bool has_news;             /* an attempt has ended since it looked */
    unsigned started, running;
    struct attempt *winner; /* D2 */
    struct attempt attempts[WEIR__DIAL_TRIES_MAX];
};

static bool abandon(struct weir__wait *w)
{
    struct race *r = w->object;
    bool is_waiting = r->waiter == w;
    r->waiter = is_waiting ? NULL : r->waiter;
    return is_waiting;
}

static void describe(const struct weir__wait *w, weir_buf *out)
{
    const struct race *r = w->object;
    weir_buf_printf(out, WEIR_STR_FMT ":%u, %u addresses under way", WEIR_STR_ARG(r->dial->host),
                    r->dial->port, r->running);
}

static const struct weir__wait_type wait_type = {
    .name = "dial", .abandon = abandon, .describe = describe, .has_limit = true};

static void tell(struct race *r)
{
    struct weir__wait *w = r->waiter;
    WEIR_ASSERT(r->running < r->started, "D3: what has ended runs no more");
    r->has_news = true;
    r->waiter = NULL;
    if (w != NULL)
        weir__wake(w, WEIR_OK);
}

/* Until an attempt has ended. */
static weir_err await_news(struct weir__ctx *c, struct race *r, weir_time until)
{
    weir_err err = weir__ctx_check(c);
    if (err < 0 || r->has_news) {
        r->has_news = false;
        return err;
    }
    struct weir__wait w;
    weir__wait_init(&w, &wait_type, c, NULL, r);
    WEIR_ASSERT(r->waiter == NULL, "D3: one fiber waits for a race");
    r->waiter = &w;
    err = weir__park(&w, until);
    r->waiter = NULL;
    r->has_news = false;
    return err;
}

static weir_err try_one(weir_ctx *c, void *arg)
{
    struct attempt *a = arg;
    struct race *r = a->race;
    WEIR_ASSERT(!a->has_ended && r->running > 0, "D3: an attempt that runs is counted");
    a->err = dial_endpoint(weir__ctx_of(c), r->dial, a->at, &a->stream);
    if (a->err == WEIR_OK && r->winner == NULL)
        r->winner = a;
    else
        weir__stream_close(&a->stream); /* D2 */
    WEIR_ASSERT((r->winner == a) == weir__stream_is_open(&a->stream),
                "D2: who has won keeps its connection, all others close");
    a->has_ended = true;
    r->running--;
    tell(r);
    return WEIR_OK;
}

static void start(struct race *r, struct weir__ctx *group, const struct weir__endpoint *at)
{
    WEIR_ASSERT(r->started < WEIR__DIAL_TRIES_MAX && r->winner == NULL,
                "D3: an address is tried once, and none after the race is won");
    struct attempt *a = &r->attempts[r->started++];
    *a = (struct attempt){.race = r, .at = at, .stream = {.fd = {.num = -1}}};
    a->err = weir__go_apart(WEIR_HERE, group, try_one, a, "dial");
    a->has_ended = a->err < 0;
    r->running += a->err == WEIR_OK;
}

static weir_err run(struct weir__ctx *c, struct race *r, struct weir__ctx *group,
                    const struct weir__addresses *to)
{
    weir_time next = weir__worker_now(weir__self), until = r->dial->until;
    while (r->winner == NULL && (r->running > 0 || r->started < to->count)) {
        weir_time now = weir__worker_now(weir__self);
        if (now.ns >= until.ns)
            return WEIR_ETIMEDOUT;
        if (r->started < to->count && (r->running == 0 || now.ns >= next.ns)) {
            start(r, group, &to->list[r->started]);
            next = weir_time_add(now, weir_ns(STAGGER_NS));
            continue;
        }
        unsigned running = r->running;
        weir_err err = await_news(c, r, r->started < to->count ? sooner(next, until) : until);
        if (err < 0 && (err != WEIR_ETIMEDOUT || weir__ctx_check(c) < 0))
            return err;
        if (r->running < running)
            next = weir__worker_now(weir__self); /* one has failed: its time is the next one's */
    }
    WEIR_ASSERT(r->winner != NULL || r->started == to->count,
                "D3: a race is lost when all have been tried");
    return r->winner != NULL ? WEIR_OK : r->attempts[0].err;
}

static void tell_why(const struct race *r)
{
    char where[WEIR__ENDPOINT_TEXT_MAX], *why = r->dial->why;
    for (unsigned i = 0; i < r->started; i++) {
        const struct attempt *a = &r->attempts[i];
        size_t len = strlen(why);
        WEIR_ASSERT(len < WEIR__DIAL_WHY_MAX, "N5: a reason fits where it is kept");
        (void)weir__endpoint_format_ip(a->at, where);
        snprintf(why + len, WEIR__DIAL_WHY_MAX - len, "%s%s: %s", len > 0 ? "; " : "", where,
                 a->has_ended ? weir_strerror(a->err) : "no answer");
    }
}

/*
 * Where the attempts hang. In a shield `c` may be cancelled and waits all the same, but contexts
 * below it would not: then it is the root, since they end before the dial does anyway.
 */
static struct weir__ctx *new_group(struct weir__ctx *c)
{
    struct weir__ctx *above = c->is_shielded ? weir__self->root : weir__ctx_local(c);
    return weir__ctx_new(above, weir_never(), 0, WEIR_HERE);
}

static weir_err race(struct weir__ctx *c, struct weir__dial *d, const struct weir__addresses *to,
                     struct weir__stream *out)
{
    struct race r = {.dial = d};
    struct weir__ctx *group = new_group(c);
    if (group == NULL)
        return -ENOMEM;
    weir_err err = run(c, &r, group, to);
    if (err < 0)
        tell_why(&r); /* as it is before those that run are cancelled */
    weir__ctx_end(group);
    WEIR_ASSERT(r.running == 0, "D1: no attempt outlives the dial");
    if (r.winner == NULL)
        return err;
    WEIR_ASSERT(weir__stream_is_open(&r.winner->stream), "D2: who has won keeps its connection");
    struct weir__detached won = weir__stream_detach(&r.winner->stream);
    if (err == WEIR_OK)
        err = weir__stream_attach(out, won, NULL);
    if (err != WEIR_OK)
        weir__detached_close(won);
    return err;
}

/* --- by name ------------------------------------------------------------------------------ */

weir_err weir__dial_stream(struct weir__ctx *c, struct weir__dial *d, struct weir__stream *out)
{
    struct weir__addresses to;
    *out = (struct weir__stream){.fd = {.num = -1}};
    d->why[0] = '\0';
    weir_err err = weir__resolve(c, d->host, d->until, &to);
    if (err < 0) {
        snprintf(d->why, sizeof d->why, "%s",
                 to.why[0] != '\0'       ? to.why
                 : err == WEIR_ETIMEDOUT ? "no name server has answered in time"
                                         : weir_strerror(err));
        return err;
    }
    WEIR_ASSERT(to.count > 0, "N5: who is told without an error has addresses");
    if (to.count > WEIR__DIAL_TRIES_MAX)
        to.count = WEIR__DIAL_TRIES_MAX;
    if (to.count > 1)
        return race(c, d, &to, out);
    err = dial_endpoint(c, d, &to.list[0], out);
    if (err < 0) {
        char where[WEIR__ENDPOINT_TEXT_MAX];
        (void)weir__endpoint_format_ip(&to.list[0], where);
        bool is_known = weir_str_eq(weir_str_from(where), d->host);
        snprintf(d->why, sizeof d->why, "%s%s%s", is_known ? "" : where, is_known ? "" : ": ",
                 weir_strerror(err));
    }
    return err;
}
