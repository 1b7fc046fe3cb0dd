/*
 * The watch over the workers: stalls, deadlocks, leaks, waits without an end.
 */
#ifndef WEIR_WATCH_WATCH_H
#define WEIR_WATCH_WATCH_H

/* From now on workers are watched (rt/watch.h). By who makes a runtime, before that. */
void weir__watch_install(void);

#endif
