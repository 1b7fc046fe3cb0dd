/*
 * What tests of statements that share connections have in common: a query in a fiber of its own,
 * and that nothing is lent.
 */
#ifndef WEIR_DATA_POSTGRES_MULTIPLEX_TESTING_H
#define WEIR_DATA_POSTGRES_MULTIPLEX_TESTING_H

#include "data/postgres/testing.h"

#include "data/postgres/multiplex.h"

#define SIM(fn, arg) assert_int_equal(weir__sim_run((fn), (arg)), WEIR_OK)

static inline weir_db *open_db(weir_ctx *c, const struct pg_server *s, uint32_t depth,
                               uint32_t max_open)
{
    return weir_postgres_open(c, .url = s->url, .pool = {.max_open = 2}, .multiplex = depth,
                              .multiplex_max_open = max_open);
}

/* A query in a fiber of its own, and how it went. */
struct asking {
    weir_db *db;
    int rows;
    const char *sql; /* NULL: so many rows */
    weir_dur within; /* 0: whatever it takes */
    weir_err err;
    int64_t sum;
    weir_dur took;
    bool is_over;
};

static inline weir_err ask(weir_ctx *parent, void *arg)
{
    struct asking *a = arg;
    WEIR_SCOPE(c, parent, .timeout = a->within);
    char sql[64];
    int64_t n;
    weir_time began = weir_now();
    snprintf(sql, sizeof sql, "SELECT n FROM rows(%d)", a->rows);
    weir_rows *rows = weir_query(c, a->db, a->sql != NULL ? a->sql : sql);
    while (weir_rows_next(rows, int64_t, &n))
        a->sum += n;
    a->err = weir_rows_err(rows);
    a->took = weir_time_sub(weir_now(), began);
    a->is_over = true;
    (void)weir_ctx_close(c);
    return WEIR_OK;
}

static inline void go_ask(weir_ctx *c, struct asking *a)
{
    assert_int_equal(WEIR_GO(c, ask, a), WEIR_OK);
}

static inline void assert_sum(const struct asking *a)
{
    assert_true(a->is_over);
    assert_int_equal(a->err, WEIR_OK);
    assert_int_equal(a->sum, (int64_t)a->rows * (a->rows - 1) / 2);
}

static inline int64_t sum_of(weir_ctx *c, weir_db *db, int rows)
{
    struct asking a = {.db = db, .rows = rows};
    assert_int_equal(ask(c, &a), WEIR_OK);
    assert_sum(&a);
    return a.sum;
}

/* Leases of carriers, and of the pool beside them. */
static inline void add_leases(const struct weir__shared_stats *s, void *arg)
{
    *(uint64_t *)arg += s->leases;
}

static inline void assert_even(weir_db *db)
{
    weir_pool_stats stats;
    uint64_t leases = 0;
    weir_db_stats(db, &stats, NULL);
    weir__shared_pool_each(add_leases, &leases);
    assert_int_equal(stats.in_use, 0);
    assert_int_equal(leases, 0);
}

#endif
