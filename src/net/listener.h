/*
 * Listening sockets: opened once, then watched by every worker that accepts.
 */
#ifndef WEIR_NET_LISTENER_H
#define WEIR_NET_LISTENER_H

#include <stddef.h>

#include "net/endpoint.h"

struct weir__listener_options {
    int backlog; /* 0: 4096; the kernel cuts it to net.core.somaxconn */
};

/*
 * Opens a socket that listens on `where` (see weir__endpoint_parse). On failure -errno, and one
 * line in `message` that names the address: "listen on 127.0.0.1:8080: Address already in use".
 * `bound` (may be NULL) gets the address with the kernel's port.
 */
WEIR_MUST_USE int weir__listener_open(weir_str where, const struct weir__listener_options *options,
                                      struct weir__endpoint *bound, char *message, size_t size);

#endif
