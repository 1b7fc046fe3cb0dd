/*
 * The door to the kernel. Every call of the running service passes here, so that a test can count
 * the calls of a thread and let the n-th one fail, with nothing else changed.
 *
 * Owns nothing but a count for each thread. The one hard thing is the price: the test for a planned
 * failure is one thread-local countdown that starts so high that it never runs out, so an ordinary
 * call pays one decrement and one branch that is never taken.
 *
 * EINTR is retried where the call has then done nothing (recv, send, read, write, accept, open),
 * not for connect (which goes on in the background), close (the descriptor is gone) and epoll_wait.
 * EFAULT is retried when memory has been brought back that was hidden: the kernel faults without a
 * signal.
 */
#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sanitizer.h"
#include "os/arch.h"

/* Calls so far = `base` - `left`; at zero a planned failure is due. */
struct door {
    uint64_t left, base;
    int err;
    int (*choose)(enum weir__sys_call call);
};

static _Thread_local struct door door = {UINT64_MAX, UINT64_MAX, 0, NULL};

uint64_t weir__sys_count(void)
{
    return door.base - door.left;
}

void weir__sys_fail_nth(uint64_t nth, int err)
{
    uint64_t made = weir__sys_count();
    door.err = err;
    door.left = nth != 0 ? nth : UINT64_MAX - made;
    door.base = door.left + made;
}

void weir__sys_choose_planned(int (*choose)(enum weir__sys_call call))
{
    door.choose = choose;
}

/* The planned failure happens; the count goes on from where it was. */
__attribute__((noinline, cold)) static int fail_planned(enum weir__sys_call call)
{
    int err = door.err;
    uint64_t made = door.base;
    door.left = UINT64_MAX - made;
    door.base = UINT64_MAX;
    return door.choose != NULL ? -door.choose(call) : -err;
}

/* 0, or the planned failure: each call begins with it. */
static inline int enter(enum weir__sys_call call)
{
    return WEIR_UNLIKELY(--door.left == 0) ? fail_planned(call) : 0;
}

int weir__sys_pretend(enum weir__sys_call call)
{
    return enter(call);
}

bool (*weir__sys_bring_back)(void);

/* The call has failed, and may succeed now. */
static bool is_again(void)
{
    return errno == EINTR ||
           (errno == EFAULT && weir__sys_bring_back != NULL && weir__sys_bring_back());
}

/*
 * A byte a number: opening and closing cost one plain store each. Its pages come as numbers are
 * used.
 */
static _Atomic uint8_t known[WEIR__SYS_KNOWN_MAX];

static inline int know(int fd)
{
    if (WEIR_LIKELY((unsigned)fd < WEIR__SYS_KNOWN_MAX))
        atomic_store_explicit(&known[fd], 1, memory_order_relaxed);
    return fd;
}

int weir__sys_know(int fd)
{
    return know(fd);
}

void weir__sys_forget(int fd)
{
    if ((unsigned)fd < WEIR__SYS_KNOWN_MAX)
        atomic_store_explicit(&known[fd], 0, memory_order_relaxed);
}

bool weir__sys_is_known(int fd)
{
    return (unsigned)fd >= WEIR__SYS_KNOWN_MAX ||
           atomic_load_explicit(&known[fd], memory_order_relaxed) != 0;
}

/* One system call through the door; `call` is evaluated once unless it is retried. */
#define ONCE(number, type, call)                                                                   \
    do {                                                                                           \
        int planned_ = enter(WEIR__SYS_##number);                                                  \
        if (WEIR_UNLIKELY(planned_ != 0))                                                          \
            return planned_;                                                                       \
        type result_ = (call);                                                                     \
        return WEIR_LIKELY(result_ >= 0) ? result_ : -errno;                                       \
    } while (0)

#define RETRIED(number, type, call)                                                                \
    do {                                                                                           \
        int planned_ = enter(WEIR__SYS_##number);                                                  \
        if (WEIR_UNLIKELY(planned_ != 0))                                                          \
            return planned_;                                                                       \
        type result_;                                                                              \
        do                                                                                         \
            result_ = (call);                                                                      \
        while (WEIR_UNLIKELY(result_ < 0) && is_again());                                          \
        return WEIR_LIKELY(result_ >= 0) ? result_ : -errno;                                       \
    } while (0)

/*
 * The three calls of every request. The C library's are cancellation points, which costs a process
 * with threads two calls and two atomic operations each, for pthread_cancel, which nobody uses
 * here. A sanitizer needs its own, which stand in the C library's place: ThreadSanitizer hands a
 * signal on only where a thread waits in one of them.
 */
static inline long hot_call(long number, long a, long b, long c, long d)
{
    long result = weir__system_call(number, a, b, c, d);
    if (WEIR_LIKELY(result >= 0))
        return result;
    errno = (int)-result;
    return -1;
}

#define IS_WATCHED WEIR_UNLIKELY(weir__tells_switches)
#define HOT_RECV(fd, buf, len, flags)                                                              \
    (IS_WATCHED ? recv(fd, buf, len, flags)                                                        \
                : hot_call(SYS_recvfrom, fd, (long)(buf), (long)(len), flags))
#define HOT_SEND(fd, buf, len, flags)                                                              \
    (IS_WATCHED ? send(fd, buf, len, flags)                                                        \
                : hot_call(SYS_sendto, fd, (long)(buf), (long)(len), flags))
#define HOT_EPOLL_WAIT(ep, evs, max, ms)                                                           \
    (IS_WATCHED ? epoll_wait(ep, evs, max, ms)                                                     \
                : (int)hot_call(SYS_epoll_wait, ep, (long)(evs), max, ms))

int weir__sys_socket(int domain, int type, int protocol)
{
    ONCE(SOCKET, int, know(socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)));
}

int weir__sys_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    ONCE(BIND, int, bind(fd, addr, len));
}

int weir__sys_listen(int fd, int backlog)
{
    ONCE(LISTEN, int, listen(fd, backlog));
}

int weir__sys_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    RETRIED(ACCEPT, int, know(accept4(fd, addr, len, SOCK_NONBLOCK | SOCK_CLOEXEC)));
}

int weir__sys_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    ONCE(CONNECT, int, connect(fd, addr, len));
}

int weir__sys_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    ONCE(SETSOCKOPT, int, setsockopt(fd, level, name, value, len));
}

int weir__sys_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    ONCE(GETSOCKOPT, int, getsockopt(fd, level, name, value, len));
}

int weir__sys_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    ONCE(GETSOCKNAME, int, getsockname(fd, addr, len));
}

int weir__sys_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
    ONCE(GETPEERNAME, int, getpeername(fd, addr, len));
}

int weir__sys_shutdown(int fd, int how)
{
    ONCE(SHUTDOWN, int, shutdown(fd, how));
}

int weir__sys_unsent(int fd)
{
    int bytes = 0;
    ONCE(GETSOCKOPT, int, (ioctl(fd, SIOCOUTQ, &bytes) < 0 ? -1 : bytes));
}

ssize_t weir__sys_recv(int fd, void *buf, size_t len, int flags)
{
    RETRIED(RECV, ssize_t, HOT_RECV(fd, buf, len, flags));
}

ssize_t weir__sys_send(int fd, const void *buf, size_t len, int flags)
{
    RETRIED(SEND, ssize_t, HOT_SEND(fd, buf, len, flags | MSG_NOSIGNAL));
}

ssize_t weir__sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    RETRIED(SEND, ssize_t, sendmsg(fd, msg, flags | MSG_NOSIGNAL));
}

int weir__sys_open(const char *path, int flags, mode_t mode)
{
    RETRIED(OPEN, int, know(open(path, flags | O_CLOEXEC, mode)));
}

int weir__sys_openat(int folder, const char *path, int flags)
{
    RETRIED(OPEN, int, know(openat(folder, path, flags | O_CLOEXEC)));
}

int weir__sys_open_beneath(int root, const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    RETRIED(OPEN, int, know((int)syscall(SYS_openat2, root, path, &how, sizeof how)));
}

ssize_t weir__sys_read(int fd, void *buf, size_t len)
{
    RETRIED(READ, ssize_t, read(fd, buf, len));
}

ssize_t weir__sys_pread(int fd, void *buf, size_t len, off_t at)
{
    RETRIED(READ, ssize_t, pread(fd, buf, len, at));
}

ssize_t weir__sys_pread_nowait(int fd, void *buf, size_t len, off_t at)
{
    struct iovec vec = {buf, len};
    RETRIED(READ, ssize_t, preadv2(fd, &vec, 1, at, RWF_NOWAIT));
}

ssize_t weir__sys_write(int fd, const void *buf, size_t len)
{
    RETRIED(WRITE, ssize_t, write(fd, buf, len));
}

ssize_t weir__sys_pwrite(int fd, const void *buf, size_t len, off_t at)
{
    RETRIED(WRITE, ssize_t, pwrite(fd, buf, len, at));
}

int weir__sys_fdatasync(int fd)
{
    RETRIED(FSYNC, int, fdatasync(fd));
}

int weir__sys_unlink(const char *path)
{
    ONCE(UNLINK, int, unlink(path));
}

ssize_t weir__sys_sendfile(int out, int in, off_t *at, size_t len)
{
    RETRIED(SENDFILE, ssize_t, sendfile(out, in, at, len));
}

ssize_t weir__sys_readlink(const char *path, char *out, size_t size)
{
    ONCE(READLINK, ssize_t, readlink(path, out, size));
}

int weir__sys_set_blocking(int fd)
{
    int planned = enter(WEIR__SYS_FCNTL);
    if (planned != 0)
        return planned;
    int status = fcntl(fd, F_GETFL);
    return status < 0 || fcntl(fd, F_SETFL, status & ~O_NONBLOCK) < 0 ? -errno : 0;
}

int weir__sys_close_on_exec(int fd)
{
    ONCE(FCNTL, int, fcntl(fd, F_SETFD, FD_CLOEXEC));
}

int weir__sys_memfd(const char *name)
{
    ONCE(MEMFD, int, know(memfd_create(name, MFD_CLOEXEC)));
}

int weir__sys_spawn(pid_t *pid, const char *const *argv, const posix_spawn_file_actions_t *actions,
                    const posix_spawnattr_t *attr, char *const *env)
{
    int planned = enter(WEIR__SYS_SPAWN);
    if (planned != 0)
        return planned;
    return -posix_spawnp(pid, argv[0], actions, attr, (char *const *)(uintptr_t)argv, env);
}

int weir__sys_pidfd_open(pid_t pid)
{
    ONCE(PIDFD_OPEN, int, know((int)syscall(SYS_pidfd_open, pid, 0)));
}

int weir__sys_waitid(pid_t pid, siginfo_t *info, int options)
{
    RETRIED(WAITID, int, waitid(P_PID, (id_t)pid, info, options));
}

int weir__sys_kill(pid_t pid, int number)
{
    ONCE(KILL, int, kill(pid, number));
}

int weir__sys_take_over(int fd)
{
    int planned = enter(WEIR__SYS_FCNTL);
    if (planned != 0)
        return planned;
    int status = fcntl(fd, F_GETFL), flags = fcntl(fd, F_GETFD);
    if (status < 0 || flags < 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
        return -errno;
    know(fd);
    return 0;
}

int weir__sys_fd_flags(int fd)
{
    ONCE(FCNTL, int, fcntl(fd, F_GETFD));
}

int weir__sys_stat(const char *path, struct stat *out)
{
    ONCE(FSTAT, int, stat(path, out));
}

int weir__sys_fstat(int fd, struct stat *out)
{
    ONCE(FSTAT, int, fstat(fd, out));
}

int weir__sys_lstat(const char *path, struct stat *out)
{
    ONCE(FSTAT, int, lstat(path, out));
}

int weir__sys_chmod(const char *path, mode_t mode)
{
    ONCE(CHMOD, int, chmod(path, mode));
}

int weir__sys_fchmod(int fd, mode_t mode)
{
    ONCE(CHMOD, int, fchmod(fd, mode));
}

int weir__sys_flock(int fd, int how)
{
    RETRIED(FLOCK, int, flock(fd, how));
}

int weir__sys_close(int fd)
{
    /* Made even when a failure is planned: only the answer is the planned one. */
    int planned = enter(WEIR__SYS_CLOSE);
    weir__sys_forget(fd); /* before: the number may be another's right after */
    int result = close(fd) == 0 || errno == EINTR ? 0 : -errno;
    return planned != 0 ? planned : result;
}

int weir__sys_epoll_create(void)
{
    ONCE(EPOLL_CREATE, int, know(epoll_create1(EPOLL_CLOEXEC)));
}

int weir__sys_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
    ONCE(EPOLL_CTL, int, epoll_ctl(ep, op, fd, ev));
}

int weir__sys_epoll_wait(int ep, struct epoll_event *evs, int max, int timeout_ms)
{
    int planned = enter(WEIR__SYS_EPOLL_WAIT);
    if (WEIR_UNLIKELY(planned != 0))
        return planned;
    int n = HOT_EPOLL_WAIT(ep, evs, max, timeout_ms);
    if (WEIR_LIKELY(n >= 0))
        return n;
    return errno == EINTR ? 0 : -errno;
}

int weir__sys_eventfd(void)
{
    ONCE(EVENTFD, int, know(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)));
}

int weir__sys_pipe(int ends[2])
{
    int planned = enter(WEIR__SYS_PIPE);
    if (WEIR_UNLIKELY(planned != 0))
        return planned;
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
        return -errno;
    know(ends[0]);
    know(ends[1]);
    return 0;
}

void *weir__sys_mmap(size_t size, int prot, int flags)
{
    if (WEIR_UNLIKELY(enter(WEIR__SYS_MMAP) != 0))
        return NULL;
    void *p = mmap(NULL, size, prot, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

int weir__sys_munmap(void *p, size_t size)
{
    ONCE(MUNMAP, int, munmap(p, size));
}

int weir__sys_madvise(void *p, size_t size, int advice)
{
    ONCE(MADVISE, int, madvise(p, size, advice));
}

int weir__sys_mprotect(void *p, size_t size, int prot)
{
    ONCE(MPROTECT, int, mprotect(p, size, prot));
}

int weir__sys_getrlimit(int what, struct rlimit *out)
{
    ONCE(GETRLIMIT, int, getrlimit((__rlimit_resource_t)what, out));
}

int weir__sys_setrlimit(int what, const struct rlimit *in)
{
    ONCE(SETRLIMIT, int, setrlimit((__rlimit_resource_t)what, in));
}

/* --- what may fail how -------------------------------------------------------------------- */

#define ERRORS_MAX 12

/*
 * The sections ERRORS of section 2 of the manual (man-pages 6.03), with what tcp(7) and recv(3p)
 * add for connections; without what only a mistake of the caller's brings (EBADF, EFAULT, EINVAL,
 * ENOTSOCK and their like) and without EINTR and EAGAIN, which the functions of this file and the
 * pollers deal with.
 *
 * The one place of this kind: the cancel-everywhere tests fail each call in each of these ways.
 * munmap, madvise, mprotect on guards and what is only asked for numbers have nobody who could do
 * anything about it.
 */
static const struct {
    const char *name;
    int errors[ERRORS_MAX + 1];
} calls[WEIR__SYS_CALLS] = {
    [WEIR__SYS_SOCKET] = {"socket", {EACCES, EAFNOSUPPORT, EMFILE, ENFILE, ENOBUFS, ENOMEM}},
    [WEIR__SYS_BIND] = {"bind", {EACCES, EADDRINUSE, EADDRNOTAVAIL, ENOMEM}},
    [WEIR__SYS_LISTEN] = {"listen", {EADDRINUSE}},
    [WEIR__SYS_ACCEPT] = {"accept",
                          {ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO, ENETDOWN,
                           EHOSTUNREACH}},
    [WEIR__SYS_CONNECT] = {"connect",
                           {ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL, EACCES, EPERM}},
    [WEIR__SYS_SETSOCKOPT] = {"setsockopt", {ENOPROTOOPT, ENOMEM}},
    [WEIR__SYS_GETSOCKOPT] = {"getsockopt", {ENOPROTOOPT}},
    [WEIR__SYS_GETSOCKNAME] = {"getsockname", {ENOBUFS}},
    [WEIR__SYS_GETPEERNAME] = {"getpeername", {ENOBUFS, ENOTCONN}},
    [WEIR__SYS_SHUTDOWN] = {"shutdown", {ENOTCONN}},
    [WEIR__SYS_RECV] = {"recv", {ECONNRESET, ETIMEDOUT, ENOMEM, ENOBUFS, EIO}},
    [WEIR__SYS_SEND] = {"send", {ECONNRESET, EPIPE, ETIMEDOUT, ENOBUFS, ENOMEM, EHOSTUNREACH}},
    [WEIR__SYS_OPEN] = {"open",
                        {EACCES, ELOOP, EMFILE, ENFILE, ENOENT, ENOMEM, ENOTDIR, ENXIO, EPERM,
                         EROFS, ENOSPC, EXDEV}},
    [WEIR__SYS_READ] = {"read", {EIO, EISDIR, ENOMEM}},
    [WEIR__SYS_WRITE] = {"write", {EDQUOT, EFBIG, EIO, ENOSPC, EPERM, EPIPE}},
    [WEIR__SYS_SENDFILE] = {"sendfile", {EIO, ENOMEM, EPIPE, ECONNRESET}},
    [WEIR__SYS_FSTAT] = {"fstat", {ENOMEM, EOVERFLOW}},
    [WEIR__SYS_CLOSE] = {"close", {EIO, EDQUOT, ENOSPC}},
    [WEIR__SYS_EPOLL_CREATE] = {"epoll_create", {EMFILE, ENFILE, ENOMEM}},
    [WEIR__SYS_EPOLL_CTL] = {"epoll_ctl", {ENOMEM, ENOSPC, EPERM}},
    [WEIR__SYS_EPOLL_WAIT] = {"epoll_wait", {0}},
    [WEIR__SYS_EVENTFD] = {"eventfd", {EMFILE, ENFILE, ENODEV, ENOMEM}},
    [WEIR__SYS_PIPE] = {"pipe", {EMFILE, ENFILE, ENOMEM}},
    [WEIR__SYS_MMAP] = {"mmap", {ENOMEM}},
    [WEIR__SYS_MUNMAP] = {"munmap", {0}},
    [WEIR__SYS_MADVISE] = {"madvise", {ENOMEM}},
    [WEIR__SYS_MPROTECT] = {"mprotect", {ENOMEM}},
    [WEIR__SYS_GETRLIMIT] = {"getrlimit", {0}},
    [WEIR__SYS_SETRLIMIT] = {"setrlimit", {EPERM}},
    [WEIR__SYS_FTRUNCATE] = {"ftruncate", {EFBIG, EIO, EPERM, EROFS}},
    [WEIR__SYS_FSYNC] = {"fsync", {EIO, ENOSPC, EDQUOT}},
    [WEIR__SYS_UNLINK] = {"unlink", {EACCES, EBUSY, EIO, ENOMEM, EPERM, EROFS}},
    [WEIR__SYS_FCNTL] = {"fcntl", {EACCES, ENOLCK}},
    [WEIR__SYS_CHMOD] = {"chmod", {EACCES, EIO, ENOENT, ENOMEM, EPERM, EROFS}},
    [WEIR__SYS_FLOCK] = {"flock", {ENOLCK}},
    [WEIR__SYS_MEMFD] = {"memfd_create", {EMFILE, ENFILE, ENOMEM}},
    [WEIR__SYS_SPAWN] = {"posix_spawn",
                         {EACCES, E2BIG, EAGAIN, EIO, EMFILE, ENFILE, ENOENT, ENOEXEC, ENOMEM,
                          EPERM, ETXTBSY}},
    [WEIR__SYS_PIDFD_OPEN] = {"pidfd_open", {EMFILE, ENFILE, ENODEV, ENOMEM, ENOSYS, EPERM}},
    [WEIR__SYS_WAITID] = {"waitid", {ECHILD}},
    [WEIR__SYS_KILL] = {"kill", {EPERM, ESRCH}},
    [WEIR__SYS_CLONE] = {"clone", {EAGAIN, ENOMEM}},
    [WEIR__SYS_READLINK] = {"readlink", {EACCES, EIO, ENOENT, ENOMEM}},
};

const char *weir__sys_name(enum weir__sys_call call)
{
    return calls[call].name;
}

const int *weir__sys_errors(enum weir__sys_call call)
{
    return calls[call].errors;
}
