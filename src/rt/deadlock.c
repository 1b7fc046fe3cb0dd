/*
 * What an object that is waited for says of the trees of contexts that it meets. The hot path pays
 * nothing: a field is written where something is handed out.
 */
#include "rt/deadlock.h"

#include "base/assert.h"
#include "rt/worker.h"

bool weir__deadlock_is_in(const struct weir__fiber *f, const struct weir__ctx *top)
{
    return f->worker == weir__self && f->ctx != NULL && f->ctx->top == top;
}

static struct weir__ctx *own_top(void)
{
    const struct weir__fiber *f = weir__self->current;
    return f != NULL && f->ctx != NULL ? f->ctx->top : NULL;
}

void weir__deadlock_give_up(void)
{
    struct weir__ctx *top = own_top();
    if (top == NULL)
        return;
    WEIR_ASSERT(top->top == top, "C10: the top of a tree is its own");
    top->has_given = true;
}

void weir__deadlock_note_use(struct weir__ctx *object_top)
{
    if (WEIR_UNLIKELY(object_top != NULL && object_top != own_top()))
        object_top->has_given = true;
}
