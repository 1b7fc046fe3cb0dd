/*
 * Calls in progress on a resource (a file, a socket), and who ends the resource waits for them. For
 * resources whose calls wait and that fibers may use whose contexts do not end before the
 * resource's: so nobody closes a descriptor under a call, and no call finds its object gone.
 *
 * B1: `calls` counts who is between enter and leave, and who ends it by hand until it is ended; the
 *     object's memory stays until it is 0.
 */
#ifndef WEIR_RT_BUSY_H
#define WEIR_RT_BUSY_H

#include "rt/waitq.h"

/* Begins the object, which is made by weir__waitq_new; only who ends it waits in the queue. */
struct weir__busy {
    struct weir__waitq q;
    uint32_t calls; /* B1 */
};

/* A call begins: WEIR_OK, -ENOMEM for an object without memory, WEIR_ECLOSED for one that ended. */
weir_err weir__busy_enter(struct weir__busy *b);
/* It is over; the object is not to be touched any more. */
void weir__busy_leave(struct weir__busy *b);

/*
 * Ends it, and waits until no call is in progress; cannot be cancelled, for such calls end by
 * themselves. Exactly one of all who end it gets true: the one that closes what is behind it.
 *
 * By hand (`is_by_hand`): the caller counts as a call when it got true, and leaves (B1) when all is
 * closed. As a type's `release`: it returns when nobody is left, whoever closed it.
 */
bool weir__busy_end(struct weir__busy *b, bool is_by_hand);

#endif
