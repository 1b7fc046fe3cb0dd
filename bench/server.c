/*
 * The service that load is put on: a route for each thing that services do, through the ordinary
 * application and router, with weir_mw_recover as the only middleware. Written against the public
 * headers alone, as a user's would be.
 *
 *     server --port P --workers N [--db URL] [--redis URL] [--tls-port P2 --tls-cert FILE
 *            --tls-key FILE]
 *
 * With a TLS port the same is served there with that certificate. --db is postgres://…,
 * mysql://… or a file of SQLite, with the table world(id, randomnumber) of 10,000 rows, over 32
 * connections; a file is made when it is missing, and filled. Without it the routes /db, /queries,
 * /batch, /rows and /write are not there, without --redis /redis/:key and /redis-write.
 * bench/anchors/gin has the same routes but for /batch, and the same answers. All other options are
 * the application's, by environment
 * (WEIR_LOG_LEVEL=debug …). There is no admin's port, so that several of these can run side by
 * side.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

typedef struct {
    weir_str id, name, email;
} user;
WEIR_MODEL(user, (id), (name, .required = true, .len_max = 64),
           (email, .required = true, .format = WEIR_EMAIL));

typedef struct {
    weir_str message;
} message;
WEIR_MODEL(message, (message));

/* --- without a database ----------------------------------------------------------------------- */

static weir_err plaintext(weir_ctx *c)
{
    return weir_text(c, 200, WEIR_S("Hello, World!"));
}

static weir_err hello(weir_ctx *c)
{
    message m = {WEIR_S("Hello, World!")};
    return weir_json(c, 200, message, &m);
}

static weir_err get_user(weir_ctx *c)
{
    user u = {weir_param(c, "id"), WEIR_S("Ada Lovelace"), WEIR_S("ada@example.com")};
    return weir_json(c, 200, user, &u);
}

static weir_err echo(weir_ctx *c)
{
    user u;
    if (weir_bind_json(c, user, &u) < 0)
        return weir_fail_bind(c);
    return weir_json(c, 200, user, &u);
}

static weir_err sleep_for(weir_ctx *c)
{
    int64_t ms = 10;
    if (weir_query_param_i64(c, "ms", &ms) < 0)
        return weir_fail_bind(c);
    if (ms < 0 || ms > 60000)
        return weir_fail(c, 400, "ms must be 0 to 60000");
    weir_err err = weir_sleep(c, weir_ms(ms));
    return err < 0 ? err : weir_text(c, 200, "slept\n");
}

/* --- with one --------------------------------------------------------------------------------- */

#define WORLDS 10000
#define QUERIES_MAX 500
#define CONNECTIONS 32

typedef struct {
    int64_t id, randomnumber;
} world;
WEIR_MODEL(world, (id), (randomnumber, .json = "randomNumber"));

struct store {
    const char *url, *redis_url;
    weir_db *db;
    weir_redis *redis;
};
WEIR_HANDLE(store, struct store);

static int64_t random_id(void)
{
    static _Thread_local uint64_t state = 0x9e3779b97f4a7c15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int64_t)(state % WORLDS) + 1;
}

static weir_err random_world(weir_ctx *c, world *w)
{
    return weir_query_one(c, store(c)->db, world, w,
                          "SELECT id, randomnumber FROM world WHERE id = ?", random_id());
}

static weir_err one_world(weir_ctx *c)
{
    world w;
    weir_err err = random_world(c, &w);
    return err < 0 ? err : weir_json(c, 200, world, &w);
}

static weir_err some_worlds(weir_ctx *c)
{
    int64_t n = 1;
    if (weir_query_param_i64(c, "n", &n) < 0)
        return weir_fail_bind(c);
    n = n < 1 ? 1 : n > QUERIES_MAX ? QUERIES_MAX : n;
    world *worlds = weir_alloc(c, (size_t)n * sizeof *worlds);
    weir_err err = worlds != NULL ? WEIR_OK : -ENOMEM;
    for (int64_t i = 0; i < n && err == WEIR_OK; i++)
        err = random_world(c, &worlds[i]);
    weir_stream *out = weir_json_array(c, 200); /* now, or a part of it would leave at each wait */
    for (int64_t i = 0; i < n && err == WEIR_OK; i++)
        weir_stream_put(out, world, &worlds[i]);
    return weir_stream_end(out, err);
}

/* The same in one send. */
static weir_err worlds_together(weir_ctx *c)
{
    world ws[WEIR_BATCH_MAX];
    int64_t n = 1;
    if (weir_query_param_i64(c, "n", &n) < 0)
        return weir_fail_bind(c);
    n = n < 1 ? 1 : n > WEIR_BATCH_MAX ? WEIR_BATCH_MAX : n;
    weir_batch *b = weir_batch_new(c, store(c)->db);
    for (int64_t i = 0; i < n; i++)
        weir_batch_one(b, world, &ws[i], "SELECT id, randomnumber FROM world WHERE id = ?",
                       random_id());
    weir_err err = weir_batch_run(b);
    weir_stream *out = weir_json_array(c, 200);
    for (int64_t i = 0; i < n && err == WEIR_OK; i++)
        weir_stream_put(out, world, &ws[i]);
    return weir_stream_end(out, err);
}

static weir_err all_worlds(weir_ctx *c)
{
    weir_rows *rows = weir_query(c, store(c)->db, "SELECT id, randomnumber FROM world");
    weir_stream *out = weir_json_array(c, 200);
    for (world w; weir_rows_next(rows, world, &w);)
        weir_stream_put(out, world, &w);
    return weir_stream_end(out, weir_rows_err(rows));
}

/* What a database that takes no writes refuses: no row is changed. */
static weir_err write_nothing(weir_ctx *c)
{
    weir_err err =
        weir_db_exec(c, store(c)->db, NULL, "UPDATE world SET randomnumber = 1 WHERE id = ?", 0);
    return err < 0 ? err : weir_text(c, 200, "written\n");
}

static weir_err get_value(weir_ctx *c)
{
    weir_str value;
    weir_err err = weir_redis_get(c, store(c)->redis, weir_param(c, "key"), &value);
    return err < 0 ? err : weir_text(c, 200, value);
}

static weir_err set_value(weir_ctx *c)
{
    weir_err err = weir_redis_set(c, store(c)->redis, "written", 1);
    return err < 0 ? err : weir_text(c, 200, "written\n");
}

static weir_err open_store(weir_ctx *c, void *arg)
{
    static const char schema[] =
        "CREATE TABLE IF NOT EXISTS world(id INTEGER PRIMARY KEY, randomnumber INTEGER NOT NULL);"
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT 10000) "
        "INSERT OR IGNORE INTO world SELECT n, abs(random() % 10000) + 1 FROM number;";
    struct store *s = arg;
    if (s->redis_url != NULL) {
        s->redis = weir_redis_open(c, .url = s->redis_url);
        if (weir_redis_err(s->redis) < 0)
            return weir_redis_err(s->redis);
    }
    if (s->url == NULL)
        return WEIR_OK;
    s->db = weir_db_open(c, .url = s->url, .create = true, .pool = {.max_open = CONNECTIONS});
    weir_err err = weir_db_err(s->db);
    if (err < 0 || weir_db_kind_of(s->url) != WEIR_DB_SQLITE)
        return err;
    return weir_exec_script(c, s->db, schema);
}

static void add_store(weir_app *app, struct store *s)
{
    if (s->url != NULL || s->redis_url != NULL)
        weir_provide(app, store, s);
    if (s->url != NULL) {
        weir_get(app, "/db", one_world);
        weir_get(app, "/queries", some_worlds);
        weir_get(app, "/batch", worlds_together);
        weir_get(app, "/rows", all_worlds);
        weir_get(app, "/write", write_nothing);
    }
    if (s->redis_url != NULL) {
        weir_get(app, "/redis/:key", get_value);
        weir_get(app, "/redis-write", set_value);
    }
}

/* --- start ------------------------------------------------------------------------------------ */

struct arguments {
    long port, workers, tls_port;
    const char *db, *redis, *tls_cert, *tls_key;
};

static void usage(void)
{
    fprintf(stderr, "usage: server --port P --workers N [--db URL] [--redis URL] [--tls-port P2 "
                    "--tls-cert FILE --tls-key FILE]\n");
    exit(2);
}

static long number(const char *text, long min, long max)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || n < min || n > max) {
        fprintf(stderr, "server: '%s' is not a number from %ld to %ld\n", text, min, max);
        usage();
    }
    return n;
}

static struct arguments read_arguments(int argc, char **argv)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},     {"workers", required_argument, NULL, 'w'},
        {"db", required_argument, NULL, 'd'},       {"redis", required_argument, NULL, 'r'},
        {"tls-port", required_argument, NULL, 'P'}, {"tls-cert", required_argument, NULL, 'c'},
        {"tls-key", required_argument, NULL, 'k'},  {0}};
    struct arguments a = {.port = 8080, .workers = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'p':
            a.port = number(optarg, 0, 65535);
            break;
        case 'w':
            a.workers = number(optarg, 1, 255);
            break;
        case 'd':
            a.db = optarg;
            break;
        case 'r':
            a.redis = optarg;
            break;
        case 'P':
            a.tls_port = number(optarg, 0, 65535);
            break;
        case 'c':
            a.tls_cert = optarg;
            break;
        case 'k':
            a.tls_key = optarg;
            break;
        default:
            usage();
        }
    }
    if (optind != argc)
        usage();
    return a;
}

int main(int argc, char **argv)
{
    struct arguments a = read_arguments(argc, argv);
    struct store s = {.url = a.db, .redis_url = a.redis};
    char listen[32], tls_listen[32];
    snprintf(listen, sizeof listen, "127.0.0.1:%ld", a.port);
    snprintf(tls_listen, sizeof tls_listen, "127.0.0.1:%ld", a.tls_port);
    weir_app *app =
        weir_app_new(1, argv, .name = "bench", .listen = listen, .admin = "off",
                     .workers = a.workers, .start = open_store, .arg = &s, .tls_listen = tls_listen,
                     .tls_cert = a.tls_cert, .tls_key = a.tls_key);
    weir_use(app, weir_mw_recover);
    weir_get(app, "/plaintext", plaintext);
    weir_get(app, "/json", hello);
    weir_get(app, "/users/:id", get_user);
    weir_post(app, "/echo", echo);
    weir_get(app, "/sleep", sleep_for);
    add_store(app, &s);
    return weir_app_run(app);
}
