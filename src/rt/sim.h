/*
 * The simulation, for tests: one worker on the calling thread, virtual time, sockets in memory.
 * Nothing ever sleeps: when no fiber is ready, the clock jumps to the next timer. Deterministic.
 */
#ifndef WEIR_RT_SIM_H
#define WEIR_RT_SIM_H

#include "rt/runtime.h"

/*
 * Runs `fn` in a fiber under a context of its own, with all the runtime behind it, until it and
 * every other fiber has ended. Asserts that nothing is left: fibers, contexts, timers, watched
 * descriptors. A state in which nothing can ever happen again ends the process with a list of who
 * waits for what. Returns what `fn` returned.
 */
weir_err weir__sim_run(weir_fiber_fn fn, void *arg);

/* The same with options (poller and workers are the simulation's). */
weir_err weir__sim_run_with(const struct weir__runtime_options *options, weir_fiber_fn fn,
                            void *arg);

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

/* Who waits for what, a line each. */
void weir__sim_list_waiting(struct weir__worker *w, weir_buf *out);

/* Simulated sockets that a worker watches now. */
size_t weir__sim_watched(void);

/* Those that are open and were the worker's once: dialled, accepted or watched. */
size_t weir__sim_held(void);

/* Connecting does not come to an end, well or not, while this is set. */
void weir__sim_hold_connects(bool is_held);

/*
 * Offloaded calls that begin from now on take so long, if nobody interrupts them; as many run at a
 * time as their pool has threads, and the others are queued. 0, as at first: until the next turn.
 */
void weir__sim_offload_takes(weir_dur time);
weir_dur weir__sim_offload_time(void);

/* The next `times` accepts fail with -err. */
void weir__sim_fail_accept(int err, int times);

#endif
