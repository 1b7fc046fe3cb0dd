/*
 * Reports of what was left open by mistake: a log line with the place, age, route, request and the
 * stack that acquired it. And of waits without an end, with the stack that waits.
 */
#include "watch/leak_tell.h"

#include "rt/log_stack.h"
#include "rt/owned.h"
#include "rt/worker.h"

void weir__leak_tell(const struct weir__owned *o, const char *what, uint64_t untold)
{
    char bytes[512];
    struct weir__log_line l;
    weir_buf text;
    if (!weir__log_wants(WEIR_LOG_WARN))
        return;
    weir_buf_init_fixed(&text, bytes, sizeof bytes);
    weir_buf_puts(&text, weir_str_from(o->type->name));
    if (o->type->describe != NULL) {
        weir_buf_puts(&text, WEIR_S(" "));
        o->type->describe(o, &text);
    }
    weir_buf_printf(&text, " %s", what);
    weir__log_begin(&l, WEIR_LOG_WARN, weir_buf_str(&text), o->site, o->ctx);
    weir__log_str(&l, "kind", weir_str_from(o->type->name));
    if (o->site != NULL)
        weir__log_str(&l, "func", weir_str_from(o->site->func));
    if (weir__self != NULL)
        weir__log_int(&l, "age_ms", weir_time_sub(weir__self->now, o->since).ns / 1000000);
    if (untold > 0)
        weir__log_int(&l, "others_not_told", (int64_t)untold);
    if (o->stack[0] != NULL)
        weir__log_stack(&l, weir__symbolise, o->stack, WEIR__STACK_DEPTH, false);
    weir__log_end(&l);
}

void weir__leak_tell_wait(const struct weir__wait *w, uint64_t untold)
{
    char bytes[512];
    void *stack[WEIR__STACK_DEPTH];
    struct weir__log_line l;
    weir_buf text;
    if (!weir__log_wants(WEIR_LOG_WARN))
        return;
    weir_buf_init_fixed(&text, bytes, sizeof bytes);
    weir_buf_printf(&text, "%s waits without a deadline, on ", w->type->name);
    w->type->describe(w, &text);
    weir_buf_puts(&text, WEIR_S(": give its context one, or weir_select with a timeout"));
    weir__log_begin(&l, WEIR_LOG_WARN, weir_buf_str(&text), w->type->made(w), w->ctx);
    weir__log_str(&l, "kind", weir_str_from(w->type->name));
    weir__log_int(&l, "age_ms", weir_time_sub(weir__self->now, w->since).ns / 1000000);
    if (untold > 0)
        weir__log_int(&l, "others_not_told", (int64_t)untold);
    size_t depth = weir__fiber_stack(w->fiber, stack, WEIR__STACK_DEPTH);
    weir__log_stack(&l, weir__symbolise, stack, depth, false);
    weir__log_end(&l);
}
