/*
 * Prepared statements of a connection: kept for the next time, at most 64, the one used longest ago
 * goes.
 *
 * Look-up is by the address of the statement's text first, because it is nearly always the same
 * literal; the text is compared all the same, since a buffer may hold another one by now. Then by
 * the text's hash, for texts that are built.
 */
#include "data/sqlite.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"

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

/* Only blanks and semicolons may follow the one statement of a call. */
static bool is_single(const char *tail)
{
    return tail == NULL || tail[strspn(tail, " \t\r\n;")] == '\0';
}

static weir_err prepare(struct weir__sqlite_conn *conn, const char *sql,
                        struct weir__sqlite_stmt *stmt, char *message)
{
    const char *tail = NULL;
    int rc = sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->s, &tail);
    if (rc != SQLITE_OK)
        return weir__sqlite_error(conn, rc, sql, message);
    if (stmt->s == NULL || !is_single(tail)) {
        snprintf(message, WEIR__SQLITE_MESSAGE,
                 "%s: one statement a call (weir_exec_script runs several): %.160s",
                 conn->owner->name, sql);
        return WEIR_EDB;
    }
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
    case WEIR_ARG_NULL:
    case WEIR_ARG_TOO_LARGE:
        break;
    }
    return sqlite3_bind_null(s, n);
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
        if (WEIR_UNLIKELY(args[i].kind == WEIR_ARG_TOO_LARGE)) {
            snprintf(message, WEIR__SQLITE_MESSAGE, "%s: value %zu is over 2^63 - 1 in: %.160s",
                     conn->owner->name, i + 1, stmt->text);
            return -ERANGE;
        }
        int rc = bind_one(stmt->s, (int)i + 1, &args[i], how);
        if (WEIR_UNLIKELY(rc != SQLITE_OK))
            return weir__sqlite_error(conn, rc, stmt->text, message);
    }
    return WEIR_OK;
}
