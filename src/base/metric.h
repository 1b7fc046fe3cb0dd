/*
 * Families of numbers, and who shows them. A room keeps its numbers as plain values (counter.h),
 * describes them by constant families, and adds a source to a registry: a function that puts the
 * present values. Who renders (obs) reads the registry into a sink, and knows no room.
 *
 * The program's own numbers (<weir/metric.h>) are families as well; theirs are of the process.
 */
#ifndef WEIR_BASE_METRIC_H
#define WEIR_BASE_METRIC_H

#include <stdatomic.h>
#include <weir/buf.h>
#include <weir/metric.h>

#include "base/counter.h"

enum { WEIR__METRIC_SOURCES_MAX = 32, WEIR__METRIC_NAME_MAX = 120 };

/* A sample of a family whose values stand in a struct: where, and its label's value or NULL. */
struct weir__metric_row {
    const char *value;
    size_t offset; /* of 64 bits, that another thread may be adding to */
};

/* Samples with one name. The values of seconds are nanoseconds. */
struct weir__family {
    const char *name, *help;
    weir_metric_type type;
    weir_metric_unit unit;
    const char *labels[WEIR_METRIC_LABELS_MAX]; /* NULL behind the last one */
    const struct weir__metric_row *rows;        /* NULL: put by hand */
    size_t row_count;
    unsigned first_bit, last_bit; /* a histogram's buckets: they end at these powers of two */
};

/* `.rows` and `.row_count` of a family. */
#define WEIR__ROWS(...)                                                                            \
    .rows = (const struct weir__metric_row[]){__VA_ARGS__},                                        \
    .row_count =                                                                                   \
        sizeof((const struct weir__metric_row[]){__VA_ARGS__}) / sizeof(struct weir__metric_row)

/* Where values go: first the family, then its samples, each with a value for each of its labels. */
struct weir__metric_sink {
    void (*family)(struct weir__metric_sink *to, const struct weir__family *f);
    /* A gauge's is signed. */
    void (*number)(struct weir__metric_sink *to, const struct weir__family *f,
                   const weir_str *values, uint64_t n);
    void (*histo)(struct weir__metric_sink *to, const struct weir__family *f,
                  const weir_str *values, const struct weir__histo *h);
};

size_t weir__family_label_count(const struct weir__family *f);

/* What the values stand in, and the value of the first label that tells it from others. */
struct weir__metric_subject {
    weir_str name; /* absent: the families have no such label */
    const void *numbers;
};

/* Puts families by their rows, each with the numbers of all subjects. */
void weir__families_put(struct weir__metric_sink *to, const struct weir__family *families,
                        size_t family_count, const struct weir__metric_subject *subjects,
                        size_t subject_count);

/* The same of one subject, whose families have no label that names it. */
void weir__families_put_one(struct weir__metric_sink *to, const struct weir__family *families,
                            size_t family_count, const void *numbers);

/* A family without labels, put by hand. */
void weir__family_put(struct weir__metric_sink *to, const struct weir__family *f, uint64_t n);

/*
 * Holds names against Prometheus' rules ("Data model", "Metric and label naming", "Writing client
 * libraries"), and appends what is wrong to `report`: for each mistake `prefix`, the text, a line's
 * end. How many mistakes.
 */
unsigned weir__family_check(const struct weir__family *f, const char *prefix, weir_buf *report);

/* --- a registry ----------------------------------------------------------------------------- */

struct weir__metric_source {
    const struct weir__family *families;
    size_t family_count;
    void (*read)(struct weir__metric_sink *to, void *arg);
    void *arg;
};

/* Zeroed it is empty. It only grows, and may be read meanwhile. I12: no name is there twice. */
struct weir__metrics {
    struct weir__metric_source sources[WEIR__METRIC_SOURCES_MAX];
    _Atomic uint32_t count;
};

/*
 * Adds what `read` will put: the families, which are kept, and nothing else. The names are checked;
 * a wrong one is an assertion. One thread at a time.
 */
void weir__metrics_add(struct weir__metrics *m, const struct weir__family *families,
                       size_t family_count, void (*read)(struct weir__metric_sink *to, void *arg),
                       void *arg);

/* Reads all sources, in the order in which they were added. What one of them waits for is waited
 * for. */
void weir__metrics_read(struct weir__metrics *m, struct weir__metric_sink *to);

/* --- program_metric.c: the program's own ---------------------------------------------------- */

/* Puts all that are described well, and what was lost of them. Any thread. */
void weir__program_metrics_read(struct weir__metric_sink *to);

/* What is wrong with any of them, in the order of their places; WEIR_EINVALID when something is. */
weir_err weir__program_metrics_check(weir_buf *report);

#endif
