/*
 * The program's own numbers in /metrics, beside Weir's: counters, gauges, histograms. One line at
 * file scope makes one; whoever counts needs neither a context nor a fiber.
 *
 *     static WEIR_COUNTER(orders_placed, "shop_orders_placed_total", "Orders placed.");
 *     static WEIR_COUNTER(orders_refused, "shop_orders_refused_total", "Orders refused, by why.",
 *                         .labels = {"reason"});
 *     static WEIR_HISTOGRAM(order_lines, "shop_order_lines", "Lines of an order.");
 *
 *     weir_counter_add(&orders_placed, 1);
 *     weir_counter_add(weir_counter_of(&orders_refused, WEIR_S("stock")), 1);
 *     weir_histogram_record(&order_lines, in.lines.len);
 *
 * On a worker's thread adding is a plain addition to a number of that worker's own; other threads
 * add atomically. Numbers are whole: times are nanoseconds inside and seconds outside, a ratio is
 * two counters. They begin at zero with the process and are there as long as it is.
 *
 * Names follow the rules of Prometheus (its "Metric and label naming" and "Data model"); what is
 * wrong with any of them stops the start, all of it told at once, with file and line. Names that
 * begin with weir_ or process_ are Weir's.
 */
#ifndef WEIR_METRIC_H
#define WEIR_METRIC_H

#include <stdint.h>
#include <weir/api.h>
#include <weir/str.h>
#include <weir/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The most labels that one may have. */
#define WEIR_METRIC_LABELS_MAX 4
/** The most bytes of a label's value; what is longer is cut. */
#define WEIR_METRIC_VALUE_MAX 128
/** What the values of all labels are for what has found no room. */
#define WEIR_METRIC_OTHER "(other)"

/** What is counted. */
typedef enum weir_metric_type {
    WEIR_METRIC_COUNTER = 1, /* it only grows; its name ends in _total */
    WEIR_METRIC_GAUGE,       /* it goes both ways */
    WEIR_METRIC_HISTOGRAM    /* how many values were how large */
} weir_metric_type;

/** What the values are. */
typedef enum weir_metric_unit {
    WEIR_METRIC_PLAIN,   /* things */
    WEIR_METRIC_SECONDS, /* nanoseconds, shown in seconds; the name ends in _seconds or
                            _seconds_total */
    WEIR_METRIC_BYTES    /* the name ends in _bytes or _bytes_total */
} weir_metric_unit;

typedef struct weir_metric weir_metric;

/** What the library keeps in one; zeroed at the start. */
typedef struct weir_metric_link {
    weir_metric *next; /* of all of the process */
    void *inside;
    uint64_t shared; /* what threads that are no workers have added; a gauge's value */
    uint32_t cell;   /* its place among each worker's numbers */
    uint32_t state;
} weir_metric_link;

/**
 * One description. The macros set what stands above the options; these are given by name, in C++ in
 * this order. What is pointed to is kept: it must live as long as the process.
 */
struct weir_metric {
    size_t size; /* the macro's */
    weir_metric_link link;
    weir_metric_type type;
    int line; /* where it is described */
    const char *file;
    const char *name; /* small letters, digits and '_', by custom: "shop_orders_total" */
    const char *help; /* one line */

    /* Names of labels, up to WEIR_METRIC_LABELS_MAX: .labels = {"reason"} */
    const char *labels[WEIR_METRIC_LABELS_MAX] WEIR__DEFAULT({});
    weir_metric_unit unit WEIR__DEFAULT(WEIR_METRIC_PLAIN);
    /* Combinations of labels' values that are counted apart, 1 to 10,000; 0: 256. Whatever comes
     * past them is counted together, its values shown as WEIR_METRIC_OTHER. */
    uint32_t series_max WEIR__DEFAULT(0);
    /* A histogram's: where the first and the last of the buckets end that /metrics shows, each
     * rounded up to a power of two; up to 2^42. 0: of seconds 131 us to 69 s, of bytes 64 to 2^30,
     * else 1 to 65,536. */
    uint64_t bucket_min WEIR__DEFAULT(0);
    uint64_t bucket_max WEIR__DEFAULT(0);
    /* A gauge's without labels: asked for its value whenever /metrics is read, on the admin's
     * thread. Must not wait, and must not use what is a worker's. */
    int64_t (*read)(void *arg) WEIR__DEFAULT(NULL);
    void *arg WEIR__DEFAULT(NULL); /* handed to `read` */
};

/** A counter; made by WEIR_COUNTER, or one of its combinations of labels. */
typedef struct weir_counter {
    weir_metric metric;
} weir_counter;

/** A gauge; made by WEIR_GAUGE, or one of its combinations of labels. */
typedef struct weir_gauge {
    weir_metric metric;
} weir_gauge;

/** A histogram; made by WEIR_HISTOGRAM, or one of its combinations of labels. */
typedef struct weir_histogram {
    weir_metric metric;
} weir_histogram;

/**
 * Makes a counter: a variable, its name in /metrics, one line of help, and options of weir_metric.
 * Stands at file scope. With `static` before it it is the file's own; without, other files may
 * declare it: `extern weir_counter orders_placed;`.
 */
#define WEIR_COUNTER(variable, ...)                                                                \
    WEIR__METRIC(weir_counter, WEIR_METRIC_COUNTER, variable, __VA_ARGS__, )

/** The same for a gauge. */
#define WEIR_GAUGE(variable, ...)                                                                  \
    WEIR__METRIC(weir_gauge, WEIR_METRIC_GAUGE, variable, __VA_ARGS__, )

/** The same for a histogram. */
#define WEIR_HISTOGRAM(variable, ...)                                                              \
    WEIR__METRIC(weir_histogram, WEIR_METRIC_HISTOGRAM, variable, __VA_ARGS__, )

/* Before C++20 names in an initialiser are an extension, and this is where that can be said. */
#ifdef __cplusplus
#define WEIR__METRIC_IS(T) __extension__ T
#else
#define WEIR__METRIC_IS(T)
#endif
#define WEIR__METRIC(T, type_, variable, name_, help_, ...)                                        \
    T variable = WEIR__METRIC_IS(T){{.size = sizeof(weir_metric),                                  \
                                     .link = {NULL, NULL, 0, 0, 0},                                \
                                     .type = type_,                                                \
                                     .line = __LINE__,                                             \
                                     .file = __FILE__,                                             \
                                     .name = name_,                                                \
                                     .help = help_,                                                \
                                     __VA_ARGS__}};                                                \
    static __attribute__((constructor)) void weir__register_metric_##variable(void)                \
    {                                                                                              \
        weir_metric_register(&variable.metric);                                                    \
    }                                                                                              \
    struct weir_metric /* for the semicolon */

/**
 * Makes a metric known. The macros call it before main, or when a shared library is opened.
 * Idempotent. `metric` is kept, for ever: such a library stays loaded.
 */
WEIR_API void weir_metric_register(weir_metric *metric) WEIR_NONNULL(1);

/**
 * Adds to a counter. On a worker some 17 instructions, none of them atomic; never waits.
 *
 * counter  borrowed; without labels, or what weir_counter_of has yielded: else misuse, panics
 * n        0 does nothing; of a counter of seconds nanoseconds
 * context  any thread
 */
WEIR_API void weir_counter_add(weir_counter *counter, uint64_t n) WEIR_NONNULL(1);

/**
 * The counter of one combination of labels: weir_counter_of(&refused, WEIR_S("stock")). Looks it up
 * by a hash; what is used often may be kept, for as long as the process.
 *
 * counter  kept; with labels
 * ...      a weir_str for each of its labels, in their order; copied, so any memory will do. What
 *          is longer than WEIR_METRIC_VALUE_MAX is cut, what is no UTF-8 gets '?'. Another number
 *          of them is misuse and panics
 * returns  never NULL: past series_max, the one that counts all others; without memory, one that is
 *          shown nowhere, which is counted in weir_metrics_lost_total
 * owner    the process
 * context  any thread
 */
#define weir_counter_of(counter, ...)                                                              \
    weir_counter_of_at((counter), WEIR__LIST(weir_str, __VA_ARGS__))
/**
 * The function behind weir_counter_of. `counter` is kept, `values` are copied. Owner of the result:
 * the process.
 */
WEIR_API weir_counter *weir_counter_of_at(weir_counter *counter, const weir_str *values,
                                          size_t count) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(1);

/**
 * What a counter has counted, over all threads, as it was at some moment of the call: for tests.
 * `counter` is borrowed; one with labels is misuse, as it is for weir_counter_add.
 */
WEIR_API uint64_t weir_counter_read(const weir_counter *counter) WEIR_NONNULL(1);

/**
 * Sets a gauge. Atomic; the last one counts.
 *
 * gauge    borrowed; without labels, or what weir_gauge_of has yielded: else misuse, panics. One
 *          with `.read` shows what that says, whatever is set
 * n        of a gauge of seconds nanoseconds
 * context  any thread
 */
WEIR_API void weir_gauge_set(weir_gauge *gauge, int64_t n) WEIR_NONNULL(1);

/**
 * Adds to a gauge, atomically; below zero it goes down. `gauge` is borrowed; as weir_gauge_set
 * otherwise.
 */
WEIR_API void weir_gauge_add(weir_gauge *gauge, int64_t n) WEIR_NONNULL(1);

/** The gauge of one combination of labels, the process' own; as weir_counter_of. */
#define weir_gauge_of(gauge, ...) weir_gauge_of_at((gauge), WEIR__LIST(weir_str, __VA_ARGS__))
/**
 * The function behind weir_gauge_of. `gauge` is kept, `values` are copied. Owner of the result: the
 * process.
 */
WEIR_API weir_gauge *weir_gauge_of_at(weir_gauge *gauge, const weir_str *values,
                                      size_t count) WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(1);

/**
 * What a gauge shows: what was set and added, or what its `.read` says. For tests. `gauge` is
 * borrowed; one with labels is misuse.
 */
WEIR_API int64_t weir_gauge_read(const weir_gauge *gauge) WEIR_NONNULL(1);

/**
 * Records one value. Inside it goes to one of eight buckets for each power of two, as
 * OpenTelemetry's exponential histograms have at scale 3; outside there are those of bucket_min to
 * bucket_max, which are sums of them. Values above 2^42 are only told from each other by the sum.
 *
 * histogram  borrowed; without labels, or what weir_histogram_of has yielded: else misuse, panics
 * value      of a histogram of seconds nanoseconds
 * context    any thread; the first value on a thread allocates some 3 KB, and is counted in
 *            weir_metrics_lost_total where there is no memory
 */
WEIR_API void weir_histogram_record(weir_histogram *histogram, uint64_t value) WEIR_NONNULL(1);

/** The same for a time; one below zero counts as none. `histogram` is borrowed. */
WEIR_API void weir_histogram_record_time(weir_histogram *histogram, weir_dur time) WEIR_NONNULL(1);

/** The histogram of one combination of labels, the process' own; as weir_counter_of. */
#define weir_histogram_of(histogram, ...)                                                          \
    weir_histogram_of_at((histogram), WEIR__LIST(weir_str, __VA_ARGS__))
/**
 * The function behind weir_histogram_of. `histogram` is kept, `values` are copied. Owner of the
 * result: the process.
 */
WEIR_API weir_histogram *weir_histogram_of_at(weir_histogram *histogram, const weir_str *values,
                                              size_t count) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(1);

/**
 * How many values were recorded, over all threads: for tests. `histogram` is borrowed; one with
 * labels is misuse.
 */
WEIR_API uint64_t weir_histogram_count(const weir_histogram *histogram) WEIR_NONNULL(1);

#ifdef __cplusplus
}
#endif
#endif
