/*
 * Hibernation: every way in which a wait can end finds a hibernating fiber, its locals are what
 * they were, its pages are gone meanwhile, and who reaches into its stack gets what is there.
 */
#include "rt/hibernate_testing.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/sys.h"
#include "rt/io.h"
#include "watch/dump.h"
#include "watch/watch.h"
#include <weir/chan.h>

#define MANY 1000

/* --- waits and their ends --------------------------------------------------------------------- */

struct client {
    int ends[2];
    struct weir__fd fd;
    struct weir__fiber *fiber;
    weir_dur patience; /* of the recv; 0: none */
    ssize_t result;    /* of the last one */
    int received;      /* bytes */
    int64_t ended_ms;  /* when it ended, since the start */
    weir_time start;
    void (*end)(struct client *l, weir_ctx *group);
    ssize_t expected;
};

/* The stack of a handler, with locals that must survive. */
static weir_err converse(weir_ctx *c, void *arg)
{
    struct client *l = arg;
    char marks[64], byte = 0;
    memset(marks, 0x5A, sizeof marks);
    l->fiber = weir__self->current;
    assert_int_equal(weir__fd_watch(&l->fd, l->ends[0], NULL), WEIR_OK);
    do {
        weir_time until = weir_never();
        if (l->patience.ns != 0)
            until = weir_time_add(weir_now(), l->patience);
        l->result = weir__recv(weir__ctx_of(c), &l->fd, &byte, 1, until);
        l->received += byte;
        for (size_t i = 0; i < sizeof marks; i++)
            assert_int_equal(marks[i], 0x5A);
    } while (l->result > 0);
    l->ended_ms = weir_time_sub(weir_now(), l->start).ns / 1000000;
    weir__fd_close(&l->fd);
    return WEIR_OK;
}

static void start_client(struct client *l, weir_ctx *group)
{
    weir__sim_socketpair(l->ends, 16);
    l->start = weir_now();
    assert_int_equal(WEIR_GO(group, converse, l), WEIR_OK);
}

static void expect_one(weir_ctx *c, const struct client *l)
{
    pass_time(c);
    assert_int_equal(hibernating(), 1);
    assert_true(l->fiber->is_hibernating);
    assert_false(is_resident(l->fiber));
}

/* Several rounds of silence and a byte, then the end that the case wants. */
static weir_err silence_and_bytes(weir_ctx *c, void *arg)
{
    struct client *l = arg;
    WEIR_SCOPE(group, c);
    start_client(l, group);
    for (int round = 1; round <= 5; round++) {
        expect_one(c, l);
        assert_int_equal(weir__sim_write(l->ends[1], "\x02", 1), 1);
        assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
        assert_int_equal(l->received, 2 * round);
        assert_int_equal(hibernating(), 0);
        assert_true(is_resident(l->fiber));
    }
    expect_one(c, l);
    l->end(l, group);
    (void)!weir_join(group);
    assert_int_equal(l->result, l->expected);
    assert_int_equal(hibernating(), 0);
    weir__sim_close(l->ends[1]);
    (void)weir_ctx_close(group);
    return WEIR_OK;
}

static void end_by_peer(struct client *l, weir_ctx *group)
{
    (void)group;
    weir__sim_shutdown(l->ends[1]);
}

static void end_by_reset(struct client *l, weir_ctx *group)
{
    (void)group;
    weir__sim_reset(l->ends[1]);
}

static void end_by_cancel(struct client *l, weir_ctx *group)
{
    (void)l;
    weir__ctx_cancel(weir__ctx_of(group), WEIR_REASON_CALLER);
}

static void end_by_close(struct client *l, weir_ctx *group)
{
    (void)group;
    weir__fd_close(&l->fd);
}

static void end_by_event_and_cancel(struct client *l, weir_ctx *group)
{
    struct weir__fd *fd = &l->fd;
    weir__fd_dispatch(fd, WEIR__READABLE); /* W1: the event is first, and takes the wait */
    weir__ctx_cancel(weir__ctx_of(group), WEIR_REASON_CALLER);
}

static void run_ends(void (*end)(struct client *l, weir_ctx *group), ssize_t expected)
{
    struct client l = {.end = end, .expected = expected};
    uint64_t before = weir__alloc_stats().allocs - weir__alloc_stats().frees;
    if (can_hibernate())
        assert_int_equal(weir__sim_run(silence_and_bytes, &l), WEIR_OK);
    /* The simulation itself keeps nothing: no copy is left. */
    assert_int_equal(weir__alloc_stats().allocs - weir__alloc_stats().frees, before);
}

static void test_woken_by_data_and_the_end(void **state)
{
    (void)state;
    run_ends(end_by_peer, 0);
    run_ends(end_by_reset, -ECONNRESET);
}

static void test_woken_by_cancel(void **state)
{
    (void)state;
    run_ends(end_by_cancel, WEIR_ECANCELED);
}

static void test_woken_by_close(void **state)
{
    (void)state;
    run_ends(end_by_close, -ECANCELED);
}

static void test_event_and_cancel_at_once(void **state)
{
    (void)state;
    run_ends(end_by_event_and_cancel, WEIR_ECANCELED);
}

/* --- time ------------------------------------------------------------------------------------- */

static weir_err patience_ends(weir_ctx *c, void *arg)
{
    struct client *l = arg;
    WEIR_SCOPE(group, c);
    start_client(l, group);
    expect_one(c, l);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(l->result, WEIR_ETIMEDOUT);
    assert_int_equal(l->ended_ms, 60000);
    weir__sim_close(l->ends[1]);
    return WEIR_OK;
}

static weir_err deadline_comes(weir_ctx *c, void *arg)
{
    struct client *l = arg;
    WEIR_SCOPE(group, c, .timeout = weir_sec(90));
    start_client(l, group);
    expect_one(c, l);
    assert_int_equal(weir_join(group), WEIR_ETIMEDOUT);
    assert_int_equal(l->result, WEIR_ETIMEDOUT);
    assert_int_equal(l->ended_ms, 90000);
    weir__sim_close(l->ends[1]);
    return WEIR_OK;
}

static weir_err sleeps_long(weir_ctx *c, void *arg)
{
    struct client *l = arg;
    l->fiber = weir__self->current;
    l->result = weir_sleep(c, weir_hour(1));
    l->ended_ms = weir_time_sub(weir_now(), l->start).ns / 1000000;
    return WEIR_OK;
}

static weir_err sleep_ends(weir_ctx *c, void *arg)
{
    struct client *l = arg;
    WEIR_SCOPE(group, c);
    l->start = weir_now();
    assert_int_equal(WEIR_GO(group, sleeps_long, l), WEIR_OK);
    expect_one(c, l);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(l->result, WEIR_OK);
    assert_int_equal(l->ended_ms, 3600000);
    return WEIR_OK;
}

static void test_woken_by_time(void **state)
{
    (void)state;
    if (!can_hibernate())
        return;
    struct client out = {.patience = weir_sec(60)}, late = {0}, asleep = {0};
    assert_int_equal(weir__sim_run(patience_ends, &out), WEIR_OK);
    assert_int_equal(weir__sim_run(deadline_comes, &late), WEIR_OK);
    assert_int_equal(weir__sim_run(sleep_ends, &asleep), WEIR_OK);
}

/* --- who does not ----------------------------------------------------------------------------- */

static weir_err counts_hibernating(weir_ctx *c, void *arg)
{
    struct client *l = arg;
    WEIR_SCOPE(group, c);
    start_client(l, group);
    pass_time(c);
    assert_int_equal(hibernating(), 0);
    weir__sim_shutdown(l->ends[1]);
    assert_int_equal(weir_join(group), WEIR_OK);
    weir__sim_close(l->ends[1]);
    return WEIR_OK;
}

static void test_can_be_switched_off(void **state)
{
    (void)state;
    struct client l = {0};
    struct weir__runtime_options options = {.hibernate_after = weir_ns(-1)};
    assert_int_equal(weir__sim_run_with(&options, counts_hibernating, &l), WEIR_OK);
}

static weir_err selects(weir_ctx *c, void *arg)
{
    int value = 0;
    weir_select_case arm = {.chan = arg, .recv = &value};
    assert_int_equal(weir_select(c, &arm, 1, weir_ns(-1), NULL), 0);
    return value == 7 ? WEIR_OK : WEIR_EFAIL;
}

/* Waits in its stack's own child: the child's argument lies in the parent's frame. */
static weir_err has_a_child(weir_ctx *c, void *arg)
{
    struct client *l = arg;
    struct client childs = {.ends = {0}};
    WEIR_SCOPE(group, c);
    start_client(&childs, group);
    (void)converse(c, l);
    weir__sim_shutdown(childs.ends[1]);
    assert_int_equal(weir_join(group), WEIR_OK);
    weir__sim_close(childs.ends[1]);
    return WEIR_OK;
}

static weir_err parent_and_child(weir_ctx *c, void *arg)
{
    struct client *l = arg;
    WEIR_SCOPE(group, c);
    weir__sim_socketpair(l->ends, 16);
    assert_int_equal(WEIR_GO(group, has_a_child, l), WEIR_OK);
    pass_time(c);
    assert_int_equal(hibernating(), 1); /* the child alone */
    assert_false(l->fiber->is_hibernating);
    weir__sim_shutdown(l->ends[1]);
    assert_int_equal(weir_join(group), WEIR_OK);
    weir__sim_close(l->ends[1]);
    return WEIR_OK;
}

static void test_a_fiber_with_children_does_not(void **state)
{
    (void)state;
    struct client l = {0};
    if (can_hibernate())
        assert_int_equal(weir__sim_run(parent_and_child, &l), WEIR_OK);
}

static weir_err converse_deep(weir_ctx *c, void *arg)
{
    char deep[WEIR__HIBERNATE_BYTES_MAX];
    memset(deep, 7, sizeof deep);
    __asm__ volatile("" : : "r"(deep) : "memory"); /* it is used */
    weir_err err = converse(c, arg);
    return deep[0] == deep[sizeof deep - 1] ? err : WEIR_EFAIL;
}

static weir_err deep_and_other_waits(weir_ctx *c, void *arg)
{
    struct client *l = arg;
    WEIR_SCOPE(group, c);
    weir_chan *chan = weir_chan_new(c, int, 0);
    weir__sim_socketpair(l->ends, 16);
    assert_int_equal(WEIR_GO(group, converse_deep, l), WEIR_OK);
    assert_int_equal(WEIR_GO(group, selects, chan), WEIR_OK);
    pass_time(c);
    assert_int_equal(hibernating(), 0);
    int seven = 7;
    assert_int_equal(weir_chan_send(c, chan, &seven), WEIR_OK);
    weir__sim_shutdown(l->ends[1]);
    assert_int_equal(weir_join(group), WEIR_OK);
    weir__sim_close(l->ends[1]);
    return WEIR_OK;
}

static void test_deep_stacks_and_other_waits_do_not(void **state)
{
    (void)state;
    struct client l = {0};
    assert_int_equal(weir__sim_run(deep_and_other_waits, &l), WEIR_OK);
}

/* --- when it cannot be had -------------------------------------------------------------------- */

static weir_err nothing_to_be_had(weir_ctx *c, void *arg)
{
    struct client *l = arg;
    WEIR_SCOPE(group, c);
    start_client(l, group);
    assert_int_equal(weir_sleep(c, weir_sec(9)), WEIR_OK);
    if (l->patience.ns == 0)
        weir__alloc_fail_nth(1); /* for the copy */
    else
        weir__sys_fail_nth(1, ENOMEM); /* for the guard */
    assert_int_equal(weir_sleep(c, weir_sec(2)), WEIR_OK);
    assert_int_equal(hibernating(), 0);
    assert_int_equal(weir_sleep(c, weir_sec(4)), WEIR_OK);
    assert_int_equal(hibernating(), l->patience.ns == 0); /* memory may come back */
    weir__alloc_fail_nth(0);
    weir__sys_fail_nth(0, 0);
    assert_int_equal(weir__sim_write(l->ends[1], "\x02", 1), 1);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_int_equal(l->received, 2);
    weir__sim_shutdown(l->ends[1]);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(l->result, 0);
    weir__sim_close(l->ends[1]);
    return WEIR_OK;
}

static void test_nothing_is_lost_when_it_fails(void **state)
{
    (void)state;
    if (!can_hibernate())
        return;
    struct client no_memory = {0}, no_guard = {.patience = weir_hour(1)};
    assert_int_equal(weir__sim_run(nothing_to_be_had, &no_memory), WEIR_OK);
    assert_int_equal(weir__sim_run(nothing_to_be_had, &no_guard), WEIR_OK);
}

/* --- others in its stack ---------------------------------------------------------------------- */

struct guest {
    struct weir__list in_room; /* on its fiber's stack, as a program may well do */
    char text[8];
    int greetings;
};

struct room {
    struct weir__list guests; /* guest.in_room */
    weir_ctx *group;
};

static weir_err stays(weir_ctx *c, void *arg)
{
    struct room *r = arg;
    struct guest g = {.text = "guest"};
    weir__list_push_back(&r->guests, &g.in_room);
    while (g.greetings < 3)
        assert_int_equal(weir_sleep(c, weir_sec(60)), WEIR_OK);
    assert_string_equal(g.text, "Guest");
    weir__list_remove(&g.in_room);
    return WEIR_OK;
}

static weir_err greets(weir_ctx *c, void *arg)
{
    struct room *r = arg;
    WEIR_SCOPE(group, c);
    weir__list_init(&r->guests);
    for (int i = 0; i < 20; i++)
        assert_int_equal(WEIR_GO(group, stays, r), WEIR_OK);
    pass_time(c);
    /*
     * Links of one guest lead into the stacks of the next: those who arrived wrote there while all
     * were awake.
     */
    assert_int_equal(hibernating(), 20);
    for (int round = 0; round < 3; round++) {
        WEIR_LIST_EACH(node, &r->guests) {
            struct guest *g = WEIR_CONTAINER(node, struct guest, in_room);
            g->text[0] = 'G';
            g->greetings++;
        }
        assert_int_equal(hibernating(), 0); /* and never again */
        pass_time(c);
        assert_int_equal(hibernating(), 0);
    }
    return weir_join(group);
}

static void test_locals_stay_reachable(void **state)
{
    (void)state;
    struct room r;
    if (can_hibernate())
        assert_int_equal(weir__sim_run(greets, &r), WEIR_OK);
}

static weir_err kernel_reads(weir_ctx *c, void *arg)
{
    struct room *r = arg;
    int ends[2];
    char text[8] = "";
    WEIR_SCOPE(group, c);
    weir__list_init(&r->guests);
    assert_int_equal(WEIR_GO(group, stays, r), WEIR_OK);
    pass_time(c);
    assert_int_equal(hibernating(), 1);
    struct guest *g = WEIR_CONTAINER(r->guests.next, struct guest, in_room);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(weir__sys_write(ends[1], g->text, 6), 6);
    assert_int_equal(hibernating(), 0);
    assert_int_equal(weir__sys_read(ends[0], text, 6), 6);
    assert_string_equal(text, "guest");
    assert_int_equal(weir__sys_write(ends[1], (void *)8, 6), -EFAULT);
    close(ends[0]);
    close(ends[1]);
    g->greetings = 3;
    g->text[0] = 'G';
    return weir_join(group);
}

static void test_the_kernel_reaches_them_too(void **state)
{
    (void)state;
    struct room r;
    if (can_hibernate())
        assert_int_equal(weir__sim_run(kernel_reads, &r), WEIR_OK);
}

static void *look(void *arg)
{
    struct guest *g = arg;
    return (void *)(uintptr_t)strcmp(g->text, "guest");
}

static weir_err thread_reads(weir_ctx *c, void *arg)
{
    struct room *r = arg;
    pthread_t thread;
    void *differs = r;
    WEIR_SCOPE(group, c);
    weir__list_init(&r->guests);
    assert_int_equal(WEIR_GO(group, stays, r), WEIR_OK);
    pass_time(c);
    assert_int_equal(hibernating(), 1);
    struct guest *g = WEIR_CONTAINER(r->guests.next, struct guest, in_room);
    assert_int_equal(pthread_create(&thread, NULL, look, g), 0);
    pthread_join(thread, &differs);
    assert_null(differs);
    assert_int_equal(g->greetings, 0);
    g->greetings = 3;
    g->text[0] = 'G';
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(hibernating(), 0);
    return WEIR_OK;
}

static void test_another_thread_reaches_them(void **state)
{
    (void)state;
    struct room r;
    if (can_hibernate())
        assert_int_equal(weir__sim_run(thread_reads, &r), WEIR_OK);
}

/* --- many ------------------------------------------------------------------------------------- */

static weir_err a_thousand(weir_ctx *c, void *arg)
{
    struct client *all = arg;
    WEIR_SCOPE(group, c);
    for (int i = 0; i < MANY; i++)
        start_client(&all[i], group);
    assert_int_equal(weir_yield(c), WEIR_OK);
    for (int i = 0; i < MANY; i++)
        assert_true(is_resident(all[i].fiber));
    pass_time(c);
    assert_int_equal(hibernating(), MANY);
    for (int i = 0; i < MANY; i++)
        assert_false(is_resident(all[i].fiber));
    for (int i = MANY; i-- > 0;)
        weir__sim_shutdown(all[i].ends[1]);
    assert_int_equal(weir_join(group), WEIR_OK);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(all[i].result, 0);
        weir__sim_close(all[i].ends[1]);
    }
    return WEIR_OK;
}

static void test_pages_of_a_thousand_go_and_come(void **state)
{
    (void)state;
    struct client *all = calloc(MANY, sizeof *all);
    if (can_hibernate())
        assert_int_equal(weir__sim_run(a_thousand, all), WEIR_OK);
    free(all);
}

/* Fibers end while a sweep is under way: it goes on behind them. */
static weir_err ends_amid_sweeps(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(group, c);
    struct client *all = calloc(MANY, sizeof *all);
    for (int i = 0; i < MANY; i++)
        start_client(&all[i], group);
    for (int i = 0; hibernating() == 0; i++)
        assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    assert_true(hibernating() < MANY);
    for (int i = 0; i < MANY; i++) {
        weir__sim_shutdown(all[i * 7 % MANY].ends[1]);
        if (i % 50 == 0)
            assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    }
    assert_int_equal(weir_join(group), WEIR_OK);
    for (int i = 0; i < MANY; i++)
        weir__sim_close(all[i].ends[1]);
    assert_int_equal(hibernating(), 0);
    free(all);
    return WEIR_OK;
}

static void test_fibers_end_amid_a_sweep(void **state)
{
    (void)state;
    if (can_hibernate())
        assert_int_equal(weir__sim_run(ends_amid_sweeps, NULL), WEIR_OK);
}

/* --- the dump --------------------------------------------------------------------------------- */

static size_t stack_of(const struct weir__fiber *f, void **pcs, const char **state,
                       const char **waits_for)
{
    struct weir__dump d;
    size_t depth = 0;
    weir__dump_init(&d, 100, 1 << 20);
    weir__dump_fibers(weir__self, &d);
    for (const struct weir__dump_fiber *df = d.first; df != NULL; df = df->next) {
        if (df->id != f->id)
            continue;
        depth = df->depth;
        memcpy(pcs, df->stack, sizeof df->stack);
        *state = df->state;
        *waits_for = df->waits_for;
    }
    weir__dump_fini(&d);
    return depth;
}

static weir_err shows(weir_ctx *c, void *arg)
{
    struct client *l = arg;
    void *awake[WEIR__DUMP_STACK_DEPTH], *asleep[WEIR__DUMP_STACK_DEPTH];
    const char *state = "", *waits_for = "";
    WEIR_SCOPE(group, c);
    start_client(l, group);
    assert_int_equal(weir_yield(c), WEIR_OK);
    size_t depth = stack_of(l->fiber, awake, &state, &waits_for);
    assert_true(depth > 4);
    assert_string_equal(state, "waiting");
    expect_one(c, l);
    assert_int_equal(stack_of(l->fiber, asleep, &state, &waits_for), depth);
    assert_memory_equal(awake, asleep, depth * sizeof awake[0]);
    assert_string_equal(state, "hibernating");
    assert_string_equal(waits_for, "recv");
    assert_int_equal(hibernating(), 1); /* nobody has touched its stack */
    assert_false(is_resident(l->fiber));
    weir__sim_shutdown(l->ends[1]);
    assert_int_equal(weir_join(group), WEIR_OK);
    weir__sim_close(l->ends[1]);
    return WEIR_OK;
}

static void test_the_dump_shows_its_stack(void **state)
{
    (void)state;
    struct client l = {0};
    if (can_hibernate())
        assert_int_equal(weir__sim_run(shows, &l), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_woken_by_data_and_the_end),
        cmocka_unit_test(test_woken_by_cancel),
        cmocka_unit_test(test_woken_by_close),
        cmocka_unit_test(test_event_and_cancel_at_once),
        cmocka_unit_test(test_woken_by_time),
        cmocka_unit_test(test_can_be_switched_off),
        cmocka_unit_test(test_a_fiber_with_children_does_not),
        cmocka_unit_test(test_deep_stacks_and_other_waits_do_not),
        cmocka_unit_test(test_nothing_is_lost_when_it_fails),
        cmocka_unit_test(test_locals_stay_reachable),
        cmocka_unit_test(test_the_kernel_reaches_them_too),
        cmocka_unit_test(test_another_thread_reaches_them),
        cmocka_unit_test(test_pages_of_a_thousand_go_and_come),
        cmocka_unit_test(test_fibers_end_amid_a_sweep),
        cmocka_unit_test(test_the_dump_shows_its_stack),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
