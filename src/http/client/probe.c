/*
 * Active health: each target of a group is asked from time to time, by a fiber of the client's
 * context that is there for as long as one probe takes. Its timer is armed anew at the probe's end,
 * so probes of one target never meet, and the jitter keeps those of many apart.
 *
 * A probe goes by connections of its own, so that a pool that is used up is not taken for a target
 * that is down.
 *
 * Has a hold on each target that it asks. Context: the worker on which the client was made.
 */
#include "http/client/upstream.h"

#include <string.h>

#include "rt/worker.h"
#include <weir/timer.h>

static weir_err run(weir_ctx *c, void *arg);

/* The owner's end is the end of the probes too: then there is nothing to arm. */
static weir_err arm(struct weir__upstream_target *t, weir_dur wait)
{
    weir_ctx *owner = weir__ctx_handle(t->source->upstream->owner);
    weir_err err = weir_timer_after(owner, wait, run, t, NULL);
    if (err != WEIR_OK)
        weir__upstream_quit(t);
    return err;
}

/* WEIR_OK, an error, or a status that is none of a target that is well. */
static int ask(weir_ctx *c, const struct weir__upstream_target *t)
{
    const struct weir__upstream *u = t->source->upstream;
    const weir_http_group_options *o = &u->http->o.group;
    const struct weir__client_carry to = {.at = &t->at};
    const weir_http_call_options call = {.size = sizeof call, .timeout = o->probe_timeout};
    weir_reply *r = weir__client_carry(WEIR_HERE, c, u->prober, "GET", o->probe, &call, &to, false);
    int status = weir_reply_status(r);
    if (status == 0)
        return weir_reply_err(r);
    return status >= 200 && status < 400 ? WEIR_OK : status;
}

static int touch(weir_ctx *handle, const struct weir__upstream_target *t)
{
    weir_http *http = t->source->upstream->http;
    struct weir__stream s = {.fd = {.num = -1}};
    struct weir__ctx *c = weir__ctx_of(handle);
    weir_time until = weir_time_add(weir__worker_now(weir__self), http->o.group.probe_timeout);
    weir_err err = weir__client_dial(http, c, t->at.key, weir__client_only_http1, until, &s);
    if (err == WEIR_OK)
        weir__stream_close(&s);
    return err;
}

static weir_err run(weir_ctx *c, void *arg)
{
    struct weir__upstream_target *t = arg;
    struct weir__upstream *u = t->source->upstream;
    int found = u->prober != NULL ? ask(c, t) : touch(c, t);
    if (weir__ctx_check(u->owner) != WEIR_OK)
        return WEIR_OK;
    weir_error_clear(c); /* a target that is down is no error of the program's */
    if (atomic_load_explicit(&t->is_gone, memory_order_relaxed)) {
        weir__upstream_quit(t);
        return WEIR_OK;
    }
    weir__counter_add(&t->probes[found == WEIR_OK], 1);
    if (found != WEIR_OK)
        weir__upstream_trouble(t, found);
    bool was_up = weir__health_share(&t->health, &u->healths, weir__self->now) > 0;
    if (weir__health_probed(&t->health, &u->healths, found == WEIR_OK,
                            weir__worker_now(weir__self)))
        weir__upstream_note(t, !was_up, was_up ? "is down" : "is up again");
    return arm(t, weir__health_wait(&t->health, &u->healths, &u->random));
}

weir_err weir__upstream_probe(struct weir__upstream_target *t)
{
    struct weir__upstream *u = t->source->upstream;
    weir__lock_take(&u->lock);
    t->users++;
    weir__lock_give(&u->lock);
    return arm(t, weir__health_first_wait(&u->healths, &u->random));
}
