/*
 * The simulated network from the inside: sockets that are two byte queues in memory, and what the
 * simulated poller does with them.
 */
#ifndef WEIR_OS_NETWORK_SIM_H
#define WEIR_OS_NETWORK_SIM_H

#include "os/poller_sim.h"

enum {
    WEIR__SIM_FIRST_NUM = 1000, /* of descriptors */
    WEIR__SIM_SOCKETS_MAX = 1 << 16,
    WEIR__SIM_CONNECTED_BYTES = 64 << 10 /* of each way, where the simulation connects */
};

struct weir__sim_go_between;

struct weir__sim_socket {
    bool is_open, is_listener;
    bool is_held;     /* the worker has had it: it is the worker that must close it */
    bool is_fresh;    /* made to be connected, and not yet */
    bool has_knocked; /* its connecting has begun */
    bool is_shut;     /* it sends no more */
    bool is_reset;    /* both sides get ECONNRESET */
    bool is_datagram; /* `in` has datagrams, each behind a struct datagram */
    int peer;         /* index; -1 when that is closed */
    char *in;         /* what has arrived for it */
    size_t at, len, cap;
    unsigned events;                 /* gathered for the next poll */
    struct weir__fd *fd;             /* who watches it */
    struct weir__sim_go_between *by; /* whose it is, if not an end's; NULL */
    int backlog[64];                 /* of a listener: server ends not yet accepted */
    int backlog_len;
};

/* Of one simulation at a time; it begins zeroed. */
struct weir__sim_net {
    struct weir__sim_socket *sockets[WEIR__SIM_SOCKETS_MAX];
    int count;
    size_t chop;
    int accept_err, accept_errs; /* so many accepts fail with it */
    struct sockaddr_storage accepts_from;
    bool holds_connects;
    struct weir__sim_go_between *betweens;
    int (*decide_connect)(const struct sockaddr_storage *addr); /* may be NULL */
};
extern struct weir__sim_net weir__sim_net;

void weir__sim_net_init(void);
void weir__sim_net_fini(void);

/* NULL: it is not open. */
struct weir__sim_socket *weir__sim_get(int num);
/* One that is open. */
struct weir__sim_socket *weir__sim_existing(int num);

/* Its number; with room for so many bytes that come. */
int weir__sim_new(size_t capacity);
void weir__sim_close_end(int num);

/* Events for who watches it, by the next poll. */
void weir__sim_tell(int num, unsigned events);

/* So many bytes are moved at a time (weir__sim_chop). */
size_t weir__sim_chopped(size_t n);

/* What the calls of the kernel return: bytes, a descriptor, 0 at the end, -errno. */
ssize_t weir__sim_put(int num, const char *bytes, size_t len);
ssize_t weir__sim_take(int num, char *bytes, size_t len);
ssize_t weir__sim_accept(int num, struct sockaddr_storage *from);
ssize_t weir__sim_connect_to(int num, const struct sockaddr_storage *addr);

bool weir__sim_is_of_datagrams(int num);
ssize_t weir__sim_send_datagram(int num, const void *bytes, size_t len);
ssize_t weir__sim_recv_datagram(struct weir__fd *fd, void *bytes, size_t size);

/* Those between to whom something is new move; who has closed its sockets is gone. */
void weir__sim_move_betweens(void);

#endif
