/*
 * Databases: options and URL are read, all mistakes told at once; one connection is tried, unless
 * that is put off; two pools are made, of the connections and of the one that kills.
 */
#include <stdio.h>
#include <string.h>

#include "base/bounds.h"
#include "rt/sized.h"
#include "data/mysql/mysql.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/worker.h"

#define MS 1000000LL
#define SEC 1000000000LL

enum { KIB = 1024, MIB = 1024 * 1024, GIB = 1024 * 1024 * 1024, OPEN_MAX = 10 };

/* --- options ---------------------------------------------------------------------------------- */

/* A PEM text of a key; a mistake is a line. */
static void read_key(struct weir__mysql *db, struct weir__bounds *b)
{
    char room[200];
    weir_buf why;
    if (db->o.server_key == NULL)
        return;
    weir_buf_init_fixed(&why, room, sizeof room);
    if (weir__crypto_rsa_init(&db->key, weir_str_from(db->o.server_key), &why) == WEIR_OK)
        return;
    weir__bounds_line(b);
    weir_buf_printf(b->out, "server_key: " WEIR_STR_FMT, WEIR_STR_ARG(weir_buf_str(&why)));
}

static weir_err settle_options(struct weir__mysql *db, weir_buf *out)
{
    weir_mysql_options *o = &db->o;
    const char *name = o->name != NULL ? o->name : "database";
    struct weir__bounds b = {.kind = "MySQL", .name = name, .out = out};
    weir__mysql_url_read(o->url, &db->url, &b);
    if (o->connect_timeout.ns == 0)
        o->connect_timeout = weir_sec(db->url.connect_seconds);
    weir__bounds_dur(&b, "connect_timeout", &o->connect_timeout, 5 * SEC, 10 * MS, 600 * SEC);
    if (o->statement_max.ns != 0)
        weir__bounds_dur(&b, "statement_max", &o->statement_max, SEC, MS, 86400 * SEC);
    weir__bounds_dur(&b, "tx_threshold", &o->tx_threshold, 5 * SEC, 10 * MS, 3600 * SEC);
    weir__bounds_count(&b, "value_bytes_max", &o->value_bytes_max, MIB, KIB, GIB - 1);
    read_key(db, &b);
    weir__sql_nodes_settle(&o->nodes, &b);
    if (o->pool.max_open == 0)
        o->pool.max_open = OPEN_MAX;
    weir_pool_options each = o->pool;
    weir_err err = weir__pool_options_settle(name, &each, out);
    return b.is_bad ? WEIR_EINVALID : err;
}

/* --- making ----------------------------------------------------------------------------------- */

static void release_db(struct weir__owned *o)
{
    struct weir__mysql *db = WEIR_CONTAINER(o, struct weir__mysql, owned);
    weir__tls_client_unref(db->tls);
    db->tls = NULL;
    weir__crypto_rsa_fini(&db->key);
    if (db->db.err == WEIR_OK)
        db->db.err = WEIR_ECLOSED;
}

static char *joined(struct weir__ctx *c, const char *a, const char *b, const char *end)
{
    size_t size = strlen(a) + strlen(b) + strlen(end) + 1;
    char *copy = weir__ctx_object(c, size);
    if (copy != NULL)
        (void)snprintf(copy, size, "%s%s%s", a, b, end);
    return copy;
}

/* How it is called; a single node is as well, each of several by its place behind that. */
static weir_err name_it(struct weir__mysql *db, struct weir__ctx *c)
{
    const struct weir__mysql_url *u = &db->url;
    const char *name = db->o.name != NULL    ? db->o.name
                       : u->database != NULL ? u->database
                                             : "mysql";
    db->name = joined(c, name, "", "");
    if (db->name == NULL)
        return -ENOMEM;
    db->db.name = db->name;
    return WEIR_OK;
}

static weir_err name_node(const struct weir__mysql *db, struct weir__ctx *c,
                          struct weir__mysql_node *node)
{
    bool is_one = db->url.host_count == 1;
    weir__sql_host_where(node->host, node->where, sizeof node->where);
    node->name = joined(c, db->name, is_one ? "" : " ", is_one ? "" : node->where);
    node->kills_name = node->name != NULL ? joined(c, node->name, " kills", "") : NULL;
    return node->kills_name != NULL ? WEIR_OK : -ENOMEM;
}

/* Whom it trusts, and what it shows. */
static weir_err make_tls(struct weir__mysql *db, struct weir__ctx *c, const weir_site *site)
{
    const struct weir__mysql_url *u = &db->url;
    char room[300];
    weir_buf why;
    struct weir__tls_client_options o = {.is_unverified = u->ssl < WEIR__MYSQL_SSL_VERIFY,
                                         .ca.file = u->ca,
                                         .own = {.chain.file = u->certificate, .key.file = u->key}};
    if (u->ssl == WEIR__MYSQL_SSL_DISABLED)
        return WEIR_OK;
    weir_buf_init_fixed(&why, room, sizeof room);
    weir_err err = weir__tls_client_new(&o, &db->tls, &why);
    if (err == WEIR_OK)
        return WEIR_OK;
    weir_str text = why.len > 0 ? weir_buf_str(&why) : weir_str_from(weir_strerror(err));
    return weir_raise_at(site, weir__ctx_handle(c), err, 0, "%s: TLS: " WEIR_STR_FMT, db->db.name,
                         WEIR_STR_ARG(text));
}

static weir_err make_nodes(struct weir__mysql *db, struct weir__ctx *c, const weir_site *site)
{
    const struct weir__sql_nodes_options o = {.each = db->o.nodes,
                                              .start_max = db->o.connect_timeout};
    weir_err err = WEIR_OK;
    db->nodes = weir__ctx_object(c, db->url.host_count * sizeof *db->nodes);
    db->db.nodes =
        weir__sql_nodes_new(c, db->name, &o, db->url.host_count, &weir__mysql_nodes_ops, db, site);
    if (db->nodes == NULL || db->db.nodes == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < db->url.host_count && err == WEIR_OK; i++) {
        db->nodes[i] = (struct weir__mysql_node){.db = db, .number = i, .host = &db->url.hosts[i]};
        err = name_node(db, c, &db->nodes[i]);
    }
    return err;
}

/*
 * Released in reverse: the connections, for whose end a kill may be needed, then the one that
 * kills.
 */
static weir_err make_pools_of(struct weir__mysql_node *node, struct weir__ctx *c,
                              const weir_site *site)
{
    const struct weir__mysql *db = node->db;
    weir_pool_options one = {
        .max_open = 1, .waiters_max = 10000, .wait_max = weir_sec(5), .idle_timeout = weir_min(1)};
    node->kills = weir__pool_new(c, node->kills_name, &one, &weir__mysql_kill_ops, node, site);
    if (node->kills == NULL)
        return -ENOMEM;
    struct weir__dialling_options dialling = {.dial_max = db->o.connect_timeout};
    node->pool = weir__pool_new_dialling(c, node->name, &db->o.pool, &dialling,
                                         &weir__mysql_pool_ops, node, site);
    return node->pool != NULL ? WEIR_OK : -ENOMEM;
}

static weir_err make_pools(struct weir__mysql *db, struct weir__ctx *c, const weir_site *site)
{
    for (uint32_t i = 0; i < db->url.host_count; i++) {
        struct weir__mysql_node *node = &db->nodes[i];
        weir_err err = make_pools_of(node, c, site);
        if (err < 0)
            return err;
        weir__sql_nodes_put(db->db.nodes, i, (struct weir__sql_node){node->where, node->pool});
    }
    return weir__sql_nodes_start(db->db.nodes, c);
}

/* One connection for what it says: a wrong password is known at the start. */
static weir_err try_it(struct weir__mysql *db, struct weir__ctx *c, const weir_site *site)
{
    struct weir__mysql_node *node = &db->nodes[0];
    struct weir__mysql_conn *conn;
    struct weir__sql_fault f;
    weir__sql_fault_init(&f);
    weir_err err = weir__mysql_connect(node, c, &conn, &f);
    if (err == WEIR_OK)
        weir__mysql_disconnect(conn);
    else if (f.err != WEIR_OK)
        err = weir_raise_at(site, weir__ctx_handle(c), f.err, 0, "%s at %s: %s", db->db.name,
                            node->where, f.text);
    return err;
}

static weir_err open_db(struct weir__mysql *db, struct weir__ctx *c, const weir_site *site)
{
    static const struct weir__owned_type type = {.name = "database", .release = release_db};
    char bytes[2000];
    weir_buf mistakes;
    weir_buf_init_fixed(&mistakes, bytes, sizeof bytes);
    weir__own(c, &db->owned, &type, site);
    if (settle_options(db, &mistakes) != WEIR_OK) {
        weir_str s = weir_buf_str(&mistakes);
        return weir_raise_at(site, weir__ctx_handle(c), WEIR_EINVALID, 0, WEIR_STR_FMT,
                             WEIR_STR_ARG(s));
    }
    weir_err err = name_it(db, c);
    if (err == WEIR_OK)
        err = make_tls(db, c, site);
    if (err == WEIR_OK)
        err = make_nodes(db, c, site);
    bool is_one = db->url.host_count == 1;
    if (err == WEIR_OK && is_one && !db->o.lazy)
        err = try_it(db, c, site);
    if (err == WEIR_OK)
        err = make_pools(db, c, site);
    return err == WEIR_OK && !is_one && !db->o.lazy ? weir__sql_nodes_await(db->db.nodes, c) : err;
}

static struct weir__mysql db_without_memory = {.db = {.token = WEIR__TOKEN_STATIC(WEIR__KIND_DB),
                                                      .driver = &weir__mysql_driver,
                                                      .name = "(no memory)",
                                                      .err = -ENOMEM}};

weir_db *weir_mysql_open_at(const weir_site *site, weir_ctx *handle,
                            const weir_mysql_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_mysql_options room;
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_mysql_open");
    if (weir__ctx_is_shared(c) && weir__self->index != 0)
        weir__misuse("weir_mysql_open",
                     "a database of the application is opened on the first worker, at its start");
    struct weir__mysql *db = weir__ctx_object(c, sizeof *db);
    if (db == NULL)
        return &db_without_memory.db;
    weir__token_open(&db->db.token, c, WEIR__KIND_DB);
    db->o =
        *(const weir_mysql_options *)weir__options(options, &room, sizeof room, "weir_mysql_open");
    db->db.driver = &weir__mysql_driver;
    db->db.name = "(no name)";
    db->db.rows_max = db->o.rows_max;
    db->db.err = open_db(db, c, site);
    if (db->db.err == WEIR_OK)
        weir__sql_opened(&db->db, c, site);
    db->o.url = db->o.server_key = NULL; /* the caller's */
    return weir__token_handle(&db->db.token);
}

/* --- the driver ------------------------------------------------------------------------------- */

static void stats(weir_db *db, weir_pool_stats *readers, weir_pool_stats *writer)
{
    weir__sql_nodes_stats(db->nodes, readers, writer);
}

static uint32_t pools(weir_db *handle, struct weir__pool **out, uint32_t *sized)
{
    struct weir__mysql *db = (struct weir__mysql *)handle;
    for (uint32_t i = 0; i < db->url.host_count; i++)
        out[i] = db->nodes[i].pool;
    return *sized = db->url.host_count;
}

const struct weir__sql_driver weir__mysql_driver = {
    .name = "MySQL",
    .stmt_bytes = sizeof(struct weir__mysql_stmt),
    .quote = '`',
    .has_dialect = true,
    .dialect = WEIR__SQL_MYSQL,
    .takes_uint = true,
    .is_one_at_a_time = true,
    .take = weir__mysql_take,
    .prepare = weir__mysql_prepare,
    .forget = weir__mysql_forget,
    .column = weir__mysql_column_fact,
    .execute = weir__mysql_run,
    .fetch = weir__mysql_fetch,
    .finish = weir__mysql_finish,
    .begin = weir__mysql_begin,
    .end = weir__mysql_end,
    .control = weir__mysql_control,
    .lock = "DO GET_LOCK('weir_migrations', 86400)",
    .unlock = "DO RELEASE_LOCK('weir_migrations')",
    .many = weir__mysql_many,
    .post = weir__mysql_post,
    .send = weir__mysql_send,
    .await = weir__mysql_await,
    .stats = stats,
    .pools = pools,
};
