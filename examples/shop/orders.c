/*
 * Orders. One transaction checks and takes the stock of all lines: either the whole order is
 * placed, or nothing has changed. The transaction belongs to the request's context; whatever return
 * is taken before the commit, it is rolled back. The confirmation is sent afterwards, in the
 * background.
 */
#include "shop.h"

#include <stdlib.h>

typedef struct {
    int64_t product_id, qty;
} line_in;
WEIR_MODEL(line_in, (product_id, .required = true, .min = 1),
           (qty, .required = true, .min = 1, .max = 1000));

typedef struct {
    int64_t user_id;
    WEIR_ARRAY(line_in) lines;
} order_in;
WEIR_MODEL(order_in, (user_id, .required = true, .min = 1),
           (lines, .required = true, .array_of = weir_model_of(line_in), .len_min = 1,
            .len_max = 100));

typedef struct {
    int64_t id, user_id, total_cents, created_at;
} order;
WEIR_MODEL(order, (id), (user_id), (total_cents), (created_at));

/* In /metrics, beside what Weir counts itself. */
WEIR_COUNTER(shop_orders, "shop_orders_total", "Orders by what became of them.",
             .labels = {"outcome"});
static WEIR_HISTOGRAM(order_lines, "shop_order_lines", "Lines of an order that was placed.");

static void count_order(weir_str outcome)
{
    weir_counter_add(weir_counter_of(&shop_orders, outcome), 1);
}

#define ORDER_BY_ID "SELECT id, user_id, total_cents, created_at FROM orders WHERE id = ?"

/* Background work: it has a context of its own, a copy of the order's id, and a deadline. */
static weir_err send_confirmation(weir_ctx *c, void *data)
{
    const int64_t *order_id = data;
    weir_str email;
    weir_err err =
        weir_query_one(c, shop(c)->db, weir_str, &email,
                       WEIR_SQL("SELECT email FROM users JOIN orders ON users.id = user_id "
                                "WHERE orders.id = ?"),
                       *order_id);
    if (err == WEIR_OK)
        weir_log(c, WEIR_LOG_INFO, "order %lld: confirmation to " WEIR_STR_FMT,
                 (long long)*order_id, WEIR_STR_ARG(email));
    return err;
}

static weir_err add_line(weir_ctx *c, weir_tx *tx, int64_t order_id, const line_in *line)
{
    weir_exec(tx, WEIR_SQL("UPDATE products SET stock = stock - ? WHERE id = ? AND stock >= ?"),
              line->qty, line->product_id, line->qty);
    if (weir_tx_err(tx) == WEIR_OK && weir_changes(tx) == 0) {
        count_order(WEIR_S("out_of_stock"));
        return weir_raise(c, SHOP_EOUT_OF_STOCK, "there are not %lld of product %lld",
                          (long long)line->qty, (long long)line->product_id);
    }
    return weir_exec(tx,
                     WEIR_SQL("INSERT INTO order_lines(order_id, product_id, qty, price_cents) "
                              "SELECT ?, id, ?, price_cents FROM products WHERE id = ?"),
                     order_id, line->qty, line->product_id);
}

/* Lines are taken in the order of their products, so that no two orders wait for each other. */
static int by_product(const void *a, const void *b)
{
    const line_in *x = a, *y = b;
    return x->product_id < y->product_id ? -1 : x->product_id > y->product_id;
}

/* Also where the commit has failed: it may have been done though nobody was told. */
static void forget_stock(weir_ctx *c, const order_in *in)
{
    for (size_t i = 0; i < in->lines.len; i++)
        shop_product_changed(c, in->lines.ptr[i].product_id);
}

static weir_err place_order(weir_ctx *c)
{
    order_in in;
    if (weir_bind_json(c, order_in, &in) < 0)
        return weir_fail_bind(c);
    qsort(in.lines.ptr, in.lines.len, sizeof in.lines.ptr[0], by_product);
    int64_t id;
    weir_tx *tx = weir_begin(c, shop(c)->db);
    weir_err err = weir_query_one(c, tx, int64_t, &id,
                                  WEIR_SQL("INSERT INTO orders(user_id, total_cents, created_at) "
                                           "VALUES (?, 0, ?) RETURNING id"),
                                  in.user_id, shop_now());
    for (size_t i = 0; i < in.lines.len && err == WEIR_OK; i++)
        err = add_line(c, tx, id, &in.lines.ptr[i]);
    if (err < 0)
        return err;
    weir_exec(
        tx,
        WEIR_SQL(
            "UPDATE orders SET total_cents = "
            "(SELECT sum(qty * price_cents) FROM order_lines WHERE order_id = ?) WHERE id = ?"),
        id, id);
    err = weir_commit(tx); /* the first error of all of the above sticks */
    forget_stock(c, &in);
    if (err < 0)
        return err;
    count_order(WEIR_S("placed"));
    weir_histogram_record(&order_lines, in.lines.len);
    order o;
    err = weir_query_one(c, shop(c)->db, order, &o, WEIR_SQL(ORDER_BY_ID), id);
    if (err < 0)
        return err;
    /* The order stands; that its confirmation is late or lost is no failure of it. */
    if (weir_detach(c, send_confirmation, &id, sizeof id, .timeout = weir_sec(30)) < 0)
        weir_log(c, WEIR_LOG_WARN, "order %lld: no confirmation, too much is under way",
                 (long long)id);
    return weir_json(c, 201, order, &o);
}

static weir_err get_order(weir_ctx *c)
{
    int64_t id;
    if (weir_param_i64(c, "id", &id) < 0)
        return weir_fail_bind(c);
    order o;
    weir_err err = weir_query_one(c, shop(c)->db, order, &o, WEIR_SQL(ORDER_BY_ID), id);
    return err < 0 ? err : weir_json(c, 200, order, &o);
}

void shop_order_routes(weir_group *v1)
{
    weir_post(v1, "/orders", place_order, .body_bytes_max = 64 << 10);
    weir_get(v1, "/orders/:id", get_order);
}
