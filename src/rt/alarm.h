/*
 * What the worker knows of the timers of contexts (<weir/timer.h>), called alarms inside, where a
 * timer is one of the wheel.
 */
#ifndef WEIR_RT_ALARM_H
#define WEIR_RT_ALARM_H

struct weir__worker;

/* Frees the memory of a worker's alarms; none is armed any more. */
void weir__alarms_free(struct weir__worker *w);

#endif
