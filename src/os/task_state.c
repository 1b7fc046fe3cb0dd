/*
 * The state of a thread from /proc/self/task: one letter of `stat`, and the number of the system
 * call from `syscall`, which not every kernel has. Owns nothing.
 */
#include "os/task_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "os/sys.h"

/* Reads the beginning of a file of the thread's; false: there is none. */
static bool read_beginning(pid_t tid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)tid, name);
    int fd = weir__sys_open(path, O_RDONLY, 0);
    if (fd < 0)
        return false;
    ssize_t n = weir__sys_read(fd, text, size - 1);
    weir__sys_close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

bool weir__task_look(pid_t tid, struct weir__task_state *out)
{
    char text[512], *end;
    *out = (struct weir__task_state){.call = -1};
    if (!read_beginning(tid, "stat", text, sizeof text))
        return false;
    const char *name_end = strrchr(text, ')'); /* the name may have any bytes */
    if (name_end == NULL || name_end[1] != ' ')
        return false;
    out->is_running = name_end[2] == 'R';
    if (out->is_running || !read_beginning(tid, "syscall", text, sizeof text))
        return true;
    long call = strtol(text, &end, 10); /* "running", "-1 …", "230 0x0 …" */
    if (end != text)
        out->call = call;
    return true;
}

const char *weir__task_call_name(long call)
{
    static const struct {
        long call;
        const char *name;
    } names[] = {
#define CALL(name) {SYS_##name, #name}
        CALL(read),        CALL(write),      CALL(readv),       CALL(writev),
        CALL(pread64),     CALL(pwrite64),   CALL(open),        CALL(openat),
        CALL(close),       CALL(stat),       CALL(fstat),       CALL(lstat),
        CALL(newfstatat),  CALL(poll),       CALL(ppoll),       CALL(select),
        CALL(pselect6),    CALL(epoll_wait), CALL(epoll_pwait), CALL(nanosleep),
        CALL(pause),       CALL(futex),      CALL(flock),       CALL(fcntl),
        CALL(fsync),       CALL(fdatasync),  CALL(accept),      CALL(accept4),
        CALL(connect),     CALL(sendto),     CALL(sendmsg),     CALL(recvfrom),
        CALL(recvmsg),     CALL(wait4),      CALL(waitid),      CALL(clock_nanosleep),
        CALL(rename),      CALL(unlink),     CALL(mkdir),       CALL(getdents64),
        CALL(sendfile),    CALL(msync),      CALL(ftruncate),   CALL(rt_sigtimedwait),
        CALL(sched_yield), CALL(ioctl),      CALL(vfork),       CALL(getrandom),
#undef CALL
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].call == call)
            return names[i].name;
    return "system call";
}
