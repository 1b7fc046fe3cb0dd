/*
 * Foreign descriptors: open in this process, but neither through a context nor by Weir itself.
 * Nobody closes them at the end of a request, so each is a leak that waits for its number to be the
 * last. An audit finds them by number.
 */
#ifndef WEIR_WATCH_FOREIGN_H
#define WEIR_WATCH_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/time.h>

#define WEIR__FOREIGN_MAX 1024
#define WEIR__FOREIGN_WHAT_MAX 120

enum weir__foreign_state {
    WEIR__FOREIGN_EARLY, /* it was there at the first audit: the program's start has opened it */
    WEIR__FOREIGN_SEEN,  /* once: it may be on its way to be closed */
    WEIR__FOREIGN_TOLD   /* twice: in the log */
};

struct weir__foreign_fd {
    int num;
    uint8_t state;
    uint64_t audit;                    /* the last one that has met it */
    weir_time since;                   /* when it was first met */
    char what[WEIR__FOREIGN_WHAT_MAX]; /* "/tmp/x", "socket:[1234]" */
};

/* Zeroed it is ready for the first audit. One thread at a time. */
struct weir__foreign {
    uint32_t asked_max; /* numbers that an audit asks the kernel about; 0: 65,536 */
    int next;           /* the number at which the next one goes on */
    uint64_t audits;
    uint64_t told;       /* in all */
    uint64_t overlooked; /* there was no room in the table */
    uint32_t count;
    struct weir__foreign_fd fds[WEIR__FOREIGN_MAX]; /* by number */
};

/*
 * Looks at the descriptors that the door does not know. What is there the first time is taken as
 * meant; what is met a second time since is logged, once. Blocks for some milliseconds at most:
 * an audit that would ask about more numbers than `asked_max` is continued by the next.
 */
void weir__foreign_audit(struct weir__foreign *f, weir_time now);

/* How many have been told and are still open. */
uint32_t weir__foreign_open(const struct weir__foreign *f);

/* Adds its numbers to a registry. They are read by its thread. */
struct weir__metrics;
void weir__foreign_metrics(struct weir__foreign *f, struct weir__metrics *to);

#endif
