/*
 * A name looked up as the machine's files say: in hosts, then of each name server in turn, under
 * each of the names that it may stand for. No cache: resolve.h has one.
 */
#ifndef WEIR_NET_LOOKUP_H
#define WEIR_NET_LOOKUP_H

#include "net/resolv_conf.h"
#include "rt/wait.h"

/* The files, as they were when last read; a worker's own. Zeroed: not read yet. */
struct weir__name_files {
    struct weir__resolv_conf conf;
    unsigned good;     /* the server that has answered last, which is asked first */
    weir_str hosts;    /* on the heap */
    weir_time read_at; /* 0: never */
};

/* Where the files are; before the workers start. NULL: as it was, at first in /etc. */
void weir__name_files_at(const char *resolv_conf, const char *hosts);

void weir__name_files_free(struct weir__name_files *f);

/*
 * Looks `name` up, which is good (addresses.h), NUL-terminated and no number; reads the files again
 * when that was 5 s ago.
 *
 * out      zeroed; its addresses, IPv6 and IPv4 in turn, or why there are none
 * ttl_s    for how long that holds; 0: not beyond this moment
 * returns  WEIR_OK; WEIR_ENOHOST: it has none, or nobody could say; -ENOMEM; WEIR_EINVALID; the
 *          reason when `c` is cancelled
 * context  fiber; waits, at most for each server's time-outs
 */
WEIR_MUST_USE weir_err weir__look_up(struct weir__ctx *c, struct weir__name_files *f,
                                     const char *name, struct weir__addresses *out,
                                     uint32_t *ttl_s);

/* Questions sent to servers so far: one for each time that a server was asked. */
uint64_t weir__name_queries(void);

#endif
