/*
 * What columns a statement's rows have. They come with PREPARE, and with EXECUTE where the server
 * does not keep that in mind (MySQL), or where it has become another (a table was altered, a value
 * of another type was given). Usually they are what they were: then nothing is allocated, and the
 * core's plan stays.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "data/mysql/mysql.h"

/* A new set, while it is read. Names move until the last one is there. */
struct made {
    struct weir__mysql_column *columns; /* name.ptr is not set, but for its length */
    weir_buf names;
    unsigned count;
};

static bool is_same(const struct weir__mysql_column *a, const struct weir__mysql_column *b)
{
    return a->type == b->type && a->extra == b->extra && a->charset == b->charset &&
           a->is_unsigned == b->is_unsigned && weir_str_eq(a->name, b->name);
}

static void add(struct made *m, const struct weir__mysql_column *c)
{
    m->columns[m->count++] = *c;
    weir_buf_add(&m->names, c->name.ptr, c->name.len);
}

static weir_err begin(struct made *m, const struct weir__mysql_stmt *s, unsigned same,
                      unsigned count)
{
    m->columns = weir__calloc(count, sizeof *m->columns);
    if (m->columns == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < same; i++)
        add(m, &s->columns[i]);
    return WEIR_OK;
}

/* Columns, their scratch and their names in one piece of memory, which the statement has then. */
static weir_err take(struct made *m, struct weir__mysql_stmt *s)
{
    size_t names_at = m->count * (sizeof *m->columns + sizeof *s->scratch);
    char *block = m->names.err < 0 ? NULL : weir__malloc(names_at + m->names.len + 1);
    if (block == NULL || weir__sql_shape(&s->sql, (int)m->count) < 0) {
        weir__free(block);
        return -ENOMEM;
    }
    char *name = block + names_at;
    if (m->names.len > 0)
        memcpy(name, m->names.ptr, m->names.len);
    for (unsigned i = 0; i < m->count; i++) {
        m->columns[i].name.ptr = name;
        name += m->columns[i].name.len;
    }
    memcpy(block, m->columns, m->count * sizeof *m->columns);
    weir__free(s->columns);
    s->columns = (struct weir__mysql_column *)(void *)block;
    s->scratch = (char(*)[WEIR__MYSQL_CLOCK_MAX])(block + m->count * sizeof *m->columns);
    return WEIR_OK;
}

weir_err weir__mysql_read_column(struct weir__mysql_conn *conn, struct weir__mysql_column *c,
                                 struct weir__sql_fault *f)
{
    weir_str body;
    weir_err err = weir__mysql_next(conn, &body, f);
    if (err < 0)
        return err;
    WEIR_ASSERT(conn->definitions > 0, "M1: what is read is owed");
    conn->definitions--;
    bool is_extended = weir__mysql_can(conn, WEIR__MARIADB_EXTENDED_METADATA);
    int rc = weir__mysql_column_read(body, is_extended, c);
    return rc < 0 ? weir__mysql_malformed(conn, rc, f) : WEIR_OK;
}

/* Into `m`, where there is a new one, or this one is another than `s` has. */
static weir_err take_one(struct made *m, const struct weir__mysql_stmt *s, unsigned i,
                         unsigned count, const struct weir__mysql_column *c)
{
    bool is_new = m->columns != NULL;
    if (!is_new && ((int)count != s->sql.columns || !is_same(c, &s->columns[i]))) {
        is_new = true;
        if (begin(m, s, i, count) < 0)
            return -ENOMEM;
    }
    if (is_new)
        add(m, c);
    return WEIR_OK;
}

weir_err weir__mysql_read_columns(struct weir__mysql_conn *conn, struct weir__mysql_stmt *s,
                                  unsigned count, struct weir__sql_fault *f)
{
    struct made m = {0};
    weir_err err = WEIR_OK;
    weir_buf_init(&m.names, WEIR__MYSQL_COLUMNS_MAX * (size_t)1024);
    for (unsigned i = 0; i < count && err == WEIR_OK; i++) {
        struct weir__mysql_column c;
        err = weir__mysql_read_column(conn, &c, f);
        if (err == WEIR_OK && take_one(&m, s, i, count, &c) < 0)
            err = weir__sql_fault(f, -ENOMEM, "no memory");
    }
    if (err == WEIR_OK && m.columns != NULL && take(&m, s) < 0)
        err = weir__sql_fault(f, -ENOMEM, "no memory");
    s->sql.is_void = s->sql.is_void || err < 0;
    weir__free(m.columns);
    weir_buf_fini(&m.names);
    return err;
}
