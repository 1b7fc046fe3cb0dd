/*
 * How many processors the control groups leave to this process. The parts take the text and the
 * folder, so they can be tested without being in a group.
 */
#ifndef WEIR_OS_CGROUP_H
#define WEIR_OS_CGROUP_H

#include <weir/str.h>

/* A quota in thousandths of a processor; UINT64_MAX: none. */
#define WEIR__NO_QUOTA UINT64_MAX

/* Of the content of cpu.max: "max 100000", "150000 100000". What cannot be read is no quota. */
uint64_t weir__cgroup_v2_quota(weir_str cpu_max);

/* Of the contents of cpu.cfs_quota_us and cpu.cfs_period_us; -1 is none. */
uint64_t weir__cgroup_v1_quota(weir_str quota_us, weir_str period_us);

/*
 * The smallest quota of all groups that `proc_cgroup` (the content of /proc/self/cgroup) names, and
 * of all groups above them, below `root` (/sys/fs/cgroup).
 */
uint64_t weir__cgroup_quota(const char *root, weir_str proc_cgroup);

/*
 * Whole processors of a quota and of an affinity mask of `allowed` processors: rounded up, at least
 * one.
 */
unsigned weir__cpu_count(uint64_t quota, unsigned allowed);

/*
 * Processors that this process may use: the smallest quota over all cgroup levels, and the affinity
 * mask.
 */
unsigned weir__cpu_quota(void);

#endif
