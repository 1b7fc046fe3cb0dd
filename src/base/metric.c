/*
 * Families, their rules, and the registry. Owns nothing: sources and families are kept by address,
 * and read where they are.
 *
 * The rules are those of Prometheus' data model and of its page on names, as far as a program can
 * hold to them; a name that breaks one would be refused by whoever reads the page, all of it, and
 * long after the start.
 */
#include "base/metric.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

enum { BIT_MAX = WEIR__HISTO_OCTAVES };

size_t weir__family_label_count(const struct weir__family *f)
{
    size_t n = 0;
    while (n < WEIR_METRIC_LABELS_MAX && f->labels[n] != NULL)
        n++;
    return n;
}

/* --- putting ---------------------------------------------------------------------------------- */

static void put_rows(struct weir__metric_sink *to, const struct weir__family *f,
                     const struct weir__metric_subject *subject)
{
    for (size_t i = 0; i < f->row_count; i++) {
        weir_str values[2];
        size_t n = 0;
        if (subject->name.ptr != NULL)
            values[n++] = subject->name;
        if (f->rows[i].value != NULL)
            values[n++] = weir_str_from(f->rows[i].value);
        WEIR_ASSERT(n == weir__family_label_count(f), "a sample has a value for each label");
        const char *at = (const char *)subject->numbers + f->rows[i].offset;
        to->number(to, f, values,
                   __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_RELAXED));
    }
}

void weir__families_put(struct weir__metric_sink *to, const struct weir__family *families,
                        size_t family_count, const struct weir__metric_subject *subjects,
                        size_t subject_count)
{
    for (size_t i = 0; i < family_count; i++) {
        to->family(to, &families[i]);
        for (size_t k = 0; k < subject_count; k++)
            put_rows(to, &families[i], &subjects[k]);
    }
}

void weir__families_put_one(struct weir__metric_sink *to, const struct weir__family *families,
                            size_t family_count, const void *numbers)
{
    const struct weir__metric_subject subject = {.numbers = numbers};
    weir__families_put(to, families, family_count, &subject, 1);
}

void weir__family_put(struct weir__metric_sink *to, const struct weir__family *f, uint64_t n)
{
    to->family(to, f);
    to->number(to, f, NULL, n);
}

/* --- the rules ------------------------------------------------------------------------------ */

struct check {
    const char *prefix;
    weir_buf *report;
    unsigned count;
};

static void wrong(struct check *c, const char *format, ...) WEIR_PRINTF(2, 3);
static void wrong(struct check *c, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    weir_buf_printf(c->report, "%s%s\n", c->prefix, text);
    c->count++;
}

/* The first byte that may not stand in a name, in `out` as "' '" or "byte 0xc3"; NULL: none is. */
static const char *odd_byte(const char *name, char out[16])
{
    for (const char *at = name; *at != '\0'; at++) {
        bool is_letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
        bool is_digit = *at >= '0' && *at <= '9';
        if (is_letter || (is_digit && at != name))
            continue;
        snprintf(out, 16, *at >= ' ' && *at < 0x7f ? "'%c'" : "byte 0x%02x", (unsigned char)*at);
        return at;
    }
    return NULL;
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

static void check_name(struct check *c, const struct weir__family *f)
{
    char odd[16];
    if (f->name == NULL || f->name[0] == '\0') {
        wrong(c, "it has no name");
        return;
    }
    if (strlen(f->name) > WEIR__METRIC_NAME_MAX)
        wrong(c, "its name has %zu bytes; at most %d", strlen(f->name), WEIR__METRIC_NAME_MAX);
    const char *at = odd_byte(f->name, odd);
    if (at != NULL)
        wrong(c, "its name holds %s%s; letters, digits and '_' are allowed, no digit first", odd,
              at == f->name ? " at its beginning" : "");
    if (f->type == WEIR_METRIC_COUNTER && !ends_in(f->name, "_total"))
        wrong(c, "a counter's name ends in _total");
    if (f->type != WEIR_METRIC_COUNTER && ends_in(f->name, "_total"))
        wrong(c, "only a counter's name ends in _total");
    static const char *const ends[] = {"_bucket", "_sum", "_count"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (ends_in(f->name, ends[i]))
            wrong(c, "a name that ends in %s is a part of a histogram", ends[i]);
    }
    if (f->unit == WEIR_METRIC_SECONDS && !ends_in(f->name, "_seconds") &&
        !ends_in(f->name, "_seconds_total"))
        wrong(c, "of seconds, its name ends in _seconds or _seconds_total");
    if (f->unit == WEIR_METRIC_BYTES && !ends_in(f->name, "_bytes") &&
        !ends_in(f->name, "_bytes_total"))
        wrong(c, "of bytes, its name ends in _bytes or _bytes_total");
}

static void check_help(struct check *c, const struct weir__family *f)
{
    if (f->help == NULL || f->help[0] == '\0')
        wrong(c, "it has no line of help");
    else if (strpbrk(f->help, "\n\\") != NULL)
        wrong(c, "its help is one line, without a backslash");
}

static void check_label(struct check *c, const struct weir__family *f, size_t i)
{
    const char *label = f->labels[i];
    char odd[16];
    if (label[0] == '\0')
        wrong(c, "label %zu has no name", i + 1);
    if (odd_byte(label, odd) != NULL)
        wrong(c, "label \"%s\" holds %s; letters, digits and '_' are allowed, no digit first",
              label, odd);
    if (strncmp(label, "__", 2) == 0)
        wrong(c, "label \"%s\" begins with __, which is Prometheus' own", label);
    if (f->type == WEIR_METRIC_HISTOGRAM && strcmp(label, "le") == 0)
        wrong(c, "label \"le\" is a histogram's own");
    for (size_t k = 0; k < i; k++) {
        if (strcmp(f->labels[k], label) == 0)
            wrong(c, "label \"%s\" is there twice", label);
    }
}

unsigned weir__family_check(const struct weir__family *f, const char *prefix, weir_buf *report)
{
    struct check c = {prefix, report, 0};
    check_name(&c, f);
    check_help(&c, f);
    size_t labels = weir__family_label_count(f);
    for (size_t i = 0; i < labels; i++)
        check_label(&c, f, i);
    for (size_t i = labels + 1; i < WEIR_METRIC_LABELS_MAX; i++) {
        if (f->labels[i] != NULL)
            wrong(&c, "label \"%s\" stands behind one without a name", f->labels[i]);
    }
    if ((unsigned)f->type - 1 >= WEIR_METRIC_HISTOGRAM)
        wrong(&c, "there is no type %u", (unsigned)f->type);
    if ((unsigned)f->unit > WEIR_METRIC_BYTES)
        wrong(&c, "there is no unit %u", (unsigned)f->unit);
    if (f->type == WEIR_METRIC_HISTOGRAM && (f->first_bit > f->last_bit || f->last_bit > BIT_MAX))
        wrong(&c,
              "its buckets end at 2^%u to 2^%u; the last is at most 2^%d, and not before the "
              "first",
              f->first_bit, f->last_bit, BIT_MAX);
    return c.count;
}

/* --- the registry --------------------------------------------------------------------------- */

static bool has_name(const struct weir__metric_source *s, const char *name)
{
    for (size_t i = 0; i < s->family_count; i++) {
        if (strcmp(s->families[i].name, name) == 0)
            return true;
    }
    return false;
}

static void assert_new(const struct weir__metrics *m, uint32_t count,
                       const struct weir__metric_source *s)
{
    char scratch[512] = "";
    for (size_t i = 0; i < s->family_count; i++) {
        const struct weir__metric_source before = {s->families, i, NULL, NULL};
        weir_buf report;
        weir_buf_init_fixed(&report, scratch, sizeof scratch - 1);
        if (weir__family_check(&s->families[i], s->families[i].name, &report) > 0)
            weir__assert_failed(scratch, "I12: its names follow the rules", __FILE__, __LINE__);
        WEIR_ASSERT(!has_name(&before, s->families[i].name), "I12: no name is there twice");
        for (uint32_t k = 0; k < count; k++)
            WEIR_ASSERT(!has_name(&m->sources[k], s->families[i].name),
                        "I12: no name is there twice");
    }
}

void weir__metrics_add(struct weir__metrics *m, const struct weir__family *families,
                       size_t family_count, void (*read)(struct weir__metric_sink *to, void *arg),
                       void *arg)
{
    uint32_t count = atomic_load_explicit(&m->count, memory_order_relaxed);
    WEIR_ASSERT(count < WEIR__METRIC_SOURCES_MAX, "I12: at most 32 sources");
    m->sources[count] = (struct weir__metric_source){families, family_count, read, arg};
    assert_new(m, count, &m->sources[count]);
    atomic_store_explicit(&m->count, count + 1, memory_order_release);
}

void weir__metrics_read(struct weir__metrics *m, struct weir__metric_sink *to)
{
    uint32_t count = atomic_load_explicit(&m->count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        m->sources[i].read(to, m->sources[i].arg);
}
