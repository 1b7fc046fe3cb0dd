/*
 * The list of all caches of the process, and the reading of their numbers: for the admin's page,
 * and as families for /metrics. The mutex of the list is held while it is read, so a cache's end
 * waits for who looks at it.
 */
#include "data/cache/list.h"

#include <pthread.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/given.h"
#include "base/json_encode.h"
#include "base/metric.h"
#include "base/sized.h"
#include "data/cache/cache.h"
#include "data/cache/second.h"
#include "rt/outside.h"

enum { CACHES_MAX = 128, SHOWN_NAME_MAX = WEIR__CACHE_NAME_MAX + 16 };

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir__list list = {&list, &list}; /* weir_cache.registered */

void weir__cache_enlist(struct weir_cache *cache)
{
    pthread_mutex_lock(&list_lock);
    WEIR_ASSERT(cache->registered.next == NULL, "C2: a cache is listed once");
    weir__list_push_back(&list, &cache->registered);
    pthread_mutex_unlock(&list_lock);
}

void weir__cache_delist(struct weir_cache *cache)
{
    pthread_mutex_lock(&list_lock);
    WEIR_ASSERT(!weir__list_empty(&cache->registered), "C2: a cache is listed until its end");
    weir__list_remove(&cache->registered);
    pthread_mutex_unlock(&list_lock);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void add(weir_cache_stats *out, const struct weir__cache_shard *s)
{
    const struct weir__shard_counts *n = &s->n;
    out->entries += (uint64_t)weir__gauge_read(&n->entries);
    out->missing += (uint64_t)weir__gauge_read(&n->missing);
    out->pinned_bytes += (uint64_t)weir__gauge_read(&n->pinned_bytes);
    out->bytes +=
        (uint64_t)weir__gauge_read(&n->bytes) + weir__shard_table_bytes(s->policy, &s->bounds);
    out->hits += weir__counter_read(&n->hits);
    out->misses += weir__counter_read(&n->misses);
    out->guarded += weir__counter_read(&n->guarded);
    out->waits += weir__counter_read(&n->waits);
    out->loads += weir__counter_read(&n->loads);
    out->load_errors += weir__counter_read(&n->load_errors);
    out->evicted += weir__counter_read(&n->evicted);
    out->expired += weir__counter_read(&n->expired);
    out->not_kept += weir__counter_read(&n->not_kept);
    out->second_hits += weir__counter_read(&n->second_hits);
    out->second_misses += weir__counter_read(&n->second_misses);
    out->second_errors += weir__counter_read(&n->second_errors);
}

void weir__cache_read(const struct weir_cache *cache, weir_cache_stats *out)
{
    *out = (weir_cache_stats){.name = cache->name,
                              .entries_max = cache->o.entries_max,
                              .bytes_max = cache->o.bytes_max,
                              .bytes = weir__bloom_bytes(cache->o.guard_keys)};
    for (uint32_t i = 0; i <= cache->shard_mask; i++)
        add(out, &cache->shards[i]);
    weir__second_numbers(cache, &out->second_owed, &out->second_out);
}

void weir_cache_numbers_at(const weir_cache *handle, weir_cache_stats *out, size_t size)
{
    WEIR__FIBERS_ONLY();
    weir__given_to("weir_cache_numbers", out, "the stats");
    const struct weir_cache *cache = weir__cache_of(handle, "weir_cache_numbers");
    weir_cache_stats all = {.name = cache->name};
    if (cache->err == WEIR_OK)
        weir__cache_read(cache, &all);
    weir__sized_fill(out, size, &all, sizeof all);
}

void weir__cache_each(void (*fn)(const weir_cache_stats *stats, void *arg), void *arg)
{
    pthread_mutex_lock(&list_lock);
    WEIR_LIST_EACH(node, &list) {
        weir_cache_stats s;
        weir__cache_read(WEIR_CONTAINER(node, struct weir_cache, registered), &s);
        fn(&s, arg);
    }
    pthread_mutex_unlock(&list_lock);
}

/* --- the page --------------------------------------------------------------------------------- */

static void put_line(const weir_cache_stats *s, void *arg)
{
    uint64_t asked = s->hits + s->misses;
    weir_buf_printf(arg,
                    "%s: %llu of %llu entries (%llu say that there is none), %llu of %llu bytes "
                    "(%llu pinned by who asked); %llu hits of %llu (%.1f %%), %llu loads "
                    "(%llu failed), %llu waited, %llu guarded; %llu evicted, %llu expired, "
                    "%llu not kept",
                    s->name, (unsigned long long)s->entries, (unsigned long long)s->entries_max,
                    (unsigned long long)s->missing, (unsigned long long)s->bytes,
                    (unsigned long long)s->bytes_max, (unsigned long long)s->pinned_bytes,
                    (unsigned long long)s->hits, (unsigned long long)asked,
                    asked > 0 ? 100.0 * (double)s->hits / (double)asked : 0.0,
                    (unsigned long long)s->loads, (unsigned long long)s->load_errors,
                    (unsigned long long)s->waits, (unsigned long long)s->guarded,
                    (unsigned long long)s->evicted, (unsigned long long)s->expired,
                    (unsigned long long)s->not_kept);
    if (s->second_hits + s->second_misses + s->second_errors > 0)
        weir_buf_printf(arg, "; second level%s: %llu hits, %llu misses, %llu errors, %llu owed",
                        s->second_out > 0 ? " (left out now)" : "",
                        (unsigned long long)s->second_hits, (unsigned long long)s->second_misses,
                        (unsigned long long)s->second_errors, (unsigned long long)s->second_owed);
    weir_buf_putc(arg, '\n');
}

void weir__caches_text(weir_buf *out)
{
    size_t before = out->len;
    weir__cache_each(put_line, out);
    if (out->len == before)
        weir_buf_puts(out, WEIR_S("no caches\n"));
}

/* Every number of the stats under its own name. */
#define NUMBER(member)                                                                             \
    {                                                                                              \
#member, offsetof(weir_cache_stats, member)                                                \
    }
static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    NUMBER(entries),       NUMBER(entries_max),   NUMBER(bytes),       NUMBER(bytes_max),
    NUMBER(missing),       NUMBER(pinned_bytes),  NUMBER(hits),        NUMBER(misses),
    NUMBER(guarded),       NUMBER(waits),         NUMBER(loads),       NUMBER(load_errors),
    NUMBER(evicted),       NUMBER(expired),       NUMBER(not_kept),    NUMBER(second_hits),
    NUMBER(second_misses), NUMBER(second_errors), NUMBER(second_owed), NUMBER(second_out),
};

static void put_json(const weir_cache_stats *s, void *arg)
{
    struct weir__json_writer *w = arg;
    weir__json_begin_object(w);
    weir__json_key(w, WEIR_S("name"));
    weir__json_string(w, weir_str_from(s->name));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint64_t n;
        memcpy(&n, (const char *)s + numbers[i].offset, sizeof n);
        weir__json_key(w, weir_str_from(numbers[i].name));
        weir__json_uint(w, n);
    }
    weir__json_end_object(w);
}

void weir__caches_json(weir_buf *out)
{
    struct weir__json_writer w;
    weir__json_writer_init_buf(&w, out);
    weir__json_begin_array(&w);
    weir__cache_each(put_json, &w);
    weir__json_end_array(&w);
    (void)weir__json_writer_fini_buf(&w);
    weir_buf_putc(out, '\n');
}

/* --- metrics ---------------------------------------------------------------------------------- */

#define STAT(name, help, type, member)                                                             \
    {                                                                                              \
        name, help, type, .labels = {"cache"},                                                     \
                          WEIR__ROWS({NULL, offsetof(weir_cache_stats, member)})                   \
    }
#define BYTES(name, help, member)                                                                  \
    {                                                                                              \
        name, help, WEIR_METRIC_GAUGE, WEIR_METRIC_BYTES,                                          \
            .labels = {"cache"}, WEIR__ROWS({NULL, offsetof(weir_cache_stats, member)})            \
    }

static const struct weir__family families[] = {
    STAT("weir_cache_entries", "Entries now.", WEIR_METRIC_GAUGE, entries),
    STAT("weir_cache_entries_max", "How many there may be.", WEIR_METRIC_GAUGE, entries_max),
    BYTES("weir_cache_bytes", "Of keys, values and tables now.", bytes),
    BYTES("weir_cache_max_bytes", "How many there may be.", bytes_max),
    BYTES("weir_cache_pinned_bytes", "Of those, let go and still in use.", pinned_bytes),
    STAT("weir_cache_missing", "Entries that say that there is none.", WEIR_METRIC_GAUGE, missing),
    STAT("weir_cache_hits_total", "Asked for and there.", WEIR_METRIC_COUNTER, hits),
    STAT("weir_cache_misses_total", "Asked for and not there.", WEIR_METRIC_COUNTER, misses),
    STAT("weir_cache_guarded_total", "Misses that the guard has denied.", WEIR_METRIC_COUNTER,
         guarded),
    STAT("weir_cache_waits_total", "Misses that waited for another's load.", WEIR_METRIC_COUNTER,
         waits),
    STAT("weir_cache_loads_total", "Calls of load functions.", WEIR_METRIC_COUNTER, loads),
    STAT("weir_cache_load_errors_total", "Loads that failed.", WEIR_METRIC_COUNTER, load_errors),
    STAT("weir_cache_evicted_total", "Entries that had to go for others.", WEIR_METRIC_COUNTER,
         evicted),
    STAT("weir_cache_expired_total", "Entries that were over.", WEIR_METRIC_COUNTER, expired),
    STAT("weir_cache_not_kept_total", "Values for which there was no room.", WEIR_METRIC_COUNTER,
         not_kept),
    {"weir_cache_second_total", "Questions to the second level, by what came of them.",
     WEIR_METRIC_COUNTER, .labels = {"cache", "result"},
     WEIR__ROWS({"hit", offsetof(weir_cache_stats, second_hits)},
                {"miss", offsetof(weir_cache_stats, second_misses)},
                {"error", offsetof(weir_cache_stats, second_errors)})},
    STAT("weir_cache_second_owed", "Keys written that the second level was not told of yet.",
         WEIR_METRIC_GAUGE, second_owed),
    STAT("weir_cache_second_out", "1 while the second level is left out.", WEIR_METRIC_GAUGE,
         second_out),
};

/* A second cache of a name is shown as "name#2": samples must differ. */
struct caches {
    size_t count;
    weir_cache_stats stats[CACHES_MAX];
    char names[CACHES_MAX][SHOWN_NAME_MAX];
};

static void take(const weir_cache_stats *stats, void *arg)
{
    struct caches *all = arg;
    size_t before = 0;
    if (all->count == CACHES_MAX)
        return;
    for (size_t i = 0; i < all->count; i++)
        before += strcmp(all->stats[i].name, stats->name) == 0;
    if (before == 0)
        (void)snprintf(all->names[all->count], SHOWN_NAME_MAX, "%s", stats->name);
    else
        (void)snprintf(all->names[all->count], SHOWN_NAME_MAX, "%s#%zu", stats->name, before + 1);
    all->stats[all->count++] = *stats;
}

static void put(struct weir__metric_sink *to, void *unused)
{
    (void)unused;
    struct caches all = {0};
    struct weir__metric_subject subjects[CACHES_MAX];
    weir__cache_each(take, &all);
    for (size_t i = 0; i < all.count; i++)
        subjects[i] = (struct weir__metric_subject){weir_str_from(all.names[i]), &all.stats[i]};
    weir__families_put(to, families, sizeof families / sizeof families[0], subjects, all.count);
}

void weir__cache_metrics(struct weir__metrics *to)
{
    weir__metrics_add(to, families, sizeof families / sizeof families[0], put, NULL);
}
