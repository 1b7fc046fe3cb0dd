/*
 * A loop that does not look at what its waits return: whatever it waits for, the others go on
 * beside it, and its fiber panics after a thousand. Kinds of waits x {cancelled, past its
 * deadline}, and what fails at once although nobody has cancelled it. Those of other rooms are
 * tried by tests/careless.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rt/log.h"
#include "rt/sim.h"
#include <weir/chan.h>
#include <weir/fiber.h>
#include <weir/file.h>
#include <weir/offload.h>
#include <weir/process.h>
#include <weir/sync.h>
#include <weir/topic.h>

static struct things {
    weir_chan *chan, *closed;
    weir_mutex *mutex;
    weir_sem *sem;
    weir_cond *cond;
    weir_wait_group *group;
    weir_once *once;
    weir_topic *topic;
    weir_subscription *subscription;
    weir_file *file;
    weir_process *process;
    weir_ctx *full;
} things;

static weir_err nothing(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return WEIR_OK;
}

static const char *const no_program[] = {"/no program", NULL};

static weir_err compute(void *arg)
{
    (void)arg;
    return WEIR_OK;
}

static weir_err select_one(weir_ctx *c)
{
    int n;
    weir_select_case arms[] = {{.chan = things.chan, .recv = &n}};
    int arm = weir_select(c, arms, 1, weir_ms(-1), NULL);
    return arm < 0 ? arm : WEIR_OK;
}

/* Each once, in a context that is cancelled; the last column is what lets nobody run between. */
#define KINDS(KIND)                                                                                \
    KIND(sleep, weir_sleep(c, weir_ms(20)), true)                                                  \
    KIND(no_sleep, weir_sleep(c, weir_ms(0)), true)                                                \
    KIND(yield, weir_yield(c), true)                                                               \
    KIND(checkpoint, weir_checkpoint(c), true)                                                     \
    KIND(send, weir_chan_send(c, things.chan, &n), true)                                           \
    KIND(recv, weir_chan_recv(c, things.chan, &n), true)                                           \
    KIND(try_send, weir_chan_try_send(c, things.chan, &n), false)                                  \
    KIND(try_recv, weir_chan_try_recv(c, things.chan, &n), false)                                  \
    KIND(select, select_one(c), true)                                                              \
    KIND(lock, weir_lock(c, things.mutex), true)                                                   \
    KIND(trylock, weir_trylock(c, things.mutex), false)                                            \
    KIND(sem_acquire, weir_sem_acquire(c, things.sem), true)                                       \
    KIND(sem_try_acquire, weir_sem_try_acquire(c, things.sem), false)                              \
    KIND(wait_group, weir_wait_group_wait(c, things.group), true)                                  \
    KIND(once, weir_once_do(c, things.once, nothing, NULL), true)                                  \
    KIND(subscription, weir_subscription_recv(c, things.subscription, &n), true)                   \
    KIND(publish, weir_publish(c, things.topic, &n), false)                                        \
    KIND(join, weir_join(c), true)                                                                 \
    KIND(go, WEIR_GO(c, nothing, NULL), false)                                                     \
    KIND(offload, weir_offload(c, compute, NULL), true)                                            \
    KIND(process_read, (weir_err)weir_process_read(c, things.process, &n, sizeof n), true)         \
    KIND(process_wait, weir_process_wait(c, things.process), true)                                 \
    KIND(file_read, (weir_err)weir_file_pread(c, things.file, &n, sizeof n, 0), true)              \
    KIND(file_write, weir_file_pwrite(c, things.file, &n, sizeof n, 0), true)

struct kind {
    const char *name;
    weir_err (*wait)(weir_ctx *c);
    bool lets_run;
};

#define KIND(name, call, lets_run)                                                                 \
    static weir_err wait_##name(weir_ctx *c)                                                       \
    {                                                                                              \
        int n = 0;                                                                                 \
        (void)n;                                                                                   \
        return call;                                                                               \
    }
KINDS(KIND)
#undef KIND
#define KIND(name, call, lets_run) {#name, wait_##name, lets_run},
static const struct kind kinds[] = {KINDS(KIND)};
#undef KIND
#define COUNT (sizeof kinds / sizeof kinds[0])

static int tries, beside;
static bool is_over;

static weir_err looks_at_nothing(weir_ctx *c, void *arg)
{
    const struct kind *k = arg;
    for (tries = 0; tries < 100000; tries++)
        assert_int_not_equal(k->wait(c), WEIR_OK);
    return WEIR_OK;
}

static weir_err spins(weir_ctx *c, void *arg)
{
    weir_err err = weir_protect(c, looks_at_nothing, arg);
    const weir_error *e = weir_last_error(c);
    assert_int_equal(err, WEIR_EPANIC);
    assert_non_null(strstr(e->message.ptr, "1000 waits in a row have failed at once"));
    is_over = true;
    return WEIR_OK;
}

static weir_err lives_beside(weir_ctx *c, void *arg)
{
    (void)arg;
    for (beside = 0; !is_over; beside++) {
        weir_err err = weir_yield(c);
        if (err < 0)
            return err;
    }
    return WEIR_OK;
}

static weir_err refuses_each(weir_ctx *c, void *arg)
{
    (void)arg;
    things = (struct things){.chan = weir_chan_new(c, int, 0),
                             .mutex = weir_mutex_new(c),
                             .sem = weir_sem_new(c, 1),
                             .group = weir_wait_group_new(c),
                             .once = weir_once_new(c),
                             .topic = weir_topic_new(c, int),
                             .file = weir_file_temp(c)};
    things.subscription = weir_subscribe(c, things.topic);
    things.process = weir_spawn(c, no_program);
    weir_error_clear(c);
    for (size_t i = 0; i < COUNT * 2; i++) {
        const struct kind *k = &kinds[i % COUNT];
        is_over = false;
        WEIR_SCOPE(others, c);
        WEIR_SCOPE(dead, c, .timeout = i < COUNT ? weir_sec(5) : weir_ns(-1));
        assert_int_equal(WEIR_GO(others, lives_beside, NULL), WEIR_OK);
        if (i < COUNT)
            weir_cancel(dead);
        assert_int_equal(spins(dead, (void *)(uintptr_t)k), WEIR_OK);
        if (tries != 999 || (k->lets_run && beside < 900))
            fail_msg("%s: %d tries, %d turns of the other", k->name, tries, beside);
        assert_int_equal(weir_join(others), WEIR_OK);
    }
    return WEIR_OK;
}

static void run_quietly(weir_fiber_fn fn, void *arg)
{
    weir_buf log;
    weir_buf_init(&log, 8 << 20);
    weir__log_capture(&log);
    assert_int_equal(weir__sim_run(fn, arg), WEIR_OK);
    weir__log_capture(NULL);
    weir_buf_fini(&log);
}

static void test_who_looks_at_nothing_panics_and_holds_up_nobody(void **state)
{
    (void)state;
    run_quietly(refuses_each, NULL);
}

static weir_err recv_closed(weir_ctx *c)
{
    int n;
    return weir_chan_recv(c, things.closed, &n);
}

static weir_err select_closed(weir_ctx *c)
{
    int n;
    bool closed = false;
    weir_select_case arms[] = {{.chan = things.chan, .recv = &n},
                               {.chan = things.closed, .recv = &n}};
    int arm = weir_select(c, arms, 2, weir_ms(-1), &closed);
    return arm == 1 && closed ? WEIR_ECLOSED : WEIR_OK;
}

static weir_err read_failed(weir_ctx *c)
{
    char byte;
    return (weir_err)weir_process_read(c, things.process, &byte, 1);
}

static weir_err waits(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_sleep(c, weir_hour(1));
}

static weir_err go_full(weir_ctx *c)
{
    (void)c;
    return WEIR_GO(things.full, waits, NULL);
}

static weir_err closed_for_ever(weir_ctx *c, void *arg)
{
    static const struct kind kinds_of_closed[] = {{"closed", recv_closed, true},
                                                  {"closed arm", select_closed, true},
                                                  {"failed process", read_failed, true},
                                                  {"full context", go_full, false}};
    const struct kind kind = kinds_of_closed[*(int *)arg];
    WEIR_SCOPE(full, c, .fibers_max = 1);
    things.full = full;
    things.process = weir_spawn(c, no_program);
    assert_int_equal(WEIR_GO(full, waits, NULL), WEIR_OK);
    things.chan = weir_chan_new(c, int, 0);
    things.closed = weir_chan_new(c, int, 1);
    weir_chan_close(c, things.closed);
    is_over = false;
    WEIR_SCOPE(others, c);
    assert_int_equal(WEIR_GO(others, lives_beside, NULL), WEIR_OK);
    assert_int_equal(spins(c, (void *)(uintptr_t)&kind), WEIR_OK);
    assert_int_equal(tries, 999);
    return weir_join(others);
}

static void test_what_fails_at_once_uncancelled_counts_too(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        run_quietly(closed_for_ever, &i);
}

/* One that waits in between is not one that spins. */
static weir_err waits_between(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(dead, c);
    weir_cancel(dead);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(weir_sleep(dead, weir_ms(1)), WEIR_ECANCELED);
        if (i % 900 == 0)
            assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    }
    return WEIR_OK;
}

static void test_a_wait_in_between_begins_anew(void **state)
{
    (void)state;
    run_quietly(waits_between, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_looks_at_nothing_panics_and_holds_up_nobody),
        cmocka_unit_test(test_what_fails_at_once_uncancelled_counts_too),
        cmocka_unit_test(test_a_wait_in_between_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
