/*
 * SQLite's system calls through the door of os/sys.h: its own interface for that
 * (sqlite3_vfs.xSetSystemCall) lets each of them be counted, and the planned one fail as the
 * manual page says it may. Only where a file is read, written, locked, made and removed; what is
 * merely asked for its number is left alone.
 *
 * The table is the process': set while a plan is tried, put back afterwards.
 */
#include "testing/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/sys.h"

/* True when the call is the one that fails; errno is set. */
static bool fails(enum weir__sys_call call)
{
    int planned = weir__sys_pretend(call);
    if (planned != 0)
        errno = -planned;
    return planned != 0;
}

static int call_open(const char *path, int flags, int mode)
{
    return fails(WEIR__SYS_OPEN) ? -1 : open(path, flags, mode);
}

static int call_fstat(int fd, struct stat *out)
{
    return fails(WEIR__SYS_FSTAT) ? -1 : fstat(fd, out);
}

static int call_ftruncate(int fd, off_t size)
{
    return fails(WEIR__SYS_FTRUNCATE) ? -1 : ftruncate(fd, size);
}

/* Taking a lock may fail; giving it back does not. */
static int call_fcntl(int fd, int what, ...)
{
    va_list args;
    va_start(args, what);
    void *arg = va_arg(args, void *);
    va_end(args);
    bool takes = what == F_SETLK && ((const struct flock *)arg)->l_type != F_UNLCK;
    return takes && fails(WEIR__SYS_FCNTL) ? -1 : fcntl(fd, what, arg);
}

static ssize_t call_read(int fd, void *bytes, size_t n)
{
    return fails(WEIR__SYS_READ) ? -1 : read(fd, bytes, n);
}

static ssize_t call_pread(int fd, void *bytes, size_t n, off_t at)
{
    return fails(WEIR__SYS_READ) ? -1 : pread(fd, bytes, n, at);
}

static ssize_t call_write(int fd, const void *bytes, size_t n)
{
    return fails(WEIR__SYS_WRITE) ? -1 : write(fd, bytes, n);
}

static ssize_t call_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return fails(WEIR__SYS_WRITE) ? -1 : pwrite(fd, bytes, n, at);
}

static int call_unlink(const char *path)
{
    return fails(WEIR__SYS_UNLINK) ? -1 : unlink(path);
}

#define CALL(name, function)                                                                       \
    {                                                                                              \
        name, (sqlite3_syscall_ptr)(function)                                                      \
    }

void weir__test_sqlite_calls(bool on)
{
    static const struct {
        const char *name;
        sqlite3_syscall_ptr function;
    } calls[] = {
        CALL("open", call_open),           CALL("fstat", call_fstat),   CALL("fcntl", call_fcntl),
        CALL("ftruncate", call_ftruncate), CALL("read", call_read),     CALL("pread", call_pread),
        CALL("pread64", call_pread),       CALL("write", call_write),   CALL("pwrite", call_pwrite),
        CALL("pwrite64", call_pwrite),     CALL("unlink", call_unlink),
    };
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    if (vfs == NULL || vfs->iVersion < 3)
        return;
    if (!on)
        (void)vfs->xSetSystemCall(vfs, NULL, NULL);
    for (size_t i = 0; on && i < sizeof calls / sizeof calls[0]; i++)
        (void)vfs->xSetSystemCall(vfs, calls[i].name, calls[i].function);
}
