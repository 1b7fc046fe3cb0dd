/*
 * Pollers: where a worker waits for the world. One operation struct and one table, so that the
 * real one (epoll, edge-triggered, system call first) and the simulated one (virtual time, sockets
 * in memory) run the same code above them, and others (io_uring) can follow.
 */
#ifndef WEIR_RT_POLLER_H
#define WEIR_RT_POLLER_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "rt/wait.h"

struct weir__worker;
struct weir__op;

enum weir__ready { /* what on_ready is told */
                   WEIR__READABLE = 1,
                   WEIR__WRITABLE = 2,
                   WEIR__PEER_CLOSED =
                       4,           /* it will send no more (RDHUP), or all is over (HUP, ERR) */
                   WEIR__BROKEN = 8 /* error or reset: writing is pointless too */
};

/*
 * A descriptor that a worker watches. Embedded in its owner; registered once. With neither `reader`
 * nor `writer` and with on_ready it costs nothing but these bytes: that is a connection at rest.
 */
struct weir__fd {
    int num;       /* -1: none. In the simulation: a number of its own */
    uint8_t ready; /* weir__ready bits seen and not yet used up by EAGAIN or a short read */
    bool is_watched;
    bool is_shared; /* other workers watch the descriptor too; one of them is told */
    struct weir__op *reader, *writer; /* parked operations */
    /*
     * Told on the worker's own stack when something happens and no operation waits for it (always
     * told of PEER_CLOSED). May be NULL. May start fibers, must not wait; may close and free the
     * fd.
     */
    void (*on_ready)(struct weir__fd *fd, unsigned ready);
};

enum weir__op_kind {
    WEIR__OP_RECV,
    WEIR__OP_SEND,
    WEIR__OP_SENDV,
    WEIR__OP_ACCEPT, /* result: descriptor, non-blocking, close-on-exec */
    WEIR__OP_CONNECT,
    WEIR__OP_READABLE, /* only waits */
    WEIR__OP_WRITABLE
};

struct weir__op {
    uint8_t kind;
    struct weir__fd *fd;
    union {
        struct {
            void *ptr;
            size_t len;
        } buf;
        struct {
            const struct iovec *vec;
            int count;
        } iov;
        struct {
            struct sockaddr_storage *addr; /* accept: filled, may be NULL; connect: given */
            socklen_t len;
        } addr;
    } u;
    ssize_t result; /* bytes, descriptor, or -errno */
    struct weir__wait wait;
};

struct weir__poller_ops {
    const char *name;
    weir_err (*init)(struct weir__worker *w);
    void (*fini)(struct weir__worker *w);
    weir_time (*now)(struct weir__worker *w);
    int64_t (*wall)(struct weir__worker *w); /* nanoseconds of Unix */
    /* Tries; true when it is done and `result` is set, false when it would block. Never waits. */
    bool (*submit)(struct weir__worker *w, struct weir__op *op);
    /*
     * Waits for events until `until` (at once when that has passed), calls weir__worker_polled, and
     * hands the events out.
     */
    void (*poll)(struct weir__worker *w, weir_time until);
    /*
     * While fibers are ready there is at least so much of the processor's counter between two
     * polls, for one costs as much as many short turns. 0 where time is virtual.
     */
    uint64_t gap_ticks;
    /*
     * The clock that was read after the last poll is good for so much of the processor's counter;
     * past that it is read again before a sleep. 0 where time is virtual.
     */
    uint64_t fresh_ticks;
    /* Ends a poll of `w` from another thread. */
    void (*wake)(struct weir__worker *w);
    /* A stream socket to be connected, of that AF_ family: its number, or -errno. */
    int (*socket)(struct weir__worker *w, int family);
    weir_err (*watch)(struct weir__worker *w, struct weir__fd *fd);
    /* `is_closing`: the descriptor is closed next, which makes the kernel forget it too. */
    void (*unwatch)(struct weir__worker *w, struct weir__fd *fd, bool is_closing);
    /* Tells with the next poll what a watched descriptor is ready for, as if it had just come. */
    weir_err (*again)(struct weir__worker *w, struct weir__fd *fd);
    weir_err (*shutdown)(struct weir__worker *w, int num); /* sending ends, receiving goes on */
    void (*close)(struct weir__worker *w, int num);
};

extern const struct weir__poller_ops weir__poller_epoll;
extern const struct weir__poller_ops weir__poller_sim;

/* For pollers: hands `ready` to the operations that wait for it, the rest to on_ready. */
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
