/*
 * The server's numbers as families: what the workers count anyway, summed up when somebody asks.
 */
#include <stddef.h>

#include "base/metric.h"
#include "http/common/server.h"

struct numbers {
    struct weir__http_stats s;
    uint64_t idle;
};

#define STAT(member) offsetof(struct numbers, s.member)
#define COUNTER(name, help, ...)                                                                   \
    {                                                                                              \
        name, help, WEIR_METRIC_COUNTER, WEIR__ROWS(__VA_ARGS__)                                   \
    }
#define COUNTER_BY(label, name, help, ...)                                                         \
    {                                                                                              \
        name, help, WEIR_METRIC_COUNTER, .labels = {label}, WEIR__ROWS(__VA_ARGS__)                \
    }

static const struct weir__family families[] = {
    {"weir_http_connections", "Connections open now.", WEIR_METRIC_GAUGE, .labels = {"state"},
     WEIR__ROWS({"active", STAT(active)}, {"idle", offsetof(struct numbers, idle)})},
    COUNTER("weir_http_connections_accepted_total", "Connections accepted.",
            {NULL, STAT(accepted)}),
    COUNTER("weir_http_connections_refused_total",
            "Connections refused: too many, or no descriptors left.", {NULL, STAT(refused)}),
    COUNTER("weir_http_connections_handed_over_total",
            "Connections given to a worker with less to do.", {NULL, STAT(handed_over)}),
    COUNTER("weir_http_connections_handed_over_late_total",
            "Connections given with their request to a worker that slept.",
            {NULL, STAT(handed_over_late)}),
    COUNTER("weir_http_accept_pauses_total",
            "Times that accepting stopped for want of descriptors.", {NULL, STAT(accept_pauses)}),
    COUNTER("weir_http_received_requests_total", "Requests begun.", {NULL, STAT(requests)}),
    COUNTER_BY("class", "weir_http_responses_total",
               "Responses by class; none: the client was gone before.",
               {"none", STAT(responses[0])}, {"1xx", STAT(responses[1])},
               {"2xx", STAT(responses[2])}, {"3xx", STAT(responses[3])},
               {"4xx", STAT(responses[4])}, {"5xx", STAT(responses[5])}),
    COUNTER_BY("kind", "weir_http_timeouts_total", "Time-outs by what was too slow.",
               {"handshake", STAT(timeouts_handshake)}, {"head", STAT(timeouts_head)},
               {"body", STAT(timeouts_body)}, {"write", STAT(timeouts_write)},
               {"idle", STAT(timeouts_idle)}, {"handler", STAT(timeouts_handler)}),
    COUNTER_BY("kind", "weir_http_failures_total", "Requests that went wrong, by what happened.",
               {"malformed", STAT(malformed)}, {"client_gone", STAT(client_gone)},
               {"panic", STAT(panics)}, {"aborted", STAT(aborted)},
               {"second_response", STAT(second_refused)}),
    COUNTER("weir_http_received_bytes_total", "Bytes read from connections.",
            {NULL, STAT(bytes_in)}),
    COUNTER("weir_http_sent_bytes_total", "Bytes written to connections.", {NULL, STAT(bytes_out)}),
    {"weir_http_streams", "Requests over HTTP/2 that run now.", WEIR_METRIC_GAUGE,
     WEIR__ROWS({NULL, STAT(streams)})},
    COUNTER_BY(
        "kind", "weir_http_streams_ended_total",
        "Streams of HTTP/2 reset by their client, reset for what it sent on them, or refused "
        "because there were too many.",
        {"reset", STAT(streams_reset)}, {"error", STAT(streams_wrong)},
        {"refused", STAT(streams_refused)}),
    COUNTER_BY("kind", "weir_http_connections_ended_total",
               "Connections of HTTP/2 asked to go elsewhere, or ended as floods or for errors.",
               {"goaway", STAT(goaways)}, {"flood", STAT(floods)},
               {"error", STAT(protocol_errors)}),
};

static void put(struct weir__metric_sink *to, void *server)
{
    struct numbers n;
    weir__http_server_stats(server, &n.s);
    n.idle = n.s.open > n.s.active ? n.s.open - n.s.active : 0;
    weir__families_put_one(to, families, sizeof families / sizeof families[0], &n);
}

void weir__http_server_metrics(struct weir__http_server *s, struct weir__metrics *to)
{
    weir__metrics_add(to, families, sizeof families / sizeof families[0], put, s);
}
