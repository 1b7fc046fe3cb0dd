/*
 * Descriptors of others that a context has taken over: a record that closes the number at the end.
 */
#include "rt/context.h"
#include "rt/sys.h"
#include <weir/fd.h>

struct adopted {
    struct weir__owned owned;
    int fd;
};

static void release(struct weir__owned *o)
{
    weir__sys_close(WEIR_CONTAINER(o, struct adopted, owned)->fd);
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    weir_buf_printf(out, "%d", WEIR_CONTAINER(o, struct adopted, owned)->fd);
}

static const struct weir__owned_type type = {
    .name = "descriptor", .release = release, .describe = describe};

weir_err weir_fd_adopt_at(const weir_site *site, weir_ctx *c, int fd)
{
    int err = errno;
    struct weir__ctx *ctx = weir__ctx_of_at(c, "weir_fd_adopt");
    if (fd < 0)
        return err > 0 ? -err : -EBADF;
    struct adopted *a = weir__ctx_object(ctx, sizeof *a);
    if (a == NULL) {
        weir__sys_close(fd);
        return ctx->arena.is_over_budget ? WEIR_EBUDGET : -ENOMEM;
    }
    a->fd = weir__sys_know(fd);
    weir__own(ctx, &a->owned, &type, site);
    return WEIR_OK;
}
