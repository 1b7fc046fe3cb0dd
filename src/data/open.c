/*
 * From an URL to the driver that it is for: the only place that knows all of them. Owns nothing;
 * what it hands out is the driver's database, or one that says why there is none.
 */
#include <weir/db.h>

#include <string.h>

#include "data/sql/driver.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/sized.h"
#include <weir/mysql.h>
#include <weir/postgres.h>
#include <weir/sqlite.h>

struct scheme {
    const char *begins;
    weir_db_kind kind;
};

static const struct scheme schemes[] = {
    {"sqlite:", WEIR_DB_SQLITE},         {"postgres://", WEIR_DB_POSTGRES},
    {"postgresql://", WEIR_DB_POSTGRES}, {"mysql://", WEIR_DB_MYSQL},
    {"mariadb://", WEIR_DB_MYSQL},
};

/* What has no scheme is a path. An unknown one is told as that, not as a file that is missing. */
static const struct scheme *scheme_of(const char *url)
{
    static const struct scheme path = {"", WEIR_DB_SQLITE};
    if (url == NULL || url[0] == '\0')
        return NULL;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (strncmp(url, schemes[i].begins, strlen(schemes[i].begins)) == 0)
            return &schemes[i];
    return strstr(url, "://") != NULL ? NULL : &path;
}

weir_db_kind weir_db_kind_of(const char *url)
{
    const struct scheme *s = scheme_of(url);
    return s != NULL ? s->kind : WEIR_DB_UNKNOWN;
}

/* --- what could not be opened ----------------------------------------------------------------- */

static const struct weir__sql_driver no_driver = {.name = "none"};
static weir_db db_without_memory = {.token = WEIR__TOKEN_STATIC(WEIR__KIND_DB),
                                    .driver = &no_driver,
                                    .name = "(no memory)",
                                    .err = -ENOMEM};

static weir_db *refused(struct weir__ctx *c, weir_err err)
{
    weir_db *db = weir__ctx_object(c, sizeof *db);
    if (db == NULL)
        return &db_without_memory;
    weir__token_open(&db->token, c, WEIR__KIND_DB);
    db->driver = &no_driver;
    db->name = "(no database)";
    db->err = err;
    return weir__token_handle(&db->token);
}

/* Of an URL nothing but its scheme is repeated: there may be a password in the rest. */
static weir_db *refuse_url(struct weir__ctx *c, const weir_site *site, const char *url)
{
    weir_ctx *handle = weir__ctx_handle(c);
    if (url == NULL || url[0] == '\0')
        return refused(c, weir_raise_at(site, handle, WEIR_EINVALID, 0,
                                        "there is no .url: a file of SQLite, postgres://… or "
                                        "mysql://… is wanted"));
    const int length = (int)strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-.");
    return refused(c, weir_raise_at(site, handle, WEIR_EINVALID, 0,
                                    "%.*s:// is no database's: the path of a file of SQLite, "
                                    "postgres://… or mysql://… is wanted",
                                    length < 40 && url[length] == ':' ? length : 0, url));
}

/* --- the drivers ------------------------------------------------------------------------------ */

static weir_db *open_sqlite(const weir_site *site, weir_ctx *c, const weir_db_options *o,
                            const char *path)
{
    const weir_sqlite_options options = {.size = sizeof options,
                                         .path = path,
                                         .create = o->create,
                                         .pool = o->pool,
                                         .tx_threshold = o->tx_threshold,
                                         .rows_max = o->rows_max,
                                         .value_bytes_max = o->value_bytes_max};
    return weir_sqlite_open_at(site, c, &options);
}

static weir_db *open_postgres(const weir_site *site, weir_ctx *c, const weir_db_options *o)
{
    const weir_postgres_options options = {.size = sizeof options,
                                           .url = o->url,
                                           .pool = o->pool,
                                           .tx_threshold = o->tx_threshold,
                                           .rows_max = o->rows_max,
                                           .value_bytes_max = o->value_bytes_max,
                                           .nodes = o->nodes};
    return weir_postgres_open_at(site, c, &options);
}

static weir_db *open_mysql(const weir_site *site, weir_ctx *c, const weir_db_options *o)
{
    const weir_mysql_options options = {.size = sizeof options,
                                        .url = o->url,
                                        .pool = o->pool,
                                        .tx_threshold = o->tx_threshold,
                                        .rows_max = o->rows_max,
                                        .value_bytes_max = o->value_bytes_max,
                                        .nodes = o->nodes};
    return weir_mysql_open_at(site, c, &options);
}

weir_db *weir_db_open_at(const weir_site *site, weir_ctx *handle, const weir_db_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_db_options room;
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_db_open");
    const weir_db_options *o = weir__options(options, &room, sizeof room, "weir_db_open");
    const struct scheme *s = scheme_of(o->url);
    switch (s != NULL ? s->kind : WEIR_DB_UNKNOWN) {
    case WEIR_DB_SQLITE:
        return open_sqlite(site, handle, o, o->url + strlen(s->begins));
    case WEIR_DB_POSTGRES:
        return open_postgres(site, handle, o);
    case WEIR_DB_MYSQL:
        return open_mysql(site, handle, o);
    case WEIR_DB_UNKNOWN:
        break;
    }
    return refuse_url(c, site, o->url);
}
