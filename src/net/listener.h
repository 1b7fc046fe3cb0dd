/*
 * Listening sockets: opened once, or inherited, then watched by every worker that accepts.
 */
#ifndef WEIR_NET_LISTENER_H
#define WEIR_NET_LISTENER_H

#include <stddef.h>

#include "net/endpoint.h"
#include "net/local.h"
#include <weir/time.h>

struct weir__listener_options {
    int backlog; /* 0: 4096; the kernel cuts it to net.core.somaxconn */
    /*
     * How long the kernel tries to get rid of what a client does not take, also after the close;
     * of connections by TCP. 0 and below: it keeps it for as long as the client answers.
     */
    weir_dur untaken_max;
};

/* One that is open. */
struct weir__listener {
    int num;
    struct weir__endpoint bound; /* with the kernel's port */
    struct weir__local_file file;
    char url[WEIR__LOCAL_TEXT_MAX]; /* "http://127.0.0.1:8080", "unix:/run/shop.sock" */
};

/*
 * Opens a socket that listens on `where`: see weir__endpoint_parse, weir__local_listen; "fd:3" is
 * one that was inherited and listens already. On failure -errno, and one line in `message` that
 * names the address: "listen on 127.0.0.1:8080: address already in use".
 */
WEIR_MUST_USE weir_err weir__listener_open(weir_str where,
                                           const struct weir__listener_options *options,
                                           struct weir__listener *out, char *message, size_t size);

/* NULL, or what `where` should look like. Opens nothing. */
const char *weir__listener_check(weir_str where);

#endif
