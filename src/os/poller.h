/*
 * Pollers: where a worker waits for the world. One operation struct and one table, so that the
 * real one (epoll, edge-triggered, system call first) and the simulated one (virtual time, sockets
 * in memory) run the same code above them. A poller knows neither workers nor fibers: it says what
 * has happened to which descriptor, and who polls hands that out.
 */
#ifndef WEIR_OS_POLLER_H
#define WEIR_OS_POLLER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <weir/err.h>
#include <weir/time.h>

struct weir__wait;
struct weir__op;
struct weir__poller;

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
    bool is_shared;  /* other workers watch the descriptor too; one of them is told */
    bool tells_room; /* on_ready hears of WRITABLE as well: it sends without a fiber that waits */
    struct weir__wait *reader, *writer; /* of who is parked until it is ready (rt/io.c) */
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
};

struct weir__poller_ops {
    const char *name;
    bool is_virtual; /* time and sockets are made up: threads and the kernel know nothing of them */
    weir_err (*init)(struct weir__poller *p); /* sets `state` */
    void (*fini)(struct weir__poller *p);     /* also after a failed init that has set `state` */
    weir_time (*now)(struct weir__poller *p);
    int64_t (*wall)(struct weir__poller *p); /* nanoseconds of Unix */
    /* Tries; true when it is done and `result` is set, false when it would block. Never waits. */
    bool (*submit)(struct weir__poller *p, struct weir__op *op);
    /*
     * Waits until something happens or the clock, which shows `now`, says `until` (at once when
     * that has passed), fills in `events`, and returns the clock. What finds no room there comes
     * with the next poll.
     */
    weir_time (*poll)(struct weir__poller *p, weir_time now, weir_time until);
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
    /* Ends a poll from another thread. */
    void (*wake)(struct weir__poller *p);
    /* A stream socket to be connected, of that AF_ family: its number, or -errno. */
    int (*socket)(struct weir__poller *p, int family);
    /* The same of datagrams: connecting is done at once, and a receive takes one, from the peer. */
    int (*datagram)(struct weir__poller *p, int family);
    weir_err (*watch)(struct weir__poller *p, struct weir__fd *fd);
    /* `is_closing`: the descriptor is closed next, which makes the kernel forget it too. */
    void (*unwatch)(struct weir__poller *p, struct weir__fd *fd, bool is_closing);
    /* Tells with the next poll what a watched descriptor is ready for, as if it had just come. */
    weir_err (*again)(struct weir__poller *p, struct weir__fd *fd);
    weir_err (*shutdown)(struct weir__poller *p, int num); /* sending ends, receiving goes on */
    void (*close)(struct weir__poller *p, int num);
};

extern const struct weir__poller_ops weir__poller_epoll;

#define WEIR__POLL_EVENTS_MAX 256

/* What a poll has found about a descriptor that is watched. */
struct weir__event {
    struct weir__fd *fd; /* NULL: not watched any more */
    unsigned ready;      /* weir__ready bits */
};

/*
 * A poller: its owner's, who sets `ops`, and hands out `events` from `event_at` on after each poll.
 * While they are handed out a call-back may close and free a descriptor whose event is still to
 * come: weir__poller_unwatch clears that.
 */
struct weir__poller {
    const struct weir__poller_ops *ops;
    void *state; /* the table's; NULL before init */
    unsigned event_at, event_count;
    struct weir__event events[WEIR__POLL_EVENTS_MAX];
};

static inline weir_time weir__poller_now(struct weir__poller *p)
{
    return p->ops->now(p);
}

static inline int64_t weir__poller_wall(struct weir__poller *p)
{
    return p->ops->wall(p);
}

static inline bool weir__poller_submit(struct weir__poller *p, struct weir__op *op)
{
    return p->ops->submit(p, op);
}

static inline int weir__poller_socket(struct weir__poller *p, int family)
{
    return p->ops->socket(p, family);
}

static inline int weir__poller_datagram(struct weir__poller *p, int family)
{
    return p->ops->datagram(p, family);
}

static inline weir_err weir__poller_shutdown(struct weir__poller *p, int num)
{
    return p->ops->shutdown(p, num);
}

static inline void weir__poller_close(struct weir__poller *p, int num)
{
    p->ops->close(p, num);
}

/* For pollers: appends an event; there is room. */
static inline void weir__poller_tell(struct weir__poller *p, struct weir__fd *fd, unsigned ready)
{
    p->events[p->event_count++] = (struct weir__event){fd, ready};
}

/* Stops watching; what was still to be told of `fd` is not told any more. */
static inline void weir__poller_unwatch(struct weir__poller *p, struct weir__fd *fd,
                                        bool is_closing)
{
    p->ops->unwatch(p, fd, is_closing);
    for (unsigned i = p->event_at; i < p->event_count; i++) {
        if (p->events[i].fd == fd)
            p->events[i].fd = NULL;
    }
}

#endif
