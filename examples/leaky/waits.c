/*
 * Waits for what never comes, and what goes on by itself: deadlines, subscriptions, timers.
 */
#include "leaky.h"

/* L06: waits for a channel that nobody sends to. */
weir_err nobody_sends(weir_ctx *c)
{
    int value;
    weir_err err = weir_chan_recv(c, leaky(c)->never, &value); /* L06 is here */
    return err < 0 ? err : weir_textf(c, 200, "%d\n", value);
}

/* Done right: waits for as long as it makes sense. */
weir_err receives_in_time(weir_ctx *c)
{
    int value = 0;
    const weir_select_case arms[] = {{.chan = leaky(c)->never, .recv = &value}};
    int arm = weir_select(c, arms, 1, weir_ms(10), NULL);
    if (arm == WEIR_ETIMEDOUT)
        return weir_text(c, 200, "there was nothing\n");
    return arm < 0 ? arm : weir_textf(c, 200, "%d\n", value);
}

/* L07: sends to a channel that nobody receives from. */
weir_err nobody_receives(weir_ctx *c)
{
    const int value = 7;
    weir_err err = weir_chan_send(c, leaky(c)->never, &value); /* L07 is here */
    return err < 0 ? err : weir_text(c, 200, "somebody took it\n");
}

/* Done right: sends if somebody is there. */
weir_err sends_if_it_can(weir_ctx *c)
{
    const int value = 7;
    weir_err err = weir_chan_try_send(c, leaky(c)->never, &value);
    if (err == -EAGAIN)
        return weir_text(c, 200, "nobody wanted it\n");
    return err < 0 ? err : weir_text(c, 200, "somebody took it\n");
}

/* L10: a context with a deadline that is never ended. */
weir_err deadline_never_ended(weir_ctx *c)
{
    weir_ctx *step = weir_ctx_open(c, .timeout = weir_ms(500));
    weir_err err = weir_sleep(step, weir_ms(1));
    return err < 0 ? err : weir_text(c, 200, "slept\n");
}

/* Done right: ended with the block that it is for. */
weir_err deadline_ended(weir_ctx *c)
{
    weir_err err = WEIR_OK;
    WEIR_WITH(step, c, .timeout = weir_ms(500))
        err = weir_sleep(step, weir_ms(1));
    return err < 0 ? err : weir_text(c, 200, "slept\n");
}

/* L32: subscribes, and never unsubscribes. */
weir_err never_unsubscribed(weir_ctx *c)
{
    int item;
    weir_subscription *s = weir_subscribe(c, leaky(c)->news);
    weir_err err = weir_subscription_try_recv(c, s, &item);
    return err < 0 && err != -EAGAIN ? err : weir_text(c, 200, "no news\n");
}

/* Done right: until it has heard enough. */
weir_err unsubscribed(weir_ctx *c)
{
    int item;
    weir_subscription *s = weir_subscribe(c, leaky(c)->news);
    weir_err err = weir_subscription_try_recv(c, s, &item);
    weir_unsubscribe(c, s);
    return err < 0 && err != -EAGAIN ? err : weir_text(c, 200, "no news\n");
}

/* L37: starts a timer, and never stops it. */
static weir_err ticks(weir_ctx *c, void *count)
{
    ++*(int *)count;
    return weir_check(c);
}
weir_err timer_never_stopped(weir_ctx *c)
{
    int *count = weir_new(c, int);
    weir_err err = count != NULL ? weir_timer_every(c, weir_ms(1), ticks, count, NULL) : -ENOMEM;
    if (err == WEIR_OK)
        err = weir_sleep(c, weir_ms(5));
    return err < 0 ? err : weir_textf(c, 200, "ticked %d times\n", *count);
}

/* Done right: stops it when it is no longer wanted. */
weir_err timer_stopped(weir_ctx *c)
{
    weir_timer timer;
    int *count = weir_new(c, int);
    weir_err err = count != NULL ? weir_timer_every(c, weir_ms(1), ticks, count, &timer) : -ENOMEM;
    if (err < 0)
        return err;
    err = weir_sleep(c, weir_ms(5));
    weir_timer_stop(c, timer);
    return err < 0 ? err : weir_textf(c, 200, "ticked %d times\n", *count);
}
