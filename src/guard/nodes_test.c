/*
 * Nodes of a database: who gets writes and reads, by load, by what they are behind, by what a
 * request has written; who is out and comes back; roles that change; many threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "guard/nodes.h"

static const weir_time start = {1000000000000};
static const struct weir__nodes_call a_write = {.writes = true};
static const struct weir__nodes_call a_read = {.writes = false};

static weir_time after(int64_t ms)
{
    return weir_time_add(start, weir_ms(ms));
}

static unsigned found(struct weir__nodes *n, uint32_t node, enum weir__node_role role, int lag_ms,
                      int64_t at_ms)
{
    struct weir__node_finding f = {.is_ok = true, .role = role, .lag = weir_ms(lag_ms)};
    return weir__nodes_found(n, node, &f, after(at_ms));
}

static unsigned silent(struct weir__nodes *n, uint32_t node, int64_t at_ms)
{
    return weir__nodes_found(n, node, &(struct weir__node_finding){.is_ok = false}, after(at_ms));
}

/* All have been asked: the first is the primary. */
static struct weir__nodes *nodes_with(const struct weir__nodes_options *o, uint32_t count)
{
    struct weir__nodes *n = weir__nodes_new(o, count);
    assert_non_null(n);
    for (uint32_t i = 0; i < count && count > 1; i++)
        assert_int_equal(found(n, i, i == 0 ? WEIR__NODE_PRIMARY : WEIR__NODE_REPLICA, 0, 0),
                         WEIR__NODES_FOUND);
    return n;
}

static struct weir__nodes *nodes(uint32_t count)
{
    const struct weir__nodes_options o = {.lag_max = weir_sec(1), .health = {.slow_start = {-1}}};
    return nodes_with(&o, count);
}

/* Picked and done at once. */
static uint32_t pick(struct weir__nodes *n, struct weir__nodes_call call)
{
    uint32_t node = weir__nodes_pick(n, &call, start);
    if (node != WEIR__NODE_NONE)
        weir__nodes_done(n, node);
    return node;
}

static void writes_go_to_the_primary_and_reads_to_replicas(void **state)
{
    (void)state;
    struct weir__nodes *n = nodes(3);
    int reads[3] = {0};
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pick(n, a_write), 0);
        reads[pick(n, a_read)]++;
    }
    assert_int_equal(reads[0], 0);
    assert_int_equal(reads[1], 50); /* among equals each in turn, of which the primary is none */
    assert_int_equal(reads[2], 50);
    weir__nodes_free(n);
    weir__nodes_free(NULL);
}

static void one_node_serves_all(void **state)
{
    (void)state;
    struct weir__nodes *n = nodes(1);
    assert_int_equal(pick(n, a_write), 0);
    assert_int_equal(pick(n, a_read), 0);
    weir__nodes_free(n);
}

/* Where a node stands in the list says nothing of it. */
static void nobody_is_anything_before_it_was_asked(void **state)
{
    (void)state;
    const struct weir__nodes_options o = {.health = {.slow_start = {-1}}};
    struct weir__nodes *n = weir__nodes_new(&o, 2);
    assert_int_equal(pick(n, a_write), WEIR__NODE_NONE);
    assert_int_equal(pick(n, a_read), WEIR__NODE_NONE);
    assert_false(weir__nodes_state(n, 0, start).is_found);
    assert_int_equal(silent(n, 0, 0), 0);
    assert_int_equal(found(n, 1, WEIR__NODE_PRIMARY, 0, 10), WEIR__NODES_FOUND);
    assert_int_equal(pick(n, a_write), 1);
    assert_int_equal(pick(n, a_read), 1);
    assert_int_equal(found(n, 0, WEIR__NODE_REPLICA, 20, 20), WEIR__NODES_FOUND);
    assert_int_equal(pick(n, a_read), 0);
    struct weir__node_state s = weir__nodes_state(n, 0, start);
    assert_true(s.is_found && s.is_up && !s.is_primary && s.lag.ns == weir_ms(20).ns);
    assert_true(weir__nodes_state(n, 1, start).is_primary);
    weir__nodes_free(n);
}

static void reads_go_where_there_is_least_to_do(void **state)
{
    (void)state;
    struct weir__nodes *n = nodes(4);
    uint32_t running[4] = {0};
    for (int i = 0; i < 30; i++)
        running[weir__nodes_pick(n, &a_read, start)]++;
    for (int i = 1; i < 4; i++)
        assert_int_equal(running[i], 10);
    for (int i = 0; i < 5; i++)
        weir__nodes_done(n, 2); /* it is faster than the others */
    for (int i = 0; i < 5; i++)
        assert_int_equal(weir__nodes_pick(n, &a_read, start), 2);
    weir__nodes_free(n);
}

static void the_primary_reads_too_where_that_is_wanted(void **state)
{
    (void)state;
    const struct weir__nodes_options o = {.reads_primary = true};
    struct weir__nodes *n = nodes_with(&o, 2);
    int reads[2] = {0};
    for (int i = 0; i < 40; i++)
        reads[weir__nodes_pick(n, &a_read, start)]++;
    assert_int_equal(reads[0], 20);
    assert_int_equal(reads[1], 20);
    weir__nodes_free(n);
}

static void who_is_too_far_behind_gets_no_reads(void **state)
{
    (void)state;
    struct weir__nodes *n = nodes(3);
    assert_int_equal(found(n, 1, WEIR__NODE_REPLICA, 1001, 0), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pick(n, a_read), 2);
    assert_int_equal(found(n, 2, WEIR__NODE_REPLICA, 60000, 0), 0);
    assert_int_equal(pick(n, a_read), 0); /* no replica will do */
    for (int i = 0; i < 3; i++)
        (void)silent(n, 0, 0);
    assert_int_not_equal(pick(n, a_read), WEIR__NODE_NONE); /* nothing is fresher than they */
    assert_int_equal(pick(n, a_write), WEIR__NODE_NONE);
    assert_int_equal(found(n, 1, WEIR__NODE_REPLICA, 1000, 1), 0);
    weir__nodes_free(n);
}

static void who_fails_is_out_and_returns_with_little(void **state)
{
    (void)state;
    const struct weir__nodes_options o = {.health = {.slow_start = {10000000000}}};
    struct weir__nodes *n = nodes_with(&o, 3);
    assert_false(weir__nodes_called(n, 1, false));
    assert_false(weir__nodes_called(n, 1, false));
    assert_true(weir__nodes_called(n, 1, false)); /* once is told */
    assert_false(weir__nodes_called(n, 1, false));
    for (int i = 0; i < 10; i++)
        assert_int_equal(pick(n, a_read), 2);
    assert_int_equal(found(n, 1, WEIR__NODE_REPLICA, 0, 100), 0);
    assert_int_equal(found(n, 1, WEIR__NODE_REPLICA, 0, 200), WEIR__NODES_CAME_UP);
    int reads[3] = {0};
    for (int i = 0; i < 110; i++)
        reads[weir__nodes_pick(n, &a_read, after(200))]++;
    assert_in_range(reads[1], 5, 15); /* a tenth of its share at first */
    weir__nodes_free(n);
}

static void a_call_goes_elsewhere_after_a_failure(void **state)
{
    (void)state;
    struct weir__nodes *n = nodes(3);
    assert_int_equal(pick(n, (struct weir__nodes_call){.tried = 1u << 1}), 2);
    assert_int_equal(pick(n, (struct weir__nodes_call){.tried = 1u << 1 | 1u << 2}), 0);
    assert_int_equal(pick(n, (struct weir__nodes_call){.tried = 7}), WEIR__NODE_NONE);
    assert_int_equal(pick(n, (struct weir__nodes_call){.writes = true, .tried = 1}),
                     WEIR__NODE_NONE);
    weir__nodes_free(n);
}

static void a_request_reads_what_it_has_written(void **state)
{
    (void)state;
    struct weir__nodes *n = nodes(3);
    struct weir__nodes_session s = {0};
    struct weir__nodes_call read = {.session = &s};
    assert_int_not_equal(pick(n, read), 0);
    weir__nodes_wrote(&s, 0); /* nobody knows how far the log was */
    for (int i = 0; i < 10; i++)
        assert_int_equal(pick(n, read), 0);
    weir__nodes_wrote(&s, 500); /* one of its writes is still not known */
    assert_int_equal(pick(n, read), 0);

    s = (struct weir__nodes_session){0};
    weir__nodes_wrote(&s, 500);
    weir__nodes_wrote(&s, 400);
    struct weir__node_finding f = {.is_ok = true, .role = WEIR__NODE_REPLICA, .position = 499};
    (void)weir__nodes_found(n, 1, &f, start);
    (void)weir__nodes_found(n, 2, &f, start);
    assert_int_equal(pick(n, read), 0);
    f.position = 500;
    (void)weir__nodes_found(n, 2, &f, start);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pick(n, read), 2);
    f.position = 499;
    (void)weir__nodes_found(n, 2, &f, start);
    for (int i = 0; i < 3; i++)
        (void)silent(n, 0, 0);
    assert_int_equal(pick(n, read), WEIR__NODE_NONE); /* rather than what is older */
    assert_int_not_equal(pick(n, a_read), WEIR__NODE_NONE);
    weir__nodes_free(n);
}

static void a_failover_is_noticed(void **state)
{
    (void)state;
    struct weir__nodes *n = nodes(2);
    assert_int_equal(silent(n, 0, 0) | silent(n, 0, 10), 0);
    assert_int_equal(silent(n, 0, 20), WEIR__NODES_WENT_DOWN);
    assert_int_equal(pick(n, a_write), WEIR__NODE_NONE);
    assert_int_equal(found(n, 1, WEIR__NODE_PRIMARY, 0, 30), WEIR__NODES_ROLE);
    assert_int_equal(found(n, 1, WEIR__NODE_PRIMARY, 0, 40), 0);
    assert_int_equal(pick(n, a_write), 1);
    assert_int_equal(found(n, 0, WEIR__NODE_REPLICA, 0, 50), WEIR__NODES_ROLE);
    assert_int_equal(found(n, 0, WEIR__NODE_REPLICA, 0, 60), WEIR__NODES_CAME_UP);
    assert_int_equal(pick(n, a_write), 1);
    assert_int_equal(pick(n, a_read), 0);
    weir__nodes_free(n);
}

static void who_refuses_a_write_is_no_primary(void **state)
{
    (void)state;
    struct weir__nodes *n = nodes(2);
    assert_true(weir__nodes_refused_write(n, 0));
    assert_false(weir__nodes_refused_write(n, 0)); /* one retires what is open there */
    assert_int_equal(weir__nodes_primary(n, start), WEIR__NODE_NONE);
    assert_int_equal(pick(n, a_write), WEIR__NODE_NONE);
    (void)found(n, 1, WEIR__NODE_PRIMARY, 0, 1);
    assert_int_equal(pick(n, a_write), 1);
    weir__nodes_free(n);
}

/* The old one comes back and does not know that there is another. */
static void of_two_primaries_the_later_counts(void **state)
{
    (void)state;
    struct weir__nodes *n = nodes(3);
    (void)found(n, 2, WEIR__NODE_PRIMARY, 0, 100);
    assert_int_equal(weir__nodes_primaries(n, start), 2);
    assert_int_equal(pick(n, a_write), 2);
    for (int i = 0; i < 6; i++)
        assert_int_equal(pick(n, a_read), 1); /* nor does the old one serve reads */
    (void)found(n, 0, WEIR__NODE_PRIMARY, 0, 200);
    assert_int_equal(pick(n, a_write), 2);
    (void)found(n, 0, WEIR__NODE_REPLICA, 0, 300);
    assert_int_equal(weir__nodes_primaries(n, start), 1);
    weir__nodes_free(n);
}

/* One that was away at first, and does not know what has become of it. */
static void who_is_new_takes_nobodys_place(void **state)
{
    (void)state;
    const struct weir__nodes_options o = {.health = {.slow_start = {-1}}};
    struct weir__nodes *n = weir__nodes_new(&o, 3);
    assert_int_equal(found(n, 2, WEIR__NODE_PRIMARY, 0, 100), WEIR__NODES_FOUND);
    assert_int_equal(found(n, 0, WEIR__NODE_PRIMARY, 0, 200), WEIR__NODES_FOUND);
    assert_int_equal(pick(n, a_write), 2);
    assert_int_equal(found(n, 1, WEIR__NODE_REPLICA, 0, 300), WEIR__NODES_FOUND);
    assert_int_equal(found(n, 1, WEIR__NODE_PRIMARY, 0, 400), WEIR__NODES_ROLE); /* promoted */
    assert_int_equal(pick(n, a_write), 1);
    weir__nodes_free(n);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *picks(void *arg)
{
    struct weir__nodes *n = arg;
    for (int i = 0; i < ROUNDS; i++) {
        const struct weir__nodes_call call = {.writes = i % 5 == 0};
        uint32_t node = weir__nodes_pick(n, &call, start);
        if (node == WEIR__NODE_NONE)
            continue;
        (void)weir__nodes_called(n, node, i % 100 != 0);
        (void)(i % 500 == 0 && weir__nodes_refused_write(n, node));
        weir__nodes_done(n, node);
    }
    return NULL;
}

static void many_threads_leave_even_counts(void **state)
{
    (void)state;
    struct weir__nodes *n = nodes(3);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, picks, n), 0);
    for (int i = 0; i < 1000; i++) /* this one is the prober */
        (void)found(n, (uint32_t)i % 3, i % 3 == 0 ? WEIR__NODE_PRIMARY : WEIR__NODE_REPLICA, 0, i);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(atomic_load(&n->of[i].running), 0);
    weir__nodes_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_go_to_the_primary_and_reads_to_replicas),
        cmocka_unit_test(one_node_serves_all),
        cmocka_unit_test(nobody_is_anything_before_it_was_asked),
        cmocka_unit_test(reads_go_where_there_is_least_to_do),
        cmocka_unit_test(the_primary_reads_too_where_that_is_wanted),
        cmocka_unit_test(who_is_too_far_behind_gets_no_reads),
        cmocka_unit_test(who_fails_is_out_and_returns_with_little),
        cmocka_unit_test(a_call_goes_elsewhere_after_a_failure),
        cmocka_unit_test(a_request_reads_what_it_has_written),
        cmocka_unit_test(a_failover_is_noticed),
        cmocka_unit_test(who_refuses_a_write_is_no_primary),
        cmocka_unit_test(of_two_primaries_the_later_counts),
        cmocka_unit_test(who_is_new_takes_nobodys_place),
        cmocka_unit_test(many_threads_leave_even_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
