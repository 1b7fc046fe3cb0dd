/*
 * Statistics of routes. Each worker counts in its own memory, without a lock; who reads sums up
 * over the workers. A histogram has 2.5 KB, so a route's memory is made on its first request on a
 * worker: a service with a thousand routes of which ten are used pays for ten.
 */
#include "base/alloc.h"
#include "web/web.h"

struct weir__web_worker *weir__web_worker(struct weir__web *web)
{
    unsigned index = weir__self->index;
    struct weir__web_worker *ww = atomic_load_explicit(&web->workers[index], memory_order_relaxed);
    if (WEIR_LIKELY(ww != NULL))
        return ww;
    ww = weir__calloc(1, sizeof *ww + (web->route_count + 1) * sizeof ww->stats[0]);
    if (ww == NULL)
        return NULL;
    ww->web = web;
    atomic_store_explicit(&web->workers[index], ww, memory_order_release);
    return ww;
}

static struct weir__route_stats *stats_of(struct weir__web_worker *ww, uint32_t index)
{
    struct weir__route_stats *s = atomic_load_explicit(&ww->stats[index], memory_order_relaxed);
    if (WEIR_LIKELY(s != NULL))
        return s;
    s = weir__calloc(1, sizeof *s);
    if (s != NULL)
        atomic_store_explicit(&ww->stats[index], s, memory_order_release);
    return s;
}

void weir__web_count(const struct weir__request *r)
{
    struct weir__web_worker *ww = weir__web_worker(r->web);
    if (ww == NULL)
        return;
    struct weir__route_stats *s = stats_of(ww, r->route->index);
    if (s == NULL) {
        weir__counter_add(&ww->unmeasured, 1);
        return;
    }
    const struct weir__exchange *x = r->x;
    unsigned class = x->status >= 100 && x->status < 600 && x->status != 499 ? x->status / 100u : 0;
    weir__counter_add(&s->by_class[class], 1);
    if (weir__exchange_is_begun(x) && !weir__exchange_is_whole(x))
        weir__counter_add(&s->cut, 1);
    weir_dur latency = weir_time_sub(weir__worker_now(weir__self), x->began);
    weir__histo_record(&s->latency, latency.ns > 0 ? (uint64_t)latency.ns : 0);
}

static void add(struct weir__route_stats *into, const struct weir__route_stats *from)
{
    for (size_t i = 0; i < sizeof into->by_class / sizeof into->by_class[0]; i++)
        weir__counter_add(&into->by_class[i], weir__counter_read(&from->by_class[i]));
    weir__counter_add(&into->cut, weir__counter_read(&from->cut));
    weir__histo_merge(&into->latency, &from->latency);
}

bool weir__web_stats(const struct weir__web *web, uint32_t index, const char **label,
                     struct weir__route_stats *out)
{
    if (!web->is_frozen || index > web->route_count)
        return false;
    memset(out, 0, sizeof *out);
    *label = web->by_index[index]->label;
    for (size_t i = 0; i < WEIR__WORKERS_MAX; i++) {
        const struct weir__web_worker *ww =
            atomic_load_explicit(&web->workers[i], memory_order_acquire);
        const struct weir__route_stats *s =
            ww != NULL ? atomic_load_explicit(&ww->stats[index], memory_order_acquire) : NULL;
        if (s != NULL)
            add(out, s);
    }
    return true;
}
