/*
 * Mutex, semaphore, condition, wait group, once: order, ownership by contexts (L39), cancellation,
 * ends, several workers.
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
#include <weir/fiber.h>
#include <weir/sync.h>

#define SIM(fn) assert_int_equal(weir__sim_run(fn, NULL), WEIR_OK)

static void settle(weir_ctx *c)
{
    for (int i = 0; i < 10; i++)
        assert_int_equal(weir_yield(c), WEIR_OK);
}

static char log_bytes[16384];
static weir_buf log_buf;

static const char *logged(void)
{
    log_bytes[log_buf.len] = '\0';
    return log_bytes;
}

static int capture(void **state)
{
    (void)state;
    weir_buf_init_fixed(&log_buf, log_bytes, sizeof log_bytes - 1);
    weir__log_capture(&log_buf);
    return 0;
}

static int release(void **state)
{
    (void)state;
    weir__log_capture(NULL);
    return 0;
}

/* --- mutex -------------------------------------------------------------------------------- */

struct locker {
    weir_mutex *m;
    int id;
    weir_err err;
    int *order, *n;
};

static weir_err lock_and_note(weir_ctx *c, void *arg)
{
    struct locker *l = arg;
    l->err = weir_lock(c, l->m);
    if (l->err < 0)
        return WEIR_OK;
    l->order[(*l->n)++] = l->id;
    assert_int_equal(weir_sleep(c, weir_ms(5)), WEIR_OK);
    weir_unlock(c, l->m);
    return WEIR_OK;
}

static weir_err locks_in_order(weir_ctx *c, void *arg)
{
    (void)arg;
    int order[4], n = 0;
    struct locker l[4];
    WEIR_SCOPE(g, c);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(1));
    weir_mutex *m = weir_mutex_new(c);
    assert_int_equal(weir_lock(c, m), WEIR_OK);
    assert_int_equal(weir_lock(c, m), -EDEADLK);
    assert_int_equal(weir_trylock(c, m), -EAGAIN);
    for (int i = 0; i < 4; i++) {
        l[i] = (struct locker){m, i, 1, order, &n};
        assert_int_equal(WEIR_GO(i == 1 ? hasty : g, lock_and_note, &l[i]), WEIR_OK);
    }
    assert_int_equal(weir_sleep(c, weir_ms(10)), WEIR_OK);
    assert_int_equal(n, 0);
    weir_unlock(c, m);
    assert_int_equal(weir_trylock(c, m), -EAGAIN); /* handed over already */
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(l[1].err, WEIR_ETIMEDOUT);
    static const int expected[] = {0, 2, 3};
    assert_int_equal(n, 3);
    assert_memory_equal(order, expected, sizeof expected);
    assert_int_equal(weir_trylock(c, m), WEIR_OK);
    weir_unlock(c, m);
    (void)weir_ctx_close(hasty);
    return weir_ctx_close(g);
}

static void test_a_mutex_is_handed_over_in_order(void **state)
{
    (void)state;
    SIM(locks_in_order);
    assert_string_equal(logged(), "");
}

static weir_err lock_and_forget(weir_ctx *c, void *arg)
{
    weir_err err = weir_lock(c, arg);
    __asm__ volatile(""); /* no tail call: this frame is to be seen in the report */
    return err;
}

static weir_err lock_and_panic(weir_ctx *c, void *arg)
{
    if (weir_lock(c, arg) == WEIR_OK)
        weir_panic("holding the lock");
    return WEIR_OK;
}

static weir_err forgets(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_mutex *m = weir_mutex_new(c);
    uint64_t before = weir__leak_total();
    WEIR_SCOPE(g, c);
    assert_int_equal(WEIR_GO(g, lock_and_forget, m), WEIR_OK);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(weir__leak_total(), before + 1);
    assert_non_null(strstr(logged(), "lock of the mutex made at "));
    assert_non_null(strstr(logged(), "\"kind\":\"lock\""));
    assert_non_null(strstr(logged(), "lock_and_forget at "));
    assert_int_equal(weir_trylock(c, m), WEIR_OK);
    weir_unlock(c, m);
    assert_int_equal(weir_ctx_close(g), WEIR_OK);
    g = weir_ctx_enter(c);
    assert_int_equal(WEIR_GO(g, lock_and_panic, m), WEIR_OK);
    assert_int_equal(weir_join_as(g, WEIR_JOIN_ALL), WEIR_EPANIC);
    assert_int_equal(weir__leak_total(), before + 1); /* that was no mistake of its own */
    assert_int_equal(weir_trylock(c, m), WEIR_OK);
    weir_unlock(c, m);
    (void)weir_ctx_close(g);
    struct weir__leak_site sites[8];
    size_t n = weir__leak_sites(sites, 8);
    assert_true(n >= 1);
    assert_string_equal(sites[n - 1].kind, "lock");
    assert_string_equal(sites[n - 1].site->func, "lock_and_forget");
    return WEIR_OK;
}

static void test_L39_a_lock_ends_with_its_context(void **state)
{
    (void)state;
    SIM(forgets);
}

static weir_err unlock_what_is_not_mine(weir_ctx *c, void *arg)
{
    weir_unlock(c, arg);
    return WEIR_OK;
}

static weir_err misused(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_mutex *m = weir_mutex_new(c);
    weir_sem *s = weir_sem_new(c, 1);
    WEIR_SCOPE(sub, c);
    assert_int_equal(weir_protect(c, unlock_what_is_not_mine, m), WEIR_EPANIC);
    weir_error_clear(c);
    assert_int_equal(weir_lock(c, m), WEIR_OK);
    assert_int_equal(weir_protect(sub, unlock_what_is_not_mine, m), WEIR_EPANIC);
    assert_int_equal(weir_protect(c, unlock_what_is_not_mine, s), WEIR_EPANIC);
    weir_error_clear(c);
    weir_unlock(c, m);
    (void)weir_ctx_close(sub);
    return WEIR_OK;
}

static void test_misuse_panics(void **state)
{
    (void)state;
    SIM(misused);
}

/* The mutex ends before a holder, before one that waits, and before one that was just given it. */
static weir_err ends_early(weir_ctx *c, void *arg)
{
    (void)arg;
    int order[4], n = 0;
    struct locker l[2];
    WEIR_SCOPE(g, c);
    WEIR_SCOPE(owner, c);
    weir_mutex *m = weir_mutex_new(owner);
    weir_sem *s = weir_sem_new(owner, 2);
    assert_int_equal(weir_lock(c, m), WEIR_OK);
    assert_int_equal(weir_sem_acquire(c, s), WEIR_OK);
    for (int i = 0; i < 2; i++) {
        l[i] = (struct locker){m, i, 1, order, &n};
        assert_int_equal(WEIR_GO(g, lock_and_note, &l[i]), WEIR_OK);
    }
    settle(c);
    weir_unlock(c, m);
    (void)weir_ctx_close(owner);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(l[0].err, WEIR_ECLOSED);
    assert_int_equal(l[1].err, WEIR_ECLOSED);
    assert_true(weir__list_empty(&weir__ctx_of(c)->owned));
    return weir_ctx_close(g);
}

static void test_an_object_may_end_before_who_uses_it(void **state)
{
    (void)state;
    SIM(ends_early);
}

static weir_err poor(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(small, c, .memory_max = 100);
    assert_null(weir_alloc(small, 1000));
    weir_mutex *m = weir_mutex_new(small);
    weir_sem *s = weir_sem_new(small, 1);
    weir_cond *cond = weir_cond_new(small);
    weir_wait_group *g = weir_wait_group_new(small);
    weir_once *once = weir_once_new(small);
    assert_int_equal(weir_lock(c, m), -ENOMEM);
    assert_int_equal(weir_sem_acquire(c, s), -ENOMEM);
    assert_int_equal(weir_wait_group_wait(c, g), -ENOMEM);
    weir_wait_group_add(c, g, 1);
    assert_int_equal(weir_once_do(c, once, lock_and_forget, m), -ENOMEM);
    weir_cond_signal(c, cond);
    weir_cond_broadcast(c, cond);
    (void)weir_ctx_close(small);
    return WEIR_OK;
}

static void test_without_memory_their_waits_fail(void **state)
{
    (void)state;
    SIM(poor);
}

/* --- semaphore ---------------------------------------------------------------------------- */

struct user {
    weir_sem *s;
    int *inside, *most;
    weir_err err;
};

static weir_err use_permit(weir_ctx *c, void *arg)
{
    struct user *u = arg;
    u->err = weir_sem_acquire(c, u->s);
    if (u->err < 0)
        return WEIR_OK;
    if (++*u->inside > *u->most)
        *u->most = *u->inside;
    assert_int_equal(weir_sleep(c, weir_ms(3)), WEIR_OK);
    --*u->inside;
    weir_sem_release(c, u->s);
    return WEIR_OK;
}

static weir_err limits(weir_ctx *c, void *arg)
{
    (void)arg;
    int inside = 0, most = 0;
    struct user u[10];
    WEIR_SCOPE(g, c);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(2));
    weir_sem *s = weir_sem_new(c, 3);
    weir_time start = weir_now();
    for (int i = 0; i < 10; i++) {
        u[i] = (struct user){s, &inside, &most, 1};
        assert_int_equal(WEIR_GO(i == 5 ? hasty : g, use_permit, &u[i]), WEIR_OK);
    }
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(most, 3);
    assert_int_equal(u[5].err, WEIR_ETIMEDOUT);
    assert_in_range(weir_time_sub(weir_now(), start).ns, 9000000, 12000000); /* three turns */
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_sem_try_acquire(c, s), WEIR_OK);
    assert_int_equal(weir_sem_try_acquire(c, s), -EAGAIN);
    for (int i = 0; i < 3; i++)
        weir_sem_release(c, s);
    (void)weir_ctx_close(hasty);
    return weir_ctx_close(g);
}

static void test_a_semaphore_limits(void **state)
{
    (void)state;
    SIM(limits);
    assert_string_equal(logged(), "");
}

static weir_err take_two(weir_ctx *c, void *arg)
{
    assert_int_equal(weir_sem_acquire(c, arg), WEIR_OK);
    assert_int_equal(weir_sem_acquire(c, arg), WEIR_OK);
    return WEIR_EFAIL;
}

static weir_err permits_come_back(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_sem *s = weir_sem_new(c, 2);
    for (int i = 0; i < 100; i++) {
        WEIR_SCOPE(g, c);
        assert_int_equal(WEIR_GO(g, take_two, s), WEIR_OK);
        assert_int_equal(weir_join(g), WEIR_EFAIL);
        (void)weir_ctx_close(g);
    }
    assert_int_equal(weir_sem_try_acquire(c, s), WEIR_OK);
    weir_sem_release(c, s);
    return WEIR_OK;
}

static void test_permits_end_with_their_context(void **state)
{
    (void)state;
    SIM(permits_come_back);
}

/* --- condition ---------------------------------------------------------------------------- */

struct shop {
    weir_mutex *m;
    weir_cond *cond;
    int items, eaten;
    weir_err err;
};

static weir_err eat(weir_ctx *c, void *arg)
{
    struct shop *s = arg;
    assert_int_equal(weir_lock(c, s->m), WEIR_OK);
    while (s->items == 0 && s->err == WEIR_OK)
        s->err = weir_cond_wait(c, s->cond, s->m);
    if (s->items > 0) {
        s->items--;
        s->eaten++;
    }
    weir_unlock(c, s->m); /* held, whatever happened */
    return WEIR_OK;
}

static weir_err signals(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(g, c);
    struct shop s = {.m = weir_mutex_new(g), .cond = weir_cond_new(g)};
    for (int i = 0; i < 3; i++)
        assert_int_equal(WEIR_GO(g, eat, &s), WEIR_OK);
    settle(c);
    assert_int_equal(weir_lock(c, s.m), WEIR_OK);
    s.items = 1;
    weir_cond_signal(c, s.cond);
    weir_unlock(c, s.m);
    settle(c);
    assert_int_equal(s.eaten, 1);
    assert_int_equal(weir_lock(c, s.m), WEIR_OK);
    s.items = 2;
    weir_cond_broadcast(c, s.cond);
    settle(c); /* they are awake and wait for the mutex */
    assert_int_equal(s.eaten, 1);
    weir_unlock(c, s.m);
    assert_int_equal(weir_join(g), WEIR_OK);
    assert_int_equal(s.eaten, 3);
    return weir_ctx_close(g);
}

static void test_a_condition_wakes_one_or_all(void **state)
{
    (void)state;
    SIM(signals);
}

static weir_err cancelled_while_waiting(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(g, c, .timeout = weir_ms(20));
    struct shop s = {.m = weir_mutex_new(c), .cond = weir_cond_new(c)};
    assert_int_equal(WEIR_GO(g, eat, &s), WEIR_OK);
    settle(c);
    assert_int_equal(weir_lock(c, s.m), WEIR_OK); /* while its deadline passes */
    assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    assert_int_equal(s.err, WEIR_OK);
    weir_unlock(c, s.m);
    (void)weir_ctx_close(g);
    assert_int_equal(s.err, WEIR_ETIMEDOUT);
    assert_int_equal(weir_trylock(c, s.m), WEIR_OK);
    weir_unlock(c, s.m);
    return WEIR_OK;
}

static void test_a_cancelled_wait_holds_the_mutex_again(void **state)
{
    (void)state;
    SIM(cancelled_while_waiting);
    assert_string_equal(logged(), "");
}

/* --- wait group and once ------------------------------------------------------------------- */

static weir_err work(weir_ctx *c, void *arg)
{
    assert_int_equal(weir_sleep(c, weir_ms(4)), WEIR_OK);
    weir_wait_group_done(c, arg);
    return WEIR_OK;
}

static weir_err below_zero(weir_ctx *c, void *arg)
{
    weir_wait_group_done(c, arg);
    return WEIR_OK;
}

static weir_err awaits_group(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(g, c);
    WEIR_SCOPE(hasty, c, .timeout = weir_ms(1));
    weir_wait_group *group = weir_wait_group_new(g);
    assert_int_equal(weir_wait_group_wait(c, group), WEIR_OK);
    weir_wait_group_add(c, group, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(WEIR_GO(g, work, group), WEIR_OK);
    assert_int_equal(weir_wait_group_wait(hasty, group), WEIR_ETIMEDOUT);
    weir_time start = weir_now();
    assert_int_equal(weir_wait_group_wait(c, group), WEIR_OK);
    assert_true(weir_time_sub(weir_now(), start).ns > 0);
    assert_int_equal(weir_protect(c, below_zero, group), WEIR_EPANIC);
    weir_error_clear(c);
    (void)weir_ctx_close(hasty);
    return weir_ctx_close(g);
}

static void test_a_wait_group_waits_for_all(void **state)
{
    (void)state;
    SIM(awaits_group);
}

struct first {
    weir_once *once;
    int calls, fails, panics, oks;
};

static weir_err make(weir_ctx *c, void *arg)
{
    struct first *f = arg;
    f->calls++;
    assert_int_equal(weir_once_do(c, f->once, make, arg), -EDEADLK);
    assert_int_equal(weir_sleep(c, weir_ms(5)), WEIR_OK);
    if (f->panics-- > 0)
        weir_panic("in the middle");
    return f->fails-- > 0 ? WEIR_EFAIL : WEIR_OK;
}

static weir_err come(weir_ctx *c, void *arg)
{
    struct first *f = arg;
    f->oks += weir_once_do(c, f->once, make, f) == WEIR_OK;
    return WEIR_OK;
}

static weir_err is_done_once(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(g, c);
    struct first f = {.once = weir_once_new(g), .panics = 1, .fails = 1};
    for (int i = 0; i < 6; i++)
        assert_int_equal(WEIR_GO(g, come, &f), WEIR_OK);
    assert_int_equal(weir_join_as(g, WEIR_JOIN_ALL), WEIR_EPANIC);
    assert_int_equal(f.calls, 3); /* one panicked, one failed, one was good */
    assert_int_equal(f.oks, 4);
    assert_int_equal(weir_once_do(c, f.once, make, &f), WEIR_OK);
    assert_int_equal(f.calls, 3);
    (void)weir_ctx_close(g);
    return WEIR_OK;
}

static void test_once_is_done_by_the_first_that_can(void **state)
{
    (void)state;
    SIM(is_done_once);
}

/* --- between workers ---------------------------------------------------------------------- */

#define WORKERS 3
#define ROUNDS 3000

struct crowd {
    weir_mutex *m;
    weir_sem *s;
    weir_wait_group *g;
    weir_once *once;
    uint64_t counter; /* under the mutex alone: the thread sanitizer looks on */
    _Atomic int inside, calls;
};

static weir_err make_once(weir_ctx *c, void *arg)
{
    struct crowd *k = arg;
    assert_int_equal(weir_yield(c), WEIR_OK);
    return atomic_fetch_add(&k->calls, 1) == 0 ? WEIR_EFAIL : WEIR_OK;
}

static void hammer(void *arg)
{
    struct crowd *k = arg;
    struct weir__ctx *inner = weir__ctx_new(weir__self->root, weir_never(), 0, NULL);
    weir_ctx *c = weir__ctx_handle(inner);
    (void)!weir_once_do(c, k->once, make_once, k);
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(weir_lock(c, k->m), WEIR_OK);
        k->counter++;
        if (i % 64 == 0)
            assert_int_equal(weir_yield(c), WEIR_OK);
        weir_unlock(c, k->m);
        assert_int_equal(weir_sem_acquire(c, k->s), WEIR_OK);
        assert_true(atomic_fetch_add(&k->inside, 1) < 2);
        if (i % 64 == 0)
            assert_int_equal(weir_yield(c), WEIR_OK);
        atomic_fetch_sub(&k->inside, 1);
        weir_sem_release(c, k->s);
    }
    weir_wait_group_done(c, k->g);
    weir__ctx_end(inner);
}

static void start_two(struct weir__worker *w, void *arg)
{
    for (int i = 0; i < 2; i++)
        assert_non_null(weir__fiber_start(w, hammer, arg, "hammer", NULL, w->root));
}

static weir_err crowded(weir_ctx *app, void *arg)
{
    struct crowd *k = arg;
    k->m = weir_mutex_new(app);
    k->s = weir_sem_new(app, 2);
    k->g = weir_wait_group_new(app);
    k->once = weir_once_new(app);
    weir_wait_group_add(app, k->g, 2 * WORKERS);
    assert_int_equal(weir__on_each_worker(weir__self->root, start_two, k, weir_sec(10)), WEIR_OK);
    return weir_wait_group_wait(app, k->g);
}

static void test_workers_share_them(void **state)
{
    (void)state;
    struct weir__runtime_options options = {.workers = WORKERS, .stall = weir_ns(-1)};
    struct crowd k = {.counter = 0};
    char message[128];
    weir_err err;
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, crowded, &k), WEIR_OK);
    assert_int_equal(k.counter, 2 * WORKERS * ROUNDS);
    assert_int_equal(k.calls, 2);
    weir__runtime_free(rt);
    assert_string_equal(logged(), "");
}

/* One that is locked, and one whose permit is waited for, end before who uses them. */
static weir_err take_a_permit(weir_ctx *c, void *arg)
{
    return weir_sem_acquire(c, arg);
}

static weir_err ends_while_used(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(g, c);
    WEIR_SCOPE(owner, c);
    weir_mutex *m = weir_mutex_new(owner);
    weir_sem *s = weir_sem_new(owner, 0);
    assert_int_equal(weir_lock(c, m), WEIR_OK);
    assert_int_equal(WEIR_GO(g, take_a_permit, s), WEIR_OK);
    settle(c);
    (void)weir_ctx_close(owner);
    assert_int_equal(weir_join(g), WEIR_ECLOSED);
    assert_true(weir__list_empty(&weir__ctx_of(c)->owned)); /* the lock is gone with the mutex */
    (void)weir_ctx_close(g);
    return WEIR_OK;
}

static void test_what_ends_while_it_is_used_is_nobodys(void **state)
{
    (void)state;
    SIM(ends_while_used);
}

/* A cancelled context begins nothing, also what would need no wait. */
static weir_err not_called(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    fail_msg("it was called");
    return WEIR_OK;
}

static weir_err begins_nothing(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_mutex *m = weir_mutex_new(c);
    weir_cond *cond = weir_cond_new(c);
    weir_sem *s = weir_sem_new(c, 1);
    WEIR_SCOPE(sub, c);
    WEIR_SCOPE(joined, c);
    assert_int_equal(weir_lock(sub, m), WEIR_OK);
    weir_cancel(sub);
    weir_cancel(joined);
    assert_int_equal(weir_cond_wait(sub, cond, m), WEIR_ECANCELED);
    weir_unlock(sub, m);
    assert_int_equal(weir_lock(sub, m), WEIR_ECANCELED);
    assert_int_equal(weir_trylock(sub, m), WEIR_ECANCELED);
    assert_int_equal(weir_sem_acquire(sub, s), WEIR_ECANCELED);
    assert_int_equal(weir_sem_try_acquire(sub, s), WEIR_ECANCELED);
    assert_int_equal(weir_wait_group_wait(sub, weir_wait_group_new(c)), WEIR_ECANCELED);
    assert_int_equal(weir_once_do(sub, weir_once_new(c), not_called, NULL), WEIR_ECANCELED);
    assert_int_equal(weir_sleep(sub, weir_ms(1)), WEIR_ECANCELED);
    assert_int_equal(weir_sleep(sub, weir_ms(0)), WEIR_ECANCELED);
    assert_int_equal(weir_yield(sub), WEIR_ECANCELED);
    assert_int_equal(weir_checkpoint(sub), WEIR_ECANCELED);
    assert_int_equal(weir_check(sub), WEIR_ECANCELED);
    assert_int_equal(WEIR_GO(sub, not_called, NULL), WEIR_ECANCELED);
    assert_int_equal(weir_join(joined), WEIR_ECANCELED);
    (void)weir_ctx_close(joined);
    return weir_ctx_close(sub);
}

static void test_a_cancelled_context_begins_nothing(void **state)
{
    (void)state;
    SIM(begins_nothing);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, capture, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_mutex_is_handed_over_in_order),
        TEST(test_L39_a_lock_ends_with_its_context),
        TEST(test_misuse_panics),
        TEST(test_an_object_may_end_before_who_uses_it),
        TEST(test_without_memory_their_waits_fail),
        TEST(test_a_semaphore_limits),
        TEST(test_permits_end_with_their_context),
        TEST(test_a_condition_wakes_one_or_all),
        TEST(test_a_cancelled_wait_holds_the_mutex_again),
        TEST(test_a_wait_group_waits_for_all),
        TEST(test_once_is_done_by_the_first_that_can),
        TEST(test_workers_share_them),
        TEST(test_what_ends_while_it_is_used_is_nobodys),
        TEST(test_a_cancelled_context_begins_nothing),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
