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
    weir__ctx_of(c)->route = "POST /orders";
    acquire(c, t, s->site);
    (void)weir_sleep(c, weir_ms(1500));
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
        weir_ctx *g = weir_ctx_open(c);
        assert_int_equal(WEIR_GO(g, leave_open, &stories[i]), WEIR_OK);
        (void)weir_ctx_close(g); /* cancelled: what is left then is no mistake */
    }
    for (int i = 0; i < 4; i++) {
        weir_ctx *g = weir_ctx_open(c);
        assert_int_equal(WEIR_GO(g, leave_open, &stories[i]), WEIR_OK);
        (void)weir_join_as(g, WEIR_JOIN_ALL);
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
    assert_int_equal(count("\"at\":\"shop.c:12\",\"route\":\"POST /orders\",\"kind\":\"thing\","
                           "\"func\":\"buy\",\"age_ms\":1500,\"stack\":\""),
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
