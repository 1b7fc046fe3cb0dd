/*
 * Reports of what was left open by mistake. Each is counted by kind and place in a table of fixed
 * size, and told in a log line with the place, age, route, request and the stack that acquired it.
 *
 * The first of each place is told in full, and only a few more of each second (places.h); the
 * others are counted, and the next line says how many there were.
 */
#include "rt/log.h"
#include "rt/owned.h"
#include "rt/places.h"
#include "rt/symbol.h"
#include "rt/worker.h"

static struct weir__places all;

/* Counts it; true when it is to be told. */
static bool count(const char *kind, const weir_site *site, uint64_t *untold)
{
    struct weir__untold u = {0};
    bool is_told = weir__places_count(&all, kind, site, NULL, &u);
    *untold = u.elsewhere;
    return is_told;
}

static void add_stack(struct weir__log_line *l, void *const *stack, size_t depth)
{
    char bytes[2048];
    weir_buf text;
    weir_buf_init_fixed(&text, bytes, sizeof bytes);
    for (size_t i = 0; i < depth && stack[i] != NULL; i++) {
        if (i > 0)
            weir_buf_puts(&text, WEIR_S(" < "));
        weir__symbolise(stack[i], &text);
    }
    weir__log_str(l, "stack", weir_buf_str(&text));
}

static void tell(const struct weir__owned *o, const char *what, uint64_t untold)
{
    char bytes[512];
    struct weir__log_line l;
    weir_buf text;
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
        add_stack(&l, o->stack, WEIR__STACK_DEPTH);
    weir__log_end(&l);
}

void weir__report_leak(const struct weir__owned *o, const char *what)
{
    uint64_t untold = 0;
    if (count(o->type->name, o->site, &untold) && weir__log_wants(WEIR_LOG_WARN))
        tell(o, what, untold);
}

/* --- waits without an end ------------------------------------------------------------------- */

void weir__report_wait(const struct weir__wait *w)
{
    char bytes[512];
    void *stack[WEIR__STACK_DEPTH];
    struct weir__log_line l;
    weir_buf text;
    uint64_t untold = 0;
    const weir_site *made = w->type->made(w);
    if (!count(w->type->name, made, &untold) || !weir__log_wants(WEIR_LOG_WARN))
        return;
    weir_buf_init_fixed(&text, bytes, sizeof bytes);
    weir_buf_printf(&text, "%s waits without a deadline, on ", w->type->name);
    w->type->describe(w, &text);
    weir_buf_puts(&text, WEIR_S(": give its context one, or weir_select with a timeout"));
    weir__log_begin(&l, WEIR_LOG_WARN, weir_buf_str(&text), made, w->ctx);
    weir__log_str(&l, "kind", weir_str_from(w->type->name));
    weir__log_int(&l, "age_ms", weir_time_sub(weir__self->now, w->since).ns / 1000000);
    if (untold > 0)
        weir__log_int(&l, "others_not_told", (int64_t)untold);
    add_stack(&l, stack, weir__fiber_stack(w->fiber, stack, WEIR__STACK_DEPTH));
    weir__log_end(&l);
}

/* --- counts --------------------------------------------------------------------------------- */

size_t weir__leak_sites(struct weir__leak_site *out, size_t max)
{
    weir__lock_take(&all.lock);
    size_t n = all.place_count < max ? all.place_count : max;
    for (size_t i = 0; i < n; i++) {
        const struct weir__place *p = &all.places[all.place_count - n + i];
        out[i] = (struct weir__leak_site){p->kind, p->site, p->count};
    }
    weir__lock_give(&all.lock);
    return n;
}

uint64_t weir__leak_total(void)
{
    return weir__places_total(&all, NULL);
}
