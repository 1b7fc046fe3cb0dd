/*
 * The numbers of the service as Prometheus reads them. All are counters and gauges that others keep
 * anyway; nothing is counted for this page alone, and reading it stops nobody: each number is read
 * whole, two of them may be of slightly different moments. Owns nothing.
 */
#include "obs/metrics.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/heap.h"
#include "obs/process.h"
#include "obs/prom.h"
#include "os/stack.h"
#include "rt/log.h"
#include "rt/offload.h"
#include "rt/panic.h"

enum { LEAK_SITES_MAX = 256 };

struct number {
    const char *label;
    uint64_t value;
};

/* A family whose samples differ in one label. */
static void put_family(weir_buf *out, const char *name, const char *type, const char *help,
                       const char *label, const struct number *numbers, size_t n)
{
    weir__prom_family(out, name, type, help);
    for (size_t i = 0; i < n; i++) {
        const struct weir__prom_label l = {label, weir_str_from(numbers[i].label)};
        weir__prom_u64(out, name, &l, 1, numbers[i].value);
    }
}
#define PUT_FAMILY(out, name, type, help, label, ...)                                              \
    put_family((out), (name), (type), (help), (label), (const struct number[]){__VA_ARGS__},       \
               sizeof((const struct number[]){__VA_ARGS__}) / sizeof(struct number))

/* --- http ----------------------------------------------------------------------------------- */

static void put_connections(const struct weir__http_stats *s, weir_buf *out)
{
    PUT_FAMILY(out, "weir_http_connections", "gauge", "Connections open now.", "state",
               {"active", s->active}, {"idle", s->open > s->active ? s->open - s->active : 0});
    weir__prom_counter(out, "weir_http_connections_accepted_total", "Connections accepted.",
                       s->accepted);
    weir__prom_counter(out, "weir_http_connections_refused_total",
                       "Connections refused: too many, or no descriptors left.", s->refused);
    weir__prom_counter(out, "weir_http_connections_handed_over_total",
                       "Connections given to a worker with less to do.", s->handed_over);
    weir__prom_counter(out, "weir_http_connections_handed_over_late_total",
                       "Connections given with their request to a worker that slept.",
                       s->handed_over_late);
    weir__prom_counter(out, "weir_http_accept_pauses_total",
                       "Times that accepting stopped for want of descriptors.", s->accept_pauses);
}

static void put_failures(const struct weir__http_stats *s, weir_buf *out)
{
    PUT_FAMILY(out, "weir_http_timeouts_total", "counter", "Time-outs by what was too slow.",
               "kind", {"head", s->timeouts_head}, {"body", s->timeouts_body},
               {"write", s->timeouts_write}, {"idle", s->timeouts_idle},
               {"handler", s->timeouts_handler});
    PUT_FAMILY(out, "weir_http_failures_total", "counter",
               "Requests that went wrong, by what happened.", "kind", {"malformed", s->malformed},
               {"client_gone", s->client_gone}, {"panic", s->panics}, {"aborted", s->aborted},
               {"second_response", s->second_refused});
}

void weir__metrics_http(const struct weir__http_server *server, weir_buf *out)
{
    struct weir__http_stats s;
    weir__http_server_stats(server, &s);
    put_connections(&s, out);
    weir__prom_counter(out, "weir_http_received_requests_total", "Requests begun.", s.requests);
    PUT_FAMILY(out, "weir_http_responses_total", "counter",
               "Responses by class; none: the client was gone before.", "class",
               {"none", s.responses[0]}, {"1xx", s.responses[1]}, {"2xx", s.responses[2]},
               {"3xx", s.responses[3]}, {"4xx", s.responses[4]}, {"5xx", s.responses[5]});
    put_failures(&s, out);
    weir__prom_counter(out, "weir_http_received_bytes_total", "Bytes read from connections.",
                       s.bytes_in);
    weir__prom_counter(out, "weir_http_sent_bytes_total", "Bytes written to connections.",
                       s.bytes_out);
}

/* --- routes --------------------------------------------------------------------------------- */

/* "GET /users/:id" as its two labels; what no route answered has neither. */
static void route_labels(const char *label, struct weir__prom_label out[2])
{
    const char *space = strchr(label, ' ');
    size_t len = space != NULL ? (size_t)(space - label) : 0;
    out[0] = (struct weir__prom_label){"method", {label, len}};
    out[1] = (struct weir__prom_label){"route",
                                       space != NULL ? weir_str_from(space + 1) : WEIR_S("none")};
}

static void put_requests(const char *label, const struct weir__route_stats *stats, weir_buf *out)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    struct weir__prom_label labels[3];
    route_labels(label, labels);
    for (int i = 0; i < 6; i++) {
        uint64_t n = weir__counter_read(&stats->by_class[i]);
        labels[2] = (struct weir__prom_label){"class", weir_str_from(classes[i])};
        if (n > 0)
            weir__prom_u64(out, "weir_http_requests_total", labels, 3, n);
    }
}

void weir__metrics_routes(const struct weir__web *web, weir_buf *out)
{
    struct weir__route_stats *stats = weir__malloc(sizeof *stats);
    const char *label;
    struct weir__prom_label labels[2];
    if (stats == NULL)
        return;
    weir__prom_family(out, "weir_http_requests_total", "counter",
                      "Requests answered, by route and class of status.");
    for (uint32_t i = 0; weir__web_stats(web, i, &label, stats); i++)
        put_requests(label, stats, out);
    weir__prom_family(out, "weir_http_cut_responses_total", "counter",
                      "Responses that were begun and not ended, by route.");
    for (uint32_t i = 0; weir__web_stats(web, i, &label, stats); i++) {
        uint64_t n = weir__counter_read(&stats->cut);
        route_labels(label, labels);
        if (n > 0)
            weir__prom_u64(out, "weir_http_cut_responses_total", labels, 2, n);
    }
    weir__prom_family(out, "weir_http_request_seconds", "histogram",
                      "From the head to the end of the response, by route.");
    for (uint32_t i = 0; weir__web_stats(web, i, &label, stats); i++) {
        route_labels(label, labels);
        if (weir__histo_count(&stats->latency) > 0)
            weir__prom_histo(out, "weir_http_request_seconds", labels, 2, &stats->latency);
    }
    weir__free(stats);
}

/* --- runtime -------------------------------------------------------------------------------- */

/* One number of every worker; `offset` is its place in struct weir__worker_stats. */
static void put_by_worker(const struct weir__runtime *rt, weir_buf *out, const char *name,
                          const char *type, const char *help, size_t offset)
{
    weir__prom_family(out, name, type, help);
    for (unsigned i = 0; i < rt->worker_count; i++) {
        char index[16];
        snprintf(index, sizeof index, "%u", i);
        const struct weir__prom_label label = {"worker", weir_str_from(index)};
        const char *stats = (const char *)&rt->workers[i]->stats;
        const _Atomic uint64_t *n = (const void *)(stats + offset);
        weir__prom_u64(out, name, &label, 1, atomic_load_explicit(n, memory_order_relaxed));
    }
}

static void put_workers(const struct weir__runtime *rt, weir_buf *out)
{
    static const struct {
        const char *name, *type, *help;
        size_t offset;
    } families[] = {
#define STAT(member) offsetof(struct weir__worker_stats, member)
        {"weir_fibers", "gauge", "Fibers that live.", STAT(fibers)},
        {"weir_fibers_waiting", "gauge", "Fibers that wait.", STAT(fibers_parked)},
        {"weir_fibers_hibernating", "gauge", "Fibers that wait, their stacks given back.",
         STAT(fibers_hibernating)},
        {"weir_fibers_started_total", "counter", "Fibers started.", STAT(fibers_started)},
        {"weir_contexts", "gauge", "Contexts that live.", STAT(contexts)},
        {"weir_detached", "gauge", "Background work that runs.", STAT(detached)},
        {"weir_worker_switches_total", "counter", "Times that a fiber was resumed.",
         STAT(switches)},
        {"weir_worker_polls_total", "counter", "Times that the kernel was asked for events.",
         STAT(polls)},
        {"weir_worker_stalls_total", "counter", "Times that one fiber ran for too long.",
         STAT(stalls)},
        {"weir_deadlocks_total", "counter",
         "Contexts cancelled: their fibers waited for each other.", STAT(deadlocks)},
#undef STAT
    };
    weir__prom_gauge(out, "weir_workers", "Worker threads.", rt->worker_count);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        put_by_worker(rt, out, families[i].name, families[i].type, families[i].help,
                      families[i].offset);
}

static void put_leaks(weir_buf *out)
{
    struct weir__leak_site sites[LEAK_SITES_MAX];
    size_t n = weir__leak_sites(sites, LEAK_SITES_MAX);
    weir__prom_family(out, "weir_leaks_total", "counter",
                      "Things that a context had to give back for the program, by who took them.");
    for (size_t i = 0; i < n; i++) {
        char place[512] = "unknown";
        if (sites[i].site != NULL)
            snprintf(place, sizeof place, "%s:%d", sites[i].site->file, sites[i].site->line);
        const struct weir__prom_label labels[] = {{"kind", weir_str_from(sites[i].kind)},
                                                  {"site", weir_str_from(place)}};
        weir__prom_u64(out, "weir_leaks_total", labels, 2, sites[i].count);
    }
    weir__prom_counter(out, "weir_leak_reports_total", "The same, all of them.",
                       weir__leak_total());
}

void weir__metrics_runtime(struct weir__runtime *rt, weir_buf *out)
{
    put_workers(rt, out);
    struct weir__stack_stats stacks = weir__stack_stats();
    weir__prom_gauge(out, "weir_stacks", "Stacks reserved for fibers.", stacks.slots);
    weir__prom_gauge(out, "weir_stacks_unguarded",
                     "Stacks without a guard page: an overflow is found later.", stacks.unguarded);
    struct weir__offload_stats off = weir__offload_stats(rt->offload);
    weir__prom_counter(out, "weir_offload_calls_total", "Calls on the offload pool.", off.calls);
    weir__prom_counter(out, "weir_offload_refused_total", "Calls refused: its queue was full.",
                       off.refused);
    PUT_FAMILY(out, "weir_offload_threads", "gauge", "Threads of the offload pool.", "state",
               {"busy", off.busy}, {"idle", off.threads > off.busy ? off.threads - off.busy : 0});
    weir__prom_gauge(out, "weir_offload_queued", "Calls that wait for a thread.", off.queued);
    weir__prom_counter(out, "weir_panics_total", "Panics, wherever they were caught.",
                       weir__panic_total());
    weir__prom_counter(out, "weir_panics_untold_total",
                       "Panics without a line in the log: too many of one place.",
                       weir__panic_untold());
    put_leaks(out);
}

/* --- the longest wait ----------------------------------------------------------------------- */

struct longest {
    struct weir__lock lock;
    int64_t ns;
    unsigned answers;
};

static int64_t longest_of(const struct weir__worker *w)
{
    int64_t longest = 0;
    WEIR_LIST_EACH(node, &w->fibers) {
        const struct weir__fiber *f = WEIR_CONTAINER(node, struct weir__fiber, in_all);
        bool is_of_program = f->site != NULL || (f->ctx != NULL && f->ctx->exchange != NULL);
        if (f->state == WEIR__FIBER_PARKED && is_of_program && w->now.ns - f->since.ns > longest)
            longest = w->now.ns - f->since.ns;
    }
    return longest;
}

/* Runs on all workers side by side. */
static void find_longest(struct weir__worker *w, void *arg)
{
    struct longest *l = arg;
    int64_t ns = longest_of(w);
    weir__lock_take(&l->lock);
    l->answers++;
    l->ns = ns > l->ns ? ns : l->ns;
    weir__lock_give(&l->lock);
}

void weir__metrics_longest_wait(struct weir__ctx *c, weir_dur patience, weir_buf *out)
{
    struct longest longest = {.ns = 0};
    weir__lock_init(&longest.lock);
    (void)weir__on_each_worker(c, find_longest, &longest, patience);
    weir__prom_gauge(out, "weir_workers_stuck",
                     "Workers that do not answer: one fiber holds each of them.",
                     weir__self->runtime->worker_count - longest.answers);
    weir__prom_family(out, "weir_fibers_longest_wait_seconds", "gauge",
                      "The longest that a fiber of the program waits by now.");
    weir__prom_seconds(out, "weir_fibers_longest_wait_seconds", NULL, 0, (uint64_t)longest.ns);
}

/* --- log and process ------------------------------------------------------------------------ */

void weir__metrics_log(weir_buf *out)
{
    struct weir__log_stats stats = weir__log_stats();
    weir__prom_counter(out, "weir_log_lines_total", "Log lines written.", stats.lines);
    weir__prom_counter(out, "weir_log_dropped_total", "Log lines lost: the sink was too slow.",
                       stats.dropped);
}

void weir__metrics_foreign(const struct weir__foreign *f, weir_buf *out)
{
    weir__prom_gauge(out, "weir_descriptors_foreign",
                     "Descriptors open that were opened behind the runtime's back.",
                     weir__foreign_open(f));
    weir__prom_counter(out, "weir_descriptors_foreign_total", "The same, all that were reported.",
                       f->told);
    weir__prom_counter(out, "weir_descriptor_audits_total", "Times that they were looked for.",
                       f->audits);
}

void weir__metrics_process(weir_buf *out)
{
    struct weir__process p;
    weir__process_read(&p);
    weir__prom_gauge(out, "process_resident_memory_bytes", "Resident memory.", p.resident_bytes);
    weir__prom_gauge(out, "process_virtual_memory_bytes", "Address space.", p.virtual_bytes);
    weir__prom_gauge(out, "weir_heap_allocated_bytes", "Allocated on the heap and not freed.",
                     weir__heap_allocated());
    weir__prom_family(out, "process_cpu_seconds_total", "counter", "Processor time used.");
    weir__prom_seconds(out, "process_cpu_seconds_total", NULL, 0, p.cpu_ns);
    weir__prom_gauge(out, "process_threads", "Threads.", p.threads);
    weir__prom_gauge(out, "process_open_fds", "Descriptors open.", p.fds_open);
    weir__prom_gauge(out, "process_max_fds", "Descriptors allowed.", p.fds_max);
    weir__prom_family(out, "process_start_time_seconds", "gauge", "When it started, since 1970.");
    weir__prom_seconds(out, "process_start_time_seconds", NULL, 0, (uint64_t)(p.started_at * 1e9));
}
