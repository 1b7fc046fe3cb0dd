/*
 * What a server of several is: it is asked itself, since a list of hosts says nothing of who is the
 * primary today. The one whose read_only is off takes writes; it may follow another all the same
 * (two that follow each other). How far one that takes none is behind is a number of SHOW REPLICA
 * STATUS, which older servers know by another name; without it, or without the right to see it, it
 * is not known.
 */
#include <stdio.h>

#include "data/mysql/mysql.h"

#define DAY_SEC INT64_C(86400)

enum { BAD_SYNTAX = 1064 };

/* A column of a row, as text. */
struct said {
    bool is_there; /* not NULL, and not without a row */
    char text[24];
};

/* --- asking ----------------------------------------------------------------------------------- */

/* Column `at` of a row of text. */
static bool read_row(weir_str body, unsigned at, struct said *out)
{
    struct weir__mysql_reader r = weir__mysql_reader_of(body);
    weir_str value = {NULL, 0};
    for (unsigned i = 0; i <= at && !r.is_cut; i++) {
        bool is_null = weir__mysql_left(&r) > 0 && *r.at == 0xfb;
        if (is_null)
            (void)weir__mysql_get(&r, 1);
        value = is_null ? (weir_str){NULL, 0} : weir__mysql_get_string(&r);
    }
    out->is_there = !r.is_cut && value.ptr != NULL && value.len < sizeof out->text;
    if (out->is_there)
        (void)snprintf(out->text, sizeof out->text, WEIR_STR_FMT, WEIR_STR_ARG(value));
    return !r.is_cut;
}

/* The first row's column whose name begins so; the other rows are thrown away. */
static weir_err read_rows(struct weir__mysql_conn *conn, const char *begin, struct said *out,
                          struct weir__sql_fault *f)
{
    bool is_found = false, is_read = false;
    unsigned at = 0;
    weir_err err = WEIR_OK;
    for (unsigned i = 0; conn->definitions > 0 && err == WEIR_OK; i++) {
        struct weir__mysql_column column;
        err = weir__mysql_read_column(conn, &column, f);
        if (err == WEIR_OK && !is_found && weir_str_starts(column.name, weir_str_from(begin))) {
            is_found = true;
            at = i;
        }
    }
    while (conn->phase == WEIR__MYSQL_AT_ROWS && err == WEIR_OK) {
        weir_str body;
        err = weir__mysql_next(conn, &body, f);
        if (err < 0)
            break;
        if (body.len > 0 && (uint8_t)body.ptr[0] == WEIR__MYSQL_ERR)
            err = weir__mysql_refused(conn, body, f);
        else if (weir__mysql_is_end(body))
            err = weir__mysql_take_ok(conn, body, NULL, f);
        else if (is_found && !is_read && !read_row(body, at, out))
            err = weir__mysql_malformed(conn, WEIR_MYSQL_EFORM, f);
        else
            is_read = true;
    }
    return err;
}

static weir_err ask(struct weir__mysql_conn *conn, weir_str sql, const char *begin,
                    struct said *out, struct weir__sql_fault *f)
{
    *out = (struct said){.is_there = false};
    weir_err err = weir__mysql_ready(conn, f);
    if (err < 0)
        return err;
    (void)weir__mysql_put_prefix(conn, false);
    size_t at = weir__mysql_begin_command(conn);
    weir__mysql_command(&conn->out, WEIR__MYSQL_QUERY, sql);
    weir__mysql_end_command(conn, at);
    err = weir__mysql_flush(conn, f);
    if (err == WEIR_OK)
        err = weir__mysql_read_answer(conn, NULL, NULL, f);
    return err < 0 ? err : read_rows(conn, begin, out, f);
}

/* --- what it says ----------------------------------------------------------------------------- */

/* Seconds; a day where it is not known. What the server refuses to say is no failure of its. */
static weir_err ask_lag(struct weir__mysql_conn *conn, int64_t *seconds, struct weir__sql_fault *f)
{
    static const weir_str questions[] = {{"SHOW REPLICA STATUS", 19}, {"SHOW SLAVE STATUS", 17}};
    struct said said = {.is_there = false};
    weir_err err = WEIR_OK;
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        err = ask(conn, questions[i], "Seconds_Behind_", &said, f);
        if (err == WEIR_OK || f->number != BAD_SYNTAX)
            break;
        weir__sql_fault_init(f);
    }
    bool is_refused = err < 0 && f->err != WEIR_OK && !conn->is_broken;
    if (err < 0 && !is_refused)
        return err;
    weir__sql_fault_init(f);
    bool is_known = said.is_there && weir_str_i64(weir_str_from(said.text), seconds) == WEIR_OK &&
                    *seconds >= 0 && *seconds <= DAY_SEC;
    if (!is_known)
        *seconds = DAY_SEC;
    return WEIR_OK;
}

static weir_err look(struct weir__mysql_conn *conn, struct weir__node_finding *out,
                     struct weir__sql_fault *f)
{
    struct said said;
    int64_t seconds = 0;
    weir_err err = ask(conn, WEIR_S("SELECT @@global.read_only"), "@@", &said, f);
    if (err < 0)
        return err;
    bool is_primary = weir_str_eq(weir_str_from(said.text), WEIR_S("0")) ||
                      weir_str_ieq(weir_str_from(said.text), WEIR_S("OFF"));
    if (!is_primary)
        err = ask_lag(conn, &seconds, f);
    *out = (struct weir__node_finding){.is_ok = err == WEIR_OK && said.is_there,
                                       .role = is_primary ? WEIR__NODE_PRIMARY : WEIR__NODE_REPLICA,
                                       .lag = weir_sec(seconds)};
    return err;
}

weir_err weir__mysql_probe(void *driver, struct weir__ctx *c, uint32_t node, void *resource,
                           struct weir__node_finding *out)
{
    struct weir__mysql_conn *conn = resource;
    struct weir__sql_fault f;
    (void)driver;
    (void)node;
    weir__sql_fault_init(&f);
    f.number = 0;
    conn->sql.c = c;
    weir_err err = look(conn, out, &f);
    weir_err reason = err < 0 ? weir__ctx_check(c) : WEIR_OK;
    if (err == WEIR_OK || reason < 0 || f.err == WEIR_OK)
        return reason < 0 ? reason : err;
    return weir_raise_at(WEIR_HERE, weir__ctx_handle(c), f.err, 0, "%s", f.text);
}
