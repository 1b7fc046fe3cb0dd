/*
 * Telling of what was left open by mistake, and of waits without an end. Whether one is to be told
 * has been decided (rt/places.h); `untold`: so many others were only counted since the last line.
 */
#ifndef WEIR_WATCH_LEAK_TELL_H
#define WEIR_WATCH_LEAK_TELL_H

#include <stdint.h>

struct weir__owned;
struct weir__wait;

/* `what` goes on after the kind: "left open at the end of its context". */
void weir__leak_tell(const struct weir__owned *o, const char *what, uint64_t untold);

/* On the waiting fiber's worker. */
void weir__leak_tell_wait(const struct weir__wait *w, uint64_t untold);

#endif
