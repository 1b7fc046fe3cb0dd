/*
 * The gate: who comes before it opens waits, who comes after does not, who gives up leaves no
 * trace.
 */
#include "app/gate.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "rt/sim.h"

static struct weir__gate gate;
static int passed;

static weir_err passes(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_err err = weir__gate_wait(weir__ctx_of(c), &gate, weir_never());
    passed += err == WEIR_OK;
    return err;
}

static weir_err opens_for_all(weir_ctx *c, void *arg)
{
    (void)arg;
    weir__gate_init(&gate, "test");
    passed = 0;
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 3; i++)
        assert_int_equal(WEIR_GO(group, passes, NULL), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(1)), WEIR_OK);
    assert_int_equal(passed, 0);
    weir__gate_open(&gate);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(passed, 3);
    assert_int_equal(weir__gate_wait(weir__ctx_of(c), &gate, weir_never()), WEIR_OK);
    return weir_ctx_close(group);
}

static weir_err gives_up(weir_ctx *c, void *arg)
{
    (void)arg;
    weir__gate_init(&gate, "test");
    weir_time soon = weir_time_add(weir_now(), weir_ms(50));
    assert_int_equal(weir__gate_wait(weir__ctx_of(c), &gate, soon), WEIR_ETIMEDOUT);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, passes, NULL), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    weir_cancel(group);
    assert_int_equal(weir_ctx_close(group), WEIR_ECANCELED);
    assert_true(weir__list_empty(&gate.waiters));
    weir__gate_open(&gate);
    return WEIR_OK;
}

static void a_gate_opens_for_all(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(opens_for_all, NULL), WEIR_OK);
}

static void who_gives_up_is_gone(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(gives_up, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gate_opens_for_all),
        cmocka_unit_test(who_gives_up_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
