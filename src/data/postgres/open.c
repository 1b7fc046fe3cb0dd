/*
 * Opening a PostgreSQL database: the options, TLS, its pool. Nothing is dialled before all options
 * are known to be right; then one connection is made, so that a wrong password shows at the start.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/bounds.h"
#include "crypto/pbkdf2.h"
#include "crypto/secret.h"
#include "data/postgres/multiplex.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/sized.h"
#include "rt/worker.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define MS INT64_C(1000000)
#define SEC (1000 * MS)

enum { CONNECTIONS = 10, MISTAKES_BYTES = 1500 };

/* --- options ---------------------------------------------------------------------------------- */

/* Off unless a depth is said. */
static void settle_multiplex(struct weir__postgres *db, struct weir__bounds *b)
{
    weir_postgres_options *o = &db->o;
    if (o->multiplex == 0)
        o->multiplex = db->url.multiplex;
    if (o->multiplex != 0)
        weir__bounds_count(b, "multiplex", &o->multiplex, 0, 2, 1024);
    if (o->multiplex != 0 && db->url.host_count > 1) {
        weir__bounds_line(b);
        weir_buf_puts(b->out, WEIR_S("multiplex and several hosts do not go together"));
    }
    weir__bounds_count(b, "multiplex_max_open", &o->multiplex_max_open, 4, 1, 100);
    weir__bounds_dur(b, "multiplex_late", &o->multiplex_late, 100 * MS, MS, 60 * SEC);
}

static weir_err settle_options(struct weir__postgres *db, weir_buf *out)
{
    weir_postgres_options *o = &db->o;
    struct weir__bounds b = {.kind = "PostgreSQL", .name = db->name, .out = out};
    if (o->connect_timeout.ns == 0 && db->url.connect_seconds > 0)
        o->connect_timeout = weir_sec(db->url.connect_seconds);
    weir__bounds_dur(&b, "connect_timeout", &o->connect_timeout, 5 * SEC, 10 * MS, 600 * SEC);
    weir__bounds_dur(&b, "tx_threshold", &o->tx_threshold, 5 * SEC, 10 * MS, 3600 * SEC);
    weir__bounds_count(&b, "value_bytes_max", &o->value_bytes_max, MIB, KIB, GIB - 1);
    weir__bounds_count(&b, "scram_iterations_max", &o->scram_iterations_max, 100000, 4096, 1000000);
    settle_multiplex(db, &b);
    if (o->pool.max_open == 0)
        o->pool.max_open = CONNECTIONS;
    if (o->application_name == NULL)
        o->application_name = db->url.application;
    if (o->application_name == NULL)
        o->application_name = program_invocation_short_name;
    if (db->url.is_primary_only && o->nodes.reads == WEIR_READS_REPLICAS)
        o->nodes.reads = WEIR_READS_PRIMARY;
    weir__sql_nodes_settle(&o->nodes, &b);
    weir_pool_options pool = o->pool;
    weir_err err = weir__pool_options_settle(db->name, &pool, out);
    return b.is_bad ? WEIR_EINVALID : err;
}

static const char *copied(struct weir__ctx *c, const char *text)
{
    size_t size = text != NULL ? strlen(text) + 1 : 0;
    char *copy = size > 0 ? weir__ctx_object(c, size) : NULL;
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

/* All that is wrong, in one line; the first thing that names it is the URL's database. */
static weir_err read_options(struct weir__postgres *db, struct weir__ctx *c, const weir_site *site)
{
    char bytes[MISTAKES_BYTES];
    weir_buf mistakes;
    weir_buf_init_fixed(&mistakes, bytes, sizeof bytes);
    const char *name = db->o.name != NULL ? db->o.name : "(no name)";
    struct weir__bounds b = {.kind = "PostgreSQL", .name = name, .out = &mistakes};
    weir__pg_url_read(db->o.url, &db->url, &b);
    if (db->o.name == NULL && db->url.database != NULL)
        name = db->url.database;
    db->name = copied(c, name);
    if (db->name == NULL)
        return -ENOMEM;
    db->db.name = db->name;
    weir_err err = settle_options(db, &mistakes);
    db->o.url = NULL;
    db->o.application_name = copied(c, db->o.application_name);
    if (b.is_bad || err < 0) {
        weir_str s = weir_buf_str(&mistakes);
        return weir_raise_at(site, weir__ctx_handle(c), WEIR_EINVALID, 0, WEIR_STR_FMT,
                             WEIR_STR_ARG(s));
    }
    return db->o.application_name == NULL ? -ENOMEM : WEIR_OK;
}

/* --- making ----------------------------------------------------------------------------------- */

static void release_db(struct weir__owned *o)
{
    struct weir__postgres *db = WEIR_CONTAINER(o, struct weir__postgres, owned);
    struct weir__pg_conn *first = atomic_exchange(&db->first, NULL); /* its node is gone */
    if (first != NULL)
        weir__pg_disconnect(first, o->ctx);
    weir__tls_client_unref(db->tls);
    db->tls = NULL;
    weir__crypto_wipe(db->url.bytes, sizeof db->url.bytes);
    if (db->db.err == WEIR_OK)
        db->db.err = WEIR_ECLOSED;
}

static weir_err make_tls(struct weir__postgres *db, struct weir__ctx *c, const weir_site *site)
{
    const struct weir__pg_url *u = &db->url;
    struct weir__tls_client_options o = {
        .is_unverified = u->sslmode < WEIR__PG_SSL_VERIFY_CA,
        .takes_any_name = u->sslmode == WEIR__PG_SSL_VERIFY_CA,
        .ca.file = u->root,
        .own = {.chain.file = u->certificate, .key.file = u->key},
    };
    char room[300];
    weir_buf why;
    if (u->sslmode == WEIR__PG_SSL_DISABLE)
        return WEIR_OK;
    weir_buf_init_fixed(&why, room, sizeof room - 1);
    weir_err err = weir__tls_client_new(&o, &db->tls, &why);
    room[why.len] = '\0';
    if (err == WEIR_ENOTBUILT && u->sslmode <= WEIR__PG_SSL_PREFER)
        return WEIR_OK; /* none is spoken */
    return err < 0 ? weir_raise_at(site, weir__ctx_handle(c), err, 0, "PostgreSQL %s: TLS: %s",
                                   db->name, why.len > 0 ? room : weir_strerror(err))
                   : WEIR_OK;
}

/* --- nodes ------------------------------------------------------------------------------------ */

/* A single one has the database's name, each of several its place behind that. */
static const char *node_name(const struct weir__postgres *db, struct weir__ctx *c,
                             const struct weir__pg_node *node)
{
    size_t size = strlen(db->name) + strlen(node->where) + 2;
    char *name = db->url.host_count > 1 ? weir__ctx_object(c, size) : NULL;
    if (name != NULL)
        (void)snprintf(name, size, "%s %s", db->name, node->where);
    return db->url.host_count > 1 ? name : db->name;
}

static weir_err make_nodes(struct weir__postgres *db, struct weir__ctx *c, const weir_site *site)
{
    const struct weir__sql_nodes_options o = {.each = db->o.nodes,
                                              .start_max = db->o.connect_timeout};
    db->nodes = weir__ctx_object(c, db->url.host_count * sizeof *db->nodes);
    db->db.nodes =
        weir__sql_nodes_new(c, db->name, &o, db->url.host_count, &weir__pg_nodes_ops, db, site);
    if (db->nodes == NULL || db->db.nodes == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < db->url.host_count; i++) {
        struct weir__pg_node *node = &db->nodes[i];
        node->db = db;
        node->number = i;
        node->host = &db->url.hosts[i];
        weir__sql_host_where(node->host, node->where, sizeof node->where);
        node->name = node_name(db, c, node);
        if (node->name == NULL)
            return -ENOMEM;
    }
    return WEIR_OK;
}

static weir_err make_pools(struct weir__postgres *db, struct weir__ctx *c, const weir_site *site)
{
    const struct weir__dialling_options dialling = {.dial_max = db->o.connect_timeout};
    for (uint32_t i = 0; i < db->url.host_count; i++) {
        struct weir__pg_node *node = &db->nodes[i];
        node->pool = weir__pool_new_dialling(c, node->name, &db->o.pool, &dialling,
                                             &weir__pg_pool_ops, node, site);
        if (node->pool == NULL)
            return -ENOMEM;
        weir__sql_nodes_put(db->db.nodes, i, (struct weir__sql_node){node->where, node->pool});
    }
    return weir__sql_nodes_start(db->db.nodes, c);
}

/* Makes the first connection, which the pool gets when it wants one. */
static weir_err try_one(struct weir__postgres *db, struct weir__ctx *c, const weir_site *site)
{
    struct weir__pg_node *node = &db->nodes[0];
    struct weir__pg_conn *conn = NULL;
    struct weir__sql_fault f;
    weir__sql_fault_init(&f);
    weir_err err = weir__pg_connect(node, c, &conn, &f);
    weir_err reason = err < 0 ? weir__ctx_check(c) : WEIR_OK;
    if (reason < 0)
        return reason;
    if (err < 0)
        return weir_raise_at(site, weir__ctx_handle(c), err, 0, "%s", f.text);
    weir__pg_pool_ops.leave(node, conn);
    atomic_store(&db->first, conn);
    return WEIR_OK;
}

static weir_err open_db(struct weir__postgres *db, struct weir__ctx *c, const weir_site *site)
{
    static const struct weir__owned_type type = {.name = "database", .release = release_db};
    weir_err err = read_options(db, c, site);
    if (err < 0)
        return err;
    weir__own(c, &db->owned, &type, site);
    err = weir__crypto_pbkdf2_require(NULL);
    if (err == WEIR_OK)
        err = make_tls(db, c, site);
    if (err == WEIR_OK)
        err = make_nodes(db, c, site);
    if (err < 0)
        return err;
    db->db.rows_max = db->o.rows_max;
    bool is_one = db->url.host_count == 1;
    if (is_one && !db->o.lazy)
        err = try_one(db, c, site);
    if (err == WEIR_OK)
        err = make_pools(db, c, site);
    if (err == WEIR_OK)
        err = weir__pg_mux_new(db, c, site);
    return err == WEIR_OK && !is_one && !db->o.lazy ? weir__sql_nodes_await(db->db.nodes, c) : err;
}

static struct weir__postgres db_without_memory = {.db = {.token = WEIR__TOKEN_STATIC(WEIR__KIND_DB),
                                                         .driver = &weir__postgres_driver,
                                                         .name = "(no memory)",
                                                         .err = -ENOMEM}};

weir_db *weir_postgres_open_at(const weir_site *site, weir_ctx *handle,
                               const weir_postgres_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_postgres_options room;
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_postgres_open");
    if (weir__ctx_is_shared(c) && weir__self->index != 0)
        weir__misuse("weir_postgres_open",
                     "a database of the application is opened on the first worker, at its start");
    struct weir__postgres *db = weir__ctx_object(c, sizeof *db);
    if (db == NULL)
        return &db_without_memory.db;
    weir__token_open(&db->db.token, c, WEIR__KIND_DB);
    db->o = *(const weir_postgres_options *)weir__options(options, &room, sizeof room,
                                                          "weir_postgres_open");
    db->db.driver = &weir__postgres_driver;
    db->db.name = "(no name)";
    db->db.err = open_db(db, c, site);
    if (db->db.err == WEIR_OK)
        weir__sql_opened(&db->db, c, site);
    return weir__token_handle(&db->db.token);
}

/* --- the driver ------------------------------------------------------------------------------- */

static void stats(weir_db *handle, weir_pool_stats *readers, weir_pool_stats *writer)
{
    struct weir__pg_mux *mux = ((struct weir__postgres *)handle)->mux;
    weir__sql_nodes_stats(handle->nodes, readers, writer);
    if (mux != NULL && readers != NULL)
        weir__pg_mux_stats(mux, readers);
    if (mux != NULL && writer != NULL)
        weir__pg_mux_stats(mux, writer);
}

static uint32_t pools(weir_db *handle, struct weir__pool **out, uint32_t *sized)
{
    struct weir__postgres *db = (struct weir__postgres *)handle;
    for (uint32_t i = 0; i < db->url.host_count; i++)
        out[i] = db->nodes[i].pool;
    return *sized = db->url.host_count;
}

const struct weir__sql_driver weir__postgres_driver = {
    .name = "postgres",
    .stmt_bytes = sizeof(struct weir__pg_stmt),
    .has_dialect = true,
    .dialect = WEIR__SQL_POSTGRES,
    .takes_uint = true,
    .takes_nan = true,
    .serializes_on_primary = true,
    .is_one_at_a_time = true,
    .take = weir__pg_take,
    .join = weir__pg_join,
    .part = weir__pg_part,
    .prepare = weir__pg_prepare,
    .forget = weir__pg_forget,
    .column = weir__pg_column,
    .execute = weir__pg_execute,
    .fetch = weir__pg_fetch,
    .finish = weir__pg_finish,
    .begin = weir__pg_tx_begin,
    .end = weir__pg_tx_end,
    .control = weir__pg_control,
    .script = weir__pg_script,
    .many = weir__pg_many,
    .post = weir__pg_post,
    .send = weir__pg_send,
    .await = weir__pg_await,
    .param = weir__pg_param,
    .lock = "DO $$ BEGIN PERFORM pg_advisory_xact_lock(7881124501563140); END $$",
    .stats = stats,
    .pools = pools,
};
