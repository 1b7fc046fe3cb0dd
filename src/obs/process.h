/*
 * What the kernel knows about this process: memory, processor time, descriptors, since when.
 */
#ifndef WEIR_OBS_PROCESS_H
#define WEIR_OBS_PROCESS_H

#include <stdint.h>
#include <weir/api.h>

struct weir__process {
    uint64_t resident_bytes, virtual_bytes;
    uint64_t cpu_ns; /* user and system */
    uint64_t threads;
    uint64_t fds_open, fds_max;
    double started_at; /* seconds since 1970 */
};

/*
 * Fills `out`; what could not be read is 0. Reads a few files of /proc: microseconds, does not
 * wait.
 */
void weir__process_read(struct weir__process *out);

/*
 * Adds memory, processor time, descriptors and start to a registry, by the names that Prometheus'
 * own libraries use; and what the heap holds.
 */
struct weir__metrics;
void weir__process_metrics(struct weir__metrics *to);

#endif
