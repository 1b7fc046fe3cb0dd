/* From URLs to drivers: which is chosen, what is refused, and that no secret is repeated. */
#include "data/sqlite/testing.h"

#include <weir/db.h>

static void tells_kinds(void **state)
{
    static const struct {
        const char *url;
        weir_db_kind kind;
    } rows[] = {
        {"shop.db", WEIR_DB_SQLITE},
        {"/var/lib/a:b.db", WEIR_DB_SQLITE},
        {"sqlite:shop.db", WEIR_DB_SQLITE},
        {"postgres://ada@db/shop", WEIR_DB_POSTGRES},
        {"postgresql://ada@db/shop", WEIR_DB_POSTGRES},
        {"mysql://ada@db/shop", WEIR_DB_MYSQL},
        {"mariadb://ada@db/shop", WEIR_DB_MYSQL},
        {"redis://db", WEIR_DB_UNKNOWN},
        {"POSTGRES://db", WEIR_DB_UNKNOWN},
        {"://", WEIR_DB_UNKNOWN},
        {"", WEIR_DB_UNKNOWN},
        {NULL, WEIR_DB_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(weir_db_kind_of(rows[i].url), rows[i].kind);
}

static weir_err opens_files(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    char url[160];
    int64_t n = 0;
    snprintf(url, sizeof url, "sqlite:%s", f->path);
    weir_db *db = weir_db_open(c, .url = url);
    assert_int_equal(weir_db_err(db), WEIR_ENOTFOUND);
    db = weir_db_open(c, .url = url, .create = true, .rows_max = 2, .value_bytes_max = 1024,
                      .pool = {.max_open = 3}, .tx_threshold = weir_sec(9));
    assert_int_equal(weir_db_err(db), WEIR_OK);
    assert_string_equal(weir_db_name(db), "t.db");
    weir_pool_stats readers;
    weir_db_stats(db, &readers, NULL);
    assert_int_equal(readers.max_open, 3);
    assert_int_equal(weir_exec_script(c, db, "CREATE TABLE t(x); INSERT INTO t VALUES (7)"),
                     WEIR_OK);
    db = weir_db_open(c, .url = f->path); /* a path is an URL as well */
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT x FROM t"), WEIR_OK);
    assert_int_equal(n, 7);
    return WEIR_OK;
}
SIM_TEST(opens_files)

static weir_err hands_options_on(weir_ctx *c, void *arg)
{
    struct file *f = arg;
    weir_db *db =
        weir_db_open(c, .url = f->path, .create = true, .rows_max = 2, .value_bytes_max = 1024);
    int64_t n;
    weir_rows *rows = weir_query(c, db, "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3");
    while (weir_rows_next(rows, int64_t, &n))
        ;
    assert_int_equal(weir_rows_err(rows), WEIR_ELIMIT);
    weir_str s;
    assert_int_equal(weir_query_one(c, db, weir_str, &s, "SELECT hex(zeroblob(1000))"),
                     WEIR_ETOOLARGE);
    weir_error_clear(c);
    db = weir_db_open(c, .url = f->path, .tx_threshold = weir_ns(1), .value_bytes_max = 1);
    assert_int_equal(weir_db_err(db), WEIR_EINVALID);
    assert_error(c, WEIR_EINVALID, "tx_threshold");
    return WEIR_OK;
}
SIM_TEST(hands_options_on)

static void refuses(weir_ctx *c, const char *url, weir_err code, const char *part)
{
    int64_t n;
    weir_db *db = weir_db_open(c, .url = url);
    assert_int_equal(weir_db_err(db), code);
    const weir_error *e = weir_last_error(c);
    assert_non_null(e);
    assert_null(strstr(e->message.ptr, "secret"));
    assert_error(c, code, part);
    /* It may be used all the same. */
    assert_int_equal(weir_query_one(c, db, int64_t, &n, "SELECT 1"), code);
    weir_tx *tx = weir_begin(c, db);
    assert_int_equal(weir_exec(tx, "DELETE FROM t"), code);
    assert_int_equal(weir_commit(tx), code);
    weir_pool_stats readers, writer;
    weir_db_stats(db, &readers, &writer);
    assert_int_equal(readers.open, 0);
    assert_true(strlen(weir_db_name(db)) > 0);
    assert_null(weir_last_error(c));
}

static weir_err refuses_what_is_no_database(weir_ctx *c, void *arg)
{
    (void)arg;
    refuses(c, NULL, WEIR_EINVALID, "there is no .url");
    refuses(c, "", WEIR_EINVALID, "there is no .url");
    refuses(c, "redis://ada:secret@db", WEIR_EINVALID, "redis:// is no database's");
    return WEIR_OK;
}
SIM_TEST(refuses_what_is_no_database)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_kinds),
        FILE_TEST(opens_files),
        FILE_TEST(hands_options_on),
        FILE_TEST(refuses_what_is_no_database),
    };
    return cmocka_run_group_tests_name("data open", tests, NULL, NULL);
}
