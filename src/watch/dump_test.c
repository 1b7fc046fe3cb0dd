/*
 * The facts of a dump: who waits for what since when, what is held and where it was taken, in a
 * picture that is bounded.
 */
#include "watch/dump.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "rt/sim.h"
#include <weir/chan.h>
#include <weir/sync.h>

static weir_chan *channel;
static weir_mutex *mutex;

static weir_err waits_for_the_channel(weir_ctx *c, void *arg)
{
    (void)arg;
    int value;
    weir_err err = weir_lock(c, mutex);
    assert_int_equal(err, WEIR_OK);
    return weir_chan_recv(c, channel, &value);
}

static weir_err sleeps(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_sleep(c, weir_sec(100));
}

static const struct weir__dump_fiber *find(const struct weir__dump *d, const char *name)
{
    for (const struct weir__dump_fiber *f = d->first; f != NULL; f = f->next) {
        if (strcmp(f->name, name) == 0)
            return f;
    }
    fail_msg("no fiber %s", name);
    return NULL;
}

static weir_err looks_at_fibers(weir_ctx *c, void *arg)
{
    (void)arg;
    channel = weir_chan_new(c, int, 0);
    mutex = weir_mutex_new(c);
    WEIR_SCOPE(group, c, .timeout = weir_sec(60));
    assert_int_equal(WEIR_GO(group, waits_for_the_channel, NULL), WEIR_OK);
    assert_int_equal(WEIR_GO(group, sleeps, NULL), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(3)), WEIR_OK);

    struct weir__dump d;
    weir__dump_init(&d, 100, 1 << 20);
    weir__dump_fibers(weir__self, &d);
    assert_int_equal(d.skipped, 0);
    assert_true(d.count >= 3);

    const struct weir__dump_fiber *f = find(&d, "waits_for_the_channel");
    assert_string_equal(f->state, "waiting");
    assert_non_null(strstr(f->waits_for, "chan"));
    assert_int_equal(weir__self->now.ns - f->since.ns, weir_sec(3).ns);
    assert_int_equal(f->deadline.ns - weir__self->now.ns, weir_sec(57).ns);
    assert_string_equal(f->site->func, "looks_at_fibers");
    assert_true(f->depth > 3);
    assert_non_null(f->owned);
    assert_non_null(strstr(f->owned->kind, "lock"));
    assert_string_equal(f->owned->site->func, "waits_for_the_channel");
    assert_false(f->is_request);
    assert_false(f->is_detached);

    f = find(&d, "sleeps");
    assert_string_equal(f->waits_for, "sleep");
    assert_null(f->owned);
    weir__dump_fini(&d);

    weir__dump_init(&d, 1, 1 << 20);
    weir__dump_fibers(weir__self, &d);
    assert_int_equal(d.count, 1);
    assert_true(d.skipped >= 2);
    weir__dump_fini(&d);

    weir_cancel(group);
    assert_int_equal(weir_ctx_close(group), WEIR_ECANCELED);
    return WEIR_OK;
}

static void dumps(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(looks_at_fibers, NULL), WEIR_OK);
}

static weir_err background(weir_ctx *c, void *data)
{
    (void)data;
    return weir_sleep(c, weir_sec(1));
}

static weir_err looks_at_detached(weir_ctx *c, void *arg)
{
    (void)arg;
    struct weir__dump d;
    assert_int_equal(weir_detach(c, background, NULL, 0), WEIR_OK);
    assert_int_equal(weir_yield(c), WEIR_OK);
    weir__dump_init(&d, 100, 1 << 20);
    weir__dump_fibers(weir__self, &d);
    assert_true(find(&d, "background")->is_detached);
    weir__dump_fini(&d);
    return weir_sleep(c, weir_sec(2));
}

static void detached_work_is_known(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(looks_at_detached, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dumps),
        cmocka_unit_test(detached_work_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
