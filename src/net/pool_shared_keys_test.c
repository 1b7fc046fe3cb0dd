/* Shared pools by key: keys that come, go and hunger; mistakes; missing memory; on virtual time. */
#include "net/pool_shared_testing.h"

#include <string.h>

#include "base/alloc.h"
#include "watch/watch.h"

/* --- keys ------------------------------------------------------------------------------------- */

static weir_err has_few_keys(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct weir__share a = {.broken = NULL}, b = {.broken = NULL}, d = {.broken = NULL};
    struct weir__shared_key_stats k;
    assert_non_null(POOL(c, p, .each = {.max_open = 2}, .keys_max = 2));
    once(c, p, "a");
    once(c, p, "b");
    once(c, p, "a");
    assert_true(weir_str_eq(p->last, WEIR_S("b")));
    assert_int_equal(SHARE(c, p, "c", &a), WEIR_OK); /* b goes */
    assert_int_equal(carried_by(&a), 3);
    pass(c, 1);
    assert_int_equal(p->live, 2);
    assert_false(weir__shared_pool_key_stats(p->pool, WEIR_S("b"), &k));
    assert_true(weir__shared_pool_key_stats(p->pool, WEIR_S("c"), &k));
    assert_true(k.open == 1 && k.leases == 1 && k.opening == 0 && k.waiting == 0);
    assert_int_equal(SHARE(c, p, "d", &b), WEIR_OK); /* a goes */
    assert_int_equal(SHARE(c, p, "e", &d), WEIR_ELIMIT);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "all 2 keys are in use"));
    weir_error_clear(c);
    weir__share_release(&a);
    weir__share_release(&b);
    assert_int_equal(shared_stats(p).evicted, 2);
    assert_int_equal(shared_stats(p).keys, 2);
    return WEIR_OK;
}

static void test_the_key_used_least_recently_goes(void **state)
{
    (void)state;
    run(has_few_keys);
}

static weir_err is_hungry(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct user u[5];
    static const char *const keys[] = {"a", "b", "b", "x", "y"};
    assert_non_null(POOL(c, p, .each = {.max_open = 4}, .open_max = 2));
    once(c, p, "a");
    once(c, p, "b");
    int64_t start = NOW_MS();
    once(c, p, "c"); /* what is unused makes room at once */
    assert_in_range(NOW_MS() - start, 0, 2);
    assert_int_equal(p->live_max, 2);
    WEIR_SCOPE(group, c);
    for (int i = 0; i < 5; i++) {
        come(group, &u[i], p, keys[i], weir_ms(100));
        pass(c, 10);
    }
    assert_int_equal(weir_join(group), WEIR_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(u[i].err, WEIR_OK);
    assert_in_range(u[3].at - u[0].at, 100, 103); /* a has fewer leases, and leaves first */
    assert_in_range(u[4].at - u[0].at, 110, 125);
    assert_int_equal(p->live_max, 2);
    return weir_ctx_close(group);
}

static void test_the_hungry_get_room_in_turn(void **state)
{
    (void)state;
    run(is_hungry);
}

/*
 * Who was hungry, and has got what it wanted otherwise, hungers no more: nothing is closed for it.
 */
static weir_err was_hungry(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    struct user a, b[2];
    p->room = 1;
    assert_non_null(POOL(c, p, .each = {.max_open = 2}, .open_max = 2, .keys_max = 2));
    WEIR_SCOPE(group, c);
    come(group, &a, p, "a", weir_ms(100));
    pass(c, 1);
    for (int i = 0; i < 2; i++) {
        come(group, &b[i], p, "b", weir_ms(10));
        pass(c, 1);
    }
    pass(c, 30);
    assert_true(b[0].err == WEIR_OK && b[1].err == WEIR_OK && b[1].by == b[0].by);
    assert_int_equal(p->live, 2); /* nobody wants the room that b's has */
    once(c, p, "c");              /* b goes */
    assert_int_equal(shared_stats(p).evicted, 1);
    assert_int_equal(weir_join(group), WEIR_OK);
    once(c, p, "b");
    assert_int_equal(p->live_max, 2);
    return weir_ctx_close(group);
}

static void test_who_was_hungry_costs_nothing(void **state)
{
    (void)state;
    run(was_hungry);
}

/* --- mistakes, memory ------------------------------------------------------------------------- */

static weir_err asks_wrongly(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    assert_null(POOL(c, p, .each = {.min_idle = 1, .check_after = weir_sec(1)}, .keys_max = 5000));
    const char *text = weir_last_error(c)->message.ptr;
    assert_non_null(strstr(text, "pool peers: min_idle is given; a pool that is shared has none"));
    assert_non_null(strstr(text, "check_after is given"));
    assert_non_null(strstr(text, "keys_max is 5000; allowed: 1 to 1000"));
    assert_non_null(strstr(text, "max_open is 0; allowed: 1 to 10000"));
    weir_error_clear(c);
    return WEIR_OK;
}

static void test_mistakes_are_told(void **state)
{
    (void)state;
    run(asks_wrongly);
}

static weir_err lacks_memory(weir_ctx *c, void *arg)
{
    struct peer *p = arg;
    int failed = 0;
    assert_non_null(POOL(c, p, .each = {.max_open = 2}));
    for (uint64_t nth = 1; nth <= 8; nth++) {
        struct weir__share s = {.broken = NULL};
        char key[2] = {(char)('a' + nth), '\0'};
        weir__alloc_fail_nth(nth);
        weir_err err = SHARE(c, p, key, &s);
        weir__alloc_fail_nth(0);
        failed += err != WEIR_OK;
        weir__share_release(&s);
        weir_error_clear(c);
        once(c, p, key);
    }
    assert_in_range(failed, 2, 8); /* the map, the lane, the carrier at least */
    return WEIR_OK;
}

static void test_each_piece_of_memory_may_be_missing(void **state)
{
    (void)state;
    run(lacks_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_key_used_least_recently_goes),
        cmocka_unit_test(test_the_hungry_get_room_in_turn),
        cmocka_unit_test(test_who_was_hungry_costs_nothing),
        cmocka_unit_test(test_mistakes_are_told),
        cmocka_unit_test(test_each_piece_of_memory_may_be_missing),
    };
    weir__watch_install();
    return cmocka_run_group_tests_name("pool_shared_keys", tests, NULL, NULL);
}
