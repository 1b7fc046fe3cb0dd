/*
 * What follows from all of a head's lines together: which host, how long the body is, whether the
 * connection stays. Called by the head parser at the blank line.
 */
#ifndef WEIR_WIRE_HTTP1_FRAMING_H
#define WEIR_WIRE_HTTP1_FRAMING_H

#include "wire/http1_head.h"

/* `used` is the length of the whole head at `buf`. Fills in host, body, content_length,
 * keep_alive, expect_continue and upgrade. Returns 0 or an enum weir__http1_error. */
int weir__http1_framing_decide(struct weir__http_head *h, const char *buf, size_t used);

/*
 * The same for a response to a request with the method HEAD, CONNECT or another one (RFC 9112
 * section 6.3, whose rules stand there in this order). Fills in body, content_length, keep_alive
 * and upgrade of `r->head`, and the members of `r`. Returns 0 or an error as of the parser.
 */
struct weir__http1_response;
int weir__http1_framing_decide_response(struct weir__http1_response *r, const char *buf);

/* The status and text of errors are here as well: see weir__http1_error_status in http1_head.h. */

#endif
