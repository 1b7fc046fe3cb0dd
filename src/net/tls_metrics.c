/*
 * The numbers of TLS as families. They are the process', added up by all workers: a handshake costs
 * ten thousand times what an atomic addition does.
 */
#include <stddef.h>
#include <string.h>

#include "base/metric.h"
#include "net/tls_inside.h"

#if WEIR_TLS

struct weir__tls_numbers weir__tls_numbers;

static const char *const names[WEIR__TLS_FAILURES] = {
    [WEIR__TLS_WELL] = "none",
    [WEIR__TLS_PLAIN] = "plain",
    [WEIR__TLS_CUT] = "cut",
    [WEIR__TLS_MALFORMED] = "malformed",
    [WEIR__TLS_VERSION] = "version",
    [WEIR__TLS_CIPHER] = "cipher",
    [WEIR__TLS_PROTOCOL] = "protocol",
    [WEIR__TLS_CERTIFICATE] = "certificate",
    [WEIR__TLS_NO_CERTIFICATE] = "no_certificate",
    [WEIR__TLS_REFUSED] = "refused",
    [WEIR__TLS_OTHER] = "other",
};

const char *weir__tls_failure_name(enum weir__tls_failure f)
{
    return (unsigned)f < WEIR__TLS_FAILURES ? names[f] : "unknown";
}

#define COUNT(member) offsetof(struct weir__tls_counts, member)
#define FAILED(kind) COUNT(failures[kind])
#define NUMBER(member) offsetof(struct weir__tls_numbers, member)

static const struct weir__family families[] = {
    {"weir_tls_handshakes_total", "Handshakes that have come to their end.", WEIR_METRIC_COUNTER,
     .labels = {"side", "kind"}, WEIR__ROWS({"full", COUNT(full)}, {"resumed", COUNT(resumed)})},
    {"weir_tls_failures_total", "Connections that TLS has ended, by what went wrong.",
     WEIR_METRIC_COUNTER, .labels = {"side", "kind"},
     WEIR__ROWS({"plain", FAILED(WEIR__TLS_PLAIN)}, {"cut", FAILED(WEIR__TLS_CUT)},
                {"malformed", FAILED(WEIR__TLS_MALFORMED)}, {"version", FAILED(WEIR__TLS_VERSION)},
                {"cipher", FAILED(WEIR__TLS_CIPHER)}, {"protocol", FAILED(WEIR__TLS_PROTOCOL)},
                {"certificate", FAILED(WEIR__TLS_CERTIFICATE)},
                {"no_certificate", FAILED(WEIR__TLS_NO_CERTIFICATE)},
                {"refused", FAILED(WEIR__TLS_REFUSED)}, {"other", FAILED(WEIR__TLS_OTHER)})},
    {"weir_tls_handshakes_waiting", "Handshakes in line for their worker's turn.",
     WEIR_METRIC_GAUGE, WEIR__ROWS({NULL, NUMBER(in_line)})},
    {"weir_tls_reloads_total", "Certificates that were read again, by what came of it.",
     WEIR_METRIC_COUNTER, .labels = {"result"},
     WEIR__ROWS({"new", NUMBER(reloads)}, {"refused", NUMBER(reloads_refused)})},
    {"weir_tls_certificate_days_left", "Until a name's certificate expires.", WEIR_METRIC_GAUGE,
     .labels = {"name"}},
};
enum { BY_SIDE = 2, OF_ALL = 2, DAYS = BY_SIDE + OF_ALL };

/* Samples must differ: of a name that two listeners serve the first is shown. */
enum { NAMES_SHOWN_MAX = 256 };

struct days {
    struct weir__metric_sink *to;
    size_t count;
    uint64_t seen[NAMES_SHOWN_MAX]; /* hashes of names */
};

static uint64_t hash_of(const char *text)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

static void put_days(const char *name, int64_t days, void *arg)
{
    struct days *d = arg;
    uint64_t hash = hash_of(name);
    weir_str value = weir_str_from(name);
    for (size_t i = 0; i < d->count; i++)
        if (d->seen[i] == hash)
            return;
    if (d->count == NAMES_SHOWN_MAX)
        return;
    d->seen[d->count++] = hash;
    d->to->number(d->to, &families[DAYS], &value, (uint64_t)days);
}

static void put(struct weir__metric_sink *to, void *unused)
{
    (void)unused;
    const struct weir__metric_subject sides[] = {
        {WEIR_S("server"), &weir__tls_numbers.sides[WEIR__TLS_SERVER]},
        {WEIR_S("client"), &weir__tls_numbers.sides[WEIR__TLS_CLIENT]}};
    struct days days = {.to = to};
    weir__families_put(to, families, BY_SIDE, sides, 2);
    weir__families_put_one(to, families + BY_SIDE, OF_ALL, &weir__tls_numbers);
    to->family(to, &families[DAYS]);
    weir__tls_each_certificate(put_days, &days);
}

void weir__tls_metrics(struct weir__metrics *to)
{
    weir__metrics_add(to, families, sizeof families / sizeof families[0], put, NULL);
}

#endif
