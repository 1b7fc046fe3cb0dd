/*
 * Collects what every fiber does, and writes it for people and for programs.
 *
 * The hard thing is the worker that is stuck, for that is when the page is wanted most: it cannot
 * be asked, and its lists may not be looked at. So each worker is asked by a message; of those that
 * do not answer in time the page shows their counters, which are atomic, and the stack of what they
 * run, taken by a signal.
 */
#include "obs/fibers.h"

#include "base/alloc.h"
#include "obs/page.h"
#include "watch/watchdog.h"

enum { FIBERS_MAX = 20000, FACTS_BYTES_MAX = 64 << 20 };

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

/* --- text ----------------------------------------------------------------------------------- */

static void put_what(const struct weir__dump_fiber *f, weir_buf *out)
{
    weir_buf_puts(out, weir_str_from(f->route != NULL ? f->route : f->name));
    if (f->request_id.len > 0)
        weir_buf_printf(out, " [" WEIR_STR_FMT "]", WEIR_STR_ARG(f->request_id));
}

static void put_state(const struct weir__dump_fiber *f, weir_time now, weir_buf *out)
{
    weir_buf_printf(out, ", %s for ", f->state);
    weir__page_seconds(out, now.ns - f->since.ns);
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
    weir__page_site(out, ", at ", f->waits_site);
}

static void put_owned(const struct weir__dump_fiber *f, weir_time now, weir_buf *out)
{
    for (const struct weir__dump_owned *o = f->owned; o != NULL; o = o->next) {
        weir_buf_printf(out, "  holds %s " WEIR_STR_FMT " since ", o->kind,
                        WEIR_STR_ARG(o->details));
        weir__page_seconds(out, now.ns - o->since.ns);
        weir__page_site(out, ", from ", o->site);
        weir_buf_putc(out, '\n');
    }
    if (f->is_owned_cut)
        weir_buf_puts(out, WEIR_S("  holds more than is listed\n"));
}

static void put_fiber(struct weir__names *names, const struct weir__dump_fiber *f, weir_time now,
                      weir_buf *out)
{
    weir_buf_printf(out, "\nfiber %llu ", (unsigned long long)f->id);
    put_what(f, out);
    put_state(f, now, out);
    weir_buf_printf(out, "\n  runs %s", f->name);
    weir__page_site(out, ", started at ", f->site);
    weir__page_site(out, ", waits at ", f->waits_site);
    if (f->deadline.ns != weir_never().ns) {
        bool is_over = f->deadline.ns < now.ns;
        weir_buf_puts(out, is_over ? WEIR_S(", deadline passed ") : WEIR_S(", deadline in "));
        weir__page_seconds(out, is_over ? now.ns - f->deadline.ns : f->deadline.ns - now.ns);
        if (is_over)
            weir_buf_puts(out, WEIR_S(" ago"));
    }
    if (f->reason != WEIR_REASON_NONE)
        weir_buf_printf(out, ", cancelled: %s", weir_reason_name(f->reason));
    if (f->trace_id.len > 0)
        weir_buf_printf(out, ", trace " WEIR_STR_FMT, WEIR_STR_ARG(f->trace_id));
    weir_buf_putc(out, '\n');
    put_owned(f, now, out);
    weir__page_stack(names, f->stack, f->depth, out);
}

static void put_worker(struct weir__names *names, const struct weir__fibers *f, unsigned index,
                       weir_buf *out)
{
    const struct weir__worker_facts *w = &f->workers[index];
    weir_buf_printf(out, "\nworker %u: %llu fibers, %llu waiting\n", index,
                    (unsigned long long)w->fibers, (unsigned long long)w->parked);
    if (w->has_answered)
        return;
    weir_buf_puts(out, WEIR_S("  does not answer: it is stuck in one fiber since "));
    weir__page_seconds(out, w->busy_ns);
    weir_buf_puts(out, WEIR_S("; its fibers cannot be listed. It runs:\n"));
    weir__page_stack(names, w->stack, w->depth, out);
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
    struct weir__names names;
    weir__names_init(&names);
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
    weir__names_fini(&names);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static void json_owned(struct weir__json_writer *w, const struct weir__dump_fiber *f, weir_time now)
{
    weir__json_key(w, WEIR_S("holds"));
    weir__json_begin_array(w);
    for (const struct weir__dump_owned *o = f->owned; o != NULL; o = o->next) {
        weir__json_begin_object(w);
        weir__page_json_text(w, "kind", weir_str_from(o->kind));
        weir__page_json_text(w, "details", o->details);
        weir__page_json_int(w, "age_ms", (now.ns - o->since.ns) / 1000000);
        weir__page_json_site(w, "site", o->site);
        weir__json_end_object(w);
    }
    weir__json_end_array(w);
}

static void json_fiber(struct weir__json_writer *w, struct weir__names *names,
                       const struct weir__dump_fiber *f, weir_time now)
{
    weir__json_begin_object(w);
    weir__page_json_int(w, "id", (int64_t)f->id);
    weir__page_json_int(w, "worker", f->worker);
    weir__page_json_text(w, "name", weir_str_from(f->name));
    weir__page_json_text(w, "state", weir_str_from(f->state));
    weir__page_json_int(w, "since_ms", (now.ns - f->since.ns) / 1000000);
    if (f->route != NULL)
        weir__page_json_text(w, "route", weir_str_from(f->route));
    if (f->request_id.len > 0)
        weir__page_json_text(w, "request_id", f->request_id);
    if (f->trace_id.len > 0)
        weir__page_json_text(w, "trace_id", f->trace_id);
    if (f->waits_for != NULL) {
        weir__page_json_text(w, "waits_for", weir_str_from(f->waits_for));
        weir__page_json_text(w, "waits_details", f->waits_details);
    }
    weir__page_json_site(w, "started_at", f->site);
    weir__page_json_site(w, "waits_at", f->waits_site);
    if (f->deadline.ns != weir_never().ns)
        weir__page_json_int(w, "deadline_ms", (f->deadline.ns - now.ns) / 1000000);
    if (f->reason != WEIR_REASON_NONE)
        weir__page_json_text(w, "cancelled", weir_str_from(weir_reason_name(f->reason)));
    weir__page_json_int(w, "stack_bytes_max", f->stack_used_max);
    json_owned(w, f, now);
    weir__page_json_stack(w, names, f->stack, f->depth);
    weir__json_end_object(w);
}

static void json_worker(struct weir__json_writer *w, struct weir__names *names,
                        const struct weir__worker_facts *facts, unsigned index)
{
    weir__json_begin_object(w);
    weir__page_json_int(w, "worker", index);
    weir__json_key(w, WEIR_S("answers"));
    weir__json_bool(w, facts->has_answered);
    weir__page_json_int(w, "fibers", (int64_t)facts->fibers);
    weir__page_json_int(w, "waiting", (int64_t)facts->parked);
    weir__page_json_int(w, "busy_ms", facts->busy_ns / 1000000);
    if (!facts->has_answered)
        weir__page_json_stack(w, names, facts->stack, facts->depth);
    weir__json_end_object(w);
}

void weir__fibers_json(const struct weir__fibers *f, weir_buf *out)
{
    struct weir__names names;
    struct weir__json_writer w;
    weir__names_init(&names);
    weir__json_writer_init_buf(&w, out);
    weir__json_begin_object(&w);
    weir__page_json_int(&w, "not_listed", (int64_t)count_skipped(f));
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
    weir__names_fini(&names);
}
