/*
 * The numbers of all clients: for weir_redis_stats, and as families. What the workers count anyway,
 * summed up when somebody asks. The numbers of connections are those of pools, too.
 */
#include "data/redis/redis.h"

#include <pthread.h>
#include <string.h>

#include "base/given.h"
#include "base/metric.h"
#include "base/sized.h"
#include "rt/outside.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir__list all = {&all, &all}; /* weir_redis.in_all */

void weir__redis_enlist(weir_redis *redis)
{
    pthread_mutex_lock(&lock);
    weir__list_push_back(&all, &redis->in_all);
    pthread_mutex_unlock(&lock);
}

void weir__redis_delist(weir_redis *redis)
{
    pthread_mutex_lock(&lock);
    weir__list_remove(&redis->in_all);
    pthread_mutex_unlock(&lock);
}

/* --- of one client ---------------------------------------------------------------------------- */

#define SUM(redis, cell)                                                                           \
    ({                                                                                             \
        uint64_t n_ = 0;                                                                           \
        for (unsigned i_ = 0; i_ < (redis)->workers; i_++)                                         \
            n_ += atomic_load_explicit(&(redis)->seats[i_].n.cell.n, memory_order_relaxed);        \
        n_;                                                                                        \
    })

/* A gauge of several workers: below zero on one, and never in all. */
#define LEVEL(redis, cell)                                                                         \
    ({                                                                                             \
        int64_t n_ = 0;                                                                            \
        for (unsigned i_ = 0; i_ < (redis)->workers; i_++)                                         \
            n_ += weir__gauge_read(&(redis)->seats[i_].n.cell);                                    \
        (uint64_t)(n_ > 0 ? n_ : 0);                                                               \
    })

static void sum(const weir_redis *redis, weir_redis_stats *s)
{
    if (redis->seats == NULL)
        return;
    *s = (weir_redis_stats){.connections = LEVEL(redis, connections),
                            .in_flight = LEVEL(redis, in_flight),
                            .abandoned = LEVEL(redis, abandoned),
                            .commands = SUM(redis, commands),
                            .sends = SUM(redis, sends),
                            .errors = SUM(redis, errors),
                            .retries = SUM(redis, retries),
                            .cut = SUM(redis, cut),
                            .dials = SUM(redis, dials),
                            .dial_errors = SUM(redis, dial_errors),
                            .refused = SUM(redis, refused),
                            .down = LEVEL(redis, down),
                            .invalidations = SUM(redis, invalidations),
                            .subscriptions = LEVEL(redis, subscriptions)};
}

void weir_redis_numbers_at(const weir_redis *redis, weir_redis_stats *stats, size_t stats_size)
{
    WEIR__FIBERS_ONLY();
    weir__given_to("weir_redis_numbers", stats, "the numbers");
    weir_redis_stats s = {.connections = 0};
    sum(weir__redis_of(redis, "weir_redis_numbers"), &s);
    weir__sized_fill(stats, stats_size, &s, sizeof s);
}

/* --- families --------------------------------------------------------------------------------- */

static const struct weir__family families[] = {
    {"weir_redis_commands_total", "Commands sent to Redis.", WEIR_METRIC_COUNTER,
     .labels = {"client"}},
    {"weir_redis_sends_total", "System calls that they took.", WEIR_METRIC_COUNTER,
     .labels = {"client"}},
    {"weir_redis_errors_total", "Answers that were errors.", WEIR_METRIC_COUNTER,
     .labels = {"client"}},
    {"weir_redis_retries_total", "Commands that went to another connection before they were sent.",
     WEIR_METRIC_COUNTER, .labels = {"client"}},
    {"weir_redis_cut_total", "Commands that were on their way when their connection broke.",
     WEIR_METRIC_COUNTER, .labels = {"client"}},
    {"weir_redis_dials_total", "Connections that were opened, or could not be.",
     WEIR_METRIC_COUNTER, .labels = {"client", "outcome"}},
    {"weir_redis_refused_total", "Calls that failed at once, for Redis could not be reached.",
     WEIR_METRIC_COUNTER, .labels = {"client"}},
    {"weir_redis_invalidations_total", "Keys of which the server has said that they changed.",
     WEIR_METRIC_COUNTER, .labels = {"client"}},
    {"weir_redis_messages_total", "What was published to subscriptions: received, or lost.",
     WEIR_METRIC_COUNTER, .labels = {"client", "outcome"}},
    {"weir_redis_connections", "Connections that are open.", WEIR_METRIC_GAUGE,
     .labels = {"client"}},
    {"weir_redis_in_flight", "Commands whose answers are due: waited for, or abandoned.",
     WEIR_METRIC_GAUGE, .labels = {"client", "state"}},
    {"weir_redis_subscriptions", "Subscriptions to channels.", WEIR_METRIC_GAUGE,
     .labels = {"client"}},
    {"weir_redis_down", "Workers that cannot reach Redis.", WEIR_METRIC_GAUGE,
     .labels = {"client"}},
};

enum { FAMILIES = sizeof families / sizeof families[0], VALUES = 2 };

/* What a family has of a client: one number, or two with their names. */
struct numbers {
    uint64_t n[FAMILIES][VALUES];
};

static const char *const labels[FAMILIES][VALUES] = {
    [5] = {"ok", "failed"}, [8] = {"received", "lost"}, [10] = {"waited", "abandoned"}};

static void add_numbers(const weir_redis *redis, struct numbers *to)
{
    weir_redis_stats s = {.connections = 0};
    sum(redis, &s);
    const uint64_t n[FAMILIES][VALUES] = {
        {s.commands},
        {s.sends},
        {s.errors},
        {s.retries},
        {s.cut},
        {s.dials, s.dial_errors},
        {s.refused},
        {s.invalidations},
        {SUM(redis, messages), SUM(redis, lost)},
        {s.connections},
        {s.in_flight > s.abandoned ? s.in_flight - s.abandoned : 0, s.abandoned},
        {s.subscriptions},
        {s.down}};
    for (int i = 0; i < FAMILIES; i++) {
        to->n[i][0] += n[i][0];
        to->n[i][1] += n[i][1];
    }
}

/* Samples must differ: of several with one name the first stands for all. */
static bool is_first(const weir_redis *redis)
{
    for (const struct weir__list *n = redis->in_all.prev; n != &all; n = n->prev)
        if (strcmp(WEIR_CONTAINER(n, weir_redis, in_all)->name, redis->name) == 0)
            return false;
    return true;
}

static void put_family(struct weir__metric_sink *to, int family, const weir_redis *redis)
{
    struct numbers sums = {{{0}}};
    WEIR_LIST_EACH(node, &all) {
        const weir_redis *of = WEIR_CONTAINER(node, weir_redis, in_all);
        if (strcmp(of->name, redis->name) == 0)
            add_numbers(of, &sums);
    }
    for (int i = 0; i < VALUES && (i == 0 || labels[family][i] != NULL); i++) {
        const weir_str values[] = {weir_str_from(redis->name), weir_str_from(labels[family][i])};
        to->number(to, &families[family], values, sums.n[family][i]);
    }
}

static void put(struct weir__metric_sink *to, void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < FAMILIES; i++) {
        to->family(to, &families[i]);
        WEIR_LIST_EACH(node, &all) {
            const weir_redis *redis = WEIR_CONTAINER(node, weir_redis, in_all);
            if (is_first(redis))
                put_family(to, i, redis);
        }
    }
    pthread_mutex_unlock(&lock);
}

void weir__redis_metrics(struct weir__metrics *to)
{
    weir__metrics_add(to, families, FAMILIES, put, NULL);
}
