/*
 * Transactions within each other and the options of one, over SQLite: what is kept, what is undone,
 * whose error it is; and each constraint's code with its name.
 */
#include "data/sqlite/testing.h"

#define ADD "INSERT INTO users(name, email) VALUES (?, ?)"

static weir_err keeps_what_is_committed(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_tx *tx = weir_begin(c, db);
    weir_tx *part = weir_begin(c, tx); /* the first statement of all is the save point */
    assert_int_equal(weir_exec(part, ADD, "Dora", "dora@example.com"), WEIR_OK);
    assert_int_equal(weir_last_insert_id(part), 4);
    assert_int_equal(weir_commit(part), WEIR_OK);
    assert_int_equal(weir_exec(tx, ADD, "Eve", WEIR_NULL), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(count_users(c, db), 5);
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(keeps_what_is_committed)

static weir_err undoes_a_part_alone(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    int64_t n;
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, ADD, "Dora", WEIR_NULL);
    for (int i = 0; i < 3; i++) { /* a name that was used may be used again */
        weir_tx *part = weir_begin(c, tx);
        weir_exec(part, ADD, "Eve", WEIR_NULL);
        weir_tx *deep = weir_begin(c, part);
        weir_exec(deep, ADD, "Fay", WEIR_NULL);
        assert_int_equal(weir_commit(deep), WEIR_OK);
        assert_int_equal(weir_query_one(c, part, int64_t, &n, "SELECT count(*) FROM users"),
                         WEIR_OK);
        assert_int_equal(n, 6);
        weir_rollback(part);
        assert_int_equal(weir_commit(part), WEIR_ECANCELED);
    }
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(count_users(c, db), 4);
    return WEIR_OK;
}
SIM_TEST(undoes_a_part_alone)

static weir_err survives_an_error_within(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, ADD, "Dora", WEIR_NULL);
    weir_tx *part = weir_begin(c, tx);
    weir_exec(part, ADD, "Eve", WEIR_NULL);
    assert_int_equal(weir_exec(part, ADD, "Fay", "ada@example.com"), WEIR_EUNIQUE);
    assert_int_equal(weir_commit(part), WEIR_EUNIQUE);
    weir_error_clear(c);
    assert_int_equal(weir_tx_err(tx), WEIR_OK);
    weir_exec(tx, ADD, "Gus", WEIR_NULL);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(count_users(c, db), 5);
    return WEIR_OK;
}
SIM_TEST(survives_an_error_within)

static weir_err outer_waits_for_inner(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_tx *tx = weir_begin(c, db);
    weir_tx *part = weir_begin(c, tx);
    assert_int_equal(weir_exec(tx, ADD, "Dora", WEIR_NULL), WEIR_EINVALID);
    assert_error(c, WEIR_EINVALID, "within_test.c");
    assert_int_equal(weir_exec(part, ADD, "Eve", WEIR_NULL), WEIR_OK);
    assert_int_equal(weir_commit(part), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_EINVALID); /* its first error */

    tx = weir_begin(c, db);
    part = weir_begin(c, tx);
    weir_exec(part, ADD, "Fay", WEIR_NULL);
    assert_int_equal(weir_commit(tx), WEIR_EINVALID);
    assert_error(c, WEIR_EINVALID, "is still open");
    assert_int_equal(weir_commit(part), WEIR_ECLOSED);
    assert_int_equal(weir_exec(part, ADD, "Gus", WEIR_NULL), WEIR_ECLOSED);

    tx = weir_begin(c, db);
    part = weir_begin(c, tx);
    weir_exec(part, ADD, "Hal", WEIR_NULL);
    weir_rollback(tx); /* takes along what is within */
    assert_int_equal(weir_commit(part), WEIR_ECLOSED);
    assert_int_equal(count_users(c, db), 3);
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(outer_waits_for_inner)

static weir_err ends_with_its_context(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_tx *tx = weir_begin(c, db);
    weir_exec(tx, ADD, "Dora", WEIR_NULL);
    WEIR_WITH(turn, c) {
        weir_tx *part = weir_begin(turn, tx);
        weir_exec(part, ADD, "Eve", WEIR_NULL);
        (void)weir_raise(turn, WEIR_EFAIL, "it goes wrong");
    }
    assert_int_equal(weir_exec(tx, ADD, "Fay", WEIR_NULL), WEIR_OK);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(count_users(c, db), 5);
    return WEIR_OK;
}
SIM_TEST(ends_with_its_context)

static weir_err refuses_what_is_no_use_within(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_tx *tx = weir_begin(c, db), *part = tx;
    assert_int_equal(weir_tx_err(weir_begin(c, tx, .read_only = true)), WEIR_EINVALID);
    assert_error(c, WEIR_EINVALID, "no options of its own");
    int depth = 0;
    for (; depth < 40 && weir_tx_err(part) == WEIR_OK; depth++)
        part = weir_begin(c, part);
    assert_int_equal(depth, 33);
    assert_int_equal(weir_tx_err(part), WEIR_ELIMIT);
    assert_error(c, WEIR_ELIMIT, "more than 32");
    weir_rollback(tx);
    assert_int_equal(weir_tx_err(weir_begin(c, tx)), WEIR_ECANCELED);
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(refuses_what_is_no_use_within)

/* --- options ---------------------------------------------------------------------------------- */

static int64_t count_in(weir_ctx *c, weir_tx *tx)
{
    int64_t n = -1;
    assert_int_equal(weir_query_one(c, tx, int64_t, &n, "SELECT count(*) FROM users"), WEIR_OK);
    return n;
}

static weir_err reads_one_snapshot(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    weir_tx *tx = weir_begin(c, db, .read_only = true);
    assert_int_equal(count_in(c, tx), 3);
    /* The writer is free meanwhile. */
    assert_int_equal(weir_db_exec(c, db, NULL, ADD, "Dora", WEIR_NULL), WEIR_OK);
    assert_int_equal(count_in(c, tx), 3);
    assert_int_equal(count_users(c, db), 4);
    weir_tx *part = weir_begin(c, tx);
    assert_int_equal(weir_exec(part, ADD, "Eve", WEIR_NULL), WEIR_EREADONLY);
    assert_error(c, WEIR_EREADONLY, "readonly");
    weir_rollback(part);
    assert_int_equal(count_in(c, tx), 3);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_nothing_out(db);

    tx = weir_begin(c, db, .read_only = true);
    int64_t id;
    weir_rows *rows = weir_query(c, tx, "DELETE FROM users RETURNING id");
    assert_false(weir_rows_next(rows, int64_t, &id));
    assert_int_equal(weir_rows_err(rows), WEIR_EREADONLY);
    assert_int_equal(weir_commit(tx), WEIR_EREADONLY);
    weir_error_clear(c);
    assert_int_equal(count_users(c, db), 4);
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(reads_one_snapshot)

static weir_err takes_every_isolation(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    for (weir_isolation i = WEIR_ISOLATION_DEFAULT; i <= WEIR_SERIALIZABLE; i++) {
        weir_tx *tx = weir_begin(c, db, .isolation = i, .deferrable = true);
        assert_int_equal(weir_exec(tx, ADD, "Dora", WEIR_NULL), WEIR_OK);
        assert_int_equal(weir_commit(tx), WEIR_OK);
    }
    weir_tx *tx = weir_begin(c, db, .isolation = (weir_isolation)77);
    assert_int_equal(weir_commit(tx), WEIR_EINVALID);
    assert_error(c, WEIR_EINVALID, "isolation 77");
    assert_int_equal(count_users(c, db), 8);
    return WEIR_OK;
}
SIM_TEST(takes_every_isolation)

/* --- constraints ------------------------------------------------------------------------------ */

static weir_err tells_constraints_apart(weir_ctx *c, void *arg)
{
    static const struct {
        const char *sql;
        weir_err err;
        const char *name; /* NULL: SQLite tells none */
    } cases[] = {
        {"INSERT INTO users(name, email) VALUES ('A', 'ada@example.com')", WEIR_EUNIQUE,
         "users.email"},
        {"INSERT INTO users(id, name) VALUES (1, 'A')", WEIR_EUNIQUE, "users.id"},
        {"INSERT INTO users(name) VALUES (NULL)", WEIR_ENOTNULL, "users.name"},
        {"UPDATE users SET age = -1", WEIR_ECHECK, "age >= 0"},
        {"INSERT INTO pets(owner) VALUES (77)", WEIR_EFOREIGNKEY, NULL},
        {"DELETE FROM users WHERE id = 1", WEIR_EFOREIGNKEY, NULL},
        {"INSERT INTO strict(n) VALUES ('text')", WEIR_ECONSTRAINT, NULL},
    };
    weir_db *db = open_users(c, arg);
    assert_int_equal(
        weir_exec_script(c, db,
                         "CREATE TABLE pets(owner INTEGER REFERENCES users(id) ON DELETE RESTRICT);"
                         "CREATE TABLE strict(n INTEGER) STRICT;"
                         "INSERT INTO pets VALUES (1)"),
        WEIR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(weir_db_exec(c, db, NULL, cases[i].sql), cases[i].err);
        assert_true(weir_is_constraint(cases[i].err));
        const weir_error *e = weir_last_error(c);
        if (cases[i].name != NULL)
            assert_string_equal(e->constraint.ptr, cases[i].name);
        else
            assert_null(e->constraint.ptr);
        assert_error(c, cases[i].err, cases[i].sql);
    }
    return WEIR_OK;
}
SIM_TEST(tells_constraints_apart)

/* What a statement of rows does is done once, also when there are no rows. */
static weir_err runs_once_without_rows(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    int64_t age;
    weir_tx *tx = weir_begin(c, db);
    weir_rows *rows = weir_query(c, tx, "UPDATE users SET age = age + 1 WHERE id = 1");
    assert_false(weir_rows_next(rows, int64_t, &age));
    assert_int_equal(weir_rows_err(rows), WEIR_OK);
    assert_int_equal(weir_query_one(c, tx, int64_t, &age, "SELECT age FROM users WHERE id = 1"),
                     WEIR_OK);
    assert_int_equal(age, 37);
    return weir_commit(tx);
}
SIM_TEST(runs_once_without_rows)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(keeps_what_is_committed),  FILE_TEST(undoes_a_part_alone),
        FILE_TEST(survives_an_error_within), FILE_TEST(outer_waits_for_inner),
        FILE_TEST(ends_with_its_context),    FILE_TEST(refuses_what_is_no_use_within),
        FILE_TEST(reads_one_snapshot),       FILE_TEST(takes_every_isolation),
        FILE_TEST(tells_constraints_apart),  FILE_TEST(runs_once_without_rows),
    };
    return cmocka_run_group_tests_name("sqlite, within", tests, NULL, NULL);
}
