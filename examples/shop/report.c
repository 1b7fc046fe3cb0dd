/*
 * The report: every order line, joined with its names, as one JSON array. Rows are written as they
 * are read, so memory stays flat however many there are, and a slow client slows the query down.
 */
#include "shop.h"

typedef struct {
    int64_t order_id;
    weir_str user, product;
    int64_t qty, price_cents;
} report_line;
WEIR_MODEL(report_line, (order_id), (user), (product), (qty), (price_cents));

static weir_err report(weir_ctx *c)
{
    int64_t limit = INT64_MAX; /* all of it */
    if (weir_query_param_i64(c, "limit", &limit) < 0)
        return weir_fail_bind(c);
    weir_rows *rows = weir_query(
        c, shop(c)->db,
        WEIR_SQL(report_line, "SELECT order_id, users.name AS user, products.name AS product, "
                              "qty, order_lines.price_cents AS price_cents "
                              "FROM order_lines JOIN orders ON orders.id = order_id "
                              "JOIN users ON users.id = user_id "
                              "JOIN products ON products.id = product_id "
                              "ORDER BY order_id LIMIT ?"),
        limit);
    weir_stream *out = weir_json_array(c, 200);
    for (report_line line; weir_rows_next(rows, report_line, &line);)
        weir_stream_put(out, report_line, &line);
    return weir_stream_end(out, weir_rows_err(rows));
}

void shop_report_routes(weir_group *v1)
{
    weir_get(v1, "/report", report, .timeout = weir_sec(60));
}
