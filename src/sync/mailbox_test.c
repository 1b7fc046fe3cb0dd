/* Mailboxes: one message however much there is, order, what is lost, growth, and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "rt/runtime.h"
#include "rt/sim.h"
#include "sync/mailbox.h"
#include <weir/fiber.h>

#define WORKERS 3
#define ITEMS 5000

struct box {
    struct weir__mailbox mail;
    uint64_t got[64], count;
    uint64_t expected, lost;
    uint64_t last[WORKERS];
};

static void deliver(struct weir__mailbox *m, uint64_t number, const void *elem)
{
    struct box *b = WEIR_CONTAINER(m, struct box, mail);
    uint64_t value;
    memcpy(&value, elem, sizeof value);
    assert_true(number >= b->expected);
    b->lost += number - b->expected;
    b->expected = number + 1;
    b->got[b->count++ % 64] = value;
}

static void put(struct box *b, uint64_t from, uint64_t to, int posts)
{
    for (uint64_t i = from; i <= to; i++) {
        bool must_post = weir__mailbox_put(&b->mail, &i);
        assert_int_equal(must_post, posts-- > 0);
        if (must_post)
            weir__mailbox_post(&b->mail);
    }
}

/* What has been delivered must be `from` to `to`. */
static void expect(struct box *b, uint64_t from, uint64_t to)
{
    assert_int_equal(b->count, to - from + 1);
    for (uint64_t i = 0; i < b->count; i++)
        assert_int_equal(b->got[i], from + i);
    b->count = 0;
}

static weir_err keeps_the_newest(weir_ctx *c, void *arg)
{
    (void)arg;
    struct box *b = weir__mailbox_new(sizeof *b, sizeof(uint64_t), deliver);
    assert_true(weir__mailbox_reserve(&b->mail, 5));
    put(b, 1, 3, 1);
    assert_int_equal(b->count, 0);
    assert_int_equal(weir_yield(c), WEIR_OK); /* its message has arrived */
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    expect(b, 1, 3);
    put(b, 4, 10, 1);
    assert_int_equal(weir__mailbox_next(&b->mail), 10);
    weir__mailbox_look(&b->mail); /* before its message */
    expect(b, 6, 10);
    assert_int_equal(b->lost, 2);
    put(b, 11, 12, 0); /* that is still on its way */
    assert_true(weir__mailbox_reserve(&b->mail, 8));
    assert_true(weir__mailbox_reserve(&b->mail, 2)); /* never smaller */
    put(b, 13, 18, 0);
    assert_int_equal(weir_sleep(c, weir_ms(1)), WEIR_OK);
    expect(b, 11, 18);
    assert_int_equal(b->lost, 2);
    weir__mailbox_settle(&b->mail);
    put(b, 19, 19, 1);
    weir__mailbox_free(&b->mail); /* its message, which is on its way, frees it */
    return weir_sleep(c, weir_ms(1));
}

static weir_err without_memory(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    weir__alloc_fail_nth(1);
    assert_null(weir__mailbox_new(sizeof(struct box), 8, deliver));
    struct box *b = weir__mailbox_new(sizeof *b, 8, deliver);
    for (unsigned nth = 1; nth <= 2; nth++) {
        weir__alloc_fail_nth(nth);
        assert_false(weir__mailbox_reserve(&b->mail, 2));
        weir__alloc_fail_nth(0);
    }
    assert_true(weir__mailbox_reserve(&b->mail, 2));
    weir__alloc_fail_nth(1);
    assert_false(weir__mailbox_reserve(&b->mail, 3));
    weir__alloc_fail_nth(0);
    put(b, 1, 2, 1);
    weir__mailbox_take(&b->mail);
    expect(b, 1, 2);
    weir__mailbox_free(&b->mail);
    weir__mailbox_free(NULL);
    return weir_sleep(c, weir_ms(1));
}

static void test_one_message_however_much_there_is(void **state)
{
    (void)state;
    uint64_t before = weir__alloc_stats().allocs - weir__alloc_stats().frees;
    assert_int_equal(weir__sim_run(keeps_the_newest, NULL), WEIR_OK);
    assert_int_equal(weir__alloc_stats().allocs - weir__alloc_stats().frees, before);
}

static void test_without_memory_it_is_what_it_was(void **state)
{
    (void)state;
    uint64_t before = weir__alloc_stats().allocs - weir__alloc_stats().frees;
    assert_int_equal(weir__sim_run(without_memory, NULL), WEIR_OK);
    assert_int_equal(weir__alloc_stats().allocs - weir__alloc_stats().frees, before);
}

/* --- workers ---------------------------------------------------------------------------------- */

static void deliver_counted(struct weir__mailbox *m, uint64_t number, const void *elem)
{
    struct box *b = WEIR_CONTAINER(m, struct box, mail);
    uint64_t value;
    deliver(m, number, elem);
    memcpy(&value, elem, sizeof value);
    assert_true(value / WORKERS > b->last[value % WORKERS]); /* in each sender's order */
    b->last[value % WORKERS] = value / WORKERS;
}

static void send_many(struct weir__worker *w, void *arg)
{
    struct box *b = arg;
    for (uint64_t i = 1; i <= ITEMS; i++) {
        uint64_t value = i * WORKERS + w->index;
        if (weir__mailbox_put(&b->mail, &value))
            weir__mailbox_post(&b->mail);
    }
}

static weir_err all_send(weir_ctx *c, void *arg)
{
    struct box *b = weir__mailbox_new(sizeof *b, sizeof(uint64_t), deliver_counted);
    (void)arg;
    assert_true(weir__mailbox_reserve(&b->mail, 16));
    assert_int_equal(weir__on_each_worker(weir__ctx_of(c), send_many, b, weir_sec(10)), WEIR_OK);
    weir__mailbox_settle(&b->mail);
    weir__mailbox_look(&b->mail);
    assert_int_equal(b->count + b->lost, WORKERS * ITEMS);
    assert_true(b->count >= 16); /* the last ones at least */
    weir__mailbox_free(&b->mail);
    return WEIR_OK;
}

static void test_workers_send_to_one(void **state)
{
    (void)state;
    char message[128];
    weir_err err = WEIR_OK;
    struct weir__runtime_options options = {.workers = WORKERS, .stall = weir_ns(-1)};
    struct weir__runtime *rt = weir__runtime_new(&options, &err, message, sizeof message);
    assert_non_null(rt);
    assert_int_equal(weir__runtime_run(rt, all_send, NULL), WEIR_OK);
    weir__runtime_free(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_message_however_much_there_is),
        cmocka_unit_test(test_without_memory_it_is_what_it_was),
        cmocka_unit_test(test_workers_send_to_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
