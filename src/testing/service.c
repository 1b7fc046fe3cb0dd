/*
 * A service inside of a test: the application's own start and server, on the simulated poller, with
 * a worker that the test turns. The main fiber opens everything and then waits at a gate; each call
 * of the test turns the worker until what it wants has happened, and leaves it between two turns.
 *
 * Owns one test at a time. The hard thing is to stop in time: the poller asks before it moves the
 * clock, so that none passes once the answer is there, and a service in which nothing happens any
 * more has come to rest instead of ending the process.
 */
#include "testing/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/metric.h"
#include "base/model.h"
#include "data/sql/sql.h"
#include "net/pool.h"
#include "obs/process.h"
#include "os/symbol.h"
#include "rt/log.h"
#include "rt/sim.h"
#include "watch/watch.h"

enum { REPORT_BYTES = 64 << 10, REST_MINUTES = 10 };

static weir_test *open_test;
void (*weir__test_prepares)(struct weir__http_server *server);
static char last_words[WEIR__TEST_TEXT_BYTES];

const char *weir__test_text(weir_buf *b)
{
    size_t at = b->len < b->cap ? b->len : b->cap - 1;
    b->ptr[at] = '\0';
    return b->ptr;
}

/* --- turning the worker ------------------------------------------------------------------- */

/* What the worker is turned for. */
struct drive {
    weir_test *test;
    bool (*is_done)(weir_test *t, void *arg);
    void *arg;
    weir_time end;
    bool is_at_rest; /* nothing can happen any more, or not in time */
};

/* Time does not pass once the goal is reached, nor past its end. */
static bool may_pass(weir_time until, void *arg)
{
    struct drive *d = arg;
    if (d->is_done(d->test, d->arg))
        return false;
    d->is_at_rest = until.ns == INT64_MAX || until.ns > d->end.ns;
    return !d->is_at_rest;
}

bool weir__test_drive(weir_test *t, bool (*is_done)(weir_test *t, void *arg), void *arg,
                      weir_dur patience)
{
    struct drive d = {t, is_done, arg, weir_time_add(weir__worker_now(t->w), patience), false};
    weir__sim_ask_before_time(may_pass, &d);
    while (!d.is_at_rest && !is_done(t, arg)) {
        bool goes_on = weir__worker_turn(t->w);
        WEIR_ASSERT(goes_on, "T1: a test's worker ends with the test");
    }
    weir__sim_ask_before_time(NULL, NULL);
    return !d.is_at_rest || is_done(t, arg);
}

static void ring(struct weir__timer *timer)
{
    WEIR_CONTAINER(timer, struct weir__alarm, timer)->has_rung = true;
}

void weir__alarm_set(weir_test *t, struct weir__alarm *a, weir_dur d)
{
    a->has_rung = false;
    weir__timer_init(&a->timer, ring);
    weir__timer_arm(&t->w->wheel, &a->timer, weir_time_add(weir__worker_now(t->w), d));
}

static bool has_rung(weir_test *t, void *alarm)
{
    (void)t;
    return ((const struct weir__alarm *)alarm)->has_rung;
}

void weir_test_advance(weir_test *t, weir_dur d)
{
    struct weir__alarm alarm;
    weir__alarm_set(t, &alarm, d);
    (void)weir__test_drive(t, has_rung, &alarm, weir_ns(INT64_MAX));
    weir__timer_disarm(&alarm.timer);
}

/* --- the main fiber ----------------------------------------------------------------------- */

static weir_err start_server(weir_test *t, struct weir__ctx *c)
{
    struct weir__http_server_options options;
    const struct weir__http_app table = weir__web_app(&t->app->web);
    weir__app_server_options(t->app, &options);
    t->app->traffic.server = weir__http_server_new(t->rt, &options, &table);
    if (t->app->traffic.server == NULL)
        return -ENOMEM;
    t->listener = weir__sim_listen();
    weir_err err = weir__http_server_adopt_listener(t->app->traffic.server, t->listener);
    if (weir__test_prepares != NULL)
        weir__test_prepares(t->app->traffic.server);
    return err == WEIR_OK ? weir__http_server_start(t->app->traffic.server, c) : err;
}

static weir_err start_all(weir_test *t, weir_ctx *handle)
{
    char message[512];
    weir__web_attach(t->w, &t->app->web);
    weir_err err = weir__app_run_start(t->app, handle, message, sizeof message);
    if (err == WEIR_OK) {
        err = start_server(t, weir__ctx_of(handle));
        snprintf(message, sizeof message, "cannot serve: %s", weir_strerror(err));
    }
    if (err < 0)
        weir_buf_printf(&t->error, "%s\n", message);
    return err;
}

static weir_err serve(weir_ctx *handle, void *arg)
{
    weir_test *t = arg;
    struct weir__ctx *c = weir__ctx_of(handle);
    weir_err err = t->app != NULL && t->error.len == 0 ? start_all(t, handle) : WEIR_OK;
    t->is_started = true;
    weir_err waited = weir__gate_wait(c, &t->end, weir_never());
    WEIR_ASSERT(waited == WEIR_OK, "nobody cancels the application's context");
    if (t->app != NULL && t->app->traffic.server != NULL) {
        weir__app_close(t->app->traffic.server, c, weir_sec(1));
        weir__http_server_free(t->app->traffic.server, c);
        t->app->traffic.server = NULL;
    }
    return err;
}

/* --- open and close ----------------------------------------------------------------------- */

/* All mistakes of options, models, metrics and routes, as weir_app_run shows them. */
static void check_app(weir_test *t)
{
    weir_buf report;
    weir_buf_init(&report, REPORT_BYTES);
    (void)weir__models_check(&report);
    (void)weir__program_metrics_check(&report);
    weir_err err = weir__web_freeze(&t->app->web, &report);
    weir_buf_puts(&t->error, weir_buf_str(&t->app->mistakes.lines));
    weir_buf_puts(&t->error, weir_buf_str(&report));
    if (err < 0 && t->error.len == 0)
        weir_buf_printf(&t->error, "routes: %s\n", weir_strerror(err));
    weir_buf_fini(&report);
}

static void make_runtime(weir_test *t)
{
    struct weir__runtime_options options = {.fibers_max = 0};
    char message[256];
    weir_err err;
    if (t->app != NULL)
        weir__app_runtime_options(t->app, &options);
    options.stall = weir_ns(-1);
    weir__sim_options(&options);
    weir__watch_install();
    t->rt = weir__runtime_new(&options, &err, message, sizeof message);
    WEIR_ASSERT(t->rt != NULL, "a test's runtime can be made");
    t->w = t->rt->workers[0];
}

static bool has_started(weir_test *t, void *arg)
{
    (void)arg;
    return t->is_started;
}

static size_t count_fds(void)
{
    struct weir__process p;
    weir__process_read(&p);
    return p.fds_open;
}

weir_test *weir_test_open(weir_app *app)
{
    if (open_test != NULL)
        (void)weir_test_close(open_test);
    weir_test *t = calloc(1, sizeof *t); /* T2 */
    WEIR_ASSERT(t != NULL, "there is memory for a test");
    t->fds_before = count_fds();
    t->app = app;
    t->client = -1;
    weir_buf_init_fixed(&t->log, t->log_bytes, sizeof t->log_bytes - 1);
    weir_buf_init_fixed(&t->error, t->error_bytes, sizeof t->error_bytes - 1);
    weir_buf_init_fixed(&t->leaks, t->leaks_bytes, sizeof t->leaks_bytes - 1);
    weir_buf_init_fixed(&t->sql, t->sql_bytes, sizeof t->sql_bytes - 1);
    weir__gate_init(&t->end, "test to end");
    weir__log_capture(&t->log);
    if (app != NULL)
        check_app(t);
    make_runtime(t);
    t->run = (struct weir__run){.rt = t->rt, .main = serve, .arg = t};
    weir_err err = weir__run_begin(&t->run);
    WEIR_ASSERT(err == WEIR_OK, "a test has memory for its first fiber");
    open_test = t;
    if (!weir__test_drive(t, has_started, NULL, weir_sec(3600)))
        weir_buf_puts(&t->error, WEIR_S("the start does not come to an end\n"));
    weir__test_count(t, &t->before);
    return t;
}

const char *weir_test_error(const weir_test *t)
{
    weir_test *mine = (weir_test *)(uintptr_t)t;
    return weir__test_text(&mine->error);
}

/* What must be gone with the last turn. */
static void list_remains(const weir_test *t, weir_buf *out)
{
    if (weir__fiber_total(t->rt) > 0)
        weir_buf_puts(out, WEIR_S("a fiber is left\n"));
    if (atomic_load(&t->w->stats.contexts) > 0)
        weir_buf_puts(out, WEIR_S("a context is left\n"));
    if (weir__wheel_next(&t->w->wheel).ns != INT64_MAX)
        weir_buf_puts(out, WEIR_S("a timer is left\n"));
    if (weir__sim_watched() > 0)
        weir_buf_printf(out, "%zu watched descriptors are left\n", weir__sim_watched());
    weir__symbols_forget();
    size_t fds = count_fds();
    if (fds > t->fds_before)
        weir_buf_printf(out, "%zu descriptors are left\n", fds - t->fds_before);
}

static uint64_t active_requests(const weir_test *t)
{
    struct weir__http_stats stats = {.active = 0};
    if (t->app != NULL && t->app->traffic.server != NULL)
        weir__http_server_stats(t->app->traffic.server, &stats);
    return stats.active;
}

const char *weir_test_close(weir_test *t)
{
    weir_buf words;
    weir_buf_init_fixed(&words, last_words, sizeof last_words - 1);
    if (t == NULL)
        return weir__test_text(&words);
    WEIR_ASSERT(t == open_test && weir__fiber_self() == NULL, "T1: a test is closed by its owner");
    open_test = NULL;
    weir_buf_puts(&words, weir_buf_str(&t->error));
    if (active_requests(t) > 0)
        weir_buf_printf(&words, "%llu requests had not ended\n",
                        (unsigned long long)active_requests(t));
    weir__gate_open(&t->end);
    while (weir__worker_turn(t->w))
        ;
    (void)weir__run_end(&t->run);
    list_remains(t, &words);
    weir__runtime_free(t->rt);
    if (t->app != NULL)
        weir__app_free(t->app);
    weir__log_capture(NULL);
    for (struct weir__reply *next, *r = t->replies; r != NULL; r = next) {
        next = r->next;
        weir__reply_free(r);
    }
    free(t);
    return weir__test_text(&words);
}

/* --- functions in it ---------------------------------------------------------------------- */

struct call {
    weir_test *test;
    weir_fiber_fn fn;
    void *arg;
    weir_time deadline;
    weir_err err;
    bool is_over;
};

static void tell_error(struct weir__ctx *c, weir_err err)
{
    const weir_error *e = c->error;
    weir_log_at(e != NULL ? e->site : NULL, weir__ctx_handle(c), WEIR_LOG_WARN,
                "the test's function failed: %s%s" WEIR_STR_FMT, weir_strerror(err),
                e != NULL ? ": " : "", WEIR_STR_ARG(e != NULL ? e->message : WEIR_S("")));
}

/* As a request's fiber does: a context below the worker's root, ended by whatever way. */
static void run_call(void *arg)
{
    struct call *call = arg;
    struct weir__worker *w = weir__self;
    struct weir__ctx *c = weir__ctx_new(w->root, call->deadline, 0, NULL);
    if (c == NULL) {
        call->err = -ENOMEM;
        call->is_over = true;
        return;
    }
    w->current->ctx = c;
    call->err = weir_protect(weir__ctx_handle(c), call->fn, call->arg);
    if (call->err < 0)
        tell_error(c, call->err);
    c->is_ok = call->err >= 0 && c->reason == WEIR_REASON_NONE;
    w->current->ctx = NULL;
    weir__ctx_end(c);
    call->is_over = true;
}

static bool is_over(weir_test *t, void *arg)
{
    (void)t;
    return ((const struct call *)arg)->is_over;
}

weir_err weir_test_run(weir_test *t, weir_fiber_fn fn, void *arg)
{
    return weir__test_run_until(t, fn, arg, weir_never());
}

weir_err weir__test_run_until(weir_test *t, weir_fiber_fn fn, void *arg, weir_time deadline)
{
    struct call call = {.test = t, .fn = fn, .arg = arg, .deadline = deadline};
    if (weir__fiber_start(t->w, run_call, &call, "test", NULL, NULL) == NULL)
        return WEIR_ELIMIT;
    if (weir__test_drive(t, is_over, &call, weir_sec(3600)))
        return call.err;
    while (!call.is_over) /* its record is on this stack: it ends, or the poller ends the process */
        (void)weir__worker_turn(t->w);
    return call.err;
}

/* --- what is left ------------------------------------------------------------------------- */

static void add_leases(const weir_pool_stats *stats, void *sum)
{
    *(uint64_t *)sum += stats->in_use;
}

void weir__test_count(const weir_test *t, struct weir__test_counts *out)
{
    struct weir__http_stats stats = {.open = 0};
    *out = (struct weir__test_counts){
        .fibers = atomic_load(&t->w->stats.fibers),
        .contexts = atomic_load(&t->w->stats.contexts),
        .watched = weir__sim_watched(),
        .sockets = weir__sim_held(),
        .reports = weir__leak_total(),
    };
    weir__pool_each(add_leases, &out->leases);
    if (t->app != NULL && t->app->traffic.server != NULL)
        weir__http_server_stats(t->app->traffic.server, &stats);
    out->connections = stats.open;
}

static bool is_at_rest(weir_test *t, void *arg)
{
    const struct weir__test_counts *before = arg;
    struct weir__test_counts now;
    weir__test_count(t, &now);
    return now.fibers <= before->fibers && now.contexts <= before->contexts &&
           now.leases <= before->leases && now.watched <= before->watched &&
           now.sockets <= before->sockets && now.connections <= before->connections;
}

static void list_more(weir_buf *out, uint64_t now, uint64_t before, const char *what)
{
    if (now > before)
        weir_buf_printf(out, "%llu %s\n", (unsigned long long)(now - before), what);
}

void weir__test_list_leaks(weir_test *t, const struct weir__test_counts *before, weir_buf *out)
{
    struct weir__test_counts now, then = *before;
    (void)weir__test_drive(t, is_at_rest, &then, weir_min(REST_MINUTES));
    weir__test_count(t, &now);
    list_more(out, now.fibers, before->fibers, "fibers more than before; these wait:");
    if (now.fibers > before->fibers)
        weir__sim_list_waiting(t->w, out);
    list_more(out, now.contexts, before->contexts, "contexts more than before");
    list_more(out, now.leases, before->leases, "leases more than before");
    list_more(out, now.watched, before->watched, "watched descriptors more than before");
    list_more(out, now.sockets, before->sockets, "sockets more than before");
    list_more(out, now.connections, before->connections, "connections more than before");
    list_more(out, now.reports, before->reports, "things were left open by mistake; see the log");
}

const char *weir_test_leaks(weir_test *t)
{
    weir_buf_reset(&t->leaks);
    weir__test_list_leaks(t, &t->before, &t->leaks);
    return weir__test_text(&t->leaks);
}

static weir_err check_sql(weir_ctx *c, void *report)
{
    return weir__sql_check_opened(WEIR_HERE, c, report);
}

const char *weir_test_check_sql(weir_test *t)
{
    weir_buf_reset(&t->sql);
    weir_err err = weir_test_run(t, check_sql, &t->sql);
    if (err != WEIR_OK && err != WEIR_EINVALID)
        weir_buf_printf(&t->sql, "statements cannot be checked: %s\n", weir_strerror(err));
    return weir__test_text(&t->sql);
}

const char *weir_test_log(const weir_test *t)
{
    weir_test *mine = (weir_test *)(uintptr_t)t;
    return weir__test_text(&mine->log);
}
