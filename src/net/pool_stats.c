/*
 * The list of all pools of the process, and the reading of their numbers. Pools come and go; the
 * mutex of the list is held while it is read, so a pool's end waits for who looks at it.
 */
#include <pthread.h>

#include "net/pool_inside.h"
#include "net/pool_shared.h"

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir__list list = {&list, &list}; /* weir__pool.registered */

void weir__pool_list_take(void)
{
    pthread_mutex_lock(&list_lock);
}

void weir__pool_list_give(void)
{
    pthread_mutex_unlock(&list_lock);
}

void weir__pool_register_held(struct weir__pool *pool)
{
    WEIR_ASSERT(pool->registered.next == NULL, "P19: a pool is listed once");
    weir__list_push_back(&list, &pool->registered);
}

void weir__pool_register(struct weir__pool *pool)
{
    weir__pool_list_take();
    weir__pool_register_held(pool);
    weir__pool_list_give();
}

void weir__pool_unregister(struct weir__pool *pool)
{
    pthread_mutex_lock(&list_lock);
    WEIR_ASSERT(!weir__list_empty(&pool->registered), "P19: a pool is listed until its end");
    weir__list_remove(&pool->registered);
    pthread_mutex_unlock(&list_lock);
}

void weir__pool_stats(struct weir__pool *pool, weir_pool_stats *out)
{
    weir__lock_take(&pool->lock);
    *out = pool->stats;
    WEIR_ASSERT(out->idle + out->in_use <= out->open, "P1: what is idle or lent is open");
    weir__lock_give(&pool->lock);
}

uint32_t weir__pool_load(struct weir__pool *pool)
{
    weir__lock_take(&pool->lock);
    uint64_t load = pool->stats.in_use + pool->stats.waiting;
    weir__lock_give(&pool->lock);
    return (uint32_t)load;
}

bool weir__pool_oldest(struct weir__pool *pool, weir_time now, struct weir__pool_oldest *out)
{
    const struct weir__pool_slot *oldest = NULL;
    weir__lock_take(&pool->lock);
    WEIR__EACH_SLOT(slot, pool) {
        if (slot->state == WEIR__SLOT_LEASED &&
            (oldest == NULL || slot->leased.ns < oldest->leased.ns))
            oldest = slot;
    }
    if (oldest != NULL)
        *out = (struct weir__pool_oldest){oldest->site, {now.ns - oldest->leased.ns}};
    weir__lock_give(&pool->lock);
    return oldest != NULL;
}

void weir__pool_visit(void (*fn)(struct weir__pool *pool, void *arg), void *arg)
{
    weir__pool_list_take();
    WEIR_LIST_EACH(node, &list)
        fn(WEIR_CONTAINER(node, struct weir__pool, registered), arg);
    weir__pool_list_give();
}

struct visit {
    void (*fn)(const weir_pool_stats *stats, void *arg);
    void *arg;
};

static void visit_shared(const struct weir__shared_stats *stats, void *arg)
{
    const struct visit *v = arg;
    v->fn(&stats->pool, v->arg);
}

void weir__pool_each(void (*fn)(const weir_pool_stats *stats, void *arg), void *arg)
{
    pthread_mutex_lock(&list_lock);
    WEIR_LIST_EACH(node, &list) {
        weir_pool_stats s;
        weir__pool_stats(WEIR_CONTAINER(node, struct weir__pool, registered), &s);
        fn(&s, arg);
    }
    pthread_mutex_unlock(&list_lock);
    weir__shared_pool_each(visit_shared, &(struct visit){fn, arg});
}

const char *weir_pool_closed_name(weir_pool_closed reason)
{
    static const char *const names[] = {"lifetime", "idle", "broken", "shutdown", "retired"};
    return (unsigned)reason < sizeof names / sizeof names[0] ? names[reason] : "unknown";
}
