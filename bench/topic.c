/*
 * Topics between workers: one fiber of the first worker publishes, SUBSCRIBERS fibers on the two
 * others receive. Lines as bench/micro's: `name value unit`.
 *
 *     topic [SUBSCRIBERS]
 *
 * Processor time is the whole process': what a publication costs, with all its deliveries; beside
 * it what the publisher itself is kept by one. Each round waits until its last element is
 * everywhere, so nothing is dropped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "rt/runtime.h"
#include <weir/chan.h>
#include <weir/ctx.h>
#include <weir/fiber.h>
#include <weir/topic.h>

#define DEFAULT_SUBSCRIBERS 1000
#define WORKERS 3
#define ROUNDS 200
#define BATCH 32
#define CAPACITY 64

struct all {
    weir_topic *topic;
    weir_chan *done;
    unsigned subscribers;
};

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Tells of the last element of each round, and ends with a 0. */
static void subscriber(void *arg)
{
    struct all *all = arg;
    struct weir__ctx *ctx = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    weir_ctx *c = weir__ctx_handle(ctx);
    uint64_t value = 0;
    weir_subscription *s = weir_subscribe(c, all->topic, .capacity = CAPACITY);
    do {
        if (value % BATCH == 0 && weir_chan_send(c, all->done, &value) != WEIR_OK)
            break;
    } while (weir_subscription_recv(c, s, &value) == WEIR_OK && value != 0);
    if (weir_subscription_dropped(s) > 0)
        exit(1);
    weir__ctx_end(ctx);
}

static void start(struct weir__worker *w, void *arg)
{
    const struct all *all = arg;
    for (unsigned i = 0; w->index != 0 && i < all->subscribers / (WORKERS - 1); i++) {
        if (weir__fiber_start(w, subscriber, arg, "subscriber", NULL, w->root) == NULL)
            exit(1);
    }
}

static void await_all(weir_ctx *app, const struct all *all)
{
    uint64_t value;
    for (unsigned i = 0; i < all->subscribers; i++)
        (void)!weir_chan_recv(app, all->done, &value);
}

static weir_err measure(weir_ctx *app, void *arg)
{
    struct all *all = arg;
    double kept = 0;
    uint64_t value = 0;
    all->topic = weir_topic_new(app, uint64_t, .subscribers_max = all->subscribers);
    all->done = weir_chan_new(app, uint64_t, all->subscribers);
    (void)!weir__on_each_worker(weir__self->root, start, all, weir_sec(10));
    await_all(app, all);
    double began = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int round = 0; round < ROUNDS; round++) {
        double from = seconds(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < BATCH; i++) {
            value++;
            (void)!weir_publish(app, all->topic, &value);
        }
        kept += seconds(CLOCK_THREAD_CPUTIME_ID) - from;
        await_all(app, all);
    }
    double n = (double)ROUNDS * BATCH;
    printf("publish-and-deliver %.2f us\n", (seconds(CLOCK_PROCESS_CPUTIME_ID) - began) / n * 1e6);
    printf("publisher %.2f us\n", kept / n * 1e6);
    value = 0;
    return weir_publish(app, all->topic, &value);
}

int main(int argc, char **argv)
{
    struct all all = {.subscribers =
                          argc > 1 ? (unsigned)atoi(argv[1]) / 2 * 2 : DEFAULT_SUBSCRIBERS};
    struct weir__runtime_options options = {.workers = WORKERS, .stall = weir_ns(-1)};
    char message[128] = "";
    weir_err err = WEIR_OK;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    if (rt == NULL) {
        fprintf(stderr, "topic: %s\n", message);
        return 1;
    }
    err = weir__runtime_run(rt, measure, &all);
    weir__runtime_free(rt);
    return err == WEIR_OK ? 0 : 1;
}
