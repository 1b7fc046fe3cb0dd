/*
 * Checked SQL: all statements that are noted (checked.c) are prepared on a database, and what does
 * not fit is told: what the database says of them, values without a parameter, columns without a
 * member, kinds that never go together. Nothing is run.
 *
 * A check is no promise: of SQLite's columns only the preference is known, and a NULL or a number
 * out of range is seen when it comes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <weir/log.h>

#include "base/alloc.h"
#include "base/given.h"
#include "base/model.h"
#include "data/sql/driver.h"
#include "rt/outside.h"
#include "rt/panic.h"

enum { STATEMENTS_MAX = 1 << 20, LINE_MAX_BYTES = 700 };

/* One statement on one database. */
struct check {
    const struct weir__sql_driver *driver;
    const weir_checked_sql *note;
    struct weir__sql_stmt *stmt;
    weir_buf *report;
    size_t wrong;
};

static void tell(struct check *k, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct check *k, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    weir_buf_printf(k->report, "%s:%d: %s, in: %s\n", k->note->file, k->note->line, line,
                    k->note->sql);
    k->wrong++;
}

/* --- kinds ------------------------------------------------------------------------------------ */

#define KIND(k) (1u << WEIR_KIND_##k)
#define NUMBERS (KIND(BOOL) | KIND(INT) | KIND(UINT) | KIND(FLOAT) | KIND(DECIMAL))
#define ANY_KIND (~0u)

/* Into which members a cell can go, by its kind: what weir__field_set_* take. */
static const unsigned takers[] = {
    [WEIR__CELL_NULL] = ANY_KIND,
    [WEIR__CELL_BOOL] = NUMBERS,
    [WEIR__CELL_INT] = NUMBERS | KIND(WALL),
    [WEIR__CELL_UINT] = NUMBERS | KIND(WALL),
    [WEIR__CELL_DOUBLE] = KIND(INT) | KIND(UINT) | KIND(FLOAT) | KIND(DECIMAL),
    [WEIR__CELL_TEXT] =
        KIND(STR) | KIND(BLOB) | KIND(WALL) | KIND(UUID) | KIND(DECIMAL) | KIND(RAW_JSON),
    [WEIR__CELL_BYTES] = KIND(STR) | KIND(BLOB) | KIND(UUID),
    [WEIR__CELL_WALL] = KIND(WALL),
    [WEIR__CELL_UUID] = KIND(UUID),
    [WEIR__CELL_DECIMAL] = NUMBERS | KIND(STR),
    [WEIR__CELL_JSON] = KIND(STR) | KIND(BLOB) | KIND(RAW_JSON),
    [WEIR__CELL_ANY] = ANY_KIND,
};

/* Values that no parameter of a kind takes; a text may be one of anything. */
static const unsigned refused[] = {
    [WEIR__CELL_BOOL] = KIND(FLOAT) | KIND(DECIMAL) | KIND(WALL) | KIND(UUID) | KIND(BLOB),
    [WEIR__CELL_INT] = KIND(WALL) | KIND(UUID) | KIND(BLOB),
    [WEIR__CELL_UINT] = KIND(WALL) | KIND(UUID) | KIND(BLOB),
    [WEIR__CELL_DOUBLE] = KIND(WALL) | KIND(UUID) | KIND(BLOB),
    [WEIR__CELL_WALL] = KIND(BOOL) | KIND(FLOAT) | KIND(DECIMAL) | KIND(UUID) | KIND(BLOB),
    [WEIR__CELL_UUID] = NUMBERS | KIND(WALL),
    [WEIR__CELL_DECIMAL] = KIND(WALL) | KIND(UUID) | KIND(BLOB),
    [WEIR__CELL_BYTES] = NUMBERS | KIND(WALL),
    [WEIR__CELL_ANY] = 0,
};

/* --- one statement ---------------------------------------------------------------------------- */

static void check_values(struct check *k)
{
    const weir_checked_call *call = k->note->call;
    if (call == NULL)
        return; /* the text is somebody's who gives it values later */
    if (call->count != (size_t)k->stmt->params) {
        tell(k, "%d parameters, %zu values", k->stmt->params, call->count);
        return;
    }
    for (size_t i = 0; k->driver->param != NULL && i < call->count; i++) {
        struct weir__sql_fact fact = {.kind = WEIR__CELL_ANY};
        k->driver->param(k->stmt, (int)i, &fact);
        if ((refused[fact.kind] >> call->kinds[i] & 1) != 0)
            tell(k, "parameter %zu is %s, its value is %s", i + 1, weir__sql_cell_name(fact.kind),
                 weir__sql_kind_name(call->kinds[i]));
    }
}

static void check_column(struct check *k, const weir_model *model, int i)
{
    struct weir__sql_fault fault;
    weir__sql_fault_init(&fault);
    const struct weir__member *m = weir__sql_member_of(k->driver, k->stmt, model, i, &fault);
    if (m == NULL) {
        tell(k, "%s", fault.text);
        return;
    }
    struct weir__sql_fact fact = {.kind = WEIR__CELL_ANY};
    k->driver->column(k->stmt, i, &fact);
    bool is_taken = (takers[fact.kind] >> m->kind & 1) != 0;
    if (!is_taken && model->is_scalar)
        tell(k, "column " WEIR_STR_FMT " is %s, asked for as %s: %s", WEIR_STR_ARG(fact.name),
             weir__sql_cell_name(fact.kind), model->name, weir__sql_kind_name(m->kind));
    else if (!is_taken)
        tell(k, "column " WEIR_STR_FMT " is %s, member " WEIR_STR_FMT " of %s is %s",
             WEIR_STR_ARG(fact.name), weir__sql_cell_name(fact.kind), WEIR_STR_ARG(m->field->name),
             model->name, weir__sql_kind_name(m->kind));
    for (int before = 0; before < i && !model->is_scalar; before++) {
        if (weir__sql_member_of(k->driver, k->stmt, model, before, &fault) == m)
            tell(k, "member " WEIR_STR_FMT " of %s would be filled by two columns",
                 WEIR_STR_ARG(m->field->name), model->name);
    }
}

static weir_err check_rows(struct check *k)
{
    const weir_checked_call *call = k->note->call;
    const weir_model *model = k->note->model;
    struct weir__sql_fault fault;
    weir__sql_fault_init(&fault);
    if (model == NULL && call != NULL)
        model = call->model;
    if (model == NULL)
        return WEIR_OK;
    if (weir__model_tables(model) == NULL)
        return -ENOMEM;
    if (weir__sql_check_columns(k->driver, k->stmt, model, &fault) != WEIR_OK) {
        tell(k, "%s", fault.text);
        return WEIR_OK;
    }
    for (int i = 0; i < k->stmt->columns; i++)
        check_column(k, model, i);
    return WEIR_OK;
}

/* WEIR_OK, whatever is wrong with it; an error that ends the check. */
static weir_err check_one(struct check *k, struct weir__sql_conn *conn)
{
    struct weir__sql_fault fault;
    weir__sql_fault_init(&fault);
    k->driver = conn->db->driver;
    weir_err err = weir__sql_stmt_get(conn, k->note->sql, &k->stmt, &fault);
    if (err != WEIR_OK && (fault.err == WEIR_OK || fault.is_broken || err == -ENOMEM))
        return err; /* which says nothing of the statement */
    if (err != WEIR_OK) {
        tell(k, "%s", fault.text);
        return WEIR_OK;
    }
    check_values(k);
    err = check_rows(k);
    weir__sql_stmt_put(conn, k->stmt);
    return err;
}

/* --- all of them ------------------------------------------------------------------------------ */

/* A database that is looked at, with the connection that is had for it. */
struct looked_at {
    weir_db *db;
    struct weir__owned owned;
    struct weir__lease lease;
    struct weir__sql_conn *conn;
};

static void release(struct weir__owned *o)
{
    weir__lease_release(&WEIR_CONTAINER(o, struct looked_at, owned)->lease);
}

static void leave(struct looked_at *l)
{
    if (!weir__is_owned(&l->owned))
        return;
    weir__disown(&l->owned);
    release(&l->owned);
}

static weir_err take(struct looked_at *l, struct weir__ctx *c, const weir_site *site)
{
    static const struct weir__owned_type type = {.name = "check of SQL", .release = release};
    struct weir__sql_fault fault;
    weir__sql_fault_init(&fault);
    /* A replica may not have heard of a migration that has just been run. */
    enum weir__sql_purpose purpose = l->db->nodes != NULL ? WEIR__SQL_WRITE : WEIR__SQL_READ;
    if (l->db->err != WEIR_OK)
        return l->db->err;
    weir__own(c, &l->owned, &type, site);
    weir_err err =
        l->db->driver->take(l->db, c, site, purpose, &l->owned, &l->lease, &l->conn, &fault);
    if (err != WEIR_OK)
        return weir__sql_fail(l->db, c, site, NULL, &l->lease, NULL, err, &fault);
    l->conn->c = c;
    l->conn->site = site;
    return WEIR_OK;
}

/* Those noted, in an array that the caller frees; NULL: no memory. */
static const weir_checked_sql **all_noted(size_t *count)
{
    for (size_t max = 256; max <= STATEMENTS_MAX; max *= 4) {
        const weir_checked_sql **all = weir__malloc(max * sizeof(const weir_checked_sql *));
        if (all == NULL)
            return NULL;
        *count = weir_checked_sql_list(all, max);
        if (*count < max)
            return all;
        weir__free(all);
    }
    return NULL;
}

static void free_noted(const weir_checked_sql ***all)
{
    weir__free((void *)*all);
}

/*
 * The statement on the databases from `l` to before `end`, in which it must fit one; what the first
 * one says is told.
 */
static weir_err check_on(struct looked_at *l, const struct looked_at *end,
                         const weir_checked_sql *note, weir_buf *report, size_t *wrong)
{
    char scratch[64];
    weir_buf ignored;
    size_t len = report->len, first_wrong = 0;
    for (struct looked_at *at = l; at < end; at++) {
        weir_buf_init_fixed(&ignored, scratch, sizeof scratch);
        struct check k = {.note = note, .report = at == l ? report : &ignored};
        weir_err err = check_one(&k, at->conn);
        if (err != WEIR_OK)
            return err;
        if (k.wrong == 0) {
            report->len = len;
            return WEIR_OK;
        }
        if (at == l)
            first_wrong = k.wrong;
    }
    *wrong += first_wrong;
    return WEIR_OK;
}

static weir_err check_all(struct looked_at *l, size_t databases, weir_buf *report)
{
    size_t count = 0, wrong = 0;
    const weir_checked_sql **all __attribute__((cleanup(free_noted))) = all_noted(&count);
    if (all == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        weir_err err = check_on(l, l + databases, all[i], report, &wrong);
        if (err != WEIR_OK)
            return err;
    }
    return wrong == 0 ? WEIR_OK : WEIR_EINVALID;
}

weir_err weir_check_sql_at(const weir_site *site, weir_ctx *handle, weir_db *db, weir_buf *report)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(report, "the report");
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_check_sql");
    struct looked_at one
        __attribute__((cleanup(leave))) = {.db = weir__sql_db_of(db, "weir_check_sql")};
    weir_err err = take(&one, c, site);
    return err == WEIR_OK ? check_all(&one, 1, report) : err;
}

/* --- the application's databases -------------------------------------------------------------- */

enum { DATABASES_MAX = 16 };

/* Touched by the first worker alone, where the application's databases are opened. */
static struct weir__list opened = {&opened, &opened};

static void unlist(struct weir__owned *o)
{
    weir__list_remove(&WEIR_CONTAINER(o, weir_db, listed)->in_opened);
}

void weir__sql_opened(weir_db *db, struct weir__ctx *c, const weir_site *site)
{
    static const struct weir__owned_type type = {.name = "name of a database", .release = unlist};
    if (!weir__ctx_is_shared(c))
        return;
    weir__list_push_back(&opened, &db->in_opened);
    weir__own(c, &db->listed, &type, site);
}

static void leave_all(struct looked_at (*all)[DATABASES_MAX])
{
    for (int i = 0; i < DATABASES_MAX; i++)
        leave(&(*all)[i]);
}

weir_err weir__sql_check_opened(const weir_site *site, weir_ctx *handle, weir_buf *report)
{
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_check_sql");
    struct looked_at all[DATABASES_MAX] __attribute__((cleanup(leave_all))) = {{0}};
    size_t count = 0;
    for (struct weir__list *n = opened.next; n != &opened && count < DATABASES_MAX; n = n->next) {
        all[count].db = WEIR_CONTAINER(n, weir_db, in_opened);
        weir_err err = take(&all[count++], c, site);
        if (err != WEIR_OK)
            return err;
    }
    if (count == 0) {
        weir_buf_puts(report, WEIR_S("no database is open when the start is over\n"));
        return WEIR_EINVALID;
    }
    return check_all(all, count, report);
}
