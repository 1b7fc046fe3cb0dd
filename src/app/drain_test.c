/*
 * The warden's last word, and the end of who hears it. Telling a worker is two steps, what it is
 * told and a write that wakes it; here it has done everything, and the whole runtime is over,
 * between the two. A poller of the test's own makes it so: its worker wakes as soon as the warden
 * stands before its second step, and the warden stands there until the workers are let go.
 */
#include "app/app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "rt/log.h"

enum { TURNS = 2000 }; /* for who lets go too early to come past */

static struct weir_app app;
static int64_t clock_ns;
static atomic_bool is_asleep, is_telling, is_letting_go, has_let_go, was_too_early;

/* --- the poller ----------------------------------------------------------------------------- */

static weir_err own_init(struct weir__poller *p)
{
    (void)p;
    return WEIR_OK;
}

static weir_time own_now(struct weir__poller *p)
{
    (void)p;
    return (weir_time){clock_ns};
}

static bool does_main_wait(void)
{
    return !weir__list_empty(&app.asked.waiters) || !weir__list_empty(&app.ended.waiters);
}

static weir_time own_poll(struct weir__poller *p, weir_time now, weir_time until)
{
    (void)p, (void)now;
    if (!atomic_load(&is_telling) && does_main_wait()) {
        atomic_store(&is_asleep, true);
        while (!atomic_load(&is_telling))
            sched_yield();
    } else if (until.ns != INT64_MAX && until.ns > clock_ns) {
        clock_ns = until.ns;
    }
    return (weir_time){clock_ns};
}

/* The warden's second step. */
static void own_wake(struct weir__poller *p)
{
    bool is_other = WEIR_CONTAINER(p, struct weir__worker, poller)->index != 0;
    atomic_store(&is_telling, true);
    while (!atomic_load(&is_letting_go))
        sched_yield();
    for (int i = 0; i < TURNS && !atomic_load(&has_let_go); i++)
        sched_yield();
    atomic_store(&was_too_early, atomic_load(&has_let_go) || is_other);
}

static const struct weir__poller_ops own = {
    .name = "own", .init = own_init, .now = own_now, .poll = own_poll, .wake = own_wake};

/* --- the warden and the workers ------------------------------------------------------------- */

static void *speak(void *arg)
{
    void (*const *say)(weir_app * app) = arg;
    while (!atomic_load(&is_asleep))
        sched_yield();
    (*say)(&app);
    return NULL;
}

static weir_err wait_for(weir_ctx *c, void *gate)
{
    return weir__gate_wait(weir__ctx_of(c), gate, weir_never());
}

static void begin(void)
{
    weir__log_set_level(WEIR_LOG_ERROR);
    clock_ns = 1000000000;
    is_asleep = is_telling = is_letting_go = has_let_go = was_too_early = false;
    memset(&app, 0, sizeof app);
    weir__lock_init(&app.reach);
    weir__gate_init(&app.asked, "asked");
    weir__gate_init(&app.ended, "ended");
}

/* Runs until what the warden says has opened `gate`, and lets go of the workers. */
static void run(void (*say)(weir_app *app), struct weir__gate *gate)
{
    struct weir__runtime_options options = {
        .workers = 1, .stall = weir_ns(-1), .hibernate_after = weir_ns(-1), .poller = &own};
    char message[128];
    weir_err err;
    pthread_t warden;
    app.rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(app.rt);
    assert_int_equal(pthread_create(&warden, NULL, speak, &say), 0);
    assert_int_equal(weir__runtime_run(app.rt, wait_for, gate), WEIR_OK);
    atomic_store(&is_letting_go, true);
    weir__app_let_go(&app);
    atomic_store(&has_let_go, true);
    weir__runtime_free(app.rt);
    app.rt = NULL;
    assert_int_equal(pthread_join(warden, NULL), 0);
    assert_false(was_too_early);
    say(&app); /* nobody hears it */
}

static void test_the_workers_are_there_until_the_end_was_asked_for(void **state)
{
    (void)state;
    begin();
    run(weir__app_ask_for_the_end, &app.asked);
}

static weir_err read_again(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    weir__gate_open(&app.ended);
    return WEIR_OK;
}

static void test_the_workers_are_there_until_the_reload_was_asked_for(void **state)
{
    struct weir__reload part;
    (void)state;
    begin();
    weir__reload_add(&part, "the test", read_again, NULL);
    run(weir__app_reload, &app.ended);
    weir__reload_remove(&part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_workers_are_there_until_the_end_was_asked_for),
        cmocka_unit_test(test_the_workers_are_there_until_the_reload_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
