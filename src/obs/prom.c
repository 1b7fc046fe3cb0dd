/*
 * Writes Prometheus' text format. The one hard thing is agreement: a histogram's buckets must not
 * decrease and its last one must equal its count while other threads go on counting, so the count
 * is taken from what the buckets gave, never read a second time.
 *
 * Buckets end at powers of two of the nanosecond (131 us, 262 us, … 68.7 s), where the exponential
 * histogram has borders of its own: no count is ever guessed. Owns nothing.
 */
#include "obs/prom.h"

#include "base/num.h"
#include "base/utf8.h"

enum { FIRST_BUCKET_BIT = 17, LAST_BUCKET_BIT = 36 };

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

void weir__prom_histo(weir_buf *out, const char *name, const struct weir__prom_label *labels,
                      size_t n, const struct weir__histo *h)
{
    uint64_t floor = 0;
    for (int bit = FIRST_BUCKET_BIT; bit <= LAST_BUCKET_BIT; bit++) {
        uint64_t bound = (uint64_t)1 << bit, count = weir__histo_count_to(h, bound);
        char le[WEIR__DOUBLE_TEXT_MAX + 1];
        le[weir__num_put_double(le, (double)bound / 1e9)] = '\0';
        floor = count > floor ? count : floor;
        put_name(out, name, "_bucket", labels, n, le);
        weir_buf_printf(out, "%llu\n", (unsigned long long)floor);
    }
    uint64_t total = weir__histo_count(h);
    total = total > floor ? total : floor;
    put_name(out, name, "_bucket", labels, n, "+Inf");
    weir_buf_printf(out, "%llu\n", (unsigned long long)total);
    put_name(out, name, "_sum", labels, n, NULL);
    put_double(out, (double)atomic_load_explicit(&h->sum, memory_order_relaxed) / 1e9);
    put_name(out, name, "_count", labels, n, NULL);
    weir_buf_printf(out, "%llu\n", (unsigned long long)total);
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
