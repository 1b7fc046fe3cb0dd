/*
 * Collects what every fiber does, and writes it for people and for programs.
 *
 * The hard thing is the worker that is stuck, for that is when the page is wanted most: it cannot
 * be asked, and its lists may not be looked at. So each worker is asked by a message; of those that
 * do not answer in time the page shows their counters, which are atomic, and the stack of what they
 * run, taken by a signal.
 *
 * Function names are found after the workers were let go, each address once.
 */
#include "obs/fibers.h"

#include "base/alloc.h"
#include "base/json_encode.h"
#include "base/map.h"
#include "os/symbol.h"
#include "watch/watchdog.h"

enum {
    FIBERS_MAX = 20000,
    FACTS_BYTES_MAX = 64 << 20,
    NAMES_MAX = 65536,
    NAME_BYTES_MAX = 512,
};

/* --- collecting ----------------------------------------------------------------------------- */

/* Runs on all workers side by side: each writes what is its own. */
static void take_facts(struct weir__worker *w, void *arg)
{
    const struct weir__fibers *f = arg;
    weir__dump_fibers(w, &f->workers[w->index].dump);
    f->workers[w->index].has_answered = true;
}

static void take_counters(struct weir__worker *w, weir_time now, struct weir__worker_facts *out)
{
    out->fibers = atomic_load_explicit(&w->stats.fibers, memory_order_relaxed);
    out->parked = atomic_load_explicit(&w->stats.fibers_parked, memory_order_relaxed);
    out->switches = atomic_load_explicit(&w->stats.switches, memory_order_relaxed);
    int64_t since = atomic_load_explicit(&w->stats.busy_since_ns, memory_order_relaxed);
    out->busy_ns = since != 0 && now.ns > since ? now.ns - since : 0;
}

weir_err weir__fibers_collect(struct weir__ctx *c, weir_dur patience, struct weir__fibers *out)
{
    struct weir__runtime *rt = weir__self->runtime;
    *out = (struct weir__fibers){.worker_count = rt->worker_count};
    out->workers = weir__calloc(rt->worker_count, sizeof *out->workers);
    if (out->workers == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < rt->worker_count; i++)
        weir__dump_init(&out->workers[i].dump, FIBERS_MAX, FACTS_BYTES_MAX);
    weir_err err = weir__on_each_worker(c, take_facts, out, patience);
    if (err < 0 && (err != WEIR_ETIMEDOUT || weir__ctx_check(c) < 0))
        return err;
    out->now = weir__worker_now(weir__self);
    for (unsigned i = 0; i < rt->worker_count; i++) {
        struct weir__worker_facts *facts = &out->workers[i];
        take_counters(rt->workers[i], out->now, facts);
        if (!facts->has_answered)
            facts->depth = weir__worker_running_stack(rt->workers[i], facts->stack,
                                                      WEIR__STUCK_STACK_DEPTH, patience);
    }
    return WEIR_OK;
}

void weir__fibers_fini(struct weir__fibers *f)
{
    for (unsigned i = 0; f->workers != NULL && i < f->worker_count; i++)
        weir__dump_fini(&f->workers[i].dump);
    weir__free(f->workers);
    f->workers = NULL;
}

/* --- names of functions, each looked up once ------------------------------------------------ */

struct names {
    struct weir__map map; /* key: the address' bytes; value: a weir_str in the arena */
    struct weir__arena arena;
};

static void names_init(struct names *n)
{
    weir__map_init(&n->map, NAMES_MAX);
    weir__arena_init(&n->arena, NULL, 0, FACTS_BYTES_MAX);
}

static void names_fini(struct names *n)
{
    weir__map_fini(&n->map);
    weir__arena_fini(&n->arena);
}

/* The name of the code at `*pc`; "?" when there is no memory for it. */
static weir_str name_of(struct names *n, void *const *pc)
{
    const weir_str key = {(const char *)pc, sizeof *pc};
    const weir_str *known = weir__map_get(&n->map, key);
    if (known != NULL)
        return *known;
    char text[NAME_BYTES_MAX];
    weir_buf b;
    weir_buf_init_fixed(&b, text, sizeof text);
    weir__symbolise(*pc, &b);
    weir_str *name = weir__arena_alloc(&n->arena, sizeof *name);
    if (name == NULL)
        return WEIR_S("?");
    *name = weir__arena_str(&n->arena, weir_buf_str(&b));
    weir_str found = *name;
    if (weir__map_put(&n->map, key, name) < 0)
        return found; /* too many: looked up again the next time */
    return found;
}

/* --- text ----------------------------------------------------------------------------------- */

/* "1.204 s" */
static void put_seconds(weir_buf *out, int64_t ns)
{
    int64_t ms = ns / 1000000;
    weir_buf_printf(out, "%lld.%03lld s", (long long)(ms / 1000), (long long)(ms % 1000));
}

static void put_site(weir_buf *out, const char *before, const weir_site *site)
{
    if (site != NULL)
        weir_buf_printf(out, "%s%s:%d (%s)", before, site->file, site->line, site->func);
}

static void put_what(const struct weir__dump_fiber *f, weir_buf *out)
{
    weir_buf_puts(out, weir_str_from(f->route != NULL ? f->route : f->name));
    if (f->request_id.len > 0)
        weir_buf_printf(out, " [" WEIR_STR_FMT "]", WEIR_STR_ARG(f->request_id));
}

static void put_state(const struct weir__dump_fiber *f, weir_time now, weir_buf *out)
{
    weir_buf_printf(out, ", %s for ", f->state);
    put_seconds(out, now.ns - f->since.ns);
    if (f->waits_for == NULL)
        return;
    weir_buf_printf(out, ": %s", f->waits_for);
    if (f->waits_details.len > 0)
        weir_buf_printf(out, " " WEIR_STR_FMT, WEIR_STR_ARG(f->waits_details));
}

void weir__fiber_line(const struct weir__dump_fiber *f, weir_time now, weir_buf *out)
{
    put_what(f, out);
    put_state(f, now, out);
    put_site(out, ", at ", f->waits_site);
}

static void put_stack(struct names *names, void *const *stack, size_t depth, weir_buf *out)
{
    for (size_t i = 0; i < depth; i++)
        weir_buf_printf(out, "    " WEIR_STR_FMT "\n", WEIR_STR_ARG(name_of(names, &stack[i])));
}

static void put_owned(const struct weir__dump_fiber *f, weir_time now, weir_buf *out)
{
    for (const struct weir__dump_owned *o = f->owned; o != NULL; o = o->next) {
        weir_buf_printf(out, "  holds %s " WEIR_STR_FMT " since ", o->kind,
                        WEIR_STR_ARG(o->details));
        put_seconds(out, now.ns - o->since.ns);
        put_site(out, ", from ", o->site);
        weir_buf_putc(out, '\n');
    }
    if (f->is_owned_cut)
        weir_buf_puts(out, WEIR_S("  holds more than is listed\n"));
}

static void put_fiber(struct names *names, const struct weir__dump_fiber *f, weir_time now,
                      weir_buf *out)
{
    weir_buf_printf(out, "\nfiber %llu ", (unsigned long long)f->id);
    put_what(f, out);
    put_state(f, now, out);
    weir_buf_printf(out, "\n  runs %s", f->name);
    put_site(out, ", started at ", f->site);
    put_site(out, ", waits at ", f->waits_site);
    if (f->deadline.ns != weir_never().ns) {
        bool is_over = f->deadline.ns < now.ns;
        weir_buf_puts(out, is_over ? WEIR_S(", deadline passed ") : WEIR_S(", deadline in "));
        put_seconds(out, is_over ? now.ns - f->deadline.ns : f->deadline.ns - now.ns);
        if (is_over)
            weir_buf_puts(out, WEIR_S(" ago"));
    }
    if (f->reason != WEIR_REASON_NONE)
        weir_buf_printf(out, ", cancelled: %s", weir_reason_name(f->reason));
    if (f->trace_id.len > 0)
        weir_buf_printf(out, ", trace " WEIR_STR_FMT, WEIR_STR_ARG(f->trace_id));
    weir_buf_putc(out, '\n');
    put_owned(f, now, out);
    put_stack(names, f->stack, f->depth, out);
}

static void put_worker(struct names *names, const struct weir__fibers *f, unsigned index,
                       weir_buf *out)
{
    const struct weir__worker_facts *w = &f->workers[index];
    weir_buf_printf(out, "\nworker %u: %llu fibers, %llu waiting\n", index,
                    (unsigned long long)w->fibers, (unsigned long long)w->parked);
    if (w->has_answered)
        return;
    weir_buf_puts(out, WEIR_S("  does not answer: it is stuck in one fiber since "));
    put_seconds(out, w->busy_ns);
    weir_buf_puts(out, WEIR_S("; its fibers cannot be listed. It runs:\n"));
    put_stack(names, w->stack, w->depth, out);
}

static size_t count_skipped(const struct weir__fibers *f)
{
    size_t n = 0;
    for (unsigned i = 0; i < f->worker_count; i++)
        n += f->workers[i].dump.skipped;
    return n;
}

void weir__fibers_text(const struct weir__fibers *f, weir_buf *out)
{
    struct names names;
    names_init(&names);
    uint64_t count = 0;
    for (unsigned i = 0; i < f->worker_count; i++)
        count += f->workers[i].fibers;
    weir_buf_printf(out, "%llu fibers on %u workers", (unsigned long long)count, f->worker_count);
    if (count_skipped(f) > 0)
        weir_buf_printf(out, ", %zu not listed", count_skipped(f));
    weir_buf_putc(out, '\n');
    for (unsigned i = 0; i < f->worker_count; i++) {
        put_worker(&names, f, i, out);
        const struct weir__dump_fiber *at = f->workers[i].dump.first;
        for (; at != NULL; at = at->next)
            put_fiber(&names, at, f->now, out);
    }
    names_fini(&names);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static void json_text(struct weir__json_writer *w, const char *key, weir_str value)
{
    weir__json_key(w, weir_str_from(key));
    weir__json_string(w, value);
}

static void json_int(struct weir__json_writer *w, const char *key, int64_t value)
{
    weir__json_key(w, weir_str_from(key));
    weir__json_int(w, value);
}

static void json_site(struct weir__json_writer *w, const char *key, const weir_site *site)
{
    if (site == NULL)
        return;
    char text[512];
    weir_buf b;
    weir_buf_init_fixed(&b, text, sizeof text);
    weir_buf_printf(&b, "%s:%d", site->file, site->line);
    json_text(w, key, weir_buf_str(&b));
}

static void json_stack(struct weir__json_writer *w, struct names *names, void *const *stack,
                       size_t depth)
{
    weir__json_key(w, WEIR_S("stack"));
    weir__json_begin_array(w);
    for (size_t i = 0; i < depth; i++)
        weir__json_string(w, name_of(names, &stack[i]));
    weir__json_end_array(w);
}

static void json_owned(struct weir__json_writer *w, const struct weir__dump_fiber *f, weir_time now)
{
    weir__json_key(w, WEIR_S("holds"));
    weir__json_begin_array(w);
    for (const struct weir__dump_owned *o = f->owned; o != NULL; o = o->next) {
        weir__json_begin_object(w);
        json_text(w, "kind", weir_str_from(o->kind));
        json_text(w, "details", o->details);
        json_int(w, "age_ms", (now.ns - o->since.ns) / 1000000);
        json_site(w, "site", o->site);
        weir__json_end_object(w);
    }
    weir__json_end_array(w);
}

static void json_fiber(struct weir__json_writer *w, struct names *names,
                       const struct weir__dump_fiber *f, weir_time now)
{
    weir__json_begin_object(w);
    json_int(w, "id", (int64_t)f->id);
    json_int(w, "worker", f->worker);
    json_text(w, "name", weir_str_from(f->name));
    json_text(w, "state", weir_str_from(f->state));
    json_int(w, "since_ms", (now.ns - f->since.ns) / 1000000);
    if (f->route != NULL)
        json_text(w, "route", weir_str_from(f->route));
    if (f->request_id.len > 0)
        json_text(w, "request_id", f->request_id);
    if (f->trace_id.len > 0)
        json_text(w, "trace_id", f->trace_id);
    if (f->waits_for != NULL) {
        json_text(w, "waits_for", weir_str_from(f->waits_for));
        json_text(w, "waits_details", f->waits_details);
    }
    json_site(w, "started_at", f->site);
    json_site(w, "waits_at", f->waits_site);
    if (f->deadline.ns != weir_never().ns)
        json_int(w, "deadline_ms", (f->deadline.ns - now.ns) / 1000000);
    if (f->reason != WEIR_REASON_NONE)
        json_text(w, "cancelled", weir_str_from(weir_reason_name(f->reason)));
    json_int(w, "stack_bytes_max", f->stack_used_max);
    json_owned(w, f, now);
    json_stack(w, names, f->stack, f->depth);
    weir__json_end_object(w);
}

static void json_worker(struct weir__json_writer *w, struct names *names,
                        const struct weir__worker_facts *facts, unsigned index)
{
    weir__json_begin_object(w);
    json_int(w, "worker", index);
    weir__json_key(w, WEIR_S("answers"));
    weir__json_bool(w, facts->has_answered);
    json_int(w, "fibers", (int64_t)facts->fibers);
    json_int(w, "waiting", (int64_t)facts->parked);
    json_int(w, "busy_ms", facts->busy_ns / 1000000);
    if (!facts->has_answered)
        json_stack(w, names, facts->stack, facts->depth);
    weir__json_end_object(w);
}

void weir__fibers_json(const struct weir__fibers *f, weir_buf *out)
{
    struct names names;
    struct weir__json_writer w;
    names_init(&names);
    weir__json_writer_init_buf(&w, out);
    weir__json_begin_object(&w);
    json_int(&w, "not_listed", (int64_t)count_skipped(f));
    weir__json_key(&w, WEIR_S("workers"));
    weir__json_begin_array(&w);
    for (unsigned i = 0; i < f->worker_count; i++)
        json_worker(&w, &names, &f->workers[i], i);
    weir__json_end_array(&w);
    weir__json_key(&w, WEIR_S("fibers"));
    weir__json_begin_array(&w);
    for (unsigned i = 0; i < f->worker_count; i++) {
        const struct weir__dump_fiber *at = f->workers[i].dump.first;
        for (; at != NULL; at = at->next)
            json_fiber(&w, &names, at, f->now);
    }
    weir__json_end_array(&w);
    weir__json_end_object(&w);
    (void)weir__json_writer_fini_buf(&w);
    names_fini(&names);
}
