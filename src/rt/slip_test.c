/* Time-outs that were given without a unit: told once for each place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "rt/log.h"
#include "rt/sim.h"
#include <weir/fiber.h>

static char bytes[1 << 16];
static weir_buf buf;

static size_t lines_with(const char *text)
{
    size_t n = 0;
    bytes[buf.len] = '\0';
    for (const char *at = bytes; (at = strstr(at, text)) != NULL; at++)
        n++;
    return n;
}

static weir_err nothing(weir_ctx *c, void *arg)
{
    (void)c;
    (void)arg;
    return WEIR_OK;
}

static weir_err opens(weir_ctx *c, void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        weir_ctx *sub = weir_ctx_open(c, .timeout = weir_ns(5));
        weir_ctx_close(sub);
        assert_int_equal(weir_detach(c, nothing, NULL, 0, .timeout = weir_us(999)), WEIR_OK);
    }
    static const int64_t fine[] = {0, -1, 1000000, 5000000};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        weir_ctx_close(weir_ctx_open(c, .timeout = weir_ns(fine[i])));
    return WEIR_OK;
}

static void test_each_place_is_told_once(void **state)
{
    (void)state;
    weir_buf_init_fixed(&buf, bytes, sizeof bytes - 1);
    weir__log_capture(&buf);
    assert_int_equal(weir__sim_run(opens, NULL), WEIR_OK);
    weir__log_capture(NULL);
    assert_int_equal(lines_with("weir_ctx_open: .timeout is 5 ns, less than a millisecond"), 1);
    assert_int_equal(lines_with("weir_detach: .timeout is 999000 ns"), 1);
    assert_int_equal(lines_with("less than a millisecond"), 2);
    assert_int_equal(lines_with("slip_test.c:"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_place_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
