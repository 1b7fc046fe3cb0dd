/* Stacks in log lines: named, in order, and cut where they are too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rt/log_stack.h"

static char bytes[8192];

static void put_number(void *pc, weir_buf *out)
{
    weir_buf_printf(out, "f%zu", (size_t)pc);
}

static void put_much(void *pc, weir_buf *out)
{
    (void)pc;
    for (int i = 0; i < 1000; i++)
        weir_buf_puts(out, WEIR_S("mmm"));
}

static const char *line_with(void (*name)(void *pc, weir_buf *out), bool is_interrupted)
{
    void *pcs[] = {(void *)10, (void *)20};
    struct weir__log_line l;
    weir_buf captured;
    weir_buf_init_fixed(&captured, bytes, sizeof bytes - 1);
    weir__log_capture(&captured);
    weir__log_begin(&l, WEIR_LOG_WARN, WEIR_S("told"), NULL, NULL);
    weir__log_stack(&l, name, pcs, 2, is_interrupted);
    weir__log_end(&l);
    weir__log_capture(NULL);
    bytes[captured.len] = '\0';
    return bytes;
}

static void test_a_line_names_its_stack(void **state)
{
    (void)state;
    assert_non_null(strstr(line_with(put_number, false), "\"stack\":\"f10 < f20\"}\n"));
    assert_non_null(strstr(line_with(put_number, true), "\"stack\":\"f11 < f20\"}\n"));
}

static void test_one_that_is_too_long_is_cut(void **state)
{
    (void)state;
    const char *line = line_with(put_much, false);
    assert_in_range(strlen(line), 2500, 3500);
    assert_non_null(strstr(line, "\"stack\":\"mmm"));
    assert_int_equal(line[strlen(line) - 2], '}');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_names_its_stack),
        cmocka_unit_test(test_one_that_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
