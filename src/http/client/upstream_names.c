/*
 * Targets that stand for all addresses of a name: looked up again and again, by a fiber of the
 * client's context that is there for as long as one look-up takes.
 *
 * A name that has no addresses and a name of which nobody could say are two things: the first is
 * heeded, the second changes nothing, for a name server that is down is no reason to leave hosts
 * that work.
 *
 * Owns nothing. Context: the worker on which the client was made.
 */
#include "http/client/upstream.h"

#include "net/resolve.h"
#include "rt/log.h"
#include "rt/worker.h"
#include <weir/timer.h>

#define SEC INT64_C(1000000000)
#define LOOK_UP_MAX (30 * SEC)
#define AGAIN_MIN SEC         /* however short it holds */
#define AGAIN_MAX (300 * SEC) /* where nothing ends: of localhost */
#define TROUBLE (5 * SEC)     /* until it is tried again */

static weir_err run(weir_ctx *c, void *arg);

/* The owner's end is the end of the look-ups too: then there is nothing to arm. */
static weir_err arm(struct weir__upstream_source *s, int64_t wait_ns)
{
    return weir_timer_after(weir__ctx_handle(s->upstream->owner), weir_ns(wait_ns), run, s, NULL);
}

/* Once until it goes well again. */
static void tell_trouble(struct weir__upstream_source *s, weir_err err, const char *why)
{
    if (!s->is_in_trouble)
        weir_log(
            NULL, WEIR_LOG_WARN,
            "HTTP client %s: the addresses of %s cannot be looked up, and stay as they are: %s",
            s->upstream->http->name, s->url, why[0] != '\0' ? why : weir_strerror(err));
    s->is_in_trouble = true;
}

static int64_t until_next(const struct weir__addresses *found)
{
    int64_t left = weir_time_sub(found->until, weir__worker_now(weir__self)).ns;
    return left < AGAIN_MIN ? AGAIN_MIN : left > AGAIN_MAX ? AGAIN_MAX : left;
}

static weir_err run(weir_ctx *c, void *arg)
{
    struct weir__upstream_source *s = arg;
    struct weir__upstream *u = s->upstream;
    struct weir__addresses found;
    weir_time until = weir_time_add(weir__worker_now(weir__self), weir_ns(LOOK_UP_MAX));
    weir_err err = weir__resolve(weir__ctx_of(c), s->at.name, until, &found);
    if (weir__ctx_check(u->owner) != WEIR_OK)
        return WEIR_OK;
    weir_error_clear(c); /* it is no error of the program's */
    if (err == WEIR_OK || found.is_none)
        err = weir__upstream_change(u, s, &found);
    if (err != WEIR_OK) {
        tell_trouble(s, err, found.why);
        return arm(s, TROUBLE);
    }
    s->is_in_trouble = false;
    return arm(s, until_next(&found));
}

weir_err weir__upstream_look_up(struct weir__upstream_source *s)
{
    return arm(s, 0);
}
