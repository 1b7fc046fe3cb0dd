/*
 * Batches from the inside: batch.c makes them and tells what became of them, batch_run.c runs them.
 */
#ifndef WEIR_DATA_SQL_BATCH_H
#define WEIR_DATA_SQL_BATCH_H

#include "data/sql/driver.h"
#include <weir/batch.h>

enum { WEIR__BATCH_CHUNK = 16 /* items that get their memory together */ };

/* A statement's text, a copy. Items with the same one share the statement. */
struct weir__batch_text {
    const void *place; /* where the program has it: for the look-up alone, never read */
    const char *sql;
    struct weir__sql_stmt *stmt;           /* busy; NULL: not looked up */
    const struct weir__batch_item *failed; /* which could not be prepared */
};

enum weir__batch_state { WEIR__BATCH_TO_SEND, WEIR__BATCH_SENT, WEIR__BATCH_DONE };

struct weir__batch_item {
    const weir_site *site;
    struct weir__batch_text *text;
    const weir_arg *args;
    size_t count;
    const weir_model *model; /* NULL: it writes */
    void *out;
    uint64_t rows_max; /* 0: one row */
    size_t result_size;
    weir_err err;
    uint8_t state;
    bool may_have_run, is_checked, was_renewed;
    const weir_error *error;
};

struct weir_batch {
    struct weir__token token;
    struct weir__ctx *c;
    const weir_site *site;
    const struct weir__fiber *fiber;
    weir_source from; /* handles */
    const weir_db *db;
    const struct weir__sql_driver *driver;
    struct weir__owned owned; /* until it has run */
    struct weir__batch_item *chunks[WEIR_BATCH_MAX / WEIR__BATCH_CHUNK];
    struct weir__batch_text *texts[WEIR_BATCH_TEXTS_MAX];
    size_t count, text_count, bytes;
    bool writes, is_run;
    bool is_short; /* something could not be added */
    weir_err err;  /* why; then of the run */

    /* While it runs. */
    weir_tx *tx;
    struct weir__lease lease;
    struct weir__sql_conn *conn;
    weir_rows reader; /* what a row is put into members by */
    bool is_together; /* the first failure is that of all behind it */
    weir_err stop;    /* why nothing more is sent */
    bool is_dead;     /* and nothing more is read */
    bool may_have_run;
};

static inline struct weir__batch_item *weir__batch_item_at(const weir_batch *b, size_t i)
{
    return &b->chunks[i / WEIR__BATCH_CHUNK][i % WEIR__BATCH_CHUNK];
}

/* Whether a value points to bytes. */
static inline bool weir__batch_has_text(const weir_arg *a)
{
    return a->kind == WEIR_ARG_TEXT || a->kind == WEIR_ARG_BYTES || a->kind == WEIR_ARG_JSON;
}

/* --- batch_run.c ------------------------------------------------------------------------------ */

/* The run; its outcome is in `b`. It is the context's no more. May wait. */
void weir__batch_run(weir_batch *b, const weir_site *site);
/* Gives back what it holds. Idempotent; by another fiber too, in a shield. */
void weir__batch_stop(weir_batch *b);

#endif
