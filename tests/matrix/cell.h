/*
 * A cell of the matrix: one resource and one way out of a handler that holds it. The types, and
 * what both sides of a cell, the resource and the exit, may say.
 */
#ifndef WEIR_MATRIX_CELL_H
#define WEIR_MATRIX_CELL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rt/fault.h"
#include "rt/switch.h"
#include "web/web.h"
#include <weir/fiber.h>

#define MEMORY_MAX ((size_t)1 << 20) /* of a request */
#define TURNS_MAX 1000               /* of a fiber that waits for another without time passing */
#define FAILURES_TOLD 5              /* of a cell; the others are counted */

struct cell;

/* A row: something that a request may hold. */
struct resource {
    const char *name;
    /* Once a cell, before the first request: what all requests share, in `cell->shared`. */
    void (*prepare)(weir_ctx *app, struct cell *cell);
    /* Takes it through `c`; the handle, if any, into `cell->held`. */
    weir_err (*take)(weir_ctx *c, struct cell *cell);
    /* It is held now: asked in the handler, right before the exit. */
    bool (*is_held)(weir_ctx *c, struct cell *cell);
    /* After the request: everybody else finds it as it was. NULL: the counts say all. */
    bool (*is_back)(weir_ctx *c, struct cell *cell);
    /* Where the handler waits, for the exits that come while it does; NULL: a sleep. */
    weir_err (*wait)(weir_ctx *c, struct cell *cell);
    /* Before the process' next cell. NULL: nothing. */
    void (*clean)(struct cell *cell);
    bool is_slow;          /* real work of the kernel's: a twentieth of the runs */
    const char *body;      /* that the client sends, of twice the announced length; NULL: none */
    bool is_answer;        /* a response that was begun: the client sees 200, and that it is cut */
    const weir_site *site; /* of this line */
};

/* A line of a list of resources: what it is called, who takes it, then members of the above. */
#define RESOURCE(name_, take_, ...)                                                                \
    {                                                                                              \
        .name = name_, .take = take_, .site = &(const weir_site){__FILE__, #take_, __LINE__},      \
        __VA_ARGS__                                                                                \
    }

/* A column: a way out of the handler. */
struct way {
    const char *name;
    weir_err (*leave)(weir_ctx *c, struct cell *cell);
    void (*meanwhile)(struct cell *cell); /* by the client or the service; NULL: nothing */
    int status;                           /* the response's; the client sees it too … */
    bool is_unheard;                      /* … unless nobody is there */
    weir_reason reason;                   /* of the context, at its end */
    const char *off;                      /* why it cannot be had in this build; NULL: it can */
    bool is_inner;                        /* out of a block that has a context of its own */
    unsigned panics, faults;              /* that it costs */
    const char *path;                     /* of the request; NULL: "/cell" */
};

struct cell {
    const struct resource *resource;
    const struct way *way;
    void *shared, *held;
    int64_t note; /* the resource's */
    weir_ctx *c;  /* the test's own */
    weir_ctx *request;
    struct weir__web *web;
    struct weir__http_server *server;
    int listener;
    struct weir__fd client;
    bool is_at_exit, is_drained;
    unsigned done; /* requests that have ended, of this run */
    int status;    /* and how */
    weir_reason reason;
    unsigned run, failures;
};

/* A cell fails, and goes on: all that is wrong is told. */
static void expect(struct cell *cell, bool is_so, const char *format, ...) WEIR_PRINTF(3, 4);
static void expect(struct cell *cell, bool is_so, const char *format, ...)
{
    if (WEIR_LIKELY(is_so) || ++cell->failures > FAILURES_TOLD)
        return;
    const weir_site *site = cell->resource->site;
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s at \"%s\", run %u: ", cell->resource->name, cell->way->name, cell->run);
    vfprintf(stderr, format, args);
    fprintf(stderr, " (taken by %s, %s:%d)\n", site->func, site->file, site->line);
    va_end(args);
}

/* Lets the other fibers run a few times: who has been started waits by then. */
static inline void let_them_wait(weir_ctx *c)
{
    for (int i = 0; i < 4; i++)
        (void)!weir_yield(c);
}

#endif
