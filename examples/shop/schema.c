/*
 * The database: opened when the service starts, made with sample data when it is new. The service
 * answers before all of the sample data is there: 20,000 orders of five lines each are added in the
 * background.
 */
#include "shop.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS users("
    "  id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, age INTEGER);"
    "CREATE TABLE IF NOT EXISTS products("
    "  id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL,"
    "  stock INTEGER NOT NULL CHECK(stock >= 0));"
    "CREATE TABLE IF NOT EXISTS orders("
    "  id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users(id),"
    "  total_cents INTEGER NOT NULL, created_at INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS orders_by_user ON orders(user_id);"
    "CREATE TABLE IF NOT EXISTS order_lines("
    "  order_id INTEGER NOT NULL REFERENCES orders(id),"
    "  product_id INTEGER NOT NULL REFERENCES products(id),"
    "  qty INTEGER NOT NULL, price_cents INTEGER NOT NULL,"
    "  PRIMARY KEY(order_id, product_id)) WITHOUT ROWID;";

static const char sample_people_and_products[] =
    "INSERT INTO users(name, email, age)"
    "  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
    "  SELECT 'User ' || i, 'user' || i || '@example.com', 18 + i % 60 FROM n;"
    "INSERT INTO products(name, price_cents, stock)"
    "  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)"
    "  SELECT 'Product ' || i, 100 + i * 37 % 900, 1000 FROM n;";

static const char sample_orders[] =
    "INSERT INTO orders(user_id, total_cents, created_at)"
    "  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
    "  SELECT 1 + i % 100, 0, unixepoch() - i * 60 FROM n;"
    "INSERT INTO order_lines(order_id, product_id, qty, price_cents)"
    "  WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4)"
    "  SELECT o.id, 1 + (o.id + i * 10) % 50, 1 + (o.id + i) % 3, 100 + (o.id + i) % 900"
    "  FROM orders o, n WHERE o.total_cents = 0;"
    "UPDATE orders SET total_cents ="
    "  (SELECT sum(qty * price_cents) FROM order_lines WHERE order_id = orders.id)"
    "  WHERE total_cents = 0;";

/* A fiber of the application: it ends with the service at the latest. */
static weir_err add_sample_orders(weir_ctx *c, void *arg)
{
    const struct shop *s = arg;
    weir_err err = weir_exec_script(c, s->db, sample_orders);
    weir_log(c, WEIR_LOG_INFO, "sample orders: %s", weir_strerror(err));
    return err;
}

static weir_err add_samples_if_new(weir_ctx *c, struct shop *s)
{
    int64_t users = 0;
    weir_err err = weir_query_one(c, s->db, int64_t, &users, "SELECT count(*) FROM users");
    if (err < 0 || users > 0 || !s->has_samples)
        return err;
    err = weir_exec_script(c, s->db, sample_people_and_products);
    return err < 0 ? err : WEIR_GO(c, add_sample_orders, s);
}

weir_err shop_open(weir_ctx *c, void *the_shop)
{
    struct shop *s = the_shop;
    s->db = weir_sqlite_open(c, .path = s->path, .create = true);
    weir_err err = weir_db_err(s->db);
    if (err == WEIR_OK)
        err = weir_exec_script(c, s->db, schema);
    return err < 0 ? err : add_samples_if_new(c, s);
}
