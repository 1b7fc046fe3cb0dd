/*
 * The list of what a context owns. Its own file because it is all that a resource needs to know:
 * own, disown.
 */
#include "rt/owned.h"

#include "base/assert.h"
#include "rt/runtime.h"

static void lock_if_shared(struct weir__ctx *c)
{
    if (WEIR_UNLIKELY(weir__ctx_is_shared(c)) && c->runtime != NULL)
        weir__lock_take(&c->runtime->app_lock);
}

static void unlock_if_shared(struct weir__ctx *c)
{
    if (WEIR_UNLIKELY(weir__ctx_is_shared(c)) && c->runtime != NULL)
        weir__lock_give(&c->runtime->app_lock);
}

void weir__own(struct weir__ctx *c, struct weir__owned *o, const struct weir__owned_type *type,
               const weir_site *site)
{
    WEIR_ASSERT(weir__ctx_is_shared(c) || c->worker == weir__self, "C2: its worker adds to it");
    WEIR_ASSERT(type->release != NULL, "C7: what is owned can be given back");
    o->type = type;
    o->ctx = c;
    o->site = site;
    o->since = weir__self != NULL ? weir__self->now : (weir_time){0};
    o->stack[0] = NULL;
    if (type->is_mistake != NULL) {
        size_t n = weir__stack_capture(o->stack, WEIR__STACK_DEPTH - 1);
        o->stack[n] = NULL;
    }
    lock_if_shared(c);
    weir__list_push_front(&c->owned, &o->link);
    unlock_if_shared(c);
}

void weir__disown(struct weir__owned *o)
{
    if (!weir__is_owned(o))
        return;
    WEIR_ASSERT(weir__ctx_is_shared(o->ctx) || o->ctx->worker == weir__self,
                "C2: its worker takes from it");
    lock_if_shared(o->ctx);
    weir__list_remove(&o->link);
    unlock_if_shared(o->ctx);
}

bool weir__is_always_mistake(const struct weir__owned *o)
{
    (void)o;
    return true;
}
