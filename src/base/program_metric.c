/*
 * The program's own numbers: <weir/metric.h>. All of them are on one list that only grows, as
 * models are; each is the program's variable, so the simple ones need no memory at all.
 *
 * A counter is a cell (cells.h) and a shared part for threads that have none; a histogram is the
 * same, with the address of a histogram in the cell; a gauge is one atomic number. Those with
 * labels have a table of series, made by the first look-up: open addressing in a fixed number of
 * places, so that looking up takes no lock and what a client sends cannot make it grow.
 *
 * The one hard thing is that nothing may be lost without a word: what finds no room in a table is
 * counted in its last series and as overflowed, what finds no memory is counted as lost.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/cells.h"
#include "base/given.h"
#include "base/map.h"
#include "base/metric.h"
#include "base/sized.h"
#include "base/utf8.h"

enum { SERIES_DEFAULT = 256, SERIES_MAX = 10000, WRONG_MAX = 64, PREFIX_MAX = 512 };
enum { NEW, KNOWN };

/* One combination of labels' values; the counter, gauge or histogram is its first member. */
struct series {
    weir_metric metric;
    weir_str values[WEIR_METRIC_LABELS_MAX];
    uint64_t hash;
    char bytes[];
};

/* I11: a place that is taken stays so, and `count` of them are, at most `max`; so some are free. */
struct table {
    uint32_t max, mask;
    _Atomic uint32_t count;
    struct weir__counter overflowed; /* look-ups that found no room */
    struct series *other;            /* what counts them; in a place as well */
    _Atomic(struct series *) places[];
};

static weir_metric *head;
static struct weir__counter lost;

/* What is counted where there was no memory for its series: shown nowhere. */
static weir_counter nowhere_counter = {{.link.state = KNOWN}};
static weir_gauge nowhere_gauge = {{.link.state = KNOWN}};
static weir_histogram nowhere_histogram = {{.link.state = KNOWN}};

/* --- registering ---------------------------------------------------------------------------- */

static bool has_labels(const weir_metric *m)
{
    return m->labels[0] != NULL;
}

/* It has no labels, or this function is misused. */
static void must_be_single(const weir_metric *m, const char *function)
{
    if (WEIR_UNLIKELY(has_labels(m)))
        weir__misused(function, "it has labels: their values say which one is meant");
}

void weir_metric_register(weir_metric *metric)
{
    weir__given(metric, "the metric");
    weir_metric_link *link = &metric->link;
    uint32_t state = NEW;
    if (!__atomic_compare_exchange_n(&link->state, &state, KNOWN, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
        return;
    if (!has_labels(metric) && metric->type != WEIR_METRIC_GAUGE)
        __atomic_store_n(&link->cell, weir__cell_new(), __ATOMIC_RELAXED);
    link->next = __atomic_load_n(&head, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&head, &link->next, metric, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
}

static _Atomic uint64_t *cell_of(const weir_metric *m)
{
    return weir__cell_of(__atomic_load_n(&m->link.cell, __ATOMIC_RELAXED));
}

/* The same where that has found none; registers what no constructor has. */
static _Atomic uint64_t *make_cell(weir_metric *m, const char *function)
{
    must_be_single(m, function);
    weir_metric_register(m);
    return weir__cell_make(__atomic_load_n(&m->link.cell, __ATOMIC_RELAXED));
}

/* --- counters --------------------------------------------------------------------------------- */

static __attribute__((noinline)) void count_slowly(weir_metric *m, uint64_t n, const char *function)
{
    _Atomic uint64_t *cell = make_cell(m, function);
    if (cell != NULL)
        weir__atomic_bump(cell, n);
    else
        __atomic_fetch_add(&m->link.shared, n, __ATOMIC_RELAXED);
}

void weir_counter_add(weir_counter *counter, uint64_t n)
{
    weir__given(counter, "the counter");
    _Atomic uint64_t *cell = cell_of(&counter->metric);
    if (WEIR_LIKELY(cell != NULL))
        weir__atomic_bump(cell, n);
    else
        count_slowly(&counter->metric, n, __func__);
}

static uint64_t count_of(const weir_metric *m)
{
    return weir__cell_sum(__atomic_load_n(&m->link.cell, __ATOMIC_RELAXED)) +
           __atomic_load_n(&m->link.shared, __ATOMIC_RELAXED);
}

uint64_t weir_counter_read(const weir_counter *counter)
{
    weir__given(counter, "the counter");
    must_be_single(&counter->metric, __func__);
    return count_of(&counter->metric);
}

/* --- gauges --------------------------------------------------------------------------------- */

static uint64_t *value_of(weir_gauge *gauge, const char *function)
{
    weir__given_to(function, gauge, "the gauge");
    must_be_single(&gauge->metric, function);
    return &gauge->metric.link.shared;
}

void weir_gauge_set(weir_gauge *gauge, int64_t n)
{
    __atomic_store_n(value_of(gauge, __func__), (uint64_t)n, __ATOMIC_RELAXED);
}

void weir_gauge_add(weir_gauge *gauge, int64_t n)
{
    __atomic_fetch_add(value_of(gauge, __func__), (uint64_t)n, __ATOMIC_RELAXED);
}

static int64_t shown_by(const weir_metric *m)
{
    return m->read != NULL ? m->read(m->arg)
                           : (int64_t)__atomic_load_n(&m->link.shared, __ATOMIC_RELAXED);
}

int64_t weir_gauge_read(const weir_gauge *gauge)
{
    weir__given(gauge, "the gauge");
    must_be_single(&gauge->metric, __func__);
    return shown_by(&gauge->metric);
}

/* --- histograms ----------------------------------------------------------------------------- */

static struct weir__histo *histo_in(uint64_t part)
{
    return (struct weir__histo *)(uintptr_t)part;
}

/* That of all threads without cells. */
static struct weir__histo *make_shared(weir_metric *m)
{
    void *present = __atomic_load_n(&m->link.inside, __ATOMIC_ACQUIRE);
    if (present != NULL)
        return present;
    struct weir__histo *made = weir__calloc(1, sizeof *made);
    if (made == NULL || __atomic_compare_exchange_n(&m->link.inside, &present, made, false,
                                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    weir__free(made);
    return present;
}

static __attribute__((noinline)) void record_slowly(weir_metric *m, uint64_t value,
                                                    const char *function)
{
    _Atomic uint64_t *cell = make_cell(m, function);
    struct weir__histo *mine = cell != NULL ? weir__calloc(1, sizeof *mine) : NULL;
    if (mine != NULL) {
        atomic_store_explicit(cell, (uintptr_t)mine, memory_order_release);
        weir__histo_record(mine, value);
        return;
    }
    struct weir__histo *shared = make_shared(m);
    if (shared != NULL)
        weir__histo_record_shared(shared, value);
    else
        weir__counter_add_shared(&lost, 1);
}

static void record(weir_histogram *histogram, uint64_t value, const char *function)
{
    weir__given_to(function, histogram, "the histogram");
    _Atomic uint64_t *cell = cell_of(&histogram->metric);
    uint64_t part = cell != NULL ? atomic_load_explicit(cell, memory_order_relaxed) : 0;
    if (WEIR_LIKELY(part != 0))
        weir__histo_record(histo_in(part), value);
    else
        record_slowly(&histogram->metric, value, function);
}

void weir_histogram_record(weir_histogram *histogram, uint64_t value)
{
    record(histogram, value, __func__);
}

void weir_histogram_record_time(weir_histogram *histogram, weir_dur time)
{
    record(histogram, time.ns > 0 ? (uint64_t)time.ns : 0, __func__);
}

static void merge(uint64_t part, void *into)
{
    if (part != 0)
        weir__histo_merge(into, histo_in(part));
}

static void sum_up(const weir_metric *m, struct weir__histo *out)
{
    memset(out, 0, sizeof *out);
    weir__cell_each(__atomic_load_n(&m->link.cell, __ATOMIC_RELAXED), merge, out);
    merge((uintptr_t)__atomic_load_n(&m->link.inside, __ATOMIC_ACQUIRE), out);
}

uint64_t weir_histogram_count(const weir_histogram *histogram)
{
    weir__given(histogram, "the histogram");
    must_be_single(&histogram->metric, __func__);
    struct weir__histo all;
    sum_up(&histogram->metric, &all);
    return weir__histo_count(&all);
}

/* --- series --------------------------------------------------------------------------------- */

static size_t label_count(const weir_metric *m)
{
    size_t n = 0;
    while (n < WEIR_METRIC_LABELS_MAX && m->labels[n] != NULL)
        n++;
    return n;
}

static uint32_t series_max(const weir_metric *m)
{
    if (m->series_max == 0)
        return SERIES_DEFAULT;
    return m->series_max < SERIES_MAX ? m->series_max : SERIES_MAX;
}

/* Values as they are shown: not too long, and UTF-8, since two that differ must also look so. */
struct values {
    weir_str of[WEIR_METRIC_LABELS_MAX];
    size_t count;
    uint64_t hash;
    char mended[WEIR_METRIC_LABELS_MAX][WEIR_METRIC_VALUE_MAX];
};

static weir_str mend(weir_str s, char room[WEIR_METRIC_VALUE_MAX])
{
    for (size_t i = 0; i < s.len; i++)
        room[i] = (unsigned char)s.ptr[i] < 0x80 ? s.ptr[i] : '?';
    return (weir_str){room, s.len};
}

static weir_str cut(weir_str s)
{
    if (s.len <= WEIR_METRIC_VALUE_MAX)
        return s;
    s.len = WEIR_METRIC_VALUE_MAX;
    while (s.len > WEIR_METRIC_VALUE_MAX - 4 && ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80)
        s.len--; /* not within a character */
    return s;
}

static void take(struct values *v, const weir_str *values, size_t count)
{
    v->count = count;
    v->hash = count;
    for (size_t i = 0; i < count; i++) {
        weir_str s = cut(values[i]);
        v->of[i] = weir__utf8_is_valid(s) ? s : mend(s, v->mended[i]);
        v->hash = v->hash * 31 + weir__str_hash(v->of[i]);
    }
}

static bool is_equal(const struct series *s, const struct values *v)
{
    bool is = s->hash == v->hash;
    for (size_t i = 0; is && i < v->count; i++)
        is = weir_str_eq(s->values[i], v->of[i]);
    return is;
}

static struct series *new_series(const weir_metric *of, const struct values *v)
{
    size_t bytes = 0;
    for (size_t i = 0; i < v->count; i++)
        bytes += v->of[i].len;
    struct series *s = weir__calloc(1, sizeof *s + bytes);
    if (s == NULL)
        return NULL;
    s->metric = (weir_metric){.size = sizeof s->metric, .type = of->type, .link.state = KNOWN};
    s->metric.link.cell = of->type != WEIR_METRIC_GAUGE ? weir__cell_new() : 0;
    s->hash = v->hash;
    char *at = s->bytes;
    for (size_t i = 0; i < v->count; i++) {
        s->values[i] = (weir_str){at, v->of[i].len};
        if (v->of[i].len > 0)
            memcpy(at, v->of[i].ptr, v->of[i].len);
        at += v->of[i].len;
    }
    return s;
}

/*
 * The series of these values, or NULL and the place where it belongs. Places are looked at in their
 * order from the hash on until one is free; there is one (I11).
 */
static struct series *look(struct table *t, const struct values *v, size_t *place)
{
    for (size_t step = 0; step <= t->mask; step++) {
        *place = (v->hash + step) & t->mask;
        struct series *s = atomic_load_explicit(&t->places[*place], memory_order_acquire);
        if (s == NULL || is_equal(s, v))
            return s;
    }
    weir__assert_failed("a free place", "I11: half of them are free", __FILE__, __LINE__);
}

/* Finds it or makes it; NULL: no memory. Of two threads that make it one is right. */
static struct series *find(struct table *t, const weir_metric *m, const struct values *v)
{
    size_t place;
    struct series *s = look(t, v, &place);
    if (WEIR_UNLIKELY(s == t->other)) /* who says so means it */
        weir__counter_add_shared(&t->overflowed, 1);
    if (WEIR_LIKELY(s != NULL))
        return s;
    if (atomic_fetch_add_explicit(&t->count, 1, memory_order_relaxed) >= t->max) {
        atomic_fetch_sub_explicit(&t->count, 1, memory_order_relaxed);
        weir__counter_add_shared(&t->overflowed, 1);
        return t->other;
    }
    struct series *made = new_series(m, v);
    while (made != NULL && s == NULL) {
        struct series *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&t->places[place], &none, made,
                                                    memory_order_release, memory_order_relaxed))
            return made;
        s = look(t, v, &place);
    }
    atomic_fetch_sub_explicit(&t->count, 1, memory_order_relaxed);
    weir__free(made);
    return s;
}

static struct table *new_table(const weir_metric *m)
{
    uint32_t max = series_max(m), places = 4;
    while (places < 2 * (max + 1)) /* and the one for all others */
        places *= 2;
    struct table *t = weir__calloc(1, sizeof *t + places * sizeof t->places[0]);
    if (t == NULL)
        return NULL;
    t->max = max;
    t->mask = places - 1;
    struct values v;
    const weir_str other = WEIR_S(WEIR_METRIC_OTHER);
    take(&v, (const weir_str[WEIR_METRIC_LABELS_MAX]){other, other, other, other}, label_count(m));
    t->other = new_series(m, &v);
    if (t->other == NULL) {
        weir__free(t);
        return NULL;
    }
    atomic_init(&t->places[v.hash & t->mask], t->other);
    return t;
}

static struct table *table_of(weir_metric *m)
{
    void *present = __atomic_load_n(&m->link.inside, __ATOMIC_ACQUIRE);
    if (WEIR_LIKELY(present != NULL))
        return present;
    struct table *made = new_table(m);
    if (made == NULL || __atomic_compare_exchange_n(&m->link.inside, &present, made, false,
                                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    weir__free(made->other);
    weir__free(made);
    return present;
}

static weir_metric *series_of(weir_metric *m, const weir_str *values, size_t count,
                              const char *function)
{
    weir__given_to(function, m, "what has the labels");
    if (values == NULL && count > 0)
        weir__missing(function, "the values");
    if (count == 0 || count != label_count(m))
        weir__misused(function, "there is not a value for each of its labels");
    weir_metric_register(m);
    struct values v;
    take(&v, values, count);
    struct table *t = table_of(m);
    struct series *s = t != NULL ? find(t, m, &v) : NULL;
    if (s != NULL)
        return &s->metric;
    weir__counter_add_shared(&lost, 1);
    return NULL;
}

weir_counter *weir_counter_of_at(weir_counter *counter, const weir_str *values, size_t count)
{
    weir_metric *m = series_of((weir_metric *)counter, values, count, __func__);
    return m != NULL ? (weir_counter *)m : &nowhere_counter;
}

weir_gauge *weir_gauge_of_at(weir_gauge *gauge, const weir_str *values, size_t count)
{
    weir_metric *m = series_of((weir_metric *)gauge, values, count, __func__);
    return m != NULL ? (weir_gauge *)m : &nowhere_gauge;
}

weir_histogram *weir_histogram_of_at(weir_histogram *histogram, const weir_str *values,
                                     size_t count)
{
    weir_metric *m = series_of((weir_metric *)histogram, values, count, __func__);
    return m != NULL ? (weir_histogram *)m : &nowhere_histogram;
}

/* --- rules ---------------------------------------------------------------------------------- */

static unsigned bit_of(uint64_t value, unsigned otherwise)
{
    if (value == 0)
        return otherwise;
    return value == 1 ? 0 : 64 - (unsigned)__builtin_clzll(value - 1);
}

static void describe(const weir_metric *m, struct weir__family *out)
{
    static const unsigned bits[][2] = {[WEIR_METRIC_PLAIN] = {0, 16},
                                       [WEIR_METRIC_SECONDS] = {17, 36},
                                       [WEIR_METRIC_BYTES] = {6, 30}};
    unsigned unit = (unsigned)m->unit <= WEIR_METRIC_BYTES ? (unsigned)m->unit : 0;
    *out =
        (struct weir__family){.name = m->name, .help = m->help, .type = m->type, .unit = m->unit};
    memcpy(out->labels, m->labels, sizeof out->labels);
    out->first_bit = bit_of(m->bucket_min, bits[unit][0]);
    out->last_bit = bit_of(m->bucket_max, bits[unit][1]);
}

static void wrong(unsigned *count, const char *prefix, const char *text, weir_buf *report)
{
    weir_buf_printf(report, "%s%s\n", prefix, text);
    ++*count;
}

/* The description alone, all of its options; false: it has one that is not known here. */
static bool take_description(const weir_metric *m, weir_metric *out)
{
    const size_t at = offsetof(weir_metric, type); /* before it is what others are adding to */
    memset(out, 0, at);
    return m->size > at &&
           weir__sized_copy((char *)out + at, sizeof *out - at, (const char *)m + at, m->size - at);
}

/* How many mistakes one has. */
static unsigned check(const weir_metric *m, weir_buf *report)
{
    char prefix[PREFIX_MAX];
    weir_metric whole;
    struct weir__family f;
    unsigned count = 0;
    snprintf(prefix, sizeof prefix, "%s:%d: metric %s: ", m->file != NULL ? m->file : "?", m->line,
             m->name != NULL ? m->name : "");
    if (!take_description(m, &whole)) {
        wrong(&count, prefix, "it has an option that this library does not know", report);
        return count;
    }
    describe(&whole, &f);
    count = weir__family_check(&f, prefix, report);
    if (m->name != NULL &&
        (strncmp(m->name, "weir_", 5) == 0 || strncmp(whole.name, "process_", 8) == 0))
        wrong(&count, prefix, "names that begin with weir_ and process_ are Weir's", report);
    if (whole.series_max > SERIES_MAX)
        wrong(&count, prefix, ".series_max is at most 10000", report);
    if (whole.series_max != 0 && !has_labels(&whole))
        wrong(&count, prefix, ".series_max is for those with labels", report);
    if (whole.type != WEIR_METRIC_HISTOGRAM && (whole.bucket_min != 0 || whole.bucket_max != 0))
        wrong(&count, prefix, ".bucket_min and .bucket_max are a histogram's", report);
    if (whole.read != NULL && (whole.type != WEIR_METRIC_GAUGE || has_labels(&whole)))
        wrong(&count, prefix, ".read is for a gauge without labels", report);
    return count;
}

/* Another of the same name, that was registered before it. */
static const weir_metric *find_twin(const weir_metric *m)
{
    for (const weir_metric *t = m->link.next; t != NULL && m->name != NULL; t = t->link.next) {
        if (t->name != NULL && strcmp(t->name, m->name) == 0)
            return t;
    }
    return NULL;
}

static unsigned check_with_twins(const weir_metric *m, weir_buf *report)
{
    unsigned count = check(m, report);
    const weir_metric *twin = find_twin(m);
    if (twin == NULL)
        return count;
    weir_buf_printf(report, "%s:%d: metric %s: the same name is at %s:%d\n", m->file, m->line,
                    m->name, twin->file, twin->line);
    return count + 1;
}

static bool is_before(const weir_metric *a, const weir_metric *b)
{
    int order = strcmp(a->file != NULL ? a->file : "", b->file != NULL ? b->file : "");
    return order != 0 ? order < 0 : a->line < b->line;
}

weir_err weir__program_metrics_check(weir_buf *report)
{
    const weir_metric *sorted[WRONG_MAX];
    size_t count = 0;
    char scratch[64]; /* what is wrong is told below */
    for (const weir_metric *m = __atomic_load_n(&head, __ATOMIC_ACQUIRE); m != NULL;
         m = m->link.next) {
        weir_buf ignored;
        weir_buf_init_fixed(&ignored, scratch, sizeof scratch);
        if (check_with_twins(m, &ignored) == 0 || count == WRONG_MAX)
            continue;
        size_t i = count++;
        for (; i > 0 && is_before(m, sorted[i - 1]); i--)
            sorted[i] = sorted[i - 1];
        sorted[i] = m;
    }
    for (size_t i = 0; i < count; i++)
        (void)check_with_twins(sorted[i], report);
    return count == 0 ? WEIR_OK : WEIR_EINVALID;
}

/* --- reading -------------------------------------------------------------------------------- */

static void put_one(struct weir__metric_sink *to, const struct weir__family *f,
                    const weir_str *values, const weir_metric *m)
{
    struct weir__histo all;
    switch (f->type) {
    case WEIR_METRIC_COUNTER:
        to->number(to, f, values, count_of(m));
        break;
    case WEIR_METRIC_GAUGE:
        to->number(to, f, values, (uint64_t)shown_by(m));
        break;
    case WEIR_METRIC_HISTOGRAM:
        sum_up(m, &all);
        to->histo(to, f, values, &all);
        break;
    }
}

static void put_series(struct weir__metric_sink *to, const struct weir__family *f, struct table *t)
{
    for (size_t i = 0; t != NULL && i <= t->mask; i++) {
        struct series *s = atomic_load_explicit(&t->places[i], memory_order_acquire);
        if (s != NULL && (s != t->other || weir__counter_read(&t->overflowed) > 0))
            put_one(to, f, s->values, &s->metric);
    }
}

static void put_metric(struct weir__metric_sink *to, const weir_metric *m)
{
    char scratch[64];
    weir_buf ignored;
    weir_metric whole;
    struct weir__family f;
    weir_buf_init_fixed(&ignored, scratch, sizeof scratch);
    if (check_with_twins(m, &ignored) > 0 || !take_description(m, &whole))
        return; /* of a library that was opened after the start */
    describe(&whole, &f);
    to->family(to, &f);
    if (has_labels(m))
        put_series(to, &f, __atomic_load_n(&m->link.inside, __ATOMIC_ACQUIRE));
    else
        put_one(to, &f, NULL, m);
}

static void put_lost(struct weir__metric_sink *to, const weir_metric *first)
{
    static const struct weir__family lost_family = {
        .name = "weir_metrics_lost_total",
        .help = "What was to be added to the program's own numbers, and there was no memory.",
        .type = WEIR_METRIC_COUNTER};
    static const struct weir__family over = {
        .name = "weir_metrics_overflowed_total",
        .help = "Look-ups of labels that had no room: counted together, as " WEIR_METRIC_OTHER ".",
        .type = WEIR_METRIC_COUNTER,
        .labels = {"metric"}};
    weir__family_put(to, &lost_family, weir__counter_read(&lost));
    to->family(to, &over);
    for (const weir_metric *m = first; m != NULL; m = m->link.next) {
        struct table *t = has_labels(m) ? __atomic_load_n(&m->link.inside, __ATOMIC_ACQUIRE) : NULL;
        if (t != NULL && m->name != NULL) {
            const weir_str name = weir_str_from(m->name);
            to->number(to, &over, &name, weir__counter_read(&t->overflowed));
        }
    }
}

void weir__program_metrics_read(struct weir__metric_sink *to)
{
    const weir_metric *first = __atomic_load_n(&head, __ATOMIC_ACQUIRE);
    if (first == NULL)
        return;
    for (const weir_metric *m = first; m != NULL; m = m->link.next)
        put_metric(to, m);
    put_lost(to, first);
}
