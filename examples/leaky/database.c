/*
 * What a pool lends: connections that are kept, come back dirty, or run out.
 */
#include "leaky.h"

typedef struct {
    weir_str name;
    int64_t age;
} person;
WEIR_MODEL(person, (name), (age));

/* L04: reads one row, and leaves the others. */
weir_err rows_never_closed(weir_ctx *c)
{
    person p;
    weir_rows *rows = weir_query(c, leaky(c)->db, "SELECT name, age FROM people"); /* L04 is here */
    if (!weir_rows_next(rows, person, &p))
        return weir_rows_err(rows);
    return weir_textf(c, 200, WEIR_STR_FMT " is the first\n", WEIR_STR_ARG(p.name));
}

/* Done right: closes what it does not read to the end. */
weir_err rows_closed(weir_ctx *c)
{
    person p;
    weir_rows *rows = weir_query(c, leaky(c)->db, "SELECT name, age FROM people");
    if (!weir_rows_next(rows, person, &p))
        return weir_rows_err(rows);
    weir_str name = weir_strdup(c, p.name);
    weir_rows_close(rows);
    return weir_textf(c, 200, WEIR_STR_FMT " is the first\n", WEIR_STR_ARG(name));
}

/* L05: an early return, past the end where the connection would have gone back. */
weir_err returns_early(weir_ctx *c)
{
    person p;
    weir_rows *rows = weir_query(c, leaky(c)->db, "SELECT name, age FROM people"); /* L05 is here */
    while (weir_rows_next(rows, person, &p)) {
        weir_err err = weir_sleep(c, weir_ms(400)); /* asks somebody else, say, meanwhile */
        if (err < 0)
            return err;
        if (p.age > 30)
            return weir_textf(c, 200, "somebody is %lld\n", (long long)p.age);
    }
    return weir_rows_err(rows) < 0 ? weir_rows_err(rows) : weir_text(c, 200, "all are young\n");
}

/* Done right: has what it needs, gives back, then goes on. */
weir_err reads_first(weir_ctx *c)
{
    int64_t age;
    weir_err err = weir_query_one(c, leaky(c)->db, int64_t, &age, "SELECT max(age) FROM people");
    if (err == WEIR_OK)
        err = weir_sleep(c, weir_ms(400));
    return err < 0 ? err : weir_textf(c, 200, "somebody is %lld\n", (long long)age);
}

/* L21: a pool without a maximum, without a lifetime, without a search for leaks. */
weir_err pool_without_limits(weir_ctx *c)
{
    weir_db *db =
        weir_sqlite_open(c, .path = leaky(c)->path,
                         .pool = {.max_open = UINT32_MAX,
                                  .max_lifetime = weir_ns(INT64_MAX),
                                  .leak_threshold = weir_ns(INT64_MAX)}); /* L21 is here */
    if (weir_db_err(db) < 0)
        return weir_fail(c, 500, WEIR_STR_FMT, WEIR_STR_ARG(leaky_message(c)));
    return weir_text(c, 200, "as many as you like\n");
}

/* Done right: what is not given has a default. */
weir_err pool_with_limits(weir_ctx *c)
{
    weir_db *db = weir_sqlite_open(c, .path = leaky(c)->path, .pool = {.max_open = 1});
    return weir_db_err(db) < 0 ? weir_db_err(db) : weir_text(c, 200, "one will do\n");
}

/* L22: others have all of the pool's connections and do not give them back. */
static weir_err keeps_rows(weir_ctx *c, void *unused)
{
    (void)unused;
    weir_rows *rows = weir_query(c, leaky(c)->db, "SELECT name, age FROM people");
    weir_err err = weir_sleep(c, weir_sec(3600));
    weir_rows_close(rows);
    return err;
}
weir_err pool_exhausted(weir_ctx *c)
{
    int64_t n = 0;
    weir_err err = WEIR_OK;
    for (int i = 0; i < 2 && err == WEIR_OK; i++)
        err = WEIR_GO(c, keeps_rows, NULL);
    if (err == WEIR_OK)
        err = weir_yield(c); /* they have them now */
    if (err == WEIR_OK)
        err = weir_query_one(c, leaky(c)->db, int64_t, &n, "SELECT count(*) FROM people");
    return err < 0 ? err : weir_textf(c, 200, "%lld people\n", (long long)n);
}

/* Done right: they give them back. */
static weir_err reads_rows(weir_ctx *c, void *unused)
{
    (void)unused;
    weir_rows *rows = weir_query(c, leaky(c)->db, "SELECT name, age FROM people");
    weir_err err = weir_sleep(c, weir_ms(5));
    weir_rows_close(rows);
    return err < 0 ? err : weir_rows_err(rows);
}
weir_err pool_shared(weir_ctx *c)
{
    weir_err err = WEIR_OK;
    WEIR_WITH(group, c) {
        for (int i = 0; i < 4 && err == WEIR_OK; i++)
            err = WEIR_GO(group, reads_rows, NULL);
        if (err == WEIR_OK)
            err = weir_join(group);
    }
    return err < 0 ? err : weir_text(c, 200, "four readers, two connections\n");
}

/* L27: writes and never commits; the connection goes back in the middle of a transaction. */
weir_err left_dirty(weir_ctx *c)
{
    weir_tx *tx = weir_begin(c, leaky(c)->db); /* L27 is here */
    weir_exec(tx, "INSERT INTO people VALUES ('Nobody', 0)");
    return weir_tx_err(tx) < 0 ? weir_tx_err(tx) : weir_text(c, 200, "written?\n");
}

/* Done right: says whether it is to be kept. */
weir_err left_clean(weir_ctx *c)
{
    weir_tx *tx = weir_begin(c, leaky(c)->db);
    weir_exec(tx, "INSERT INTO people VALUES ('Nobody', 0)");
    weir_exec(tx, "DELETE FROM people WHERE name = 'Nobody'");
    weir_err err = weir_commit(tx);
    return err < 0 ? err : weir_text(c, 200, "written\n");
}

/* L31: asks for all there is, and who knows how much that will be. */
#define NUMBERS                                                                                    \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "                 \
    "SELECT 'number ' || i AS name, i AS age FROM n"
weir_err all_rows_at_once(weir_ctx *c)
{
    int64_t count = 100, bytes = 0;
    if (weir_query_param_i64(c, "rows", &count) < 0)
        return weir_fail_bind(c);
    weir_rows *rows = weir_query(c, leaky(c)->db, NUMBERS, count);
    for (person p; weir_rows_next(rows, person, &p);)
        bytes += (int64_t)p.name.len;
    weir_err err = weir_rows_err(rows);
    return err < 0 ? err : weir_textf(c, 200, "%lld bytes of names\n", (long long)bytes);
}

/* Done right: says how much is too much. */
weir_err rows_with_a_limit(weir_ctx *c)
{
    int64_t bytes = 0;
    weir_rows *rows = weir_query_max(c, leaky(c)->db, 1000, NUMBERS, 100);
    for (person p; weir_rows_next(rows, person, &p);)
        bytes += (int64_t)p.name.len;
    weir_err err = weir_rows_err(rows);
    return err < 0 ? err : weir_textf(c, 200, "%lld bytes of names\n", (long long)bytes);
}

/* L36: holds a transaction open while it does something else. */
weir_err transaction_held(weir_ctx *c)
{
    weir_tx *tx = weir_begin(c, leaky(c)->db); /* L36 is here */
    weir_exec(tx, "UPDATE people SET age = age + 1");
    weir_err err = weir_sleep(c, weir_ms(400)); /* the mail server is slow today */
    return err < 0 ? err : weir_text(c, 200, "a year older?\n");
}

/* Done right: commits, then goes on. */
weir_err transaction_ended(weir_ctx *c)
{
    weir_tx *tx = weir_begin(c, leaky(c)->db);
    weir_exec(tx, "UPDATE people SET age = age");
    weir_err err = weir_commit(tx);
    if (err == WEIR_OK)
        err = weir_sleep(c, weir_ms(400));
    return err < 0 ? err : weir_text(c, 200, "as old as before\n");
}
