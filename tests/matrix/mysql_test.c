/* The matrix: what a request may hold of MySQL, with a server that is a fiber. */
#include "data/mysql/testing.h"
#include "matrix.h"

static struct server server;

static weir_db *db(const struct cell *cell)
{
    return cell->shared;
}

static void prepare(weir_ctx *app, struct cell *cell)
{
    server = (struct server){.rows = 3, .number = weir__sim_listen()};
    snprintf(server.url, sizeof server.url, "mysql://anna:secret@127.0.0.1:%d/shop", server.number);
    weir_err err = WEIR_GO(app, server_run, &server);
    cell->shared = weir_mysql_open(app, .url = server.url,
                                   .pool = {.max_open = 1, .max_lifetime = weir_hour(24)});
    WEIR_ASSERT(err == WEIR_OK && weir_db_err(db(cell)) == WEIR_OK, "there is a server");
    WEIR_WITH(turn, app) /* the connection that all runs share */
        err = weir_rows_err(weir_query(turn, db(cell), "SELECT id, name FROM users"));
    WEIR_ASSERT(err == WEIR_OK, "it answers");
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

static int in_transactions(void)
{
    int n = 0;
    for (int i = 0; i < SERVER_VISITS; i++)
        n += server.visits[i] != NULL && server.visits[i]->is_in_tx;
    return n;
}

/* The same connection is lent to the next, who gets his own answer and no transaction. */
static bool is_as_it_was(weir_ctx *c, struct cell *cell)
{
    weir_pool_stats stats;
    row r = {0};
    weir_err err = WEIR_EFAIL;
    weir_db_stats(db(cell), &stats, NULL);
    if (stats.in_use > 0 || stats.opened > 1)
        return false;
    WEIR_WITH(turn, c)
        err = weir_query_one(turn, db(cell), row, &r, "SELECT id, name FROM users");
    return err == WEIR_OK && r.id == 1 && in_transactions() == 0 && server.open <= 2;
}

/* --- rows ------------------------------------------------------------------------------------- */

static weir_err read_one(struct cell *cell, weir_rows *rows)
{
    row r;
    cell->held = rows;
    return weir_rows_next(rows, row, &r) ? WEIR_OK : weir_rows_err(rows);
}

static weir_err take_rows(weir_ctx *c, struct cell *cell)
{
    return read_one(cell, weir_query(c, db(cell), "SELECT id, name FROM users"));
}

static weir_err take_nothing(weir_ctx *c, struct cell *cell)
{
    row r;
    return weir_query_one(c, db(cell), row, &r, "SELECT id, name FROM users WHERE id = ?", 1);
}

static bool is_free(weir_ctx *c, struct cell *cell)
{
    (void)c;
    return !is_lent(cell);
}

static weir_err wait_for_answer(weir_ctx *c, struct cell *cell)
{
    return weir_rows_err(weir_query(c, db(cell), "SELECT SLEEP(?)", 9));
}

/* --- transactions ----------------------------------------------------------------------------- */

static weir_err take_tx(weir_ctx *c, struct cell *cell)
{
    weir_tx *tx = weir_begin(c, db(cell));
    cell->held = tx;
    return weir_exec(tx, "INSERT INTO a VALUES (?)", 1);
}

static weir_err take_tx_within(weir_ctx *c, struct cell *cell)
{
    static const row rows[] = {{1, {"a", 1}}, {2, {NULL, 0}}, {3, {"c", 1}}};
    weir_tx *tx = weir_begin(c, db(cell));
    weir_err err = weir_exec(tx, "INSERT INTO a VALUES (?)", 1);
    weir_tx *part = weir_begin(c, tx);
    cell->held = part;
    return err == WEIR_OK ? weir_insert(part, "a", row, rows, 3) : err;
}

static weir_err take_failed_tx(weir_ctx *c, struct cell *cell)
{
    weir_err err = take_tx(c, cell);
    if (err == WEIR_OK)
        err = weir_exec(cell->held, "FAIL 1062 Duplicate entry '1' for key 'a'");
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
    return weir_exec(cell->held, "UPDATE a SET n = SLEEP(?)", 9);
}

/* --- a database of the request's own ---------------------------------------------------------- */

static weir_err take_database(weir_ctx *c, struct cell *cell)
{
    weir_db *own = weir_mysql_open(c, .url = server.url, .lazy = true, .pool.max_open = 1);
    return read_one(cell, weir_query(c, own, "SELECT id, name FROM users"));
}

static bool is_open_once_more(weir_ctx *c, struct cell *cell)
{
    (void)c, (void)cell;
    return server.open >= 2;
}

static const struct resource resources[] = {
    RESOURCE("rows half read", take_rows, .prepare = prepare, .is_held = is_held,
             .is_back = is_as_it_was),
    RESOURCE("answer", take_nothing, .prepare = prepare, .is_held = is_free,
             .wait = wait_for_answer, .is_back = is_as_it_was),
    RESOURCE("transaction", take_tx, .prepare = prepare, .is_held = is_writing, .wait = wait_in_tx,
             .is_back = is_as_it_was),
    RESOURCE("transaction within", take_tx_within, .prepare = prepare, .is_held = is_writing,
             .wait = wait_in_tx, .is_back = is_as_it_was),
    RESOURCE("transaction failed", take_failed_tx, .prepare = prepare, .is_held = is_writing,
             .is_back = is_as_it_was),
    RESOURCE("database of its own", take_database, .prepare = prepare, .is_held = is_open_once_more,
             .is_back = is_as_it_was),
};

int main(void)
{
    return MATRIX(resources);
}
