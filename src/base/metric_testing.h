/*
 * A sink for tests: what is put, a line a family: "name label=value 7 label=other 8". A histogram
 * shows its sum, '/' and its count.
 */
#ifndef WEIR_BASE_METRIC_TESTING_H
#define WEIR_BASE_METRIC_TESTING_H

#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/metric.h"

struct metric_lines {
    struct weir__metric_sink sink;
    weir_buf out;
};

static inline weir_buf *metric_lines_out(struct weir__metric_sink *to)
{
    return &WEIR_CONTAINER(to, struct metric_lines, sink)->out;
}

static inline void metric_lines_family(struct weir__metric_sink *to, const struct weir__family *f)
{
    weir_buf_printf(metric_lines_out(to), "\n%s", f->name);
    if (f->type == WEIR_METRIC_HISTOGRAM)
        weir_buf_printf(metric_lines_out(to), " 2^%u-2^%u", f->first_bit, f->last_bit);
}

static inline void metric_lines_values(struct weir__metric_sink *to, const struct weir__family *f,
                                       const weir_str *values)
{
    for (size_t i = 0; i < weir__family_label_count(f); i++)
        weir_buf_printf(metric_lines_out(to), " %s=" WEIR_STR_FMT, f->labels[i],
                        WEIR_STR_ARG(values[i]));
}

static inline void metric_lines_number(struct weir__metric_sink *to, const struct weir__family *f,
                                       const weir_str *values, uint64_t n)
{
    metric_lines_values(to, f, values);
    weir_buf_printf(metric_lines_out(to), " %lld", (long long)n);
}

static inline void metric_lines_histo(struct weir__metric_sink *to, const struct weir__family *f,
                                      const weir_str *values, const struct weir__histo *h)
{
    metric_lines_values(to, f, values);
    weir_buf_printf(metric_lines_out(to), " %llu/%llu",
                    (unsigned long long)atomic_load_explicit(&h->sum, memory_order_relaxed),
                    (unsigned long long)weir__histo_count(h));
}

static inline void metric_lines_init(struct metric_lines *l)
{
    l->sink =
        (struct weir__metric_sink){metric_lines_family, metric_lines_number, metric_lines_histo};
    weir_buf_init(&l->out, 1 << 20);
}

/* True when `text` is among what was put, which a line's end begins and ends; ends the sink. */
static inline bool metric_lines_end(struct metric_lines *l, const char *text)
{
    weir_buf_puts(&l->out, WEIR_S("\n"));
    weir_buf_putc(&l->out, '\0');
    bool has = l->out.err == WEIR_OK && strstr(l->out.ptr, text) != NULL;
    if (!has)
        fprintf(stderr, "no %s in:%s", text, l->out.ptr);
    weir_buf_fini(&l->out);
    return has;
}

/* True when a registry shows it: "\nname label=value 7\n" is a line, " label=value 7" a sample. */
static inline bool metric_lines_has(struct weir__metrics *m, const char *text)
{
    struct metric_lines l;
    metric_lines_init(&l);
    weir__metrics_read(m, &l.sink);
    return metric_lines_end(&l, text);
}

#endif
