/*
 * Reading again: in the order of the table, each part in a context of its own, one that fails
 * leaves the others alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "rt/log.h"
#include "rt/reload.h"
#include "rt/sim.h"

static char order[8];

static weir_err notes(weir_ctx *c, void *arg)
{
    strcat(order, arg);
    return weir_sleep(c, weir_ms(5)); /* it may wait */
}

static weir_err fails(weir_ctx *c, void *arg)
{
    strcat(order, arg);
    return weir_raise(c, -ENOENT, "no such certificate");
}

static weir_err panics(weir_ctx *c, void *arg)
{
    (void)c;
    strcat(order, arg);
    weir_panic("the key is upside down");
}

static weir_err reloads(weir_ctx *c, void *arg)
{
    *(unsigned *)arg = weir__reload_all(c);
    return weir_check(c);
}

/* What is logged meanwhile. */
static char *reload(unsigned failures)
{
    static char bytes[8192];
    unsigned failed = 0;
    weir_buf log;
    memset(bytes, 0, sizeof bytes);
    memset(order, 0, sizeof order);
    weir_buf_init_fixed(&log, bytes, sizeof bytes - 1);
    weir__log_capture(&log);
    assert_int_equal(weir__sim_run(reloads, &failed), WEIR_OK);
    weir__log_capture(NULL);
    assert_int_equal(failed, failures);
    return bytes;
}

static void test_nothing_is_one_line(void **state)
{
    (void)state;
    const char *said = reload(0);
    assert_non_null(strstr(said, "there is nothing to reload"));
    assert_ptr_equal(strchr(said, '\n'), strrchr(said, '\n'));
}

static void test_all_are_read_whatever_fails(void **state)
{
    static struct weir__reload a, b, c, d;
    (void)state;
    weir__reload_add(&a, "logs", notes, "a");
    weir__reload_add(&b, "certificates", fails, "b");
    weir__reload_add(&c, "keys", panics, "c");
    weir__reload_add(&d, "configuration", notes, "d");
    const char *said = reload(2);
    assert_string_equal(order, "abcd");
    assert_non_null(strstr(said, "reloaded: logs"));
    assert_non_null(strstr(said, "stays: certificates: no such certificate"));
    assert_non_null(strstr(said, "stays: keys: "));
    assert_null(strstr(said, "keys: no such certificate")); /* that was another's error */
    assert_non_null(strstr(said, "reloaded: configuration"));
    weir__reload_remove(&b);
    weir__reload_remove(&b);
    weir__reload_remove(&c);
    (void)reload(0);
    assert_string_equal(order, "ad");
    weir__reload_remove(&a);
    weir__reload_remove(&d);
    assert_non_null(strstr(reload(0), "there is nothing to reload"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_one_line),
        cmocka_unit_test(test_all_are_read_whatever_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
