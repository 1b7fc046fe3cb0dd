/*
 * Taking over what the process was started with. All of it is optional, and none of it may stop a
 * start: a variable that is malformed, or meant for another process, counts as absent.
 *
 * Owns the copy of NOTIFY_SOCKET and a socket for it; listening sockets become the servers' own.
 */
#include "app/inherited.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/local.h"
#include "os/sys.h"

#define HEARD_US_MIN 2000 /* the clock of a sleeping thread has milliseconds */
#define FIRST 3           /* sd_listen_fds(3): SD_LISTEN_FDS_START */

void weir__open_standard(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        /* The lowest number that is free is this one. Children are to have it too. */
        int got = open("/dev/null", O_RDWR); // NOLINT(android-cloexec-open)
        if (got < 0)
            got = open("/", O_PATH | O_DIRECTORY); // NOLINT(android-cloexec-open)
        if (got > fd)
            close(got);
    }
}

/* --- listening sockets -------------------------------------------------------------------- */

/* A variable's whole number; -1: there is none. */
static int64_t number_of(const char *variable)
{
    const char *text = getenv(variable);
    int64_t n;
    return text != NULL && weir_str_i64(weir_str_from(text), &n) == WEIR_OK ? n : -1;
}

/* True when the n-th name of LISTEN_FDNAMES, between colons, is `name`. */
static bool is_named(const char *names, int n, const char *name)
{
    for (; names != NULL && n > 0; n--) {
        names = strchr(names, ':');
        names = names != NULL ? names + 1 : NULL;
    }
    size_t len = strlen(name);
    return names != NULL && strncmp(names, name, len) == 0 &&
           (names[len] == ':' || names[len] == '\0');
}

static void take_sockets(struct weir__inherited *out)
{
    int64_t count = number_of("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    if (number_of("LISTEN_PID") != getpid() || count <= 0)
        return; /* another process' */
    for (int i = 0; i < count && i < 2 * WEIR__INHERITED_MAX; i++) {
        if (out->admin[0] == '\0' && is_named(names, i, "admin"))
            snprintf(out->admin, sizeof out->admin, "fd:%d", FIRST + i);
        else if (out->traffic[0] == '\0')
            snprintf(out->traffic, sizeof out->traffic, "fd:%d", FIRST + i);
        else if (out->more_count < WEIR__INHERITED_MAX - 1)
            out->more[out->more_count++] = FIRST + i;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

void weir__inherited_addresses(const struct weir__inherited *in, weir_app_options *settings)
{
    if (in->traffic[0] != '\0')
        settings->listen = in->traffic;
    if (in->admin[0] != '\0')
        settings->admin = in->admin;
}

/* --- who wants to hear -------------------------------------------------------------------- */

static bool connect_notify(const struct weir__inherited *in)
{
    struct sockaddr_storage addr;
    socklen_t len = weir__local_address(weir_str_from(in->notify), &addr);
    return len > 0 && weir__sys_connect(in->notify_fd, (struct sockaddr *)&addr, len) == 0;
}

static void take_notify(struct weir__inherited *out)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL || (path[0] != '/' && path[0] != '@'))
        return;
    size_t size = strlen("unix:") + strlen(path) + 1;
    out->notify = weir__malloc(size);
    if (out->notify != NULL) {
        snprintf(out->notify, size, "unix:%s", path);
        out->notify_fd = weir__sys_socket(AF_UNIX, SOCK_DGRAM, 0);
        (void)(out->notify_fd >= 0 && connect_notify(out));
    }
    unsetenv("NOTIFY_SOCKET");
}

static void take_watchdog(struct weir__inherited *out)
{
    int64_t us = number_of("WATCHDOG_USEC");
    bool is_ours = getenv("WATCHDOG_PID") == NULL || number_of("WATCHDOG_PID") == getpid();
    if (!is_ours)
        return; /* another process' */
    if (us > 0 && out->notify_fd >= 0)
        out->heard_every = weir_us(us < HEARD_US_MIN ? HEARD_US_MIN : us);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

/* Who listens may have begun anew, under the same name. */
void weir__notify(const struct weir__inherited *in, const char *message)
{
    size_t size = strlen(message);
    if (in->notify_fd >= 0 && weir__sys_send(in->notify_fd, message, size, 0) < 0 &&
        connect_notify(in))
        (void)weir__sys_send(in->notify_fd, message, size, 0);
}

void weir__inherit(struct weir__inherited *out)
{
    *out = (struct weir__inherited){.traffic = "", .notify_fd = -1};
    take_sockets(out);
    take_notify(out);
    take_watchdog(out);
}

void weir__inherited_fini(struct weir__inherited *in)
{
    if (in->notify_fd >= 0)
        weir__sys_close(in->notify_fd);
    in->notify_fd = -1;
    weir__free(in->notify);
    in->notify = NULL;
}
