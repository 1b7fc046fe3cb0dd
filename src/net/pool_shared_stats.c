/*
 * The numbers of shared pools: what each worker counts, summed by who reads. As with the others
 * (pool_stats.c) the mutex of the list is held while it is read, so a pool's end waits for who
 * looks at it.
 */
#include <pthread.h>

#include "net/pool_shared_inside.h"

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir__list list = {&list, &list}; /* weir__shared_pool.registered */

void weir__shared_pool_register(struct weir__shared_pool *pool)
{
    pthread_mutex_lock(&list_lock);
    WEIR_ASSERT(pool->registered.next == NULL, "P19: a pool is listed once");
    weir__list_push_back(&list, &pool->registered);
    pthread_mutex_unlock(&list_lock);
}

void weir__shared_pool_unregister(struct weir__shared_pool *pool)
{
    pthread_mutex_lock(&list_lock);
    WEIR_ASSERT(!weir__list_empty(&pool->registered), "P19: a pool is listed until its end");
    weir__list_remove(&pool->registered);
    pthread_mutex_unlock(&list_lock);
}

static void add(struct weir__shared_stats *out, const struct weir__seat_numbers *n)
{
    weir_pool_stats *p = &out->pool;
    uint64_t open = (uint64_t)weir__gauge_read(&n->open);
    uint64_t in_use = (uint64_t)weir__gauge_read(&n->in_use);
    p->open += open;
    p->in_use += in_use;
    p->idle += open > in_use ? open - in_use : 0;
    p->waiting += (uint64_t)weir__gauge_read(&n->waiting);
    p->acquired += weir__counter_read(&n->acquired);
    p->waits += weir__counter_read(&n->waits);
    p->wait_ns += weir__counter_read(&n->wait_ns);
    p->timeouts += weir__counter_read(&n->timeouts);
    p->refused += weir__counter_read(&n->refused);
    p->deadlocks += weir__counter_read(&n->deadlocks);
    p->leaked += weir__counter_read(&n->leaked);
    p->leaks_returned += weir__counter_read(&n->leaks_returned);
    p->opened += weir__counter_read(&n->opened);
    p->open_errors += weir__counter_read(&n->open_errors);
    for (int i = 0; i < WEIR_POOL_CLOSED_REASONS; i++)
        p->closed[i] += weir__counter_read(&n->closed[i]);
    out->leases += (uint64_t)weir__gauge_read(&n->leases);
    out->room += (uint64_t)weir__gauge_read(&n->room);
    out->retired += weir__counter_read(&n->retired);
    out->told += weir__counter_read(&n->told);
    out->keys += (uint64_t)weir__gauge_read(&n->keys);
    out->evicted += weir__counter_read(&n->evicted);
}

void weir__shared_pool_stats(struct weir__shared_pool *pool, struct weir__shared_stats *out)
{
    WEIR_ASSERT(pool->seat_count > 0, "P10: a pool has a seat on each worker that may use it");
    uint64_t most = pool->o.keys_max > 1 ? pool->o.open_max : pool->o.each.max_open;
    *out = (struct weir__shared_stats){
        .pool = {.name = pool->name, .max_open = most * pool->seat_count}};
    for (uint32_t i = 0; i < pool->seat_count; i++)
        add(out, &pool->seats[i].n);
}

void weir__shared_pool_each(void (*fn)(const struct weir__shared_stats *stats, void *arg),
                            void *arg)
{
    pthread_mutex_lock(&list_lock);
    WEIR_LIST_EACH(node, &list) {
        struct weir__shared_stats s;
        weir__shared_pool_stats(WEIR_CONTAINER(node, struct weir__shared_pool, registered), &s);
        fn(&s, arg);
    }
    pthread_mutex_unlock(&list_lock);
}
