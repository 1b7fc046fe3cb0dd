/*
 * Calls in progress on a resource (a file, a socket), and who ends the resource waits for them. For
 * resources whose calls wait and that fibers may use whose contexts do not end before the
 * resource's: so nobody closes a descriptor under a call, and no call finds its object gone.
 *
 * B1: `calls` counts who is between enter and leave, and who ends it by hand until it is ended; the
 *     object's memory stays until it is 0.
 */
#ifndef WEIR_SYNC_BUSY_H
#define WEIR_SYNC_BUSY_H

#include "sync/waitq.h"

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
 * Ends it: no call begins any more. Exactly one of all who end it gets true: the one that closes
 * what is behind it. By hand that one counts as a call from then on, and leaves (B1) when all is
 * closed; as a type's `release` it does not.
 */
bool weir__busy_end(struct weir__busy *b, bool is_by_hand);

/*
 * Waits until no more than `most` calls are in progress: 1, itself, for who ends it by hand; 0 for
 * a release, also one that found it ended. Cannot be cancelled: such calls end by themselves.
 */
void weir__busy_await(struct weir__busy *b, uint32_t most);

#endif
