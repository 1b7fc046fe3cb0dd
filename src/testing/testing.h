/*
 * The inside of a test: a service on the simulation whose worker is turned by hand, its client, and
 * what is counted to find what is left.
 *
 * T1: while a test is open its worker is the calling thread's, and no fiber runs but within
 *     weir__test_drive.
 * T2: what the test itself keeps (replies, texts) is not from the heap's door (base/alloc.h):
 *     planned failures hit the service alone.
 */
#ifndef WEIR_TESTING_TESTING_H
#define WEIR_TESTING_TESTING_H

#include "app/app.h"
#include "app/gate.h"
#include "rt/runtime.h"
#include "wire/chunked.h"
#include <weir/test.h>

/* --- reply.c: a response as it comes in --------------------------------------------------- */

enum weir__reply_body {
    WEIR__REPLY_NONE,
    WEIR__REPLY_LENGTH,
    WEIR__REPLY_CHUNKED,
    WEIR__REPLY_REST
};

struct weir__reply {
    struct weir__reply *next; /* of the test's */
    char *bytes;              /* all that came, and a NUL */
    size_t len, cap;
    size_t head_len; /* 0: it is not whole yet */
    size_t at;       /* bytes that are used up */
    char *body;
    size_t body_len, body_cap;
    enum weir__reply_body kind;
    uint64_t left; /* of a body with a length */
    struct weir__chunked chunked;
    int status;
    bool has_no_body; /* it answers HEAD */
    bool is_whole, is_over;
    const char *mistake; /* why this is no response; NULL: it is one */
};

void weir__reply_add(struct weir__reply *r, const char *bytes, size_t n);
/* The connection has ended; `was_reset`: not as it should. */
void weir__reply_end(struct weir__reply *r, bool was_reset);
void weir__reply_free(struct weir__reply *r);

/* For a while of virtual time. */
struct weir__alarm {
    struct weir__timer timer;
    bool has_rung;
};

/* --- client.c: a request on its way ------------------------------------------------------- */

struct weir__ask {
    char *text;
    size_t len, sent;
    struct weir__reply *reply; /* the test's */
    struct weir__alarm gone;
    bool is_reset; /* by weir__ask_reset */
};

/* Connects and sends what there is room for; the service has not seen it yet. */
void weir__ask_begin(weir_test *t, struct weir__ask *ask, const char *method, const char *target,
                     const weir_test_options *options);

/* Lets the service answer, then closes the connection. */
weir_test_reply weir__ask_end(weir_test *t, struct weir__ask *ask, weir_dur gone_after);

/* The client vanishes, from within a turn. */
void weir__ask_reset(weir_test *t);

/* --- service.c ---------------------------------------------------------------------------- */

/* What there is of what may leak. */
struct weir__test_counts {
    uint64_t fibers, contexts, leases, watched, sockets, connections, reports;
};

enum { WEIR__TEST_LOG_BYTES = 256 << 10, WEIR__TEST_TEXT_BYTES = 16 << 10 };

struct weir_test {
    weir_app *app; /* NULL: none */
    struct weir__runtime *rt;
    struct weir__worker *w;
    struct weir__run run;
    int listener;
    bool is_started;       /* the start is over, well or not */
    struct weir__gate end; /* the main fiber waits for it */
    size_t fds_before;
    int client;                      /* the connection of the request that is on; -1: none */
    struct weir__ask *ask;           /* that request; NULL: none */
    struct weir__test_counts before; /* when the start was over */
    struct weir__reply *replies;
    weir_buf log, error, leaks, sql;
    char log_bytes[WEIR__TEST_LOG_BYTES];
    char error_bytes[WEIR__TEST_TEXT_BYTES];
    char leaks_bytes[WEIR__TEST_TEXT_BYTES];
    char sql_bytes[WEIR__TEST_TEXT_BYTES];
};

/*
 * Turns the worker until `is_done`; false when nothing can happen any more, or not within
 * `patience` of virtual time.
 */
bool weir__test_drive(weir_test *t, bool (*is_done)(weir_test *t, void *arg), void *arg,
                      weir_dur patience);

/* For our own tests: what is done to each server before it starts; NULL, as at first: nothing. */
extern void (*weir__test_prepares)(struct weir__http_server *server);

/* As weir_test_run, with a deadline. */
weir_err weir__test_run_until(weir_test *t, weir_fiber_fn fn, void *arg, weir_time deadline);

void weir__test_count(const weir_test *t, struct weir__test_counts *out);

/* Lets it come back to `before`, and appends a line for whatever does not. */
void weir__test_list_leaks(weir_test *t, const struct weir__test_counts *before, weir_buf *out);

void weir__alarm_set(weir_test *t, struct weir__alarm *a, weir_dur d);

/* sqlite_calls.c: from now on SQLite's system calls count, and may fail; or no more. */
void weir__test_sqlite_calls(bool on);

/* A buffer of fixed size as a C string. */
const char *weir__test_text(weir_buf *b);

#endif
