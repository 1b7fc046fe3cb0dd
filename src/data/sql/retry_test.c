/* weir_tx_retry over a driver by the book: what is tried again, how often, until when. */
#include "data/sql/testing.h"

struct work {
    int runs;
    weir_err ends_with; /* what the function returns */
    bool commits, makes_of_it;
};

/* It writes, and does not look at how that went. */
static weir_err write_once(weir_ctx *c, weir_tx *tx, void *arg)
{
    struct work *w = arg;
    w->runs++;
    if (w->runs > 2)
        it.failing = NULL;
    weir_err err = weir_exec(tx, "UPDATE");
    if (err != WEIR_OK && w->makes_of_it)
        return weir_raise(c, WEIR_EFAIL, "it could not be written");
    return w->commits ? weir_commit(tx) : w->ends_with;
}

#define TWICE "finish;rollback;take w;begin;run;finish;rollback;take w;begin;run;finish;commit;"

static weir_err tries_again(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    (void)arg;
    struct work w = {.runs = 0};
    weir_time began = weir_now();
    plan("run", WEIR_ESERIALIZATION);
    assert_int_equal(weir_tx_retry(c, db, write_once, &w), WEIR_OK);
    assert_int_equal(w.runs, 3);
    assert_calls("take w;begin;prepare;run;" TWICE);
    assert_null(weir_last_error(c)); /* those of the first tries have been dealt with */
    assert_in_range(weir_time_sub(weir_now(), began).ns, 0, weir_ms(10 + 20).ns);
    /* Also where the function has made an error of its own of it, or commits by itself. */
    w = (struct work){.makes_of_it = true};
    plan("run", WEIR_EDBDEADLOCK);
    assert_int_equal(weir_tx_retry(c, db, write_once, &w), WEIR_OK);
    assert_calls("take w;begin;run;" TWICE);
    w = (struct work){.commits = true};
    plan("run", WEIR_EDBDEADLOCK);
    assert_int_equal(weir_tx_retry(c, db, write_once, &w, .read_only = true), WEIR_OK);
    assert_int_equal(w.runs, 3);
    return WEIR_OK;
}
SIM_TEST(tries_again)

static weir_err tries_nothing_else(weir_ctx *c, void *arg)
{
    static const weir_err others[] = {WEIR_EUNIQUE, WEIR_EDB, WEIR_EBUSY, WEIR_EGONE,
                                      WEIR_ETIMEDOUT};
    weir_db *db = open_db(c);
    (void)arg;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct work w = {.runs = 0};
        plan("run", others[i]);
        assert_int_equal(weir_tx_retry(c, db, write_once, &w), others[i]);
        assert_int_equal(w.runs, 1);
        assert_record(c, others[i], "orders: the server's words in: UPDATE");
    }
    struct work own = {.ends_with = WEIR_ENOTFOUND};
    plan(NULL, WEIR_OK);
    assert_int_equal(weir_tx_retry(c, db, write_once, &own), WEIR_ENOTFOUND);
    assert_calls("take w;begin;run;finish;rollback;");
    return WEIR_OK;
}
SIM_TEST(tries_nothing_else)

/* The commit was sent, and nobody knows what became of it: a second run could do it twice. */
static weir_err never_after_an_unknown_commit(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    (void)arg;
    for (int is_known = 0; is_known < 2; is_known++) {
        struct work w = {.runs = 0};
        plan("commit", WEIR_ESERIALIZATION);
        it.fault.may_have_run = !is_known;
        it.fault.is_broken = !is_known;
        assert_int_equal(weir_tx_retry(c, db, write_once, &w),
                         is_known ? WEIR_OK : WEIR_ESERIALIZATION);
        assert_int_equal(w.runs, is_known ? 3 : 1);
        weir_error_clear(c);
    }
    return WEIR_OK;
}
SIM_TEST(never_after_an_unknown_commit)

static weir_err overtaken(weir_ctx *c, weir_tx *tx, void *arg)
{
    (void)c;
    ++*(int *)arg;
    return weir_exec(tx, "UPDATE");
}

static weir_err ends_some_time(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    int runs = 0;
    (void)arg;
    plan("run", WEIR_ESERIALIZATION);
    assert_int_equal(weir_tx_retry(c, db, overtaken, &runs), WEIR_ESERIALIZATION);
    assert_int_equal(runs, 5);
    assert_record(c, WEIR_ESERIALIZATION, "orders: the server's words in: UPDATE");
    runs = 0;
    assert_int_equal(weir_tx_retry(c, db, overtaken, &runs, .tries = 1), WEIR_ESERIALIZATION);
    assert_int_equal(runs, 1);
    weir_error_clear(c);
    /* Not past the deadline: the answer comes before it, and is the database's. */
    runs = 0;
    WEIR_WITH(turn, c, .timeout = weir_ms(100)) {
        assert_int_equal(
            weir_tx_retry(turn, db, overtaken, &runs, .tries = 100, .backoff = weir_sec(1)),
            WEIR_ESERIALIZATION);
        assert_int_equal(weir_checkpoint(turn), WEIR_OK);
        weir_error_clear(turn);
    }
    assert_in_range(runs, 1, 99);
    return WEIR_OK;
}
SIM_TEST(ends_some_time)

static weir_err lists_all_mistakes(weir_ctx *c, void *arg)
{
    weir_db *db = open_db(c);
    int runs = 0;
    (void)arg;
    assert_int_equal(weir_tx_retry(c, db, overtaken, &runs, .tries = 101, .backoff = weir_ns(1)),
                     WEIR_EINVALID);
    assert_record(c, WEIR_EINVALID,
                  "weir_tx_retry orders: tries is 101; allowed: 1 to 100; weir_tx_retry orders: "
                  "backoff is 1 ns; allowed: 1 ms to 1 s");
    assert_int_equal(runs, 0);
    return WEIR_OK;
}
SIM_TEST(lists_all_mistakes)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tries_again),
        cmocka_unit_test(test_tries_nothing_else),
        cmocka_unit_test(test_never_after_an_unknown_commit),
        cmocka_unit_test(test_ends_some_time),
        cmocka_unit_test(test_lists_all_mistakes),
    };
    return cmocka_run_group_tests_name("sql retry", tests, NULL, NULL);
}
