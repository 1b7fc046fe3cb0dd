/*
 * Prepared statements of a connection: kept for the next time, at most 64, the one used longest ago
 * goes.
 *
 * Look-up is by the address of the statement's text first, because it is nearly always the same
 * literal; the text is compared all the same, since a buffer may hold another one by now. Then by
 * the text's hash, for texts that are built.
 */
#include "data/sqlite/sqlite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_decode.h"
#include "base/map.h"
#include "base/value.h"

static struct weir__sqlite_stmt **place_of(struct weir__sqlite_conn *conn, const char *sql)
{
    uint64_t h = (uint64_t)(uintptr_t)sql * 0x9e3779b97f4a7c15ULL;
    return &conn->places[h >> 57];
}

static struct weir__sqlite_stmt *stmt_of(struct weir__list *in_cache)
{
    return WEIR_CONTAINER(in_cache, struct weir__sqlite_stmt, in_cache);
}

static void free_stmt(struct weir__sqlite_stmt *stmt)
{
    sqlite3_finalize(stmt->s);
    weir__free(stmt->plan.columns);
    weir__free(stmt);
}

static void drop(struct weir__sqlite_conn *conn, struct weir__sqlite_stmt *stmt)
{
    for (int i = 0; i < WEIR__SQLITE_PLACES; i++) {
        if (conn->places[i] == stmt)
            conn->places[i] = NULL;
    }
    weir__list_remove(&stmt->in_cache);
    conn->cached_count--;
    free_stmt(stmt);
}

static void drop_oldest(struct weir__sqlite_conn *conn)
{
    for (struct weir__list *n = conn->cached.prev; n != &conn->cached; n = n->prev) {
        if (!stmt_of(n)->is_busy) {
            drop(conn, stmt_of(n));
            return;
        }
    }
}

void weir__sqlite_drop_all(struct weir__sqlite_conn *conn)
{
    while (!weir__list_empty(&conn->cached))
        drop(conn, stmt_of(conn->cached.next));
}

static struct weir__sqlite_stmt *find_text(struct weir__sqlite_conn *conn, const char *sql,
                                           uint64_t hash)
{
    for (struct weir__list *n = conn->cached.next; n != &conn->cached; n = n->next) {
        struct weir__sqlite_stmt *stmt = stmt_of(n);
        if (stmt->hash == hash && !stmt->is_busy && strcmp(stmt->text, sql) == 0)
            return stmt;
    }
    return NULL;
}

/* Whether nothing but blanks, semicolons and comments is left: SQLite knows best what is one. */
static bool is_single(struct weir__sqlite_conn *conn, const char *tail)
{
    while (tail != NULL && tail[strspn(tail, " \t\r\n;")] != '\0') {
        sqlite3_stmt *more = NULL;
        const char *rest = NULL;
        int rc = sqlite3_prepare_v3(conn->db, tail, -1, 0, &more, &rest);
        (void)sqlite3_finalize(more);
        if (rc != SQLITE_OK || more != NULL)
            return false;
        tail = rest != tail ? rest : NULL;
    }
    return true;
}

static weir_err refuse_count(struct weir__sqlite_conn *conn, const char *sql, const char *what,
                             char *message)
{
    snprintf(message, WEIR__SQLITE_MESSAGE, "%s: %s: %.160s", conn->owner->name, what, sql);
    return WEIR_EDB;
}

static weir_err prepare(struct weir__sqlite_conn *conn, const char *sql,
                        struct weir__sqlite_stmt *stmt, char *message)
{
    const char *tail = NULL;
    int rc = weir__sqlite_compile(conn, sql, SQLITE_PREPARE_PERSISTENT, &stmt->s, &tail);
    if (rc != SQLITE_OK)
        return weir__sqlite_error(conn, rc, sql, message);
    if (stmt->s == NULL)
        return refuse_count(conn, sql, "there is no statement in", message);
    stmt->wants_tx = conn->wants_tx;
    if (!is_single(conn, tail))
        return refuse_count(conn, sql, "one statement a call (weir_exec_script runs several)",
                            message);
    stmt->params = sqlite3_bind_parameter_count(stmt->s);
    stmt->reads_only = sqlite3_stmt_readonly(stmt->s) != 0;
    return WEIR_OK;
}

static weir_err make(struct weir__sqlite_conn *conn, const char *sql, uint64_t hash,
                     struct weir__sqlite_stmt **out, char *message)
{
    size_t size = strlen(sql) + 1;
    struct weir__sqlite_stmt *stmt = weir__calloc(1, sizeof *stmt + size);
    if (stmt == NULL) {
        snprintf(message, WEIR__SQLITE_MESSAGE, "%s: out of memory", conn->owner->name);
        return -ENOMEM;
    }
    weir_err err = prepare(conn, sql, stmt, message);
    if (err != WEIR_OK) {
        free_stmt(stmt);
        return err;
    }
    memcpy(stmt->text, sql, size);
    stmt->hash = hash;
    weir__list_init(&stmt->in_cache);
    /* A text whose twin is busy is not kept: there would be two of it. */
    stmt->is_kept = true;
    for (struct weir__list *n = conn->cached.next; n != &conn->cached; n = n->next)
        stmt->is_kept = stmt->is_kept && stmt_of(n)->hash != hash;
    if (stmt->is_kept) {
        if (conn->cached_count >= WEIR__SQLITE_STATEMENTS)
            drop_oldest(conn);
        weir__list_push_front(&conn->cached, &stmt->in_cache);
        conn->cached_count++;
    }
    *out = stmt;
    return WEIR_OK;
}

static weir_err find_or_make(struct weir__sqlite_conn *conn, const char *sql,
                             struct weir__sqlite_stmt **out, char *message)
{
    uint64_t hash = weir__str_hash(weir_str_from(sql));
    struct weir__sqlite_stmt *stmt = find_text(conn, sql, hash);
    if (stmt == NULL) {
        weir_err err = make(conn, sql, hash, &stmt, message);
        if (err != WEIR_OK)
            return err;
    }
    if (stmt->is_kept) {
        stmt->from = sql;
        *place_of(conn, sql) = stmt;
    }
    *out = stmt;
    return WEIR_OK;
}

weir_err weir__sqlite_prepare(struct weir__sqlite_conn *conn, const char *sql,
                              struct weir__sqlite_stmt **out, char *message)
{
    struct weir__sqlite_stmt *stmt = *place_of(conn, sql);
    if (WEIR_UNLIKELY(stmt == NULL || stmt->from != sql || stmt->is_busy ||
                      strcmp(stmt->text, sql) != 0)) {
        weir_err err = find_or_make(conn, sql, &stmt, message);
        if (err != WEIR_OK)
            return err;
    }
    if (stmt->is_kept && conn->cached.next != &stmt->in_cache) {
        weir__list_remove(&stmt->in_cache);
        weir__list_push_front(&conn->cached, &stmt->in_cache);
    }
    stmt->is_busy = true;
    *out = stmt;
    return WEIR_OK;
}

weir_err weir__sqlite_check_use(struct weir__sqlite_conn *conn,
                                const struct weir__sqlite_stmt *stmt, bool is_in_tx, char *message)
{
    if (WEIR_LIKELY(!stmt->wants_tx || is_in_tx))
        return WEIR_OK;
    snprintf(message, WEIR__SQLITE_MESSAGE,
             "%s: that belongs into a transaction (weir_begin), and would be its next user's "
             "outside of one: %.160s",
             conn->owner->name, stmt->text);
    return WEIR_EDB;
}

void weir__sqlite_put(struct weir__sqlite_conn *conn, struct weir__sqlite_stmt *stmt)
{
    (void)conn;
    if (stmt == NULL)
        return;
    (void)sqlite3_reset(stmt->s); /* its code is that of the last step, which has been dealt with */
    stmt->is_busy = false;
    if (WEIR_UNLIKELY(!stmt->is_kept))
        free_stmt(stmt);
}

/* --- values ----------------------------------------------------------------------------------- */

/* What SQLite has no type for: points of time in the form of its own functions, UUIDs, decimals. */
static int bind_as_text(sqlite3_stmt *s, int n, const weir_arg *a)
{
    char text[WEIR__VALUE_TEXT_MAX];
    size_t len;
    if (a->kind == WEIR_ARG_WALL)
        len = weir__wall_put_sql(a->u.wall, text);
    else if (a->kind == WEIR_ARG_UUID)
        len = weir_uuid_text(a->u.uuid, text);
    else
        len = weir_decimal_text(a->u.decimal, text);
    return sqlite3_bind_text(s, n, text, (int)len, SQLITE_TRANSIENT);
}

static int bind_one(sqlite3_stmt *s, int n, const weir_arg *a, sqlite3_destructor_type how)
{
    switch (a->kind) {
    case WEIR_ARG_INT:
        return sqlite3_bind_int64(s, n, a->u.i);
    case WEIR_ARG_DOUBLE:
        return sqlite3_bind_double(s, n, a->u.d);
    case WEIR_ARG_TEXT:
        return sqlite3_bind_text64(s, n, a->u.s.ptr, a->u.s.len, how, SQLITE_UTF8);
    case WEIR_ARG_BYTES:
        return sqlite3_bind_blob64(s, n, a->u.s.ptr, a->u.s.len, how);
    case WEIR_ARG_JSON:
        return sqlite3_bind_text64(s, n, a->u.s.ptr, a->u.s.len, how, SQLITE_UTF8);
    case WEIR_ARG_WALL:
    case WEIR_ARG_UUID:
    case WEIR_ARG_DECIMAL:
        return bind_as_text(s, n, a);
    case WEIR_ARG_NULL:
    case WEIR_ARG_TOO_LARGE:
        break;
    }
    return sqlite3_bind_null(s, n);
}

/* What no column can hold as it is; NULL when the value is fine. */
static const char *refusal(const weir_arg *a)
{
    switch (a->kind) {
    case WEIR_ARG_TOO_LARGE:
        return "over 2^63 - 1";
    case WEIR_ARG_WALL:
        if (a->u.wall.us < WEIR_WALL_MIN || a->u.wall.us > WEIR_WALL_MAX)
            return "outside of the years 1 to 9999";
        return NULL;
    case WEIR_ARG_JSON:
        return weir__json_is_value(a->u.s) ? NULL : "not JSON";
    default:
        return NULL;
    }
}

weir_err weir__sqlite_bind(struct weir__sqlite_conn *conn, struct weir__sqlite_stmt *stmt,
                           const weir_arg *args, size_t count, bool copies, char *message)
{
    sqlite3_destructor_type how = copies ? SQLITE_TRANSIENT : SQLITE_STATIC;
    if (WEIR_UNLIKELY((size_t)stmt->params != count)) {
        snprintf(message, WEIR__SQLITE_MESSAGE, "%s: %d parameters, %zu values in: %.160s",
                 conn->owner->name, stmt->params, count, stmt->text);
        return WEIR_EINVALID;
    }
    for (size_t i = 0; i < count; i++) {
        const char *wrong;
        if (WEIR_UNLIKELY(args[i].kind >= WEIR_ARG_TOO_LARGE) && (wrong = refusal(&args[i]))) {
            snprintf(message, WEIR__SQLITE_MESSAGE, "%s: value %zu is %s in: %.160s",
                     conn->owner->name, i + 1, wrong, stmt->text);
            return args[i].kind == WEIR_ARG_JSON ? WEIR_EINVALID : -ERANGE;
        }
        if (WEIR_UNLIKELY(args[i].kind == WEIR_ARG_DOUBLE && isnan(args[i].u.d))) {
            snprintf(message, WEIR__SQLITE_MESSAGE,
                     "%s: value %zu is not a number (NaN), which would be stored as NULL: give "
                     "WEIR_NULL if that is meant, in: %.160s",
                     conn->owner->name, i + 1, stmt->text);
            return -EDOM;
        }
        int rc = bind_one(stmt->s, (int)i + 1, &args[i], how);
        if (WEIR_UNLIKELY(rc != SQLITE_OK))
            return weir__sqlite_error(conn, rc, stmt->text, message);
    }
    return WEIR_OK;
}
