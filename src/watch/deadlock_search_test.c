/*
 * Deadlocks inside a tree of contexts: each way in which all fibers of detached work can wait for
 * each other is found and named long before its deadline; each way in which something outside could
 * still move them is left alone.
 *
 * A story runs as detached work, so that it has a tree of its own with a deadline of 30 s, and
 * returns what its wait returned. The main fiber plays the world outside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "rt/io.h"
#include "rt/log.h"
#include "rt/sim.h"
#include "watch/watch.h"
#include <weir/chan.h>
#include <weir/fiber.h>
#include <weir/sync.h>
#include <weir/timer.h>
#include <weir/topic.h>

#define UNTIL_FOUND_MS 500

static struct {
    weir_fiber_fn story, outside; /* outside may be NULL */
    weir_ctx *app;
    weir_chan *app_chan;
    weir_mutex *app_mutex;
    weir_sem *app_sem;
    weir_topic *topic;
    weir_chan *inner, *outer; /* of the story's tree; of the main fiber's */
    int socket;
    weir_err result;
    int64_t took_ms;
    uint64_t deadlocks;
    char log[65536];
    weir_buf lines;
} t;

static weir_err tell_story(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_time began = weir_now();
    t.result = t.story(c, NULL);
    t.took_ms = weir_time_sub(weir_now(), began).ns / 1000000;
    return t.result;
}

static weir_err play(weir_ctx *c, void *arg)
{
    (void)arg;
    int ends[2];
    t.app = weir__ctx_handle(weir__self->runtime->app);
    t.app_chan = weir_chan_new(t.app, void *, 8);
    t.app_mutex = weir_mutex_new(t.app);
    t.app_sem = weir_sem_new(t.app, 2);
    t.topic = weir_topic_new(t.app, int);
    t.outer = weir_chan_new(c, int, 0);
    weir__sim_socketpair(ends, 64);
    t.socket = ends[1];
    assert_int_equal(weir_detach(c, tell_story, NULL, 0, .timeout = weir_sec(30)), WEIR_OK);
    if (t.outside != NULL)
        assert_int_equal(t.outside(c, (void *)(uintptr_t)ends[0]), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(60)), WEIR_OK);
    weir__sim_close(ends[0]);
    weir__sim_close(ends[1]);
    t.deadlocks = atomic_load(&weir__self->stats.deadlocks);
    return WEIR_OK;
}

static void run(weir_fiber_fn story, weir_fiber_fn outside)
{
    memset(&t, 0, sizeof t);
    t.story = story;
    t.outside = outside;
    t.result = 1;
    weir_buf_init_fixed(&t.lines, t.log, sizeof t.log - 1);
    weir__log_capture(&t.lines);
    assert_int_equal(weir__sim_run(play, NULL), WEIR_OK);
    weir__log_capture(NULL);
    t.log[t.lines.len] = '\0';
}

static void is_named(const char *what)
{
    if (strstr(t.log, what) == NULL)
        fail_msg("the report does not say \"%s\":\n%s", what, t.log);
}

static void finds(weir_fiber_fn story, const char *what)
{
    run(story, NULL);
    assert_int_equal(t.result, WEIR_EDEADLK);
    assert_true(t.took_ms <= UNTIL_FOUND_MS);
    assert_int_equal(t.deadlocks, 1);
    is_named("deadlock: all fibers of a context wait");
    is_named(what);
    is_named("tell_story");
}

static void leaves_alone(weir_fiber_fn story, weir_fiber_fn outside)
{
    run(story, outside);
    assert_int_equal(t.deadlocks, 0);
    assert_null(strstr(t.log, "deadlock"));
    assert_int_equal(t.result, WEIR_OK);
    assert_true(t.took_ms >= 2000);
}

/* --- found -------------------------------------------------------------------------------- */

static weir_err receives(weir_ctx *c, void *arg)
{
    int n;
    weir_chan *ch = arg != NULL ? arg : weir_chan_new(c, int, 1);
    return weir_chan_recv(c, ch, &n);
}

static weir_err sends(weir_ctx *c, void *arg)
{
    int n = 1;
    weir_chan *ch = arg != NULL ? arg : weir_chan_new(c, int, 0);
    return weir_chan_send(c, ch, &n);
}

static weir_err selects(weir_ctx *c, void *arg)
{
    (void)arg;
    int n = 1, m;
    weir_chan *a = weir_chan_new(c, int, 0), *b = weir_chan_new(c, int, 0);
    weir_select_case arms[] = {{.chan = a, .send = &n}, {.chan = b, .recv = &m}};
    return weir_select(c, arms, 2, weir_ms(-1), NULL);
}

static weir_err selects_nothing(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_select_case arms[] = {{.chan = NULL}};
    return weir_select(c, arms, 1, weir_ms(-1), NULL);
}

static weir_err waits_for_a_group(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_wait_group *g = weir_wait_group_new(c);
    weir_wait_group_add(c, g, 3);
    return weir_wait_group_wait(c, g);
}

static weir_err waits_for_a_signal(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_mutex *m = weir_mutex_new(c);
    weir_cond *cond = weir_cond_new(c);
    assert_int_equal(weir_lock(c, m), WEIR_OK);
    weir_err err = weir_cond_wait(c, cond, m);
    weir_unlock(c, m);
    return err;
}

static weir_err takes_a_third_permit(weir_ctx *c, void *arg)
{
    weir_sem *s = arg != NULL ? arg : weir_sem_new(c, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(weir_sem_acquire(c, s), WEIR_OK);
    weir_err err = weir_sem_acquire(c, s);
    for (int i = 0; i < 2; i++)
        weir_sem_release(c, s);
    return err;
}

static weir_err takes_a_third_shared_permit(weir_ctx *c, void *arg)
{
    (void)arg;
    return takes_a_third_permit(c, t.app_sem);
}

/* Each has one lock and wants the other. */
struct two_locks {
    weir_mutex *first, *second;
};

static weir_err locks_both(weir_ctx *c, void *arg)
{
    struct two_locks *l = arg;
    weir_err err = weir_lock(c, l->first);
    if (err == WEIR_OK)
        err = weir_sleep(c, weir_ms(1));
    if (err == WEIR_OK)
        err = weir_lock(c, l->second);
    return err;
}

static weir_err locks_crosswise(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_mutex *a = weir_mutex_new(c), *b = weir_mutex_new(c);
    struct two_locks *one = weir_new(c, struct two_locks), *other = weir_new(c, struct two_locks);
    *one = (struct two_locks){a, b};
    *other = (struct two_locks){b, a};
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, locks_both, one), WEIR_OK);
    assert_int_equal(WEIR_GO(group, locks_both, other), WEIR_OK);
    return weir_join_as(group, WEIR_JOIN_ALL);
}

static weir_err locks_the_shared_one(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_lock(c, t.app_mutex);
}

static weir_err joins_one_that_wants_its_lock(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_int_equal(weir_lock(c, t.app_mutex), WEIR_OK);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, locks_the_shared_one, NULL), WEIR_OK);
    weir_err err = weir_join(group);
    weir_unlock(c, t.app_mutex);
    return err;
}

static weir_err does_nothing(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return WEIR_OK;
}

static weir_err waits_within(weir_ctx *c, void *arg)
{
    (void)arg;
    return receives(c, NULL);
}

static weir_err does_once(weir_ctx *c, void *arg)
{
    return weir_once_do(c, arg, waits_within, NULL);
}

static weir_err waits_for_a_call(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_once *once = weir_once_new(c);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, does_once, once), WEIR_OK);
    assert_int_equal(weir_yield(c), WEIR_OK);
    weir_err err = weir_once_do(c, once, does_nothing, NULL);
    weir_err joined = weir_join(group);
    return err != WEIR_OK ? err : joined;
}

static weir_err has_a_child(weir_ctx *c, void *arg)
{
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, receives, arg), WEIR_OK);
    return weir_join(group);
}

static weir_err has_a_grandchild(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch = weir_chan_new(c, int, 0);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, has_a_child, ch), WEIR_OK);
    return weir_join(group);
}

static void test_channels(void **state)
{
    (void)state;
    finds(receives, "waits for chan recv: chan made at src/watch/deadlock_search_test.c:");
    finds(sends, "waits for chan send: chan made at ");
    finds(selects, "waits for select: 2 arms; send to chan made at ");
    finds(selects_nothing, "waits for select: 0 arms");
}

static void test_locks_and_the_like(void **state)
{
    (void)state;
    finds(waits_for_a_group, "waits for wait group: 3 in progress, made at ");
    finds(waits_for_a_signal, "waits for condition: made at ");
    finds(takes_a_third_permit, "waits for semaphore: 2 permits, made at ");
    finds(takes_a_third_shared_permit, "waits for semaphore: 2 permits, made at ");
    finds(waits_for_a_call, "waits for once: made at ");
    finds(joins_one_that_wants_its_lock, "by fiber tell_story");
}

static void test_two_fibers_lock_crosswise(void **state)
{
    (void)state;
    finds(locks_crosswise, "waits for join: 2 fibers of the context opened at ");
    is_named("\"fibers\":3");
    is_named("fiber locks_both waits for lock: made at src/watch/deadlock_search_test.c:");
    is_named(", locked at src/watch/deadlock_search_test.c:");
    is_named("by fiber locks_both");
    is_named("\"since_ms\":");
    is_named("\"at\":\"src/watch/deadlock_search_test.c:");
}

static void test_children_and_grandchildren(void **state)
{
    (void)state;
    finds(has_a_child, "waits for join: 1 fibers");
    finds(has_a_grandchild, "fiber has_a_child waits for join");
    is_named("fiber receives waits for chan recv");
}

/* Who is found first is cancelled; the others, of a second's many, are told in a line each. */
static weir_err works_for_itself(weir_ctx *c, void *arg)
{
    (void)arg;
    return receives(c, NULL);
}

static weir_err starts_ten(weir_ctx *c, void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        assert_int_equal(weir_detach(c, works_for_itself, NULL, 0), WEIR_OK);
    return WEIR_OK;
}

static size_t count(const char *what)
{
    size_t n = 0;
    for (const char *at = t.log; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void test_many_at_once_are_told_briefly(void **state)
{
    (void)state;
    run(starts_ten, NULL);
    assert_int_equal(t.deadlocks, 10);
    assert_int_equal(count("deadlock: all fibers of a context wait"), 10);
    assert_int_equal(count("waits_for"), 1);
}

/* --- left alone --------------------------------------------------------------------------- */

static weir_err sends_later(weir_ctx *c, void *arg)
{
    weir_err err = weir_sleep(c, weir_sec(2));
    int n = 7;
    return err != WEIR_OK ? err : weir_chan_send(c, arg, &n);
}

static weir_err has_one_that_sleeps(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch = weir_chan_new(c, int, 0);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, sends_later, ch), WEIR_OK);
    weir_err err = receives(c, ch);
    weir_err joined = weir_join(group);
    return err != WEIR_OK ? err : joined;
}

static weir_err selects_for_a_while(weir_ctx *c, void *arg)
{
    (void)arg;
    int n;
    weir_select_case arms[] = {{.chan = weir_chan_new(c, int, 0), .recv = &n}};
    return weir_select(c, arms, 1, weir_sec(2), NULL) == WEIR_ETIMEDOUT ? WEIR_OK : WEIR_EFAIL;
}

static weir_err waits_in_a_part(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch = weir_chan_new(c, int, 0);
    WEIR_SCOPE(part, c, .timeout = weir_sec(2));
    weir_err err = receives(part, ch);
    (void)weir_ctx_close(part);
    return err == WEIR_ETIMEDOUT ? WEIR_OK : WEIR_EFAIL;
}

static weir_err waits_in_a_shield(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_err err = WEIR_OK;
    WEIR_SHIELD(c, weir_sec(3))
        err = receives(c, NULL);
    return err == WEIR_ETIMEDOUT ? WEIR_OK : WEIR_EFAIL;
}

static weir_err reads(weir_ctx *c, void *arg)
{
    char byte;
    struct weir__fd fd;
    assert_int_equal(weir__fd_watch(&fd, t.socket, NULL), WEIR_OK);
    ssize_t n = weir__recv(weir__ctx_of(c), &fd, &byte, 1, weir_never());
    (void)weir__fd_unwatch(&fd);
    int one = 1;
    return n == 1 ? weir_chan_send(c, arg, &one) : WEIR_EFAIL;
}

static weir_err has_one_that_reads(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch = weir_chan_new(c, int, 0);
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, reads, ch), WEIR_OK);
    weir_err err = receives(c, ch);
    weir_err joined = weir_join(group);
    return err != WEIR_OK ? err : joined;
}

static weir_err writes_later(weir_ctx *c, void *end)
{
    assert_int_equal(weir_sleep(c, weir_sec(2)), WEIR_OK);
    return weir__sim_write((int)(uintptr_t)end, "x", 1) == 1 ? WEIR_OK : WEIR_EFAIL;
}

static weir_err receives_from_the_application(weir_ctx *c, void *arg)
{
    void *p;
    (void)arg;
    return weir_chan_recv(c, t.app_chan, &p);
}

static weir_err serves_the_application(weir_ctx *c, void *arg)
{
    (void)arg;
    void *p = NULL;
    assert_int_equal(weir_sleep(c, weir_sec(2)), WEIR_OK);
    return weir_chan_send(c, t.app_chan, &p);
}

static weir_err receives_from_another_tree(weir_ctx *c, void *arg)
{
    (void)arg;
    return receives(c, t.outer);
}

static weir_err sends_to_its_own_channel(weir_ctx *c, void *arg)
{
    (void)arg;
    return sends_later(c, t.outer);
}

static weir_err wants_a_lock_of_others(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_err err = weir_yield(c); /* the main fiber has it by then */
    err = err == WEIR_OK ? weir_lock(c, t.app_mutex) : err;
    if (err == WEIR_OK)
        weir_unlock(c, t.app_mutex);
    return err;
}

static weir_err holds_the_lock(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_int_equal(weir_lock(c, t.app_mutex), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(3)), WEIR_OK);
    weir_unlock(c, t.app_mutex);
    return WEIR_OK;
}

static weir_err wants_a_permit_of_others(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_err err = weir_sem_acquire(c, t.app_sem);
    if (err == WEIR_OK)
        err = weir_sem_acquire(c, t.app_sem);
    for (int i = 0; i < 2 && err == WEIR_OK; i++)
        weir_sem_release(c, t.app_sem);
    return err;
}

static weir_err holds_a_permit(weir_ctx *c, void *arg)
{
    (void)arg;
    assert_int_equal(weir_sem_acquire(c, t.app_sem), WEIR_OK);
    assert_int_equal(weir_sleep(c, weir_sec(3)), WEIR_OK);
    weir_sem_release(c, t.app_sem);
    return WEIR_OK;
}

/* Three ways to hand a channel out: to detached work, through a channel, to a fiber of its own. */
static weir_err answers(weir_ctx *c, void *arg)
{
    return sends_later(c, *(weir_chan **)arg);
}

static weir_err asks_detached_work(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch = weir_chan_new(c, int, 0);
    assert_int_equal(weir_detach(c, answers, &ch, sizeof ch), WEIR_OK);
    return receives(c, ch);
}

static weir_err asks_through_a_channel(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch = weir_chan_new(c, int, 0);
    assert_int_equal(weir_chan_send(c, t.app_chan, &ch), WEIR_OK);
    return receives(c, ch);
}

static weir_err answers_what_comes(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch;
    weir_err err = weir_chan_recv(c, t.app_chan, &ch);
    return err != WEIR_OK ? err : sends_later(c, ch);
}

static weir_err asks_a_fiber_of_the_application(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch = weir_chan_new(c, int, 0);
    assert_int_equal(WEIR_GO(t.app, sends_later, ch), WEIR_OK);
    return receives(c, ch);
}

/* Others know of a channel, as they have shown. */
static weir_err is_known_to_others(weir_ctx *c, void *arg)
{
    (void)arg;
    int n;
    t.inner = weir_chan_new(c, int, 1);
    weir_err err = weir_sleep(c, weir_ms(50));
    if (err == WEIR_OK)
        err = weir_chan_recv(c, t.inner, &n);
    return err == WEIR_OK ? weir_chan_recv(c, t.inner, &n) : err;
}

static weir_err sends_twice(weir_ctx *c, void *arg)
{
    (void)arg;
    int n = 1;
    weir_err err = weir_yield(c);
    if (err == WEIR_OK)
        err = weir_chan_send(c, t.inner, &n);
    if (err == WEIR_OK)
        err = weir_sleep(c, weir_sec(2));
    return err == WEIR_OK ? weir_chan_send(c, t.inner, &n) : err;
}

static weir_err wakes_the_main_fiber(weir_ctx *c, void *arg)
{
    (void)arg;
    return sends_later(c, t.outer);
}

static weir_err waits_to_be_woken(weir_ctx *c, void *arg)
{
    (void)arg;
    return receives(c, t.outer);
}

static void test_who_sleeps_reads_or_has_a_time_out(void **state)
{
    (void)state;
    leaves_alone(has_one_that_sleeps, NULL);
    leaves_alone(selects_for_a_while, NULL);
    leaves_alone(waits_in_a_part, NULL);
    leaves_alone(waits_in_a_shield, NULL);
    leaves_alone(has_one_that_reads, writes_later);
}

static void test_what_others_may_move(void **state)
{
    (void)state;
    leaves_alone(receives_from_the_application, serves_the_application);
    leaves_alone(receives_from_another_tree, sends_to_its_own_channel);
    leaves_alone(wants_a_lock_of_others, holds_the_lock);
    leaves_alone(wants_a_permit_of_others, holds_a_permit);
}

static void test_who_has_handed_something_out(void **state)
{
    (void)state;
    leaves_alone(asks_detached_work, NULL);
    leaves_alone(asks_through_a_channel, answers_what_comes);
    leaves_alone(asks_a_fiber_of_the_application, NULL);
    leaves_alone(is_known_to_others, sends_twice);
}

static void test_the_programs_own_fibers_wait_by_nature(void **state)
{
    (void)state;
    leaves_alone(wakes_the_main_fiber, waits_to_be_woken);
}

/* --- and its bound ------------------------------------------------------------------------ */

static weir_err has_a_very_large_tree(weir_ctx *c, void *arg)
{
    (void)arg;
    for (int i = 0; i < 4200; i++)
        assert_int_equal(weir_check(weir_ctx_open(c)), WEIR_OK);
    return receives(c, NULL);
}

static void test_a_very_large_tree_is_not_looked_at(void **state)
{
    (void)state;
    run(has_a_very_large_tree, NULL);
    assert_int_equal(t.deadlocks, 0);
    assert_int_equal(t.result, WEIR_ETIMEDOUT);
}

/* A timer of the tree starts a fiber in it, which may move what it waits for. */
static weir_err rings(weir_ctx *c, void *arg)
{
    int n = 1;
    return weir_chan_send(c, arg, &n);
}

static weir_err has_a_timer(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_chan *ch = weir_chan_new(c, int, 0);
    assert_int_equal(weir_timer_after(c, weir_sec(2), rings, ch, NULL), WEIR_OK);
    return receives(c, ch);
}

static weir_err has_a_subscription(weir_ctx *c, void *arg)
{
    int n;
    return weir_subscription_recv(c, weir_subscribe(c, arg != NULL ? arg : t.topic), &n);
}

static weir_err publishes_later(weir_ctx *c, void *arg)
{
    int n = 1;
    (void)arg;
    assert_int_equal(weir_sleep(c, weir_sec(2)), WEIR_OK);
    return weir_publish(c, t.topic, &n);
}

static void test_timers_and_topics_may_move_it(void **state)
{
    (void)state;
    leaves_alone(has_a_timer, NULL);
    leaves_alone(has_a_subscription, publishes_later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_locks_and_the_like),
        cmocka_unit_test(test_two_fibers_lock_crosswise),
        cmocka_unit_test(test_children_and_grandchildren),
        cmocka_unit_test(test_many_at_once_are_told_briefly),
        cmocka_unit_test(test_who_sleeps_reads_or_has_a_time_out),
        cmocka_unit_test(test_what_others_may_move),
        cmocka_unit_test(test_who_has_handed_something_out),
        cmocka_unit_test(test_the_programs_own_fibers_wait_by_nature),
        cmocka_unit_test(test_a_very_large_tree_is_not_looked_at),
        cmocka_unit_test(test_timers_and_topics_may_move_it),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
