/*
 * A server that breaks off behind any byte, and one of whose bytes is another: each call ends, with
 * an answer or an error that is told, the database serves on, and nothing is left (the simulation
 * looks).
 */
#include "data/mysql/testing.h"

#define SELECT "SELECT id, name FROM users WHERE age > ?"

static struct {
    weir_err err;
    int rows;
    bool was_good; /* all of it, the server's bytes being what they are */
    size_t sent;
} outcome;

static bool is_known(weir_err err)
{
    switch (err) {
    case WEIR_OK:
    case WEIR_EGONE:
    case WEIR_EPROTO:
    case WEIR_EDB:
    case WEIR_EDBTYPE:
    case WEIR_ETOOLARGE:
    case WEIR_ETIMEDOUT:
    case WEIR_EINVALID:
    case WEIR_ENOTBUILT:
    case WEIR_ETOOMANY:
    case WEIR_EUNREACHABLE:
        return true;
    default:
        return weir_is_constraint(err) || err == WEIR_EBUSY || err == WEIR_EREADONLY;
    }
}

/* Opening, a query, a transaction. */
static void uses_it(weir_ctx *c, weir_db *db, struct server *s)
{
    WEIR_SCOPE(one, c, .timeout = weir_sec(3));
    weir_rows *rows = weir_query(one, db, SELECT, 7);
    outcome.rows = 0;
    for (row r; weir_rows_next(rows, row, &r);)
        outcome.rows++;
    outcome.err = weir_rows_err(rows);
    weir_err err = WEIR_OK;
    if (outcome.err == WEIR_OK) {
        weir_tx *tx = weir_begin(one, db);
        (void)weir_exec(tx, "INSERT INTO a VALUES (?)", 1);
        err = weir_commit(tx);
    }
    if (!is_known(outcome.err) || !is_known(err))
        fail_msg("%d (%s), %d", outcome.err, weir_strerror(outcome.err), err);
    outcome.was_good = outcome.err == WEIR_OK && err == WEIR_OK;
    outcome.sent = s->sent;
    (void)weir_ctx_close(one);
    bool is_spoilt = s->spoil_at > 0;
    s->cut_at = s->spoil_at = 0;                           /* whatever it was: the next is served */
    assert_int_equal(weir_sleep(c, weir_sec(2)), WEIR_OK); /* the pool has tried again */
    WEIR_SCOPE(two, c, .timeout = weir_sec(10));
    rows = weir_query(two, db, SELECT, 7);
    int n = 0;
    for (row r; weir_rows_next(rows, row, &r);)
        n++;
    err = weir_rows_err(rows);
    bool is_lied_to = is_spoilt && err == WEIR_EDBTYPE; /* of a column's name, which is kept */
    if (!is_lied_to && (err != WEIR_OK || n != s->rows))
        fail_msg("afterwards: %d rows, %s", n,
                 weir_last_error(two) != NULL ? weir_last_error(two)->message.ptr : "");
    (void)weir_ctx_close(two);
}

static void cut_behind_every_byte(void **state)
{
    size_t whole = SIZE_MAX;
    (void)state;
    for (size_t at = 1; at < whole; at++) {
        struct server s = {.rows = 3, .cut_at = at, .is_mysql = at % 2 == 0};
        play_with(&s, true, uses_it);
        if (outcome.was_good && outcome.sent < at)
            whole = at;
        else
            assert_true(outcome.err != WEIR_OK || outcome.rows == 3);
    }
    assert_true(whole > 200);
}

static void every_byte_is_another(void **state)
{
    (void)state;
    for (size_t at = 1; at < 420; at++) {
        struct server s = {.rows = 3, .spoil_at = at, .is_mysql = at % 2 == 0};
        play_with(&s, true, uses_it);
    }
}

/* --- between two statements ------------------------------------------------------------------- */

static void closes_at_rest(weir_ctx *c, weir_db *db, struct server *s)
{
    for (int i = 0; i < 3; i++) {
        weir_rows *rows = weir_query(c, db, SELECT, 7);
        int n = 0;
        for (row r; weir_rows_next(rows, row, &r);)
            n++;
        assert_int_equal(weir_rows_err(rows), WEIR_OK);
        assert_int_equal(n, s->rows);
        for (int j = 0; j < SERVER_VISITS; j++)
            if (s->visits[j] != NULL)
                weir__stream_close(&s->visits[j]->stream);
        assert_int_equal(weir_sleep(c, weir_sec(2)), WEIR_OK); /* past check_after */
    }
    assert_int_equal(s->accepted - s->accepted_before, 3);
}

static void servers_that_close_at_rest(void **state)
{
    struct server s = {.rows = 3};
    (void)state;
    play_with(&s, false, closes_at_rest);
}

static void too_large(weir_ctx *c, weir_db *db, struct server *s)
{
    char text[3000];
    weir_result result;
    memset(text, 'x', sizeof text);
    weir_str long_text = {text, sizeof text};
    WEIR_SCOPE(one, c);
    assert_told(one, weir_db_exec(one, db, &result, "INSERT INTO a VALUES (?)", long_text),
                WEIR_ETOOLARGE, "value_bytes_max");
    (void)weir_ctx_close(one);
    weir_rows *rows = weir_query(c, db, SELECT, 7);
    int n = 0;
    for (row r; weir_rows_next(rows, row, &r);)
        n++;
    assert_int_equal(weir_rows_err(rows), WEIR_OK);
    assert_int_equal(n, s->rows);
    assert_int_equal(s->accepted - s->accepted_before, 1);
}

static void values_that_are_too_large(void **state)
{
    struct server s = {.rows = 3};
    struct play play = {&s, too_large, 2048, false};
    (void)state;
    assert_int_equal(weir__sim_run(play_run, &play), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_behind_every_byte),
        cmocka_unit_test(every_byte_is_another),
        cmocka_unit_test(servers_that_close_at_rest),
        cmocka_unit_test(values_that_are_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
