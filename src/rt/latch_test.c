/* Latches: the last one wakes who waits, nobody waits for nothing, and who gives up is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rt/latch.h"
#include "rt/runtime.h"
#include "rt/sim.h"
#include <weir/fiber.h>

#define WORKERS 3
#define ROUNDS 300

static const struct weir__wait_type to_end = {.name = "test", .abandon = weir__latch_abandon};
static const struct weir__wait_type to_end_for_sure = {.name = "test",
                                                       .abandon = weir__wait_never_abandoned};

static weir_err wait_for(struct weir__latch *l, weir_ctx *c, weir_time until)
{
    return weir__latch_wait(l, &to_end, weir__ctx_of(c), until);
}

static weir_err leave_later(weir_ctx *c, void *arg)
{
    weir_err err = weir_sleep(c, weir_ms(5));
    weir__latch_leave(arg);
    return err;
}

static weir_err the_last_one_wakes(weir_ctx *c, void *arg)
{
    (void)arg;
    struct weir__latch l;
    weir__latch_init(&l, 0);
    assert_int_equal(wait_for(&l, c, weir_never()), WEIR_OK);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(weir__latch_enter(&l), i);
    WEIR_SCOPE(group, c);
    weir_time before = weir_now();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(WEIR_GO(group, leave_later, &l), WEIR_OK);
        assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    }
    assert_int_equal(wait_for(&l, c, weir_never()), WEIR_OK);
    assert_int_equal(weir__latch_count(&l), 0);
    assert_in_range(weir_time_sub(weir_now(), before).ns, 6000000, 7000000);
    return weir_join(group);
}

static weir_err gives_up(weir_ctx *c, void *arg)
{
    (void)arg;
    struct weir__latch l;
    weir__latch_init(&l, 1);
    assert_int_equal(wait_for(&l, c, weir_time_add(weir_now(), weir_ms(5))), WEIR_ETIMEDOUT);
    assert_null(l.waiter);
    WEIR_WITH(hasty, c, .timeout = weir_ms(5))
        assert_int_equal(wait_for(&l, hasty, weir_never()), WEIR_ETIMEDOUT);
    assert_null(l.waiter);
    weir__latch_leave(&l);
    assert_int_equal(wait_for(&l, c, weir_never()), WEIR_OK);
    return WEIR_OK;
}

/* A cancellation leaves a wait alone that only its waker ends. */
static weir_err stays(weir_ctx *c, void *arg)
{
    (void)arg;
    struct weir__latch l;
    weir__latch_init(&l, 1);
    WEIR_SCOPE(group, c);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(1));
    weir_time before = weir_now();
    assert_int_equal(WEIR_GO(group, leave_later, &l), WEIR_OK);
    weir_err err = weir__latch_wait(&l, &to_end_for_sure, weir__ctx_of(hasty), weir_never());
    assert_int_equal(err, WEIR_OK);
    assert_in_range(weir_time_sub(weir_now(), before).ns, 5000000, 6000000);
    assert_int_equal(weir_join(group), WEIR_OK);
    (void)weir_ctx_close(hasty);
    return WEIR_OK;
}

static void test_the_last_one_wakes_who_waits(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(the_last_one_wakes, NULL), WEIR_OK);
    assert_int_equal(weir__sim_run(stays, NULL), WEIR_OK);
}

static void test_who_gives_up_is_gone(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(gives_up, NULL), WEIR_OK);
}

/* --- workers ---------------------------------------------------------------------------------- */

struct leaver {
    struct weir__task task;
    struct weir__latch *latch;
};

static void leave(struct weir__task *t)
{
    weir__latch_leave(WEIR_CONTAINER(t, struct leaver, task)->latch);
}

/* Each worker leaves, while the first looks whether it must wait. */
static weir_err workers_leave(weir_ctx *c, void *arg)
{
    struct weir__latch *l = arg;
    struct weir__runtime *rt = weir__self->runtime;
    struct leaver leavers[WORKERS];
    for (int round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < rt->worker_count; i++)
            (void)weir__latch_enter(l);
        for (unsigned i = rt->worker_count; i-- > 0;) {
            leavers[i] = (struct leaver){.task = {.run = leave}, .latch = l};
            weir__post(rt->workers[i], &leavers[i].task);
        }
        assert_int_equal(wait_for(l, c, weir_never()), WEIR_OK);
    }
    return WEIR_OK;
}

static void test_workers_share_a_latch(void **state)
{
    (void)state;
    static struct weir__latch latch; /* outlives the workers */
    char message[128];
    weir_err err = WEIR_OK;
    struct weir__runtime_options options = {.workers = WORKERS};
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, workers_leave, &latch), WEIR_OK);
    weir__runtime_free(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_one_wakes_who_waits),
        cmocka_unit_test(test_who_gives_up_is_gone),
        cmocka_unit_test(test_workers_share_a_latch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
