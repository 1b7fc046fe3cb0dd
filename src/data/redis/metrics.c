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

/* Below zero on one worker, and never in all: wrapped around, the sum is right. */
static uint64_t level_of(const struct weir__gauge *g)
{
    return (uint64_t)weir__gauge_read(g);
}

static void add_seat(const struct weir__redis_cells *n, weir_redis_stats *s)
{
    s->connections += level_of(&n->connections);
    s->in_flight += level_of(&n->in_flight);
    s->abandoned += level_of(&n->abandoned);
    s->commands += weir__counter_read(&n->commands);
    s->sends += weir__counter_read(&n->sends);
    s->errors += weir__counter_read(&n->errors);
    s->retries += weir__counter_read(&n->retries);
    s->cut += weir__counter_read(&n->cut);
    s->dials += weir__counter_read(&n->dials);
    s->dial_errors += weir__counter_read(&n->dial_errors);
    s->refused += weir__counter_read(&n->refused);
    s->down += level_of(&n->down);
    s->invalidations += weir__counter_read(&n->invalidations);
    s->subscriptions += level_of(&n->subscriptions);
}

/* Workers are read one after the other: what has gone from one to another may be missed. */
static uint64_t from_zero(uint64_t n)
{
    return (int64_t)n > 0 ? n : 0;
}

static void sum(const weir_redis *redis, weir_redis_stats *s)
{
    if (redis->seats == NULL)
        return;
    *s = (weir_redis_stats){.connections = 0};
    for (unsigned i = 0; i < redis->workers; i++)
        add_seat(&redis->seats[i].n, s);
    s->connections = from_zero(s->connections);
    s->in_flight = from_zero(s->in_flight);
    s->abandoned = from_zero(s->abandoned);
    s->down = from_zero(s->down);
    s->subscriptions = from_zero(s->subscriptions);
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
    uint64_t messages = 0, lost = 0;
    sum(redis, &s);
    for (unsigned i = 0; i < redis->workers; i++) {
        messages += weir__counter_read(&redis->seats[i].n.messages);
        lost += weir__counter_read(&redis->seats[i].n.lost);
    }
    const uint64_t n[FAMILIES][VALUES] = {
        {s.commands},
        {s.sends},
        {s.errors},
        {s.retries},
        {s.cut},
        {s.dials, s.dial_errors},
        {s.refused},
        {s.invalidations},
        {messages, lost},
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
