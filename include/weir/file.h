/*
 * Files that belong to a context: opened through it, closed with it at the latest. A disk may keep
 * its caller waiting, and a worker must not wait for it: so what is not in memory already is done
 * on the offload pool (<weir/offload.h>) while the fiber waits.
 *
 * A file opened in a request is for the fibers of its worker; one opened in the application's
 * context for all. Leaving a file open is no mistake: that is what its context is for. A loop over
 * many gives each a context of its own (WEIR_WITH), or closes them.
 */
#ifndef WEIR_FILE_H
#define WEIR_FILE_H

#include <fcntl.h>
#include <sys/types.h>
#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open file. */
typedef struct weir_file weir_file;

/** How a file is opened. */
typedef struct weir_file_open_options {
    size_t size; /* the macro's */
    /*
     * Of <fcntl.h>: O_RDONLY (the default), O_WRONLY or O_RDWR, with any of O_CREAT, O_EXCL,
     * O_TRUNC, O_APPEND, O_NOFOLLOW, O_DSYNC and O_SYNC. Another one is misuse and panics.
     */
    int flags;
    mode_t mode; /* of a file that is made, before the umask; default 0644 */
} weir_file_open_options;

/**
 * Opens a file.
 *
 *     weir_file *f = weir_file_open(c, "/srv/words.txt");
 *     ssize_t n = weir_file_read(c, f, bytes, sizeof bytes);    // the first error of the two
 *
 * path     NUL-terminated, copied; trusted: what came from a client is served by weir_file
 * ...      members of weir_file_open_options
 * returns  the file; never NULL. Where it could not be opened every call on it returns why, and the
 *          error record says so: -ENOENT, -EACCES …; -EISDIR; WEIR_EINVALID for a pipe, a device or
 *          a socket, which could keep a thread for ever; the reason; -ENOMEM, WEIR_ELIMIT
 * owner    the context
 * context  fiber; waits for the disk, past the deadline of `c` where that does not answer
 */
#define weir_file_open(c, ...) WEIR__FILE_OPEN(c, __VA_ARGS__, )
#define WEIR__FILE_OPEN(c, path, ...)                                                              \
    WEIR__CALL(weir_file_open_at, (WEIR_HERE, (c), (path)), weir_file_open_options, __VA_ARGS__)
/** The function behind weir_file_open. */
WEIR_API weir_file *weir_file_open_at(const weir_site *site, weir_ctx *c, const char *path,
                                      const weir_file_open_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3);

/** What a temporary file may be given. The string is copied. */
typedef struct weir_file_temp_options {
    size_t size;        /* the macro's */
    const char *folder; /* where its bytes are; default: $TMPDIR, else /tmp */
    uint64_t bytes_max; /* writing past it is WEIR_ETOOLARGE; default 1 GiB */
} weir_file_temp_options;

/**
 * Opens a temporary file, to be written and read back. It has no name: nobody else finds it, and
 * its bytes are gone from the disk when it is closed, by whatever way, also by the process' sudden
 * end. Where the file system knows no files without names it has one for an instant.
 *
 * ...      members of weir_file_temp_options
 * returns  the file; never NULL; errors as weir_file_open
 * owner    the context
 * context  fiber; waits for the disk, as weir_file_open
 */
#define weir_file_temp(...) WEIR__FILE_TEMP(__VA_ARGS__, )
#define WEIR__FILE_TEMP(c, ...)                                                                    \
    WEIR__CALL(weir_file_temp_at, (WEIR_HERE, (c)), weir_file_temp_options, __VA_ARGS__)
/** The function behind weir_file_temp. */
WEIR_API weir_file *weir_file_temp_at(const weir_site *site, weir_ctx *c,
                                      const weir_file_temp_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2);

/**
 * Reads the next bytes: from the beginning on, each call where the last read or weir_file_write
 * ended.
 *
 * bytes    filled; `size` bytes, of which a call fills at most 1 MiB
 * returns  how many, at least 1 unless `size` is 0; 0 at the end of the file; below 0 an error:
 *          that of the opening, of the disk, the reason when `c` is cancelled, WEIR_ECLOSED when
 *          the file has been closed, WEIR_ELIMIT when the offload pool's queue is full
 * errors   two fibers in it at a time: misuse, panics; weir_file_pread is for several
 * context  fiber; waits for the disk unless the bytes are in memory
 */
WEIR_API ssize_t weir_file_read(weir_ctx *c, weir_file *f, void *bytes, size_t size) WEIR_MUST_USE
    WEIR_NONNULL(1, 2) WEIR_ACCESS(write_only, 3, 4);

/**
 * Reads at a place, counted in bytes from the beginning. `bytes` are filled; else as
 * weir_file_read; several may.
 */
WEIR_API ssize_t weir_file_pread(weir_ctx *c, weir_file *f, void *bytes, size_t size,
                                 uint64_t at) WEIR_MUST_USE WEIR_NONNULL(1, 2)
    WEIR_ACCESS(write_only, 3, 4);

/**
 * Writes all of the bytes: where the call before ended; with O_APPEND at the file's end. Several
 * fibers may: each writes its own part.
 *
 * bytes    read during the call, and not kept: the caller's again when it returns, also cancelled
 * returns  WEIR_OK; an error as weir_file_read, and -ENOSPC …, WEIR_ETOOLARGE past a temporary
 *          file's bytes_max. One that may have left a part unwritten stays the file's: see
 *          weir_file_err
 * context  fiber; waits for the disk; cancelled it ends after the MiB that is being written
 */
WEIR_API weir_err weir_file_write(weir_ctx *c, weir_file *f, const void *bytes,
                                  size_t size) WEIR_MUST_USE WEIR_NONNULL(1, 2)
    WEIR_ACCESS(read_only, 3, 4);

/**
 * Writes at a place (with O_APPEND at the end all the same). `bytes` are read during the call, and
 * not kept; else as weir_file_write.
 */
WEIR_API weir_err weir_file_pwrite(weir_ctx *c, weir_file *f, const void *bytes, size_t size,
                                   uint64_t at) WEIR_MUST_USE WEIR_NONNULL(1, 2)
    WEIR_ACCESS(read_only, 3, 4);

/** Waits until what was written would outlive a power failure. Errors as weir_file_write. */
WEIR_API weir_err weir_file_sync(weir_ctx *c, weir_file *f) WEIR_MUST_USE WEIR_NONNULL(1, 2);

/** The size in bytes; below 0 an error as weir_file_read. Fiber; does not wait. */
WEIR_API int64_t weir_file_size(weir_ctx *c, weir_file *f) WEIR_MUST_USE WEIR_NONNULL(1, 2);

/**
 * The error that stays, and that every call returns from then on: that of the opening, or of the
 * first write that did not write all; else WEIR_OK.
 */
WEIR_API weir_err weir_file_err(const weir_file *f) WEIR_NONNULL(1);

/**
 * Closes a file before its context ends. Idempotent. Calls of other fibers on it end first.
 *
 * returns  weir_file_err, or the disk's last word on what was written
 * context  a fiber of a worker that may use it, also of a cancelled context; may wait
 */
WEIR_API weir_err weir_file_close(weir_ctx *c, weir_file *f) WEIR_NONNULL(1, 2);

#ifdef __cplusplus
}
#endif
#endif
