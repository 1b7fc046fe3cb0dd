/*
 * A look at the program and the machine before the service listens: how that was compiled, and
 * settings of the kernel that are fine on a desktop and too small for a service with many
 * connections. What is amiss is said in the log, once, with the command that changes it; nothing is
 * changed, and nothing stops the start. (The limit of
 * descriptors is the process' own: app.c raises it, and refuses a number of connections that it
 * does not allow.)
 */
#include <fcntl.h>
#include <stdlib.h>

#include "app/app.h"
#include "base/sanitizer.h"
#include "os/sys.h"
#include "rt/log.h"

enum { BACKLOG_WANTED = 4096, PORTS_WANTED = 20000 };

/* Reads up to two numbers; how many there were. */
static int read_numbers(const char *path, long out[2])
{
    char text[64];
    int fd = weir__sys_open(path, O_RDONLY, 0);
    if (fd < 0)
        return 0;
    ssize_t n = weir__sys_read(fd, text, sizeof text - 1);
    (void)weir__sys_close(fd);
    text[n > 0 ? n : 0] = '\0';
    int count = 0;
    char *at = text, *end;
    for (; count < 2; count++, at = end) {
        out[count] = strtol(at, &end, 10);
        if (end == at)
            break;
    }
    return count;
}

/* How the program was built. */
static void look_at_program(const weir_app *app)
{
    if (app->settings.built_with == 0)
        weir_log(NULL, WEIR_LOG_WARN,
                 "this program was built without the flags of weir.pc: a large frame can step over "
                 "its stack's guard into another request's, a fault runs no clean-ups, stacks in "
                 "reports are short; compile all of it with $(pkg-config --cflags weir)");
    if (!weir__lsan_sees_fibers())
        weir_log(NULL, WEIR_LOG_WARN,
                 "LeakSanitizer alone finds no leak in a handler unless the environment has "
                 "LSAN_OPTIONS=fast_unwind_on_malloc=0; with AddressSanitizer it does");
}

void weir__app_preflight(const weir_app *app)
{
    long n[2];
    look_at_program(app);
    if (read_numbers("/proc/sys/net/core/somaxconn", n) >= 1 && n[0] < BACKLOG_WANTED)
        weir_log(NULL, WEIR_LOG_WARN,
                 "at most %ld connections can wait to be accepted; sysctl net.core.somaxconn=%d",
                 n[0], BACKLOG_WANTED);
    if (read_numbers("/proc/sys/net/ipv4/ip_local_port_range", n) == 2 &&
        n[1] - n[0] < PORTS_WANTED)
        weir_log(NULL, WEIR_LOG_WARN,
                 "%ld ports are there for connections to others; sysctl "
                 "net.ipv4.ip_local_port_range='10000 65000'",
                 n[1] - n[0] + 1);
    if (read_numbers("/proc/sys/net/ipv4/tcp_tw_reuse", n) >= 1 && n[0] == 0)
        weir_log(NULL, WEIR_LOG_WARN,
                 "ports of closed connections are kept for a minute; sysctl "
                 "net.ipv4.tcp_tw_reuse=1");
}
