/* The numbers of all multiplexes, as families; their connections are among those of pools. */
#include "data/postgres/multiplex.h"

#include <pthread.h>
#include <string.h>

#include "base/metric.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir__list all = {&all, &all}; /* weir__pg_mux.in_all */

void weir__pg_mux_enlist(struct weir__pg_mux *mux)
{
    pthread_mutex_lock(&lock);
    weir__list_push_back(&all, &mux->in_all);
    pthread_mutex_unlock(&lock);
}

void weir__pg_mux_delist(struct weir__pg_mux *mux)
{
    pthread_mutex_lock(&lock);
    weir__list_remove(&mux->in_all);
    pthread_mutex_unlock(&lock);
}

static const struct weir__family families[] = {
    {"weir_postgres_multiplex_statements_total", "Statements that shared a connection.",
     WEIR_METRIC_COUNTER, .labels = {"database"}},
    {"weir_postgres_multiplex_sends_total", "System calls that they took.", WEIR_METRIC_COUNTER,
     .labels = {"database"}},
    {"weir_postgres_multiplex_late_total",
     "How often a connection took no new statements, for its oldest was late.", WEIR_METRIC_COUNTER,
     .labels = {"database"}},
    {"weir_postgres_multiplex_cut_off_total",
     "Answers thrown away because they were not read while others waited.", WEIR_METRIC_COUNTER,
     .labels = {"database"}},
    {"weir_postgres_multiplex_large_total",
     "Statements that share no connection any more, for their answers are large.",
     WEIR_METRIC_COUNTER, .labels = {"database"}},
    {"weir_postgres_multiplex_in_flight",
     "Statements whose answers are due: waited for, or abandoned.", WEIR_METRIC_GAUGE,
     .labels = {"database", "state"}},
};

enum { FAMILIES = sizeof families / sizeof families[0], IN_FLIGHT = FAMILIES - 1 };

struct sums {
    uint64_t n[FAMILIES];
    int64_t abandoned;
};

static void add(const struct weir__pg_mux *mux, struct sums *to)
{
    for (uint32_t i = 0; i < mux->seat_count; i++) {
        const struct weir__pg_mux_cells *n = &mux->seats[i].n;
        to->n[0] += weir__counter_read(&n->statements);
        to->n[1] += weir__counter_read(&n->sends);
        to->n[2] += weir__counter_read(&n->late);
        to->n[3] += weir__counter_read(&n->cut_off);
        to->n[4] += weir__counter_read(&n->large);
        to->n[IN_FLIGHT] += (uint64_t)weir__gauge_read(&n->in_flight);
        to->abandoned += weir__gauge_read(&n->abandoned);
    }
}

/* Samples must differ: of several with one name the first stands for all. */
static bool is_first(const struct weir__pg_mux *mux)
{
    for (const struct weir__list *n = mux->in_all.prev; n != &all; n = n->prev)
        if (strcmp(WEIR_CONTAINER(n, struct weir__pg_mux, in_all)->db->name, mux->db->name) == 0)
            return false;
    return true;
}

static void put_family(struct weir__metric_sink *to, int family, const struct weir__pg_mux *mux)
{
    struct sums sums = {.abandoned = 0};
    WEIR_LIST_EACH(node, &all) {
        const struct weir__pg_mux *of = WEIR_CONTAINER(node, struct weir__pg_mux, in_all);
        if (strcmp(of->db->name, mux->db->name) == 0)
            add(of, &sums);
    }
    /* Workers are read one after the other: an abandoned one may have been answered meanwhile. */
    uint64_t abandoned = sums.abandoned > 0 ? (uint64_t)sums.abandoned : 0;
    weir_str values[] = {weir_str_from(mux->db->name), WEIR_S("waited")};
    if (family == IN_FLIGHT)
        sums.n[family] = sums.n[family] > abandoned ? sums.n[family] - abandoned : 0;
    to->number(to, &families[family], values, sums.n[family]);
    values[1] = WEIR_S("abandoned");
    if (family == IN_FLIGHT)
        to->number(to, &families[family], values, abandoned);
}

static void put(struct weir__metric_sink *to, void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < FAMILIES; i++) {
        to->family(to, &families[i]);
        WEIR_LIST_EACH(node, &all) {
            const struct weir__pg_mux *mux = WEIR_CONTAINER(node, struct weir__pg_mux, in_all);
            if (is_first(mux))
                put_family(to, i, mux);
        }
    }
    pthread_mutex_unlock(&lock);
}

void weir__pg_mux_metrics(struct weir__metrics *to)
{
    weir__metrics_add(to, families, FAMILIES, put, NULL);
}
