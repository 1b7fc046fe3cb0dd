/*
 * Reports of what was left open by mistake. Each is counted by kind and place in a table of fixed
 * size, and told in a log line with the place, age, route, request and the stack that acquired it.
 *
 * A bug in a hot handler makes thousands of the same a second, and names for a stack cost
 * milliseconds: so the first of each place is told in full, and only a few more of each second; the
 * others are counted, and the next line says how many there were.
 *
 * Owns the table, for the life of the process. Limits: 256 places; mistakes at further ones count
 * in the total alone.
 */
#include <time.h>

#include "rt/log.h"
#include "rt/owned.h"
#include "rt/symbol.h"
#include "rt/worker.h"

#define SITES_MAX 256
#define LINES_A_SECOND 10

static struct {
    struct weir__lock lock;
    struct weir__leak_site sites[SITES_MAX];
    size_t site_count;
    uint64_t total;
    int64_t second; /* of the clock, for which `lines` counts */
    unsigned lines;
    uint64_t untold;
} all;

static bool same_site(const weir_site *a, const weir_site *b)
{
    if (a == b)
        return true;
    return a != NULL && b != NULL && a->line == b->line && strcmp(a->file, b->file) == 0;
}

/* The entry moves to the end: the most recent is last. True for the first of its kind and place. */
static bool count_site(const char *kind, const weir_site *site)
{
    size_t i = 0;
    while (i < all.site_count &&
           !(same_site(all.sites[i].site, site) && strcmp(all.sites[i].kind, kind) == 0))
        i++;
    if (i == SITES_MAX)
        return false;
    if (i == all.site_count)
        all.sites[all.site_count++] = (struct weir__leak_site){kind, site, 0};
    struct weir__leak_site mine = all.sites[i];
    mine.count++;
    memmove(&all.sites[i], &all.sites[i + 1], (all.site_count - i - 1) * sizeof mine);
    all.sites[all.site_count - 1] = mine;
    return mine.count == 1;
}

/* Counts it; true when it is to be told, with the number of those that were not. */
static bool count(const char *kind, const weir_site *site, uint64_t *untold)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    weir__lock_take(&all.lock);
    all.total++;
    bool is_first = count_site(kind, site);
    if (all.second != now.tv_sec) {
        all.second = now.tv_sec;
        all.lines = 0;
    }
    bool is_told = is_first || all.lines < LINES_A_SECOND;
    if (is_told) {
        all.lines++;
        *untold = all.untold;
        all.untold = 0;
    } else {
        all.untold++;
    }
    weir__lock_give(&all.lock);
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
    size_t n = all.site_count < max ? all.site_count : max;
    for (size_t i = 0; i < n; i++)
        out[i] = all.sites[all.site_count - n + i];
    weir__lock_give(&all.lock);
    return n;
}

uint64_t weir__leak_total(void)
{
    weir__lock_take(&all.lock);
    uint64_t total = all.total;
    weir__lock_give(&all.lock);
    return total;
}
