/*
 * Failing a request. A handler fails by returning an error; whatever it is, the client gets one
 * JSON object, {"code":"not_found","msg":"no such user","data":null}, with the status that belongs
 * to it. What is not meant for clients (SQL, paths, panics) goes to the log, once, with the place
 * that raised it.
 *
 * Which status and text an error has, in this order: the one given by weir_fail; the application's
 * table of errors; that of Weir's own codes (time-outs 504, limits 503, budgets 503, too large 413
 * …); 500.
 */
#ifndef WEIR_FAIL_H
#define WEIR_FAIL_H

#include <weir/route.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Fails the request: records status and message, and returns the error to be returned.
 *
 *     return weir_fail(c, 401, "the token has expired");
 *
 * status   400 to 599
 * ...      printf format and values: what the client is told; the text is made during the call
 * returns  WEIR_EFAIL. An error recorded before becomes its cause, for the log
 * context  fiber
 */
#define weir_fail(c, status, ...) weir_fail_at(WEIR_HERE, (c), (status), __VA_ARGS__)
/** The function behind weir_fail. */
WEIR_API weir_err weir_fail_at(const weir_site *site, weir_ctx *c, int status, const char *format,
                               ...) WEIR_PRINTF(4, 5) WEIR_MUST_USE WEIR_NONNULL(2, 4);

/**
 * Fails the request for input that could not be read: after weir_bind_… or a typed getter. 400 with
 * one line for each bad field, 413 for a body over its limit, 415 for one of another type, 408 for
 * one that came too slowly.
 */
#define weir_fail_bind(c) weir_fail_bind_at(WEIR_HERE, (c))
/** The function behind weir_fail_bind. */
WEIR_API weir_err weir_fail_bind_at(const weir_site *site, weir_ctx *c) WEIR_MUST_USE
    WEIR_NONNULL(2);

/**
 * Fails the request for the last recorded error. The client learns the status alone; the log has
 * the error.
 *
 * returns  the recorded error's code, WEIR_EFAIL when there is none
 */
#define weir_fail_last(c, status) weir_fail_last_at(WEIR_HERE, (c), (status))
/** The function behind weir_fail_last. */
WEIR_API weir_err weir_fail_last_at(const weir_site *site, weir_ctx *c, int status) WEIR_MUST_USE
    WEIR_NONNULL(2);

/** Your own error codes: enum { SHOP_ESTOCK = WEIR_DOMAIN(1), … }; `n` from 0 to 9999. */
#define WEIR_DOMAIN(n) (-10000 - (n))

/** What an error looks like to clients. */
typedef struct weir_error_entry {
    weir_err code;    /* one of your own, or one of <weir/err.h> */
    int status;       /* 400 to 599 */
    const char *name; /* "out_of_stock": the reply's "code" */
    const char
        *message; /* the reply's "msg", unless weir_raise gave one; NULL: the status' words */
} weir_error_entry;

/**
 * Adds entries to the application's table of errors. A handler then fails by `return SHOP_ESTOCK;`,
 * or with a message for the client by `return weir_raise(c, SHOP_ESTOCK, "only %d left", n);`.
 *
 *     weir_error_table(app, {SHOP_ESTOCK, 409, "out_of_stock", "not enough of it in stock"});
 *
 * entries  copied, but not their strings, which are kept: they must live as long as the application
 * context  before the start
 */
#define weir_error_table(target, ...)                                                              \
    weir_error_table_at(WEIR_HERE, WEIR__GROUP(target), sizeof(weir_error_entry),                  \
                        WEIR__LIST(weir_error_entry, __VA_ARGS__))
/** The function behind weir_error_table; `stride` is the size of an entry in the program. */
WEIR_API void weir_error_table_at(const weir_site *site, weir_group *group, size_t stride,
                                  const weir_error_entry *entries, size_t count) WEIR_NONNULL(2, 4);

#ifdef __cplusplus
}
#endif
#endif
