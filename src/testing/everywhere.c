/*
 * Running a plan everywhere: once without a fault, then once for each wait, allocation, system call
 * and limit that there is, until there is no further one; then in other orders. Every run is a
 * service of its own from its start to its end, so that a run is the same whether it comes after a
 * thousand others or alone, and so that the heap can be compared byte for byte.
 *
 * The hard thing is a byte that was taken for ever and is no leak: a table that is made once a
 * process, on a way that the first run did not take; or one that the C library counts although it
 * lies in a cache of the thread. So what has grown is only believed when the same run lets it grow
 * again and again.
 */
#include "testing/fault.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/heap.h"
#include "os/symbol.h"
#include "rt/fault.h"
#include "rt/panic.h"
#include "rt/sized.h"

enum {
    RUNS_MAX = 1000,
    RANDOM_RUNS = 20,
    TOLD_MAX = 5,
    NAME_BYTES = 128,
    RUN_SECONDS = 30,
    REPEATS = 10
};

struct everywhere {
    const weir_test_plan *plan;
    char name[NAME_BYTES];
    unsigned runs_max;
    bool shows_log; /* a run that is replayed is looked at */
    weir_test_report report;
    weir_buf text;
};

static char report_bytes[64 << 10];

/* --- the last words of a process that dies in a run --------------------------------------- */

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static struct {
    const struct everywhere *e;
    const struct weir__fault *fault; /* a call's error is known only when it has been made */
} dying;

static void say_last_words(void)
{
    char bytes[NAME_BYTES + 256];
    weir_buf text;
    if (dying.e == NULL)
        return;
    weir_buf_init_fixed(&text, bytes, sizeof bytes);
    weir_buf_printf(
        &text, "weir_test_everywhere: the process dies with WEIR_TEST_REPLAY='%s: ", dying.e->name);
    weir__fault_print(dying.fault, &text);
    weir_buf_puts(&text, WEIR_S("'\n"));
    (void)!write(2, bytes, text.len);
}

static void on_abort(int sig)
{
    say_last_words();
    signal(sig, SIG_DFL);
}

/* --- one run ------------------------------------------------------------------------------ */

/* `run` in its fiber: the fault lies in wait from here on. */
struct armed_run {
    const weir_test_plan *plan;
    struct weir__fault *fault;
    weir_test *test;
};

static weir_err run_armed(weir_ctx *c, void *arg)
{
    struct armed_run *r = arg;
    weir__fault_arm(r->fault, r->test);
    return r->plan->run(c, r->plan->arg);
}

struct look {
    const weir_test_plan *plan;
    const weir_test_reply *reply;
};

static weir_err look_afterwards(weir_ctx *c, void *arg)
{
    const struct look *l = arg;
    return l->plan->after(c, l->reply, l->plan->arg);
}

static void complain_with_log(weir_test *t, weir_buf *out, const char *what, weir_err err)
{
    const char *log = weir_test_log(t), *at = log + strlen(log);
    weir_buf_printf(out, "%s: %s\n", what, weir_strerror(err));
    if (at > log)
        at--;
    while (at > log && at[-1] != '\n')
        at--;
    weir_buf_puts(out, weir_str_from(at));
}

/* What a client may be told when it is not the client who has failed. */
static bool is_status_allowed(const struct everywhere *e, int status)
{
    return status == e->report.status || status >= 500 || status == 408;
}

static void check_reply(const struct everywhere *e, const struct weir__ask *ask,
                        const weir_test_reply *r, bool is_clean, weir_buf *out)
{
    if (ask->reply->mistake != NULL)
        weir_buf_printf(out, "%s\n", ask->reply->mistake);
    else if (is_clean && !r->is_whole)
        weir_buf_puts(out, WEIR_S("there is no whole response although nothing failed\n"));
    else if (!r->is_whole && !ask->reply->is_over && !ask->is_reset)
        weir_buf_puts(out, WEIR_S("no whole response, and the connection was not cut\n"));
    else if (!is_clean && r->is_whole && !is_status_allowed(e, r->status))
        weir_buf_printf(out, "answered %d, and %d when nothing failed: this blames the client\n",
                        r->status, e->report.status);
}

static void ask_or_run(struct everywhere *e, weir_test *t, struct weir__fault *f,
                       weir_test_reply *reply, weir_buf *out)
{
    const weir_test_plan *plan = e->plan;
    struct weir__test_counts before;
    struct weir__ask ask = {.sent = 0};
    weir__test_count(t, &before);
    if (plan->leaves_open)
        before.reports = UINT64_MAX;
    if (plan->run != NULL) {
        (void)weir__test_run_until(t, run_armed, &(struct armed_run){plan, f, t},
                                   weir_time_add(weir__worker_now(t->w), weir_sec(RUN_SECONDS)));
    } else {
        weir__ask_begin(t, &ask, plan->method, plan->target, &plan->with);
        weir__fault_arm(f, t);
        *reply = weir__ask_end(t, &ask, plan->with.gone_after);
    }
    weir__test_list_leaks(t, &before, out);
    weir__fault_disarm(t);
    if (plan->run == NULL)
        check_reply(e, &ask, reply, f->kind == WEIR__FAULT_NONE, out);
}

/* A whole life of the service, with one fault in it. What is wrong is appended to `out`. */
static void run_once(struct everywhere *e, struct weir__fault *f, weir_buf *out)
{
    const weir_test_plan *plan = e->plan;
    weir_test_reply reply = {.status = 0};
    dying.e = e;
    dying.fault = f;
    weir_test *t = weir_test_open(plan->app != NULL ? plan->app(plan->arg) : NULL);
    weir_err err = WEIR_OK;
    if (weir_test_error(t)[0] == '\0' && plan->before != NULL)
        err = weir_test_run(t, plan->before, plan->arg);
    if (err < 0)
        complain_with_log(t, out, "before the request", err);
    weir_test_advance(t, weir_ms(100)); /* for what start and `before` have begun */
    if (weir_test_error(t)[0] == '\0' && err >= 0) {
        ask_or_run(e, t, f, &reply, out);
        struct look look = {plan, plan->run == NULL ? &reply : NULL};
        err = plan->after != NULL ? weir_test_run(t, look_afterwards, &look) : WEIR_OK;
        if (err < 0)
            complain_with_log(t, out, "afterwards", err);
    }
    if (f->kind == WEIR__FAULT_NONE && plan->run == NULL)
        e->report.status = reply.status;
    if (e->shows_log)
        fprintf(stderr, "%s", weir_test_log(t));
    weir_buf_puts(out, weir_str_from(weir_test_close(t)));
    weir__symbols_forget();
    dying.e = NULL;
}

/* How much the heap has grown by it. */
static int64_t run_measured(struct everywhere *e, struct weir__fault *f, weir_buf *out)
{
    int64_t before = weir__heap_of_thread();
    run_once(e, f, out);
    return weir__heap_of_thread() - before;
}

static void report_failure(struct everywhere *e, const struct weir__fault *f, weir_str what)
{
    weir_buf *text = &e->text;
    if (e->report.failures++ >= TOLD_MAX)
        return;
    weir_buf_printf(text, "WEIR_TEST_REPLAY='%s: ", e->name);
    weir__fault_print(f, text);
    weir_buf_puts(text, WEIR_S("'\n"));
    for (const char *line = what.ptr, *end; line < what.ptr + what.len; line = end + 1) {
        end = memchr(line, '\n', (size_t)(what.ptr + what.len - line));
        if (end == NULL)
            end = what.ptr + what.len;
        weir_buf_printf(text, "    %.*s\n", (int)(end - line), line);
    }
    weir__fault_tell_where(f, text);
    weir__symbols_forget();
}

/* True when the fault found what it was to hit. */
static bool try_fault(struct everywhere *e, struct weir__fault *f)
{
    char bytes[8 << 10];
    weir_buf wrong;
    weir_buf_init_fixed(&wrong, bytes, sizeof bytes);
    const struct weir__fault again = *f;
    int64_t grown = run_measured(e, f, &wrong);
    for (int i = 0; grown > 0 && i < REPEATS; i++) {
        struct weir__fault repeated = again;
        char unread_bytes[8 << 10];
        weir_buf unread;
        weir_buf_init_fixed(&unread, unread_bytes, sizeof unread_bytes);
        grown = run_measured(e, &repeated, &unread);
    }
    if (grown > 0)
        weir_buf_printf(&wrong, "%lld bytes of the heap are not given back\n", (long long)grown);
    if (wrong.len > 0)
        report_failure(e, f, weir_buf_str(&wrong));
    return f->has_hit;
}

/* --- all of them -------------------------------------------------------------------------- */

/* The n-th of a kind, for all n; past runs_max only a growing few. */
static unsigned try_each(struct everywhere *e, enum weir__fault_kind kind)
{
    unsigned runs = 0;
    uint64_t step = 1;
    for (uint64_t n = 1;; n += step) {
        struct weir__fault f = {.kind = kind, .nth = n};
        if (!try_fault(e, &f))
            return runs;
        if (++runs >= e->runs_max) {
            step *= 2;
            e->report.skipped += (unsigned)step - 1;
        }
    }
}

static unsigned try_calls(struct everywhere *e)
{
    unsigned runs = 0;
    uint64_t step = 1;
    for (uint64_t n = 1;; n += step) {
        struct weir__fault f = {.kind = WEIR__FAULT_CALL, .nth = n};
        do {
            f.err = 0;
            if (!try_fault(e, &f))
                return runs;
            runs += f.err != 0;
            f.which++;
        } while (!f.is_last_error);
        if (runs >= e->runs_max) {
            step *= 2;
            e->report.skipped += (unsigned)step - 1;
        }
    }
}

static unsigned try_orders(struct everywhere *e)
{
    struct weir__fault f = {.kind = WEIR__FAULT_ORDER};
    unsigned runs = 0;
    bool has_more = true;
    (void)try_fault(e, &f); /* the usual order, to learn what choices there are */
    while (runs < e->runs_max / 4 && (has_more = weir__fault_next_order(&f))) {
        (void)try_fault(e, &f);
        runs++;
    }
    for (unsigned i = 0; has_more && i < RANDOM_RUNS; i++, runs++) {
        f = (struct weir__fault){.kind = WEIR__FAULT_RANDOM, .nth = e->plan->seed + i + 1};
        (void)try_fault(e, &f);
    }
    return runs;
}

static bool try_clean(struct everywhere *e)
{
    char bytes[8 << 10];
    weir_buf unread;
    struct weir__fault none = {.kind = WEIR__FAULT_NONE};
    weir_buf_init_fixed(&unread, bytes, sizeof bytes);
    run_once(e, &none, &unread); /* what is made once a process is made now */
    (void)try_fault(e, &none);
    return e->report.failures == 0;
}

static void try_all(struct everywhere *e)
{
    if (!try_clean(e))
        return;
    weir_test_report *r = &e->report;
    r->waits = try_each(e, WEIR__FAULT_WAIT);
    if (e->plan->run == NULL)
        r->gone = try_each(e, WEIR__FAULT_GONE);
    r->allocations = try_each(e, WEIR__FAULT_ALLOCATION);
    r->calls = try_calls(e);
    r->refusals = try_each(e, WEIR__FAULT_REFUSAL);
    r->orders = try_orders(e);
}

/* --- one of them -------------------------------------------------------------------------- */

static void replay(struct everywhere *e, const char *seed)
{
    struct weir__fault f;
    size_t n = strlen(e->name);
    if (strncmp(seed, e->name, n) != 0 || strncmp(seed + n, ": ", 2) != 0)
        return;
    if (!weir__fault_parse(seed + n + 2, &f)) {
        weir_buf_printf(&e->text, "WEIR_TEST_REPLAY: '%s' is no seed\n", seed + n + 2);
        e->report.failures++;
        return;
    }
    struct weir__fault none = {.kind = WEIR__FAULT_NONE};
    char bytes[8 << 10];
    weir_buf unread;
    weir_buf_init_fixed(&unread, bytes, sizeof bytes);
    run_once(e, &none, &unread);
    e->shows_log = true;
    (void)try_fault(e, &f);
    if (!f.has_hit && f.kind > WEIR__FAULT_NONE && f.kind < WEIR__FAULT_ORDER)
        weir_buf_puts(&e->text, WEIR_S("WEIR_TEST_REPLAY: there was nothing to hit\n"));
}

static void settle_options(struct everywhere *e, const weir_site *site)
{
    const weir_test_plan *p = e->plan;
    const char *most = getenv("WEIR_TEST_RUNS_MAX");
    int64_t n = 0;
    if (p->name != NULL)
        snprintf(e->name, sizeof e->name, "%s", p->name);
    else if (p->run == NULL)
        snprintf(e->name, sizeof e->name, "%s %s", p->method, p->target);
    else
        snprintf(e->name, sizeof e->name, "%s:%d", site->file, site->line);
    e->runs_max = p->runs_max != 0 ? p->runs_max : RUNS_MAX;
    if (p->runs_max == 0 && most != NULL && weir_str_i64(weir_str_from(most), &n) == WEIR_OK &&
        n > 0)
        e->runs_max = (unsigned)n;
}

weir_test_report weir_test_everywhere_at(const weir_site *site, const weir_test_plan *plan)
{
    weir_test_plan room;
    plan = weir__options(plan, &room, sizeof room, "weir_test_everywhere");
    if (plan->run == NULL && (plan->app == NULL || plan->method == NULL || plan->target == NULL))
        weir__misuse("weir_test_everywhere", "give .run, or .app with .method and .target");
    struct everywhere e = {.plan = plan};
    struct sigaction before, mine = {.sa_handler = on_abort};
    const char *seed = getenv("WEIR_TEST_REPLAY");
    weir_buf_init_fixed(&e.text, report_bytes, sizeof report_bytes - 1);
    settle_options(&e, site);
    sigaction(SIGABRT, &mine, &before);
    weir__test_sqlite_calls(true);
    weir__fault_tell_last(say_last_words);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(say_last_words);
    if (seed != NULL)
        replay(&e, seed);
    else
        try_all(&e);
    sigaction(SIGABRT, &before, NULL);
    weir__test_sqlite_calls(false);
    weir__fault_tell_last(NULL);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(NULL);
    if (e.report.failures > TOLD_MAX)
        weir_buf_printf(&e.text, "and %u more\n", e.report.failures - TOLD_MAX);
    e.report.text = weir__test_text(&e.text);
    return e.report;
}
