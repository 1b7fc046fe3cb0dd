/*
 * Listening on local sockets. Whether a file is a dead process' is asked by connecting to it: the
 * kernel refuses where nobody listens. Between that answer and the new file another process could
 * do the same, hence the lock on the folder. A folder that cannot be locked (another's, some
 * network file systems) leaves that gap open, and nothing else.
 */
#include "net/local.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>

#include "base/assert.h"
#include "os/sys.h"

#define PREFIX "unix:"
#define MODE ",mode="
#define MODE_DEFAULT (-1)

bool weir__local_is(weir_str where)
{
    return where.len >= strlen(PREFIX) && memcmp(where.ptr, PREFIX, strlen(PREFIX)) == 0;
}

socklen_t weir__local_address(weir_str where, struct sockaddr_storage *out)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    if (!weir__local_is(where))
        return 0;
    weir_str path = {where.ptr + strlen(PREFIX), where.len - strlen(PREFIX)};
    bool is_abstract = path.len > 0 && path.ptr[0] == '@';
    if (path.len == (size_t)is_abstract || path.len >= sizeof local.sun_path ||
        memchr(path.ptr, '\0', path.len) != NULL)
        return 0;
    memcpy(local.sun_path, path.ptr, path.len);
    if (is_abstract)
        local.sun_path[0] = '\0';
    memset(out, 0, sizeof *out);
    memcpy(out, &local, sizeof local);
    size_t len = offsetof(struct sockaddr_un, sun_path) + path.len + !is_abstract;
    WEIR_ASSERT(len <= sizeof local, "E2: a path fits where it is kept, with its NUL");
    return (socklen_t)len;
}

bool weir__local_split(weir_str where, weir_str *address, int *mode)
{
    size_t n = where.len;
    *address = where;
    *mode = MODE_DEFAULT;
    while (n > 0 && where.ptr[n - 1] != ',')
        n--;
    if (n == 0 || where.len - (n - 1) < strlen(MODE) ||
        memcmp(where.ptr + n - 1, MODE, strlen(MODE)) != 0)
        return true; /* a path may have commas */
    address->len = n - 1;
    *mode = 0;
    size_t digits = n - 1 + strlen(MODE);
    for (size_t i = digits; i < where.len; i++) {
        if (where.ptr[i] < '0' || where.ptr[i] > '7' || *mode > 0777)
            return false;
        *mode = *mode * 8 + (where.ptr[i] - '0');
    }
    return digits < where.len && *mode <= 0777;
}

/* --- dead files --------------------------------------------------------------------------- */

/* Locks the folder of a path; what is returned is closed to give the lock. < 0: not locked. */
static int lock_folder(const char *path)
{
    char folder[WEIR__LOCAL_TEXT_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    WEIR_ASSERT(n < sizeof folder, "E2: a local socket's path fits where it is kept");
    memcpy(folder, n > 0 ? path : ".", n > 0 ? n : 1);
    folder[n > 0 ? n : 1] = '\0';
    int fd = weir__sys_open(folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd >= 0)
        (void)weir__sys_flock(fd, LOCK_EX);
    return fd;
}

/* Does nobody listen on the file? Then connecting is refused. */
static bool is_dead(const struct sockaddr_storage *addr, socklen_t len)
{
    WEIR_ASSERT(addr->ss_family == AF_UNIX, "E2: only what has a path can be a dead file");
    int fd = weir__sys_socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return false;
    int err = weir__sys_connect(fd, (const struct sockaddr *)addr, len);
    weir__sys_close(fd);
    return err == -ECONNREFUSED;
}

static int bind_in_place_of_a_dead_one(int fd, const struct sockaddr_storage *addr, socklen_t len,
                                       const char *path, const char **why)
{
    struct stat st;
    int err = weir__sys_lstat(path, &st);
    *why = "there is a file of that name, which is no socket";
    if (err == 0 && !S_ISSOCK(st.st_mode))
        return -EADDRINUSE;
    *why = "another process listens there";
    if (err == 0 && !is_dead(addr, len))
        return -EADDRINUSE;
    if (err == 0)
        err = weir__sys_unlink(path);
    if (err == 0 || err == -ENOENT)
        err = weir__sys_bind(fd, (const struct sockaddr *)addr, len);
    *why = strerror(-err);
    return err;
}

/* --- listening ---------------------------------------------------------------------------- */

/* The file with the mode that was asked for, at no moment with more. */
static int bind_file(int fd, const struct sockaddr_storage *addr, socklen_t len, int mode,
                     struct weir__local_file *file, const char **why)
{
    WEIR_ASSERT(file->path[0] != '\0', "E2: the file of a listener has a path");
    struct stat st;
    int lock = lock_folder(file->path);
    if (mode != MODE_DEFAULT)
        (void)weir__sys_fchmod(fd, (mode_t)mode); /* the kernel makes the file with it */
    int err = weir__sys_bind(fd, (const struct sockaddr *)addr, len);
    *why = strerror(-err);
    if (err == -EADDRINUSE)
        err = bind_in_place_of_a_dead_one(fd, addr, len, file->path, why);
    if (err == 0 && mode != MODE_DEFAULT)
        err = weir__sys_chmod(file->path, (mode_t)mode); /* what the umask took away */
    if (err == 0)
        err = weir__sys_lstat(file->path, &st);
    if (lock >= 0)
        weir__sys_close(lock);
    if (err != 0)
        return err;
    file->device = st.st_dev;
    file->inode = st.st_ino;
    return 0;
}

static int open_address(weir_str address, int mode, struct weir__local_file *file, const char **why)
{
    struct sockaddr_storage addr;
    socklen_t len = weir__local_address(address, &addr);
    *why = "not a path of 1 to 107 bytes";
    if (len == 0)
        return -EINVAL;
    int fd = weir__sys_socket(AF_UNIX, SOCK_STREAM, 0), err;
    *why = fd < 0 ? strerror(-fd) : "";
    if (fd < 0)
        return fd;
    const char *path = address.ptr + strlen(PREFIX);
    if (path[0] == '@') {
        err = weir__sys_bind(fd, (struct sockaddr *)&addr, len);
        *why = err == -EADDRINUSE ? "another process listens there" : strerror(-err);
    } else {
        WEIR_ASSERT(address.len - strlen(PREFIX) < sizeof file->path,
                    "E2: a local socket's path fits where it is kept");
        memcpy(file->path, path, address.len - strlen(PREFIX));
        err = bind_file(fd, &addr, len, mode, file, why);
    }
    if (err == 0)
        return fd;
    weir__sys_close(fd);
    return err;
}

int weir__local_listen(weir_str where, int backlog, struct weir__local_file *file, char *why,
                       size_t size)
{
    weir_str address;
    int mode, fd = -EINVAL;
    const char *reason = "the mode is octal, as in ,mode=0660";
    *file = (struct weir__local_file){.path = ""};
    if (weir__local_split(where, &address, &mode))
        fd = open_address(address, mode, file, &reason);
    if (fd < 0) {
        file->path[0] = '\0'; /* it is not ours */
        snprintf(why, size, "%s", reason);
        return fd;
    }
    int err = weir__sys_listen(fd, backlog);
    if (err == 0)
        return fd;
    snprintf(why, size, "%s", strerror(-err));
    weir__local_remove(file);
    weir__sys_close(fd);
    return err;
}

void weir__local_remove(struct weir__local_file *file)
{
    struct stat st;
    if (file->path[0] != '\0' && weir__sys_lstat(file->path, &st) == 0 &&
        st.st_dev == file->device && st.st_ino == file->inode)
        (void)weir__sys_unlink(file->path);
    file->path[0] = '\0';
}
