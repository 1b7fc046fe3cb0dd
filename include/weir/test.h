/*
 * Testing a service in its own process, on one thread, without a socket and on virtual time. What
 * waits costs nothing: when no fiber is ready the clock jumps to the next timer. Every run is the
 * same as the last one.
 *
 *     weir_test *t = weir_test_open(shop_app(1, (char *[]){"shop", NULL}));
 *     weir_test_reply r = weir_test_request(t, "POST", "/users", .json = "{\"name\":\"Ada\"}");
 *     assert(r.status == 201);
 *     assert(strcmp(weir_test_leaks(t), "") == 0);
 *     assert(strcmp(weir_test_close(t), "") == 0);
 *
 * Nothing here asserts: results are values, and what is wrong is a text that is empty when nothing
 * is, so any library for tests will do. Called on the test's own stack, never in a fiber; a failing
 * assertion may leave by longjmp. weir_test_everywhere lets a request fail at each place where the
 * world can let it fail.
 *
 * Not part of <weir/weir.h>, nor of the library of services: tests include it, and are linked with
 * what `pkg-config --libs weir-test` says.
 */
#ifndef WEIR_TEST_H
#define WEIR_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/app.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A service that runs in the test. */
typedef struct weir_test weir_test;

/**
 * Starts an application in the test: its options, its routes, its own start, all but the port. The
 * log is kept for weir_test_log.
 *
 * app      of weir_app_new; freed by weir_test_close. NULL: none, for functions that need only a
 *          context
 * returns  the test; never NULL: weir_test_error says why a service did not start, and what is
 *          asked of it gets no answer
 * owner    weir_test_close ends it. One is open at a time: a second ends the first, which is how a
 *          test that was left in the middle by a failed assertion is cleaned up
 * context  outside of fibers
 */
WEIR_API weir_test *weir_test_open(weir_app *app) WEIR_MUST_USE WEIR_NEVER_NULL;

/**
 * Why the service did not start, a line for each mistake; "" when it did. Borrowed from the test.
 */
WEIR_API const char *weir_test_error(const weir_test *t) WEIR_NEVER_NULL WEIR_NONNULL(1);

/**
 * Ends the service as SIGTERM does: what runs may end within a second, is then cancelled, and the
 * application's context gives back what the start opened. Frees the test. NULL is allowed.
 *
 * returns  what is left, a line each: requests that had to be cancelled, descriptors that are open
 *          and were not before; "" when nothing is. Valid until the next call of this function
 * context  outside of fibers
 */
WEIR_API const char *weir_test_close(weir_test *t) WEIR_NEVER_NULL;
/* Nobody calls this, and it does not exist: it tells the compiler what ends a test. */
weir_test *weir__test_to_close(void) WEIR_ENDED_BY(weir_test_close);

/**
 * Prepares all statements in WEIR_SQL of the program on the databases that the service's start has
 * opened (weir_check_sql); one must fit one of them.
 *
 *     assert(strcmp(weir_test_check_sql(t), "") == 0);
 *
 * returns  what does not fit, a line each; "" when all do. Borrowed from the test, until the next
 *          call of this function
 * context  outside of fibers
 */
WEIR_API const char *weir_test_check_sql(weir_test *t) WEIR_NEVER_NULL WEIR_NONNULL(1);

/* --- requests ----------------------------------------------------------------------------- */

/** What a request has besides its method and its target. Read during the call, and not kept. */
typedef struct weir_test_options {
    size_t size;         /* the macro's */
    const char *headers; /* lines, parted by '\n': "Accept: text/plain\nX-Token: 7" */
    const char *json;    /* the body, with its Content-Type */
    weir_str body;       /* the body as it is, where there is no `json` */
    /*
     * The client is gone so long after it has asked, if it has not been answered; 0: it stays.
     */
    weir_dur gone_after;
} weir_test_options;

/** What came back. Strings are borrowed from the test, up to its end, and end with a NUL. */
typedef struct weir_test_reply {
    int status;    /* 0: the connection ended before a response began */
    bool is_whole; /* all of the response came; false: it was visibly cut */
    weir_str head; /* status line and header lines */
    weir_str body; /* without its framing; of 101 what was sent up to the connection's end */
} weir_test_reply;

/**
 * Asks the service, over a connection of its own, as a client would; returns when the answer is
 * there or the connection has ended.
 *
 *     weir_test_request(t, "GET", "/users?limit=3")
 *     weir_test_request(t, "PUT", "/users/7", .json = "{…}", .headers = "X-Token: 7")
 *
 * t        an open test
 * method, target  read during the call, and not kept
 * ...      members of weir_test_options
 * returns  the reply; after an hour of virtual time without one, status 0
 * context  outside of fibers
 */
#define weir_test_request(t, method, ...) WEIR__TEST_REQUEST(t, method, __VA_ARGS__, )
#define WEIR__TEST_REQUEST(t, method, target, ...)                                                 \
    WEIR__CALL(weir_test_request_of, ((t), (method), (target)), weir_test_options, __VA_ARGS__)
/** The function behind weir_test_request. */
WEIR_API weir_test_reply weir_test_request_of(weir_test *t, const char *method, const char *target,
                                              const weir_test_options *options)
    WEIR_NONNULL(1, 2, 3);

/**
 * The first header of that name, in any case; absent when there is none. Borrowed from what `r`
 * points to; `name` is read during the call.
 */
WEIR_API weir_str weir_test_header(const weir_test_reply *r, const char *name) WEIR_NONNULL(1, 2);

/* --- the service from inside -------------------------------------------------------------- */

/**
 * Runs a function in a fiber of the service with a context of its own, and waits for its end: to
 * prepare a database, to look at it, to test a function that wants a context.
 *
 * arg      given to `fn` during the call, and not kept
 * returns  what `fn` returned; WEIR_EPANIC when it panicked. What an error's record says is in
 *          weir_test_log
 * context  outside of fibers
 */
WEIR_API weir_err weir_test_run(weir_test *t, weir_fiber_fn fn, void *arg) WEIR_NONNULL(1, 2);

/** Lets time go on by `d`, and everything happen that is due by then. */
WEIR_API void weir_test_advance(weir_test *t, weir_dur d) WEIR_NONNULL(1);

/**
 * What should not be there between requests: lets background work end (at most ten minutes of
 * virtual time), then lists fibers that still run, leases that are out, connections that are open,
 * each only where there are more than when the service had started, and how much was left open by
 * mistake since then (the log says where).
 *
 * returns  a line each; "" when there is nothing. Borrowed from the test until the next call
 */
WEIR_API const char *weir_test_leaks(weir_test *t) WEIR_NEVER_NULL WEIR_NONNULL(1);

/** What was logged so far, a JSON object a line; the first 256 KiB. Borrowed from the test. */
WEIR_API const char *weir_test_log(const weir_test *t) WEIR_NEVER_NULL WEIR_NONNULL(1);

/* --- everywhere --------------------------------------------------------------------------- */

/** What is to be tried everywhere: a request to a service, or a function. */
typedef struct weir_test_plan {
    size_t size;      /* the macro's */
    const char *name; /* in reports and WEIR_TEST_REPLAY; default: the request, or the place */

    /*
     * Makes the application, anew for each run. May be NULL with `run`. It and all below get `arg`.
     */
    weir_app *(*app)(void *arg);
    void *arg;
    weir_fiber_fn before; /* brings the world where the request finds it; nothing fails in it */

    const char *method, *target; /* the request … */
    weir_test_options with;      /* … and what it has besides */
    /*
     * Or this function, in a fiber with a context of its own and a request's deadline of 30 s.
     */
    weir_fiber_fn run;

    /*
     * Looks at the world afterwards. `r` is NULL after a `run`. An error fails the run; its record
     * (weir_raise) says why.
     */
    weir_err (*after)(weir_ctx *c, const weir_test_reply *r, void *arg);

    bool leaves_open;  /* what is left open by mistake is expected: it is not a failure */
    unsigned runs_max; /* of each kind; 0: 1,000, or WEIR_TEST_RUNS_MAX of the environment */
    uint64_t seed;     /* of what is random; the default is as good as any */
} weir_test_plan;

/** What came of it. */
typedef struct weir_test_report {
    int status;           /* of the answer when nothing failed */
    unsigned waits, gone; /* runs in which a wait was cancelled, the client left at a wait */
    unsigned allocations; /* runs in which an allocation failed */
    unsigned calls;       /* runs in which a system call failed, once for each of its errors */
    unsigned refusals;    /* runs in which a limit was reached: WEIR_ELIMIT */
    unsigned orders;      /* runs in another order of fibers */
    unsigned skipped;     /* that runs_max left out */
    unsigned failures;    /* runs that were not as they must be */
    const char *text;     /* the first failures, each with its seed; "" when there is none */
} weir_test_report;

/**
 * Runs a request, or a function, in every way in which the world can let it fail, one at a time: at
 * its first, second, … last wait its context is cancelled, and the client leaves; its first, …
 * allocation fails; its first, … system call fails, with each error that this call may have; the
 * first, … time that load may be refused (a fiber, background work, a timer, a subscription, an
 * offloaded call, a place in a pool's line) the limit is reached; the fibers that are ready take
 * their turns in every other order, up to runs_max and then at random. Each run has an application
 * of its own, so it is the same when it is repeated alone.
 *
 * After each run there must be: an answer that is whole, or a connection that was visibly cut; no
 * status that blames the client where the run without a failure did not; no fiber, context, lease,
 * watched descriptor, timer, descriptor or byte of heap more than before; nothing left open by
 * mistake; and `after` must agree.
 *
 *     weir_test_report r = weir_test_everywhere(.app = shop, .method = "GET", .target = "/users");
 *     assert(r.status == 200 && r.waits > 0);
 *     assert(strcmp(r.text, "") == 0);
 *
 * A failure is reported with its seed: the name and what failed where, as
 *
 *     WEIR_TEST_REPLAY='GET /users: wait 3'
 *
 * With that in the environment, weir_test_everywhere makes this run alone and writes its log to
 * standard error; those of other names make none. In a debugger, break at weir_test_fault: it is
 * called where the wait begins, the allocation is asked for, the call is made.
 *
 * ...      members of weir_test_plan
 * returns  the report; its text is valid until the next call
 * limits   single-threaded: weir_offload runs its call at once, and other threads are not failed
 * context  outside of fibers, no test open
 */
#define weir_test_everywhere(...) WEIR__TEST_EVERYWHERE(__VA_ARGS__, )
#define WEIR__TEST_EVERYWHERE(...)                                                                 \
    WEIR__CALL(weir_test_everywhere_at, (WEIR_HERE), weir_test_plan, __VA_ARGS__)
/** The function behind weir_test_everywhere; `plan` is read during the call, and not kept. */
WEIR_API weir_test_report weir_test_everywhere_at(const weir_site *site, const weir_test_plan *plan)
    WEIR_NONNULL(2);

/** Called where a failure is about to happen: the place for a debugger's break point. */
WEIR_API void weir_test_fault(void);

#ifdef __cplusplus
}
#endif
#endif
