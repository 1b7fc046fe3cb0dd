/*
 * Writes Prometheus' text format. The one hard thing is agreement: a histogram's buckets must not
 * decrease and its last one must equal its count while other threads go on counting, so the count
 * is taken from what the buckets gave, never read a second time.
 *
 * Buckets end at powers of two of the nanosecond (131 us, 262 us, … 68.7 s), where the exponential
 * histogram has borders of its own: no count is ever guessed. Owns nothing.
 */
#include "obs/prom.h"

#include <stdio.h>

#include "base/list.h"
#include "base/num.h"
#include "base/utf8.h"

enum { FIRST_BUCKET_BIT = 17, LAST_BUCKET_BIT = 36 }; /* of seconds */

void weir__prom_family(weir_buf *out, const char *name, const char *type, const char *help)
{
    weir_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_label_value(weir_buf *out, weir_str value)
{
    bool is_text = weir__utf8_is_valid(value);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char ch = (unsigned char)value.ptr[i];
        if (ch == '\n')
            weir_buf_puts(out, WEIR_S("\\n"));
        else if (ch == '"' || ch == '\\')
            weir_buf_printf(out, "\\%c", ch);
        else if (ch >= 0x80 && !is_text)
            weir_buf_putc(out, '?');
        else
            weir_buf_putc(out, (char)ch);
    }
}

/* The part before the value; `le` is a histogram's own label, NULL elsewhere. */
static void put_name(weir_buf *out, const char *name, const char *suffix,
                     const struct weir__prom_label *labels, size_t n, const char *le)
{
    weir_buf_printf(out, "%s%s", name, suffix);
    for (size_t i = 0; i < n; i++) {
        weir_buf_printf(out, "%c%s=\"", i == 0 ? '{' : ',', labels[i].name);
        put_label_value(out, labels[i].value);
        weir_buf_putc(out, '"');
    }
    if (le != NULL)
        weir_buf_printf(out, "%cle=\"%s\"", n == 0 ? '{' : ',', le);
    weir_buf_puts(out, n > 0 || le != NULL ? WEIR_S("} ") : WEIR_S(" "));
}

static void put_double(weir_buf *out, double v)
{
    char text[WEIR__DOUBLE_TEXT_MAX];
    weir_buf_add(out, text, weir__num_put_double(text, v));
    weir_buf_putc(out, '\n');
}

void weir__prom_u64(weir_buf *out, const char *name, const struct weir__prom_label *labels,
                    size_t n, uint64_t value)
{
    put_name(out, name, "", labels, n, NULL);
    weir_buf_printf(out, "%llu\n", (unsigned long long)value);
}

void weir__prom_i64(weir_buf *out, const char *name, const struct weir__prom_label *labels,
                    size_t n, int64_t value)
{
    put_name(out, name, "", labels, n, NULL);
    weir_buf_printf(out, "%lld\n", (long long)value);
}

void weir__prom_seconds(weir_buf *out, const char *name, const struct weir__prom_label *labels,
                        size_t n, uint64_t ns)
{
    put_name(out, name, "", labels, n, NULL);
    put_double(out, (double)ns / 1e9);
}

static void put_whole(weir_buf *out, uint64_t n)
{
    weir_buf_printf(out, "%llu\n", (unsigned long long)n);
}

/* A bound as text: seconds of nanoseconds. */
static const char *bound_text(weir_metric_unit unit, uint64_t bound,
                              char text[WEIR__DOUBLE_TEXT_MAX + 1])
{
    if (unit == WEIR_METRIC_SECONDS)
        text[weir__num_put_double(text, (double)bound / 1e9)] = '\0';
    else
        snprintf(text, WEIR__DOUBLE_TEXT_MAX + 1, "%llu", (unsigned long long)bound);
    return text;
}

/* All samples of a histogram; `f` says its unit, and where its buckets end. */
static void put_histo(weir_buf *out, const struct weir__family *f,
                      const struct weir__prom_label *labels, size_t n, const struct weir__histo *h)
{
    char le[WEIR__DOUBLE_TEXT_MAX + 1];
    uint64_t floor = 0, sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
    for (unsigned bit = f->first_bit; bit <= f->last_bit; bit++) {
        uint64_t bound = (uint64_t)1 << bit, count = weir__histo_count_to(h, bound);
        floor = count > floor ? count : floor;
        put_name(out, f->name, "_bucket", labels, n, bound_text(f->unit, bound, le));
        put_whole(out, floor);
    }
    uint64_t total = weir__histo_count(h);
    total = total > floor ? total : floor;
    put_name(out, f->name, "_bucket", labels, n, "+Inf");
    put_whole(out, total);
    put_name(out, f->name, "_sum", labels, n, NULL);
    if (f->unit == WEIR_METRIC_SECONDS)
        put_double(out, (double)sum / 1e9);
    else
        put_whole(out, sum);
    put_name(out, f->name, "_count", labels, n, NULL);
    put_whole(out, total);
}

void weir__prom_histo(weir_buf *out, const char *name, const struct weir__prom_label *labels,
                      size_t n, const struct weir__histo *h)
{
    const struct weir__family f = {.name = name,
                                   .unit = WEIR_METRIC_SECONDS,
                                   .first_bit = FIRST_BUCKET_BIT,
                                   .last_bit = LAST_BUCKET_BIT};
    put_histo(out, &f, labels, n, h);
}

void weir__prom_counter(weir_buf *out, const char *name, const char *help, uint64_t value)
{
    weir__prom_family(out, name, "counter", help);
    weir__prom_u64(out, name, NULL, 0, value);
}

void weir__prom_gauge(weir_buf *out, const char *name, const char *help, uint64_t value)
{
    weir__prom_family(out, name, "gauge", help);
    weir__prom_u64(out, name, NULL, 0, value);
}

/* --- the sink of a registry ------------------------------------------------------------------- */

static weir_buf *out_of(struct weir__metric_sink *to)
{
    return WEIR_CONTAINER(to, struct weir__prom, sink)->out;
}

static size_t fill_labels(const struct weir__family *f, const weir_str *values,
                          struct weir__prom_label out[WEIR_METRIC_LABELS_MAX])
{
    size_t n = weir__family_label_count(f);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct weir__prom_label){f->labels[i], values[i]};
    return n;
}

static void sink_family(struct weir__metric_sink *to, const struct weir__family *f)
{
    static const char *const types[] = {[WEIR_METRIC_COUNTER] = "counter",
                                        [WEIR_METRIC_GAUGE] = "gauge",
                                        [WEIR_METRIC_HISTOGRAM] = "histogram"};
    weir__prom_family(out_of(to), f->name, types[f->type], f->help);
}

static void sink_number(struct weir__metric_sink *to, const struct weir__family *f,
                        const weir_str *values, uint64_t n)
{
    struct weir__prom_label labels[WEIR_METRIC_LABELS_MAX];
    weir_buf *out = out_of(to);
    bool is_signed = f->type == WEIR_METRIC_GAUGE;
    put_name(out, f->name, "", labels, fill_labels(f, values, labels), NULL);
    if (f->unit == WEIR_METRIC_SECONDS)
        put_double(out, (is_signed ? (double)(int64_t)n : (double)n) / 1e9);
    else if (is_signed)
        weir_buf_printf(out, "%lld\n", (long long)n);
    else
        put_whole(out, n);
}

static void sink_histo(struct weir__metric_sink *to, const struct weir__family *f,
                       const weir_str *values, const struct weir__histo *h)
{
    struct weir__prom_label labels[WEIR_METRIC_LABELS_MAX];
    put_histo(out_of(to), f, labels, fill_labels(f, values, labels), h);
}

void weir__prom_init(struct weir__prom *p, weir_buf *out)
{
    *p = (struct weir__prom){{sink_family, sink_number, sink_histo}, out};
}
