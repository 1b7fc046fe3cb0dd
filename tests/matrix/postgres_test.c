/* The matrix: what a request may hold of PostgreSQL, with a server that is a fiber. */
#include "data/postgres/testing.h"
#include "matrix.h"

typedef struct {
    int32_t id;
    weir_str name;
} thing;
WEIR_MODEL(thing, (id), (name));

static struct pg_server server;

static weir_db *db(const struct cell *cell)
{
    return cell->shared;
}

static void prepare(weir_ctx *app, struct cell *cell)
{
    server = (struct pg_server){.auth = PG_TRUST};
    weir_err err = pg_try_start(app, &server);
    cell->shared = weir_postgres_open(app, .url = server.url, .pool.max_open = 1);
    WEIR_ASSERT(err == WEIR_OK && weir_db_err(db(cell)) == WEIR_OK, "there is a server");
}

static bool is_lent(struct cell *cell)
{
    weir_pool_stats stats;
    weir_db_stats(db(cell), &stats, NULL);
    return stats.in_use == 1;
}

static bool is_held(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return is_lent(cell);
}

/* As many sessions of the server are in a transaction. */
static int in_transactions(void)
{
    int n = 0;
    for (int i = 0; i < PG_VISITS; i++)
        n += server.visits[i] != NULL && server.visits[i]->status != 'I';
    return n;
}

/* The same connection is lent to the next, who gets his own answer and no transaction. */
static bool is_as_it_was(weir_ctx *c, struct cell *cell)
{
    weir_pool_stats stats;
    int64_t n = -1;
    weir_err err = WEIR_EFAIL;
    weir_db_stats(db(cell), &stats, NULL);
    if (stats.in_use > 0 || stats.opened > 1)
        return false;
    WEIR_WITH(turn, c)
        err = weir_query_one(turn, db(cell), int64_t, &n, "SELECT n FROM rows(1)");
    return err == WEIR_OK && n == 0 && in_transactions() == 0 && server.open == 1;
}

/* --- rows ------------------------------------------------------------------------------------- */

static weir_err read_one(struct cell *cell, weir_rows *rows)
{
    int64_t n;
    cell->held = rows;
    return weir_rows_next(rows, int64_t, &n) ? WEIR_OK : weir_rows_err(rows);
}

static weir_err take_rows(weir_ctx *c, struct cell *cell)
{
    return read_one(cell, weir_query(c, db(cell), "SELECT n FROM rows(3)"));
}

/* More than what the server has said by then. */
static weir_err take_many_rows(weir_ctx *c, struct cell *cell)
{
    return read_one(cell, weir_query(c, db(cell), "SELECT n FROM rows(20000)"));
}

static weir_err wait_for_answer(weir_ctx *c, struct cell *cell)
{
    return weir_db_exec(c, db(cell), NULL, "SLEEP");
}

/* Nothing yet: what is waited for is the answer itself. */
static weir_err take_nothing(weir_ctx *c, struct cell *cell)
{
    int64_t n;
    return weir_query_one(c, db(cell), int64_t, &n, "SELECT n FROM rows(1)");
}

static bool is_free(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return !is_lent(cell);
}

/* --- transactions ----------------------------------------------------------------------------- */

static weir_err take_tx(weir_ctx *c, struct cell *cell)
{
    weir_tx *tx = weir_begin(c, db(cell));
    cell->held = tx;
    return weir_exec(tx, "INSERT ?", 1);
}

static weir_err take_tx_within(weir_ctx *c, struct cell *cell)
{
    static const thing things[] = {{1, {"a", 1}}, {2, {NULL, 0}}};
    weir_tx *tx = weir_begin(c, db(cell));
    weir_err err = weir_exec(tx, "INSERT ?", 1);
    weir_tx *part = weir_begin(c, tx);
    cell->held = part;
    return err == WEIR_OK ? weir_insert(part, "things", thing, things, 2) : err;
}

static weir_err take_failed_tx(weir_ctx *c, struct cell *cell)
{
    weir_err err = take_tx(c, cell);
    if (err == WEIR_OK)
        err = weir_exec(cell->held, "FAIL 23505");
    weir_error_clear(c);
    return err == WEIR_EUNIQUE ? WEIR_OK : WEIR_EFAIL;
}

static bool is_writing(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return is_lent(cell) && in_transactions() == 1;
}

static weir_err wait_in_tx(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return weir_exec(cell->held, "SLEEP");
}

/* --- a listener, a database of the request's own ---------------------------------------------- */

static weir_err take_listener(weir_ctx *c, struct cell *cell)
{
    cell->held = weir_postgres_listen(c, db(cell), "jobs");
    return WEIR_OK;
}

static bool is_listening(weir_ctx *c, struct cell *cell)
{
    (void)c, (void)cell;
    return server.open == 2;
}

static weir_err wait_for_news(weir_ctx *c, struct cell *cell)
{
    weir_postgres_notification n;
    return weir_postgres_listener_next(c, cell->held, &n);
}

static weir_err take_database(weir_ctx *c, struct cell *cell)
{
    weir_db *own = weir_postgres_open(c, .url = server.url, .lazy = true, .pool.max_open = 1);
    return read_one(cell, weir_query(c, own, "SELECT n FROM rows(3)"));
}

static bool is_open_twice(weir_ctx *c, struct cell *cell)
{
    (void)c, (void)cell;
    return server.open == 2;
}

static const struct resource resources[] = {
    RESOURCE("rows half read", take_rows, .prepare = prepare, .is_held = is_held,
             .is_back = is_as_it_was),
    RESOURCE("many rows", take_many_rows, .prepare = prepare, .is_held = is_held,
             .is_back = is_as_it_was, .is_slow = true),
    RESOURCE("answer", take_nothing, .prepare = prepare, .is_held = is_free,
             .wait = wait_for_answer, .is_back = is_as_it_was),
    RESOURCE("transaction", take_tx, .prepare = prepare, .is_held = is_writing, .wait = wait_in_tx,
             .is_back = is_as_it_was),
    RESOURCE("transaction within", take_tx_within, .prepare = prepare, .is_held = is_writing,
             .wait = wait_in_tx, .is_back = is_as_it_was),
    RESOURCE("transaction failed", take_failed_tx, .prepare = prepare, .is_held = is_writing,
             .is_back = is_as_it_was),
    RESOURCE("listener", take_listener, .prepare = prepare, .is_held = is_listening,
             .wait = wait_for_news, .is_back = is_as_it_was),
    RESOURCE("database of its own", take_database, .prepare = prepare, .is_held = is_open_twice,
             .is_back = is_as_it_was),
};

int main(void)
{
    return MATRIX(resources);
}
