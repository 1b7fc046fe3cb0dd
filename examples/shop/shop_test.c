/*
 * The shop's tests: every handler, asked as a client asks it, then tried everywhere: each wait
 * cancelled, each allocation and system call failed, the client gone at any moment. What an order
 * did must then be there as a whole or not at all.
 */
#include "shop.h"

#include <weir/test.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- a shop of its own for each test ------------------------------------------------------ */

static char folder[64], path[96];
static struct shop the_shop;

/* A new shop with an empty database; its routes are those of the program. */
static weir_app *new_shop(void *unused)
{
    static char *argv[] = {(char *)"shop", (char *)"--log-level=warn", NULL};
    static const char *const ends[] = {"", "-wal", "-shm"};
    char file[128];
    (void)unused;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(file, sizeof file, "%s%s", path, ends[i]);
        (void)unlink(file);
    }
    the_shop = (struct shop){.url = path};
    return shop_app(2, argv, &the_shop);
}

/* Two users, three products, and an order of Ada's that has taken 2 of 10 of the first product. */
static weir_err fill(weir_ctx *c, void *unused)
{
    (void)unused;
    return weir_exec_script(
        c, shop(c)->db,
        "INSERT INTO users(id, name, email, age) VALUES"
        " (1, 'Ada', 'ada@example.org', 36), (2, 'Ben', 'ben@example.org', 20);"
        "INSERT INTO products(id, name, price_cents, stock) VALUES"
        " (1, 'tea', 350, 8), (2, 'cup', 1200, 5), (3, 'pot', 4500, 0);"
        "INSERT INTO orders(id, user_id, total_cents, created_at) VALUES (1, 1, 700, 1767225600);"
        "INSERT INTO order_lines(order_id, product_id, qty, price_cents) VALUES (1, 1, 2, 350);");
}

static int make_folder(void **state)
{
    (void)state;
    const char *ram = "/dev/shm"; /* where a flush costs nothing */
    snprintf(folder, sizeof folder, "%s/shop-test-XXXXXX", access(ram, W_OK) == 0 ? ram : "/tmp");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/shop.db", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    weir_app *app = new_shop(NULL); /* which removes the files */
    assert_string_equal(weir_test_close(weir_test_open(app)), "");
    (void)unlink(path);
    return rmdir(folder);
}

static int open_shop(void **state)
{
    weir_test *t = weir_test_open(new_shop(NULL));
    *state = t;
    assert_string_equal(weir_test_error(t), "");
    return weir_test_run(t, fill, NULL);
}

static int close_shop(void **state)
{
    assert_string_equal(weir_test_leaks(*state), "");
    assert_string_equal(weir_test_close(*state), "");
    return 0;
}

/* A number that the database has. */
struct number {
    const char *sql;
    int64_t n;
};

static weir_err ask_number(weir_ctx *c, void *arg)
{
    struct number *n = arg;
    return weir_query_one(c, shop(c)->db, int64_t, &n->n, n->sql);
}

static int64_t number(weir_test *t, const char *sql)
{
    struct number n = {sql, -1};
    assert_int_equal(weir_test_run(t, ask_number, &n), WEIR_OK);
    return n.n;
}

#define assert_reply(reply, status_, body_)                                                        \
    do {                                                                                           \
        weir_test_reply reply_ = (reply);                                                          \
        assert_string_equal(reply_.body.ptr, (body_));                                             \
        assert_int_equal(reply_.status, (status_));                                                \
    } while (0)

/* --- what each handler does --------------------------------------------------------------- */

#define USER_1 "{\"id\":1,\"name\":\"Ada\",\"email\":\"ada@example.org\",\"age\":36}"

static void users_are_created_read_updated_and_deleted(void **state)
{
    weir_test *t = *state;
    assert_reply(weir_test_request(t, "GET", "/api/v1/users/1"), 200, USER_1);
    assert_reply(weir_test_request(t, "POST", "/api/v1/users",
                                   .json = "{\"name\":\"Cy\",\"email\":\"cy@example.org\"}"),
                 201, "{\"id\":3,\"name\":\"Cy\",\"email\":\"cy@example.org\",\"age\":0}");
    assert_reply(weir_test_request(t, "PUT", "/api/v1/users/3",
                                   .json = "{\"name\":\"Cyd\",\"email\":\"cy@example.org\"}"),
                 200, "{\"id\":3,\"name\":\"Cyd\",\"email\":\"cy@example.org\",\"age\":0}");
    assert_int_equal(weir_test_request(t, "DELETE", "/api/v1/users/3").status, 204);
    assert_int_equal(weir_test_request(t, "GET", "/api/v1/users/3").status, 404);
    assert_int_equal(weir_test_request(t, "DELETE", "/api/v1/users/3").status, 404);
}

static void lists_have_pages(void **state)
{
    weir_test *t = *state;
    assert_reply(weir_test_request(t, "GET", "/api/v1/users?limit=1"), 200, "[" USER_1 "]");
    assert_reply(weir_test_request(t, "GET", "/api/v1/users?offset=2"), 200, "[]");
    assert_int_equal(weir_test_request(t, "GET", "/api/v1/users?limit=x").status, 400);
}

static void conflicts_are_told(void **state)
{
    weir_test *t = *state;
    assert_int_equal(weir_test_request(t, "POST", "/api/v1/users",
                                       .json = "{\"name\":\"A\",\"email\":\"ada@example.org\"}")
                         .status,
                     409);
    assert_int_equal(weir_test_request(t, "DELETE", "/api/v1/users/1").status, 409);
}

static void an_order_takes_stock(void **state)
{
    weir_test *t = *state;
    weir_test_reply r =
        weir_test_request(t, "POST", "/api/v1/orders",
                          .json = "{\"user_id\":2,\"lines\":[{\"product_id\":1,\"qty\":3},"
                                  "{\"product_id\":2,\"qty\":1}]}");
    assert_int_equal(r.status, 201);
    assert_int_equal(number(t, "SELECT total_cents FROM orders WHERE id = 2"), 3 * 350 + 1200);
    assert_int_equal(number(t, "SELECT stock FROM products WHERE id = 1"), 5);
    assert_int_equal(weir_test_request(t, "GET", "/api/v1/orders/2").status, 200);
}

/* Counters are the process's: other tests have counted as well. */
static void an_order_is_counted(void **state)
{
    weir_test *t = *state;
    weir_counter *placed = weir_counter_of(&shop_orders, WEIR_S("placed")),
                 *refused = weir_counter_of(&shop_orders, WEIR_S("out_of_stock"));
    uint64_t placed_before = weir_counter_read(placed), refused_before = weir_counter_read(refused);
    static const int quantities[] = {1, 1000, 2};
    for (size_t i = 0; i < 3; i++) {
        char order[80];
        snprintf(order, sizeof order, "{\"user_id\":2,\"lines\":[{\"product_id\":1,\"qty\":%d}]}",
                 quantities[i]);
        weir_test_reply r = weir_test_request(t, "POST", "/api/v1/orders", .json = order);
        assert_int_equal(r.status, quantities[i] == 1000 ? 409 : 201);
    }
    assert_int_equal(weir_counter_read(placed) - placed_before, 2);
    assert_int_equal(weir_counter_read(refused) - refused_before, 1);
}

static void what_is_not_there_is_not_sold(void **state)
{
    weir_test *t = *state;
    weir_test_reply r =
        weir_test_request(t, "POST", "/api/v1/orders",
                          .json = "{\"user_id\":2,\"lines\":[{\"product_id\":1,\"qty\":3},"
                                  "{\"product_id\":3,\"qty\":1}]}");
    assert_int_equal(r.status, 409);
    assert_non_null(strstr(r.body.ptr, "\"out_of_stock\""));
    assert_int_equal(number(t, "SELECT stock FROM products WHERE id = 1"), 8);
    assert_int_equal(number(t, "SELECT count(*) FROM orders"), 1);
}

static void the_dashboard_asks_three_things(void **state)
{
    assert_reply(weir_test_request(*state, "GET", "/api/v1/users/1/dashboard"), 200,
                 "{\"name\":\"Ada\",\"orders\":1,\"spent_cents\":700,\"favourite\":\"tea\"}");
    assert_int_equal(weir_test_request(*state, "GET", "/api/v1/users/9/dashboard").status, 404);
}

static void the_report_has_every_line(void **state)
{
    assert_reply(weir_test_request(*state, "GET", "/api/v1/report"), 200,
                 "[{\"order_id\":1,\"user\":\"Ada\",\"product\":\"tea\",\"qty\":2,"
                 "\"price_cents\":350}]");
}

/* --- everywhere --------------------------------------------------------------------------- */

/*
 * Whatever has failed: what was sold is what is missing, what was billed is what was sold. An order
 * that the client was told of is there.
 */
static weir_err adds_up(weir_ctx *c, const weir_test_reply *r, void *unused)
{
    int64_t wrong = 0, orders = 0;
    (void)unused;
    weir_err err = weir_query_one(
        c, shop(c)->db, int64_t, &wrong,
        "SELECT (SELECT count(*) FROM products WHERE id < 4 AND stock + (SELECT"
        " coalesce(sum(qty), 0) FROM order_lines WHERE product_id = id) != 10 - 5 * (id = 2)"
        " - 10 * (id = 3))"
        " + (SELECT count(*) FROM orders WHERE total_cents != (SELECT"
        " sum(qty * price_cents) FROM order_lines WHERE order_id = orders.id))");
    if (err == WEIR_OK && wrong != 0)
        err = weir_raise(c, WEIR_EFAIL, "stock, lines and totals do not add up");
    if (err == WEIR_OK)
        err = weir_query_one(c, shop(c)->db, int64_t, &orders, "SELECT count(*) FROM orders");
    if (err == WEIR_OK && r->status == 201 && strstr(r->body.ptr, "total_cents") && orders != 2)
        err = weir_raise(c, WEIR_EFAIL, "the order that was confirmed is not there");
    return err;
}

/* A report that does not fit into the connection: the handler waits for its client. */
static weir_err fill_much(weir_ctx *c, void *unused)
{
    (void)unused;
    return weir_exec_script(
        c, shop(c)->db,
        "INSERT INTO users(id, name, email, age) VALUES (1, 'Ada', 'ada@example.org', 36);"
        "INSERT INTO products(id, name, price_cents, stock) VALUES (1, 'tea', 350, 8),"
        " (2, 'cup', 1200, 5), (3, 'pot', 4500, 0);"
        "INSERT INTO orders(id, user_id, total_cents, created_at)"
        "  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
        "  SELECT i, 1, 0, 0 FROM n;"
        "INSERT INTO order_lines(order_id, product_id, qty, price_cents)"
        "  SELECT id, 1, 1, 350 FROM orders;");
}

/* Somebody else writes meanwhile, for a quarter of a second. */
static weir_err write_slowly(weir_ctx *c, void *unused)
{
    (void)unused;
    weir_tx *tx = weir_begin(c, shop(c)->db);
    weir_exec(tx, "UPDATE users SET age = age + 1");
    weir_err err = weir_sleep(c, weir_ms(250));
    return err < 0 ? err : weir_commit(tx);
}

static weir_err fill_and_be_busy(weir_ctx *c, void *unused)
{
    weir_err err = fill(c, unused);
    return err < 0 ? err : weir_detach(c, write_slowly, NULL, 0);
}

struct request {
    int status;
    const char *method, *target, *json;
    weir_fiber_fn before; /* NULL: fill, and adds_up afterwards */
    const char *name;
};

static void everywhere(struct request request)
{
    weir_test_report r =
        weir_test_everywhere(.name = request.name, .app = new_shop,
                             .before = request.before != NULL ? request.before : fill,
                             .method = request.method, .target = request.target,
                             .with.json = request.json,
                             .after = request.before != fill_much ? adds_up : NULL);
    assert_string_equal(r.text, "");
    if (getenv("WEIR_TEST_REPLAY") != NULL)
        return;
    assert_int_equal(r.status, request.status);
    assert_true(r.allocations > 0 && r.calls > 0);
    printf("  %-6s %-30s %4u waits %4u allocations %4u calls %4u orders, %u left out\n",
           request.method, request.target, r.waits + r.gone, r.allocations, r.calls, r.orders,
           r.skipped);
}

static void every_handler_everywhere(void **state)
{
    static const struct request requests[] = {
        {200, "GET", "/api/v1/users", NULL, NULL, NULL},
        {200, "GET", "/api/v1/users/1", NULL, NULL, NULL},
        {404, "GET", "/api/v1/users/9", NULL, NULL, NULL},
        {201, "POST", "/api/v1/users", "{\"name\":\"Cy\",\"email\":\"cy@example.org\"}", NULL,
         NULL},
        {400, "POST", "/api/v1/users", "{\"name\":\"\",\"age\":200}", NULL, NULL},
        {409, "POST", "/api/v1/users", "{\"name\":\"A\",\"email\":\"ada@example.org\"}", NULL,
         NULL},
        {200, "PUT", "/api/v1/users/2", "{\"name\":\"Bea\",\"email\":\"ben@example.org\"}", NULL,
         NULL},
        {204, "DELETE", "/api/v1/users/2", NULL, NULL, NULL},
        {201, "POST", "/api/v1/products", "{\"name\":\"lid\",\"price_cents\":900}", NULL, NULL},
        {200, "GET", "/api/v1/products", NULL, NULL, NULL},
        {200, "GET", "/api/v1/products/1", NULL, NULL, NULL},
        {201, "POST", "/api/v1/orders",
         "{\"user_id\":2,\"lines\":[{\"product_id\":1,\"qty\":3},"
         "{\"product_id\":2,\"qty\":1}]}",
         NULL, NULL},
        {409, "POST", "/api/v1/orders",
         "{\"user_id\":2,\"lines\":[{\"product_id\":1,\"qty\":3},"
         "{\"product_id\":3,\"qty\":1}]}",
         NULL, NULL},
        {200, "GET", "/api/v1/orders/1", NULL, NULL, NULL},
        {200, "GET", "/api/v1/report", NULL, NULL, NULL},
        {200, "GET", "/api/v1/users/1/dashboard", NULL, NULL, NULL},
        {200, "GET", "/api/v1/report", NULL, fill_much, "a long report"},
        {201, "POST", "/api/v1/orders", "{\"user_id\":2,\"lines\":[{\"product_id\":1,\"qty\":3}]}",
         fill_and_be_busy, "an order that has to wait"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        everywhere(requests[i]);
}

/* Each statement of the handlers, against the schema: what they ask for is there, and fits. */
static void statements_fit_the_schema(void **state)
{
    assert_string_equal(weir_test_check_sql(*state), "");
}

#define SHOP_TEST(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TEST(users_are_created_read_updated_and_deleted),
        SHOP_TEST(lists_have_pages),
        SHOP_TEST(conflicts_are_told),
        SHOP_TEST(an_order_takes_stock),
        SHOP_TEST(an_order_is_counted),
        SHOP_TEST(what_is_not_there_is_not_sold),
        SHOP_TEST(the_dashboard_asks_three_things),
        SHOP_TEST(the_report_has_every_line),
        SHOP_TEST(statements_fit_the_schema),
        cmocka_unit_test(every_handler_everywhere),
    };
    return cmocka_run_group_tests_name("shop", tests, make_folder, remove_folder);
}
