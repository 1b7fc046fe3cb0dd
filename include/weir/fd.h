/*
 * Descriptors that others have opened. What Weir opens for a context is closed with it; what a
 * library hands out, or comes from a system call of your own, is handed over to a context here. The
 * service looks regularly for descriptors that belong to nobody, and logs them.
 */
#ifndef WEIR_FD_H
#define WEIR_FD_H

#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Hands a descriptor over to a context, which closes it at its end. From then on nobody else does.
 *
 * fd       open; below 0 it is the errno of a failed call by now: nothing happens. One of 0 to 2,
 *          and one that Weir has opened or that was handed over before, is misuse, and panics
 * returns  WEIR_OK; -errno for an `fd` below 0; -EBADF for one that is not open; -ENOMEM,
 *          WEIR_EBUDGET: then it has been closed
 * owner    the context
 * context  fiber; does not wait
 */
#define weir_fd_adopt(c, fd) weir_fd_adopt_at(WEIR_HERE, (c), (fd))
/** The function behind weir_fd_adopt. */
WEIR_API weir_err weir_fd_adopt_at(const weir_site *site, weir_ctx *c, int fd) WEIR_MUST_USE
    WEIR_NONNULL(2);

#ifdef __cplusplus
}
#endif
#endif
