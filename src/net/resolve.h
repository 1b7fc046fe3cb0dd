/*
 * Names to addresses, for whoever dials. A worker keeps what it has been told for as long as that
 * holds, and fibers of it that ask for one name at a time share one look-up.
 *
 * N1: what is asked for has a fiber that asks, and somebody who waits for it; when the last of
 *     those has left, it is given up.
 * N2: who waits for a name is on its `askers`, or whoever took it off wakes it.
 */
#ifndef WEIR_NET_RESOLVE_H
#define WEIR_NET_RESOLVE_H

#include "net/addresses.h"
#include "rt/wait.h"

enum {
    WEIR__NAMES_MAX = 256 /* that a worker keeps or asks for at a time */
};

/*
 * The addresses of `name`: an IP (without brackets) is its own, "localhost" is known; else from the
 * worker's memory, or looked up (lookup.h) while the calling fiber waits in `c` up to `until`.
 *
 * out      filled, with the moment from which on it is to be asked for again; on an error its `why`
 *          says for people what was wrong, where that is known
 * returns  WEIR_OK: there is at least one; WEIR_EINVALID: not a name; WEIR_ENOHOST: it has none, or
 *          nobody could say; WEIR_ETIMEDOUT; WEIR_ELIMIT: too many are asked for; -ENOMEM; the
 *          reason when `c` is cancelled
 * context  fiber
 */
WEIR_MUST_USE weir_err weir__resolve(struct weir__ctx *c, weir_str name, weir_time until,
                                     struct weir__addresses *out);

/* Adds the numbers of all workers to a registry. */
struct weir__metrics;
void weir__resolve_metrics(struct weir__metrics *to);

#endif
