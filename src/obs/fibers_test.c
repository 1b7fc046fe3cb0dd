/*
 * The page of fibers on the simulation: text and JSON say the same, names are found, nothing is
 * left.
 */
#include "obs/fibers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "rt/sim.h"
#include <weir/chan.h>

static weir_chan *channel;

static weir_err a_patient_fiber(weir_ctx *c, void *arg)
{
    (void)arg;
    int value;
    return weir_chan_recv(c, channel, &value);
}

static void expect_parts(const char *text, const char *const *parts)
{
    for (; *parts != NULL; parts++) {
        if (strstr(text, *parts) == NULL)
            fail_msg("no \"%s\" in\n%s", *parts, text);
    }
}

static weir_err looks(weir_ctx *c, void *arg)
{
    (void)arg;
    channel = weir_chan_new(c, int, 0);
    WEIR_SCOPE(group, c, .timeout = weir_sec(60));
    assert_int_equal(WEIR_GO(group, a_patient_fiber, NULL), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_ms(2500)), WEIR_OK);
    struct weir__fibers f;
    assert_int_equal(weir__fibers_collect(weir__ctx_of(c), weir_ms(100), &f), WEIR_OK);
    weir_buf b;
    weir_buf_init(&b, 1 << 20);
    weir__fibers_text(&f, &b);
    weir_buf_putc(&b, '\0');
    expect_parts(b.ptr, (const char *const[]){"fibers on 1 workers", "waiting for 2.500 s: chan",
                                              "a_patient_fiber", "deadline in 57.500 s",
                                              "fibers_test.c", NULL});
    weir_buf_reset(&b);
    weir__fibers_json(&f, &b);
    weir_buf_putc(&b, '\0');
    expect_parts(b.ptr, (const char *const[]){"\"name\":\"a_patient_fiber\"", "\"since_ms\":2500",
                                              "\"deadline_ms\":57500", "\"answers\":true",
                                              "\"state\":\"waiting\"", NULL});
    weir_buf_fini(&b);
    weir__fibers_fini(&f);
    weir_cancel(group);
    return weir_ctx_close(group) == WEIR_ECANCELED ? WEIR_OK : WEIR_EFAIL;
}

static void text_and_json(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(looks, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_and_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
