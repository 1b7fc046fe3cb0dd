/*
 * Operations on descriptors, above the table of pollers: try at once, park if it would block, try
 * again when the poller says so. The same for the kernel and for the simulation.
 */
#ifndef WEIR_RT_IO_H
#define WEIR_RT_IO_H

#include "os/poller.h"
#include "rt/wait.h"

/* Hands `ready` to the operations that wait for it, the rest to on_ready. */
void weir__fd_dispatch(struct weir__fd *fd, unsigned ready);

/* Begins to watch descriptor `num` on the running worker. */
weir_err weir__fd_watch(struct weir__fd *fd, int num,
                        void (*on_ready)(struct weir__fd *fd, unsigned ready));

/*
 * The same for a listener that every worker watches: an event wakes one of those that sleep, not
 * all. Only READABLE is told; who is told takes all there is.
 */
weir_err weir__fd_watch_shared(struct weir__fd *fd, int num,
                               void (*on_ready)(struct weir__fd *fd, unsigned ready));

/* What it is ready for is told anew, by the next poll: for who leaves off in the middle. */
weir_err weir__fd_again(struct weir__fd *fd);

/* Stops watching and closes. Parked operations end with -ECANCELED. Idempotent. */
void weir__fd_close(struct weir__fd *fd);

/* Stops watching, leaves the descriptor open, returns it. */
int weir__fd_unwatch(struct weir__fd *fd);

/*
 * Does `op`, waiting where it must: up to `until`, the deadline of `c`, or its cancellation.
 * Returns the result: bytes or descriptor (>= 0), -errno, WEIR_ETIMEDOUT past `until`, or the
 * reason. Fiber only.
 */
ssize_t weir__io(struct weir__ctx *c, struct weir__op *op, weir_time until);

/* The usual ones, by it. */
ssize_t weir__recv(struct weir__ctx *c, struct weir__fd *fd, void *buf, size_t len,
                   weir_time until);
ssize_t weir__send(struct weir__ctx *c, struct weir__fd *fd, const void *buf, size_t len,
                   weir_time until);
ssize_t weir__sendv(struct weir__ctx *c, struct weir__fd *fd, const struct iovec *vec, int count,
                    weir_time until);

/* Once, without a wait, from a fiber or from on_ready: bytes, 0 at the end, -EAGAIN, -errno. */
ssize_t weir__try_recv(struct weir__fd *fd, void *buf, size_t len);
ssize_t weir__try_send(struct weir__fd *fd, const void *buf, size_t len);
ssize_t weir__try_sendv(struct weir__fd *fd, const struct iovec *vec, int count);

/*
 * Waits until a descriptor that somebody else owns (a library's) is ready. `events`: weir__ready
 * bits.
 */
weir_err weir__wait_fd(struct weir__ctx *c, int num, unsigned events, weir_time until);

#endif
