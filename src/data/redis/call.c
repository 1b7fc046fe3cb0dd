/*
 * What a fiber does with a command: a share of its worker's connection, the bytes behind those of
 * the others, and the wait for its answer. On the way of every command, so nothing is allocated and
 * nothing is owned: the share stands on the fiber's stack and goes back by a clean-up.
 *
 * The one hard thing is when a command may go to another connection. Only what was not given to the
 * stream at all is known not to have been done (R5); everything else is told, and the caller
 * decides.
 */
#include "data/redis/redis.h"

#include "base/given.h"
#include "rt/fiber.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/scope.h"

enum { AGAIN = 1 }; /* nothing was sent */

/* A share is given back by its call, whatever happens: no context need own it. */
static struct weir__owned nobody;

weir_redis *weir__redis_of(const weir_redis *handle, const char *function)
{
    return weir__token_must(handle, WEIR__KIND_REDIS, function, "the Redis client");
}

/* --- errors in words -------------------------------------------------------------------------- */

weir_err weir__redis_raise(const weir_redis *redis, struct weir__ctx *c, const weir_site *site,
                           weir_err err, const char *what, const char *why)
{
    return weir_raise_at(site, weir__ctx_handle(c), err, 0, "redis %s: %.60s: %s", redis->name,
                         what, why);
}

weir_err weir__redis_raise_kind(const weir_redis *redis, struct weir__ctx *c, const weir_site *site,
                                const char *what)
{
    return weir__redis_raise(redis, c, site, WEIR_EPROTO, what,
                             "the answer is not of the command's kind");
}

/*
 * The server takes no writes: after a failover the name may lead to another one. What is open here
 * goes when it is free, and the next command dials; no more than once a second, for one that never
 * takes writes.
 */
static void look_elsewhere(weir_redis *redis)
{
    struct weir__redis_seat *seat = weir__redis_seat(redis);
    weir_time again = weir_time_add(seat->retired, weir_sec(1));
    if (seat->retired.ns != 0 && weir_time_before(weir__self->now, again))
        return;
    seat->retired = weir__self->now;
    weir__shared_pool_retire(redis->shared, (weir_str){NULL, 0});
    weir__pool_retire_all(redis->leases);
}

weir_err weir__redis_raise_reply(weir_redis *redis, struct weir__ctx *c, const weir_site *site,
                                 const char *what, weir_str words)
{
    weir_err err = weir__redis_code(words);
    if (err == WEIR_EREADONLY)
        look_elsewhere(redis);
    const char *hint = err == WEIR_ECLUSTER ? " (clusters are not spoken: give a node that has all "
                                              "keys, or a proxy)"
                                            : "";
    return weir_raise_at(site, weir__ctx_handle(c), err, 0, "redis %s: %.60s: %.*s%s", redis->name,
                         what, (int)(words.len < 300 ? words.len : 300), words.ptr, hint);
}

/* The connection is over; something of the command had been sent. */
static weir_err raise_cut(const struct weir__redis_call *call, const struct weir__redis_conn *conn)
{
    bool is_told = conn->err == WEIR_ETIMEDOUT || conn->err == WEIR_EPROTO ||
                   conn->err == WEIR_ETOOLARGE || conn->err == -ENOMEM;
    weir_err err = is_told ? conn->err : WEIR_EGONE;
    weir__counter_add(&conn->seat->n.cut, 1);
    return weir_raise_at(call->site, weir__ctx_handle(call->c), err, 0,
                         "redis %s: %.60s: %s; it had been sent, and may have been done",
                         call->redis->name, call->what, conn->why);
}

static weir_err raise_encoding(const struct weir__redis_call *call, weir_err err, const char *why)
{
    if (why == NULL)
        why =
            err == WEIR_ETOOLARGE ? "it has more bytes than command_bytes_max" : weir_strerror(err);
    return weir__wait_refused(
        weir__redis_raise(call->redis, call->c, call->site, err, call->what, why));
}

/* --- on a connection -------------------------------------------------------------------------- */

static void leave_conn(struct weir__redis_conn **conn)
{
    weir__redis_conn_leave(*conn);
}

/* WEIR_OK, AGAIN, or an error that has been raised where that is to be done. */
static int fly(struct weir__redis_call *call, struct weir__redis_conn *at)
{
    struct weir__redis_conn *conn __attribute__((cleanup(leave_conn))) = at;
    const char *why = NULL;
    conn->users++;
    if (WEIR_UNLIKELY(conn->out.len - conn->out_at > WEIR__REDIS_UNSENT_MAX)) {
        weir_err err = weir__redis_await_room(conn, call->c);
        if (err != WEIR_OK)
            return conn->is_over ? AGAIN : err;
    }
    if (WEIR_UNLIKELY(conn->is_over))
        return AGAIN;
    size_t from = conn->out.len;
    weir_err err = call->encode(call->arg, &conn->out, &why);
    if (WEIR_LIKELY(err == WEIR_OK) && conn->out.len - from > call->redis->o.command_bytes_max)
        err = WEIR_ETOOLARGE;
    if (WEIR_UNLIKELY(err != WEIR_OK)) {
        conn->out.len = from;
        conn->out.err = WEIR_OK;
        return raise_encoding(call, err, why);
    }
    err = weir__redis_fly(conn, &call->f, from, weir_never());
    if (WEIR_LIKELY(err == WEIR_OK) || call->c->reason != WEIR_REASON_NONE)
        return err;
    if (!conn->is_over || call->f.got == call->f.count)
        return weir__redis_raise(call->redis, call->c, call->site, err, call->what,
                                 weir_strerror(err));
    return call->f.was_sent ? raise_cut(call, conn) : AGAIN;
}

weir_err weir__redis_run_on(struct weir__redis_call *call, struct weir__redis_conn *conn)
{
    int rc = fly(call, conn);
    if (rc != AGAIN)
        return rc;
    return weir__redis_raise(call->redis, call->c, call->site, WEIR_EGONE, call->what, conn->why);
}

/* --- which connection ------------------------------------------------------------------------- */

/* The worker's, beside others. */
static int run_shared(struct weir__redis_call *call)
{
    struct weir__share share __attribute__((cleanup(weir__share_release))) = {.broken = NULL};
    weir_err err = weir__shared_pool_acquire(call->redis->shared, call->c, (weir_str){NULL, 0},
                                             call->site, &nobody, &share);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    struct weir__redis_conn *conn = weir__share_resource(&share, "weir_redis_cmd");
    if (WEIR_UNLIKELY(conn == NULL || share.is_broken))
        return AGAIN;
    return fly(call, conn);
}

/* One for itself. */
static int run_lent(struct weir__redis_call *call)
{
    struct weir__lease lease __attribute__((cleanup(weir__lease_release))) = {.slot = NULL};
    weir_err err = weir__pool_acquire(call->redis->leases, call->c, call->site, NULL, &lease);
    if (err != WEIR_OK)
        return err;
    struct weir__redis_conn *conn = weir__lease_resource(&lease, "weir_redis_cmd");
    call->f.may_block = true;
    int rc = fly(call, conn);
    if (rc != WEIR_OK && !weir__redis_conn_is_clean(conn))
        weir__lease_break(&lease);
    return rc;
}

weir_err weir__redis_run(struct weir__redis_call *call, bool needs_own)
{
    for (int tries = 0; tries < WEIR__REDIS_TRIES_MAX; tries++) {
        weir_err err = weir__redis_is_up(call->redis, call->c, call->site);
        if (WEIR_UNLIKELY(err != WEIR_OK))
            return err;
        int rc = needs_own ? run_lent(call) : run_shared(call);
        if (WEIR_LIKELY(rc != AGAIN))
            return rc;
        weir__counter_add(&weir__redis_seat(call->redis)->n.retries, 1);
    }
    return weir__wait_refused(weir__redis_raise(call->redis, call->c, call->site, WEIR_ECLOSED,
                                                call->what,
                                                "connections were closed before it was sent"));
}

/* --- one command ------------------------------------------------------------------------------ */

weir_err weir__redis_encode_words(void *arg, weir_buf *out, const char **why)
{
    return weir__redis_put(out, arg, why);
}

static weir_err refuse_command(const weir_redis *redis, struct weir__ctx *c, const weir_site *site,
                               const struct weir__redis_words *w, const char *hint)
{
    return weir__wait_refused(
        weir_raise_at(site, weir__ctx_handle(c), WEIR_EINVALID, 0,
                      "redis %s: %.60s is not sent on a connection that carries other commands: %s",
                      redis->name, w->command, hint));
}

weir_err weir__redis_command(weir_redis *redis, struct weir__ctx *c, const weir_site *site,
                             const struct weir__redis_words *w, weir_redis_value *reply)
{
    const char *hint;
    weir_redis_value unwanted;
    if (WEIR_UNLIKELY(redis->err != WEIR_OK))
        return weir__wait_refused(redis->err);
    enum weir__redis_use use = weir__redis_use(w, &hint);
    if (WEIR_UNLIKELY(use >= WEIR__REDIS_BEHIND))
        return refuse_command(redis, c, site, w, hint);
    weir_redis_value *out = reply != NULL ? reply : &unwanted;
    *out = (weir_redis_value){.kind = WEIR_REDIS_NULL};
    struct weir__redis_call call = {.redis = redis,
                                    .c = c,
                                    .site = site,
                                    .what = w->command,
                                    .encode = weir__redis_encode_words,
                                    .arg = (void *)(uintptr_t)w,
                                    .f = {.c = c, .values = out, .count = 1}};
    weir_err err = weir__redis_run(&call, use == WEIR__REDIS_BLOCKS);
    if (WEIR_UNLIKELY(err != WEIR_OK))
        return err;
    if (WEIR_UNLIKELY(out->kind == WEIR_REDIS_ERROR))
        return weir__redis_raise_reply(redis, c, site, w->command, out->u.s);
    return WEIR_OK;
}

weir_err weir_redis_cmd_at(const weir_site *site, weir_ctx *c, weir_redis *redis,
                           weir_redis_value *reply, const char *command, const weir_arg *args,
                           size_t count)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_to("weir_redis_cmd", command, "the command");
    weir__given_some(args, count, "the array of values");
    struct weir__ctx *ctx = weir__ctx_of_at(c, "weir_redis_cmd");
    redis = weir__redis_of(redis, "weir_redis_cmd");
    const struct weir__redis_words w = {command, args, count};
    return weir__redis_command(redis, ctx, site, &w, reply);
}
