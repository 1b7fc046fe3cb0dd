/*
 * Files of contexts. What a disk may be waited for in is a job, a record on the fiber's stack, that
 * a thread of the offload pool does; reading tries first what needs no disk, since most reads find
 * their bytes in memory.
 *
 * The one hard thing is the end: a file may be closed, by hand or by its context, while a fiber of
 * another context has a call on it. Such calls are counted (sync/busy.h) and waited for, so a
 * number is never closed, and taken by the next descriptor, under a thread that writes to it.
 * Closing what was written, or a temporary file's many pages, may wait too, and is a job as well.
 *
 * Owns the descriptor. Limits: 1 MiB a read; files are plain ones.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/given.h"
#include "os/sys.h"
#include "rt/offload.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/sized.h"
#include "sync/busy.h"
#include <weir/file.h>

#define KIND WEIR__KIND_FILE
#define PIECE_BYTES (1u << 20)     /* of a read, and between two looks at a cancellation */
#define IN_PLACE_BYTES (64u << 10) /* copied from memory on the worker */
#define TEMP_BYTES_MAX_DEFAULT (UINT64_C(1) << 30)
#define FLAGS_KNOWN                                                                                \
    (O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_NOFOLLOW | O_DSYNC | O_SYNC)

struct weir_file {
    struct weir__busy busy;
    int fd; /* -1: not open */
    bool is_temp, is_writable;
    bool is_in_sequence;  /* a fiber is in weir_file_read; under the queue's lock, as `at` */
    _Atomic weir_err err; /* the one that stays */
    uint64_t at;          /* where weir_file_read and weir_file_write go on */
    uint64_t bytes_max;
    const char *path; /* of a temporary one, its folder */
};

static weir_file no_memory = {
    .busy = {.q = {.token = WEIR__TOKEN_STATIC(KIND)}}, .fd = -1, .err = -ENOMEM};

/* --- jobs --------------------------------------------------------------------------------- */

/* What is behind a handle; misuse unless this worker may use it. */
static weir_file *file_of(const weir_file *handle, const char *function)
{
    return weir__waitq_of(handle, KIND, function, "the file");
}

/* What a thread is to do; it writes `fd`, `result` and `is_done`. */
struct job {
    const char *path; /* open */
    int flags;
    mode_t mode;
    int fd;
    char *bytes; /* read, write */
    size_t size;
    uint64_t at;
    ssize_t result; /* of a read */
    bool is_done;
    atomic_bool is_enough; /* the fiber does not want it any more */
};

static void stop(void *arg)
{
    atomic_store(&((struct job *)arg)->is_enough, true);
}

static weir_err do_open(void *arg)
{
    struct job *j = arg;
    struct stat st;
    j->is_done = true;
    j->fd = weir__sys_open(j->path, j->flags | O_NONBLOCK | O_NOCTTY, j->mode);
    if (j->fd < 0)
        return j->fd;
    weir_err err = weir__sys_fstat(j->fd, &st);
    if (err == WEIR_OK && !S_ISREG(st.st_mode))
        err = S_ISDIR(st.st_mode) ? -EISDIR : WEIR_EINVALID;
    if (err == WEIR_OK)
        return WEIR_OK;
    weir__sys_close(j->fd);
    j->fd = -1;
    return err;
}

/* A name that nobody has: the clock's nanoseconds and a count, tried until it is so. */
static int make_named(const char *folder, char *path, size_t size)
{
    static atomic_uint count;
    int fd = -EEXIST;
    for (int i = 0; i < 100 && fd == -EEXIST; i++) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        int n = snprintf(path, size, "%s/.weir-%ld-%lx-%x", folder, (long)getpid(), now.tv_nsec,
                         atomic_fetch_add(&count, 1));
        if (n < 0 || (size_t)n >= size)
            return -ENAMETOOLONG;
        fd = weir__sys_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    }
    return fd;
}

/* For file systems without O_TMPFILE: a file with a name, which is taken away at once. */
static int open_named(const char *folder)
{
    char path[4096];
    int fd = make_named(folder, path, sizeof path);
    if (fd < 0)
        return fd;
    int err = weir__sys_unlink(path);
    if (err < 0)
        err = weir__sys_unlink(path); /* it must not stay for one failure */
    if (err == 0)
        return fd;
    weir__sys_close(fd);
    return err;
}

static weir_err do_open_temp(void *arg)
{
    struct job *j = arg;
    j->is_done = true;
    j->fd = weir__sys_open(j->path, O_TMPFILE | O_RDWR | O_EXCL, 0600);
    if (j->fd == -EOPNOTSUPP || j->fd == -EISDIR || j->fd == -EINVAL)
        j->fd = open_named(j->path);
    return j->fd < 0 ? j->fd : WEIR_OK;
}

static weir_err do_read(void *arg)
{
    struct job *j = arg;
    j->is_done = true;
    j->result = weir__sys_pread(j->fd, j->bytes, j->size, (off_t)j->at);
    return WEIR_OK;
}

/* All of it, looking after each piece whether it is still wanted. */
static weir_err do_write(void *arg)
{
    struct job *j = arg;
    j->is_done = true;
    for (size_t done = 0; done < j->size;) {
        size_t left = j->size - done, piece = left < PIECE_BYTES ? left : PIECE_BYTES;
        if (atomic_load(&j->is_enough))
            return WEIR_ECANCELED;
        ssize_t n = weir__sys_pwrite(j->fd, j->bytes + done, piece, (off_t)(j->at + done));
        if (n <= 0)
            return n < 0 ? (weir_err)n : -EIO;
        done += (size_t)n;
    }
    return WEIR_OK;
}

static weir_err do_sync(void *arg)
{
    struct job *j = arg;
    j->is_done = true;
    return weir__sys_fdatasync(j->fd);
}

static weir_err do_close(void *arg)
{
    struct job *j = arg;
    j->is_done = true;
    return weir__sys_close(j->fd);
}

static weir_err offload(struct weir__ctx *c, weir_err (*fn)(void *arg), struct job *j)
{
    return weir__offload_on(weir__self->runtime->offload, c, NULL, fn, j, stop);
}

/* --- closing ------------------------------------------------------------------------------ */

/* Closes the descriptor, once: on the pool where it may take long, and where that can be had. */
static weir_err close_fd(struct weir__ctx *c, weir_file *f)
{
    struct job j = {.fd = f->fd};
    weir_err err = WEIR_OK;
    f->fd = -1;
    if (j.fd < 0)
        return WEIR_OK;
    if (f->is_writable)
        err = offload(c, do_close, &j);
    return j.is_done ? err : weir__sys_close(j.fd);
}

static void release(struct weir__owned *o)
{
    weir_file *f = WEIR_CONTAINER(o, weir_file, busy.q.owned);
    bool is_mine = weir__busy_end(&f->busy, false);
    weir__busy_await(&f->busy, 0);
    if (is_mine)
        (void)close_fd(o->ctx, f);
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    const weir_file *f = WEIR_CONTAINER(o, weir_file, busy.q.owned);
    weir_buf_printf(out, f->is_temp ? "in %s" : "%s", f->path != NULL ? f->path : "?");
}

static const struct weir__owned_type file_type = {
    .name = "file", .release = release, .describe = describe};
static const struct weir__owned_type temp_type = {
    .name = "temporary file", .release = release, .describe = describe};

weir_err weir_file_close(weir_ctx *c, weir_file *f)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *ctx = weir__ctx_of(c);
    f = file_of(f, __func__);
    if (!weir__busy_end(&f->busy, true))
        return f->err;
    weir__busy_await(&f->busy, 1);
    weir_err err = close_fd(ctx, f);
    if (f->err == WEIR_OK && f->is_writable)
        f->err = err;
    err = f->err;
    weir__disown(&f->busy.q.owned);
    weir__busy_leave(&f->busy);
    return err;
}

/* --- opening ------------------------------------------------------------------------------ */

static weir_file *new_file(const weir_site *site, struct weir__ctx *ctx, const char *path,
                           const struct weir__owned_type *type)
{
    weir_file *f = weir__waitq_new(ctx, sizeof *f, KIND, type, site);
    if (f == NULL)
        return NULL;
    f->fd = -1;
    f->err = weir__may_wait(ctx);
    f->bytes_max = UINT64_MAX;
    size_t n = strlen(path) + 1;
    char *copy = weir__ctx_object(ctx, n);
    if (copy != NULL)
        f->path = memcpy(copy, path, n);
    else if (f->err == WEIR_OK)
        f->err = -ENOMEM;
    return f;
}

#define TEMP_TEXT "a temporary file in "

static void tell(const weir_site *site, weir_ctx *c, weir_err err, const char *what,
                 const char *path)
{
    if (weir__ctx_of(c)->reason != WEIR_REASON_NONE)
        return;
    (void)weir_raise_at(site, c, err, 0, "cannot open %s%s: %s", what, path,
                        err == WEIR_EINVALID ? "it is no plain file" : weir_strerror(err));
}

static void open_it(weir_ctx *c, weir_file *f, weir_err (*fn)(void *arg), struct job *j)
{
    if (f->err == WEIR_OK)
        f->err = offload(weir__ctx_of(c), fn, j);
    if (j->is_done && f->err == WEIR_OK)
        f->fd = j->fd;
    if (f->err < 0)
        tell(f->busy.q.owned.site, c, f->err, f->is_temp ? TEMP_TEXT : "", j->path);
}

weir_file *weir_file_open_at(const weir_site *site, weir_ctx *c, const char *path,
                             const weir_file_open_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    if (path == NULL)
        weir__misuse("weir_file_open", "the path is NULL");
    weir_file_open_options room;
    options = weir__options(options, &room, sizeof room, "weir_file_open");
    if ((options->flags & ~FLAGS_KNOWN) != 0)
        weir__misuse("weir_file_open",
                     "flags 0%o: O_RDONLY, O_WRONLY or O_RDWR with O_CREAT, "
                     "O_EXCL, O_TRUNC, O_APPEND, O_NOFOLLOW, O_DSYNC, O_SYNC",
                     options->flags);
    weir_file *f = new_file(site, weir__ctx_of(c), path, &file_type);
    if (f == NULL) {
        tell(site, c, -ENOMEM, "", path);
        return &no_memory;
    }
    struct job j = {.path = path,
                    .flags = options->flags,
                    .mode = options->mode != 0 ? options->mode : 0644,
                    .fd = -1};
    f->is_writable = (options->flags & O_ACCMODE) != O_RDONLY;
    open_it(c, f, do_open, &j);
    return weir__token_handle(&f->busy.q.token);
}

weir_file *weir_file_temp_at(const weir_site *site, weir_ctx *c,
                             const weir_file_temp_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_file_temp_options room;
    options = weir__options(options, &room, sizeof room, "weir_file_temp");
    const char *folder = options->folder != NULL ? options->folder : getenv("TMPDIR");
    if (folder == NULL || folder[0] == '\0')
        folder = "/tmp";
    weir_file *f = new_file(site, weir__ctx_of(c), folder, &temp_type);
    if (f == NULL) {
        tell(site, c, -ENOMEM, TEMP_TEXT, folder);
        return &no_memory;
    }
    struct job j = {.path = folder, .fd = -1};
    f->is_temp = f->is_writable = true;
    f->bytes_max = options->bytes_max != 0 ? options->bytes_max : TEMP_BYTES_MAX_DEFAULT;
    open_it(c, f, do_open_temp, &j);
    return weir__token_handle(&f->busy.q.token);
}

weir_err weir_file_err(const weir_file *f)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    return file_of(f, __func__)->err;
}

/* --- calls -------------------------------------------------------------------------------- */

/* Each call begins with it, and ends with weir__busy_leave when it was WEIR_OK. */
static weir_err enter(struct weir__ctx *c, weir_file *f)
{
    weir_err err = weir__may_wait(c);
    if (err < 0)
        return err;
    err = weir__busy_enter(&f->busy);
    if (err == WEIR_OK && f->err < 0) {
        weir__busy_leave(&f->busy);
        err = f->err;
    }
    return err < 0 ? weir__wait_refused(err) : WEIR_OK;
}

/* Bytes that are in memory already; below 0 they are not, or that cannot be known. */
static ssize_t read_in_place(const weir_file *f, void *bytes, size_t size, uint64_t at)
{
    size_t piece = size < IN_PLACE_BYTES ? size : IN_PLACE_BYTES;
    return weir__sys_pread_nowait(f->fd, bytes, piece, (off_t)at);
}

static ssize_t read_at(struct weir__ctx *c, weir_file *f, void *bytes, size_t size, uint64_t at)
{
    if (at > INT64_MAX)
        return -EINVAL;
    ssize_t n = read_in_place(f, bytes, size, at);
    if (n >= 0)
        return n;
    struct job j = {
        .fd = f->fd, .bytes = bytes, .size = size < PIECE_BYTES ? size : PIECE_BYTES, .at = at};
    weir_err err = offload(c, do_read, &j);
    return err < 0 ? err : j.result;
}

ssize_t weir_file_pread(weir_ctx *c, weir_file *f, void *bytes, size_t size, uint64_t at)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_some(bytes, size, "the memory");
    struct weir__ctx *ctx = weir__ctx_of(c);
    f = file_of(f, __func__);
    weir_err err = enter(ctx, f);
    if (err < 0)
        return err;
    ssize_t n = read_at(ctx, f, bytes, size, at);
    weir__busy_leave(&f->busy);
    return n;
}

/* Begins and ends a read in sequence. False: another fiber is in one. */
static bool begin_sequence(weir_file *f, uint64_t *at)
{
    weir__waitq_lock(&f->busy.q);
    bool is_mine = !f->is_in_sequence;
    f->is_in_sequence = true;
    *at = f->at;
    weir__waitq_unlock(&f->busy.q);
    return is_mine;
}

static void end_sequence(weir_file *f, uint64_t at)
{
    weir__waitq_lock(&f->busy.q);
    f->is_in_sequence = false;
    f->at = at;
    weir__waitq_unlock(&f->busy.q);
}

ssize_t weir_file_read(weir_ctx *c, weir_file *f, void *bytes, size_t size)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_some(bytes, size, "the memory");
    struct weir__ctx *ctx = weir__ctx_of(c);
    f = file_of(f, __func__);
    weir_err err = enter(ctx, f);
    if (err < 0)
        return err;
    uint64_t at;
    if (!begin_sequence(f, &at)) {
        weir__busy_leave(&f->busy);
        weir__misuse("weir_file_read",
                     "another fiber reads %s in sequence: weir_file_pread, which "
                     "says where, is for several",
                     f->path);
    }
    ssize_t n = read_at(ctx, f, bytes, size, at);
    end_sequence(f, at + (n > 0 ? (uint64_t)n : 0));
    weir__busy_leave(&f->busy);
    return n;
}

/* The first error of a write stays; what a cancellation cut short needs no record. */
static weir_err fail(weir_ctx *c, weir_file *f, weir_err err)
{
    if (f->err == WEIR_OK)
        f->err = err;
    if (weir__ctx_of(c)->reason != WEIR_REASON_NONE)
        return err;
    return weir_raise_at(f->busy.q.owned.site, c, err, 0, "cannot write %s%s: %s",
                         f->is_temp ? "a temporary file in " : "", f->path,
                         err == WEIR_ETOOLARGE ? "it would pass its bytes_max"
                                               : weir_strerror(err));
}

static weir_err write_at(weir_ctx *c, weir_file *f, const void *bytes, size_t size, uint64_t at)
{
    struct weir__ctx *ctx = weir__ctx_of(c);
    if (at > INT64_MAX)
        return -EINVAL;
    if (at > f->bytes_max || size > f->bytes_max - at)
        return fail(c, f, WEIR_ETOOLARGE);
    struct job j = {.fd = f->fd, .bytes = (char *)(uintptr_t)bytes, .size = size, .at = at};
    weir_err err = offload(ctx, do_write, &j);
    if (!j.is_done || err == WEIR_OK)
        return err;
    bool is_cut = err == WEIR_ECANCELED && ctx->reason != WEIR_REASON_NONE;
    return fail(c, f, is_cut ? weir__reason_err((weir_reason)ctx->reason) : err);
}

weir_err weir_file_pwrite(weir_ctx *c, weir_file *f, const void *bytes, size_t size, uint64_t at)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_some(bytes, size, "the data");
    f = file_of(f, __func__);
    weir_err err = enter(weir__ctx_of(c), f);
    if (err < 0)
        return err;
    err = write_at(c, f, bytes, size, at);
    weir__busy_leave(&f->busy);
    return err;
}

/* Takes the next `size` bytes of the file for a write: its own part, whatever others write. */
static uint64_t reserve(weir_file *f, size_t size)
{
    weir__waitq_lock(&f->busy.q);
    uint64_t at = f->at;
    f->at += size;
    weir__waitq_unlock(&f->busy.q);
    return at;
}

/* Gives them back, for nothing was written; false when others have written behind them. */
static bool give_back(weir_file *f, uint64_t at, size_t size)
{
    weir__waitq_lock(&f->busy.q);
    bool is_last = f->at == at + size;
    if (is_last)
        f->at = at;
    weir__waitq_unlock(&f->busy.q);
    return is_last;
}

weir_err weir_file_write(weir_ctx *c, weir_file *f, const void *bytes, size_t size)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_some(bytes, size, "the data");
    f = file_of(f, __func__);
    weir_err err = enter(weir__ctx_of(c), f);
    if (err < 0)
        return err;
    uint64_t at = reserve(f, size);
    err = write_at(c, f, bytes, size, at);
    if (err < 0 && f->err == WEIR_OK && !give_back(f, at, size))
        err = fail(c, f, err); /* a hole */
    weir__busy_leave(&f->busy);
    return err;
}

weir_err weir_file_sync(weir_ctx *c, weir_file *f)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *ctx = weir__ctx_of(c);
    f = file_of(f, __func__);
    weir_err err = enter(ctx, f);
    if (err < 0)
        return err;
    struct job j = {.fd = f->fd};
    err = offload(ctx, do_sync, &j);
    if (j.is_done && err < 0)
        err = fail(c, f, err);
    weir__busy_leave(&f->busy);
    return err;
}

int64_t weir_file_size(weir_ctx *c, weir_file *f)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    f = file_of(f, __func__);
    weir_err err = enter(weir__ctx_of(c), f);
    if (err < 0)
        return err;
    struct stat st;
    err = weir__sys_fstat(f->fd, &st);
    weir__busy_leave(&f->busy);
    return err < 0 ? err : (int64_t)st.st_size;
}
