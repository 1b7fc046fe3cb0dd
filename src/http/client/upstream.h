/*
 * A group of hosts that do the same, of which each call gets one: who is next (guard/balance), who
 * is left alone for a while (guard/ejector), who is down (guard/health, by probes and calls), and
 * who is drained.
 *
 * One for all workers, as its client is; a balancer for each worker. Targets are those that the
 * client was made with.
 *
 * C12: an exchange runs at no more than one target of a group, and at none once it is over.
 * C13: a target is told of each try that it got, once, unless the try's end says nothing of it.
 */
#ifndef WEIR_HTTP_CLIENT_UPSTREAM_H
#define WEIR_HTTP_CLIENT_UPSTREAM_H

#include <stdatomic.h>

#include "guard/balance.h"
#include "http/client/client.h"

#define WEIR__UPSTREAM_TARGETS_MAX 100

struct weir__upstream_target {
    struct weir__client_target at; /* `path` is empty */
    const char *url;               /* as it was given */
    struct weir__health health;
    _Atomic bool is_draining;
    _Atomic int64_t out_since;      /* ns; when it was ejected or went down, the last time */
    _Atomic uint64_t ejections;     /* that were told of */
    _Atomic int32_t trouble;        /* the last failure: below 0 an error, above a status */
    struct weir__counter probes[2]; /* [was it well]; the prober's */
    weir_http *prober;              /* asks it alone; NULL: no probe, or a connection is enough */
    struct weir__upstream *upstream;
    struct weir__ctx *owner;
};

struct weir__upstream {
    weir_http *http;
    uint32_t count;
    bool is_probed;
    struct weir__ejector *ejector;
    struct weir__health_options healths;   /* settled */
    const struct weir__health **health;    /* [count]; all NULL without probes */
    struct weir__balance **balances;       /* [workers] */
    struct weir__random random;            /* the prober's */
    struct weir__upstream_target *targets; /* [count] */
};

/* --- making (upstream_open.c) ----------------------------------------------------------------- */

/*
 * Reads the options of a group, whose mistakes go to `mistakes` behind "HTTP client NAME: ", and
 * makes it. WEIR_OK without a group too; WEIR_EINVALID, WEIR_ENOTBUILT, -ENOMEM.
 */
weir_err weir__upstream_make(weir_http *http, struct weir__ctx *c, weir_buf *mistakes);

/* Begins the probes, in the fibers of the client's context. */
weir_err weir__upstream_start(weir_http *http, struct weir__ctx *c, const weir_site *site);

/* Frees what is not its context's; NULL is nothing. */
void weir__upstream_free(struct weir__upstream *u);

/* --- calls (upstream.c) ----------------------------------------------------------------------- */

/* Is that origin one of the targets'? */
bool weir__upstream_has(const struct weir__upstream *u, weir_str origin);

/* Gives an exchange its target, and the exchange the name of it; -EHOSTUNREACH: all are out. */
weir_err weir__upstream_choose(weir_reply *r);

/* How a try went: WEIR_OK with a status, or an error. */
void weir__upstream_report(weir_reply *r, weir_err err);

/* It runs there no longer (C12). Idempotent. */
void weir__upstream_leave(weir_reply *r);

/* Is there a target that has not failed this exchange yet, and would be given? */
bool weir__upstream_has_other(const weir_reply *r);

/* Of all targets that are out since when, and why. */
void weir__upstream_tell(const struct weir__upstream *u, weir_buf *out);

/* One changes its state by what was found: it is noted, and one line in the log. */
void weir__upstream_note(struct weir__upstream *u, uint32_t i, bool is_up, const char *what);

/* Notes what was wrong with a target: below 0 an error, above a status. */
static inline void weir__upstream_trouble(struct weir__upstream *u, uint32_t i, int what)
{
    atomic_store_explicit(&u->targets[i].trouble, what, memory_order_relaxed);
}

/* --- probes (probe.c) ------------------------------------------------------------------------- */

/* Arms the first probe of a target. */
weir_err weir__upstream_probe(struct weir__upstream *u, uint32_t i);

#endif
