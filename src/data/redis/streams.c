/*
 * Consumers of groups. A consumer reads in batches, each in a context of its own, so that a loop
 * over entries takes no more memory than a batch. What it asks for goes in three rounds: first its
 * own entries that were never acknowledged (it was ended in the middle of them), then, every so
 * often, what others have left lying, then what is new, for which it waits at the server on a
 * connection that is lent for that long and no longer.
 *
 * Owns the batch. Context: the fiber that made it.
 */
#include "data/redis/redis.h"

#include <string.h>

#include "base/given.h"
#include "base/sized.h"
#include "rt/fiber.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/sized.h"

enum { BLOCK_MS = 5000, BATCH_DEFAULT = 32, BATCH_MAX = 10000 };

struct weir_redis_consumer {
    struct weir__token token;
    weir_redis *redis;
    struct weir__ctx *c;
    const weir_site *site;
    const struct weir__fiber *fiber;
    struct weir__owned owned;
    weir_err err; /* why it could not be made */
    const char *stream, *group, *consumer, *from;
    uint32_t batch_max;
    weir_dur claim_after;
    weir_time claim_at; /* when others' entries are looked for next */
    char own_from[48];  /* the own ones that were not acknowledged, from here on; "": no more */
    char claim_from[48];
    struct weir__ctx *batch; /* where the entries are; NULL: there are none */
    const weir_redis_value *entries;
    size_t count, next;
    bool is_again;
};

static weir_redis_consumer no_memory = {.token = WEIR__TOKEN_STATIC(WEIR__KIND_REDIS_CONSUMER),
                                        .err = -ENOMEM};

/* --- batches ---------------------------------------------------------------------------------- */

static void end_batch(weir_redis_consumer *s)
{
    struct weir__ctx *batch = s->batch;
    s->batch = NULL;
    s->entries = NULL;
    s->count = s->next = 0;
    if (batch != NULL)
        weir__ctx_end(batch);
}

/* The context ends the batch's by itself: it is a child of it. */
static void release(struct weir__owned *o)
{
    weir_redis_consumer *s = WEIR_CONTAINER(o, weir_redis_consumer, owned);
    s->batch = NULL;
    s->entries = NULL;
    s->count = s->next = 0;
    s->err = WEIR_ECLOSED;
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    const weir_redis_consumer *s = WEIR_CONTAINER(o, weir_redis_consumer, owned);
    weir_buf_printf(out, "%s of %s, %s", s->consumer, s->group, s->stream);
}

static const struct weir__owned_type consumer_type = {
    .name = "redis consumer", .release = release, .describe = describe};

/* By when an answer must be there to what waits at the server for so long; 0: it does not. */
static weir_time end_of_patience(const weir_redis_consumer *s, int64_t block_ms)
{
    const weir_redis_options *o = &s->redis->o;
    if (block_ms == 0)
        return weir_never(); /* silence ends its connection */
    weir_dur most = weir_ns(block_ms * 1000000 + o->dial_timeout.ns + o->answer_timeout.ns);
    return weir_time_add(weir__worker_now(weir__self), most);
}

/* Runs a command for the batch, in a context of its own, which is the batch's on success. */
static weir_err ask(weir_redis_consumer *s, const struct weir__redis_words *w, int64_t block_ms,
                    weir_redis_value *v)
{
    end_batch(s);
    struct weir__ctx *batch = weir__ctx_new(s->c, end_of_patience(s, block_ms), 0, s->site);
    if (batch == NULL)
        return weir__wait_refused(-ENOMEM);
    weir_err err = weir__redis_command(s->redis, batch, s->site, w, v);
    if (err != WEIR_OK) {
        bool is_silent = batch->error == NULL && batch->reason == WEIR_REASON_DEADLINE;
        if (is_silent && s->c->reason == WEIR_REASON_NONE)
            (void)weir__redis_raise(s->redis, s->c, s->site, err, w->command,
                                    "the server is silent");
        weir__ctx_hand_up_error(batch, s->c);
        weir__ctx_end(batch);
        return err;
    }
    s->batch = batch;
    return WEIR_OK;
}

static bool is_entry(const weir_redis_value *v)
{
    return v->kind == WEIR_REDIS_ARRAY && v->u.list.len == 2 &&
           weir_redis_is_text(&v->u.list.items[0]);
}

static weir_err take_entries(weir_redis_consumer *s, const weir_redis_value *entries, bool is_again)
{
    if (entries == NULL || !weir_redis_is_list(entries))
        return WEIR_OK;
    for (size_t i = 0; i < entries->u.list.len; i++) {
        const weir_redis_value *e = &entries->u.list.items[i];
        if (!is_entry(e) && e->kind != WEIR_REDIS_NULL) /* claimed, and deleted before */
            return weir__redis_raise_kind(s->redis, s->c, s->site, s->stream);
    }
    s->entries = entries->u.list.items;
    s->count = entries->u.list.len;
    s->is_again = is_again;
    return WEIR_OK;
}

/* --- three rounds ----------------------------------------------------------------------------- */

/* Of XREADGROUP: the entries of the one stream. Version 3 has a map of it, version 2 a list. */
static const weir_redis_value *entries_of(const weir_redis_value *v)
{
    if (!weir_redis_is_list(v) || v->u.list.len == 0)
        return NULL;
    const weir_redis_value *items = v->u.list.items;
    if (v->kind == WEIR_REDIS_MAP)
        return &items[1];
    return weir_redis_is_list(&items[0]) && items[0].u.list.len == 2 ? &items[0].u.list.items[1]
                                                                     : NULL;
}

static weir_err read_group(weir_redis_consumer *s, const char *from, int64_t block_ms,
                           bool is_again)
{
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    weir_arg args[12];
    size_t n = 0;
    args[n++] = weir_arg_text("GROUP");
    args[n++] = weir_arg_text(s->group);
    args[n++] = weir_arg_text(s->consumer);
    args[n++] = weir_arg_text("COUNT");
    args[n++] = weir_arg_int(s->batch_max);
    if (block_ms > 0) {
        args[n++] = weir_arg_text("BLOCK");
        args[n++] = weir_arg_int(block_ms);
    }
    args[n++] = weir_arg_text("STREAMS");
    args[n++] = weir_arg_text(s->stream);
    args[n++] = weir_arg_text(from);
    weir_err err = ask(s, &(struct weir__redis_words){"XREADGROUP", args, n}, block_ms, &v);
    return err == WEIR_OK ? take_entries(s, entries_of(&v), is_again) : err;
}

/* The id of the last entry, as where to go on; too long for one: there is no more. */
static void go_on_behind(weir_redis_consumer *s)
{
    const weir_redis_value *last = s->count > 0 ? &s->entries[s->count - 1] : NULL;
    s->own_from[0] = '\0';
    if (last == NULL || last->kind == WEIR_REDIS_NULL)
        return;
    weir_str id = last->u.list.items[0].u.s;
    if (id.len >= sizeof s->own_from)
        return;
    memcpy(s->own_from, id.ptr, id.len);
    s->own_from[id.len] = '\0';
}

static weir_err read_own(weir_redis_consumer *s)
{
    char from[sizeof s->own_from];
    memcpy(from, s->own_from, sizeof from);
    weir_err err = read_group(s, from, 0, true);
    if (err == WEIR_OK)
        go_on_behind(s);
    return err;
}

/* XAUTOCLAIM: where to go on, and entries. */
static weir_err claim(weir_redis_consumer *s)
{
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    const weir_arg args[] = {
        weir_arg_text(s->stream),     weir_arg_text(s->group),
        weir_arg_text(s->consumer),   weir_arg_int(s->claim_after.ns / 1000000),
        weir_arg_text(s->claim_from), weir_arg_text("COUNT"),
        weir_arg_int(s->batch_max)};
    const struct weir__redis_words w = {"XAUTOCLAIM", args, sizeof args / sizeof args[0]};
    weir_err err = ask(s, &w, 0, &v);
    if (err != WEIR_OK)
        return err;
    if (v.kind != WEIR_REDIS_ARRAY || v.u.list.len < 2 || !weir_redis_is_text(&v.u.list.items[0]) ||
        v.u.list.items[0].u.s.len >= sizeof s->claim_from)
        return weir__redis_raise_kind(s->redis, s->c, s->site, "XAUTOCLAIM");
    weir_str next = v.u.list.items[0].u.s;
    bool is_round = weir_str_eq(next, WEIR_S("0-0"));
    memcpy(s->claim_from, next.ptr, next.len);
    s->claim_from[next.len] = '\0';
    if (is_round) /* all were looked at: again when a first one may have become old enough */
        s->claim_at = weir_time_add(weir__self->now, weir_ns(s->claim_after.ns / 2));
    return take_entries(s, &v.u.list.items[1], true);
}

/* How long to wait for new ones: not past the next look at others'. */
static int64_t block_ms(const weir_redis_consumer *s)
{
    int64_t ms = BLOCK_MS;
    if (s->claim_after.ns > 0) {
        int64_t left = weir_time_sub(s->claim_at, weir__self->now).ns / 1000000;
        ms = left < ms ? left : ms;
    }
    return ms > 1 ? ms : 1;
}

static weir_err read_more(weir_redis_consumer *s)
{
    if (s->own_from[0] != '\0')
        return read_own(s);
    if (s->claim_after.ns > 0 && !weir_time_before(weir__self->now, s->claim_at))
        return claim(s);
    return read_group(s, ">", block_ms(s), false);
}

/* --- the calls -------------------------------------------------------------------------------- */

static weir_redis_consumer *consumer_of(const weir_redis_consumer *handle, const char *function)
{
    weir_redis_consumer *s =
        weir__token_must(handle, WEIR__KIND_REDIS_CONSUMER, function, "the consumer");
    if (s->redis != NULL && s->fiber != weir__self->current)
        weir__misuse(function, "made at %s:%d by another fiber: each makes its own", s->site->file,
                     s->site->line);
    return s;
}

weir_err weir_redis_consumer_next_at(weir_redis_consumer *consumer, weir_redis_entry *out,
                                     size_t size)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_to("weir_redis_consumer_next", out, "the entry");
    weir_redis_consumer *s = consumer_of(consumer, "weir_redis_consumer_next");
    if (s->err != WEIR_OK)
        return weir__later_refused(s->err);
    for (;;) {
        while (s->next < s->count) {
            const weir_redis_value *e = &s->entries[s->next++];
            if (e->kind == WEIR_REDIS_NULL)
                continue;
            const weir_redis_entry entry = {.id = e->u.list.items[0].u.s,
                                            .fields = e->u.list.items[1],
                                            .is_again = s->is_again};
            weir__sized_fill(out, size, &entry, sizeof entry);
            return WEIR_OK;
        }
        weir_err err = read_more(s);
        if (err != WEIR_OK)
            return err;
    }
}

weir_err weir_redis_ack(weir_redis_consumer *consumer, weir_str id)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir_redis_consumer *s = consumer_of(consumer, "weir_redis_ack");
    if (s->err != WEIR_OK)
        return weir__later_refused(s->err);
    const weir_arg args[] = {weir_arg_text(s->stream), weir_arg_text(s->group), weir_arg_str(id)};
    const struct weir__redis_words w = {"XACK", args, 3};
    return weir__redis_command(s->redis, s->c, s->site, &w, NULL);
}

/* The group is made, unless it is there. */
static weir_err make_group(weir_redis_consumer *s)
{
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    const weir_arg args[] = {weir_arg_text(s->stream), weir_arg_text(s->group),
                             weir_arg_text(s->from), weir_arg_text("MKSTREAM")};
    const struct weir__redis_words w = {"XGROUP CREATE", args, 4};
    weir_err err = weir__redis_command(s->redis, s->c, s->site, &w, &v);
    if (err != WEIR_EDB || v.kind != WEIR_REDIS_ERROR ||
        !weir_str_starts(v.u.s, WEIR_S("BUSYGROUP")))
        return err;
    weir_error_clear(weir__ctx_handle(s->c));
    return WEIR_OK;
}

static const char *keep(struct weir__ctx *c, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = weir__ctx_object(c, size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

static void check_options(const weir_redis_consume_options *o)
{
    if (o->group == NULL || o->consumer == NULL)
        weir__misuse("weir_redis_consume", "it has no .group or no .consumer");
    if (o->batch > BATCH_MAX)
        weir__misuse("weir_redis_consume", "batch is %u; allowed: 1 to 10,000", o->batch);
    if (o->claim_after.ns < 0 || (o->claim_after.ns > 0 && o->claim_after.ns < 1000000) ||
        o->claim_after.ns > weir_hour(24).ns)
        weir__misuse("weir_redis_consume", "claim_after is not within 1 ms to 24 h");
}

weir_redis_consumer *weir_redis_consume_at(const weir_site *site, weir_ctx *handle,
                                           weir_redis *redis, const char *stream,
                                           const weir_redis_consume_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    static const char function[] = "weir_redis_consume";
    weir_redis_consume_options room;
    weir__given_to(function, stream, "the stream");
    struct weir__ctx *c = weir__ctx_of_at(handle, function);
    redis = weir__redis_of(redis, function);
    options = weir__options(options, &room, sizeof room, function);
    check_options(options);
    weir_redis_consumer *s = weir__ctx_object(c, sizeof *s);
    if (s == NULL) {
        (void)weir__later_refused(-ENOMEM);
        return &no_memory;
    }
    weir__token_open(&s->token, c, WEIR__KIND_REDIS_CONSUMER);
    s->redis = redis;
    s->c = c;
    s->site = site;
    s->fiber = weir__self->current;
    s->batch_max = options->batch > 0 ? options->batch : BATCH_DEFAULT;
    s->claim_after = options->claim_after;
    s->claim_at = weir__self->now;
    s->stream = keep(c, stream);
    s->group = keep(c, options->group);
    s->consumer = keep(c, options->consumer);
    s->from = keep(c, options->from != NULL ? options->from : "$");
    memcpy(s->own_from, "0", 2);
    memcpy(s->claim_from, "0-0", 4);
    if (s->stream == NULL || s->group == NULL || s->consumer == NULL || s->from == NULL) {
        s->err = weir__later_refused(-ENOMEM);
        return weir__token_handle(&s->token);
    }
    weir__own(c, &s->owned, &consumer_type, site);
    s->err = redis->err != WEIR_OK ? weir__later_refused(redis->err) : make_group(s);
    return weir__token_handle(&s->token);
}
