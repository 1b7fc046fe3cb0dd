/*
 * Owned, growing buffers, each with a maximum. A weir_buf is the only growing thing in Weir: what
 * would pass its maximum is refused and the buffer stays as it was (and remembers that: `err` is
 * sticky, so a series of writes is checked once at its end).
 */
#ifndef WEIR_BUF_H
#define WEIR_BUF_H

#include <weir/err.h>
#include <weir/str.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A growing buffer. Read `ptr` and `len`; all else belongs to the functions below. */
typedef struct weir_buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t bytes_max;
    weir_err err;
    bool is_fixed; /* the bytes are the caller's: never grown, never freed */
} weir_buf;

/**
 * Makes an empty buffer that may grow to `bytes_max` bytes. Nothing is allocated before the first
 * write.
 *
 * owner    the caller, who calls weir_buf_fini; a zeroed weir_buf may be given to fini as well
 * context  anywhere
 */
WEIR_API void weir_buf_init(weir_buf *b, size_t bytes_max) WEIR_NONNULL(1)
    WEIR_ACCESS(write_only, 1);

/**
 * Makes a buffer over `size` bytes of the caller's; it never grows and owns nothing. `bytes` are
 * borrowed: they must outlive the last use of the buffer.
 */
WEIR_API void weir_buf_init_fixed(weir_buf *b, char *bytes, size_t size) WEIR_NONNULL(1)
    WEIR_ACCESS(write_only, 1) WEIR_ACCESS(write_only, 2, 3);

/** Frees what the buffer holds; it is empty and usable afterwards, with the same maximum. */
WEIR_API void weir_buf_fini(weir_buf *b) WEIR_NONNULL(1) WEIR_ACCESS(read_write, 1);

/**
 * Makes room for `n` more bytes at ptr + len, to be written by the caller, who then adds to `len`.
 * What was at `ptr` may have moved.
 *
 * returns  the place to write to, or NULL: WEIR_ETOOLARGE past the maximum, -ENOMEM; sticky in
 *          `err`
 * owner    the buffer; valid until the next call on it
 * context  anywhere
 */
WEIR_API char *weir_buf_reserve(weir_buf *b, size_t n) WEIR_NONNULL(1) WEIR_ACCESS(read_write, 1);

/**
 * Appends bytes, a string, one byte. `bytes` and `s` are copied, and must not lie in the buffer
 * itself, which may move. Errors as weir_buf_reserve: sticky, nothing of it is added, nor of what
 * follows.
 */
WEIR_API void weir_buf_add(weir_buf *b, const void *bytes, size_t n) WEIR_NONNULL(1)
    WEIR_ACCESS(read_write, 1) WEIR_ACCESS(read_only, 2, 3);
WEIR_API void weir_buf_puts(weir_buf *b, weir_str s) WEIR_NONNULL(1) WEIR_ACCESS(read_write, 1);
WEIR_API void weir_buf_putc(weir_buf *b, char ch) WEIR_NONNULL(1) WEIR_ACCESS(read_write, 1);

/**
 * Appends as printf does; one byte of room is needed for the NUL. Only the formats of integers and
 * strings are locale-proof. Errors are sticky as for weir_buf_add; a bad format is WEIR_EINVALID.
 */
WEIR_API void weir_buf_printf(weir_buf *b, const char *format, ...) WEIR_PRINTF(2, 3)
    WEIR_NONNULL(1, 2) WEIR_ACCESS(read_write, 1);

/** Empties the buffer, keeps its memory, forgets its error. */
static inline void weir_buf_reset(weir_buf *b)
{
    b->len = 0;
    b->err = WEIR_OK;
}

/** The buffer's content as a borrowed string, valid until the next write. */
static inline weir_str weir_buf_str(const weir_buf *b)
{
    weir_str s = {b->ptr != NULL ? b->ptr : "", b->len};
    return s;
}

#ifdef __cplusplus
}
#endif
#endif
