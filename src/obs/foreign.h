/*
 * The page /debug/descriptors: what is open in the process behind the runtime's back.
 */
#ifndef WEIR_OBS_FOREIGN_H
#define WEIR_OBS_FOREIGN_H

#include "watch/foreign.h"
#include <weir/buf.h>

/* A table for people, by number. The buffer's error is sticky. */
void weir__foreign_text(const struct weir__foreign *f, weir_time now, weir_buf *out);

#endif
