/*
 * What the worker knows of the timers of contexts (<weir/timer.h>), called alarms inside, where a
 * timer is one of the wheel.
 */
#ifndef WEIR_RT_ALARM_H
#define WEIR_RT_ALARM_H

#include <stdint.h>

struct weir__worker;

/* Frees the memory of a worker's alarms; none is armed any more. */
void weir__alarms_free(struct weir__worker *w);

/* How often a fiber was asked for, for one that was due: what a burst of them costs. */
uint64_t weir__alarms_tries(const struct weir__worker *w);

#endif
