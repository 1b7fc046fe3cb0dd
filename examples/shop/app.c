/*
 * The shop: options, middleware, routes. Everything is put together here, once, before the service
 * starts; a mistake in any of it (two routes that conflict, an option that does not exist) is shown
 * with its place, and the service does not start. The program and its tests both begin here.
 */
#include "shop.h"

#include <stdio.h>

/* Called when the service listens. */
static void print_examples(const char *url, void *the_shop)
{
    (void)the_shop;
    printf("\nTry:\n"
           "  curl '%s/api/v1/users?limit=3'\n"
           "  curl %s/api/v1/users -d '{\"name\":\"Ada\",\"email\":\"ada@example.org\"}' "
           "-H 'Content-Type: application/json'\n"
           "  curl %s/api/v1/orders -d '{\"user_id\":1,\"lines\":[{\"product_id\":1,\"qty\":2}]}' "
           "-H 'Content-Type: application/json'\n"
           "  curl %s/api/v1/users/1/dashboard\n"
           "  curl -s %s/api/v1/report | tail -c 200\n\n",
           url, url, url, url, url);
}

weir_app *shop_app(int argc, char **argv, struct shop *s)
{
    s->options[0] = (weir_option){
        .name = "db",
        .text = &s->url,
        .help = "a file of SQLite, made if it is not there, or postgres://… or mysql://…"};
    s->options[1] = (weir_option){.name = "redis",
                                  .text = &s->redis_url,
                                  .help = "redis://…: what several shops share of their cache"};
    s->options[2] = (weir_option){.name = "samples",
                                  .toggle = &s->has_samples,
                                  .help = "a new database begins with users, products and orders"};
    weir_app *app =
        weir_app_new(argc, argv, .name = "shop", .listen = ":8080", .options = s->options,
                     .start = shop_open, .ready = print_examples, .arg = s);
    weir_use(app, weir_mw_request_id, weir_mw_log, weir_mw_metrics, weir_mw_recover);
    weir_error_table(app, {SHOP_EOUT_OF_STOCK, 409, "out_of_stock", "not enough of it in stock"});

    weir_group *v1 = weir_group_new(app, "/api/v1", .timeout = weir_sec(5));
    weir_provide(app, shop, s);
    weir_needs(v1, shop);
    shop_user_routes(v1);
    shop_product_routes(v1);
    shop_order_routes(v1);
    shop_report_routes(v1);
    shop_dashboard_routes(v1);
    return app;
}
