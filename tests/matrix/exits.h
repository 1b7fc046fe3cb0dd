/*
 * The ways out of a handler, one line each: the columns of the matrix. Another one is another line
 * in EXITS, and a function that does it.
 */
#ifndef WEIR_MATRIX_EXITS_H
#define WEIR_MATRIX_EXITS_H

#include "cell.h"
#include "http/common/conn.h"
#include "http/http.h"

#if defined(WEIR__ASAN) || defined(WEIR__TSAN)
#define FAULTS_OFF "faults are the sanitizer's to report"
#else
#define FAULTS_OFF NULL
#endif

/* name, what the handler does, what the world does meanwhile, status, reason; then the rest */
#define EXITS(X)                                                                                   \
    X(RETURN, "return", answers, NULL, 200, NONE, NULL)                                            \
    X(EARLY, "early return", answers, NULL, 200, NONE, NULL, .is_inner = true)                     \
    X(ERROR, "error", fails, NULL, 409, NONE, NULL)                                                \
    X(PANIC, "panic", panics, NULL, 500, NONE, NULL, .panics = 1)                                  \
    X(NULL, "null dereference", reads_null, NULL, 500, NONE, FAULTS_OFF, .panics = 1, .faults = 1) \
    X(DEADLINE, "deadline", waits, NULL, 504, DEADLINE, NULL, .path = "/soon")                     \
    X(CANCEL, "caller's cancel", waits, cancels, 500, CALLER, NULL)                                \
    X(GONE, "client gone", waits, leaves, 499, CLIENT_GONE, NULL, .is_unheard = true)              \
    X(DRAIN, "drain", waits, drains, 503, SHUTDOWN, NULL)                                          \
    X(BUDGET, "budget exceeded", overspends, NULL, 503, BUDGET, NULL)

/* --- what the handler does, with the resource in its hands ------------------------------------ */

static weir_err answers(weir_ctx *c, struct cell *cell)
{
    return cell->resource->is_answer ? WEIR_OK : weir_text(c, 200, "done\n");
}

static weir_err fails(weir_ctx *c, struct cell *cell)
{
    (void)cell;
    return weir_fail(c, 409, "as it was asked to");
}

static weir_err panics(weir_ctx *c, struct cell *cell)
{
    (void)c, (void)cell;
    weir_panic("as it was asked to");
}

static weir_err reads_null(weir_ctx *c, struct cell *cell)
{
    static int *volatile nowhere;
    (void)c, (void)cell;
    return *(volatile int *)nowhere;
}

static weir_err waits(weir_ctx *c, struct cell *cell)
{
    weir_err err =
        cell->resource->wait != NULL ? cell->resource->wait(c, cell) : weir_sleep(c, weir_sec(20));
    expect(cell, err != WEIR_OK, "the wait ended by itself");
    return err;
}

static weir_err overspends(weir_ctx *c, struct cell *cell)
{
    expect(cell, weir_alloc(c, 2 * MEMORY_MAX) == NULL, "the budget gave more than it has");
    return WEIR_EBUDGET;
}

/* --- what the world does, while the handler waits --------------------------------------------- */

static void cancels(struct cell *cell)
{
    weir_cancel(cell->request);
}

static void leaves(struct cell *cell)
{
    weir__fd_close(&cell->client);
}

/* As the application's drain: what runs may end; it does not; it is cancelled. */
static void drains(struct cell *cell)
{
    struct weir__ctx *c = weir__ctx_of(cell->c);
    struct weir__http_stats stats;
    const struct weir__http_worker *home = cell->server->homes[0];
    weir__http_server_drain(cell->server, c);
    for (int i = 0; i < TURNS_MAX && !home->is_drained; i++)
        (void)!weir_yield(cell->c);
    weir__http_server_stats(cell->server, &stats);
    expect(cell, home->is_drained && stats.active == 1, "the drain did not wait for the handler");
    weir__http_server_cancel_all(cell->server, c, WEIR_REASON_SHUTDOWN);
    cell->is_drained = true;
}

#define EXIT_NUMBER(id, ...) EXIT_##id,
#define EXIT_ROW(id, name_, leave_, meanwhile_, status_, reason_, off_, ...)                       \
    {.name = name_,                                                                                \
     .leave = leave_,                                                                              \
     .meanwhile = meanwhile_,                                                                      \
     .status = status_,                                                                            \
     .reason = WEIR_REASON_##reason_,                                                              \
     .off = off_,                                                                                  \
     ##__VA_ARGS__},

enum { EXITS(EXIT_NUMBER) EXIT_COUNT };
static const struct way exits[EXIT_COUNT] = {EXITS(EXIT_ROW)};

#endif
