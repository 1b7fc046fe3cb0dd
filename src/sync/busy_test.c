/* Calls in progress: who ends the resource waits for them, by hand and with its context. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rt/sim.h"
#include "sync/busy.h"
#include <weir/chan.h>
#include <weir/fiber.h>

#define MAGIC 0x676e6874u

/* A resource whose calls last until the channel is closed. */
struct thing {
    struct weir__busy busy;
    int closed; /* times that it was closed */
};

static void release(struct weir__owned *o)
{
    struct thing *t = WEIR_CONTAINER(o, struct thing, busy.q.owned);
    bool is_mine = weir__busy_end(&t->busy, false);
    weir__busy_await(&t->busy, 0);
    t->closed += is_mine;
    assert_int_equal(t->busy.calls, 0);
    assert_int_equal(t->closed, 1);
}

static const struct weir__owned_type type = {.name = "thing", .release = release};

static struct thing *new_thing(weir_ctx *c)
{
    struct thing *t = weir__waitq_new(weir__ctx_of(c), sizeof *t, MAGIC, &type, WEIR_HERE);
    assert_non_null(t);
    return t;
}

struct story {
    struct thing *t;
    weir_chan *go;
    int called, ended;
};

static weir_err call(weir_ctx *c, void *arg)
{
    struct story *s = arg;
    int64_t none;
    assert_int_equal(weir__busy_enter(&s->t->busy), WEIR_OK);
    weir_err err = weir_chan_recv(c, s->go, &none);
    s->called++;
    weir__busy_leave(&s->t->busy);
    return err;
}

static weir_err end_by_hand(weir_ctx *c, void *arg)
{
    struct story *s = arg;
    (void)c;
    if (weir__busy_end(&s->t->busy, true)) {
        weir__busy_await(&s->t->busy, 1);
        s->t->closed++;
        assert_int_equal(weir_yield(c), WEIR_OK); /* closing waits too */
        weir__disown(&s->t->busy.q.owned);
        weir__busy_leave(&s->t->busy);
    }
    s->ended++;
    return WEIR_OK;
}

static void settle(weir_ctx *c)
{
    for (int i = 0; i < 10; i++)
        assert_int_equal(weir_yield(c), WEIR_OK);
}

/* Two calls, two who end it by hand: one of them closes, and not before the calls are over. */
static weir_err ends_by_hand(weir_ctx *c, void *arg)
{
    (void)arg;
    WEIR_SCOPE(g, c);
    WEIR_SCOPE(of_calls, c);
    struct story s = {.t = new_thing(g), .go = weir_chan_new(c, int64_t, 0)};
    for (int i = 0; i < 2; i++)
        assert_int_equal(WEIR_GO(of_calls, call, &s), WEIR_OK);
    settle(c);
    for (int i = 0; i < 2; i++)
        assert_int_equal(WEIR_GO(g, end_by_hand, &s), WEIR_OK);
    settle(c);
    assert_int_equal(s.t->closed, 0);
    assert_int_equal(s.ended, 1); /* the one that came second */
    assert_int_equal(weir__busy_enter(&s.t->busy), WEIR_ECLOSED);
    weir_chan_close(c, s.go);
    assert_int_equal(weir_join_as(g, WEIR_JOIN_ALL), WEIR_OK);
    assert_int_equal(s.called, 2);
    assert_int_equal(s.t->closed, 1);
    assert_int_equal(s.ended, 2);
    (void)weir_ctx_close(g);
    (void)weir_ctx_close(of_calls);
    return WEIR_OK;
}

static void test_who_ends_it_by_hand_waits(void **state)
{
    (void)state;
    assert_int_equal(weir__sim_run(ends_by_hand, NULL), WEIR_OK);
}

static weir_err let_go_later(weir_ctx *c, void *arg)
{
    struct story *s = arg;
    settle(c);
    assert_int_equal(s->called, 0);
    weir_chan_close(c, s->go);
    return WEIR_OK;
}

/* The context ends while a call is in progress, and while one closes it by hand. */
static weir_err ends_with_its_context(weir_ctx *c, void *arg)
{
    bool by_hand_first = *(bool *)arg;
    WEIR_SCOPE(owner, c);
    WEIR_SCOPE(g, c);
    struct story s = {.t = new_thing(owner), .go = weir_chan_new(c, int64_t, 0)};
    assert_int_equal(WEIR_GO(g, call, &s), WEIR_OK);
    settle(c);
    if (by_hand_first)
        assert_int_equal(WEIR_GO(g, end_by_hand, &s), WEIR_OK);
    assert_int_equal(WEIR_GO(g, let_go_later, &s), WEIR_OK);
    (void)weir_ctx_close(owner); /* release says the rest */
    assert_int_equal(s.called, 1);
    (void)!weir_join_as(g, WEIR_JOIN_ALL);
    (void)weir_ctx_close(g);
    return WEIR_OK;
}

static void test_its_context_waits(void **state)
{
    (void)state;
    bool by_hand_first[] = {false, true};
    for (int i = 0; i < 2; i++)
        assert_int_equal(weir__sim_run(ends_with_its_context, &by_hand_first[i]), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_ends_it_by_hand_waits),
        cmocka_unit_test(test_its_context_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
