/*
 * What a statement may not do to its connection. Connections are lent to one request after another:
 * a setting, a temporary table, an attached file or a transaction that a statement leaves behind
 * would be its next user's. SQLite asks before it prepares a statement what that is about to do,
 * and here is the answer.
 *
 * Only the program's own statements are looked at. What the driver sends by itself (BEGIN, COMMIT,
 * its settings) and what SQLite prepares within a statement that runs (VACUUM attaches a file) is
 * not.
 */
#include "data/sqlite/sqlite.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define OUTLIVES "would outlive its user: connections are lent to one request after another; "

/*
 * Pragmas that may be given a value: it is a question's argument, belongs to the file, or ends with
 * the transaction (PRAGMA_IN_TX). All others may only be read.
 */
static const char *const pragmas[] = {
    "application_id", "foreign_key_check", "foreign_key_list", "incremental_vacuum",
    "index_info",     "index_list",        "index_xinfo",      "integrity_check",
    "optimize",       "quick_check",       "table_info",       "table_list",
    "table_xinfo",    "user_version",      "wal_checkpoint",
};
#define PRAGMA_IN_TX "defer_foreign_keys"

static int refuse(struct weir__sqlite_conn *conn, const char *what, const char *why)
{
    snprintf(conn->refused, sizeof conn->refused, "%s %s", what, why);
    return SQLITE_DENY;
}

static int check_pragma(struct weir__sqlite_conn *conn, const char *name, const char *value)
{
    if (value == NULL)
        return SQLITE_OK;
    for (size_t i = 0; i < sizeof pragmas / sizeof pragmas[0]; i++) {
        if (sqlite3_stricmp(name, pragmas[i]) == 0)
            return SQLITE_OK;
    }
    if (sqlite3_stricmp(name, PRAGMA_IN_TX) == 0) {
        conn->wants_tx = true;
        return SQLITE_OK;
    }
    char what[64];
    snprintf(what, sizeof what, "PRAGMA %.40s = …", name);
    return refuse(conn, what, OUTLIVES "see the options of weir_sqlite_open");
}

/*
 * However it is written: CREATE TEMP TABLE, CREATE TABLE temp.t, PRAGMA temp.user_version = 1. Not
 * all that is done to "temp": ALTER TABLE looks there by itself for what refers to the table.
 */
static bool is_change_of_temp(int action, const char *value, const char *schema)
{
    bool is_temp = schema != NULL && sqlite3_stricmp(schema, "temp") == 0;
    switch (action) {
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_CREATE_TEMP_VIEW:
        return true;
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_VIEW:
    case SQLITE_CREATE_VTABLE:
        return is_temp;
    case SQLITE_PRAGMA:
        return is_temp && value != NULL;
    default:
        return false;
    }
}

static int on_authorize(void *arg, int action, const char *a, const char *b, const char *schema,
                        const char *trigger)
{
    struct weir__sqlite_conn *conn = arg;
    (void)trigger;
    if (!conn->is_preparing)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_TRANSACTION:
        return refuse(conn, a,
                      "as a statement: a transaction begins with weir_begin and ends with "
                      "weir_commit or weir_rollback");
    case SQLITE_SAVEPOINT:
        conn->wants_tx = true;
        return SQLITE_OK;
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        return refuse(conn, action == SQLITE_ATTACH ? "ATTACH" : "DETACH",
                      OUTLIVES "open the file as a database of its own");
    default:
        if (is_change_of_temp(action, b, schema))
            return refuse(conn, "what is made TEMP", OUTLIVES "use WITH … AS, or a table");
        return action == SQLITE_PRAGMA ? check_pragma(conn, a, b) : SQLITE_OK;
    }
}

int weir__sqlite_guard(struct weir__sqlite_conn *conn)
{
    return sqlite3_set_authorizer(conn->db, on_authorize, conn);
}

int weir__sqlite_compile(struct weir__sqlite_conn *conn, const char *sql, unsigned flags,
                         sqlite3_stmt **out, const char **tail)
{
    WEIR_ASSERT(!conn->is_preparing, "S4: one statement is prepared at a time");
    conn->refused[0] = '\0';
    conn->wants_tx = false;
    conn->is_preparing = true;
    int rc = sqlite3_prepare_v3(conn->db, sql, -1, flags, out, tail);
    conn->is_preparing = false;
    return rc;
}
