/*
 * One name server, asked once for both families of a name's addresses: by datagrams, and over TCP
 * for what they do not hold. Sockets, waits and time are the runtime's.
 */
#ifndef WEIR_NET_DNS_ASK_H
#define WEIR_NET_DNS_ASK_H

#include "net/dns_message.h"
#include "net/endpoint.h"
#include "rt/wait.h"

enum weir__dns_family { WEIR__DNS_SIX, WEIR__DNS_FOUR, WEIR__DNS_FAMILIES };

/*
 * Asks `server` for `name`, waiting in `c` up to `until`.
 *
 * returns  WEIR_OK: `answers` say what the server knows. Where one family has addresses the other
 *          is waited for no longer than 50 ms, and may be NOTHING then (RFC 8305, 3).
 *          WEIR_ENOHOST: the server has failed, in `*rcode` how. WEIR_ETIMEDOUT, -ECONNREFUSED …:
 *          it was not reached; -ENOMEM; the reason when `c` is cancelled
 * context  fiber
 */
WEIR_MUST_USE weir_err weir__dns_ask(struct weir__ctx *c, const struct weir__endpoint *server,
                                     const char *name, weir_time until,
                                     struct weir__dns_answer answers[WEIR__DNS_FAMILIES],
                                     unsigned *rcode);

#endif
