/*
 * Pipes and transactions: commands that are collected and leave in one send. A transaction is the
 * same between MULTI and EXEC: as its commands stand together on the connection, it needs none of
 * its own, unless it watches keys.
 *
 * Owns what was added, until it is run or dropped, and the lease of a transaction that watches.
 * Context: the fiber that made it.
 */
#include "data/redis/redis.h"

#include <string.h>

#include "base/given.h"
#include "rt/fiber.h"
#include "rt/outside.h"
#include "rt/panic.h"

enum { COMMANDS_MAX = 1000000 };

struct weir_redis_pipe {
    struct weir__token token;
    weir_redis *redis;
    struct weir__ctx *c;
    const weir_site *site;
    const struct weir__fiber *fiber;
    struct weir__owned owned;
    struct weir__lease lease; /* of one that watches */
    struct weir__redis_conn *conn;
    bool is_multi;
    bool is_begun; /* something was added or is watched */
    bool may_wait; /* at the server: on a connection of its own */
    weir_err err;  /* the first of what was done since it was run */
    weir_buf out;
    uint32_t count; /* commands in it */
    weir_redis_value *values;
    const weir_redis_value *answers;
    size_t answer_count, next;
};

static weir_redis_pipe no_memory = {.token = WEIR__TOKEN_STATIC(WEIR__KIND_REDIS_PIPE),
                                    .err = -ENOMEM};

/* --- as an owned thing ------------------------------------------------------------------------ */

static void let_go(weir_redis_pipe *p)
{
    weir_buf_fini(&p->out);
    p->count = 0;
    p->is_begun = p->may_wait = false;
    p->conn = NULL;
    weir__lease_release(&p->lease);
}

static void release(struct weir__owned *o)
{
    let_go(WEIR_CONTAINER(o, weir_redis_pipe, owned));
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    const weir_redis_pipe *p = WEIR_CONTAINER(o, weir_redis_pipe, owned);
    weir_buf_printf(out, "of redis %s with %u commands, neither run nor dropped,", p->redis->name,
                    p->count);
}

static bool is_mistake(const struct weir__owned *o)
{
    return WEIR_CONTAINER(o, weir_redis_pipe, owned)->is_begun;
}

static const struct weir__owned_type pipe_type = {
    .name = "pipe", .release = release, .describe = describe};
static const struct weir__owned_type multi_type = {
    .name = "transaction", .release = release, .describe = describe, .is_mistake = is_mistake};

weir_redis_pipe *weir_redis_pipe_new_at(const weir_site *site, weir_ctx *handle, weir_redis *redis,
                                        bool is_multi)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    const char *function = is_multi ? "weir_redis_multi" : "weir_redis_pipe_new";
    struct weir__ctx *c = weir__ctx_of_at(handle, function);
    redis = weir__redis_of(redis, function);
    weir_redis_pipe *p = weir__ctx_object(c, sizeof *p);
    if (p == NULL) {
        (void)weir__later_refused(-ENOMEM);
        return &no_memory;
    }
    weir__token_open(&p->token, c, WEIR__KIND_REDIS_PIPE);
    p->redis = redis;
    p->c = c;
    p->site = site;
    p->fiber = weir__self->current;
    p->is_multi = is_multi;
    p->err = redis->err;
    weir_buf_init(&p->out, redis->err == WEIR_OK ? redis->o.command_bytes_max : 1);
    weir__own(c, &p->owned, is_multi ? &multi_type : &pipe_type, site);
    return weir__token_handle(&p->token);
}

/* The pipe behind a handle, of this fiber; without memory it has no client. */
static weir_redis_pipe *pipe_of(const weir_redis_pipe *handle, const char *function)
{
    weir_redis_pipe *p = weir__token_must(handle, WEIR__KIND_REDIS_PIPE, function, "the pipe");
    if (p->redis != NULL && p->fiber != weir__self->current)
        weir__misuse(function, "made at %s:%d by another fiber: each makes its own", p->site->file,
                     p->site->line);
    return p;
}

/* --- collecting ------------------------------------------------------------------------------- */

static weir_err refuse(weir_redis_pipe *p, const weir_site *site, const char *command, weir_err err,
                       const char *why)
{
    p->err = weir__redis_raise(p->redis, p->c, site, err, command, why);
    return weir__later_refused(p->err);
}

weir_err weir_redis_add_at(const weir_site *site, weir_redis_pipe *pipe, const char *command,
                           const weir_arg *args, size_t count)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_to("weir_redis_add", command, "the command");
    weir__given_some(args, count, "the array of values");
    weir_redis_pipe *p = pipe_of(pipe, "weir_redis_add");
    const struct weir__redis_words w = {command, args, count};
    const char *why = NULL;
    if (p->err != WEIR_OK)
        return weir__later_refused(p->err);
    enum weir__redis_use use = weir__redis_use(&w, &why);
    if (use == WEIR__REDIS_REFUSED)
        return refuse(p, site, command, WEIR_EINVALID, why);
    if (p->count == COMMANDS_MAX)
        return refuse(p, site, command, WEIR_ELIMIT, "a pipe has at most 1,000,000 commands");
    weir_err err = weir__redis_put(&p->out, &w, &why);
    if (err != WEIR_OK)
        return refuse(p, site, command, err, why != NULL ? why : weir_strerror(err));
    p->count++;
    p->is_begun = true;
    p->may_wait = p->may_wait || use != WEIR__REDIS_PLAIN;
    return WEIR_OK;
}

/* --- watching --------------------------------------------------------------------------------- */

static weir_err run_own(weir_redis_pipe *p, const weir_site *site, struct weir__redis_words *w,
                        weir_redis_value *v)
{
    struct weir__redis_call call = {.redis = p->redis,
                                    .c = p->c,
                                    .site = site,
                                    .what = w->command,
                                    .encode = weir__redis_encode_words,
                                    .arg = w,
                                    .f = {.c = p->c, .values = v, .count = 1}};
    weir_err err = weir__redis_run_on(&call, p->conn);
    if (err == WEIR_OK && v->kind == WEIR_REDIS_ERROR)
        err = weir__redis_raise_reply(p->redis, p->c, site, w->command, v->u.s);
    return err;
}

static weir_err lend(weir_redis_pipe *p, const weir_site *site)
{
    weir_err err = weir__redis_is_up(p->redis, p->c, site);
    if (err == WEIR_OK)
        err = weir__pool_acquire(p->redis->leases, p->c, site, &p->owned, &p->lease);
    if (err == WEIR_OK)
        p->conn = weir__lease_resource(&p->lease, "weir_redis_watch");
    return err;
}

weir_err weir_redis_watch_at(const weir_site *site, weir_redis_pipe *pipe, weir_arg key)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir_redis_pipe *p = pipe_of(pipe, "weir_redis_watch");
    struct weir__redis_words w = {"WATCH", &key, 1};
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    if (p->err != WEIR_OK)
        return weir__later_refused(p->err);
    if (!p->is_multi || p->count > 0)
        return refuse(p, site, "WATCH", WEIR_EINVALID,
                      p->is_multi ? "keys are watched before the first command is added"
                                  : "a pipe watches nothing: use weir_redis_multi");
    if (p->conn == NULL)
        p->err = lend(p, site);
    if (p->err != WEIR_OK)
        return p->err;
    p->is_begun = true;
    p->conn->is_watching = true;
    return p->err = run_own(p, site, &w, &v);
}

weir_err weir_redis_look_at(const weir_site *site, weir_redis_pipe *pipe, weir_redis_value *reply,
                            const char *command, const weir_arg *args, size_t count)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_to("weir_redis_look", command, "the command");
    weir__given_some(args, count, "the array of values");
    weir_redis_pipe *p = pipe_of(pipe, "weir_redis_look");
    struct weir__redis_words w = {command, args, count};
    weir_redis_value unwanted;
    const char *why = NULL;
    if (p->err != WEIR_OK)
        return weir__later_refused(p->err);
    if (p->conn == NULL)
        return refuse(p, site, command, WEIR_EINVALID, "nothing is watched: use weir_redis_cmd");
    if (weir__redis_use(&w, &why) != WEIR__REDIS_PLAIN)
        return refuse(p, site, command, WEIR_EINVALID, why != NULL ? why : "it may wait");
    return p->err = run_own(p, site, &w, reply != NULL ? reply : &unwanted);
}

/* --- running ---------------------------------------------------------------------------------- */

static weir_err encode_pipe(void *arg, weir_buf *out, const char **why)
{
    const weir_redis_pipe *p = arg;
    (void)why;
    if (p->is_multi)
        weir_buf_puts(out, WEIR_S("*1\r\n$5\r\nMULTI\r\n"));
    weir_buf_puts(out, weir_buf_str(&p->out));
    if (p->is_multi)
        weir_buf_puts(out, WEIR_S("*1\r\n$4\r\nEXEC\r\n"));
    return out->err;
}

/* The first of the answers that is an error; NULL: there is none. */
static const weir_redis_value *first_error(const weir_redis_value *answers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (answers[i].kind == WEIR_REDIS_ERROR)
            return &answers[i];
    }
    return NULL;
}

/* Of MULTI, each command's QUEUED, and EXEC with all answers. */
static weir_err read_exec(weir_redis_pipe *p, const weir_site *site, uint32_t count)
{
    const weir_redis_value *exec = &p->values[count - 1], *bad = first_error(p->values, count);
    if (exec->kind == WEIR_REDIS_ARRAY) {
        p->answers = exec->u.list.items;
        p->answer_count = exec->u.list.len;
        return WEIR_OK;
    }
    if (exec->kind == WEIR_REDIS_NULL && bad == NULL)
        return weir__redis_raise(p->redis, p->c, site, WEIR_ECHANGED, "EXEC",
                                 "what was watched has changed; nothing was done");
    if (bad != NULL)
        return weir__redis_raise_reply(p->redis, p->c, site, "EXEC", bad->u.s);
    return weir__redis_raise_kind(p->redis, p->c, site, "EXEC");
}

static weir_err send_and_read(weir_redis_pipe *p, const weir_site *site)
{
    uint32_t count = p->count + (p->is_multi ? 2 : 0);
    p->values = weir__ctx_object(p->c, count * sizeof *p->values);
    if (p->values == NULL)
        return weir__wait_refused(-ENOMEM);
    struct weir__redis_call call = {.redis = p->redis,
                                    .c = p->c,
                                    .site = site,
                                    .what = p->is_multi ? "a transaction" : "a pipe",
                                    .encode = encode_pipe,
                                    .arg = p,
                                    .f = {.c = p->c, .values = p->values, .count = count}};
    weir_err err =
        p->conn != NULL ? weir__redis_run_on(&call, p->conn) : weir__redis_run(&call, p->may_wait);
    if (err != WEIR_OK)
        return err;
    if (p->conn != NULL)
        p->conn->is_watching = false;
    if (p->is_multi)
        err = read_exec(p, site, count);
    else
        p->answers = p->values, p->answer_count = count;
    const weir_redis_value *bad = err == WEIR_OK ? first_error(p->answers, p->answer_count) : NULL;
    if (bad != NULL)
        err = weir__redis_raise_reply(p->redis, p->c, site, call.what, bad->u.s);
    return err;
}

weir_err weir_redis_run_at(const weir_site *site, weir_redis_pipe *pipe)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir_redis_pipe *p = pipe_of(pipe, "weir_redis_run");
    if (p->redis == NULL)
        return weir__later_refused(p->err);
    p->answers = NULL;
    p->answer_count = p->next = 0;
    weir_err err = p->err;
    if (err == WEIR_OK && p->count > 0)
        err = send_and_read(p, site);
    else if (err != WEIR_OK)
        (void)weir__later_refused(err);
    let_go(p);
    p->err = p->redis->err; /* it may be filled again */
    return err;
}

const weir_redis_value *weir_redis_next(weir_redis_pipe *pipe)
{
    WEIR__FIBERS_ONLY(NULL);
    weir_redis_pipe *p = pipe_of(pipe, __func__);
    return p->next < p->answer_count ? &p->answers[p->next++] : NULL;
}

void weir_redis_drop(weir_redis_pipe *pipe)
{
    WEIR__FIBERS_ONLY();
    weir_redis_pipe *p = pipe_of(pipe, __func__);
    if (p->redis == NULL)
        return;
    let_go(p);
    p->err = p->redis->err;
}
