/*
 * The matrix: what fibers wait for and hold between each other. All of it is the application's, so
 * that one request's remains would be another's trouble.
 */
#include "matrix.h"
#include "sync/chan.h"
#include <weir/sync.h>
#include <weir/timer.h>
#include <weir/topic.h>

/* --- locks ------------------------------------------------------------------------------------ */

static void prepare_mutex(weir_ctx *app, struct cell *cell)
{
    cell->shared = weir_mutex_new(app);
}

static weir_err take_mutex(weir_ctx *c, struct cell *cell)
{
    return weir_lock(c, cell->shared);
}

static bool is_mutex_taken(weir_ctx *c, struct cell *cell)
{
    return weir_trylock(c, cell->shared) == -EAGAIN;
}

static bool is_mutex_free(weir_ctx *c, struct cell *cell)
{
    bool is_free = weir_trylock(c, cell->shared) == WEIR_OK;
    if (is_free)
        weir_unlock(c, cell->shared);
    return is_free;
}

static void prepare_sem(weir_ctx *app, struct cell *cell)
{
    cell->shared = weir_sem_new(app, 1);
}

static weir_err take_permit(weir_ctx *c, struct cell *cell)
{
    return weir_sem_acquire(c, cell->shared);
}

static bool is_permit_taken(weir_ctx *c, struct cell *cell)
{
    return weir_sem_try_acquire(c, cell->shared) == -EAGAIN;
}

static bool is_permit_free(weir_ctx *c, struct cell *cell)
{
    bool is_free = weir_sem_try_acquire(c, cell->shared) == WEIR_OK;
    if (is_free)
        weir_sem_release(c, cell->shared);
    return is_free;
}

/* --- channels: a child waits in them; for exits that come meanwhile, the handler too ---------- */

static void prepare_chans(weir_ctx *app, struct cell *cell)
{
    weir_chan **two = weir_alloc(app, 2 * sizeof *two);
    WEIR_ASSERT(two != NULL, "the application has memory");
    two[0] = weir_chan_new(app, int, 0);
    two[1] = weir_chan_new(app, int, 0);
    cell->shared = two;
}

static weir_err receive(weir_ctx *c, struct cell *cell)
{
    weir_chan *const *two = cell->shared;
    int element;
    return weir_chan_recv(c, two[0], &element);
}

static weir_err receives(weir_ctx *c, void *arg)
{
    return receive(c, arg);
}

static weir_err take_recv(weir_ctx *c, struct cell *cell)
{
    weir_err err = WEIR_GO(c, receives, cell);
    let_them_wait(c);
    return err;
}

/* Who waits in the i-th one. */
static const weir_chan *inside(const struct cell *cell, int i)
{
    weir_chan *const *two = cell->shared;
    return weir__chan_of(two[i], "the matrix");
}

static bool is_receiver_queued(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return !weir__list_empty(&inside(cell, 0)->receivers);
}

static weir_err choose(weir_ctx *c, struct cell *cell)
{
    weir_chan *const *two = cell->shared;
    int in, out = 1;
    weir_select_case cases[] = {{.chan = two[0], .recv = &in}, {.chan = two[1], .send = &out}};
    int arm = weir_select(c, cases, 2, weir_ns(-1), NULL);
    return arm < 0 ? arm : WEIR_OK;
}

static weir_err chooses(weir_ctx *c, void *arg)
{
    return choose(c, arg);
}

static weir_err take_select(weir_ctx *c, struct cell *cell)
{
    weir_err err = WEIR_GO(c, chooses, cell);
    let_them_wait(c);
    return err;
}

static bool is_select_queued(weir_ctx *c, struct cell *cell)
{
    return is_receiver_queued(c, cell) && !weir__list_empty(&inside(cell, 1)->senders);
}

static bool is_nobody_queued(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return weir__list_empty(&inside(cell, 0)->receivers) &&
           weir__list_empty(&inside(cell, 1)->senders);
}

/* --- timers and topics ------------------------------------------------------------------------ */

static weir_err ring(weir_ctx *c, void *arg)
{
    (void)c;
    struct cell *cell = arg;
    cell->note = -1;
    return WEIR_OK;
}

static weir_err take_timer(weir_ctx *c, struct cell *cell)
{
    cell->note = count_timers(weir__self);
    return weir_timer_after(c, weir_sec(60), ring, cell, NULL);
}

static bool is_timer_armed(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return count_timers(weir__self) == cell->note + 1;
}

/* Looked at on the spot, and again with the counts, 120 s later: it has not rung. */
static bool has_not_rung(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return cell->note >= 0;
}

static void prepare_topic(weir_ctx *app, struct cell *cell)
{
    cell->shared = weir_topic_new(app, int);
}

static weir_err take_subscription(weir_ctx *c, struct cell *cell)
{
    int element = 7;
    cell->held = weir_subscribe(c, cell->shared);
    return weir_publish(c, cell->shared, &element);
}

/* With an element in its queue. */
static bool is_subscribed(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return weir_topic_subscribers(cell->shared) == 1 &&
           weir_chan_len(weir_subscription_chan(cell->held)) == 1;
}

static weir_err wait_for_news(weir_ctx *c, struct cell *cell)
{
    int element;
    weir_err err = weir_subscription_recv(c, cell->held, &element);
    return err < 0 ? err : weir_subscription_recv(c, cell->held, &element);
}

static bool is_unsubscribed(weir_ctx *c, struct cell *cell)
{
    int element = 8;
    return weir_topic_subscribers(cell->shared) == 0 &&
           weir_publish(c, cell->shared, &element) == WEIR_OK;
}

static const struct resource resources[] = {
    RESOURCE("mutex", take_mutex, .prepare = prepare_mutex, .is_held = is_mutex_taken,
             .is_back = is_mutex_free),
    RESOURCE("semaphore", take_permit, .prepare = prepare_sem, .is_held = is_permit_taken,
             .is_back = is_permit_free),
    RESOURCE("channel wait", take_recv, .prepare = prepare_chans, .is_held = is_receiver_queued,
             .wait = receive, .is_back = is_nobody_queued),
    RESOURCE("select", take_select, .prepare = prepare_chans, .is_held = is_select_queued,
             .wait = choose, .is_back = is_nobody_queued),
    RESOURCE("timer", take_timer, .is_held = is_timer_armed, .is_back = has_not_rung),
    RESOURCE("subscription", take_subscription, .prepare = prepare_topic, .is_held = is_subscribed,
             .wait = wait_for_news, .is_back = is_unsubscribed),
};

int main(void)
{
    return MATRIX(resources);
}
