/*
 * Statements that share connections, whatever fails, at whichever place: an answer is right or an
 * error, who comes next finds connections that work, and nothing stays.
 */
#include "data/postgres/multiplex_testing.h"

#include "base/alloc.h"
#include "rt/wait.h"

struct plan {
    struct pg_server s;
    size_t chop;
    uint64_t wait, alloc;
    bool is_whole; /* nothing of the plan was met */
    bool may_lie;  /* a byte was another: a row may be */
};

/* Three at a time, one of which leaves its rows in the middle, and one that writes. */
static weir_err errand(weir_ctx *c, weir_db *db, bool may_lie)
{
    struct asking a[3];
    int64_t n;
    weir_err err = weir_db_err(db);
    if (err < 0)
        return err;
    WEIR_SCOPE(fibers, c);
    for (int i = 0; i < 3 && err == WEIR_OK; i++) {
        a[i] = (struct asking){.db = db, .rows = i == 2 ? 400 : 3 + i};
        err = WEIR_GO(fibers, ask, &a[i]);
        a[i].is_over = err != WEIR_OK;
        a[i].err = err;
    }
    weir_err joined = weir_join(fibers);
    err = err == WEIR_OK ? joined : err;
    for (int i = 0; i < 3 && err == WEIR_OK; i++) {
        if (a[i].err == WEIR_OK && !may_lie)
            assert_sum(&a[i]);
        err = a[i].err;
    }
    (void)weir_ctx_close(fibers);
    if (err < 0)
        return err;
    weir_rows *rows = weir_query(c, db, "SELECT n FROM rows(300)");
    bool has_row = weir_rows_next(rows, int64_t, &n);
    err = weir_rows_err(rows);
    weir_rows_close(rows);
    if (err < 0 || !has_row)
        return err < 0 ? err : WEIR_EFAIL;
    return weir_db_exec(c, db, NULL, "INSERT ?", 3);
}

/* At once, or when the pool has found out that its server is there again. */
static void assert_works(weir_ctx *c, weir_db *db)
{
    int64_t n = -1;
    for (int i = 0; i < 100; i++) {
        WEIR_SCOPE(each, c);
        weir_err err = weir_query_one(each, db, int64_t, &n, "SELECT n FROM rows(9)");
        (void)weir_ctx_close(each);
        if (err == WEIR_OK)
            break;
        assert_int_equal(weir_sleep(c, weir_ms(100)), WEIR_OK);
    }
    assert_int_equal(n, 0);
}

static weir_err run_plan(weir_ctx *c, void *arg)
{
    struct plan *p = arg;
    WEIR_SCOPE(peer, c);
    pg_start(peer, &p->s);
    WEIR_SCOPE(turn, c, .timeout = weir_sec(100));
    WEIR_SCOPE(first, turn, .timeout = weir_sec(20));
    uint64_t waits = weir__wait_count();
    weir__sim_chop(p->chop);
    weir__alloc_fail_nth(p->alloc);
    weir__wait_cancel_nth(p->wait);
    weir_db *db = open_db(turn, &p->s, 4, 2);
    weir_err err = errand(first, db, p->may_lie);
    weir__alloc_fail_nth(0);
    p->is_whole = err == WEIR_OK && p->wait > weir__wait_count() - waits;
    weir__wait_cancel_nth(0);
    (void)weir_ctx_close(first);
    p->s.cut_at = p->s.spoilt_at = 0;
    p->s.cut_resets = false;
    bool is_usable = weir_db_err(db) == WEIR_OK && weir_cancel_reason(turn) == WEIR_REASON_NONE;
    WEIR_SCOPE(next, is_usable ? turn : c, .timeout = weir_sec(60));
    if (!is_usable)
        db = open_db(next, &p->s, 4, 2);
    if (!p->s.is_over) { /* it was not the server's own wait */
        assert_works(next, db);
        assert_even(db);
    }
    (void)weir_ctx_close(next);
    (void)weir_ctx_close(turn);
    (void)weir_ctx_close(peer);
    weir__sim_chop(0);
    assert_int_equal(p->s.open, 0);
    return WEIR_OK;
}

static void test_any_split_is_the_same(void **state)
{
    (void)state;
    for (size_t chop = 1; chop <= 9; chop++) {
        struct plan p = {.s.auth = PG_TRUST, .chop = chop, .wait = 1000000};
        SIM(run_plan, &p);
        assert_true(p.is_whole);
    }
}

static void cut_everywhere(bool hangs, bool resets)
{
    for (size_t at = 1; at < 900; at += hangs ? 7 : 1) {
        struct plan p = {
            .s = {.auth = PG_TRUST, .cut_at = at, .cut_hangs = hangs, .cut_resets = resets},
            .wait = 1000000};
        SIM(run_plan, &p);
    }
}

static void test_cut_behind_each_byte(void **state)
{
    (void)state;
    cut_everywhere(false, false);
}

static void test_reset_behind_each_byte(void **state)
{
    (void)state;
    cut_everywhere(false, true);
}

static void test_silent_behind_each_byte(void **state)
{
    (void)state;
    cut_everywhere(true, false);
}

static void test_each_byte_spoilt(void **state)
{
    static const uint8_t by[] = {0x01, 0x80, 0xff};
    (void)state;
    for (size_t at = 1; at < 900; at++) {
        struct plan p = {.s = {.auth = PG_TRUST, .spoilt_at = at, .spoilt_by = by[at % 3]},
                         .wait = 1000000,
                         .may_lie = true};
        SIM(run_plan, &p);
    }
}

static void test_cancelled_at_each_wait(void **state)
{
    (void)state;
    struct plan p = {.wait = 0};
    do {
        p = (struct plan){.s.auth = PG_TRUST, .wait = p.wait + 1};
        SIM(run_plan, &p);
        assert_true(p.wait < 300);
    } while (!p.is_whole);
    assert_true(p.wait > 8);
}

static void test_memory_fails_at_each_allocation(void **state)
{
    (void)state;
    struct plan p = {.alloc = 0};
    do {
        p = (struct plan){.s.auth = PG_TRUST, .wait = 1000000, .alloc = p.alloc + 1};
        SIM(run_plan, &p);
        assert_true(p.alloc < 2000);
    } while (!p.is_whole);
    assert_true(p.alloc > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_split_is_the_same),
        cmocka_unit_test(test_cut_behind_each_byte),
        cmocka_unit_test(test_reset_behind_each_byte),
        cmocka_unit_test(test_silent_behind_each_byte),
        cmocka_unit_test(test_each_byte_spoilt),
        cmocka_unit_test(test_cancelled_at_each_wait),
        cmocka_unit_test(test_memory_fails_at_each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
