/*
 * Who loads and who waits: under one lock for the process, because a ring may go through several
 * caches. It is taken inside of shards' locks, for a walk along those that wait for each other,
 * which are few.
 *
 * D1: a fiber that loads and waits says so at one of its loads; what it waits for is there until it
 *     says otherwise.
 */
#include "data/cache/loads.h"

#include <stdint.h>

#include "base/assert.h"
#include "os/lock.h"

enum { BUCKETS = 256, STEPS_MAX = 1000 };

static struct weir__lock lock;
static struct weir__list buckets[BUCKETS]; /* weir__cache_loading.link; zeroed: empty */

static struct weir__list *bucket_of(const struct weir__fiber *fiber)
{
    struct weir__list *b = &buckets[((uintptr_t)fiber * 0x9e3779b97f4a7c15u >> 32) % BUCKETS];
    if (b->next == NULL)
        weir__list_init(b);
    return b;
}

/* A load of the fiber's, the one that says what it waits for if it does. NULL: it loads nothing. */
static struct weir__cache_loading *load_of(const struct weir__fiber *fiber)
{
    struct weir__cache_loading *found = NULL;
    WEIR_LIST_EACH(node, bucket_of(fiber)) {
        struct weir__cache_loading *l = WEIR_CONTAINER(node, struct weir__cache_loading, link);
        if (l->fiber == fiber && (found == NULL || l->awaits != NULL))
            found = l;
    }
    return found;
}

static void go_on(const struct weir__fiber *fiber)
{
    struct weir__cache_loading *l = load_of(fiber);
    if (l != NULL)
        l->awaits = NULL;
}

void weir__loading_begin(struct weir__cache_loading *l, const struct weir__fiber *fiber)
{
    weir__lock_take(&lock);
    WEIR_ASSERT(l->fiber == NULL, "D1: one fiber makes a load at a time");
    go_on(fiber);
    l->fiber = fiber;
    l->awaits = NULL;
    weir__list_init(&l->link);
    weir__list_push_back(bucket_of(fiber), &l->link);
    weir__lock_give(&lock);
}

void weir__loading_end(struct weir__cache_loading *l)
{
    weir__lock_take(&lock);
    WEIR_ASSERT(l->fiber != NULL && l->awaits == NULL, "D1: who ends a load waits for none");
    weir__list_remove(&l->link);
    l->fiber = NULL;
    weir__lock_give(&lock);
}

bool weir__loading_await(const struct weir__cache_loading *l, const struct weir__fiber *fiber)
{
    bool may_wait = true;
    weir__lock_take(&lock);
    struct weir__cache_loading *own = load_of(fiber);
    const struct weir__cache_loading *at = l;
    for (int i = 0; own != NULL && may_wait && at != NULL && i < STEPS_MAX; i++) {
        may_wait = at->fiber != fiber;
        const struct weir__cache_loading *next =
            at->fiber != NULL && may_wait ? load_of(at->fiber) : NULL;
        at = next != NULL ? next->awaits : NULL;
    }
    WEIR_ASSERT(own == NULL || own->awaits == NULL, "D1: a fiber waits for one load at a time");
    if (own != NULL && may_wait)
        own->awaits = l;
    weir__lock_give(&lock);
    return may_wait;
}

void weir__loading_go_on(const struct weir__fiber *fiber)
{
    weir__lock_take(&lock);
    go_on(fiber);
    weir__lock_give(&lock);
}

const struct weir__fiber *weir__loading_fiber(const struct weir__cache_loading *l)
{
    weir__lock_take(&lock);
    const struct weir__fiber *f = l->fiber;
    weir__lock_give(&lock);
    return f;
}
