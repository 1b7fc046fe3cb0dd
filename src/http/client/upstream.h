/*
 * A group of hosts that do the same, of which each call gets one: who is next (guard/balance), who
 * is left alone for a while (guard/ejector), who is down (guard/health, by probes and calls), and
 * who is drained.
 *
 * One for all workers, as its client is; a balancer for each worker. What the client was made with
 * are its sources: each is a target, or stands for all addresses of its name. Who is in the group
 * at a time is a set, which never changes: another one takes its place when names have got other
 * addresses, and each worker goes over to it with its next call.
 *
 * C12: an exchange runs at no more than one target of a group, and at none once it is over.
 * C13: a target is told of each try that it got, once, unless the try's end says nothing of it.
 * C14: a worker has the set that it chooses from, and those before in which calls of its own run. A
 *      set goes when nobody has it, and a target when it is in no set and nobody probes it.
 */
#ifndef WEIR_HTTP_CLIENT_UPSTREAM_H
#define WEIR_HTTP_CLIENT_UPSTREAM_H

#include <stdatomic.h>

#include "guard/balance.h"
#include "http/client/client.h"
#include "net/addresses.h"

enum {
    WEIR__UPSTREAM_SOURCES_MAX = 100,
    WEIR__UPSTREAM_NAMES_MAX = 10, /* of these, that stand for all of their addresses */
    WEIR__UPSTREAM_TARGETS_MAX =
        WEIR__UPSTREAM_SOURCES_MAX + WEIR__UPSTREAM_NAMES_MAX * (WEIR__ADDRESSES_MAX - 1),
    WEIR__UPSTREAM_TARGET_TEXT_MAX = 2 * WEIR__POOL_KEY_MAX
};

/* As the client was made with it. */
struct weir__upstream_source {
    struct weir__upstream *upstream;
    struct weir__client_target at; /* `path` is empty */
    const char *url;               /* as it was given */
    uint32_t weight;
    bool is_each;  /* each address of its name is a target; it is one itself while none is known */
    bool is_known; /* its addresses are in the group */
    bool is_in_trouble; /* the last look-up failed, which was told */
    _Atomic bool is_draining;
    struct weir__upstream_target *self;
};

struct weir__upstream_target {
    struct weir__upstream_source *source;
    struct weir__client_target at;
    uint64_t id; /* never that of another one */
    struct weir__list in_all;
    uint32_t users; /* C14; under the group's lock */
    _Atomic bool is_gone;
    struct weir__health health;
    _Atomic int64_t out_since;      /* ns; when it was ejected or went down, the last time */
    _Atomic uint64_t ejections;     /* that were told of */
    _Atomic int32_t trouble;        /* the last failure: below 0 an error, above a status */
    struct weir__counter probes[2]; /* [was it well]; the prober's */
    const char *name;               /* for people: the URL, and its address where it has one */
    char text[WEIR__UPSTREAM_TARGET_TEXT_MAX];
};

struct weir__upstream_seat {
    struct weir__upstream_target *target;
    uint64_t before[2]; /* [did it go well]: tries in the sets before this one */
};

struct weir__upstream_set {
    struct weir__upstream *upstream;
    uint32_t users; /* C14: workers, the group, and who reads its numbers; under the group's lock */
    uint32_t count;
    struct weir__ejector *ejector;
    const struct weir__health **health; /* [count]; all NULL without probes */
    struct weir__balance **balances;    /* [workers] */
    struct weir__upstream_seat of[];    /* [count] */
};

struct weir__upstream {
    weir_http *http;
    struct weir__ctx *owner; /* the client's context, whose fibers probe and look up */
    uint32_t source_count;
    struct weir__upstream_source *sources;
    bool is_probed;
    weir_http *prober;                   /* asks targets how they are; NULL: nobody is asked */
    struct weir__health_options healths; /* settled */
    struct weir__random random;          /* of the worker on which it was made */
    struct weir__upstream_set *_Atomic latest;
    struct weir__upstream_set **here; /* [workers]; NULL: no call yet */
    struct weir__lock lock;
    struct weir__list targets; /* in_all */
    uint64_t next_id;
};

#define WEIR__UPSTREAM_NOT_THERE UINT32_MAX

/* --- making (upstream_open.c) ----------------------------------------------------------------- */

/*
 * Reads the options of a group, whose mistakes go to `mistakes` behind "HTTP client NAME: ", and
 * makes it. WEIR_OK without a group too; WEIR_EINVALID, WEIR_ENOTBUILT, -ENOMEM.
 */
weir_err weir__upstream_make(weir_http *http, struct weir__ctx *c, weir_buf *mistakes);

/* Begins the probes and the look-ups, in the fibers of the client's context. */
weir_err weir__upstream_start(weir_http *http, const weir_site *site);

/* Frees what is not its context's; NULL is nothing. */
void weir__upstream_free(struct weir__upstream *u);

/* --- who is in it (upstream_set.c) ------------------------------------------------------------ */

/* The first set: each source itself. */
weir_err weir__upstream_begin(struct weir__upstream *u);

/*
 * `source` has these addresses now, without any: it stands for itself. Who is new gets little at
 * first, who is no more among them gets nothing more, and its connections are closed as they come
 * free. -ENOMEM: all is as it was. The worker on which the group was made.
 */
weir_err weir__upstream_change(struct weir__upstream *u, struct weir__upstream_source *source,
                               const struct weir__addresses *to);

/* The set that the running worker chooses from: the latest. */
struct weir__upstream_set *weir__upstream_here(struct weir__upstream *u);

/* The running worker's call at a seat of that set has ended. */
void weir__upstream_done(struct weir__upstream_set *set, uint32_t seat);

/* The latest, for who reads its numbers and lets go of it. Any thread. */
struct weir__upstream_set *weir__upstream_hold(struct weir__upstream *u);
void weir__upstream_let_go(struct weir__upstream_set *set);

/* Where a target sits; WEIR__UPSTREAM_NOT_THERE. */
uint32_t weir__upstream_seat_of(const struct weir__upstream_set *set, uint64_t target_id);

/* Is there a user less of the target? Then it may be gone. */
void weir__upstream_quit(struct weir__upstream_target *t);

/* Gives back all sets and targets: nobody uses them any more. */
void weir__upstream_end(struct weir__upstream *u);

/* --- calls (upstream.c) ----------------------------------------------------------------------- */

/* Is that origin one of the targets'? */
bool weir__upstream_has(const struct weir__upstream *u, weir_str origin);

/* Is one of them asked over TLS? */
bool weir__upstream_is_https(const struct weir__upstream *u);

/* Gives an exchange its target, and the exchange the name of it; -EHOSTUNREACH: all are out. */
weir_err weir__upstream_choose(weir_reply *r);

/* How a try went: WEIR_OK with a status, or an error. */
void weir__upstream_report(weir_reply *r, weir_err err);

/* It runs there no longer (C12). Idempotent. */
void weir__upstream_leave(weir_reply *r);

/* Is there a target that has not failed this exchange yet, and would be given? */
bool weir__upstream_has_other(const weir_reply *r);

/* Is the exchange at a target that is in the group no more? */
bool weir__upstream_is_gone(const weir_reply *r);

/* One changes its state by what was found: it is noted, and one line in the log. */
void weir__upstream_note(struct weir__upstream_target *t, bool is_up, const char *what);

/* Notes what was wrong with a target: below 0 an error, above a status. */
static inline void weir__upstream_trouble(struct weir__upstream_target *t, int what)
{
    atomic_store_explicit(&t->trouble, what, memory_order_relaxed);
}

/* --- probes (probe.c) ------------------------------------------------------------------------- */

/* Arms the first probe of a target; it is used until it is gone and the next would be due. */
weir_err weir__upstream_probe(struct weir__upstream_target *t);

/* --- names (upstream_names.c) ----------------------------------------------------------------- */

/* Arms the first look-up of a source, at once. */
weir_err weir__upstream_look_up(struct weir__upstream_source *source);

#endif
