/*
 * The numbers of all clients as families: what the workers count anyway, summed up when somebody
 * asks. The numbers of their connections are those of pools, by host.
 */
#include "http/client/upstream.h"

#include <pthread.h>
#include <string.h>

#include "base/list.h"
#include "base/metric.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir__list all = {&all, &all}; /* weir_http.in_all */

void weir__client_enlist(weir_http *http)
{
    pthread_mutex_lock(&lock);
    weir__list_push_back(&all, &http->in_all);
    pthread_mutex_unlock(&lock);
}

void weir__client_delist(weir_http *http)
{
    pthread_mutex_lock(&lock);
    weir__list_remove(&http->in_all);
    pthread_mutex_unlock(&lock);
}

static const struct weir__family families[] = {
    {"weir_client_requests_total", "Requests to others by how they ended.", WEIR_METRIC_COUNTER,
     .labels = {"client", "host", "outcome"}},
    {"weir_client_retries_total", "Requests that were sent again.", WEIR_METRIC_COUNTER,
     .labels = {"client"}},
    {"weir_client_connections_total",
     "Connections that requests got: opened for one, used again, or passed over as ended.",
     WEIR_METRIC_COUNTER, .labels = {"client", "state"}},
    {"weir_client_target_requests_total", "Tries that targets of groups got, by how they ended.",
     WEIR_METRIC_COUNTER, .labels = {"client", "target", "outcome"}},
    {"weir_client_target_probes_total", "Probes of targets of groups, by what they found.",
     WEIR_METRIC_COUNTER, .labels = {"client", "target", "outcome"}},
    {"weir_client_target_ejections_total", "How often a target was left alone for its failures.",
     WEIR_METRIC_COUNTER, .labels = {"client", "target"}},
    {"weir_client_target_up", "Whether a target gets calls: neither ejected, down, nor drained.",
     WEIR_METRIC_GAUGE, .labels = {"client", "target"}},
};

static const char *const outcomes[WEIR__CLIENT_OUTCOMES] = {
    [WEIR__CLIENT_2XX] = "2xx",
    [WEIR__CLIENT_3XX] = "3xx",
    [WEIR__CLIENT_4XX] = "4xx",
    [WEIR__CLIENT_5XX] = "5xx",
    [WEIR__CLIENT_CONNECT] = "connect",
    [WEIR__CLIENT_TIMEOUT] = "timeout",
    [WEIR__CLIENT_CUT] = "cut",
    [WEIR__CLIENT_MALFORMED] = "malformed",
    [WEIR__CLIENT_CANCELLED] = "cancelled",
    [WEIR__CLIENT_OTHER] = "other",
};

/* Over the workers of all clients that have the name of this one. */
static uint64_t sum(const weir_http *http, size_t offset)
{
    uint64_t n = 0;
    WEIR_LIST_EACH(node, &all) {
        const weir_http *of = WEIR_CONTAINER(node, weir_http, in_all);
        for (unsigned i = 0; i < of->workers && strcmp(of->name, http->name) == 0; i++) {
            const char *cells = (const char *)&of->cells[i];
            n += weir__counter_read((const struct weir__counter *)(const void *)(cells + offset));
        }
    }
    return n;
}

/* Samples must differ: of several with one name the first stands for all. */
static bool is_first(const weir_http *http)
{
    for (const struct weir__list *n = http->in_all.prev; n != &all; n = n->prev)
        if (strcmp(WEIR_CONTAINER(n, weir_http, in_all)->name, http->name) == 0)
            return false;
    return true;
}

#define CELL(member) offsetof(struct weir__client_cells, member)

static void put_requests(struct weir__metric_sink *to, const weir_http *http)
{
    for (int is_base = 0; is_base < 2; is_base++) {
        for (int i = 0; i < WEIR__CLIENT_OUTCOMES; i++) {
            const weir_str values[] = {weir_str_from(http->name),
                                       is_base ? WEIR_S("base") : WEIR_S("other"),
                                       weir_str_from(outcomes[i])};
            to->number(to, &families[0], values, sum(http, CELL(outcomes[is_base][i])));
        }
    }
}

static void put_connections(struct weir__metric_sink *to, const weir_http *http)
{
    const struct {
        weir_str state;
        size_t offset;
    } rows[] = {{WEIR_S("opened"), CELL(opened)},
                {WEIR_S("reused"), CELL(reused)},
                {WEIR_S("stale"), CELL(stale)}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const weir_str values[] = {weir_str_from(http->name), rows[i].state};
        to->number(to, &families[2], values, sum(http, rows[i].offset));
    }
}

static void put_retries(struct weir__metric_sink *to, const weir_http *http)
{
    const weir_str value = weir_str_from(http->name);
    to->number(to, &families[1], &value, sum(http, CELL(retries)));
}

/* --- targets of groups ------------------------------------------------------------------------ */

struct target_view {
    weir_str client, name;
    const struct weir__upstream_seat *seat;
    struct weir__ejector_view ejector;
    bool is_up;
};

static void each_target(struct weir__metric_sink *to, const weir_http *http,
                        void (*put)(struct weir__metric_sink *, const struct target_view *))
{
    struct weir__upstream *u = http->upstream;
    if (u == NULL)
        return;
    struct weir__upstream_set *set = weir__upstream_hold(u);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct weir__upstream_target *t = set->of[i].target;
        weir_time now = weir_now();
        struct target_view v = {
            weir_str_from(http->name), weir_str_from(t->name), &set->of[i], {0}, false};
        weir__ejector_read(set->ejector, i, now, &v.ejector);
        v.is_up = v.ejector.weight > 0 && !atomic_load(&t->source->is_draining) &&
                  weir__health_share(&t->health, &u->healths, now) > 0;
        put(to, &v);
    }
    weir__upstream_let_go(set);
}

static void put_two(struct weir__metric_sink *to, const struct weir__family *f,
                    const struct target_view *v, uint64_t ok, uint64_t failed)
{
    const weir_str of_ok[] = {v->client, v->name, WEIR_S("ok")};
    const weir_str of_failed[] = {v->client, v->name, WEIR_S("failed")};
    to->number(to, f, of_ok, ok);
    to->number(to, f, of_failed, failed);
}

static void put_tries(struct weir__metric_sink *to, const struct target_view *v)
{
    put_two(to, &families[3], v, v->seat->before[true] + v->ejector.successes,
            v->seat->before[false] + v->ejector.failures);
}

static void put_probes(struct weir__metric_sink *to, const struct target_view *v)
{
    put_two(to, &families[4], v, weir__counter_read(&v->seat->target->probes[true]),
            weir__counter_read(&v->seat->target->probes[false]));
}

static void put_ejections(struct weir__metric_sink *to, const struct target_view *v)
{
    const weir_str values[] = {v->client, v->name};
    to->number(to, &families[5], values, v->ejector.ejections);
}

static void put_up(struct weir__metric_sink *to, const struct target_view *v)
{
    const weir_str values[] = {v->client, v->name};
    to->number(to, &families[6], values, v->is_up);
}

static void put_target_tries(struct weir__metric_sink *to, const weir_http *http)
{
    each_target(to, http, put_tries);
}

static void put_target_probes(struct weir__metric_sink *to, const weir_http *http)
{
    each_target(to, http, put_probes);
}

static void put_target_ejections(struct weir__metric_sink *to, const weir_http *http)
{
    each_target(to, http, put_ejections);
}

static void put_target_up(struct weir__metric_sink *to, const weir_http *http)
{
    each_target(to, http, put_up);
}

/* --- all of them ------------------------------------------------------------------------------ */

static void put(struct weir__metric_sink *to, void *unused)
{
    static void (*const parts[])(struct weir__metric_sink *, const weir_http *) = {
        put_requests,      put_retries,          put_connections, put_target_tries,
        put_target_probes, put_target_ejections, put_target_up};
    (void)unused;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        to->family(to, &families[i]);
        WEIR_LIST_EACH(node, &all) {
            const weir_http *http = WEIR_CONTAINER(node, weir_http, in_all);
            if (is_first(http))
                parts[i](to, http);
        }
    }
    pthread_mutex_unlock(&lock);
}

void weir__client_metrics(struct weir__metrics *to)
{
    weir__metrics_add(to, families, sizeof families / sizeof families[0], put, NULL);
}
