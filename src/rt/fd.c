/*
 * Descriptors of others that a context has taken over: a record that closes the number at the end.
 */
#include <unistd.h>

#include "base/assert.h"
#include "os/sys.h"
#include "rt/context.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include <weir/fd.h>

struct adopted {
    struct weir__owned owned;
    int fd;
};

static void release(struct weir__owned *o)
{
    int fd = WEIR_CONTAINER(o, struct adopted, owned)->fd;
    WEIR_ASSERT(fd > STDERR_FILENO, "I3: the process's own three are nobody's to close");
    weir__sys_close(fd);
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    weir_buf_printf(out, "%d", WEIR_CONTAINER(o, struct adopted, owned)->fd);
}

static const struct weir__owned_type type = {
    .name = "descriptor", .release = release, .describe = describe};

/* Who would be closed under somebody's feet: its number comes again, as another's connection. */
static void refuse_others(int fd)
{
    static const char function[] = "weir_fd_adopt";
    if (fd <= STDERR_FILENO)
        weir__misuse(function,
                     "descriptor %d is one of the process's own three: a context would "
                     "close it, and the next that is opened would get what is logged",
                     fd);
    if (fd < WEIR__SYS_KNOWN_MAX && weir__sys_is_known(fd))
        weir__misuse(function,
                     "descriptor %d is Weir's own, or has been handed over already: who "
                     "opened it closes it",
                     fd);
}

weir_err weir_fd_adopt_at(const weir_site *site, weir_ctx *c, int fd)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    int err = errno;
    struct weir__ctx *ctx = weir__ctx_of_at(c, "weir_fd_adopt");
    if (fd < 0)
        return err > 0 ? -err : -EBADF;
    refuse_others(fd);
    if (weir__sys_fd_flags(fd) == -EBADF)
        return weir_raise_at(site, c, -EBADF, 0, "weir_fd_adopt: descriptor %d is not open", fd);
    struct adopted *a = weir__ctx_object(ctx, sizeof *a);
    if (a == NULL) {
        weir__sys_close(fd);
        return ctx->arena.is_over_budget ? WEIR_EBUDGET : -ENOMEM;
    }
    a->fd = weir__sys_know(fd);
    WEIR_ASSERT(a->fd == fd, "I3: the number that a context closes is the one that it was given");
    weir__own(ctx, &a->owned, &type, site);
    return WEIR_OK;
}
