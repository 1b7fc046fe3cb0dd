/*
 * A user's dashboard: three questions asked side by side, under one deadline. The fibers belong to
 * the group's context: when one fails the others are cancelled, and when the handler returns none
 * is left, whatever happened.
 */
#include "shop.h"

typedef struct {
    weir_str name;
    int64_t orders, spent_cents;
    weir_str favourite;
} dashboard;
WEIR_MODEL(dashboard, (name), (orders), (spent_cents), (favourite));

/* What the fibers share: a local of the handler, which opened their context and waits for them. */
struct work {
    weir_ctx *request; /* whose memory outlives the fibers' */
    int64_t user_id;
    dashboard page;
};

static weir_err ask_name(weir_ctx *c, void *arg)
{
    struct work *w = arg;
    weir_str name;
    weir_err err = weir_query_one(c, shop(c)->db, weir_str, &name,
                                  WEIR_SQL("SELECT name FROM users WHERE id = ?"), w->user_id);
    if (err == WEIR_OK)
        w->page.name = weir_strdup(w->request, name);
    return err;
}

typedef struct {
    int64_t orders, spent_cents;
} totals;
WEIR_MODEL(totals, (orders), (spent_cents));

static weir_err ask_totals(weir_ctx *c, void *arg)
{
    struct work *w = arg;
    totals t;
    weir_err err =
        weir_query_one(c, shop(c)->db, totals, &t,
                       WEIR_SQL("SELECT count(*) AS orders, coalesce(sum(total_cents), 0) "
                                "AS spent_cents FROM orders WHERE user_id = ?"),
                       w->user_id);
    if (err == WEIR_OK) {
        w->page.orders = t.orders;
        w->page.spent_cents = t.spent_cents;
    }
    return err;
}

static weir_err ask_favourite(weir_ctx *c, void *arg)
{
    struct work *w = arg;
    weir_str name;
    weir_err err = weir_query_one(
        c, shop(c)->db, weir_str, &name,
        WEIR_SQL("SELECT name FROM products WHERE id = (SELECT product_id FROM orders "
                 "JOIN order_lines ON order_id = orders.id WHERE user_id = ? "
                 "GROUP BY product_id ORDER BY sum(qty) DESC, product_id LIMIT 1)"),
        w->user_id);
    if (err == WEIR_OK)
        w->page.favourite = weir_strdup(w->request, name);
    return err == WEIR_ENOTFOUND ? WEIR_OK : err; /* nothing ordered yet: no favourite */
}

static weir_err show_dashboard(weir_ctx *c)
{
    struct work w = {.request = c};
    if (weir_param_i64(c, "id", &w.user_id) < 0)
        return weir_fail_bind(c);
    weir_err err = WEIR_OK;
    WEIR_WITH(group, c, .timeout = weir_ms(300)) { /* left by whatever way: its fibers have ended */
        err = WEIR_GO(group, ask_name, &w);
        if (err == WEIR_OK)
            err = WEIR_GO(group, ask_totals, &w);
        if (err == WEIR_OK)
            err = WEIR_GO(group, ask_favourite, &w);
        if (err == WEIR_OK)
            err = weir_join(group); /* the first error; 504 past the deadline */
    }
    return err < 0 ? err : weir_json(c, 200, dashboard, &w.page);
}

void shop_dashboard_routes(weir_group *v1)
{
    weir_get(v1, "/users/:id/dashboard", show_dashboard);
}
