/*
 * Reports: counted by place, told with place, age, route and stack, and not more often than people
 * can read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "rt/log.h"
#include "rt/sim.h"
#include "watch/watch.h"
#include <weir/chan.h>
#include <weir/fiber.h>

static char bytes[262144];
static weir_buf buf;

static uint64_t count(const char *what)
{
    uint64_t n = 0;
    bytes[buf.len] = '\0';
    for (const char *at = bytes; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

struct thing {
    struct weir__owned owned;
    int number;
    bool is_mistake;
};

static void release(struct weir__owned *o)
{
    WEIR_CONTAINER(o, struct thing, owned)->number = -1;
}

static void describe(const struct weir__owned *o, weir_buf *out)
{
    weir_buf_printf(out, "number %d", WEIR_CONTAINER(o, struct thing, owned)->number);
}

static bool is_mistake(const struct weir__owned *o)
{
    return WEIR_CONTAINER(o, struct thing, owned)->is_mistake;
}

static const struct weir__owned_type type = {
    .name = "thing", .release = release, .describe = describe, .is_mistake = is_mistake};

__attribute__((noinline)) static void acquire(weir_ctx *c, struct thing *t, const weir_site *site)
{
    weir__own(weir__ctx_of(c), &t->owned, &type, site);
    __asm__ volatile("");
}

static const weir_site site_a = {"shop.c", "buy", 12}, same_as_a = {"shop.c", "buy", 12},
                       site_b = {"shop.c", "sell", 40};

struct story {
    weir_err result;
    bool by_hand, is_mistake;
    const weir_site *site;
};

static weir_err leave_open(weir_ctx *c, void *arg)
{
    struct story *s = arg;
    struct thing *t = weir_new(c, struct thing);
    assert_non_null(t);
    *t = (struct thing){.number = 7, .is_mistake = s->is_mistake};
    weir__ctx_originate(weir__ctx_of(c), "POST /orders");
    acquire(c, t, s->site);
    (void)!weir_sleep(c, weir_ms(1500));
    if (s->by_hand)
        weir__disown(&t->owned);
    return s->result;
}

static weir_err tells(weir_ctx *c, void *arg)
{
    struct story stories[] = {{WEIR_OK, false, true, &site_a},
                              {WEIR_EFAIL, false, true, &site_a},
                              {WEIR_OK, true, true, &site_a},
                              {WEIR_OK, false, false, &site_a}};
    (void)arg;
    uint64_t before = weir__leak_total();
    for (int i = 0; i < 4; i++) {
        WEIR_SCOPE(g, c);
        assert_int_equal(WEIR_GO(g, leave_open, &stories[i]), WEIR_OK);
        (void)weir_ctx_close(g); /* cancelled: what is left then is no mistake */
    }
    for (int i = 0; i < 4; i++) {
        WEIR_SCOPE(g, c);
        assert_int_equal(WEIR_GO(g, leave_open, &stories[i]), WEIR_OK);
        (void)!weir_join_as(g, WEIR_JOIN_ALL);
        (void)weir_ctx_close(g);
    }
    assert_int_equal(weir__leak_total(),
                     before + 1); /* only what ended well, by itself, and counts */
    return WEIR_OK;
}

static void test_a_mistake_is_told_exactly(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(tells, NULL), WEIR_OK);
    assert_int_equal(count("\n"), 1);
    assert_int_equal(count("\"level\":\"warn\",\"msg\":\"thing number 7 left open"), 1);
    assert_int_equal(count("\"at\":\"shop.c:12\",\"trace_id\":\""), 1);
    assert_int_equal(count("\"route\":\"POST /orders\",\"kind\":\"thing\",\"func\":\"buy\","
                           "\"age_ms\":1500,\"stack\":\""),
                     1);
    assert_int_equal(count("acquire at "), 1);
    assert_int_equal(count("leave_open at "), 1);
}

#define MANY 5000

static weir_err floods(weir_ctx *c, void *arg)
{
    static struct thing things[MANY];
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        things[i] = (struct thing){.number = i, .is_mistake = true};
        weir__own(weir__ctx_of(c), &things[i].owned, &type,
                  i % 5 == 0   ? &site_b
                  : i % 2 == 0 ? &site_a
                               : &same_as_a);
    }
    return WEIR_OK;
}

static void test_many_are_counted_and_few_are_told(void **state)
{
    (void)state;
    struct weir__leak_site before[2], after[2];
    uint64_t total = weir__leak_total();
    memset(before, 0, sizeof before);
    size_t n = weir__leak_sites(before, 2);
    assert_int_equal(n, 1);
    assert_int_equal(weir__sim_run(floods, NULL), WEIR_OK);
    assert_int_equal(weir__leak_total(), total + MANY);
    assert_in_range(count("\n"), 1, MANY / 10);
    assert_int_equal(weir__leak_sites(after, 2), 2); /* by place, not by address */
    for (int i = 0; i < 2; i++) {
        assert_string_equal(after[i].kind, "thing");
        bool is_b = after[i].site->line == 40;
        assert_int_equal(after[i].count, is_b ? MANY / 5 : before[0].count + MANY / 5 * 4);
    }
    assert_int_equal(weir__leak_sites(after, 1), 1);
    assert_int_equal(after[0].site->line,
                     40); /* released in reverse: number 0 is the most recent */
}

/* --- a place that is quiet beside one that floods -------------------------------------------- */

static const weir_site site_c = {"shop.c", "refund", 77};

static weir_err floods_then_once(weir_ctx *c, void *arg)
{
    static struct thing last;
    assert_int_equal(floods(c, arg), WEIR_OK);
    last = (struct thing){.number = MANY, .is_mistake = true};
    WEIR_SCOPE(group, c);
    weir__own(weir__ctx_of(group), &last.owned, &type, &site_c);
    weir__ctx_of(group)->is_ok = true;
    (void)weir_ctx_close(group);
    return WEIR_OK;
}

static void test_the_first_of_a_place_is_told_in_any_flood(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(floods, NULL), WEIR_OK); /* the second's lines are used up */
    assert_int_equal(count("shop.c:77"), 0);
    assert_int_equal(weir__sim_run(floods_then_once, NULL), WEIR_OK);
    assert_int_equal(count("\"at\":\"shop.c:77\""), 1);
}

/* --- too many deferred calls ------------------------------------------------------------------ */

static void count_up(void *n)
{
    ++*(int *)n;
}

__attribute__((noinline)) static weir_err defers(weir_ctx *c, void *n)
{
    for (int i = 0; i < WEIR_DEFERRED_MAX; i++)
        assert_int_equal(weir_defer(c, count_up, n), WEIR_OK);
    assert_int_equal(count("deferred call"), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(weir_defer(c, count_up, n), WEIR_OK);
    return WEIR_OK;
}

static weir_err defers_in_turns(weir_ctx *c, void *n)
{
    for (int i = 0; i < 2 * WEIR_DEFERRED_MAX; i++)
        WEIR_WITH(turn, c)
            assert_int_equal(weir_defer(turn, count_up, n), WEIR_OK);
    return WEIR_OK;
}

/* In a context of their own: the simulation's is the application's, which is not counted. */
static weir_err defers_twice(weir_ctx *c, void *n)
{
    WEIR_WITH(turns, c)
        assert_int_equal(defers_in_turns(turns, n), WEIR_OK);
    assert_int_equal(count("deferred call"), 0);
    WEIR_WITH(loop, c)
        assert_int_equal(defers(loop, n), WEIR_OK);
    return WEIR_OK;
}

static void test_a_loop_that_defers_is_told_once(void **state)
{
    (void)state;
    int n = 0;
    assert_int_equal(weir__sim_run(defers_twice, &n), WEIR_OK);
    assert_int_equal(n, 3 * WEIR_DEFERRED_MAX + 10);
    assert_int_equal(count("deferred call is one of more than 1000"), 1);
    assert_int_equal(count("defers at "), 1);
}

/* --- waits without an end --------------------------------------------------------------------- */

struct waits {
    weir_chan *chan;
    bool is_request;
    weir_dur timeout;
};

static weir_err waits(weir_ctx *c, void *arg)
{
    const struct waits *w = arg;
    weir_err err = WEIR_OK;
    WEIR_WITH(request, c, .timeout = w->timeout) {
        int value;
        weir__ctx_of(request)->exchange = w->is_request ? &value : NULL; /* looked at by nobody */
        const weir_select_case arms[] = {{.chan = w->chan, .recv = &value}};
        err = weir_select(request, arms, 1, weir_sec(59), NULL); /* a timeout is an end */
        assert_int_equal(err, WEIR_ETIMEDOUT);
        err = weir_chan_recv(request, w->chan, &value);
    }
    return err;
}

static weir_err lets_wait(weir_ctx *c, void *arg)
{
    struct waits *w = arg;
    WEIR_WITH(group, c) {
        w->chan = weir_chan_new(group, int, 0);
        assert_int_equal(WEIR_GO(group, waits, w), WEIR_OK);
        assert_int_equal(weir_sleep(c, weir_sec(300)), WEIR_OK);
        weir_chan_close(c, w->chan);
        weir_err err = weir_join_as(group, WEIR_JOIN_ALL);
        assert_int_equal(err, w->timeout.ns > 0 ? WEIR_ETIMEDOUT : WEIR_ECLOSED);
    }
    return WEIR_OK;
}

static void test_a_request_that_waits_for_ever_is_told_once(void **state)
{
    (void)state;
    struct waits has_deadline = {.is_request = true, .timeout = weir_sec(200)};
    struct waits is_background = {.is_request = false};
    struct waits for_ever = {.is_request = true};
    assert_int_equal(weir__sim_run(lets_wait, &has_deadline), WEIR_OK);
    assert_int_equal(weir__sim_run(lets_wait, &is_background), WEIR_OK);
    assert_int_equal(buf.len, 0);
    assert_int_equal(weir__sim_run(lets_wait, &for_ever), WEIR_OK);
    assert_int_equal(count("\n"), 1);
    assert_int_equal(count("chan recv waits without a deadline, on chan made at "), 1);
    assert_int_equal(count("\"kind\":\"chan recv\",\"age_ms\":60000,\"stack\":\""), 1);
    assert_int_equal(count("waits at "), 1);
}

static int capture(void **state)
{
    (void)state;
    weir_buf_init_fixed(&buf, bytes, sizeof bytes - 1);
    weir__log_capture(&buf);
    return 0;
}

static int end_capture(void **state)
{
    (void)state;
    weir__log_capture(NULL);
    return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, capture, end_capture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_mistake_is_told_exactly),
        TEST(test_many_are_counted_and_few_are_told),
        TEST(test_the_first_of_a_place_is_told_in_any_flood),
        TEST(test_a_loop_that_defers_is_told_once),
        TEST(test_a_request_that_waits_for_ever_is_told_once),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
