/*
 * Topics: one publishes, all who have subscribed get a copy, inside of the process. Each
 * subscription is a queue with a bound of its own and belongs to a context, whose end
 * unsubscribes: nobody is told of what happens for longer than it lives.
 *
 * As with channels, a topic made in a request is for the fibers of its worker; one made in the
 * application's context may be used from every worker, and its subscribers live on any of them.
 * A subscriber gets what one fiber publishes in that order; what fibers of different workers
 * publish at a time may come to different subscribers in different orders.
 */
#ifndef WEIR_TOPIC_H
#define WEIR_TOPIC_H

#include <weir/chan.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is published to; its elements have one size. */
typedef struct weir_topic weir_topic;
/** Who gets what is published, from the moment that it was made. */
typedef struct weir_subscription weir_subscription;

/** What happens to what is published while a subscriber's queue is full. */
typedef enum weir_topic_policy {
    WEIR_TOPIC_DROP_OLDEST = 1, /* the oldest element in the queue makes room: the default */
    WEIR_TOPIC_DROP_NEWEST,     /* this subscriber does not get it */
    WEIR_TOPIC_REFUSE           /* nobody gets it: weir_publish returns -EAGAIN */
} weir_topic_policy;

/** What a topic may be given. */
typedef struct weir_topic_options {
    size_t size;              /* the macro's */
    size_t capacity;          /* elements in each queue, 1 to 65,536; default 64 */
    weir_topic_policy policy; /* default WEIR_TOPIC_DROP_OLDEST */
    uint32_t subscribers_max; /* 1 to 65,536; default 1,024. Publishing costs a copy for each */
} weir_topic_options;

/**
 * Makes a topic of elements of type T.
 *
 * ...      members of weir_topic_options
 * returns  the topic; never NULL (where there was no memory, one whose calls return -ENOMEM)
 * owner    the context; its end ends all subscriptions: what is in their queues may still be
 *          received, then they return WEIR_ECLOSED
 * errors   an option or element (1 to 4096 bytes) out of range: misuse, panics
 * context  fiber; does not wait
 */
#define weir_topic_new(c, ...) WEIR__TOPIC_NEW(c, __VA_ARGS__, )
#define WEIR__TOPIC_NEW(c, T, ...)                                                                 \
    WEIR__CALL(weir_topic_new_at, (WEIR_HERE, (c), sizeof(T)), weir_topic_options, __VA_ARGS__)
/** The function behind weir_topic_new. */
WEIR_API weir_topic *weir_topic_new_at(const weir_site *site, weir_ctx *c, size_t elem_size,
                                       const weir_topic_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2);

/** What a subscription may be given; zero means "as its topic". */
typedef struct weir_subscription_options {
    size_t size; /* the macro's */
    size_t capacity;
    weir_topic_policy policy;
} weir_subscription_options;

/**
 * Subscribes: what is published from now on is queued for it.
 *
 * c        when it ends, nothing is queued any more
 * ...      members of weir_subscription_options
 * returns  the subscription; never NULL. Where it could not be made its calls return why:
 *          WEIR_ELIMIT past the topic's subscribers_max, -ENOMEM, WEIR_ECLOSED for a topic that is
 *          over
 * owner    the context, and its memory holds the queue
 * limits   to a topic of the application each worker with subscribers keeps room for two more of
 *          its largest queue, for what other workers publish
 * context  fiber; does not wait
 */
#define weir_subscribe(c, ...) WEIR__SUBSCRIBE(c, __VA_ARGS__, )
#define WEIR__SUBSCRIBE(c, topic, ...)                                                             \
    WEIR__CALL(weir_subscribe_at, (WEIR_HERE, (c), (topic)), weir_subscription_options, __VA_ARGS__)
/** The function behind weir_subscribe. */
WEIR_API weir_subscription *weir_subscribe_at(const weir_site *site, weir_ctx *c, weir_topic *topic,
                                              const weir_subscription_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3);

/**
 * Gives each subscriber a copy of `*elem`. Never waits.
 *
 * elem     copied; what it points to is not. To a topic of the application an address of this
 *          request's memory or stack is misuse, and panics; what was never written counts, so begin
 *          elements with `= {0}`
 * returns  WEIR_OK, also when nobody has subscribed or some have dropped something; -EAGAIN when a
 *          full queue's policy is WEIR_TOPIC_REFUSE: then nobody got it; WEIR_ECLOSED for a topic
 *          that is over; the reason when `c` is cancelled
 * context  fiber; does not wait
 */
WEIR_API weir_err weir_publish(weir_ctx *c, weir_topic *topic, const void *elem) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/**
 * Receives the next element into `*elem`, waiting while there is none.
 *
 * elem     filled on WEIR_OK only; in place until the call returns
 * returns  WEIR_OK; WEIR_ECLOSED when the queue is empty and the subscription or its topic is over;
 *          the reason when `c` is cancelled (then nothing was taken); why it could not be made
 * context  fiber of the subscription's worker; may wait, up to the deadline of `c`
 */
WEIR_API weir_err weir_subscription_recv(weir_ctx *c, weir_subscription *s,
                                         void *elem) WEIR_MUST_USE WEIR_NONNULL(1, 2, 3);

/** The same without waiting: -EAGAIN instead. `elem` is filled on WEIR_OK only. */
WEIR_API weir_err weir_subscription_try_recv(weir_ctx *c, weir_subscription *s,
                                             void *elem) WEIR_MUST_USE WEIR_NONNULL(1, 2, 3);

/**
 * The subscription's queue, to be received from in a weir_select beside other channels. Borrowed
 * from it; sending to it, and closing it, is not for its users.
 */
WEIR_API weir_chan *weir_subscription_chan(weir_subscription *s) WEIR_NONNULL(1);

/** Elements that it has lost because its queue was full. Any context of its worker. */
WEIR_API uint64_t weir_subscription_dropped(const weir_subscription *s) WEIR_NONNULL(1);

/**
 * Ends a subscription before its context ends: nothing more is queued, who waits is woken with
 * WEIR_ECLOSED, what is in the queue may still be received. Idempotent; does not wait.
 */
WEIR_API void weir_unsubscribe(weir_ctx *c, weir_subscription *s) WEIR_NONNULL(1, 2);

/** Subscriptions to a topic now. Where other workers use it, no more than a hint. */
WEIR_API size_t weir_topic_subscribers(const weir_topic *topic) WEIR_NONNULL(1);

#ifdef __cplusplus
}
#endif
#endif
