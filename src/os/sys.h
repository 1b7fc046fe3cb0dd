/*
 * The one door to the kernel for the running service. Each call is the system call of its name, but
 * for two things: errors come back as -errno, EINTR is retried where that is harmless, and a test
 * can let the n-th call of a thread fail.
 */
#ifndef WEIR_OS_SYS_H
#define WEIR_OS_SYS_H

#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <weir/api.h>

int weir__sys_socket(int domain, int type, int protocol); /* non-blocking, close-on-exec */
int weir__sys_bind(int fd, const struct sockaddr *addr, socklen_t len);
int weir__sys_listen(int fd, int backlog);
int weir__sys_accept(int fd, struct sockaddr *addr,
                     socklen_t *len); /* non-blocking, close-on-exec */
int weir__sys_connect(int fd, const struct sockaddr *addr, socklen_t len);
int weir__sys_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int weir__sys_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int weir__sys_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int weir__sys_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
int weir__sys_shutdown(int fd, int how);
int weir__sys_unsent(int fd); /* bytes that the peer of a TCP socket has not acknowledged */
ssize_t weir__sys_recv(int fd, void *buf, size_t len, int flags);
ssize_t weir__sys_send(int fd, const void *buf, size_t len, int flags);
ssize_t weir__sys_sendmsg(int fd, const struct msghdr *msg, int flags);
int weir__sys_open(const char *path, int flags, mode_t mode);  /* close-on-exec */
int weir__sys_openat(int folder, const char *path, int flags); /* close-on-exec */
/*
 * Opens for reading what lies below the folder `root`: no "..", no link and no mount of procfs
 * leads out. -EXDEV when one would.
 */
int weir__sys_open_beneath(int root, const char *path);
ssize_t weir__sys_read(int fd, void *buf, size_t len);
ssize_t weir__sys_pread(int fd, void *buf, size_t len, off_t at);
/* Bytes that are in memory already; -EAGAIN when the disk would be waited for. */
ssize_t weir__sys_pread_nowait(int fd, void *buf, size_t len, off_t at);
ssize_t weir__sys_write(int fd, const void *buf, size_t len);
ssize_t weir__sys_pwrite(int fd, const void *buf, size_t len, off_t at);
int weir__sys_fdatasync(int fd);
int weir__sys_unlink(const char *path);
int weir__sys_lstat(const char *path, struct stat *out);
int weir__sys_chmod(const char *path, mode_t mode);
int weir__sys_fchmod(int fd, mode_t mode);
int weir__sys_flock(int fd, int how);
ssize_t weir__sys_sendfile(int out, int in, off_t *at, size_t len);
int weir__sys_stat(const char *path, struct stat *out);
int weir__sys_fstat(int fd, struct stat *out);
int weir__sys_close(int fd); /* never fails for its caller: the descriptor is gone */
int weir__sys_epoll_create(void);
int weir__sys_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev);
int weir__sys_epoll_wait(int ep, struct epoll_event *evs, int max,
                         int timeout_ms); /* EINTR: 0 events */
int weir__sys_eventfd(void);
int weir__sys_pipe(int ends[2]);                        /* both ends non-blocking, close-on-exec */
void *weir__sys_mmap(size_t size, int prot, int flags); /* anonymous; NULL on failure */
int weir__sys_munmap(void *p, size_t size);
int weir__sys_madvise(void *p, size_t size, int advice);
int weir__sys_mprotect(void *p, size_t size, int prot);
int weir__sys_getrlimit(int what, struct rlimit *out);
int weir__sys_setrlimit(int what, const struct rlimit *in);

ssize_t weir__sys_readlink(const char *path, char *out, size_t size); /* no NUL at its end */
int weir__sys_set_blocking(int fd);
int weir__sys_close_on_exec(int fd);   /* what others have opened */
int weir__sys_memfd(const char *name); /* a file in memory, close-on-exec */
/*
 * Starts a program, which is looked for in PATH; posix_spawnp's arguments. The descriptors of
 * `actions` are those of the caller.
 */
int weir__sys_spawn(pid_t *pid, const char *const *argv, const posix_spawn_file_actions_t *actions,
                    const posix_spawnattr_t *attr, char *const *env);
int weir__sys_pidfd_open(pid_t pid);                           /* close-on-exec */
int weir__sys_waitid(pid_t pid, siginfo_t *info, int options); /* of that one child */
int weir__sys_kill(pid_t pid, int number);
int weir__sys_take_over(int fd); /* one that was inherited: non-blocking, close-on-exec, known */
int weir__sys_fd_flags(int fd);  /* of fcntl's F_GETFD; -EBADF: it is not open */

/*
 * Asked when a call of the calling thread met memory that is not there: true when some that was
 * hidden has come back, so that the call is made again. Set before there are other threads; NULL:
 * nobody hides any.
 */
extern bool (*weir__sys_bring_back)(void);

/*
 * Descriptors that came through this door are known, until they are closed through it;
 * watch/foreign.h looks for others. What a library opens on Weir's behalf is made known, and
 * forgotten before it is closed, by hand. Numbers from WEIR__SYS_KNOWN_MAX on count as known.
 */
#define WEIR__SYS_KNOWN_MAX (1 << 20)
int weir__sys_know(int fd); /* returns fd; below 0 is allowed */
void weir__sys_forget(int fd);
bool weir__sys_is_known(int fd);

/* --- for tests ---------------------------------------------------------------------------- */

enum weir__sys_call {
    WEIR__SYS_SOCKET,
    WEIR__SYS_BIND,
    WEIR__SYS_LISTEN,
    WEIR__SYS_ACCEPT,
    WEIR__SYS_CONNECT,
    WEIR__SYS_SETSOCKOPT,
    WEIR__SYS_GETSOCKOPT,
    WEIR__SYS_GETSOCKNAME,
    WEIR__SYS_GETPEERNAME,
    WEIR__SYS_SHUTDOWN,
    WEIR__SYS_RECV,
    WEIR__SYS_SEND,
    WEIR__SYS_OPEN,
    WEIR__SYS_READ,
    WEIR__SYS_WRITE,
    WEIR__SYS_SENDFILE,
    WEIR__SYS_FSTAT,
    WEIR__SYS_CLOSE,
    WEIR__SYS_EPOLL_CREATE,
    WEIR__SYS_EPOLL_CTL,
    WEIR__SYS_EPOLL_WAIT,
    WEIR__SYS_EVENTFD,
    WEIR__SYS_PIPE,
    WEIR__SYS_MMAP,
    WEIR__SYS_MUNMAP,
    WEIR__SYS_MADVISE,
    WEIR__SYS_MPROTECT,
    WEIR__SYS_GETRLIMIT,
    WEIR__SYS_SETRLIMIT,
    WEIR__SYS_FTRUNCATE,
    WEIR__SYS_FSYNC,
    WEIR__SYS_UNLINK,
    WEIR__SYS_FCNTL,
    WEIR__SYS_READLINK,
    WEIR__SYS_CLONE,
    WEIR__SYS_CHMOD,
    WEIR__SYS_FLOCK,
    WEIR__SYS_MEMFD,
    WEIR__SYS_SPAWN,
    WEIR__SYS_PIDFD_OPEN,
    WEIR__SYS_WAITID,
    WEIR__SYS_KILL,
    WEIR__SYS_CALLS
};

/* A call's name; one for variants of a call (pread, sendmsg) that fail in the same ways. */
const char *weir__sys_name(enum weir__sys_call call);

/*
 * What a call may fail with although its caller has made no mistake, from its manual page;
 * 0-terminated. Empty: it does not fail, or nobody is to notice.
 */
const int *weir__sys_errors(enum weir__sys_call call);

/* Calls through this door by the calling thread so far. */
uint64_t weir__sys_count(void);

/*
 * The calling thread's `nth` next call fails with `err` (positive errno) and is not made; 0
 * switches that off.
 */
void weir__sys_fail_nth(uint64_t nth, int err);

/*
 * From now on the planned failure's error is what `choose` says when the call is known; 0 lets it
 * be made. NULL: that of weir__sys_fail_nth.
 */
void weir__sys_choose_planned(int (*choose)(enum weir__sys_call call));

/* For who stands in for the kernel: counts as that call; 0, or -errno of the planned failure. */
int weir__sys_pretend(enum weir__sys_call call);

#endif
