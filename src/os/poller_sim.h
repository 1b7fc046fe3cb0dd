/*
 * The simulated poller: virtual time, sockets that are byte queues in memory. What a test does to
 * them from outside: be the peer, split, refuse, hold up. One simulation at a time.
 */
#ifndef WEIR_OS_POLLER_SIM_H
#define WEIR_OS_POLLER_SIM_H

#include "os/poller.h"

extern const struct weir__poller_ops weir__poller_sim;

/*
 * A connected pair of simulated sockets with `capacity` bytes of buffer each way: descriptor
 * numbers for weir__fd_watch.
 */
void weir__sim_socketpair(int out[2], size_t capacity);

/*
 * A simulated listening socket; weir__sim_connect gives it a connection and returns the client's
 * end.
 */
int weir__sim_listen(void); /* the number is also the port to dial */
int weir__sim_connect(int listener, size_t capacity);

/*
 * Who stands between the ends of connections: `client` is the socket that the client's bytes come
 * to, `server` the one that the server's do. It speaks at both with weir__sim_read, _write,
 * weir__sim_shutdown and weir__sim_reset, on the worker's own stack, before a poll looks.
 */
struct weir__sim_between {
    void *(*open)(int client, int server);
    /* Something has come, or ended, or there is room again. False: it has closed both sockets. */
    bool (*move)(void *state);
    void (*free)(void *state);
};

/*
 * From now on, for all simulations, every connection that weir__sim_connect makes has one; NULL, as
 * at first: none has.
 */
void weir__sim_put_between(const struct weir__sim_between *between);

/* Whom connections are from that are accepted from now on; NULL, as at first: nobody is named. */
void weir__sim_accepts_from(const struct sockaddr_storage *addr);

/*
 * A simulated listening socket that takes datagrams on the same port too. With weir__fd_watch its
 * readiness is told as any other's; `take` gives a datagram that has come and who sent it, or
 * -EAGAIN; `give` sends one to socket `to` as if it came from socket `from`, be it that one's peer
 * or not.
 */
int weir__sim_listen_datagrams(void);
ssize_t weir__sim_datagram_take(int num, void *bytes, size_t size, int *from);
void weir__sim_datagram_give(int from, int to, const void *bytes, size_t len);

/*
 * The peer's view without fibers, for tests of call-backs: bytes put in or taken out; -EAGAIN, 0 at
 * the end.
 */
ssize_t weir__sim_write(int num, const void *bytes, size_t len);
ssize_t weir__sim_read(int num, void *bytes, size_t len);

/* The peer shuts its sending side; closes; resets. */
void weir__sim_shutdown(int num);
void weir__sim_close(int num);
void weir__sim_reset(int num);

/* At most `n` bytes a recv or send from now on (0: no bound): splits at every byte. */
void weir__sim_chop(size_t n);

/*
 * The kernel's state changes between a refusal and the wait that follows it: the `nth` operation
 * that is submitted from now on, and the `times - 1` behind it, would block although they need not,
 * and the next poll tells that they would not any more. 0: none (any more).
 */
void weir__sim_refuse(uint64_t nth, uint64_t times);

/* Operations that were submitted since the simulation began, or since the last weir__sim_refuse. */
uint64_t weir__sim_submits(void);

/*
 * For who turns the worker by hand: when nothing is ready, the poller asks whether the clock may go
 * on to `until`, where weir_never() says that nothing can ever happen by itself. False: it stays,
 * and the turn ends. Until the next simulation, or NULL.
 */
void weir__sim_ask_before_time(bool (*may_pass)(weir_time until, void *arg), void *arg);

/*
 * `told` hears when nothing can ever happen again, just before the process ends. From now on, for
 * all simulations; NULL: nobody does.
 */
void weir__sim_on_dead_end(void (*told)(void *arg), void *arg);

/* Simulated sockets that a worker watches now. */
size_t weir__sim_watched(void);

/* Those that are open and were the worker's once: dialled, accepted or watched. */
size_t weir__sim_held(void);

/* Connecting does not come to an end, well or not, while this is set; then all do at once. */
void weir__sim_hold_connects(bool is_held);

/*
 * `decide` says of each address that is connected to what becomes of it: 0, as it would; -errno;
 * -EAGAIN: it does not come to an end. Until the next simulation, or NULL.
 */
void weir__sim_decide_connects(int (*decide)(const struct sockaddr_storage *addr));

/* The next `times` accepts fail with -err. */
void weir__sim_fail_accept(int err, int times);

#endif
