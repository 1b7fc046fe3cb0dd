/* The runtime's families, on the simulation: who lives, who waits, what leaked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/metric_testing.h"
#include "rt/sim.h"
#include <weir/fiber.h>

static weir_err sleeps(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_sleep(c, weir_sec(1));
}

static weir_err looks(weir_ctx *c, void *arg)
{
    struct weir__metrics *m = arg;
    weir__runtime_metrics(weir__self->runtime, m);
    assert_int_equal(WEIR_GO(c, sleeps, NULL), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_true(metric_lines_has(m, "\nweir_workers 1\n"));
    assert_true(metric_lines_has(m, "\nweir_fibers_waiting worker=0 1\n"));
    assert_true(metric_lines_has(m, "\nweir_offload_threads state=busy 0 state=idle "));
    assert_true(metric_lines_has(m, "\nweir_leaks_total\nweir_leak_reports_total 0\n"));
    assert_true(metric_lines_has(m, "\nweir_log_dropped_total 0\n"));
    return weir_join(c);
}

static void test_numbers_of_the_runtime(void **state)
{
    (void)state;
    static struct weir__metrics m;
    assert_int_equal(weir__sim_run(looks, &m), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers_of_the_runtime)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
