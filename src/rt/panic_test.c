/*
 * Panics whose clean-ups wait: other fibers run meanwhile, and may panic as well. Each is caught
 * where it is to be caught, with its own message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "rt/log.h"
#include "rt/panic.h"
#include "rt/sim.h"
#include "watch/watch.h"
#include <weir/fiber.h>
#include <weir/log.h>

enum { PANICS = 5 };

struct story {
    int cleaned;
    int number;
};

/* Cannot be hurried: whoever joins it waits. */
static weir_err slow(weir_ctx *c, void *arg)
{
    const struct story *s = arg;
    weir_shield(c, weir_sec(5));
    return weir_sleep(c, weir_ms(100 - 10 * s->number));
}

static void note(struct story **s)
{
    (*s)->cleaned++;
}

static weir_err panics_slowly(weir_ctx *c, void *arg)
{
    struct story *s __attribute__((cleanup(note))) = arg;
    WEIR_WITH(inner, c) {
        if (WEIR_GO(inner, slow, s) == WEIR_OK) {
            (void)!weir_sleep(c, weir_ms(s->number));
            weir_panic("panic number %d", s->number);
        }
    }
    return WEIR_OK;
}

static weir_err protects(weir_ctx *c, void *arg)
{
    const struct story *s = arg;
    char expected[32];
    weir_err err = weir_protect(c, panics_slowly, arg);
    snprintf(expected, sizeof expected, "panic number %d", s->number);
    assert_int_equal(err, WEIR_EPANIC);
    assert_non_null(weir_last_error(c));
    assert_string_equal(weir_last_error(c)->message.ptr, expected);
    return WEIR_OK;
}

static weir_err panics_side_by_side(weir_ctx *c, void *arg)
{
    struct story *stories = arg;
    WEIR_SCOPE(group, c);
    for (int i = 0; i < PANICS; i++) {
        stories[i].number = i;
        assert_int_equal(WEIR_GO(group, protects, &stories[i]), WEIR_OK);
    }
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(weir_ctx_close(group), WEIR_OK);
    return WEIR_OK;
}

static void clean_ups_wait_while_others_panic(void **state)
{
    struct story stories[PANICS] = {{.cleaned = 0}};
    char bytes[64 << 10];
    weir_buf log;
    (void)state;
    weir_buf_init_fixed(&log, bytes, sizeof bytes);
    weir__log_capture(&log);
    assert_int_equal(weir__sim_run(panics_side_by_side, stories), WEIR_OK);
    weir__log_capture(NULL);
    for (int i = 0; i < PANICS; i++)
        assert_int_equal(stories[i].cleaned, 1);
}

/* --- many of one place ------------------------------------------------------------------------ */

static weir_err fails_a_check(weir_ctx *c, void *arg)
{
    const int *n = arg;
    (void)c;
    WEIR_CHECK(*n < 0);
    return WEIR_OK;
}

static weir_err panics_elsewhere(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    weir_panic("somewhere else");
}

static size_t lines_with(const char *log, const char *what)
{
    size_t n = 0;
    while ((log = strstr(log, what)) != NULL) {
        n++;
        log++;
    }
    return n;
}

enum { MANY = 5000 };

static weir_err panics_all_the_time(weir_ctx *c, void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(weir_protect(c, fails_a_check, &i), WEIR_EPANIC);
    return weir_protect(c, panics_elsewhere, NULL);
}

static void many_panics_of_a_place_are_a_few_lines(void **state)
{
    static char bytes[512 << 10];
    weir_buf log;
    uint64_t panics = weir__panic_total(), untold = weir__panic_untold();
    (void)state;
    weir_buf_init_fixed(&log, bytes, sizeof bytes - 1);
    weir__log_capture(&log);
    assert_int_equal(weir__sim_run(panics_all_the_time, NULL), WEIR_EPANIC);
    weir__log_capture(NULL);
    bytes[log.len] = '\0';
    size_t lines = lines_with(bytes, "panic in ");
    assert_int_equal(weir__panic_total() - panics, MANY + 1);
    assert_int_equal(weir__panic_untold() - untold, MANY + 1 - lines);
    assert_true(lines >= 2 && lines < MANY / 5);
    assert_int_equal(lines_with(bytes, "somewhere else"), 1); /* the first of its place */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_ups_wait_while_others_panic),
        cmocka_unit_test(many_panics_of_a_place_are_a_few_lines),
    };
    weir__watch_install();
    return cmocka_run_group_tests_name("panic", tests, NULL, NULL);
}
