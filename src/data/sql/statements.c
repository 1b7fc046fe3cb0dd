/*
 * Prepared statements of a connection: kept for the next time, at most 64, the one used longest ago
 * goes.
 *
 * Look-up is by the address of the statement's text first, because it is nearly always the same
 * literal; the text is compared all the same, since a buffer may hold another one by now. Then by
 * the text's hash, for texts that are built.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/json_decode.h"
#include "base/map.h"
#include "base/value.h"
#include "data/sql/driver.h"
#include "rt/fiber.h"

enum { TURN_BYTES = 256 << 10 }; /* received without a look at who else is ready */

static struct weir__sql_stmt **place_of(struct weir__sql_conn *conn, const void *place)
{
    uint64_t h = (uint64_t)(uintptr_t)place * 0x9e3779b97f4a7c15ULL;
    return &conn->places[h >> 57];
}

static struct weir__sql_stmt *stmt_of(struct weir__list *in_cache)
{
    return WEIR_CONTAINER(in_cache, struct weir__sql_stmt, in_cache);
}

void weir__sql_conn_init(struct weir__sql_conn *conn, weir_db *db)
{
    conn->db = db;
    weir__list_init(&conn->cached);
}

void weir__sql_received(struct weir__sql_conn *conn, size_t bytes)
{
    conn->since_turn += bytes;
    if (conn->since_turn < TURN_BYTES)
        return;
    conn->since_turn = 0;
    weir__fiber_yield();
}

/* --- throwing away ---------------------------------------------------------------------------- */

static void free_stmt(struct weir__sql_stmt *stmt)
{
    weir__sql_plan_free(stmt->plan);
    weir__free(stmt->cells);
    weir__free(stmt);
}

/* It is found no more. */
static void take_out(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt)
{
    for (int i = 0; i < WEIR__SQL_PLACES; i++) {
        if (conn->places[i] == stmt)
            conn->places[i] = NULL;
    }
    weir__list_remove(&stmt->in_cache);
    conn->cached_count--;
    stmt->is_kept = false;
}

static void drop(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt)
{
    WEIR_ASSERT(!stmt->is_busy, "D2: only a statement that is not busy is forgotten");
    if (stmt->is_kept)
        take_out(conn, stmt);
    conn->db->driver->forget(conn, stmt);
    free_stmt(stmt);
}

static void drop_oldest(struct weir__sql_conn *conn)
{
    for (struct weir__list *n = conn->cached.prev; n != &conn->cached; n = n->prev) {
        if (!stmt_of(n)->is_busy) {
            drop(conn, stmt_of(n));
            return;
        }
    }
}

void weir__sql_forget_all(struct weir__sql_conn *conn)
{
    while (!weir__list_empty(&conn->cached))
        drop(conn, stmt_of(conn->cached.next));
}

/* --- making ----------------------------------------------------------------------------------- */

static struct weir__sql_stmt *find_text(struct weir__sql_conn *conn, const char *sql, uint64_t hash)
{
    for (struct weir__list *n = conn->cached.next; n != &conn->cached; n = n->next) {
        struct weir__sql_stmt *stmt = stmt_of(n);
        if (stmt->hash == hash && !stmt->is_busy && strcmp(stmt->text, sql) == 0)
            return stmt;
    }
    return NULL;
}

/* A text whose twin is busy is not kept: there would be two of it. */
static bool has_twin(struct weir__sql_conn *conn, uint64_t hash)
{
    for (struct weir__list *n = conn->cached.next; n != &conn->cached; n = n->next) {
        if (stmt_of(n)->hash == hash)
            return true;
    }
    return false;
}

static void keep(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt)
{
    if (conn->cached_count >= WEIR__SQL_STATEMENTS)
        drop_oldest(conn);
    weir__list_push_front(&conn->cached, &stmt->in_cache);
    conn->cached_count++;
    stmt->is_kept = true;
}

/* A new one, with its text, and as the server wants it where that differs. */
static struct weir__sql_stmt *new_stmt(const struct weir__sql_driver *driver, const char *text,
                                       const struct weir__sql_facts *facts)
{
    weir_str sql = weir_str_from(text);
    size_t sent = facts->is_verbatim ? 0 : weir__sql_text_write(driver->dialect, sql, NULL, 0);
    struct weir__sql_stmt *stmt = weir__calloc(1, driver->stmt_bytes + sql.len + 1 + sent + 1);
    if (stmt == NULL)
        return NULL;
    char *copy = memcpy((char *)stmt + driver->stmt_bytes, text, sql.len + 1);
    stmt->text = copy;
    stmt->text_len = sql.len;
    stmt->sent = (weir_str){copy, sql.len};
    if (!facts->is_verbatim) {
        (void)weir__sql_text_write(driver->dialect, sql, copy + sql.len + 1, sent);
        stmt->sent = (weir_str){copy + sql.len + 1, sent};
    }
    stmt->params = (int)facts->param_count;
    stmt->reads_only = facts->reads_only;
    stmt->wants_tx = facts->wants_tx;
    stmt->ends_tx = facts->commits;
    weir__list_init(&stmt->in_cache);
    return stmt;
}

static weir_err make(struct weir__sql_conn *conn, const char *sql, uint64_t hash,
                     struct weir__sql_stmt **out, struct weir__sql_fault *fault)
{
    const struct weir__sql_driver *driver = conn->db->driver;
    struct weir__sql_facts facts = {.is_verbatim = true};
    weir_err err = WEIR_OK;
    if (driver->has_dialect)
        err = weir__sql_text_check(driver, weir_str_from(sql), &facts, fault);
    if (err != WEIR_OK)
        return err;
    struct weir__sql_stmt *stmt = new_stmt(driver, sql, &facts);
    if (stmt == NULL) {
        (void)weir__sql_fault(fault, -ENOMEM, "out of memory");
        return -ENOMEM;
    }
    stmt->hash = hash;
    err = driver->prepare(conn, stmt, fault);
    if (err != WEIR_OK) {
        free_stmt(stmt);
        return err;
    }
    if (!has_twin(conn, hash))
        keep(conn, stmt);
    *out = stmt;
    return WEIR_OK;
}

static weir_err find_or_make(struct weir__sql_conn *conn, const void *place, const char *sql,
                             struct weir__sql_stmt **out, struct weir__sql_fault *fault)
{
    uint64_t hash = weir__str_hash(weir_str_from(sql));
    struct weir__sql_stmt *stmt = find_text(conn, sql, hash);
    if (stmt == NULL) {
        weir_err err = make(conn, sql, hash, &stmt, fault);
        if (err != WEIR_OK)
            return err;
    }
    if (stmt->is_kept)
        *place_of(conn, place) = stmt;
    *out = stmt;
    return WEIR_OK;
}

weir_err weir__sql_stmt_get(struct weir__sql_conn *conn, const char *sql,
                            struct weir__sql_stmt **out, struct weir__sql_fault *fault)
{
    return weir__sql_stmt_get_by(conn, sql, sql, out, fault);
}

weir_err weir__sql_stmt_get_by(struct weir__sql_conn *conn, const void *place, const char *sql,
                               struct weir__sql_stmt **out, struct weir__sql_fault *fault)
{
    struct weir__sql_stmt *stmt = *place_of(conn, place);
    if (WEIR_UNLIKELY(stmt == NULL || stmt->is_busy || strcmp(stmt->text, sql) != 0)) {
        weir_err err = find_or_make(conn, place, sql, &stmt, fault);
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

void weir__sql_stmt_put(struct weir__sql_conn *conn, struct weir__sql_stmt *stmt)
{
    conn->db->driver->finish(conn, stmt);
    stmt->is_busy = false;
    if (WEIR_UNLIKELY(!stmt->is_kept || stmt->is_void))
        drop(conn, stmt);
}

weir_err weir__sql_shape(struct weir__sql_stmt *stmt, int columns)
{
    if (columns > stmt->room) {
        struct weir__sql_cell *cells = weir__malloc((size_t)columns * sizeof *cells);
        if (cells == NULL)
            return -ENOMEM;
        weir__free(stmt->cells);
        stmt->cells = cells;
        stmt->room = columns;
    }
    stmt->columns = columns;
    stmt->shape++;
    return WEIR_OK;
}

/* --- values ----------------------------------------------------------------------------------- */

/* What no column can hold as it is; NULL when the value is fine. */
static const char *refusal(const struct weir__sql_driver *driver, const weir_arg *a)
{
    switch (a->kind) {
    case WEIR_ARG_TOO_LARGE:
        return driver->takes_uint ? NULL : "over 2^63 - 1";
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

weir_err weir__sql_check_value(const struct weir__sql_driver *driver, const weir_arg *a, size_t nth,
                               struct weir__sql_fault *fault)
{
    const char *wrong;
    if (WEIR_UNLIKELY(a->kind >= WEIR_ARG_TOO_LARGE) && (wrong = refusal(driver, a)) != NULL)
        return weir__sql_fault(fault, a->kind == WEIR_ARG_JSON ? WEIR_EINVALID : -ERANGE,
                               "value %zu is %s", nth, wrong);
    if (WEIR_UNLIKELY(a->kind == WEIR_ARG_DOUBLE && isnan(a->u.d)) && !driver->takes_nan)
        return weir__sql_fault(fault, -EDOM,
                               "value %zu is not a number (NaN), which would be stored as NULL: "
                               "give WEIR_NULL if that is meant",
                               nth);
    return WEIR_OK;
}

weir_err weir__sql_check_values(const struct weir__sql_driver *driver,
                                const struct weir__sql_stmt *stmt, const weir_arg *args,
                                size_t count, struct weir__sql_fault *fault)
{
    if (WEIR_UNLIKELY((size_t)stmt->params != count))
        return weir__sql_fault(fault, WEIR_EINVALID, "%d parameters, %zu values", stmt->params,
                               count);
    for (size_t i = 0; i < count; i++) {
        weir_err err = weir__sql_check_value(driver, &args[i], i + 1, fault);
        if (WEIR_UNLIKELY(err != WEIR_OK))
            return err;
    }
    return WEIR_OK;
}
