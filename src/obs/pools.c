/*
 * Collects what every pool has lent to whom, and writes it for people and for programs: who holds
 * what, for how long, since where, and what that fiber waits for now, which is what one wants to
 * know of a pool that runs dry.
 *
 * What a fiber waits for is known on its worker alone, so each worker is asked by a message; one
 * that is stuck does not answer, and its leases are shown without. Limits: 256 pools, 1,000 leases
 * a worker; the rest is counted.
 */
#include "obs/pools.h"

#include "base/alloc.h"
#include "obs/page.h"

enum { POOLS_MAX = 256, LEASES_MAX = 1000 };

/* --- collecting ------------------------------------------------------------------------------- */

static void take(const struct weir__worker *w, struct weir__worker_leases *out)
{
    if (out->leases != NULL)
        out->count = weir__lease_facts(w, out->leases, LEASES_MAX, &out->skipped);
}

/* Runs on all workers side by side: each writes what is its own. */
static void take_own(struct weir__worker *w, void *arg)
{
    const struct weir__pools *p = arg;
    take(w, &p->workers[w->index]);
    p->workers[w->index].has_answered = true;
}

static bool get_room(struct weir__pools *p)
{
    p->pools = weir__calloc(POOLS_MAX, sizeof *p->pools);
    p->workers = weir__calloc(p->worker_count, sizeof *p->workers);
    bool has_all = p->pools != NULL && p->workers != NULL;
    for (unsigned i = 0; i < p->worker_count && has_all; i++) {
        p->workers[i].leases = weir__calloc(LEASES_MAX, sizeof *p->workers[i].leases);
        has_all = p->workers[i].leases != NULL;
    }
    return has_all;
}

weir_err weir__pools_collect(struct weir__ctx *c, weir_dur patience, struct weir__pools *out)
{
    struct weir__runtime *rt = weir__self->runtime;
    *out = (struct weir__pools){.worker_count = rt->worker_count};
    if (!get_room(out))
        return -ENOMEM;
    weir_err err = weir__on_each_worker(c, take_own, out, patience);
    if (err < 0 && (err != WEIR_ETIMEDOUT || weir__ctx_check(c) < 0))
        return err;
    for (unsigned i = 0; i < rt->worker_count; i++) {
        if (!out->workers[i].has_answered)
            take(rt->workers[i], &out->workers[i]);
    }
    out->count = weir__pool_facts(out->pools, POOLS_MAX);
    return WEIR_OK;
}

void weir__pools_fini(struct weir__pools *p)
{
    for (unsigned i = 0; p->workers != NULL && i < p->worker_count; i++)
        weir__free(p->workers[i].leases);
    weir__free(p->workers);
    weir__free(p->pools);
    *p = (struct weir__pools){.count = 0};
}

static size_t depth_of(const struct weir__lease_facts *f)
{
    size_t n = 0;
    while (n < WEIR__STACK_DEPTH && f->stack[n] != NULL)
        n++;
    return n;
}

static size_t count_skipped(const struct weir__pools *p)
{
    size_t n = 0;
    for (unsigned i = 0; i < p->worker_count; i++)
        n += p->workers[i].skipped;
    return n;
}

/* --- text ------------------------------------------------------------------------------------- */

static void put_state(const struct weir__pool_facts *f, weir_buf *out)
{
    if (f->is_closing)
        weir_buf_puts(out, WEIR_S("  closed: nothing is lent any more\n"));
    if (f->stats.is_suspended) {
        weir_buf_puts(out, WEIR_S("  suspended for "));
        weir__page_seconds(out, f->suspended.ns);
        weir_buf_putc(out, '\n');
    }
    if (f->stats.is_down) {
        weir_buf_puts(out, WEIR_S("  unreachable for "));
        weir__page_seconds(out, f->down.ns);
        weir_buf_putc(out, '\n');
    }
    if (f->failures > 0) {
        weir_buf_printf(out, "  the last of %u tries to open one, ", f->failures);
        weir__page_seconds(out, f->failure_age.ns);
        weir_buf_printf(out, " ago: %s\n", f->failure);
    }
}

static void put_numbers(const struct weir__pool_facts *f, weir_buf *out)
{
    const weir_pool_stats *s = &f->stats;
    weir_buf_printf(out, "\npool %s", f->name);
    if (f->note[0] != '\0')
        weir_buf_printf(out, " (%s)", f->note);
    weir_buf_printf(out,
                    ": %llu of %llu open, %llu lent, %llu idle, %llu being opened, %llu in line\n"
                    "  %llu leases, %llu waits",
                    (unsigned long long)s->open, (unsigned long long)s->max_open,
                    (unsigned long long)s->in_use, (unsigned long long)s->idle,
                    (unsigned long long)s->dialing, (unsigned long long)s->waiting,
                    (unsigned long long)s->acquired, (unsigned long long)s->waits);
    weir_buf_printf(out, ", %llu in vain, %llu refused, %llu unreachable, %llu opened, %llu not\n",
                    (unsigned long long)s->timeouts, (unsigned long long)s->refused,
                    (unsigned long long)s->unreachable, (unsigned long long)s->opened,
                    (unsigned long long)s->open_errors);
}

static void put_lease(struct weir__names *names, struct weir__lease_facts *f, bool has_answered,
                      weir_buf *out)
{
    const struct weir__origin *o = weir__origin_kept(&f->origin);
    weir_buf_printf(out, "  %s of %s", f->kind,
                    o != NULL && o->route != NULL ? o->route : f->fiber);
    if (o != NULL && o->request_id.len > 0)
        weir_buf_printf(out, " [" WEIR_STR_FMT "]", WEIR_STR_ARG(o->request_id));
    weir_buf_puts(out, WEIR_S(" for "));
    weir__page_seconds(out, f->age.ns);
    weir__page_site(out, ", from ", f->site);
    weir_buf_printf(out, "%s; fiber %llu of worker %u ", f->is_reported ? ", too long" : "",
                    (unsigned long long)f->fiber_id, f->worker);
    if (f->is_waiting) {
        weir_buf_printf(out, "waits for %s for ", f->waits);
        weir__page_seconds(out, f->waited.ns);
    } else {
        weir_buf_puts(out, has_answered ? WEIR_S("does not wait") : WEIR_S("does not answer"));
    }
    weir_buf_putc(out, '\n');
    weir__page_stack(names, f->stack, depth_of(f), out);
}

static void put_leases(struct weir__names *names, const struct weir__pools *p, const void *pool,
                       weir_buf *out)
{
    for (unsigned i = 0; i < p->worker_count && pool != NULL; i++) {
        const struct weir__worker_leases *w = &p->workers[i];
        for (size_t n = 0; n < w->count; n++) {
            if (w->leases[n].pool == pool)
                put_lease(names, &w->leases[n], w->has_answered, out);
        }
    }
}

void weir__pools_text(const struct weir__pools *p, weir_buf *out)
{
    struct weir__names names;
    weir__names_init(&names);
    weir_buf_printf(out, "%zu pools", p->count);
    if (count_skipped(p) > 0)
        weir_buf_printf(out, ", %zu leases not listed", count_skipped(p));
    weir_buf_putc(out, '\n');
    for (size_t i = 0; i < p->count; i++) {
        put_numbers(&p->pools[i], out);
        put_state(&p->pools[i], out);
        put_leases(&names, p, p->pools[i].pool, out);
    }
    weir__names_fini(&names);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_lease(struct weir__json_writer *w, struct weir__names *names,
                       struct weir__lease_facts *f, bool has_answered)
{
    const struct weir__origin *o = weir__origin_kept(&f->origin);
    weir__json_begin_object(w);
    weir__page_json_text(w, "kind", weir_str_from(f->kind));
    weir__page_json_int(w, "age_ms", f->age.ns / 1000000);
    if (o != NULL && o->route != NULL)
        weir__page_json_text(w, "route", weir_str_from(o->route));
    if (o != NULL && o->request_id.len > 0)
        weir__page_json_text(w, "request_id", o->request_id);
    weir__page_json_int(w, "worker", f->worker);
    weir__page_json_int(w, "fiber", (int64_t)f->fiber_id);
    weir__page_json_text(w, "name", weir_str_from(f->fiber));
    weir__json_key(w, WEIR_S("reported"));
    weir__json_bool(w, f->is_reported);
    weir__json_key(w, WEIR_S("answers"));
    weir__json_bool(w, has_answered);
    if (f->is_waiting) {
        weir__page_json_text(w, "waits_for", weir_str_from(f->waits));
        weir__page_json_int(w, "waits_ms", f->waited.ns / 1000000);
    }
    weir__page_json_site(w, "site", f->site);
    weir__page_json_stack(w, names, f->stack, depth_of(f));
    weir__json_end_object(w);
}

static void json_leases(struct weir__json_writer *w, struct weir__names *names,
                        const struct weir__pools *p, const void *pool)
{
    weir__json_key(w, WEIR_S("leases"));
    weir__json_begin_array(w);
    for (unsigned i = 0; i < p->worker_count && pool != NULL; i++) {
        const struct weir__worker_leases *of = &p->workers[i];
        for (size_t n = 0; n < of->count; n++) {
            if (of->leases[n].pool == pool)
                json_lease(w, names, &of->leases[n], of->has_answered);
        }
    }
    weir__json_end_array(w);
}

static void json_numbers(struct weir__json_writer *w, const weir_pool_stats *s)
{
    const struct {
        const char *key;
        uint64_t value;
    } all[] = {
        {"max_open", s->max_open},       {"open", s->open},
        {"in_use", s->in_use},           {"idle", s->idle},
        {"dialing", s->dialing},         {"waiting", s->waiting},
        {"acquired", s->acquired},       {"waits", s->waits},
        {"timeouts", s->timeouts},       {"refused", s->refused},
        {"unreachable", s->unreachable}, {"deadlocks", s->deadlocks},
        {"leaked", s->leaked},           {"held_waits", s->held_waits},
        {"opened", s->opened},           {"open_errors", s->open_errors},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        weir__page_json_int(w, all[i].key, (int64_t)all[i].value);
}

static void json_pool(struct weir__json_writer *w, struct weir__names *names,
                      const struct weir__pools *p, const struct weir__pool_facts *f)
{
    weir__json_begin_object(w);
    weir__page_json_text(w, "name", weir_str_from(f->name));
    weir__json_key(w, WEIR_S("closed"));
    weir__json_bool(w, f->is_closing);
    if (f->note[0] != '\0')
        weir__page_json_text(w, "note", weir_str_from(f->note));
    json_numbers(w, &f->stats);
    if (f->stats.is_down)
        weir__page_json_int(w, "down_ms", f->down.ns / 1000000);
    if (f->stats.is_suspended)
        weir__page_json_int(w, "suspended_ms", f->suspended.ns / 1000000);
    if (f->failures > 0) {
        weir__page_json_int(w, "failures", f->failures);
        weir__page_json_int(w, "failure_age_ms", f->failure_age.ns / 1000000);
        weir__page_json_text(w, "failure", weir_str_from(f->failure));
    }
    json_leases(w, names, p, f->pool);
    weir__json_end_object(w);
}

void weir__pools_json(const struct weir__pools *p, weir_buf *out)
{
    struct weir__names names;
    struct weir__json_writer w;
    weir__names_init(&names);
    weir__json_writer_init_buf(&w, out);
    weir__json_begin_object(&w);
    weir__page_json_int(&w, "not_listed", (int64_t)count_skipped(p));
    weir__json_key(&w, WEIR_S("pools"));
    weir__json_begin_array(&w);
    for (size_t i = 0; i < p->count; i++)
        json_pool(&w, &names, p, &p->pools[i]);
    weir__json_end_array(&w);
    weir__json_end_object(&w);
    (void)weir__json_writer_fini_buf(&w);
    weir__names_fini(&names);
}
