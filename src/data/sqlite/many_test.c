/* Many rows at once, over SQLite: all of a query into an array, an array of structs as rows. */
#include "data/sqlite/testing.h"

#include "data/sqlite/sqlite.h"
#include <weir/batch.h>

/* --- into an array ---------------------------------------------------------------------------- */

#define NUMBERS                                                                                    \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n"

static weir_err reads_all(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    WEIR_ARRAY(user) users = {NULL, 77};
    assert_int_equal(weir_query_all(c, db, user, &users, 10, "SELECT id, name FROM users"),
                     WEIR_OK);
    assert_int_equal(users.len, 3);
    assert_nothing_out(db);
    assert_true(weir_str_eq(users.ptr[0].name, WEIR_S("Ada"))); /* a copy: the rows are over */
    assert_true(weir_str_eq(users.ptr[2].name, WEIR_S("Cy")));
    assert_int_equal(users.ptr[2].id, 3);
    assert_int_equal(users.ptr[2].age, 0); /* it has no column */

    WEIR_ARRAY(int64_t) numbers = {NULL, 0};
    static const int counts[] = {0, 1, 15, 16, 17, 100, 1000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int n = counts[i];
        assert_int_equal(
            weir_query_all(c, db, int64_t, &numbers, 1000, NUMBERS " LIMIT ?", 1000, n), WEIR_OK);
        assert_int_equal(numbers.len, n);
        for (int k = 0; k < n; k++)
            assert_int_equal(numbers.ptr[k], k + 1);
    }
    return WEIR_OK;
}
SIM_TEST(reads_all)

static weir_err keeps_to_its_cap(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    WEIR_ARRAY(int64_t) numbers = {NULL, 0};
    static const int caps[] = {1, 15, 16, 17, 33};
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        int cap = caps[i];
        assert_int_equal(weir_query_all(c, db, int64_t, &numbers, (uint64_t)cap, NUMBERS, cap),
                         WEIR_OK);
        assert_int_equal(numbers.len, cap);
        assert_int_equal(weir_query_all(c, db, int64_t, &numbers, (uint64_t)cap, NUMBERS, cap + 1),
                         WEIR_ELIMIT);
        assert_true(numbers.ptr == NULL && numbers.len == 0);
        assert_error(c, WEIR_ELIMIT, "which is the cap of this query");
        assert_nothing_out(db);
    }
    assert_int_equal(weir_query_all(c, db, int64_t, &numbers, 9, "SELECT nothing"), WEIR_EDB);
    assert_error(c, WEIR_EDB, "nothing");
    assert_int_equal(weir_query_all(c, db, int64_t, &numbers, 9, "SELECT name FROM users"),
                     WEIR_EDBTYPE);
    assert_int_equal(numbers.len, 0);
    return WEIR_OK;
}
SIM_TEST(keeps_to_its_cap)

/* --- several together ------------------------------------------------------------------------- */

static weir_err batches(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    WEIR_ARRAY(user) users = {NULL, 77};
    weir_result done = {.changes = 0};
    user one = {.id = 0};
    int64_t n = -1;
    weir_batch *b = weir_batch_new(c, db);
    weir_batch_one(b, user, &one, "SELECT id, name FROM users WHERE id = ?", 1);
    weir_batch_exec(b, &done, "UPDATE users SET age = ? WHERE id > ?", 7, 1);
    weir_batch_exec(b, NULL, "INSERT INTO users(id) VALUES (1)");
    weir_batch_all(b, user, &users, 5, "SELECT id, name FROM users");
    weir_batch_one(b, int64_t, &n, "SELECT count(*) FROM users WHERE age = ?", 7);
    assert_nothing_out(db); /* it holds nothing before, */
    assert_true(weir_is_constraint(weir_batch_run(b)));
    assert_nothing_out(db); /* and nothing after */
    assert_true(weir_is_constraint(weir_batch_err(b, 2)));
    assert_true(one.id == 1 && weir_str_eq(one.name, WEIR_S("Ada")) && done.changes == 2);
    assert_true(users.len == 3 && n == 2);
    weir_error_clear(c);
    /* One that only reads takes a reader, and no turn of those that write. */
    weir_tx *tx = weir_begin(c, db);
    assert_int_equal(weir_exec(tx, "DELETE FROM users"), WEIR_OK);
    b = weir_batch_new(c, db);
    weir_batch_one(b, int64_t, &n, "SELECT count(*) FROM users");
    assert_int_equal(weir_batch_run(b), WEIR_OK);
    assert_int_equal(n, 3);
    b = weir_batch_new(c, tx);
    weir_batch_one(b, int64_t, &n, "SELECT count(*) FROM users");
    assert_int_equal(weir_batch_run(b), WEIR_OK);
    assert_int_equal(n, 0);
    weir_rollback(tx);
    return WEIR_OK;
}
SIM_TEST(batches)

/* --- from an array ---------------------------------------------------------------------------- */

typedef struct {
    int64_t id;
    bool flag;
    int16_t small;
    uint32_t count;
    float ratio;
    weir_str note;
    weir_wall at;
    weir_uuid key;
    weir_decimal price;
    weir_blob bytes;
    weir_raw_json extra;
    int32_t age;
    bool has_age;
} thing;
WEIR_MODEL(thing, (id), (flag), (small), (count), (ratio), (note), (at), (key), (price), (bytes),
           (extra), (age, .present = weir_flag_of(thing, has_age)));

typedef struct {
    int64_t id;
    WEIR_ARRAY(int64_t) list;
} listed;
WEIR_MODEL(listed, (id), (list, .array_of = weir_model_of(int64_t)));

#define THINGS                                                                                     \
    "CREATE TABLE thing(id INTEGER PRIMARY KEY, flag, small, count, ratio, note, at, key, price,"  \
    " bytes, extra, age)"

static thing thing_of(int i)
{
    thing t = {.id = i + 1,
               .flag = i % 2 != 0,
               .small = (int16_t)-i,
               .count = (uint32_t)i,
               .ratio = 0.5f,
               .at = {1000000},
               .price = weir_decimal_of(i),
               .age = i,
               .has_age = i % 3 == 0};
    t.key.bytes[0] = (uint8_t)i;
    if (i % 2 == 0) {
        t.note = WEIR_S("it's");
        t.bytes = (weir_blob){"\0x", 2};
        t.extra.text = WEIR_S("{}");
    }
    return t;
}

static void assert_same(const thing *a, const thing *b)
{
    assert_int_equal(a->id, b->id);
    assert_true(a->flag == b->flag && a->small == b->small && a->count == b->count);
    assert_true(a->ratio == b->ratio && a->at.us == b->at.us);
    assert_true(weir_str_eq(a->note, b->note) && (a->note.ptr == NULL) == (b->note.ptr == NULL));
    assert_true(weir_uuid_cmp(a->key, b->key) == 0 && weir_decimal_cmp(a->price, b->price) == 0);
    assert_true(a->bytes.len == b->bytes.len && weir_str_eq(a->extra.text, b->extra.text));
    assert_true(a->has_age == b->has_age && (!a->has_age || a->age == b->age));
}

static weir_err inserts_structs(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    weir_db *db = weir_sqlite_open(c, .path = f->path, .create = true);
    assert_int_equal(weir_exec_script(c, db, THINGS), WEIR_OK);
    static const size_t counts[] = {1, 2, 20, 21, 43, 200};
    thing things[200];
    for (int i = 0; i < 200; i++)
        things[i] = thing_of(i);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        size_t n = counts[i];
        WEIR_ARRAY(thing) got;
        weir_tx *tx = weir_begin(c, db);
        assert_int_equal(weir_insert(tx, "thing", thing, things, n), WEIR_OK);
        assert_int_equal(weir_changes(tx), n);
        assert_int_equal(weir_last_insert_id(tx), n);
        assert_int_equal(
            weir_query_all(c, tx, thing, &got, 1000, "SELECT * FROM thing ORDER BY id"), WEIR_OK);
        assert_int_equal(got.len, n);
        for (size_t k = 0; k < n; k++)
            assert_same(&got.ptr[k], &things[k]);
        weir_rollback(tx);
    }
    return WEIR_OK;
}
SIM_TEST(inserts_structs)

static weir_err chooses_columns(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    const user new[] = {{77, WEIR_S("Dora"), WEIR_S("dora@example.com"), 5},
                        {77, WEIR_S("Eve"), {NULL, 0}, 6}};
    user u;
    weir_tx *tx = weir_begin(c, db);
    assert_int_equal(weir_insert(tx, "main.users", user, new, 2, .without = "id"), WEIR_OK);
    assert_int_equal(weir_last_insert_id(tx), 5);
    assert_int_equal(weir_insert(tx, "users", user, new, 1, .columns = "name , age"), WEIR_OK);
    assert_int_equal(weir_insert(tx, "users", user, NULL, 0), WEIR_OK);
    assert_int_equal(weir_changes(tx), 0);
    assert_int_equal(weir_commit(tx), WEIR_OK);
    assert_int_equal(weir_query_one(c, db, user, &u, "SELECT * FROM users WHERE id = 6"), WEIR_OK);
    assert_true(weir_str_eq(u.name, WEIR_S("Dora")) && u.email.ptr == NULL && u.age == 5);
    return WEIR_OK;
}
SIM_TEST(chooses_columns)

static weir_err refuses_what_is_no_row(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    const user one = {9, WEIR_S("Dora"), WEIR_S("ada@example.com"), 5};
    const listed list = {.id = 1};
    const int64_t number = 1;
    static const char *const tables[] = {"",     ".",         "users.",    ".users",
                                         "a..b", "users; --", "\"users\"", "us ers"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        weir_tx *tx = weir_begin(c, db);
        assert_int_equal(weir_insert(tx, tables[i], user, &one, 1), WEIR_EINVALID);
        assert_error(c, WEIR_EINVALID, "is not the name of a table");
        assert_int_equal(weir_commit(tx), WEIR_EINVALID);
    }
    static const struct {
        const char *columns, *without, *message;
    } lists[] = {
        {"name, ages", NULL, "no member \"ages\""},
        {NULL, "ages", "no member \"ages\""},
        {"name", "age", "either .columns or .without"},
        {NULL, "id,name,email,age", "no column is left"},
        {"", NULL, "no member \"\""},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        weir_tx *tx = weir_begin(c, db);
        assert_int_equal(weir_insert(tx, "users", user, &one, 1, .columns = lists[i].columns,
                                     .without = lists[i].without),
                         WEIR_EINVALID);
        assert_error(c, WEIR_EINVALID, lists[i].message);
        weir_rollback(tx);
    }
    weir_tx *tx = weir_begin(c, db);
    assert_int_equal(weir_insert(tx, "users", listed, &list, 1), WEIR_EINVALID);
    assert_error(c, WEIR_EINVALID, "member list of listed is no value");
    weir_rollback(tx);
    tx = weir_begin(c, db);
    assert_int_equal(weir_insert(tx, "users", int64_t, &number, 1), WEIR_EINVALID);
    assert_error(c, WEIR_EINVALID, "one value is no row");
    weir_rollback(tx);
    tx = weir_begin(c, db);
    assert_int_equal(weir_insert(tx, "users", user, &one, 1), WEIR_EUNIQUE);
    assert_int_equal(weir_insert(tx, "users", user, &one, 1), WEIR_EUNIQUE);
    assert_int_equal(weir_commit(tx), WEIR_EUNIQUE);
    assert_error(c, WEIR_EUNIQUE, "INSERT INTO \"users\"(\"id\",\"name\"");
    assert_nothing_out(db);
    return WEIR_OK;
}
SIM_TEST(refuses_what_is_no_row)

/* Batches of any size need a handful of statements, not one for each size. */
static weir_err keeps_few_statements(weir_ctx *c, void *arg)
{
    weir_db *db = open_users(c, arg);
    user many[130];
    weir_tx *tx = weir_begin(c, db);
    const weir_tx *inside = weir__token_must(tx, WEIR__KIND_TX, "the test", "the transaction");
    size_t before = inside->conn->cached_count;
    for (size_t n = 1; n <= 130; n++) {
        for (size_t i = 0; i < n; i++)
            many[i] = (user){.name = WEIR_S("Dora")};
        assert_int_equal(weir_insert(tx, "users", user, many, n, .without = "id, email"), WEIR_OK);
    }
    assert_int_equal(inside->conn->cached_count - before, 7); /* 64, 32, 16, 8, 4, 2, 1 */
    weir_rollback(tx);
    return WEIR_OK;
}
SIM_TEST(keeps_few_statements)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(reads_all),
        FILE_TEST(keeps_to_its_cap),
        FILE_TEST(batches),
        FILE_TEST(inserts_structs),
        FILE_TEST(chooses_columns),
        FILE_TEST(refuses_what_is_no_row),
        FILE_TEST(keeps_few_statements),
    };
    return cmocka_run_group_tests_name("sqlite, many", tests, NULL, NULL);
}
