/*
 * Batches over the driver by the book: what is posted and when, and what becomes of each item when
 * one fails, the server leaves some out, or the connection breaks. Statements that begin with FAIL,
 * STALE, BREAK or LATE do so when their answer is awaited.
 */
#include "data/sql/testing.h"

#include "base/alloc.h"
#include "rt/log.h"
#include "rt/owned.h"
#include "watch/watch.h"
#include <weir/batch.h>

/* --- a driver that posts ---------------------------------------------------------------------- */

static struct {
    bool is_together, is_over; /* of what was sent: the rest is left out */
    bool holds;                /* a statement that writes is the first of its send */
    size_t posted;
    char values[100];
} its;

static bool begins(const struct weir__sql_stmt *stmt, const char *with)
{
    return strncmp(stmt->text, with, strlen(with)) == 0;
}

static void note(const char *what, const struct weir__sql_stmt *stmt)
{
    char text[64];
    weir_err err;
    snprintf(text, sizeof text, "%s %s", what, stmt->text);
    (void)called(text, &err, &it.fault);
}

static weir_err post(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                     const struct weir__sql_values *values, bool together,
                     struct weir__sql_fault *f)
{
    weir_err err;
    (void)conn;
    if (its.holds && its.posted > 0 && !stmt->reads_only)
        return -EAGAIN;
    if (!called("post", &err, f))
        return err;
    its.is_together = together;
    its.posted++;
    size_t n = strlen(its.values);
    if (values->count > 0 && values->args[0].kind == WEIR_ARG_TEXT && n < 50)
        snprintf(its.values + n, sizeof its.values - n, WEIR_STR_FMT ";",
                 WEIR_STR_ARG(values->args[0].u.s));
    return WEIR_OK;
}

static weir_err send_them(struct weir__sql_conn *conn, struct weir__sql_fault *f)
{
    weir_err err;
    (void)conn;
    its.posted = 0;
    its.is_over = false;
    (void)called(its.is_together ? "send together" : "send", &err, f);
    return err;
}

static weir_err await(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt, bool for_rows,
                      struct weir__sql_outcome *out, struct weir__sql_fault *f)
{
    (void)conn;
    note(for_rows ? "rows" : "await", stmt);
    if (its.is_over) {
        (void)weir__sql_fault(f, WEIR_EDB, "left out");
        f->was_skipped = true;
        return f->err;
    }
    ((struct stmt *)stmt)->left = it.rows;
    *out = (struct weir__sql_outcome){.changes = 7, .last_id = 9};
    if (begins(stmt, "LATE") && weir_sleep(weir__ctx_handle(conn->c), weir_ms(50)) < 0) {
        weir__sql_fault_init(f);
        return weir__ctx_check(conn->c);
    }
    if (begins(stmt, "FAIL") || begins(stmt, "STALE") || begins(stmt, "BREAK")) {
        its.is_over = its.is_together;
        (void)weir__sql_fault(f, begins(stmt, "BREAK") ? WEIR_EGONE : WEIR_EUNIQUE, "it %s",
                              stmt->text);
        strcpy(f->constraint, "users_key");
        f->is_broken = f->may_have_run = begins(stmt, "BREAK");
        f->was_skipped = stmt->is_void = begins(stmt, "STALE");
        return f->err;
    }
    return for_rows ? weir__sql_shape(stmt, it.columns) : WEIR_OK;
}

static weir_db *open_posting_db(weir_ctx *c)
{
    static const struct weir__sql_cell one[] = {{WEIR__CELL_INT, {.i = 1}}};
    weir_db *db = open_db(c);
    memset(&its, 0, sizeof its);
    it.cells = one;
    it.columns = it.rows = 1;
    it.driver.post = post;
    it.driver.send = send_them;
    it.driver.await = await;
    it.driver.has_dialect = true;
    it.driver.dialect = WEIR__SQL_POSTGRES;
    return db;
}

/* --- what is asked of the driver -------------------------------------------------------------- */

static weir_err one_send(weir_ctx *c, void *arg)
{
    weir_db *db = open_posting_db(c);
    int64_t a = 0, b = 0;
    WEIR_ARRAY(int64_t) all;
    weir_result done = {.changes = 0};
    (void)arg;
    weir_batch *batch = weir_batch_new(c, db);
    weir_batch_one(batch, int64_t, &a, "SELECT 1");
    weir_batch_one(batch, int64_t, &b, "SELECT 1");
    weir_batch_all(batch, int64_t, &all, 5, "SELECT 2");
    assert_calls("");
    assert_int_equal(weir_batch_err(batch, 0), WEIR_ECANCELED);
    assert_int_equal(weir_batch_run(batch), WEIR_OK);
    assert_calls("take r;prepare;prepare;post;post;post;send together;rows SELECT 1;fetch;"
                 "rows SELECT 1;fetch;rows SELECT 2;fetch;fetch;finish;finish;");
    assert_true(a == 1 && b == 1 && all.len == 1 && all.ptr[0] == 1);
    assert_int_equal(weir_batch_err(batch, 2), WEIR_OK);
    assert_int_equal(weir_batch_run(batch), WEIR_OK); /* it has run already */
    assert_calls("");

    batch = weir_batch_new(c, db); /* one that writes goes elsewhere, each by itself */
    weir_batch_one(batch, int64_t, &a, "SELECT 1");
    weir_batch_exec(batch, &done, "UPDATE a");
    weir_batch_exec(batch, NULL, "UPDATE a");
    assert_int_equal(weir_batch_run(batch), WEIR_OK);
    assert_calls("take w;prepare;post;post;post;send;rows SELECT 1;fetch;await UPDATE a;"
                 "await UPDATE a;finish;finish;");
    assert_true(done.changes == 7 && done.last_id == 9);

    weir_tx *tx = weir_begin(c, db);
    batch = weir_batch_new(c, tx);
    weir_batch_exec(batch, NULL, "UPDATE a");
    weir_batch_one(batch, int64_t, &a, "UPDATE a RETURNING b"); /* which it may, in here */
    assert_int_equal(weir_batch_run(batch), WEIR_OK);
    assert_int_equal(weir_changes(tx), 7);
    assert_int_equal(weir_last_insert_id(tx), 9);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_calls("take w;begin;prepare;post;post;send together;await UPDATE a;"
                 "rows UPDATE a RETURNING b;fetch;finish;finish;commit;");
    return WEIR_OK;
}
SIM_TEST(one_send)

static weir_err one_by_one_without_the_operation(weir_ctx *c, void *arg)
{
    weir_db *db = open_posting_db(c);
    int64_t n = 0;
    (void)arg;
    it.driver.post = NULL;
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_one(b, int64_t, &n, "SELECT 1");
    weir_batch_exec(b, NULL, "UPDATE a");
    weir_batch_one(b, int64_t, &n, "SELECT 1");
    assert_int_equal(weir_batch_run(b), WEIR_OK);
    assert_calls("take w;prepare;prepare;rows;fetch;finish;run;finish;rows;fetch;finish;"
                 "finish;finish;");
    /* The first failure in a transaction is the end. */
    weir_tx *tx = weir_begin(c, db);
    b = weir_batch_new(c, tx);
    weir_batch_exec(b, NULL, "UPDATE a");
    weir_batch_one(b, int64_t, &n, "SELECT 1");
    plan("run", WEIR_EUNIQUE);
    assert_int_equal(weir_batch_run(b), WEIR_EUNIQUE);
    assert_calls("run;finish;finish;finish;");
    assert_int_equal(weir_batch_err(b, 1), WEIR_ECANCELED);
    assert_int_equal(weir_commit(tx), WEIR_EUNIQUE);
    weir_error_clear(c);
    return WEIR_OK;
}
SIM_TEST(one_by_one_without_the_operation)

/* Nothing that is given is read later. */
static weir_err copies_what_it_is_given(weir_ctx *c, void *arg)
{
    weir_db *db = open_posting_db(c);
    char sql[32], value[8];
    int64_t n;
    (void)arg;
    weir_batch *b = weir_batch_new(c, db);
    for (int i = 0; i < 3; i++) {
        snprintf(sql, sizeof sql, "SELECT ?, %d", i / 2);
        snprintf(value, sizeof value, "v%d", i);
        weir_batch_one(b, int64_t, &n, sql, value);
        memset(sql, '~', sizeof sql - 1);
        memset(value, '~', sizeof value - 1);
    }
    assert_int_equal(weir_batch_run(b), WEIR_OK);
    assert_string_equal(its.values, "v0;v1;v2;");
    assert_calls("take r;prepare;prepare;post;post;post;send together;rows SELECT ?, 0;fetch;"
                 "rows SELECT ?, 0;fetch;rows SELECT ?, 1;fetch;finish;finish;");
    return WEIR_OK;
}
SIM_TEST(copies_what_it_is_given)

/* Two kernels' buffers are not filled; what has to wait for answers does. */
static weir_err several_sends(weir_ctx *c, void *arg)
{
    static char large[9000];
    weir_db *db = open_posting_db(c);
    (void)arg;
    memset(large, 'x', sizeof large - 1);
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_exec(b, NULL, "UPDATE a WHERE b = ?", large);
    weir_batch_exec(b, NULL, "UPDATE a WHERE b = ?", large);
    weir_batch_exec(b, NULL, "UPDATE a WHERE b = ?", "short");
    assert_int_equal(weir_batch_run(b), WEIR_OK);
    assert_calls("take w;prepare;post;send;await UPDATE a WHERE b = ?;post;post;send;"
                 "await UPDATE a WHERE b = ?;await UPDATE a WHERE b = ?;finish;");
    its.holds = true;
    int64_t n;
    weir_tx *tx = weir_begin(c, db);
    b = weir_batch_new(c, tx);
    weir_batch_exec(b, NULL, "UPDATE a");
    weir_batch_one(b, int64_t, &n, "SELECT 1");
    weir_batch_exec(b, NULL, "UPDATE a");
    it.calls[0] = '\0';
    assert_int_equal(weir_batch_run(b), WEIR_OK);
    assert_calls("prepare;prepare;post;post;send together;await UPDATE a;rows SELECT 1;fetch;"
                 "post;send together;await UPDATE a;finish;finish;");
    return weir_commit(tx);
}
SIM_TEST(several_sends)

/* --- what becomes of the others --------------------------------------------------------------- */

static void assert_items(weir_batch *b, const weir_err *errs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (weir_batch_err(b, i) != errs[i])
            fail_msg("item %zu: %s", i, weir_strerror(weir_batch_err(b, i)));
    }
}

static weir_err each_for_itself(weir_ctx *c, void *arg)
{
    weir_db *db = open_posting_db(c);
    (void)arg;
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_exec(b, NULL, "UPDATE a");
    const int line = __LINE__ + 1;
    weir_batch_exec(b, NULL, "FAIL here");
    weir_batch_exec(b, NULL, "UPDATE a");
    weir_batch_exec(b, NULL, "FAIL there");
    int64_t n;
    weir_batch_one(b, int64_t, &n, "UPDATE b RETURNING c"); /* which is for transactions */
    weir_batch_exec(b, NULL, "UPDATE a", 1);
    assert_int_equal(weir_batch_run(b), WEIR_EUNIQUE);
    assert_items(
        b, (weir_err[]){WEIR_OK, WEIR_EUNIQUE, WEIR_OK, WEIR_EUNIQUE, WEIR_EDB, WEIR_EINVALID}, 6);
    const weir_error *e = weir_batch_error(b, 1);
    assert_string_equal(e->message.ptr, "orders: it FAIL here in: FAIL here");
    assert_string_equal(e->constraint.ptr, "users_key");
    assert_int_equal(e->site->line, line);
    assert_string_equal(weir_batch_error(b, 3)->message.ptr,
                        "orders: it FAIL there in: FAIL there");
    assert_non_null(strstr(weir_batch_error(b, 4)->message.ptr, "weir_batch_exec"));
    assert_null(weir_batch_error(b, 0));
    assert_false(weir_batch_may_have_run(b, 1));
    /* The context has the first that was raised: what could not be sent is found out before. */
    assert_ptr_equal(weir_last_error(c), weir_batch_error(b, 4));
    weir_error_clear(c);

    /* What the context had stays. */
    (void)weir_raise(c, WEIR_EFAIL, "earlier");
    b = weir_batch_new(c, db);
    weir_batch_exec(b, NULL, "FAIL here");
    assert_int_equal(weir_batch_run(b), WEIR_EUNIQUE);
    assert_int_equal(weir_batch_error(b, 0)->code, WEIR_EUNIQUE);
    assert_record(c, WEIR_EFAIL, "earlier");

    /* No row is the least of errors. */
    it.rows = 0;
    b = weir_batch_new(c, db);
    weir_batch_one(b, int64_t, &n, "SELECT 1");
    assert_int_equal(weir_batch_run(b), WEIR_ENOTFOUND);
    assert_null(weir_last_error(c));
    b = weir_batch_new(c, db);
    weir_batch_one(b, int64_t, &n, "SELECT 1");
    weir_batch_exec(b, NULL, "FAIL here");
    assert_int_equal(weir_batch_run(b), WEIR_EUNIQUE);
    assert_int_equal(weir_batch_err(b, 0), WEIR_ENOTFOUND);
    weir_error_clear(c);
    return WEIR_OK;
}
SIM_TEST(each_for_itself)

/* What the server has left out is asked again; what it knows no more is prepared again. */
static weir_err left_out(weir_ctx *c, void *arg)
{
    weir_db *db = open_posting_db(c);
    int64_t n = 0;
    WEIR_ARRAY(int64_t) all;
    (void)arg;
    it.driver.has_dialect = false; /* which knows what begins with SELECT */
    it.driver.post = post;
    weir_batch *b = weir_batch_new(c, db);
    it.rows = 3;
    weir_batch_one(b, int64_t, &n, "SELECT 1");
    weir_batch_all(b, int64_t, &all, 2, "SELECT 1"); /* more than it may be */
    weir_batch_all(b, int64_t, &all, 3, "SELECT 1");
    assert_int_equal(weir_batch_run(b), WEIR_ELIMIT);
    assert_items(b, (weir_err[]){WEIR_OK, WEIR_ELIMIT, WEIR_OK}, 3);
    assert_int_equal(all.len, 3);
    weir_error_clear(c);
    return WEIR_OK;
}
SIM_TEST(left_out)

/* Which only read, so a failure of one leaves out the others. */
static weir_err prepare_reading(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                                struct weir__sql_fault *f)
{
    weir_err err = prepare(conn, stmt, f);
    stmt->reads_only = true;
    return err;
}

static weir_err prepare_anew(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt,
                             struct weir__sql_fault *f)
{
    weir_err err = prepare_reading(conn, stmt, f);
    if (begins(stmt, "STALE") && strstr(it.calls, "forget;") != NULL)
        ((char *)(uintptr_t)stmt->text)[0] = 'F'; /* good from now on */
    return err;
}

static weir_err asked_again(weir_ctx *c, void *arg)
{
    weir_db *db = open_posting_db(c);
    int64_t n[4] = {0};
    (void)arg;
    it.driver.has_dialect = false;
    it.driver.prepare = prepare_reading;
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_one(b, int64_t, &n[0], "SELECT 1");
    weir_batch_one(b, int64_t, &n[1], "FAIL a");
    weir_batch_one(b, int64_t, &n[2], "SELECT 1");
    weir_batch_one(b, int64_t, &n[3], "FAIL a");
    assert_int_equal(weir_batch_run(b), WEIR_EUNIQUE);
    assert_items(b, (weir_err[]){WEIR_OK, WEIR_EUNIQUE, WEIR_OK, WEIR_EUNIQUE}, 4);
    assert_true(n[0] == 1 && n[1] == 0 && n[2] == 1 && n[3] == 0);
    assert_calls("take r;prepare;prepare;post;post;post;post;send together;"
                 "rows SELECT 1;fetch;rows FAIL a;rows SELECT 1;"
                 "post;post;send together;rows SELECT 1;fetch;rows FAIL a;finish;finish;");
    weir_error_clear(c);

    it.driver.prepare = prepare_anew;
    b = weir_batch_new(c, db);
    weir_batch_one(b, int64_t, &n[0], "STALE");
    weir_batch_one(b, int64_t, &n[1], "SELECT 1");
    weir_batch_one(b, int64_t, &n[2], "STALE");
    assert_int_equal(weir_batch_run(b), WEIR_OK);
    assert_calls("take r;prepare;post;post;post;send together;rows STALE;finish;forget;prepare;"
                 "post;post;post;send together;rows FTALE;fetch;rows SELECT 1;fetch;"
                 "rows FTALE;fetch;finish;finish;");

    /* Once: what is unknown again has failed. */
    it.driver.prepare = prepare_reading;
    b = weir_batch_new(c, db);
    weir_batch_one(b, int64_t, &n[0], "STALE for ever");
    assert_int_equal(weir_batch_run(b), WEIR_EUNIQUE);
    weir_error_clear(c);
    return WEIR_OK;
}
SIM_TEST(asked_again)

static weir_err a_transaction_fails_as_one(weir_ctx *c, void *arg)
{
    weir_db *db = open_posting_db(c);
    int64_t n;
    (void)arg;
    weir_tx *tx = weir_begin(c, db);
    weir_batch *b = weir_batch_new(c, tx);
    weir_batch_exec(b, NULL, "UPDATE a");
    weir_batch_exec(b, NULL, "FAIL a");
    weir_batch_one(b, int64_t, &n, "SELECT 1");
    weir_batch_exec(b, NULL, "UPDATE a");
    it.calls[0] = '\0';
    assert_int_equal(weir_batch_run(b), WEIR_EUNIQUE);
    /* The answers that are on their way are read all the same. */
    assert_calls("prepare;prepare;prepare;post;post;post;post;send together;await UPDATE a;"
                 "await FAIL a;rows SELECT 1;await UPDATE a;finish;finish;finish;");
    assert_items(b, (weir_err[]){WEIR_OK, WEIR_EUNIQUE, WEIR_ECANCELED, WEIR_ECANCELED}, 4);
    assert_int_equal(weir_exec(tx, "UPDATE a"), WEIR_EUNIQUE);
    b = weir_batch_new(c, tx);
    weir_batch_exec(b, NULL, "UPDATE a");
    assert_int_equal(weir_batch_run(b), WEIR_EUNIQUE);
    it.calls[0] = '\0';
    assert_int_equal(weir_commit(tx), WEIR_EUNIQUE);
    assert_calls("rollback;");
    weir_error_clear(c);
    /* What is wrong before anything was sent is no less so. */
    tx = weir_begin(c, db);
    b = weir_batch_new(c, tx);
    weir_batch_exec(b, NULL, "UPDATE a");
    weir_batch_exec(b, NULL, "UPDATE a", 1);
    it.calls[0] = '\0';
    assert_int_equal(weir_batch_run(b), WEIR_EINVALID);
    assert_calls("finish;");
    assert_items(b, (weir_err[]){WEIR_ECANCELED, WEIR_EINVALID}, 2);
    assert_int_equal(weir_commit(tx), WEIR_EINVALID);
    weir_error_clear(c);
    /* It has ended meanwhile; or has rows open. */
    tx = weir_begin(c, db);
    b = weir_batch_new(c, tx);
    weir_batch_exec(b, NULL, "UPDATE a");
    weir_rollback(tx);
    assert_int_equal(weir_batch_run(b), WEIR_ECANCELED); /* as a commit would say */
    weir_error_clear(c);
    tx = weir_begin(c, db);
    it.driver.is_one_at_a_time = true;
    weir_rows *rows = weir_query(c, tx, "SELECT 1");
    b = weir_batch_new(c, tx);
    weir_batch_exec(b, NULL, "UPDATE a");
    assert_int_equal(weir_batch_run(b), WEIR_EBUSY);
    assert_int_equal(weir_batch_err(b, 0), WEIR_EBUSY);
    weir_error_clear(c);
    weir_rows_close(rows);
    return weir_commit(tx);
}
SIM_TEST(a_transaction_fails_as_one)

/* --- what nobody knows ------------------------------------------------------------------------ */

static weir_err breaks_off(weir_ctx *c, void *arg)
{
    static char large[20000];
    weir_db *db = open_posting_db(c);
    (void)arg;
    memset(large, 'x', sizeof large - 1);
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_exec(b, NULL, "UPDATE a");
    weir_batch_exec(b, NULL, "BREAK");
    weir_batch_exec(b, NULL, "UPDATE a");
    weir_batch_exec(b, NULL, "UPDATE a WHERE b = ?", large); /* of another send */
    assert_int_equal(weir_batch_run(b), WEIR_EGONE);
    assert_items(b, (weir_err[]){WEIR_OK, WEIR_EGONE, WEIR_EGONE, WEIR_EGONE}, 4);
    assert_true(!weir_batch_may_have_run(b, 0) && weir_batch_may_have_run(b, 1) &&
                weir_batch_may_have_run(b, 2) && !weir_batch_may_have_run(b, 3));
    weir_error_clear(c);
    /* Sent in part, or not at all. */
    for (int sent = 0; sent < 2; sent++) {
        b = weir_batch_new(c, db);
        weir_batch_exec(b, NULL, "UPDATE a");
        weir_batch_exec(b, NULL, "UPDATE a");
        plan("send", WEIR_EGONE);
        it.fault.is_broken = true;
        it.fault.may_have_run = sent;
        assert_int_equal(weir_batch_run(b), WEIR_EGONE);
        assert_items(b, (weir_err[]){WEIR_EGONE, WEIR_EGONE}, 2);
        assert_true(weir_batch_may_have_run(b, 0) == sent && weir_batch_may_have_run(b, 1) == sent);
        weir_error_clear(c);
    }
    /* The connection is as good as before: what is too large for it was not sent. */
    b = weir_batch_new(c, db);
    weir_batch_exec(b, NULL, "UPDATE a");
    weir_batch_exec(b, NULL, "UPDATE a WHERE b = ?", large);
    plan("send", WEIR_ETOOLARGE);
    assert_int_equal(weir_batch_run(b), WEIR_ETOOLARGE);
    assert_calls("take w;post;send;post;send;finish;finish;");
    weir_error_clear(c);
    plan("take w", WEIR_OK);
    it.bare = WEIR_ELIMIT; /* the pool's */
    b = weir_batch_new(c, db);
    weir_batch_exec(b, NULL, "UPDATE a");
    assert_int_equal(weir_batch_run(b), WEIR_ELIMIT);
    assert_int_equal(weir_batch_err(b, 0), WEIR_ELIMIT);
    return WEIR_OK;
}
SIM_TEST(breaks_off)

static weir_err ends_with_its_context(weir_ctx *c, void *arg)
{
    weir_db *db = open_posting_db(c);
    (void)arg;
    WEIR_WITH(late, c, .timeout = weir_ms(10)) {
        weir_batch *b = weir_batch_new(late, db);
        weir_batch_exec(b, NULL, "UPDATE a");
        weir_batch_exec(b, NULL, "LATE");
        weir_batch_exec(b, NULL, "UPDATE a");
        assert_int_equal(weir_batch_run(b), WEIR_ETIMEDOUT);
        assert_items(b, (weir_err[]){WEIR_OK, WEIR_ETIMEDOUT, WEIR_ETIMEDOUT}, 3);
        assert_true(!weir_batch_may_have_run(b, 0) && weir_batch_may_have_run(b, 1) &&
                    weir_batch_may_have_run(b, 2));
        assert_null(weir_last_error(late)); /* it is the deadline's */
        assert_null(weir_batch_error(b, 1));
    }
    return WEIR_OK;
}
SIM_TEST(ends_with_its_context)

/* --- bounds ----------------------------------------------------------------------------------- */

static weir_err has_bounds(weir_ctx *c, void *arg)
{
    static char large[WEIR_BATCH_BYTES_MAX / 2 + 1];
    weir_db *db = open_posting_db(c);
    char sql[32];
    (void)arg;
    memset(large, 'x', sizeof large - 1);
    for (int kind = 0; kind < 3; kind++) {
        int fit = kind == 0 ? WEIR_BATCH_MAX : kind == 1 ? WEIR_BATCH_TEXTS_MAX : 1;
        weir_batch *b = weir_batch_new(c, db);
        for (int i = 0; i <= fit; i++) {
            snprintf(sql, sizeof sql, "UPDATE a%d WHERE ?", kind == 1 ? i : 0);
            weir_batch_exec(b, NULL, sql, kind == 2 ? large : "");
        }
        weir_batch_exec(b, NULL, "UPDATE a"); /* does nothing any more */
        it.calls[0] = '\0';
        assert_int_equal(weir_batch_run(b), WEIR_ELIMIT);
        assert_calls(""); /* nothing of it is sent */
        assert_int_equal(weir_batch_err(b, 0), WEIR_ECANCELED);
        assert_int_equal(weir_batch_err(b, (size_t)fit), WEIR_ELIMIT);
        assert_false(weir_batch_may_have_run(b, (size_t)fit));
        assert_null(weir_batch_error(b, (size_t)fit));
        assert_non_null(strstr(weir_last_error(c)->message.ptr, "of a batch")
                            ?: strstr(weir_last_error(c)->message.ptr, "a batch may"));
        weir_error_clear(c);
    }
    /* What it is to be part of does not go on without it. */
    weir_tx *tx = weir_begin(c, db);
    weir_batch *b = weir_batch_new(c, tx);
    for (int i = 0; i <= WEIR_BATCH_MAX; i++)
        weir_batch_exec(b, NULL, "UPDATE a");
    assert_int_equal(weir_batch_run(b), WEIR_ELIMIT);
    assert_int_equal(weir_commit(tx), WEIR_ELIMIT);
    weir_error_clear(c);
    b = weir_batch_new(c, db);
    assert_int_equal(weir_batch_run(b), WEIR_OK); /* of nothing */
    weir_batch_exec(b, NULL, "UPDATE a");
    assert_int_equal(weir_batch_run(b), WEIR_ECLOSED);
    weir_error_clear(c);
    it.db.err = WEIR_EUNREACHABLE;
    b = weir_batch_new(c, db);
    weir_batch_exec(b, NULL, "UPDATE a");
    assert_int_equal(weir_batch_run(b), WEIR_EUNREACHABLE);
    return WEIR_OK;
}
SIM_TEST(has_bounds)

static weir_err ask_past_the_end(weir_ctx *c, void *arg)
{
    (void)c;
    return weir_batch_err(arg, 1);
}

static weir_err misuse_is_told(weir_ctx *c, void *arg)
{
    weir_db *db = open_posting_db(c);
    (void)arg;
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_exec(b, NULL, "UPDATE a");
    assert_int_equal(weir_protect(c, ask_past_the_end, b), WEIR_EPANIC);
    assert_non_null(strstr(weir_last_error(c)->message.ptr, "item 1 of a batch that has 1"));
    weir_error_clear(c);
    return weir_batch_run(b);
}
SIM_TEST(misuse_is_told)

/* --- what was forgotten ----------------------------------------------------------------------- */

static char reports[1000];

static void take_report(const struct weir__owned *o, bool is_mistake)
{
    weir_buf text;
    weir_buf_init_fixed(&text, reports, sizeof reports - 1);
    if (!is_mistake)
        return;
    o->type->describe(o, &text);
    reports[text.len] = '\0';
}

static weir_err is_named_when_forgotten(weir_ctx *c, void *arg)
{
    weir_db *db = open_posting_db(c);
    (void)arg;
    WEIR_WITH(turn, c) {
        weir_batch *b = weir_batch_new(turn, db);
        weir_batch_exec(b, NULL, "UPDATE a");
        weir_batch_exec(b, NULL, "UPDATE a");
        const struct weir__list *first = weir__ctx_of(turn)->owned.next;
        const struct weir__owned *o = WEIR_CONTAINER(first, struct weir__owned, link);
        assert_string_equal(o->type->name, "batch");
        take_report(o, o->type->is_mistake(o));
        assert_string_equal(reports, "of orders, 2 statements never sent,");
        assert_int_equal(weir_batch_run(b), WEIR_OK);
        assert_true(weir__list_empty(&weir__ctx_of(turn)->owned));
        b = weir_batch_new(turn, db); /* nothing was to be sent */
        o = WEIR_CONTAINER(weir__ctx_of(turn)->owned.next, struct weir__owned, link);
        assert_false(o->type->is_mistake(o));
    }
    return WEIR_OK;
}
SIM_TEST(is_named_when_forgotten)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_send),
        cmocka_unit_test(test_one_by_one_without_the_operation),
        cmocka_unit_test(test_copies_what_it_is_given),
        cmocka_unit_test(test_several_sends),
        cmocka_unit_test(test_each_for_itself),
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_asked_again),
        cmocka_unit_test(test_a_transaction_fails_as_one),
        cmocka_unit_test(test_breaks_off),
        cmocka_unit_test(test_ends_with_its_context),
        cmocka_unit_test(test_has_bounds),
        cmocka_unit_test(test_misuse_is_told),
        cmocka_unit_test(test_is_named_when_forgotten),
    };
    return cmocka_run_group_tests_name("batches", tests, NULL, NULL);
}
