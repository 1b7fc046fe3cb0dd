/*
 * The table of what can be read again. It is a list that is walked without its lock, since a part
 * may wait; so nobody leaves it while it is walked, which its users see to: what registers lives as
 * long as the service.
 */
#include "rt/reload.h"

#include "base/assert.h"
#include "os/lock.h"
#include "rt/worker.h"
#include <weir/log.h>

static struct {
    struct weir__lock lock;
    struct weir__list parts; /* weir__reload.link */
} all = {.parts = {&all.parts, &all.parts}};

void weir__reload_add(struct weir__reload *r, const char *name, weir_fiber_fn fn, void *arg)
{
    WEIR_ASSERT(fn != NULL, "R1: who is in the table can be read again");
    *r = (struct weir__reload){.name = name, .fn = fn, .arg = arg};
    weir__lock_take(&all.lock);
    weir__list_push_back(&all.parts, &r->link);
    weir__lock_give(&all.lock);
}

void weir__reload_remove(struct weir__reload *r)
{
    weir__lock_take(&all.lock);
    WEIR_ASSERT(r->fn == NULL || !weir__list_empty(&r->link),
                "R1: who can be read again is in the table");
    if (r->fn != NULL)
        weir__list_remove(&r->link);
    r->fn = NULL;
    weir__lock_give(&all.lock);
}

static struct weir__reload *after(const struct weir__list *node)
{
    weir__lock_take(&all.lock);
    struct weir__list *next = node->next;
    weir__lock_give(&all.lock);
    return next == &all.parts ? NULL : WEIR_CONTAINER(next, struct weir__reload, link);
}

static bool tell(weir_ctx *c, const struct weir__reload *r, weir_err err)
{
    if (err >= 0) {
        weir_log(c, WEIR_LOG_INFO, "reloaded: %s", r->name);
        return true;
    }
    const weir_error *e = weir_last_error(c);
    weir_str why = e != NULL ? e->message : weir_str_from(weir_strerror(err));
    weir_log(c, WEIR_LOG_ERROR, "not reloaded, what was there stays: %s: " WEIR_STR_FMT, r->name,
             WEIR_STR_ARG(why));
    return false;
}

/* In a context of its own, so that nothing of it stays. True when it has been read. */
static bool read_again(struct weir__ctx *parent, const struct weir__reload *r)
{
    struct weir__ctx *c = weir__ctx_new(parent, weir_never(), 0, NULL);
    if (c == NULL)
        return tell(weir__ctx_handle(parent), r, -ENOMEM);
    WEIR_ASSERT(r->fn != NULL, "R1: nobody leaves the table while it is walked");
    weir_err err = weir_protect(weir__ctx_handle(c), r->fn, r->arg);
    bool is_read = tell(weir__ctx_handle(c), r, err);
    c->is_ok = is_read;
    weir__ctx_end(c);
    return is_read;
}

unsigned weir__reload_all(weir_ctx *c)
{
    unsigned count = 0, failed = 0;
    WEIR_ASSERT(weir__self != NULL && weir__self->current != NULL,
                "R2: a fiber has all read again");
    for (struct weir__reload *r = after(&all.parts); r != NULL; r = after(&r->link), count++)
        failed += !read_again(weir__ctx_of(c), r);
    if (count == 0)
        weir_log(c, WEIR_LOG_INFO, "there is nothing to reload");
    return failed;
}
