/*
 * Subscriptions: each a bounded queue of what was published to its channel. All of a worker's share
 * one connection, the hub's, which a fiber of its own dials, and dials again when it was lost; then
 * every channel is asked for anew, and each queue gets a mark that there was a gap.
 *
 * The one hard thing is who is told when: a subscription is made when the server has confirmed its
 * channel, and confirmations come in the order of the questions, errors without a name among them.
 * So what was asked is kept in a list until it is answered.
 *
 * Owns the hub, its channels, and the messages that wait. Context: one worker.
 */
#include "data/redis/redis.h"

#include <string.h>

#include "base/alloc.h"
#include "base/given.h"
#include "base/map.h"
#include "base/sized.h"
#include "rt/fiber.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/scope.h"
#include "rt/sized.h"

enum { CHANNELS_MAX = 1 << 20, CHANNEL_BYTES_MAX = 1024 };

enum channel_state { UNASKED, ASKED, CONFIRMED };

struct channel {
    struct weir__list subs; /* weir_redis_subscription.in_channel */
    enum channel_state state;
    bool was_lost; /* it had been confirmed on a connection that is gone */
    bool is_pattern;
    weir_str name;
    char bytes[];
};

/* What was asked, in order. */
struct ask {
    struct weir__list in_hub;
    bool is_subscribe; /* else UNSUBSCRIBE, PING */
    bool is_pattern;
    size_t len;
    char name[];
};

struct weir__redis_hub {
    struct weir__redis_seat *seat;
    struct weir__redis_conn *conn; /* NULL: there is none */
    struct weir__map channels[2];  /* by name; patterns */
    struct weir__list asks;        /* ask.in_hub */
    struct weir__list rest; /* weir__wait.in_object: its fiber, while nothing is to be done */
    size_t subs;
    bool is_running;
};

struct message {
    struct weir__list in_queue;
    bool is_gap;
    size_t channel_len, len;
    char bytes[]; /* channel, NUL, payload, NUL */
};

struct weir_redis_subscription {
    struct weir__token token;
    weir_err err;                /* why it could not be made, or has ended */
    struct weir__redis_hub *hub; /* R7; NULL: it has ended */
    struct channel *channel;
    struct weir__list in_channel;
    struct weir__owned owned;
    struct weir__list queue; /* message.in_queue */
    struct weir__list waits; /* weir__wait.in_object: who receives, or makes it */
    uint32_t count, queue_max;
    uint64_t bytes, bytes_max, lost;
    bool is_confirmed;
    struct message *current; /* what was received last */
};

static weir_redis_subscription no_memory = {
    .token = WEIR__TOKEN_STATIC(WEIR__KIND_REDIS_SUBSCRIPTION), .err = -ENOMEM};

/* --- queues ----------------------------------------------------------------------------------- */

static void wake(weir_redis_subscription *s, weir_err err)
{
    while (weir__wake_first(&s->waits, err)) {
    }
}

static struct message *pop_message(weir_redis_subscription *s)
{
    struct weir__list *node = weir__list_pop_front(&s->queue);
    if (node == NULL)
        return NULL;
    struct message *m = WEIR_CONTAINER(node, struct message, in_queue);
    if (!m->is_gap) {
        s->count--;
        s->bytes -= m->channel_len + m->len;
    }
    return m;
}

static void lose(weir_redis_subscription *s)
{
    s->lost++;
    weir__counter_add(&s->hub->seat->n.lost, 1);
}

/* The oldest that is a message goes. */
static void drop_oldest(weir_redis_subscription *s)
{
    WEIR_LIST_EACH(node, &s->queue) {
        struct message *m = WEIR_CONTAINER(node, struct message, in_queue);
        if (m->is_gap)
            continue;
        weir__list_remove(node);
        s->count--;
        s->bytes -= m->channel_len + m->len;
        weir__free(m);
        lose(s);
        return;
    }
}

static void put_gap(weir_redis_subscription *s)
{
    struct message *m = weir__calloc(1, sizeof *m);
    if (m == NULL) { /* told with the next message instead: something was lost */
        lose(s);
        return;
    }
    m->is_gap = true;
    weir__list_push_back(&s->queue, &m->in_queue);
    weir__counter_add(&s->hub->seat->n.gaps, 1);
    wake(s, WEIR_OK);
}

static void put_message(weir_redis_subscription *s, weir_str channel, weir_str payload)
{
    size_t size = channel.len + payload.len;
    struct message *m = size <= s->bytes_max ? weir__malloc(sizeof *m + size + 2) : NULL;
    if (m == NULL) {
        lose(s);
        return;
    }
    while (s->count > 0 && (s->count >= s->queue_max || s->bytes + size > s->bytes_max))
        drop_oldest(s);
    *m = (struct message){.channel_len = channel.len, .len = payload.len};
    if (channel.len > 0)
        memcpy(m->bytes, channel.ptr, channel.len);
    m->bytes[channel.len] = '\0';
    if (payload.len > 0)
        memcpy(m->bytes + channel.len + 1, payload.ptr, payload.len);
    m->bytes[size + 1] = '\0';
    weir__list_push_back(&s->queue, &m->in_queue);
    s->count++;
    s->bytes += size;
    weir__counter_add(&s->hub->seat->n.messages, 1);
    wake(s, WEIR_OK);
}

/* --- what is asked ---------------------------------------------------------------------------- */

static weir_err ask(struct weir__redis_hub *hub, const char *command, weir_str name,
                    bool is_subscribe, bool is_pattern)
{
    const char *why;
    struct ask *a = weir__malloc(sizeof *a + name.len);
    size_t from = hub->conn->out.len;
    const weir_arg arg = weir_arg_str(name);
    const struct weir__redis_words w = {command, &arg, name.ptr != NULL};
    if (a == NULL || weir__redis_put(&hub->conn->out, &w, &why) != WEIR_OK) {
        weir__free(a);
        return -ENOMEM;
    }
    *a = (struct ask){.is_subscribe = is_subscribe, .is_pattern = is_pattern, .len = name.len};
    if (name.ptr != NULL)
        memcpy(a->name, name.ptr, name.len);
    weir__list_push_back(&hub->asks, &a->in_hub);
    weir__redis_send(hub->conn, from);
    return WEIR_OK;
}

/* Asks for a channel, where there is a connection; else the fiber will. */
static void ask_channel(struct weir__redis_hub *hub, struct channel *ch)
{
    if (hub->conn == NULL || ch->state != UNASKED)
        return;
    if (ask(hub, ch->is_pattern ? "PSUBSCRIBE" : "SUBSCRIBE", ch->name, true, ch->is_pattern) ==
        WEIR_OK)
        ch->state = ASKED;
    else
        weir__redis_conn_end(hub->conn, -ENOMEM, "there is no memory for a subscription");
}

/* --- channels --------------------------------------------------------------------------------- */

static struct channel *channel_of(struct weir__redis_hub *hub, weir_str name, bool is_pattern)
{
    struct channel *ch = weir__map_get(&hub->channels[is_pattern], name);
    if (ch != NULL)
        return ch;
    ch = weir__calloc(1, sizeof *ch + name.len + 1);
    if (ch == NULL)
        return NULL;
    weir__list_init(&ch->subs);
    ch->is_pattern = is_pattern;
    memcpy(ch->bytes, name.ptr, name.len);
    ch->name = (weir_str){ch->bytes, name.len};
    if (weir__map_put(&hub->channels[is_pattern], ch->name, ch) != WEIR_OK) {
        weir__free(ch);
        return NULL;
    }
    return ch;
}

/* R7: nobody wants it any more. */
static void leave_channel(weir_redis_subscription *s)
{
    struct weir__redis_hub *hub = s->hub;
    struct channel *ch = s->channel;
    weir__list_remove(&s->in_channel);
    s->channel = NULL;
    if (!weir__list_empty(&ch->subs))
        return;
    if (hub->conn != NULL && !hub->conn->is_over && ch->state != UNASKED)
        (void)ask(hub, ch->is_pattern ? "PUNSUBSCRIBE" : "UNSUBSCRIBE", ch->name, false,
                  ch->is_pattern);
    (void)weir__map_remove(&hub->channels[ch->is_pattern], ch->name);
    weir__free(ch);
}

/* It ends, with what is told from now on. What is in its queue may still be received. */
static void end(weir_redis_subscription *s, weir_err err)
{
    struct weir__redis_hub *hub = s->hub;
    if (hub == NULL)
        return;
    leave_channel(s);
    s->hub = NULL;
    s->err = err;
    WEIR_ASSERT(hub->subs > 0, "R7: a subscription is counted from its making to its end");
    weir__gauge_add(&hub->seat->n.subscriptions, -1);
    if (--hub->subs == 0)
        (void)weir__wake_first(&hub->rest, WEIR_OK);
    wake(s, WEIR_OK);
}

/* Of a channel that the server refuses: those who wait for its confirmation, and all others. */
static void fail_channel(struct weir__redis_hub *hub, weir_str name, bool is_pattern, weir_err err)
{
    struct channel *ch = weir__map_get(&hub->channels[is_pattern], name);
    while (ch != NULL) {
        struct weir__list *first = ch->subs.next;
        bool is_last = first->next == &ch->subs;
        ch->state = is_last ? UNASKED : ch->state; /* there is nothing to unsubscribe from */
        end(WEIR_CONTAINER(first, weir_redis_subscription, in_channel), err);
        if (is_last)
            return;
    }
}

static void confirm_channel(struct weir__redis_hub *hub, weir_str name, bool is_pattern)
{
    struct channel *ch = weir__map_get(&hub->channels[is_pattern], name);
    if (ch == NULL || ch->state != ASKED)
        return;
    ch->state = CONFIRMED;
    WEIR_LIST_EACH(node, &ch->subs) {
        weir_redis_subscription *s = WEIR_CONTAINER(node, weir_redis_subscription, in_channel);
        bool was_confirmed = s->is_confirmed;
        s->is_confirmed = true;
        if (was_confirmed && ch->was_lost)
            put_gap(s);
        else
            wake(s, WEIR_OK);
    }
    ch->was_lost = false;
}

/* --- what comes ------------------------------------------------------------------------------- */

static void hear_answer(struct weir__redis_hub *hub, const weir_redis_value *v)
{
    struct weir__list *node = weir__list_pop_front(&hub->asks);
    if (node == NULL) {
        weir__redis_conn_end(hub->conn, WEIR_EPROTO, "the server answers what nobody asked");
        return;
    }
    struct ask *a = WEIR_CONTAINER(node, struct ask, in_hub);
    weir_str name = {a->name, a->len};
    if (a->is_subscribe && v->kind == WEIR_REDIS_ERROR)
        fail_channel(hub, name, a->is_pattern, weir__redis_code(v->u.s));
    else if (a->is_subscribe)
        confirm_channel(hub, name, a->is_pattern);
    weir__free(a);
}

/* Is it a list of `len` values of which all but the last are texts, the first this one? */
static bool is_called(const weir_redis_value *v, const char *name, size_t len)
{
    if (!weir_redis_is_list(v) || v->u.list.len != len)
        return false;
    for (size_t i = 0; i + 1 < len; i++) {
        if (!weir_redis_is_text(&v->u.list.items[i]))
            return false;
    }
    return weir_str_eq(v->u.list.items[0].u.s, weir_str_from(name));
}

static void publish(struct weir__redis_hub *hub, weir_str name, bool is_pattern, weir_str channel,
                    const weir_redis_value *payload)
{
    struct channel *ch = weir__map_get(&hub->channels[is_pattern], name);
    if (ch == NULL || !weir_redis_is_text(payload))
        return;
    WEIR_LIST_EACH(node, &ch->subs)
        put_message(WEIR_CONTAINER(node, weir_redis_subscription, in_channel), channel,
                    payload->u.s);
}

static void hear(struct weir__redis_conn *conn, weir_str whole)
{
    struct weir__redis_hub *hub = conn->owner;
    struct weir__arena arena;
    char first[512];
    weir_redis_value v;
    weir__arena_init(&arena, first, sizeof first, conn->redis->o.reply_items_max * sizeof v + 4096);
    if (!weir__resp_read(whole, &arena, &v)) {
        weir__arena_fini(&arena);
        weir__redis_conn_end(conn, -ENOMEM, "there is no memory for a message");
        return;
    }
    const weir_redis_value *items = weir_redis_is_list(&v) ? v.u.list.items : NULL;
    if (is_called(&v, "message", 3))
        publish(hub, items[1].u.s, false, items[1].u.s, &items[2]);
    else if (is_called(&v, "pmessage", 4))
        publish(hub, items[1].u.s, true, items[2].u.s, &items[3]);
    else
        hear_answer(hub, &v);
    weir__arena_fini(&arena);
}

static void on_ended(struct weir__redis_conn *conn)
{
    struct weir__redis_hub *hub = conn->owner;
    (void)weir__wake_first(&hub->rest, WEIR_OK);
}

/* --- the hub's fiber -------------------------------------------------------------------------- */

/* The connection is gone: what was asked is not answered any more. */
static void forget_all(struct weir__redis_hub *hub)
{
    struct weir__list *node;
    const struct weir__map_slot *slot;
    while ((node = weir__list_pop_front(&hub->asks)) != NULL)
        weir__free(WEIR_CONTAINER(node, struct ask, in_hub));
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; (slot = weir__map_next(&hub->channels[kind], &i)) != NULL;) {
            struct channel *ch = slot->value;
            ch->was_lost = ch->was_lost || ch->state == CONFIRMED;
            ch->state = UNASKED;
        }
    }
}

static void ask_all(struct weir__redis_hub *hub)
{
    const struct weir__map_slot *slot;
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; (slot = weir__map_next(&hub->channels[kind], &i)) != NULL;)
            ask_channel(hub, slot->value);
    }
}

/* There is no connection: who waits to be confirmed for the first time is told. */
static void fail_new(struct weir__redis_hub *hub, weir_err err)
{
    const struct weir__map_slot *slot;
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; (slot = weir__map_next(&hub->channels[kind], &i)) != NULL;) {
            struct channel *ch = slot->value;
            WEIR_LIST_EACH(node, &ch->subs) {
                weir_redis_subscription *s =
                    WEIR_CONTAINER(node, weir_redis_subscription, in_channel);
                if (!s->is_confirmed)
                    wake(s, err);
            }
        }
    }
}

static const struct weir__wait_type rest_type = {.name = "redis, messages"};

/* While the connection is good and wanted; one that is silent for long is asked. */
static void stay(struct weir__redis_hub *hub, struct weir__ctx *c)
{
    weir_dur patience = hub->conn->redis->o.answer_timeout;
    bool is_pinged = false;
    while (!hub->conn->is_over && hub->subs > 0 && weir__ctx_check(c) == WEIR_OK) {
        struct weir__wait wait;
        weir_time heard = hub->conn->heard;
        weir__wait_init(&wait, &rest_type, c, hub->seat->redis->site, hub);
        weir__list_push_back(&hub->rest, &wait.in_object);
        weir_err err = weir__park(&wait, weir_time_add(weir__self->now, patience));
        if (err != WEIR_ETIMEDOUT || hub->conn->is_over || c->reason != WEIR_REASON_NONE)
            continue;
        bool is_silent = hub->conn->heard.ns == heard.ns;
        if (is_silent && is_pinged)
            weir__redis_conn_end(hub->conn, WEIR_ETIMEDOUT, "the server is silent");
        else if (is_silent)
            (void)ask(hub, "PING", (weir_str){NULL, 0}, false, false);
        is_pinged = is_silent;
    }
}

static void leave_conn(struct weir__redis_hub *hub)
{
    struct weir__redis_conn *conn = hub->conn;
    hub->conn = NULL;
    conn->heard_of = NULL;
    conn->ended = NULL;
    weir__redis_conn_close(conn);
    forget_all(hub);
}

static weir_err serve(struct weir__redis_hub *hub, struct weir__ctx *c)
{
    struct weir__redis_conn *conn;
    weir_err err = weir__redis_dial(hub->seat->redis, c, 16, false, NULL, &conn);
    if (err != WEIR_OK)
        return err;
    conn->owner = hub;
    conn->heard_of = hear;
    conn->ended = on_ended;
    conn->heard = weir__self->now;
    hub->conn = conn;
    ask_all(hub);
    stay(hub, c);
    leave_conn(hub);
    return WEIR_OK;
}

static weir_err run_hub(weir_ctx *handle, void *arg)
{
    struct weir__redis_hub *hub = arg;
    struct weir__ctx *c = weir__ctx_of(handle);
    weir_time since = weir__worker_now(weir__self); /* when there was a connection last */
    while (hub->subs > 0 && c->reason == WEIR_REASON_NONE) {
        /* Its record of errors goes with it. */
        struct weir__ctx *once = weir__ctx_new(c, weir_never(), 0, hub->seat->redis->site);
        weir_err err = once != NULL ? serve(hub, once) : -ENOMEM;
        if (once != NULL)
            weir__ctx_end(once);
        if (err != WEIR_OK)
            fail_new(hub, err);
        if (err == WEIR_OK)
            since = weir__worker_now(weir__self);
        if (hub->subs > 0 && weir_sleep(handle, weir__redis_pause(hub->seat, since)) < 0)
            break;
    }
    hub->is_running = false;
    fail_new(hub, WEIR_ECLOSED);
    return WEIR_OK;
}

/* This worker's, with its fiber; NULL: `*err`. */
static struct weir__redis_hub *hub_of(weir_redis *redis, weir_err *err)
{
    struct weir__redis_seat *seat = weir__redis_seat(redis);
    struct weir__ctx *below = weir__redis_below(seat);
    *err = below != NULL ? -ENOMEM : WEIR_ECLOSED;
    if (below == NULL)
        return NULL;
    struct weir__redis_hub *hub = seat->hub;
    if (hub == NULL) {
        hub = weir__calloc(1, sizeof *hub);
        if (hub == NULL)
            return NULL;
        hub->seat = seat;
        weir__map_init(&hub->channels[false], CHANNELS_MAX);
        weir__map_init(&hub->channels[true], CHANNELS_MAX);
        weir__list_init(&hub->asks);
        weir__list_init(&hub->rest);
        seat->hub = hub;
    }
    if (!hub->is_running) {
        *err = weir__go_apart(redis->site, below, run_hub, hub, "redis subscriptions");
        hub->is_running = *err == WEIR_OK;
    }
    return hub->is_running ? hub : NULL;
}

void weir__redis_hub_end(struct weir__redis_seat *seat)
{
    struct weir__redis_hub *hub = seat->hub;
    const struct weir__map_slot *slot;
    if (hub == NULL)
        return;
    for (int kind = 0; kind < 2; kind++) {
        size_t i = 0;
        while ((slot = weir__map_next(&hub->channels[kind], &i)) != NULL) {
            const struct channel *ch = slot->value;
            fail_channel(hub, ch->name, ch->is_pattern, WEIR_ECLOSED);
            i = 0;
        }
        weir__map_fini(&hub->channels[kind]);
    }
    WEIR_ASSERT(hub->subs == 0, "R7: a seat ends without subscriptions");
    seat->hub = NULL;
    weir__free(hub);
}

/* --- subscriptions ---------------------------------------------------------------------------- */

static void release(struct weir__owned *o)
{
    weir_redis_subscription *s = WEIR_CONTAINER(o, weir_redis_subscription, owned);
    struct message *m;
    end(s, WEIR_ECLOSED);
    while ((m = pop_message(s)) != NULL)
        weir__free(m);
    weir__free(s->current);
    s->current = NULL;
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    const weir_redis_subscription *s = WEIR_CONTAINER(o, weir_redis_subscription, owned);
    weir_buf_printf(out, "with %u of %u messages", s->count, s->queue_max);
}

static const struct weir__owned_type subscription_type = {
    .name = "redis subscription", .release = release, .describe = describe};

static weir_redis_subscription *subscription_of(const weir_redis_subscription *handle,
                                                const char *function)
{
    return weir__token_must(handle, WEIR__KIND_REDIS_SUBSCRIPTION, function, "the subscription");
}

static const struct weir__wait_type confirm_type = {.name = "redis, a subscription"};

static weir_err await_confirmation(weir_redis_subscription *s, struct weir__ctx *c,
                                   const weir_redis *redis)
{
    weir_dur most = weir_ns(redis->o.dial_timeout.ns + redis->o.answer_timeout.ns);
    weir_time until = weir_time_add(weir__self->now, most);
    while (s->hub != NULL && !s->is_confirmed) {
        struct weir__wait wait;
        weir_err err = weir__may_wait(c);
        if (err != WEIR_OK)
            return err;
        weir__wait_init(&wait, &confirm_type, c, NULL, s);
        weir__list_push_back(&s->waits, &wait.in_object);
        err = weir__park(&wait, until);
        if (err != WEIR_OK)
            return err;
    }
    return s->is_confirmed && s->hub != NULL ? WEIR_OK : s->err;
}

static weir_err join(weir_redis_subscription *s, weir_redis *redis, struct weir__ctx *c,
                     weir_str channel, bool is_pattern, const weir_site *site)
{
    weir_err err = redis->err != WEIR_OK ? redis->err : weir__redis_is_up(redis, c, site);
    if (err != WEIR_OK)
        return err;
    struct weir__redis_hub *hub = hub_of(redis, &err);
    struct channel *ch = hub != NULL ? channel_of(hub, channel, is_pattern) : NULL;
    if (ch == NULL)
        return hub != NULL ? -ENOMEM : err;
    s->hub = hub;
    s->channel = ch;
    hub->subs++;
    weir__gauge_add(&hub->seat->n.subscriptions, 1);
    weir__list_push_back(&ch->subs, &s->in_channel);
    s->is_confirmed = ch->state == CONFIRMED && hub->conn != NULL && !hub->conn->is_over;
    ask_channel(hub, ch);
    err = await_confirmation(s, c, redis);
    if (err != WEIR_OK)
        end(s, err);
    return err;
}

static void check_options(weir_redis_subscription *s, const weir_redis_subscribe_options *o)
{
    if (o->queue_max > 65536 || o->bytes_max > (UINT64_C(1) << 30) ||
        (o->bytes_max > 0 && o->bytes_max < 1024))
        weir__misuse("weir_redis_subscribe",
                     "queue_max is %u, bytes_max %llu; allowed: 1 to 65,536, 1 KiB to 1 GiB",
                     o->queue_max, (unsigned long long)o->bytes_max);
    s->queue_max = o->queue_max > 0 ? o->queue_max : 256;
    s->bytes_max = o->bytes_max > 0 ? o->bytes_max : 4u << 20;
}

weir_redis_subscription *weir_redis_subscribe_at(const weir_site *site, weir_ctx *handle,
                                                 weir_redis *redis, const char *channel,
                                                 const weir_redis_subscribe_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    static const char function[] = "weir_redis_subscribe";
    weir_redis_subscribe_options room;
    weir__given_to(function, channel, "the channel");
    struct weir__ctx *c = weir__ctx_of_at(handle, function);
    redis = weir__redis_of(redis, function);
    options = weir__options(options, &room, sizeof room, function);
    struct weir__ctx *owner = weir__ctx_local(c);
    weir_redis_subscription *s = weir__ctx_object(owner, sizeof *s);
    if (s == NULL) {
        (void)weir__later_refused(-ENOMEM);
        return &no_memory;
    }
    check_options(s, options);
    weir__token_open(&s->token, owner, WEIR__KIND_REDIS_SUBSCRIPTION);
    weir__list_init(&s->queue);
    weir__list_init(&s->waits);
    weir__list_init(&s->in_channel);
    weir__own(owner, &s->owned, &subscription_type, site);
    weir_str name = weir_str_from(channel);
    s->err = WEIR_ECLOSED;
    weir_err err = name.len > 0 && name.len <= CHANNEL_BYTES_MAX
                       ? join(s, redis, c, name, options->is_pattern, site)
                       : weir__wait_refused(WEIR_EINVALID);
    if (err != WEIR_OK) {
        s->err = err;
        if (c->reason == WEIR_REASON_NONE)
            (void)weir_raise_at(site, handle, err, 0, "redis %s: no subscription to %.60s: %s",
                                redis->name, channel,
                                weir__redis_seat(redis)->is_down ? weir__redis_seat(redis)->why
                                                                 : weir_strerror(err));
    }
    return weir__token_handle(&s->token);
}

static const struct weir__wait_type recv_type = {.name = "redis, the next message"};

static weir_err await_message(weir_redis_subscription *s, struct weir__ctx *c)
{
    while (weir__list_empty(&s->queue)) {
        struct weir__wait wait;
        if (s->hub == NULL)
            return weir__wait_refused(s->err);
        weir_err err = weir__may_wait(c);
        if (err != WEIR_OK)
            return err;
        weir__wait_init(&wait, &recv_type, c, NULL, s);
        weir__list_push_back(&s->waits, &wait.in_object);
        err = weir__park(&wait, weir_never());
        if (err != WEIR_OK && c->reason != WEIR_REASON_NONE)
            return err;
    }
    return WEIR_OK;
}

weir_err weir_redis_recv_at(weir_ctx *handle, weir_redis_subscription *subscription,
                            weir_redis_message *out, size_t size)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_to("weir_redis_recv", out, "the message");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_redis_recv");
    weir_redis_subscription *s = subscription_of(subscription, "weir_redis_recv");
    weir_redis_message m = {.lost = 0};
    if (s->owned.ctx == NULL)
        return weir__later_refused(s->err); /* there was no memory */
    weir_err err = await_message(s, c);
    if (err != WEIR_OK)
        return err;
    weir__free(s->current);
    s->current = pop_message(s);
    while (s->current != NULL && s->current->is_gap) {
        m.has_gap = true;
        weir__free(s->current);
        s->current = pop_message(s);
    }
    m.lost = s->lost;
    s->lost = 0;
    const struct message *got = s->current;
    if (got != NULL) {
        m.channel = (weir_str){got->bytes, got->channel_len};
        m.payload = (weir_str){got->bytes + got->channel_len + 1, got->len};
    }
    weir__sized_fill(out, size, &m, sizeof m);
    return WEIR_OK;
}

void weir_redis_unsubscribe(weir_ctx *c, weir_redis_subscription *subscription)
{
    WEIR__FIBERS_ONLY();
    (void)weir__ctx_of(c);
    weir_redis_subscription *s = subscription_of(subscription, __func__);
    end(s, WEIR_ECLOSED);
}
