/*
 * A program of a user's own over databases, Redis and a cache, in what C and C++ share:
 * tests/install/matrix.py compiles it as it does service.c. Which servers it asks the environment
 * says; a port that refuses is one of them, and is told so with each request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/weir.h>

typedef struct {
    int64_t id;
    weir_str name;
} item;
WEIR_MODEL(item, (id), (name, .len_max = 100));

enum { ITEMS = 500 };

struct shop {
    weir_db *postgres, *mysql;
    weir_redis *redis;
    weir_cache *items;
};
WEIR_HANDLE(the, struct shop);

static const char *address(const char *name, const char *otherwise)
{
    const char *url = getenv(name);
    return url != NULL ? url : otherwise;
}

static const char *postgres_url(void)
{
    return address("POSTGRES_URL", "postgres://weir:secret@127.0.0.1:1/weir?sslmode=disable");
}

static const char *mysql_url(void)
{
    return address("MYSQL_URL", "mysql://weir:secret@127.0.0.1:1/weir");
}

static weir_err start(weir_ctx *c, void *arg)
{
    struct shop *s = (struct shop *)arg;
    s->postgres = weir_postgres_open(c, .url = postgres_url(), .name = "pg", .pool.max_open = 5,
                                     .lazy = true);
    s->mysql = weir_mysql_open(c, .url = mysql_url(), .name = "maria", .pool.max_open = 5,
                               .connect_timeout = weir_min(1), .lazy = true);
    s->redis = weir_redis_open(c, .url = address("REDIS_URL", "redis://127.0.0.1:1"),
                               .dial_timeout = weir_sec(2));
    s->items = weir_cache_new(c, .name = "items", .entries_max = 100, .bytes_max = 1 << 20,
                              .ttl = weir_min(5));
    if (weir_db_err(s->postgres) < 0 || weir_db_err(s->mysql) < 0 || weir_redis_err(s->redis) < 0)
        return weir_last_error(c)->code;
    return weir_cache_err(s->items);
}

static bool is_postgres(weir_ctx *c)
{
    return weir_str_eq(weir_param(c, "db"), WEIR_S("postgres"));
}

static weir_db *db_of(weir_ctx *c)
{
    return is_postgres(c) ? the(c)->postgres : the(c)->mysql;
}

/* What a request failed of, in its answer. */
static weir_err told(weir_ctx *c, weir_err err)
{
    const weir_error *e = weir_last_error(c);
    if (e == NULL)
        return weir_textf(c, 503, "%s\n", weir_strerror(err));
    return weir_textf(c, 503, "%s: " WEIR_STR_FMT "\n", weir_strerror(e->code),
                      WEIR_STR_ARG(e->message));
}

/* --- SQL ------------------------------------------------------------------------------------ */

static weir_err make_schema(weir_ctx *c)
{
    weir_err err = weir_exec_script(c, db_of(c),
                                    "DROP TABLE IF EXISTS items; CREATE TABLE items "
                                    "(id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL)");
    return err < 0 ? told(c, err) : weir_no_content(c);
}

/* Many rows in one call, and a part of the whole that is undone. */
static weir_err fill(weir_ctx *c)
{
    item *items = (item *)weir_alloc(c, ITEMS * sizeof *items);
    weir_tx *tx = weir_begin(c, db_of(c), .isolation = WEIR_READ_COMMITTED);
    for (int i = 0; items != NULL && i < ITEMS; i++) {
        items[i].id = i;
        items[i].name = weir_sprintf(c, "item %d", i);
    }
    weir_insert(tx, "items", item, items, items != NULL ? ITEMS : 0);
    weir_tx *part = weir_begin(c, tx);
    weir_exec(part, "DELETE FROM items WHERE id > ?", 10);
    weir_rollback(part);
    weir_err err = weir_commit(tx);
    return err < 0 ? told(c, err) : weir_textf(c, 201, "%d\n", ITEMS);
}

static weir_err list(weir_ctx *c)
{
    weir_rows *rows = weir_query(c, db_of(c), "SELECT id, name FROM items ORDER BY id");
    weir_stream *out = weir_json_array(c, 200);
    item i;
    memset(&i, 0, sizeof i);
    while (weir_rows_next(rows, item, &i))
        weir_stream_put(out, item, &i);
    return weir_stream_end(out, weir_rows_err(rows));
}

static weir_err get_all(weir_ctx *c)
{
    WEIR_ARRAY(item) items;
    weir_err err = weir_query_all(c, db_of(c), item, &items, 1000,
                                  "SELECT id, name FROM items WHERE id < ?", 50);
    return err < 0 ? told(c, err) : weir_textf(c, 200, "%zu\n", items.len);
}

/* Half of the rows are left where they are. */
static weir_err leave(weir_ctx *c)
{
    item i;
    memset(&i, 0, sizeof i);
    weir_rows *rows = weir_query(c, db_of(c), "SELECT id, name FROM items ORDER BY id");
    if (!weir_rows_next(rows, item, &i))
        return told(c, weir_rows_err(rows));
    return weir_textf(c, 200, WEIR_STR_FMT "\n", WEIR_STR_ARG(i.name));
}

/* The server is told, too. */
static weir_err be_late(weir_ctx *c)
{
    weir_err err = WEIR_OK;
    WEIR_WITH(soon, c, .timeout = weir_ms(100)) {
        if (is_postgres(c))
            err = weir_db_exec(soon, db_of(c), NULL, "SELECT pg_sleep(30)");
        else
            err = weir_rows_err(weir_query(soon, db_of(c), "SELECT SLEEP(30)"));
    }
    return err == WEIR_ETIMEDOUT ? weir_text(c, 504, "late\n") : told(c, err);
}

static weir_err leave_tx(weir_ctx *c)
{
    weir_tx *tx = weir_begin(c, db_of(c));
    weir_exec(tx, "DELETE FROM items WHERE id > ?", 10);
    return weir_tx_err(tx) < 0 ? told(c, weir_tx_err(tx))
                               : weir_textf(c, 200, "%d\n", (int)weir_changes(tx));
}

static weir_err panics(weir_ctx *c)
{
    weir_rows *rows = weir_query(c, db_of(c), "SELECT id, name FROM items");
    item i;
    memset(&i, 0, sizeof i);
    while (weir_rows_next(rows, item, &i))
        WEIR_CHECK(i.id < 3);
    return told(c, weir_rows_err(rows));
}

static weir_err is_wrong(weir_ctx *c)
{
    int64_t n = 0;
    return told(c, weir_query_one(c, db_of(c), int64_t, &n, "SELECT nothing FROM nowhere"));
}

static weir_err rename_one(weir_ctx *c, weir_tx *tx, void *arg)
{
    (void)c;
    return weir_exec(tx, "UPDATE items SET name = ? WHERE id = ?", "item 7", *(const int *)arg);
}

static weir_err try_again(weir_ctx *c)
{
    int id = 7;
    weir_err err = weir_tx_retry(c, db_of(c), rename_one, &id, .tries = 3);
    return err < 0 ? told(c, err) : weir_no_content(c);
}

/* A database of this request alone, whose pool closes with it, rows open. */
static weir_err open_own(weir_ctx *c)
{
    weir_db *db = is_postgres(c) ? weir_postgres_open(c, .url = postgres_url(),
                                                      .connect_timeout = weir_min(1), .lazy = true)
                                 : weir_mysql_open(c, .url = mysql_url(),
                                                   .connect_timeout = weir_min(1), .lazy = true);
    item i;
    memset(&i, 0, sizeof i);
    weir_rows *rows = weir_query(c, db, "SELECT id, name FROM items ORDER BY id");
    if (!weir_rows_next(rows, item, &i))
        return told(c, weir_rows_err(rows));
    return weir_textf(c, 200, "%lld\n", (long long)i.id);
}

static weir_err notifications(weir_ctx *c)
{
    weir_postgres_listener *l = weir_postgres_listen(c, the(c)->postgres, "news");
    weir_postgres_notification n;
    weir_err err = weir_db_exec(c, the(c)->postgres, NULL, "NOTIFY news, 'hello'");
    if (err == WEIR_OK)
        err = weir_postgres_listener_next(c, l, &n);
    return err < 0 ? told(c, err) : weir_textf(c, 200, WEIR_STR_FMT "\n", WEIR_STR_ARG(n.payload));
}

/* --- Redis ---------------------------------------------------------------------------------- */

static weir_err words(weir_ctx *c)
{
    struct shop *s = the(c);
    weir_str text;
    int64_t n = 0;
    weir_err err = weir_redis_set(c, s->redis, "k", "hello", .ttl = weir_min(1));
    if (err == WEIR_OK)
        err = weir_redis_get(c, s->redis, "k", &text);
    if (err == WEIR_OK)
        err = weir_redis_incr(c, s->redis, "n", 2, &n);
    return err < 0 ? told(c, err) : weir_textf(c, 200, WEIR_STR_FMT "\n", WEIR_STR_ARG(text));
}

static weir_err together(weir_ctx *c)
{
    weir_redis_pipe *tx = weir_redis_multi(c, the(c)->redis);
    weir_redis_add(tx, "SET", "a", 1);
    weir_redis_add(tx, "INCRBY", "a", 41);
    weir_err err = weir_redis_run(tx);
    if (err < 0)
        return told(c, err);
    (void)weir_redis_next(tx);
    const weir_redis_value *sum = weir_redis_next(tx);
    return weir_textf(c, 200, "%lld\n", sum != NULL ? (long long)sum->u.i : -1);
}

/* What was subscribed to ends with the request. */
static weir_err hear(weir_ctx *c)
{
    weir_redis_message m;
    weir_redis_subscription *s = weir_redis_subscribe(c, the(c)->redis, "c");
    weir_err err = WEIR_OK;
    WEIR_WITH(soon, c, .timeout = weir_ms(50)) {
        err = weir_redis_recv(soon, s, &m);
    }
    return err == WEIR_ETIMEDOUT ? weir_text(c, 200, "nothing\n") : told(c, err);
}

/* Without a value for ever: the connection that waits is its own. */
static weir_err pop(weir_ctx *c)
{
    weir_err err = WEIR_OK;
    WEIR_WITH(soon, c, .timeout = weir_ms(50)) {
        err = weir_redis_cmd(soon, the(c)->redis, NULL, "BLPOP", "nobody's", 0);
    }
    return err == WEIR_ETIMEDOUT ? weir_text(c, 200, "nothing\n") : told(c, err);
}

/* --- the cache ------------------------------------------------------------------------------ */

static weir_err load_item(weir_ctx *c, weir_str key, void *out, void *arg)
{
    item *i = (item *)out;
    int64_t id = key.len > 0 ? key.ptr[0] - '0' : 0;
    return arg == NULL ? WEIR_ENOTFOUND
                       : weir_query_one(c, (weir_db *)arg, item, i,
                                        "SELECT id, name FROM items WHERE id = ?", id);
}

static weir_err cached(weir_ctx *c)
{
    item i;
    weir_err err = weir_cache_get(c, the(c)->items, weir_param(c, "id"), item, &i, load_item,
                                  the(c)->postgres);
    return err < 0 ? told(c, err) : weir_json(c, 200, item, &i);
}

static weir_err put(weir_ctx *c)
{
    item i;
    memset(&i, 0, sizeof i);
    i.name = WEIR_S("by hand");
    if (weir_cache_put(c, the(c)->items, weir_param(c, "id"), item, &i) < 0)
        return weir_fail_last(c, 500);
    return weir_no_content(c);
}

static weir_err counts(weir_ctx *c)
{
    weir_pool_stats pg, maria;
    weir_db_stats(the(c)->postgres, &pg, NULL);
    weir_db_stats(the(c)->mysql, &maria, NULL);
    return weir_textf(c, 200, "%u %u in use\n", (unsigned)pg.in_use, (unsigned)maria.in_use);
}

static weir_err pass(weir_ctx *c)
{
    return weir_next(c);
}

int main(int argc, char **argv)
{
    static struct shop shop;
    weir_app *app = weir_app_new(argc, argv, .start = start, .arg = &shop, .name = "databases",
                                 .listen = "127.0.0.1:0", .admin = "off");
    weir_provide(app, the, &shop);
    weir_use(app, weir_mw_recover, weir_mw_request_id);
    weir_group *all = weir_group_new(app, "/v1", pass, .timeout = weir_sec(60));
    weir_needs(all, the);
    weir_post(all, "/sql/:db/schema", make_schema);
    weir_post(all, "/sql/:db/items", fill);
    weir_get(all, "/sql/:db/items", list);
    weir_get(all, "/sql/:db/all", get_all);
    weir_get(all, "/sql/:db/leave", leave);
    weir_get(all, "/sql/:db/late", be_late);
    weir_get(all, "/sql/:db/tx", leave_tx);
    weir_get(all, "/sql/:db/panic", panics);
    weir_get(all, "/sql/:db/wrong", is_wrong);
    weir_get(all, "/sql/:db/again", try_again);
    weir_get(all, "/sql/:db/own", open_own);
    weir_get(all, "/notifications", notifications);
    weir_get(all, "/redis/words", words);
    weir_get(all, "/redis/together", together);
    weir_get(all, "/redis/hear", hear);
    weir_get(all, "/redis/pop", pop);
    weir_get(all, "/cache/:id", cached);
    weir_put(all, "/cache/:id", put);
    weir_get(all, "/counts", counts);
    return weir_app_run(app);
}
