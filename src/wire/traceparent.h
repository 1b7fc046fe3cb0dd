/*
 * The field "traceparent", by which a request says where in a distributed trace it stands (W3C
 * Trace Context Level 1, section 3.2, https://www.w3.org/TR/trace-context-1/#traceparent-header):
 *
 *     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *     version, trace id, span id of the sender, flags
 *
 * Who cannot read it begins a trace of his own, so there is one error.
 */
#ifndef WEIR_WIRE_TRACEPARENT_H
#define WEIR_WIRE_TRACEPARENT_H

#include "base/origin.h"
#include <weir/err.h>

#define WEIR_TRACEPARENT_LEN 55 /* of version 00; later ones are as long or longer */

/*
 * Reads a field's value, without the blanks around it. Of a later version what 00 has is read, and
 * what follows after a dash is not looked at (section 3.2.4). Flags that Level 1 does not know are
 * dropped (3.2.2.5). Returns 0, or WEIR_EINVALID; then `out` is as it was.
 */
weir_err weir__traceparent_parse(weir_str s, struct weir__trace *out);

/* Writes 55 bytes, no NUL, in version 00. Both ids are set. */
void weir__traceparent_write(char out[WEIR_TRACEPARENT_LEN], const struct weir__trace *t);

#endif
