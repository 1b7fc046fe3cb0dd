/*
 * The simulation, for tests: one worker on the calling thread, virtual time, sockets in memory.
 * Nothing ever sleeps: when no fiber is ready, the clock jumps to the next timer. Deterministic.
 */
#ifndef WEIR_RT_SIM_H
#define WEIR_RT_SIM_H

#include "os/poller_sim.h"
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
 * Makes `o` a simulation's: its poller, one worker, no watchdog unless it is asked for; what was
 * set for an earlier one is over. For who makes and turns the runtime by hand.
 */
void weir__sim_options(struct weir__runtime_options *o);

/* Who waits for what, a line each. */
void weir__sim_list_waiting(struct weir__worker *w, weir_buf *out);

/*
 * Offloaded calls that begin from now on take so long, if nobody interrupts them; as many run at a
 * time as their pool has threads, and the others are queued. 0, as at first: until the next turn.
 */
void weir__sim_offload_takes(weir_dur time);
weir_dur weir__sim_offload_time(void);

#endif
