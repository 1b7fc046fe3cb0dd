/*
 * Products: what there is, and how much of it. One is asked for again and again, so it is kept in a
 * cache; whoever changes it says so, and it is loaded anew.
 */
#include "shop.h"

#include <stdio.h>

typedef struct {
    weir_str name;
    int64_t price_cents, stock;
} product_in;
WEIR_MODEL(product_in, (name, .required = true, .len_min = 1, .len_max = 100),
           (price_cents, .required = true, .min = 0, .max = 100000000),
           (stock, .min = 0, .max = 1000000));

typedef struct {
    int64_t id;
    weir_str name;
    int64_t price_cents, stock;
} product;
WEIR_MODEL(product, (id), (name), (price_cents), (stock));

static weir_err create_product(weir_ctx *c)
{
    product_in in;
    if (weir_bind_json(c, product_in, &in) < 0)
        return weir_fail_bind(c);
    product p = {0, in.name, in.price_cents, in.stock};
    weir_tx *tx = weir_begin(c, shop(c)->db);
    weir_err err = weir_query_one(
        c, tx, int64_t, &p.id,
        WEIR_SQL("INSERT INTO products(name, price_cents, stock) VALUES (?, ?, ?) RETURNING id"),
        in.name, in.price_cents, in.stock);
    if (err == WEIR_OK)
        err = weir_commit(tx);
    if (p.id > 0)
        shop_product_changed(c, p.id); /* it may be known that there is none */
    return err < 0 ? err : weir_json(c, 201, product, &p);
}

/* The key of a product in the cache: its id in digits, however a client writes it. */
struct key {
    char text[24];
};

static weir_str key_of(struct key *key, int64_t id)
{
    (void)snprintf(key->text, sizeof key->text, "%lld", (long long)id);
    return weir_str_from(key->text);
}

void shop_product_changed(weir_ctx *c, int64_t id)
{
    struct key key = {""};
    /* Cut off in it, or without Redis, it is forgotten here, and Redis is told later. */
    (void)!weir_cache_remove(c, shop(c)->products, key_of(&key, id));
}

static weir_err load_product(weir_ctx *c, weir_str key, void *out, void *id)
{
    (void)key;
    return weir_query_one(
        c, shop(c)->db, product, (product *)out,
        WEIR_SQL("SELECT id, name, price_cents, stock FROM products WHERE id = ?"),
        *(const int64_t *)id);
}

static weir_err get_product(weir_ctx *c)
{
    int64_t id;
    if (weir_param_i64(c, "id", &id) < 0)
        return weir_fail_bind(c);
    struct key key = {""};
    product p;
    weir_err err =
        weir_cache_get(c, shop(c)->products, key_of(&key, id), product, &p, load_product, &id);
    return err < 0 ? err : weir_json(c, 200, product, &p);
}

static weir_err list_products(weir_ctx *c)
{
    page where;
    if (weir_bind_query(c, page, &where) < 0)
        return weir_fail_bind(c);
    weir_rows *rows = weir_query(
        c, shop(c)->db,
        WEIR_SQL(product,
                 "SELECT id, name, price_cents, stock FROM products ORDER BY id LIMIT ? OFFSET ?"),
        where.limit > 0 ? where.limit : 20, where.offset);
    weir_stream *out = weir_json_array(c, 200);
    for (product p; weir_rows_next(rows, product, &p);)
        weir_stream_put(out, product, &p);
    return weir_stream_end(out, weir_rows_err(rows));
}

void shop_product_routes(weir_group *v1)
{
    weir_post(v1, "/products", create_product);
    weir_get(v1, "/products", list_products);
    weir_get(v1, "/products/:id", get_product);
}
