/*
 * The routes' numbers as families: what weir_mw_metrics has counted (stats.c). A route that was
 * never asked for has no samples.
 */
#include "base/alloc.h"
#include "base/metric.h"
#include "web/web.h"

enum { REQUESTS, CUT, LATENCY };

static const struct weir__family families[] = {
    [REQUESTS] = {.name = "weir_http_requests_total",
                  .help = "Requests answered, by route and class of status.",
                  .type = WEIR_METRIC_COUNTER,
                  .labels = {"method", "route", "class"}},
    [CUT] = {.name = "weir_http_cut_responses_total",
             .help = "Responses that were begun and not ended, by route.",
             .type = WEIR_METRIC_COUNTER,
             .labels = {"method", "route"}},
    [LATENCY] = {.name = "weir_http_request_seconds",
                 .help = "From the head to the end of the response, by route.",
                 .type = WEIR_METRIC_HISTOGRAM,
                 .unit = WEIR_METRIC_SECONDS,
                 .labels = {"method", "route"},
                 .first_bit = 17, /* 131 us */
                 .last_bit = 36}, /* 69 s */
};

/* "GET /users/:id" as its two labels' values; what no route answered has neither. */
static void split(const char *label, weir_str out[2])
{
    const char *space = strchr(label, ' ');
    out[0] = (weir_str){label, space != NULL ? (size_t)(space - label) : 0};
    out[1] = space != NULL ? weir_str_from(space + 1) : WEIR_S("none");
}

static void put_requests(struct weir__metric_sink *to, weir_str values[3],
                         const struct weir__route_stats *stats)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    for (int i = 0; i < 6; i++) {
        uint64_t n = weir__counter_read(&stats->by_class[i]);
        values[2] = weir_str_from(classes[i]);
        if (n > 0)
            to->number(to, &families[REQUESTS], values, n);
    }
}

static void put_cut(struct weir__metric_sink *to, weir_str values[3],
                    const struct weir__route_stats *stats)
{
    uint64_t n = weir__counter_read(&stats->cut);
    if (n > 0)
        to->number(to, &families[CUT], values, n);
}

static void put_latency(struct weir__metric_sink *to, weir_str values[3],
                        const struct weir__route_stats *stats)
{
    if (weir__histo_count(&stats->latency) > 0)
        to->histo(to, &families[LATENCY], values, &stats->latency);
}

static void put(struct weir__metric_sink *to, void *web)
{
    static void (*const puts[])(struct weir__metric_sink * to, weir_str values[3],
                                const struct weir__route_stats *stats) = {
        [REQUESTS] = put_requests, [CUT] = put_cut, [LATENCY] = put_latency};
    struct weir__route_stats *stats = weir__malloc(sizeof *stats);
    if (stats == NULL)
        return;
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        const char *label;
        to->family(to, &families[f]);
        for (uint32_t i = 0; weir__web_stats(web, i, &label, stats); i++) {
            weir_str values[3];
            split(label, values);
            puts[f](to, values, stats);
        }
    }
    weir__free(stats);
}

void weir__web_metrics(struct weir__web *web, struct weir__metrics *to)
{
    weir__metrics_add(to, families, sizeof families / sizeof families[0], put, web);
}
