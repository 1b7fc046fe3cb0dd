/*
 * Work that goes on: fibers that nobody ends, too many of them, and contexts that are used when
 * their request is long over.
 */
#include "leaky.h"

#include <stdatomic.h>
#include <string.h>

/* What the routes answer whose fault is in a middleware. */
weir_err answers(weir_ctx *c)
{
    return weir_text(c, 200, "answered\n");
}

/* L03: a middleware that starts something, and never stops it. */
static weir_err polls_for_ever(weir_ctx *c, void *unused)
{
    (void)unused;
    while (weir_sleep(c, weir_sec(1)) == WEIR_OK)
        ;
    return WEIR_OK;
}
weir_err task_never_stopped(weir_ctx *c)
{
    weir_err err = WEIR_GO(c, polls_for_ever, NULL);
    return err < 0 ? err : weir_next(c);
}

/* Done right: what is to outlive the request says so, and for how long. */
static weir_err polls_once(weir_ctx *c, void *unused)
{
    (void)unused;
    return weir_yield(c);
}
weir_err task_detached(weir_ctx *c)
{
    weir_err err = weir_detach(c, polls_once, NULL, 0, .timeout = weir_sec(5));
    return err < 0 ? err : weir_next(c);
}

/* L08: a fiber for each of many things, however many there are. */
static weir_err fetches(weir_ctx *c, void *unused)
{
    (void)unused;
    return weir_sleep(c, weir_ms(1));
}
weir_err fibers_without_bound(weir_ctx *c)
{
    WEIR_SCOPE(group, c, .fibers_max = 20); /* by default 10,000 */
    for (int i = 0; i < 100000; i++)
        if (WEIR_GO(group, fetches, NULL) < 0) /* L08 is here */
            return weir_fail(c, 503, WEIR_STR_FMT, WEIR_STR_ARG(leaky_message(group)));
    return weir_join(group);
}

/* Done right: a few fibers work off a channel, and its sender waits while it is full. */
static weir_err fetches_each(weir_ctx *c, void *todo)
{
    int number;
    while (weir_chan_recv(c, todo, &number) == WEIR_OK)
        if (fetches(c, NULL) < 0)
            return weir_check(c);
    return WEIR_OK;
}
weir_err fibers_in_turn(weir_ctx *c)
{
    WEIR_SCOPE(group, c);
    weir_chan *todo = weir_chan_new(group, int, 8);
    weir_err err = WEIR_OK;
    for (int i = 0; i < 4 && err == WEIR_OK; i++)
        err = WEIR_GO(group, fetches_each, todo);
    for (int i = 0; i < 100 && err == WEIR_OK; i++)
        err = weir_chan_send(c, todo, &i);
    weir_chan_close(c, todo);
    if (err == WEIR_OK)
        err = weir_join(group);
    return err < 0 ? err : weir_text(c, 200, "all hundred, four at a time\n");
}

/* L12: background work that goes on using the request's context. */
struct note {
    weir_ctx *request;
};
static weir_err notes_later(weir_ctx *c, void *data)
{
    struct note n;
    memcpy(&n, data, sizeof n);
    weir_str path = weir_request_path(n.request); /* L12 is here */
    weir_log(c, WEIR_LOG_DEBUG, "somebody asked for " WEIR_STR_FMT, WEIR_STR_ARG(path));
    return WEIR_OK;
}
weir_err context_used_afterwards(weir_ctx *c)
{
    struct note n = {c};
    weir_err err = weir_detach(c, notes_later, &n, sizeof n);
    return err < 0 ? err : weir_text(c, 202, "will be noted\n");
}

/* Done right: the work has a copy of what it needs. */
static weir_err notes_copy(weir_ctx *c, void *path)
{
    weir_log(c, WEIR_LOG_DEBUG, "somebody asked for %s", (const char *)path);
    return WEIR_OK;
}
weir_err context_not_used(weir_ctx *c)
{
    weir_str path = weir_strdup(c, weir_request_path(c));
    weir_err err = path.ptr != NULL ? weir_detach(c, notes_copy, path.ptr, path.len + 1) : -ENOMEM;
    return err < 0 ? err : weir_text(c, 202, "will be noted\n");
}

/* L13: a middleware that keeps the last request's context in a global. */
static _Atomic(weir_ctx *) last_request;
weir_err context_kept(weir_ctx *c)
{
    weir_ctx *before = atomic_exchange(&last_request, c);
    if (before != NULL && weir_request_path(before).len > 60) /* L13 is here */
        return weir_fail(c, 429, "the one before you was quite long");
    return weir_next(c);
}

/* Done right: it keeps what it wanted to know. */
static atomic_size_t last_length;
weir_err id_kept(weir_ctx *c)
{
    if (atomic_exchange(&last_length, weir_request_path(c).len) > 60)
        return weir_fail(c, 429, "the one before you was quite long");
    return weir_next(c);
}
