/*
 * What whoever started the process has left to it: standard descriptors, which may be closed;
 * listening sockets by systemd's protocol (sd_listen_fds(3)); a socket that wants to hear when the
 * service is ready (sd_notify(3)), and then regularly that it lives (sd_watchdog_enabled(3)). Read
 * once, at the very start, and kept from children.
 */
#ifndef WEIR_APP_INHERITED_H
#define WEIR_APP_INHERITED_H

#include <weir/app.h>

#define WEIR__INHERITED_MAX 8 /* listening sockets of one server */

struct weir__inherited {
    char traffic[16], admin[16];   /* "fd:3", or "" */
    int more[WEIR__INHERITED_MAX]; /* further ones for traffic */
    int more_count;
    char *notify;         /* NOTIFY_SOCKET; NULL: nobody wants to hear */
    int notify_fd;        /* connected to it from the start, for there may be no descriptor later */
    weir_dur heard_every; /* it wants to hear from the watchdog within that; 0: it does not */
};

/*
 * Descriptors 0 to 2 that are closed are opened on /dev/null, so that no socket gets their number,
 * and then the log's lines.
 */
void weir__open_standard(void);

/* Reads it from the environment, and takes it out of there. */
void weir__inherit(struct weir__inherited *out);
void weir__inherited_fini(struct weir__inherited *in);

/*
 * Listening sockets that are there become the defaults: what a flag or the environment says wins,
 * an initialiser does not.
 */
void weir__inherited_addresses(const struct weir__inherited *in, weir_app_options *settings);

/* Sends one message to NOTIFY_SOCKET's owner, if there is one. Any thread; never waits or fails. */
void weir__notify(const struct weir__inherited *in, const char *message);

#endif
