/*
 * Prometheus' text format 0.0.4: families with HELP and TYPE, samples with labels, histograms.
 */
#ifndef WEIR_OBS_PROM_H
#define WEIR_OBS_PROM_H

#include "base/metric.h"
#include <weir/buf.h>

/*
 * Where numbers are put: text is appended to `out`, whose error is sticky. Values of labels may be
 * any bytes: they are escaped, and what is not UTF-8 is replaced.
 */
struct weir__prom {
    struct weir__metric_sink sink;
    weir_buf *out;
};

void weir__prom_init(struct weir__prom *p, weir_buf *out);

#endif
