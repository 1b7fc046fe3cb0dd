/*
 * A gate: start and drain are steps on different workers that wait for each other. Once open it
 * stays open, so it makes no difference who comes first. A waiter is woken under the gate's lock,
 * so that one who gives up at the same moment finds itself off the list and waits for the wake that
 * is on its way.
 */
#include "app/gate.h"

#include "rt/context.h"

void weir__gate_init(struct weir__gate *g, const char *name)
{
    weir__lock_init(&g->lock);
    weir__list_init(&g->waiters);
    g->is_open = false;
    g->name = name;
}

void weir__gate_open(struct weir__gate *g)
{
    weir__lock_take(&g->lock);
    g->is_open = true;
    while (weir__wake_first(&g->waiters, WEIR_OK))
        ;
    weir__lock_give(&g->lock);
}

static bool abandon(struct weir__wait *w)
{
    struct weir__gate *g = w->object;
    weir__lock_take(&g->lock);
    bool is_ours = !weir__list_empty(&w->in_object);
    weir__list_remove(&w->in_object);
    weir__lock_give(&g->lock);
    return is_ours;
}

static void describe(const struct weir__wait *w, weir_buf *out)
{
    const struct weir__gate *g = w->object;
    weir_buf_puts(out, weir_str_from(g->name));
}

weir_err weir__gate_wait(struct weir__ctx *c, struct weir__gate *g, weir_time until)
{
    static const struct weir__wait_type type = {
        .name = "gate", .abandon = abandon, .describe = describe};
    weir_err err = weir__ctx_check(c);
    if (err < 0)
        return err;
    struct weir__wait wait;
    weir__wait_init(&wait, &type, c, NULL, g);
    weir__lock_take(&g->lock);
    bool is_open = g->is_open;
    if (!is_open)
        weir__list_push_back(&g->waiters, &wait.in_object);
    weir__lock_give(&g->lock);
    return is_open ? WEIR_OK : weir__park(&wait, until);
}
