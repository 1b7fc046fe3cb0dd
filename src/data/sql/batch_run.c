/*
 * The run of a batch: a connection, every statement prepared, then posted as far as may be, sent,
 * and the answers read in order.
 *
 * The hard thing is what becomes of the others when one fails. On a database each stands for
 * itself. What only reads goes as one piece, for that is cheapest; a driver whose server leaves out
 * the rest of a piece behind a failure says so (was_skipped), and it is posted again. Nothing else
 * is ever sent twice. In a transaction the first failure is the end: nothing more is sent, answers
 * that are on their way are read and thrown away.
 *
 * No more is on its way at a time than fits into the buffers between two kernels: who still sends
 * does not read, and a server that cannot send does not read either.
 */
#include "base/model.h"
#include "base/sized.h"
#include "data/sql/batch.h"
#include "data/sql/nodes.h"
#include "rt/wait.h"

enum {
    SEND_BYTES = 16 << 10, /* at a time, unless one alone has more */
    STATEMENT_BYTES = 64,  /* what a statement costs without its values, and a value its text, */
    VALUE_BYTES = 48       /* at the most */
};

/* --- how an item ends ------------------------------------------------------------------------- */

/* An item has failed: its record is its own, and the context's if that has none. */
static void fail(weir_batch *b, struct weir__batch_item *item, weir_err err,
                 const struct weir__sql_fault *f)
{
    const weir_error *before = b->c->error;
    b->c->error = NULL;
    item->err = weir__sql_fail(b->db, b->c, item->site, b->tx, b->tx == NULL ? &b->lease : NULL,
                               item->text->sql, err, f);
    item->error = b->c->error;
    if (before != NULL)
        b->c->error = before;
    weir_err reason = weir__ctx_check(b->c);
    bool is_given_up = reason != WEIR_OK && item->err == reason && b->driver->post != NULL;
    item->may_have_run = f->may_have_run || (is_given_up && item->state == WEIR__BATCH_SENT);
    item->state = WEIR__BATCH_DONE;
    b->is_dead = f->is_broken || reason != WEIR_OK;
    if (b->is_dead || b->tx != NULL)
        b->stop = reason != WEIR_OK ? reason : item->err;
    if (b->tx != NULL && b->tx->err == WEIR_OK)
        b->tx->err = item->err;
}

/* As the other item with its text, which could not be prepared. */
static void fail_like(struct weir__batch_item *item, const struct weir__batch_item *other)
{
    item->err = other->err;
    item->error = other->error;
    item->state = WEIR__BATCH_DONE;
}

/* --- before it is sent ------------------------------------------------------------------------ */

static weir_err check_use(const weir_batch *b, const struct weir__batch_item *item,
                          struct weir__sql_fault *f)
{
    weir_err err = weir__sql_check_use(item->text->stmt, b->tx != NULL, f);
    if (err != WEIR_OK || b->tx != NULL || item->model == NULL || item->text->stmt->reads_only)
        return err;
    return weir__sql_fault(f, WEIR_EDB,
                           "%s on the database only reads; this writes, and wants weir_batch_exec, "
                           "or a batch in a transaction",
                           item->rows_max == 0 ? "weir_batch_one" : "weir_batch_all");
}

static void check_item(weir_batch *b, struct weir__batch_item *item)
{
    struct weir__sql_fault f;
    struct weir__batch_text *t = item->text;
    if (t->failed != NULL) {
        fail_like(item, t->failed);
        return;
    }
    weir__sql_fault_init(&f);
    weir_err err = WEIR_OK;
    if (t->stmt == NULL)
        err = weir__sql_stmt_get_by(b->conn, t->place, t->sql, &t->stmt, &f);
    if (err != WEIR_OK)
        t->failed = item;
    if (err == WEIR_OK && !item->is_checked)
        err = check_use(b, item, &f);
    if (err == WEIR_OK && !item->is_checked)
        err = weir__sql_check_values(b->driver, t->stmt, item->args, item->count, &f);
    item->is_checked = err == WEIR_OK;
    if (err != WEIR_OK)
        fail(b, item, err, &f);
}

/*
 * Each statement that is to be sent is there, prepared, which is a conversation of its own. What
 * cannot be run is out.
 */
static void check_all(weir_batch *b)
{
    for (size_t i = 0; i < b->count && b->stop == WEIR_OK; i++) {
        struct weir__batch_item *item = weir__batch_item_at(b, i);
        if (item->state == WEIR__BATCH_TO_SEND)
            check_item(b, item);
    }
}

/* --- there ------------------------------------------------------------------------------------ */

static size_t bytes_of(const struct weir__batch_item *item)
{
    size_t bytes = STATEMENT_BYTES;
    for (size_t i = 0; i < item->count; i++)
        bytes += VALUE_BYTES + (weir__batch_has_text(&item->args[i]) ? item->args[i].u.s.len : 0);
    return bytes;
}

static weir_err post(const weir_batch *b, const struct weir__batch_item *item,
                     struct weir__sql_fault *f)
{
    const struct weir__sql_values values = {item->args, item->count, false};
    weir__sql_fault_init(f);
    return b->driver->post(b->conn, item->text->stmt, &values, b->is_together, f);
}

/* As many as may go at once; how many they are. */
static size_t post_some(weir_batch *b)
{
    struct weir__sql_fault f;
    size_t n = 0, bytes = 0;
    for (size_t i = 0; i < b->count && b->stop == WEIR_OK; i++) {
        struct weir__batch_item *item = weir__batch_item_at(b, i);
        if (item->state != WEIR__BATCH_TO_SEND)
            continue;
        bytes += bytes_of(item);
        if (n > 0 && bytes > SEND_BYTES)
            break;
        weir_err err = post(b, item, &f);
        if (err == -EAGAIN)
            break; /* not before the others have been answered */
        if (err != WEIR_OK) {
            fail(b, item, err, &f);
            continue;
        }
        item->state = WEIR__BATCH_SENT;
        n++;
    }
    return n;
}

static struct weir__batch_item *first_sent(const weir_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (weir__batch_item_at(b, i)->state == WEIR__BATCH_SENT)
            return weir__batch_item_at(b, i);
    }
    return NULL;
}

/* What could not be sent as a whole is nobody's alone; those behind the first fail as it did. */
static void send_posted(weir_batch *b)
{
    struct weir__sql_fault f;
    weir__sql_fault_init(&f);
    weir_err err = b->driver->send(b->conn, &f);
    struct weir__batch_item *first = err != WEIR_OK ? first_sent(b) : NULL;
    if (first == NULL)
        return;
    fail(b, first, err, &f);
    first->may_have_run = f.may_have_run;
    b->may_have_run = f.may_have_run;
    for (size_t i = 0; i < b->count && !b->is_dead; i++) {
        if (weir__batch_item_at(b, i)->state == WEIR__BATCH_SENT)
            fail_like(weir__batch_item_at(b, i), first);
    }
}

/* --- and back --------------------------------------------------------------------------------- */

static weir_err read_one(weir_batch *b, const struct weir__batch_item *item,
                         struct weir__sql_fault *f)
{
    int rc = b->driver->fetch(b->conn, item->text->stmt, f);
    if (rc <= 0)
        return rc == 0 ? WEIR_ENOTFOUND : rc;
    return weir__sql_put_row(&b->reader, item->model, item->out, f);
}

static weir_err read_all(weir_batch *b, const struct weir__batch_item *item,
                         struct weir__sql_fault *f)
{
    struct weir__array all = {NULL, 0};
    size_t cap = 0;
    b->reader.max = item->rows_max;
    for (;;) {
        int rc = b->driver->fetch(b->conn, item->text->stmt, f);
        if (rc == 0)
            *(struct weir__array *)item->out = all;
        if (rc <= 0)
            return rc;
        if (all.len == item->rows_max)
            return weir__sql_fault(f, WEIR_ELIMIT,
                                   "more than %llu rows, which is the cap of this query",
                                   (unsigned long long)item->rows_max);
        void *row = weir__sql_room_for(&b->reader, item->model, &all, &cap);
        if (row == NULL)
            return -ENOMEM;
        weir_err err = weir__sql_put_row(&b->reader, item->model, row, f);
        if (err != WEIR_OK)
            return err;
        all.len++;
    }
}

static void take_outcome(weir_batch *b, const struct weir__batch_item *item,
                         const struct weir__sql_outcome *outcome)
{
    if (item->out != NULL)
        weir__sized_fill(item->out, item->result_size,
                         &(weir_result){outcome->changes, outcome->last_id}, sizeof(weir_result));
    if (b->tx == NULL)
        return;
    b->tx->changes = outcome->changes;
    if (outcome->last_id != 0)
        b->tx->last_id = outcome->last_id;
}

/* Up to its rows or its end: of one that was posted, or by itself. */
static weir_err start(weir_batch *b, const struct weir__batch_item *item,
                      struct weir__sql_outcome *outcome, struct weir__sql_fault *f)
{
    struct weir__sql_stmt *stmt = item->text->stmt;
    bool for_rows = item->model != NULL;
    const struct weir__sql_values values = {item->args, item->count, false};
    if (b->driver->post != NULL)
        return b->driver->await(b->conn, stmt, for_rows, outcome, f);
    return b->driver->execute(b->conn, stmt, &values, for_rows, outcome, f);
}

static weir_err read_item(weir_batch *b, struct weir__batch_item *item, struct weir__sql_fault *f)
{
    struct weir__sql_outcome outcome = {0};
    weir__sql_fault_init(f);
    b->reader.stmt = item->text->stmt;
    weir_err err = start(b, item, &outcome, f);
    if (err == WEIR_OK && item->model != NULL)
        err = item->rows_max == 0 ? read_one(b, item, f) : read_all(b, item, f);
    else if (err == WEIR_OK)
        take_outcome(b, item, &outcome);
    if (b->driver->post == NULL)
        b->driver->finish(b->conn, item->text->stmt);
    return err;
}

/* A statement that the server has forgotten is looked up anew. */
static void renew(weir_batch *b, struct weir__batch_text *t)
{
    struct weir__sql_stmt *stmt = t->stmt;
    if (stmt == NULL || !stmt->is_void)
        return;
    t->stmt = NULL;
    weir__sql_stmt_put(b->conn, stmt);
}

/* The server has left out this one and all that was sent behind it: they are sent again. */
static void take_back(weir_batch *b, struct weir__batch_item *item)
{
    item->was_renewed = item->was_renewed || item->text->stmt->is_void;
    for (size_t i = 0; i < b->count; i++) {
        if (weir__batch_item_at(b, i)->state == WEIR__BATCH_SENT)
            weir__batch_item_at(b, i)->state = WEIR__BATCH_TO_SEND;
    }
    renew(b, item->text);
}

static void read_answer(weir_batch *b, struct weir__batch_item *item)
{
    struct weir__sql_fault f;
    weir_err err = read_item(b, item, &f);
    if (err == WEIR_OK || err == WEIR_ENOTFOUND) {
        item->err = err;
        item->state = WEIR__BATCH_DONE;
    } else if (f.was_skipped && b->tx == NULL && !item->was_renewed) {
        take_back(b, item);
    } else {
        fail(b, item, err, &f);
    }
}

/* What a transaction that has failed still gets is of no interest, but that it comes. */
static void pass_over(weir_batch *b, struct weir__batch_item *item)
{
    struct weir__sql_fault f;
    struct weir__sql_outcome outcome = {0};
    weir__sql_fault_init(&f);
    item->state = WEIR__BATCH_DONE;
    int rc = start(b, item, &outcome, &f) == WEIR_OK && item->model != NULL;
    while (rc > 0)
        rc = b->driver->fetch(b->conn, item->text->stmt, &f);
    b->is_dead = f.is_broken || weir__ctx_check(b->c) != WEIR_OK;
}

static void read_answers(weir_batch *b)
{
    for (size_t i = 0; i < b->count && !b->is_dead; i++) {
        struct weir__batch_item *item = weir__batch_item_at(b, i);
        if (item->state == WEIR__BATCH_SENT && b->stop == WEIR_OK)
            read_answer(b, item);
        else if (item->state == WEIR__BATCH_SENT)
            pass_over(b, item);
    }
}

/* --- the run ---------------------------------------------------------------------------------- */

void weir__batch_stop(weir_batch *b)
{
    for (size_t i = 0; i < b->text_count; i++) {
        struct weir__sql_stmt *stmt = b->texts[i]->stmt;
        b->texts[i]->stmt = NULL;
        if (stmt != NULL)
            weir__sql_stmt_put(b->conn, stmt);
    }
    b->conn = NULL;
    if (b->tx == NULL)
        weir__lease_release(&b->lease);
}

static void leave_run(weir_batch **b)
{
    weir__batch_stop(*b);
    weir__disown(&(*b)->owned);
}

static weir_err get_conn(weir_batch *b, const weir_site *site, struct weir__sql_fault *f)
{
    weir_db *db = weir__sql_db_behind(weir__sql_source_of(b->from, "weir_batch_run"));
    enum weir__sql_purpose purpose = b->writes ? WEIR__SQL_WRITE : WEIR__SQL_READ;
    weir_err err = WEIR_OK;
    if (b->tx != NULL) {
        b->conn = b->tx->conn;
        err = weir__sql_check_alone(b->tx, f);
    } else {
        err = b->driver->take(db, b->c, site, purpose, &b->owned, &b->lease, &b->conn, f);
    }
    if (err != WEIR_OK)
        return err;
    b->conn->c = b->c;
    b->conn->site = site;
    b->reader = (weir_rows){.driver = b->driver, .db = db, .c = b->c, .copies_texts = true};
    b->is_together = b->tx != NULL || !b->writes;
    return WEIR_OK;
}

/* One after the other, where that is all that there is. */
static void run_singly(weir_batch *b)
{
    for (size_t i = 0; i < b->count && b->stop == WEIR_OK; i++) {
        if (weir__batch_item_at(b, i)->state == WEIR__BATCH_TO_SEND)
            read_answer(b, weir__batch_item_at(b, i));
    }
}

static void run_all(weir_batch *b)
{
    check_all(b);
    if (b->driver->post == NULL) {
        run_singly(b);
        return;
    }
    while (b->stop == WEIR_OK && post_some(b) > 0) {
        send_posted(b);
        read_answers(b);
        check_all(b);
    }
}

/* What is not done by now: sent in vain, or never. */
static void end_rest(weir_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        struct weir__batch_item *item = weir__batch_item_at(b, i);
        if (item->state == WEIR__BATCH_DONE)
            continue;
        if (b->is_dead)
            item->err = b->stop;
        item->may_have_run = item->state == WEIR__BATCH_SENT && b->may_have_run;
    }
}

static weir_err first_error(const weir_batch *b)
{
    weir_err first = WEIR_OK;
    for (size_t i = 0; i < b->count; i++) {
        weir_err err = weir__batch_item_at(b, i)->err;
        if (err != WEIR_OK && err != WEIR_ENOTFOUND)
            return err;
        first = first == WEIR_OK ? err : first;
    }
    return first;
}

static void fail_whole(weir_batch *b, weir_err err)
{
    b->err = err;
    for (size_t i = 0; i < b->count; i++)
        weir__batch_item_at(b, i)->err = err;
}

void weir__batch_run(weir_batch *b, const weir_site *site)
{
    struct weir__sql_fault f;
    weir_batch *running __attribute__((cleanup(leave_run))) = b;
    weir_source from = weir__sql_source_of(b->from, "weir_batch_run");
    b->tx = from.tx;
    weir_err err = b->tx != NULL ? weir__sql_check_tx(b->tx, site, "weir_batch_run") : b->db->err;
    if (err != WEIR_OK)
        fail_whole(running, weir__later_refused(err));
    if (err != WEIR_OK || b->count == 0)
        return;
    weir__sql_fault_init(&f);
    err = get_conn(b, site, &f);
    if (err != WEIR_OK) {
        fail_whole(b, weir__sql_fail(b->db, b->c, site, b->tx, b->tx == NULL ? &b->lease : NULL,
                                     NULL, err, &f));
        return;
    }
    b->may_have_run = true;
    run_all(b);
    end_rest(b);
    if (b->tx == NULL && b->writes && b->db->nodes != NULL) /* which its request knows of now */
        weir__sql_nodes_wrote(b->db->nodes, b->c, 0);
    b->err = b->stop != WEIR_OK ? b->stop : first_error(b);
}
