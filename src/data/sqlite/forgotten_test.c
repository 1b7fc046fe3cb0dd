/*
 * Ten ways to forget what was acquired, each beside a twin that forgets nothing. All ten are
 * repaired and reported with their own line; of the twins nothing is said.
 */
#include "data/sqlite/testing.h"

#include "rt/log.h"
#include "rt/owned.h"
#include "watch/watch.h"
#include <weir/sync.h>

struct store {
    weir_db *db;
    weir_mutex *mutex;
    weir_sem *sem;
    int line; /* of the last acquisition */
};

/* Notes where the next statement stands, which is on the same line. */
#define AT_THIS_LINE(s) ((s)->line = __LINE__)
#define ALL "SELECT id FROM users"

static weir_err unread_rows(weir_ctx *c, struct store *s, bool is_twin)
{
    user u;
    weir_rows *rows = (AT_THIS_LINE(s), weir_query(c, s->db, ALL));
    while (is_twin && weir_rows_next(rows, user, &u))
        ;
    return WEIR_OK;
}

static weir_err half_read_rows(weir_ctx *c, struct store *s, bool is_twin)
{
    user u;
    weir_rows *rows = (AT_THIS_LINE(s), weir_query(c, s->db, ALL));
    assert_true(weir_rows_next(rows, user, &u));
    if (is_twin)
        weir_rows_close(rows);
    return WEIR_OK;
}

static weir_err capped_rows(weir_ctx *c, struct store *s, bool is_twin)
{
    weir_rows *rows = (AT_THIS_LINE(s), weir_query_max(c, s->db, 2, ALL));
    if (is_twin)
        weir_rows_close(rows);
    return WEIR_OK;
}

static weir_err unread_error(weir_ctx *c, struct store *s, bool is_twin)
{
    user u;
    weir_rows *rows = (AT_THIS_LINE(s), weir_query(c, s->db, "SELECT nosuch FROM users"));
    while (weir_rows_next(rows, user, &u))
        ;
    if (is_twin)
        assert_int_equal(weir_rows_err(rows), WEIR_EDB);
    return WEIR_OK;
}

static weir_err begun(weir_ctx *c, struct store *s, bool is_twin)
{
    weir_tx *tx = (AT_THIS_LINE(s), weir_begin(c, s->db));
    return is_twin ? weir_commit(tx) : WEIR_OK;
}

static weir_err written(weir_ctx *c, struct store *s, bool is_twin)
{
    weir_tx *tx = (AT_THIS_LINE(s), weir_begin(c, s->db));
    weir_exec(tx, "DELETE FROM users");
    if (is_twin)
        weir_rollback(tx);
    return WEIR_OK;
}

static weir_err lock(weir_ctx *c, struct store *s, bool is_twin)
{
    weir_err err = (AT_THIS_LINE(s), weir_lock(c, s->mutex));
    if (is_twin)
        weir_unlock(c, s->mutex);
    return err;
}

static weir_err tried_lock(weir_ctx *c, struct store *s, bool is_twin)
{
    weir_err err = (AT_THIS_LINE(s), weir_trylock(c, s->mutex));
    if (is_twin)
        weir_unlock(c, s->mutex);
    return err;
}

static weir_err permit(weir_ctx *c, struct store *s, bool is_twin)
{
    weir_err err = (AT_THIS_LINE(s), weir_sem_acquire(c, s->sem));
    if (is_twin)
        weir_sem_release(c, s->sem);
    return err;
}

static weir_err tried_permit(weir_ctx *c, struct store *s, bool is_twin)
{
    weir_err err = (AT_THIS_LINE(s), weir_sem_try_acquire(c, s->sem));
    if (is_twin)
        weir_sem_release(c, s->sem);
    return err;
}

static const struct {
    weir_err (*fn)(weir_ctx *c, struct store *s, bool is_twin);
    const char *kind;
} ways[] = {{unread_rows, "rows"},   {half_read_rows, "rows"}, {capped_rows, "rows"},
            {unread_error, "rows"},  {begun, "transaction"},   {written, "transaction"},
            {lock, "lock"},          {tried_lock, "lock"},     {permit, "permit"},
            {tried_permit, "permit"}};

#define WAYS (sizeof ways / sizeof ways[0])

struct
try {
    struct store *store;
    size_t way;
    bool is_twin;
};

static weir_err go(weir_ctx *c, void *arg)
{
    const struct try *t = arg;
    return ways[t->way].fn(c, t->store, t->is_twin);
}

static void run_way(weir_ctx *c, struct store *s, size_t way, bool is_twin)
{
    struct try t = {s, way, is_twin};
    WEIR_SCOPE(group, c);
    assert_int_equal(WEIR_GO(group, go, &t), WEIR_OK);
    assert_int_equal(weir_join(group), WEIR_OK);
    assert_int_equal(weir_ctx_close(group), WEIR_OK);
    weir_error_clear(c);
}

/* Nothing is lent, locked or taken any more. */
static void assert_all_back(weir_ctx *c, struct store *s)
{
    assert_nothing_out(s->db);
    assert_int_equal(count_users(c, s->db), 3);
    assert_int_equal(weir_trylock(c, s->mutex), WEIR_OK);
    weir_unlock(c, s->mutex);
    assert_int_equal(weir_sem_try_acquire(c, s->sem), WEIR_OK);
    weir_sem_release(c, s->sem);
}

static void assert_reported(const struct store *s, size_t way, const char *log)
{
    struct weir__leak_site sites[64];
    char at[64];
    size_t n = weir__leak_sites(sites, 64);
    assert_int_equal(n, way + 1); /* a place of its own */
    assert_string_equal(sites[way].kind, ways[way].kind);
    assert_int_equal(sites[way].site->line, s->line);
    assert_int_equal(sites[way].count, 1);
    snprintf(at, sizeof at, "forgotten_test.c:%d\"", s->line);
    if (strstr(log, at) == NULL)
        fail_msg("no %s in %s", at, log);
}

static weir_err forgets_in_ten_ways(weir_ctx *c, void *arg)
{
    static char bytes[65536];
    weir_buf log;
    struct store s = {open_users(c, arg), weir_mutex_new(c), weir_sem_new(c, 1), 0};
    for (size_t i = 0; i < WAYS; i++) {
        weir_buf_init_fixed(&log, bytes, sizeof bytes - 1);
        weir__log_capture(&log);
        uint64_t before = weir__leak_total();
        run_way(c, &s, i, true);
        assert_int_equal(weir__leak_total(), before);
        assert_int_equal(log.len, 0);
        run_way(c, &s, i, false);
        weir__log_capture(NULL);
        bytes[log.len] = '\0';
        assert_int_equal(weir__leak_total(), before + 1);
        assert_reported(&s, i, bytes);
        assert_all_back(c, &s);
    }
    return WEIR_OK;
}
SIM_TEST(forgets_in_ten_ways)

int main(void)
{
    const struct CMUnitTest tests[] = {FILE_TEST(forgets_in_ten_ways)};
    weir__watch_install();
    return cmocka_run_group_tests_name("forgotten", tests, NULL, NULL);
}
