/*
 * A group that changes while all workers call it, with real threads: each call ends where it was
 * begun, each worker comes to the latest set, and nothing of the old ones is left.
 */
#include "http/client/testing.h"

#include "http/client/upstream.h"
#include "net/pool_workers_testing.h"

struct test {
    struct crew crew;
    struct weir__upstream *u;
    atomic_bool is_over;
    atomic_int calls;
};

/* Two calls at a time, which end in the other order: one may be older than the set. */
static void calls(weir_ctx *c, void *arg)
{
    struct test *t = arg;
    struct weir__upstream_set *before = NULL;
    uint32_t seat_before = 0;
    while (!atomic_load(&t->is_over)) {
        struct weir__upstream_set *set = weir__upstream_here(t->u);
        struct weir__balance *b = set->balances[weir__self->index];
        uint32_t seat = weir__balance_pick(b, NULL, weir_now());
        assert_int_not_equal(seat, WEIR__BALANCE_NONE);
        assert_true(set->of[seat].target->id > 0);
        assert_int_equal(weir_yield(c), WEIR_OK);
        weir__ejector_report(set->ejector, weir__self->index, seat, true, weir_now());
        if (before != NULL)
            weir__upstream_done(before, seat_before);
        before = set;
        seat_before = seat;
        atomic_fetch_add(&t->calls, 1);
    }
    if (before != NULL)
        weir__upstream_done(before, seat_before);
}

/* Each set of one to five addresses, of which some are in the one before. */
static void change(struct test *t, unsigned round)
{
    struct weir__addresses to = {.count = 0};
    for (unsigned i = 0; i < round % 6; i++) {
        const uint8_t ip[4] = {10, 0, 0, (uint8_t)(1 + (round + i) % 8)};
        assert_true(weir__addresses_add(&to, AF_INET, ip));
    }
    assert_int_equal(weir__upstream_change(t->u, &t->u->sources[0], &to), WEIR_OK);
    struct weir__upstream_set *set = weir__upstream_hold(t->u); /* as who reads the numbers */
    assert_int_equal(set->count, to.count > 0 ? to.count : 1);
    weir__upstream_let_go(set);
}

static weir_err changes(weir_ctx *app, void *arg)
{
    struct test *t = arg;
    crew_init(&t->crew, app, t);
    weir_http *handle = weir_http_open(
        app, .name = "shop",
        .targets = WEIR_HTTP_TARGETS({.url = "http://localhost:1", .each_address = true}));
    assert_int_equal(weir_http_err(handle), WEIR_OK);
    const weir_http *http = weir__token_must(handle, WEIR__KIND_HTTP, "test", "the client");
    t->u = http->upstream;
    for (unsigned i = 1; i < WORKERS; i++)
        give_work(&t->crew, i, calls);
    for (unsigned round = 0; round < 300; round++) {
        int called = atomic_load(&t->calls);
        change(t, round);
        while (atomic_load(&t->calls) < called + 3)
            assert_int_equal(weir_yield(app), WEIR_OK);
    }
    atomic_store(&t->is_over, true);
    await_work(&t->crew, WORKERS - 1);
    return WEIR_OK;
}

static void a_group_changes_under_the_calls_of_all_workers(void **state)
{
    (void)state;
    struct test *t = calloc(1, sizeof *t);
    run_crew(changes, t);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_changes_under_the_calls_of_all_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
