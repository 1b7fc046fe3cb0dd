/*
 * Routes: which handler answers which request. Routes hang on groups, a group on another or on the
 * application; each group has a prefix of its own and middleware of its own. All of it is made
 * while the service starts, from one thread, and never changes afterwards, so that every worker
 * reads it without a lock. Mistakes (a pattern that conflicts, a middleware twice in one chain, a
 * handle that nobody provides) are collected and shown all at once, each with its source line.
 *
 *     weir_use(app, weir_mw_recover, weir_mw_log);
 *     weir_group *v1 = weir_group_new(app, "/api/v1", authenticate);
 *     weir_get(v1, "/users/:id", get_user);
 *     weir_post(v1, "/orders", place_order, .timeout = weir_sec(2), .body_bytes_max = 64 << 10);
 */
#ifndef WEIR_ROUTE_H
#define WEIR_ROUTE_H

#include <weir/ctx.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Routes with a common prefix and common middleware. Lives as long as the application. */
typedef struct weir_group weir_group;

/** The application. It begins with its root group, so all macros below take either. */
typedef struct weir_app weir_app;

/**
 * Answers a request, or, as middleware, does something around weir_next.
 *
 * c        the request's context
 * returns  WEIR_OK when it has responded; otherwise an error, which becomes the response: see
 *          <weir/fail.h>
 */
typedef weir_err (*weir_handler)(weir_ctx *c);

/**
 * Request methods. HEAD is answered by the route for GET, OPTIONS by itself, unless they have their
 * own.
 */
typedef enum weir_method {
    WEIR_METHOD_OTHER, /* none of these */
    WEIR_GET,
    WEIR_HEAD,
    WEIR_POST,
    WEIR_PUT,
    WEIR_DELETE,
    WEIR_PATCH,
    WEIR_OPTIONS
} weir_method;

/** The most middleware before one handler, those of its groups included. */
#define WEIR_MIDDLEWARE_MAX 30

/**
 * What a group may be given behind its prefix: up to eight middleware, then options by name. Zero
 * means "as the group above".
 */
typedef struct weir_group_options {
    unsigned unused; /* the macros' */
    weir_handler use0, use1, use2, use3, use4, use5, use6, use7;
    weir_dur timeout;      /* of a request: its context's deadline, from its begin; 504 past it */
    size_t body_bytes_max; /* of a request's body that is read whole; 413 past it */
} weir_group_options;

/**
 * What a route may be given behind its handler: up to eight middleware, called after those of its
 * groups, then options by name. Zero means "as its group".
 */
typedef struct weir_route_options {
    weir_handler handler; /* the macros' */
    weir_handler use0, use1, use2, use3, use4, use5, use6, use7;
    weir_dur timeout;
    size_t body_bytes_max;
} weir_route_options;

#ifndef __cplusplus
#define WEIR__GROUP(target)                                                                        \
    ((weir_group *)_Generic((target), weir_group * : (target), weir_app * : (target)))
#endif

/**
 * A group below an application or another group.
 *
 *     weir_group *admin = weir_group_new(app, "/admin", authenticate, only_staff, .timeout =
 *     weir_sec(5));
 *
 * target   a weir_app * or weir_group *
 * prefix   begins with '/', may have parameters; "" for middleware without a prefix
 * ...      middleware, then members of weir_group_options
 * returns  the group; never NULL: when there is no memory the start fails with that
 * owner    the application
 * context  before the start
 */
#define weir_group_new(target, prefix, ...)                                                        \
    weir_group_new_at(WEIR_HERE, WEIR__GROUP(target), (prefix), "" #__VA_ARGS__,                   \
                      &(weir_group_options){.unused = 0, __VA_ARGS__})
/** The function behind weir_group_new; `names` is the text of the arguments, for messages. */
WEIR_API weir_group *weir_group_new_at(const weir_site *site, weir_group *above, const char *prefix,
                                       const char *names, const weir_group_options *options)
    WEIR_MUST_USE WEIR_NEVER_NULL WEIR_NONNULL(2, 3);

/**
 * Adds middleware to an application or a group. They apply to all of its routes, those added before
 * as well, in the order: the application's, each group's from the outside in, the route's, and
 * back.
 *
 *     weir_use(app, weir_mw_recover, weir_mw_log, weir_mw_metrics);
 *
 * context  before the start
 */
#define weir_use(target, ...)                                                                      \
    weir_use_at(WEIR_HERE, WEIR__GROUP(target), "" #__VA_ARGS__,                                   \
                (const weir_handler[]){__VA_ARGS__},                                               \
                sizeof((const weir_handler[]){__VA_ARGS__}) / sizeof(weir_handler))
/** The function behind weir_use. */
WEIR_API void weir_use_at(const weir_site *site, weir_group *group, const char *names,
                          const weir_handler *handlers, size_t count) WEIR_NONNULL(2);

/**
 * Adds a route. A pattern is made of whole segments: a text, `:name` for one segment, or at its end
 * `*name` for all the rest. Texts go before parameters, parameters before the rest, whatever the
 * order of adding.
 *
 * target   a weir_app * or weir_group *
 * method   a weir_method
 * pattern  begins with '/'; "" is the group's prefix itself
 * handler  a weir_handler
 * ...      middleware, then members of weir_route_options
 * context  before the start
 */
#define weir_route(target, method, pattern, handler_, ...)                                         \
    weir_route_at(WEIR_HERE, WEIR__GROUP(target), (method), (pattern), #handler_ "," #__VA_ARGS__, \
                  &(weir_route_options){.handler = (handler_), __VA_ARGS__})
/** The function behind weir_route and its short forms. */
WEIR_API void weir_route_at(const weir_site *site, weir_group *group, weir_method method,
                            const char *pattern, const char *names,
                            const weir_route_options *options) WEIR_NONNULL(2, 4);

/** weir_route by method. */
#define weir_get(target, pattern, ...) weir_route(target, WEIR_GET, pattern, __VA_ARGS__)
#define weir_head(target, pattern, ...) weir_route(target, WEIR_HEAD, pattern, __VA_ARGS__)
#define weir_post(target, pattern, ...) weir_route(target, WEIR_POST, pattern, __VA_ARGS__)
#define weir_put(target, pattern, ...) weir_route(target, WEIR_PUT, pattern, __VA_ARGS__)
#define weir_delete(target, pattern, ...) weir_route(target, WEIR_DELETE, pattern, __VA_ARGS__)
#define weir_patch(target, pattern, ...) weir_route(target, WEIR_PATCH, pattern, __VA_ARGS__)

/** What to do with "/users/" where only "/users" is a route, or the other way round. */
typedef enum weir_slash {
    WEIR_SLASH_REDIRECT, /* send the client to the other form: 301, 308 when there may be a body */
    WEIR_SLASH_STRICT,   /* they are two paths: 404 */
    WEIR_SLASH_IGNORE    /* they are one path */
} weir_slash;

/** Sets that for the whole application; WEIR_SLASH_REDIRECT unless called. Before the start. */
#define weir_slash_policy(target, policy) weir_slash_policy_of(WEIR__GROUP(target), (policy))
/** The function behind weir_slash_policy. */
WEIR_API void weir_slash_policy_of(weir_group *group, weir_slash policy) WEIR_NONNULL(1);

/** Answers what no route answers, behind the application's middleware, instead of a plain 404. */
#define weir_fallback(target, handler)                                                             \
    weir_fallback_at(WEIR_HERE, WEIR__GROUP(target), (handler), #handler)
/** The function behind weir_fallback. */
WEIR_API void weir_fallback_at(const weir_site *site, weir_group *group, weir_handler handler,
                               const char *name) WEIR_NONNULL(2, 3);

/**
 * Calls what comes behind this middleware: the next one, in the end the handler. Returns when all
 * of it has ended, also when it failed. A middleware that returns without calling it aborts:
 * nothing below runs.
 *
 * c        the request's context, or one opened below it
 * returns  what the next one returned; hand it on, or deal with it
 * errors   a second call in the same middleware, or one in a handler, is misuse and panics
 * context  fiber; may wait
 */
WEIR_API weir_err weir_next(weir_ctx *c) WEIR_MUST_USE WEIR_NONNULL(1);

#ifdef __cplusplus
}
#endif
#endif
