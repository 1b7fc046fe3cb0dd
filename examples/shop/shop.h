/*
 * A small order service: users, products, orders that take stock, a report, a dashboard. Each file
 * holds the handlers of one thing; here is what they share.
 */
#ifndef SHOP_H
#define SHOP_H

#include <weir/weir.h>

struct shop {
    const char *url;       /* of the database: a file of SQLite, postgres://… or mysql://… */
    const char *redis_url; /* "" or NULL: there is none, and each process has a cache for itself */
    bool has_samples;      /* a new database is filled with samples */
    weir_db *db;
    weir_cache *products;   /* by id */
    weir_option options[4]; /* of the command line; the last one ends the list */
};

/* `shop(c)` is the service's struct shop, in every handler, fiber and piece of background work. */
WEIR_HANDLE(shop, struct shop);

/* The service's own errors; app.c says what a client is told. */
enum { SHOP_EOUT_OF_STOCK = WEIR_DOMAIN(1) };

/* How many orders were placed, or were not: orders.c. */
extern weir_counter shop_orders;

/* Which part of a list: ?limit=20&offset=40 */
typedef struct {
    int64_t limit, offset;
} page;
WEIR_MODEL(page, (limit, .min = 0, .max = 1000), (offset, .min = 0));

/* The whole service, ready for weir_app_run, or for a test. */
weir_app *shop_app(int argc, char **argv, struct shop *s);

weir_err shop_open(weir_ctx *c, void *the_shop);

/* Seconds since 1970. */
static inline int64_t shop_now(void)
{
    return weir_wall_now().us / 1000000;
}

/* A product has another stock, or is there for the first time: after the commit. */
void shop_product_changed(weir_ctx *c, int64_t id);

void shop_user_routes(weir_group *v1);
void shop_product_routes(weir_group *v1);
void shop_order_routes(weir_group *v1);
void shop_report_routes(weir_group *v1);
void shop_dashboard_routes(weir_group *v1);

#endif
