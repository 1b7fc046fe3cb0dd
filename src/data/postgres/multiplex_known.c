/*
 * Statements that a carrier's session has prepared (M4). Each berth has statements of its own, with
 * the cells of a row and the way into models; what the server knows by a name is one for all of
 * them, told once, and kept until 256 others have been used since.
 *
 * Owns the descriptions. Context: fibers of one worker.
 */
#include "data/postgres/multiplex.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static void unref(struct weir__pg_known *known)
{
    WEIR_ASSERT(known->refs > 0, "M4: who shows a statement is counted");
    if (--known->refs > 0 || !known->is_gone)
        return;
    weir__free(known->block);
    weir__free(known);
}

/* From the map, and at the server with the next message; those that show it still may. */
static void forget(struct weir__pg_carrier *k, struct weir__pg_known *known)
{
    if (known->is_gone)
        return;
    known->refs++;
    known->is_gone = true;
    (void)weir__map_remove(&k->known, (weir_str){known->text, known->text_len});
    weir__list_remove(&known->by_use);
    if (!k->is_over)
        weir__pg_put_close(&k->closes, 'S', known->name);
    if (k->closes.err < 0 && k->pool != NULL)
        weir__carrier_retire(k->pool); /* the server would keep what nobody closes */
    while (weir__wake_first(&known->waiting, WEIR_OK)) {
    }
    unref(known);
}

/* The one used longest ago makes room. One that is being prepared stays. */
static void forget_oldest(struct weir__pg_carrier *k)
{
    for (struct weir__list *n = k->by_use.prev; n != &k->by_use; n = n->prev) {
        struct weir__pg_known *known = WEIR_CONTAINER(n, struct weir__pg_known, by_use);
        if (known->is_ready) {
            forget(k, known);
            return;
        }
    }
}

/* --- finding ---------------------------------------------------------------------------------- */

static void describe_wait(const struct weir__wait *w, weir_buf *out)
{
    const struct weir__pg_known *known = w->object;
    weir_buf_printf(out, "%.60s", known->text);
}

/* Until it is ready, or is not to be. */
static weir_err await(struct weir__pg_conn *conn, struct weir__pg_known *known)
{
    static const struct weir__wait_type type = {.name = "postgres, another prepares",
                                                .describe = describe_wait};
    struct weir__wait w;
    weir_err err = weir__ctx_check(conn->sql.c);
    if (err != WEIR_OK)
        return weir__wait_refused(err);
    weir__wait_init(&w, &type, conn->sql.c, conn->sql.site, known);
    weir__list_push_back(&known->waiting, &w.in_object);
    return weir__park(&w, weir_never());
}

static weir_err show(struct weir__pg_stmt *s, struct weir__pg_known *known,
                     struct weir__sql_fault *f)
{
    s->sql.params = (int)known->params;
    if (weir__sql_shape(&s->sql, (int)known->columns) < 0)
        return weir__sql_fault(f, -ENOMEM, "no memory");
    memcpy(s->name, known->name, sizeof s->name);
    s->params = known->param_types;
    s->columns = known->column_facts;
    s->formats = known->formats;
    s->known = known;
    known->refs++;
    return WEIR_OK;
}

/* A new one, to be prepared by who asks. */
static weir_err make(struct weir__pg_carrier *k, struct weir__pg_stmt *s, struct weir__sql_fault *f)
{
    size_t len = s->sql.sent.len;
    struct weir__pg_known *known = weir__calloc(1, sizeof *known + len + 1);
    if (known == NULL)
        return weir__sql_fault(f, -ENOMEM, "no memory");
    memcpy(known->text, s->sql.sent.ptr, len);
    known->text_len = len;
    weir__list_init(&known->by_use);
    weir__list_init(&known->waiting);
    if (k->known.len == WEIR__PG_KNOWN_MAX)
        forget_oldest(k);
    if (weir__map_put(&k->known, (weir_str){known->text, len}, known) != WEIR_OK) {
        weir__free(known);
        return weir__sql_fault(f, -ENOMEM, "no memory");
    }
    weir__list_push_front(&k->by_use, &known->by_use);
    (void)snprintf(known->name, sizeof known->name, "m%u", ++k->named);
    memcpy(s->name, known->name, sizeof s->name);
    s->known = known;
    known->refs++;
    return WEIR_OK;
}

bool weir__pg_known_find(struct weir__pg_conn *conn, struct weir__pg_stmt *s, weir_err *err,
                         struct weir__sql_fault *f)
{
    struct weir__pg_carrier *k = conn->berth->carrier;
    for (*err = WEIR_OK; *err == WEIR_OK;) {
        struct weir__pg_known *known = weir__map_get(&k->known, s->sql.sent);
        if (known == NULL) {
            *err = make(k, s, f);
            return *err != WEIR_OK;
        }
        if (known->is_ready) {
            *err = show(s, known, f);
            return true;
        }
        *err = await(conn, known);
    }
    return true;
}

void weir__pg_known_made(struct weir__pg_conn *conn, struct weir__pg_stmt *s)
{
    struct weir__pg_known *known = s->known;
    (void)conn;
    WEIR_ASSERT(!known->is_ready && known->block == NULL, "M4: it is told once");
    known->params = (unsigned)s->sql.params;
    known->columns = (unsigned)s->sql.columns;
    known->block = s->block;
    known->param_types = s->params;
    known->column_facts = s->columns;
    known->formats = s->formats;
    known->is_ready = true;
    s->block = NULL;
    while (weir__wake_first(&known->waiting, WEIR_OK)) {
    }
}

/* --- leaving ---------------------------------------------------------------------------------- */

void weir__pg_known_drop(struct weir__pg_conn *conn, struct weir__pg_stmt *s)
{
    struct weir__pg_known *known = s->known;
    s->known = NULL;
    if (!known->is_ready) /* who was to prepare it has failed */
        forget(conn->berth->carrier, known);
    unref(known);
}

void weir__pg_known_void(struct weir__pg_conn *conn, struct weir__pg_stmt *s)
{
    forget(conn->berth->carrier, s->known);
}

bool weir__pg_known_use(struct weir__pg_conn *conn, const struct weir__pg_stmt *s)
{
    struct weir__list *first = &conn->berth->carrier->by_use;
    struct weir__pg_known *known = s->known;
    if (WEIR_UNLIKELY(known->is_gone))
        return false;
    if (first->next != &known->by_use) {
        weir__list_remove(&known->by_use);
        weir__list_push_front(first, &known->by_use);
    }
    return true;
}

void weir__pg_known_free_all(struct weir__pg_carrier *k)
{
    while (!weir__list_empty(&k->by_use))
        forget(k, WEIR_CONTAINER(k->by_use.next, struct weir__pg_known, by_use));
    weir__map_fini(&k->known);
}
