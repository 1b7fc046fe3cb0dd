/*
 * Writes Prometheus' text format. The one hard thing is agreement: a histogram's buckets must not
 * decrease and its last one must equal its count while other threads go on counting, so the count
 * is taken from what the buckets gave, never read a second time.
 *
 * Buckets end at powers of two, where the exponential histogram has borders of its own (of seconds:
 * powers of two of the nanosecond, 131 us, 262 us, … 68.7 s): no count is ever guessed. Owns
 * nothing.
 */
#include "obs/prom.h"

#include <stdio.h>

#include "base/list.h"
#include "base/num.h"
#include "base/utf8.h"

static weir_buf *out_of(struct weir__metric_sink *to)
{
    return WEIR_CONTAINER(to, struct weir__prom, sink)->out;
}

static void put_family(struct weir__metric_sink *to, const struct weir__family *f)
{
    static const char *const types[] = {[WEIR_METRIC_COUNTER] = "counter",
                                        [WEIR_METRIC_GAUGE] = "gauge",
                                        [WEIR_METRIC_HISTOGRAM] = "histogram"};
    weir_buf_printf(out_of(to), "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
                    types[f->type]);
}

/* --- the part before the value ---------------------------------------------------------------- */

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

/* `le` is a histogram's own label, NULL elsewhere. */
static void put_name(weir_buf *out, const struct weir__family *f, const char *suffix,
                     const weir_str *values, const char *le)
{
    size_t n = weir__family_label_count(f);
    weir_buf_printf(out, "%s%s", f->name, suffix);
    for (size_t i = 0; i < n; i++) {
        weir_buf_printf(out, "%c%s=\"", i == 0 ? '{' : ',', f->labels[i]);
        put_label_value(out, values[i]);
        weir_buf_putc(out, '"');
    }
    if (le != NULL)
        weir_buf_printf(out, "%cle=\"%s\"", n == 0 ? '{' : ',', le);
    weir_buf_puts(out, n > 0 || le != NULL ? WEIR_S("} ") : WEIR_S(" "));
}

/* --- values --------------------------------------------------------------------------------- */

static void put_double(weir_buf *out, double v)
{
    char text[WEIR__DOUBLE_TEXT_MAX];
    weir_buf_add(out, text, weir__num_put_double(text, v));
    weir_buf_putc(out, '\n');
}

static void put_whole(weir_buf *out, uint64_t n)
{
    weir_buf_printf(out, "%llu\n", (unsigned long long)n);
}

static void put_number(struct weir__metric_sink *to, const struct weir__family *f,
                       const weir_str *values, uint64_t n)
{
    weir_buf *out = out_of(to);
    bool is_signed = f->type == WEIR_METRIC_GAUGE;
    put_name(out, f, "", values, NULL);
    if (f->unit == WEIR_METRIC_SECONDS)
        put_double(out, (is_signed ? (double)(int64_t)n : (double)n) / 1e9);
    else if (is_signed)
        weir_buf_printf(out, "%lld\n", (long long)n);
    else
        put_whole(out, n);
}

/* Where a bucket ends, as it is shown. */
static const char *text_of(weir_metric_unit unit, uint64_t bound,
                           char text[WEIR__DOUBLE_TEXT_MAX + 1])
{
    if (unit == WEIR_METRIC_SECONDS)
        text[weir__num_put_double(text, (double)bound / 1e9)] = '\0';
    else
        snprintf(text, WEIR__DOUBLE_TEXT_MAX + 1, "%llu", (unsigned long long)bound);
    return text;
}

static void put_histo(struct weir__metric_sink *to, const struct weir__family *f,
                      const weir_str *values, const struct weir__histo *h)
{
    weir_buf *out = out_of(to);
    char le[WEIR__DOUBLE_TEXT_MAX + 1];
    uint64_t floor = 0, sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
    for (unsigned bit = f->first_bit; bit <= f->last_bit; bit++) {
        uint64_t bound = (uint64_t)1 << bit, count = weir__histo_count_to(h, bound);
        floor = count > floor ? count : floor;
        put_name(out, f, "_bucket", values, text_of(f->unit, bound, le));
        put_whole(out, floor);
    }
    uint64_t total = weir__histo_count(h);
    total = total > floor ? total : floor;
    put_name(out, f, "_bucket", values, "+Inf");
    put_whole(out, total);
    put_name(out, f, "_sum", values, NULL);
    if (f->unit == WEIR_METRIC_SECONDS)
        put_double(out, (double)sum / 1e9);
    else
        put_whole(out, sum);
    put_name(out, f, "_count", values, NULL);
    put_whole(out, total);
}

void weir__prom_init(struct weir__prom *p, weir_buf *out)
{
    *p = (struct weir__prom){{put_family, put_number, put_histo}, out};
}
