/*
 * Topics: subscriptions, each with a channel of its own as its queue, so waiting, being cancelled
 * and select are the channels'.
 *
 * Between workers there is one message for each worker, not one for each subscription: a topic of
 * the application has a station on every worker that has subscribers. Publishing puts one copy into
 * each station's mailbox; the worker that it belongs to copies from there into the queues, which
 * are its own and take no lock, and wakes whom that serves. What a queue drops is known there: the
 * mailbox has room for as many as the largest queue, so what it loses every queue would have lost.
 *
 * That is true of queues that drop their oldest. Those that drop the newest keep what is oldest,
 * and those that refuse must be asked before anybody gets it: these are direct, as are all of a
 * topic of one worker. A direct one's queue is filled under the topic's lock by the publisher, on
 * whatever worker; it may do so only while the subscription is on the topic's list, and the
 * subscriber takes it off under that lock before its context ends. All that refuse are looked at
 * before the first gets it: only publishers fill queues, so what had room keeps it.
 *
 * U1: a subscription is on one list, its topic's or a station's, and has `topic`, or neither.
 * U2: a station's list is for its own worker alone; its count is under the topic's lock.
 * Limits: 65,536 subscriptions, each with a queue of 65,536 elements of 4096 bytes, at most; for
 * each worker with subscribers twice its largest queue.
 */
#include "base/assert.h"
#include "base/given.h"
#include "rt/deadlock.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/sized.h"
#include "rt/runtime.h"
#include "sync/chan.h"
#include "sync/mailbox.h"
#include "sync/waitq.h"
#include <weir/topic.h>

#define ELEM_SIZE_MAX 4096u
#define CAPACITY_DEFAULT 64u
#define CAPACITY_MAX (1u << 16)
#define SUBSCRIBERS_DEFAULT 1024u
#define SUBSCRIBERS_MAX (1u << 16)

/* The subscriptions of one worker. */
struct station {
    struct weir__mailbox mail;
    struct weir__list list; /* weir_subscription.link */
    uint32_t subscribers;   /* on it, under the topic's lock */
};

struct weir_topic {
    struct weir__waitq q; /* for what it has beside the queue: nobody waits for a topic */
    size_t elem_size;
    size_t capacity;
    weir_topic_policy policy;
    uint32_t subscribers_max;
    uint32_t subscribers, refusers; /* under the lock, as the list */
    struct weir__list list;         /* weir_subscription.link, of those that are direct */
    uint32_t workers;               /* 0: all of one worker's are direct */
    struct station *stations[];     /* of each worker that has had subscribers; under the lock */
};

struct weir_subscription {
    struct weir__token token;
    weir_err err;            /* why it could not be made */
    weir_topic *topic;       /* U1 */
    struct station *station; /* NULL: it is direct */
    uint64_t next;           /* the number of the next that it is to get by mail */
    struct weir__list link;
    struct weir__owned owned;
    weir_topic_policy policy;
    uint64_t dropped; /* under the queue's lock */
    weir_chan queue;  /* the last: its ring follows */
};

static weir_topic no_topic = {.q = {.token = WEIR__TOKEN_STATIC(WEIR__KIND_TOPIC)}};
/* Its queue counts as shared, so that every worker may find it closed. */
static weir_subscription no_memory = {.token = WEIR__TOKEN_STATIC(WEIR__KIND_SUBSCRIPTION),
                                      .err = -ENOMEM,
                                      .queue = {.token = WEIR__TOKEN_STATIC(WEIR__KIND_CHAN),
                                                .is_closed = true,
                                                .is_shared = true,
                                                .elem_size = 1}};

/* --- topics ------------------------------------------------------------------------------- */

/* Out of range: misuse. Zero: what is given instead. */
static size_t checked_capacity(const char *function, size_t capacity, size_t instead)
{
    if (capacity > CAPACITY_MAX)
        weir__misuse(function, "a queue of %zu elements; at most %u", capacity, CAPACITY_MAX);
    return capacity != 0 ? capacity : instead;
}

static weir_topic_policy checked_policy(const char *function, weir_topic_policy policy,
                                        weir_topic_policy instead)
{
    if ((unsigned)policy > WEIR_TOPIC_REFUSE)
        weir__misuse(function, "there is no policy %u", (unsigned)policy);
    return policy != 0 ? policy : instead;
}

static void leave(weir_subscription *s)
{
    weir_topic *t = s->topic;
    weir__list_remove(&s->link);
    s->topic = NULL;
    WEIR_ASSERT(t->subscribers > 0, "U1: who leaves has been counted");
    t->subscribers--;
    t->refusers -= s->policy == WEIR_TOPIC_REFUSE;
    if (s->station == NULL)
        return;
    WEIR_ASSERT(s->station->subscribers > 0, "U2: who leaves a station has been counted there");
    WEIR_ASSERT(s->station->mail.worker == weir__self, "U2: its own worker takes it off");
    s->station->subscribers--;
}

static void release_topic(struct weir__owned *o)
{
    weir_topic *t = WEIR_CONTAINER(o, weir_topic, q.owned);
    weir__waitq_lock(&t->q);
    t->q.state = WEIR__WAITQ_ENDED;
    WEIR_LIST_EACH(node, &t->list) {
        weir_subscription *s = WEIR_CONTAINER(node, weir_subscription, link);
        WEIR_ASSERT(s->topic == t, "U1: who is on its list has it as topic");
        leave(s);
        weir__chan_close(&s->queue);
    }
    WEIR_ASSERT(t->subscribers == 0 && t->refusers == 0, "U1: its counts are those of its list");
    weir__waitq_unlock(&t->q);
    for (uint32_t i = 0; i < t->workers; i++) {
        WEIR_ASSERT(t->stations[i] == NULL || t->stations[i]->subscribers == 0,
                    "U2: subscribers of other workers end before the application");
        weir__mailbox_free((struct weir__mailbox *)t->stations[i]);
    }
}

static void describe_topic(const struct weir__owned *o, weir_buf *out)
{
    weir_buf_printf(out, "with %u subscriptions",
                    WEIR_CONTAINER(o, weir_topic, q.owned)->subscribers);
}

static const struct weir__owned_type topic_type = {
    .name = "topic", .release = release_topic, .describe = describe_topic};

weir_topic *weir_topic_new_at(const weir_site *site, weir_ctx *c, size_t elem_size,
                              const weir_topic_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    static const char function[] = "weir_topic_new";
    weir_topic_options room;
    options = weir__options(options, &room, sizeof room, function);
    if (elem_size == 0 || elem_size > ELEM_SIZE_MAX)
        weir__misuse(function, "elements of %zu bytes; 1 to %u: publish ids", elem_size,
                     ELEM_SIZE_MAX);
    if (options->subscribers_max > SUBSCRIBERS_MAX)
        weir__misuse(function, "%u subscribers; at most %u", options->subscribers_max,
                     SUBSCRIBERS_MAX);
    size_t capacity = checked_capacity(function, options->capacity, CAPACITY_DEFAULT);
    weir_topic_policy policy = checked_policy(function, options->policy, WEIR_TOPIC_DROP_OLDEST);
    struct weir__ctx *ctx = weir__ctx_of_at(c, function);
    uint32_t workers = weir__ctx_is_shared(ctx) ? weir__self->runtime->worker_count : 0;
    weir_topic *t = weir__waitq_new(ctx, sizeof *t + workers * sizeof(struct station *),
                                    WEIR__KIND_TOPIC, &topic_type, site);
    if (t == NULL)
        return &no_topic;
    t->workers = workers;
    t->elem_size = elem_size;
    t->capacity = capacity;
    t->policy = policy;
    t->subscribers_max =
        options->subscribers_max != 0 ? options->subscribers_max : SUBSCRIBERS_DEFAULT;
    weir__list_init(&t->list);
    return weir__token_handle(&t->q.token);
}

/* The topic behind a handle; misuse unless this worker may use it. */
static weir_topic *topic_of(const weir_topic *handle, const char *function)
{
    return weir__waitq_of(handle, WEIR__KIND_TOPIC, function, "the topic");
}

size_t weir_topic_subscribers(const weir_topic *topic)
{
    WEIR__FIBERS_ONLY(0);
    weir_topic *t = topic_of(topic, __func__);
    weir__waitq_lock(&t->q);
    size_t n = t->subscribers;
    weir__waitq_unlock(&t->q);
    return n;
}

/* --- subscriptions ------------------------------------------------------------------------ */

/* What has come by mail is in its queue. On its worker; elsewhere the queue says that it is not. */
static void look_for_mail(const weir_subscription *s)
{
    if (s->station != NULL && s->station->mail.worker == weir__self && s->topic != NULL)
        weir__mailbox_look(&s->station->mail);
}

static void end_subscription(weir_subscription *s)
{
    weir_topic *t = s->topic;
    look_for_mail(s);
    if (t != NULL) {
        weir__waitq_lock(&t->q);
        leave(s);
        WEIR_ASSERT(s->topic == NULL && weir__list_empty(&s->link), "U1: neither, when it is over");
        weir__waitq_unlock(&t->q);
        if (s->station != NULL)
            weir__mailbox_settle(&s->station->mail);
    }
    weir__chan_close(&s->queue);
}

static void release_subscription(struct weir__owned *o)
{
    end_subscription(WEIR_CONTAINER(o, weir_subscription, owned));
}

static void describe_subscription(const struct weir__owned *o, weir_buf *out)
{
    const weir_subscription *s = WEIR_CONTAINER(o, weir_subscription, owned);
    weir_buf_printf(out, "with %zu of %u queued",
                    weir_chan_len(weir__token_handle(&s->queue.token)), s->queue.capacity);
}

static const struct weir__owned_type subscription_type = {
    .name = "subscription", .release = release_subscription, .describe = describe_subscription};

static void deliver_mail(struct weir__mailbox *m, uint64_t number, const void *elem);

/* This worker's station, with room for as many as a queue of `capacity` has; NULL: no memory. */
static struct station *station_of(weir_topic *t, size_t capacity)
{
    struct station **mine = &t->stations[weir__self->index];
    struct station *st = *mine; /* nobody else sets it */
    if (st == NULL) {
        st = weir__mailbox_new(sizeof *st, t->elem_size, deliver_mail);
        if (st == NULL)
            return NULL;
        weir__list_init(&st->list);
        weir__waitq_lock(&t->q);
        *mine = st;
        weir__waitq_unlock(&t->q);
    }
    WEIR_ASSERT(st->mail.worker == weir__self, "U2: a station is its worker's");
    return weir__mailbox_reserve(&st->mail, capacity) ? st : NULL;
}

/* Puts it on its list, if the topic takes more. */
static weir_err join_topic(weir_topic *t, weir_subscription *s)
{
    weir__waitq_lock(&t->q);
    weir_err err = weir__waitq_state(&t->q);
    if (err == WEIR_OK &&
        (t->subscribers >= t->subscribers_max || weir__is_refused("subscriptions")))
        err = WEIR_ELIMIT;
    if (err == WEIR_OK) {
        WEIR_ASSERT(s->topic == NULL && weir__list_empty(&s->link), "U1: it is on no list yet");
        weir__list_push_back(s->station != NULL ? &s->station->list : &t->list, &s->link);
        s->topic = t;
        if (s->station != NULL) {
            s->station->subscribers++;
            s->next = weir__mailbox_next(&s->station->mail);
        }
        t->subscribers++;
        WEIR_ASSERT(t->subscribers <= t->subscribers_max, "U1: no more subscribe than may");
        t->refusers += s->policy == WEIR_TOPIC_REFUSE;
        WEIR_ASSERT(t->refusers <= t->subscribers, "U1: who refuses subscribes");
    }
    weir__waitq_unlock(&t->q);
    return err;
}

weir_subscription *weir_subscribe_at(const weir_site *site, weir_ctx *c, weir_topic *topic,
                                     const weir_subscription_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    static const char function[] = "weir_subscribe";
    weir_subscription_options room;
    options = weir__options(options, &room, sizeof room, function);
    struct weir__ctx *ctx = weir__ctx_of_at(c, function);
    weir_topic *t = topic_of(topic, function);
    if (t->q.state == WEIR__WAITQ_NO_MEMORY)
        return &no_memory;
    size_t capacity = checked_capacity(function, options->capacity, t->capacity);
    weir_topic_policy policy = checked_policy(function, options->policy, t->policy);
    size_t ring = weir__chan_bytes(t->elem_size, capacity) - sizeof(weir_chan);
    weir_subscription *s = weir__ctx_object(ctx, sizeof *s + ring);
    if (s == NULL)
        return &no_memory;
    weir__token_open(&s->token, ctx, WEIR__KIND_SUBSCRIPTION);
    s->policy = policy;
    weir__list_init(&s->link);
    bool is_mailed =
        t->q.is_shared && !weir__ctx_is_shared(ctx) && policy == WEIR_TOPIC_DROP_OLDEST;
    weir__chan_init(&s->queue, ctx, t->elem_size, capacity, t->q.is_shared && !is_mailed, site);
    weir__own(ctx, &s->owned, &subscription_type, site);
    s->station = is_mailed ? station_of(t, capacity) : NULL;
    s->err = is_mailed && s->station == NULL ? -ENOMEM : join_topic(t, s);
    if (s->err < 0)
        weir__chan_close(&s->queue);
    return weir__token_handle(&s->token);
}

static weir_subscription *subscription_of(const weir_subscription *handle, const char *function)
{
    return weir__token_must(handle, WEIR__KIND_SUBSCRIPTION, function, "the subscription");
}

/* Its queue as the program has it. */
static weir_chan *queue_of(weir_subscription *s)
{
    return weir__token_handle(&s->queue.token);
}

void weir_unsubscribe(weir_ctx *c, weir_subscription *s)
{
    WEIR__FIBERS_ONLY();
    (void)weir__ctx_of(c);
    s = subscription_of(s, __func__);
    if (s == &no_memory)
        return;
    (void)weir__chan_of(queue_of(s), __func__);
    weir__disown(&s->owned);
    end_subscription(s);
}

weir_err weir_subscription_recv(weir_ctx *c, weir_subscription *s, void *elem)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(elem, "the element");
    (void)weir__ctx_of(c);
    s = subscription_of(s, __func__);
    look_for_mail(s);
    return s->err < 0 ? weir__wait_refused(s->err) : weir_chan_recv(c, queue_of(s), elem);
}

weir_err weir_subscription_try_recv(weir_ctx *c, weir_subscription *s, void *elem)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(elem, "the element");
    (void)weir__ctx_of(c);
    s = subscription_of(s, __func__);
    look_for_mail(s);
    return s->err < 0 ? s->err : weir_chan_try_recv(c, queue_of(s), elem);
}

weir_chan *weir_subscription_chan(weir_subscription *s)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    s = subscription_of(s, __func__);
    return queue_of(s);
}

uint64_t weir_subscription_dropped(const weir_subscription *subscription)
{
    WEIR__FIBERS_ONLY(0);
    weir_subscription *s = subscription_of(subscription, __func__);
    look_for_mail(s);
    weir__chan_lock(&s->queue);
    uint64_t n = s->dropped;
    weir__chan_unlock(&s->queue);
    return n;
}

/* --- publishing --------------------------------------------------------------------------- */

/* True when one that refuses has no room. Under the topic's lock. */
static bool is_refused(const weir_topic *t)
{
    WEIR_ASSERT(t->refusers <= t->subscribers, "U1: its counts are those of its list");
    if (t->refusers == 0)
        return false;
    bool is_full = false;
    WEIR_LIST_EACH(node, &t->list) {
        weir_subscription *s = WEIR_CONTAINER(node, weir_subscription, link);
        if (s->policy != WEIR_TOPIC_REFUSE || is_full)
            continue;
        weir__chan_lock(&s->queue);
        is_full = !s->queue.is_closed && weir__chan_is_full(&s->queue);
        weir__chan_unlock(&s->queue);
    }
    return is_full;
}

/* One copy; whom it serves, who waits, is returned. A direct one's under the topic's lock. */
static struct weir__chan_party *deliver(weir_subscription *s, const void *elem)
{
    struct weir__chan_party *served = NULL;
    weir__chan_lock(&s->queue);
    weir_err err = weir__chan_put(&s->queue, elem, &served);
    if (err == -EAGAIN) {
        s->dropped++;
        if (s->policy == WEIR_TOPIC_DROP_OLDEST) {
            weir__chan_drop(&s->queue);
            err = weir__chan_put(&s->queue, elem, &served);
            WEIR_ASSERT(err == WEIR_OK, "N5: what was dropped has made room");
        }
    }
    weir__chan_unlock(&s->queue);
    return served;
}

/* On the station's worker: whom it serves has waited here, and does not run before this returns. */
static void deliver_here(weir_subscription *s, const void *elem)
{
    WEIR_ASSERT(!s->queue.is_shared, "U2: what is delivered here takes no lock");
    struct weir__chan_party *served = deliver(s, elem);
    if (served != NULL)
        weir__wake(&served->wait, WEIR_OK);
}

static void deliver_mail(struct weir__mailbox *m, uint64_t number, const void *elem)
{
    WEIR_ASSERT(m->worker == weir__self, "U2: a station's list is for its own worker");
    WEIR_LIST_EACH(node, &WEIR_CONTAINER(m, struct station, mail)->list) {
        weir_subscription *s = WEIR_CONTAINER(node, weir_subscription, link);
        WEIR_ASSERT(&s->station->mail == m, "U1: who is on a station's list has it as station");
        if (number < s->next)
            continue; /* published before it subscribed */
        s->dropped += number - s->next;
        s->next = number + 1;
        deliver_here(s, elem);
    }
}

/* One message for each other worker that has subscribers, chained. Under the topic's lock. */
static struct weir__mailbox *mail_to_others(weir_topic *t, const void *elem)
{
    struct weir__mailbox *to_post = NULL;
    for (uint32_t i = 0; i < t->workers; i++) {
        struct station *st = t->stations[i];
        if (st == NULL || st->subscribers == 0 || st->mail.worker == weir__self ||
            !weir__mailbox_put(&st->mail, elem))
            continue;
        st->mail.next_post = to_post;
        to_post = &st->mail;
    }
    return to_post;
}

static void deliver_to_own(const weir_topic *t, const void *elem)
{
    const struct station *st = t->workers > 0 ? t->stations[weir__self->index] : NULL;
    if (st == NULL)
        return;
    WEIR_ASSERT(st->mail.worker == weir__self, "U2: a station's list is for its own worker");
    WEIR_LIST_EACH(node, &st->list)
        deliver_here(WEIR_CONTAINER(node, weir_subscription, link), elem);
}

/* To all that are direct; who was served is chained in that order. Under the topic's lock. */
static struct weir__chan_party *deliver_to_all(weir_topic *t, const void *elem)
{
    struct weir__chan_party *first = NULL, **end = &first;
    WEIR_LIST_EACH(node, &t->list) {
        *end = deliver(WEIR_CONTAINER(node, weir_subscription, link), elem);
        if (*end != NULL)
            end = &(*end)->next;
    }
    *end = NULL;
    return first;
}

weir_err weir_publish(weir_ctx *c, weir_topic *topic, const void *elem)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(elem, "the element");
    struct weir__ctx *ctx = weir__ctx_of(c);
    weir_topic *t = topic_of(topic, __func__);
    weir__deadlock_give_up(); /* the element may have pointers in it */
    if (t->q.is_shared)
        weir__refuse_kept(ctx, elem, t->elem_size, __func__);
    weir_err err = weir__ctx_check_fast(ctx);
    if (err < 0)
        return weir__call_refused(err);
    struct weir__chan_party *served = NULL;
    struct weir__mailbox *to_post = NULL;
    weir__waitq_lock(&t->q);
    err = weir__waitq_state(&t->q);
    if (err == WEIR_OK && is_refused(t))
        err = -EAGAIN;
    if (err == WEIR_OK) {
        served = deliver_to_all(t, elem);
        to_post = mail_to_others(t, elem);
    }
    weir__waitq_unlock(&t->q);
    if (err == WEIR_OK)
        deliver_to_own(t, elem);
    while (to_post != NULL) {
        struct weir__mailbox *m = to_post;
        to_post = m->next_post; /* not after it is posted: it may be gone then */
        weir__mailbox_post(m);
    }
    while (served != NULL) {
        struct weir__chan_party *p = served;
        served = p->next; /* not after the wake: its stack may be gone then */
        weir__wake(&p->wait, WEIR_OK);
    }
    return err;
}
