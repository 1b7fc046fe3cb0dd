/*
 * Prometheus' text format 0.0.4: families with HELP and TYPE, samples with labels, histograms.
 */
#ifndef WEIR_OBS_PROM_H
#define WEIR_OBS_PROM_H

#include "base/metric.h"

/* Where a registry is read into: text appended to `out`, whose error is sticky. */
struct weir__prom {
    struct weir__metric_sink sink;
    weir_buf *out;
};
void weir__prom_init(struct weir__prom *p, weir_buf *out);

struct weir__prom_label {
    const char *name;
    weir_str value; /* any bytes: escaped, and what is not UTF-8 replaced */
};

/*
 * Begins a family. `type`: "counter" (name ends in _total), "gauge", "histogram". One line of help.
 */
void weir__prom_family(weir_buf *out, const char *name, const char *type, const char *help);

/* One sample. `labels` may be NULL with n = 0. */
void weir__prom_u64(weir_buf *out, const char *name, const struct weir__prom_label *labels,
                    size_t n, uint64_t value);
void weir__prom_i64(weir_buf *out, const char *name, const struct weir__prom_label *labels,
                    size_t n, int64_t value);

/* One sample of a time, given in nanoseconds, written in seconds. */
void weir__prom_seconds(weir_buf *out, const char *name, const struct weir__prom_label *labels,
                        size_t n, uint64_t ns);

/* All samples of a histogram of nanoseconds: buckets from 100 us to 60 s, sum in seconds, count. */
void weir__prom_histo(weir_buf *out, const char *name, const struct weir__prom_label *labels,
                      size_t n, const struct weir__histo *h);

/* A family of one sample without labels. */
void weir__prom_counter(weir_buf *out, const char *name, const char *help, uint64_t value);
void weir__prom_gauge(weir_buf *out, const char *name, const char *help, uint64_t value);

#endif
