/*
 * Several statements in one send: what is added to a batch is copied, and waits for the run
 * (batch_run.c); afterwards each item tells what became of it.
 *
 * Items with the same text share one statement. A text is found by the address that the program has
 * it at, as for any other call, though it is the copy that is compared and sent.
 */
#include <string.h>

#include "base/given.h"
#include "base/model.h"
#include "data/sql/batch.h"
#include "rt/fiber.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/worker.h"

/* Shared, never written to. */
static weir_batch batch_without_memory = {.token = WEIR__TOKEN_STATIC(WEIR__KIND_BATCH),
                                          .err = -ENOMEM,
                                          .is_run = true,
                                          .is_short = true};

static weir_batch *batch_of(const weir_batch *handle, const char *function)
{
    weir_batch *b = weir__token_must(handle, WEIR__KIND_BATCH, function, "the batch");
    if (b->driver != NULL)
        weir__sql_check_fiber(b->fiber, b->site, function);
    return b;
}

/* --- as an owned thing ------------------------------------------------------------------------ */

static void release_batch(struct weir__owned *o)
{
    weir__batch_stop(WEIR_CONTAINER(o, weir_batch, owned));
}

static void describe_batch(const struct weir__owned *o, weir_buf *out)
{
    const weir_batch *b = WEIR_CONTAINER(o, weir_batch, owned);
    weir_buf_printf(out, "of %s, %zu statement%s never sent,", b->db->name, b->count,
                    b->count == 1 ? "" : "s");
}

static bool has_items(const struct weir__owned *o)
{
    return WEIR_CONTAINER(o, weir_batch, owned)->count > 0;
}

static const struct weir__owned_type batch_type = {
    .name = "batch", .release = release_batch, .describe = describe_batch, .is_mistake = has_items};

/* What cannot run in a transaction fails it: nobody commits the rest. */
static weir_err fail_tx(weir_tx *tx, weir_err err)
{
    if (tx != NULL && !tx->is_ended && tx->err == WEIR_OK)
        tx->err = err;
    return err;
}

weir_batch *weir_batch_new_at(const weir_site *site, weir_ctx *handle, weir_source from)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_batch_new");
    weir_source inside = weir__sql_source_of(from, "weir_batch_new");
    const weir_db *db = weir__sql_db_behind(inside);
    weir_batch *b = db != NULL ? weir__ctx_object(c, sizeof *b) : NULL;
    if (b == NULL) {
        (void)weir__later_refused(fail_tx(db != NULL ? inside.tx : NULL, -ENOMEM));
        return &batch_without_memory;
    }
    b->c = c;
    b->site = site;
    b->fiber = weir__self->current;
    b->from = from;
    b->db = db;
    b->driver = db->driver;
    weir__own(c, &b->owned, &batch_type, site);
    weir__token_open(&b->token, c, WEIR__KIND_BATCH);
    return weir__token_handle(&b->token);
}

/* --- adding ----------------------------------------------------------------------------------- */

static weir_err refuse(weir_batch *b, const weir_site *site, weir_err err, const char *why)
{
    return weir_raise_at(site, weir__ctx_handle(b->c), err, 0, "%s: %s", b->db->name, why);
}

static weir_err copy_values(weir_batch *b, struct weir__batch_item *item, const weir_site *site,
                            const weir_arg *args, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (weir__batch_has_text(&args[i]) &&
            __builtin_add_overflow(bytes, args[i].u.s.len, &bytes))
            bytes = SIZE_MAX;
    }
    if (count > WEIR_ARGS_MAX || bytes > WEIR_BATCH_BYTES_MAX - b->bytes)
        return refuse(b, site, WEIR_ELIMIT, "values of a batch, more or larger than it may have");
    b->bytes += bytes;
    weir_arg *copy = count > 0 ? weir__ctx_object(b->c, count * sizeof *copy + bytes) : NULL;
    if (count > 0 && copy == NULL)
        return -ENOMEM;
    char *to = (char *)(copy + count);
    for (size_t i = 0; i < count; i++) {
        copy[i] = args[i];
        if (!weir__batch_has_text(&args[i]))
            continue;
        if (args[i].u.s.len > 0)
            memcpy(to, args[i].u.s.ptr, args[i].u.s.len);
        copy[i].u.s.ptr = to;
        to += args[i].u.s.len;
    }
    item->args = copy;
    item->count = count;
    return WEIR_OK;
}

static struct weir__batch_text *find_text(const weir_batch *b, const char *sql)
{
    for (size_t i = b->text_count; i > 0; i--) {
        if (strcmp(b->texts[i - 1]->sql, sql) == 0)
            return b->texts[i - 1];
    }
    return NULL;
}

static weir_err copy_text(weir_batch *b, struct weir__batch_item *item, const weir_site *site,
                          const char *sql)
{
    struct weir__batch_text *t = find_text(b, sql);
    size_t size = strlen(sql) + 1;
    if (t == NULL) {
        if (b->text_count == WEIR_BATCH_TEXTS_MAX || size > WEIR_BATCH_BYTES_MAX - b->bytes)
            return refuse(b, site, WEIR_ELIMIT, "more different statements than a batch may have");
        t = weir__ctx_object(b->c, sizeof *t + size);
        if (t == NULL)
            return -ENOMEM;
        t->place = sql;
        t->sql = memcpy(t + 1, sql, size);
        b->bytes += size;
        b->texts[b->text_count++] = t;
    }
    item->text = t;
    return WEIR_OK;
}

static weir_err make_item(weir_batch *b, const weir_site *site, const char *sql,
                          const weir_arg *args, size_t count, struct weir__batch_item **out)
{
    if (b->count == WEIR_BATCH_MAX)
        return refuse(b, site, WEIR_ELIMIT, "more statements than a batch may have");
    struct weir__batch_item **chunk = &b->chunks[b->count / WEIR__BATCH_CHUNK];
    if (*chunk == NULL)
        *chunk = weir__ctx_object(b->c, WEIR__BATCH_CHUNK * sizeof **chunk);
    if (*chunk == NULL)
        return -ENOMEM;
    struct weir__batch_item *item = weir__batch_item_at(b, b->count);
    weir_err err = copy_text(b, item, site, sql);
    if (err == WEIR_OK)
        err = copy_values(b, item, site, args, count);
    if (err != WEIR_OK)
        return err;
    item->site = site;
    item->err = WEIR_ECANCELED;
    b->count++;
    *out = item;
    return WEIR_OK;
}

/* A new item to be filled in; NULL: it is not added, and the batch has its error. */
static struct weir__batch_item *add(weir_batch *b, const weir_site *site, const char *sql,
                                    const weir_arg *args, size_t count)
{
    struct weir__batch_item *item = NULL;
    if (b->is_run && b->err == WEIR_OK)
        b->err = refuse(b, site, WEIR_ECLOSED, "the batch has run already");
    if (b->err == WEIR_OK)
        b->err = make_item(b, site, sql, args, count, &item);
    else
        (void)weir__later_refused(b->err);
    if (item == NULL && b->driver != NULL)
        b->is_short = true;
    return item;
}

void weir_batch_one_at(const weir_site *site, weir_batch *handle, const weir_model *model,
                       void *out, const char *sql, const weir_arg *args, size_t count)
{
    WEIR__FIBERS_ONLY();
    weir__given(model, "the model");
    weir__given(out, "the object");
    weir__given(sql, "the statement");
    weir__given_some(args, count, "the array of values");
    struct weir__batch_item *item = add(batch_of(handle, "weir_batch_one"), site, sql, args, count);
    if (item == NULL)
        return;
    item->model = model;
    item->out = out;
}

void weir_batch_all_at(const weir_site *site, weir_batch *handle, const weir_model *model,
                       void *out, uint64_t rows_max, const char *sql, const weir_arg *args,
                       size_t count)
{
    WEIR__FIBERS_ONLY();
    weir__given(model, "the model");
    weir__given(out, "the array");
    weir__given(sql, "the statement");
    weir__given_some(args, count, "the array of values");
    weir_batch *b = batch_of(handle, "weir_batch_all");
    if (rows_max == 0)
        weir__misuse("weir_batch_all",
                     "rows_max is 0: each row is memory, so say how many at most");
    *(struct weir__array *)out = (struct weir__array){NULL, 0};
    struct weir__batch_item *item = add(b, site, sql, args, count);
    if (item == NULL)
        return;
    item->model = model;
    item->out = out;
    item->rows_max = rows_max;
}

void weir_batch_exec_at(const weir_site *site, weir_batch *handle, weir_result *result,
                        size_t result_size, const char *sql, const weir_arg *args, size_t count)
{
    WEIR__FIBERS_ONLY();
    weir__given(sql, "the statement");
    weir__given_some(args, count, "the array of values");
    weir_batch *b = batch_of(handle, "weir_batch_exec");
    struct weir__batch_item *item = add(b, site, sql, args, count);
    if (item == NULL)
        return;
    item->out = result;
    item->result_size = result_size;
    b->writes = true;
}

weir_err weir_batch_run_at(const weir_site *site, weir_batch *handle)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir_batch *b = batch_of(handle, "weir_batch_run");
    if (b->is_run)
        return b->err == WEIR_OK ? WEIR_OK : weir__later_refused(b->err);
    b->is_run = true;
    if (b->err == WEIR_OK) {
        weir__batch_run(b, site);
        return b->err;
    }
    weir__disown(&b->owned);
    return fail_tx(weir__sql_source_of(b->from, "weir_batch_run").tx, b->err);
}

/* --- what became of it ------------------------------------------------------------------------ */

/* NULL: it could not be added, for the batch's error. */
static const struct weir__batch_item *item_of(const weir_batch *b, size_t index,
                                              const char *function)
{
    if (index < b->count)
        return weir__batch_item_at(b, index);
    if (!b->is_short)
        weir__misuse(function, "item %zu of a batch that has %zu", index, b->count);
    return NULL;
}

weir_err weir_batch_err(const weir_batch *handle, size_t index)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    const weir_batch *b = batch_of(handle, __func__);
    const struct weir__batch_item *item = item_of(b, index, __func__);
    return item != NULL ? item->err : b->err;
}

const weir_error *weir_batch_error(const weir_batch *handle, size_t index)
{
    WEIR__FIBERS_ONLY(NULL);
    const struct weir__batch_item *item = item_of(batch_of(handle, __func__), index, __func__);
    return item != NULL ? item->error : NULL;
}

bool weir_batch_may_have_run(const weir_batch *handle, size_t index)
{
    WEIR__FIBERS_ONLY(false);
    const struct weir__batch_item *item = item_of(batch_of(handle, __func__), index, __func__);
    return item != NULL && item->may_have_run;
}
