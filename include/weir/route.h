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

#include <stdint.h>
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
 * For `.body_bytes_max`: bodies of any length. One that is read whole still has to fit into the
 * request's memory; for weir_body_read there is no limit at all but the time-outs.
 */
#define WEIR_BODY_UNLIMITED SIZE_MAX

/** On or off, where zero is to mean something else. */
typedef enum weir_switch { WEIR_AS_ABOVE, WEIR_ON, WEIR_OFF } weir_switch;

/**
 * What a group may be given behind its prefix: up to eight middleware, then options by name. Zero
 * means "as the group above".
 */
typedef struct weir_group_options {
    size_t size; /* the macro's */
    weir_handler use0, use1, use2, use3, use4, use5, use6, use7;
    /*
     * Of a request: its context's deadline, from its begin; 504 past it. Once its body comes or its
     * response leaves it is a limit of standing still: for every 16 KiB it begins anew, so a large
     * file to a slow client is not cut. weir_no_timeout(): none. Less than a millisecond stops the
     * start, because `.timeout = 5` is 5 ns: weir_ms(5) is what was meant.
     */
    weir_dur timeout;
    size_t body_bytes_max; /* of a request's body, read whole or in pieces; 413 past it */
    /* A client that shuts its sending side is not taken to be gone: see weir_app_options. */
    weir_switch half_close;
} weir_group_options;

/**
 * What a route may be given behind its handler: up to eight middleware, called after those of its
 * groups, then options by name. Zero means "as its group".
 */
typedef struct weir_route_options {
    size_t size;          /* the macro's */
    weir_handler handler; /* the first behind the pattern */
    weir_handler use0, use1, use2, use3, use4, use5, use6, use7;
    weir_dur timeout;
    size_t body_bytes_max;
    weir_switch half_close;
} weir_route_options;

#ifndef __cplusplus

#define WEIR__GROUP(target)                                                                        \
    ((weir_group *)_Generic((target), weir_group * : (target), weir_app * : (target)))
#define WEIR__CALL_ROUTES WEIR__CALL

#else

/* In C++ each argument is one of these by itself: a handler, or an option by its name. */
struct weir__route_part {
    weir_handler handler = nullptr;
    weir_dur timeout = {0};
    size_t body_bytes_max = 0;
    weir_switch half_close = WEIR_AS_ABOVE;
};

extern "C++" {
inline weir_group *weir__group_of(weir_group *group)
{
    return group;
}
inline weir_group *weir__group_of(weir_app *app)
{
    return reinterpret_cast<weir_group *>(app);
}

inline bool weir__put_handler(weir_handler handler, weir_handler &place)
{
    return handler != nullptr && place == nullptr && (place = handler) != nullptr;
}
template <class T> inline void weir__put_use(weir_handler h, T &o)
{
    (void)(weir__put_handler(h, o.use0) || weir__put_handler(h, o.use1) ||
           weir__put_handler(h, o.use2) || weir__put_handler(h, o.use3) ||
           weir__put_handler(h, o.use4) || weir__put_handler(h, o.use5) ||
           weir__put_handler(h, o.use6) || weir__put_handler(h, o.use7));
}
inline void weir__put_handler_of(const weir__route_part &part, weir_group_options &o)
{
    weir__put_use(part.handler, o);
}
inline void weir__put_handler_of(const weir__route_part &part, weir_route_options &o)
{
    if (!weir__put_handler(part.handler, o.handler))
        weir__put_use(part.handler, o);
}
template <class T> inline void weir__put(const weir__route_part &part, T &o)
{
    weir__put_handler_of(part, o);
    if (part.timeout.ns != 0)
        o.timeout = part.timeout;
    if (part.body_bytes_max != 0)
        o.body_bytes_max = part.body_bytes_max;
    if (part.half_close != WEIR_AS_ABOVE)
        o.half_close = part.half_close;
}
}

#define WEIR__GROUP(target) weir__group_of(target)
#define WEIR__CALL_ROUTES(fn, arguments, T, ...)                                                   \
    (__extension__({                                                                               \
        T weir__o = T();                                                                           \
        weir__o.size = sizeof(T);                                                                  \
        WEIR__EACH(WEIR__PUT, weir__o, __VA_ARGS__), fn(WEIR__UNPAREN arguments, &weir__o);        \
    }))
#define WEIR__PUT(o, part) weir__put(__extension__ weir__route_part{part}, o)

#endif

/**
 * A group below an application or another group.
 *
 *     weir_group *admin = weir_group_new(app, "/admin", authenticate, only_staff, .timeout =
 *     weir_sec(5));
 *
 * target   a weir_app * or weir_group *
 * prefix   begins with '/', may have parameters; "" for middleware without a prefix; copied
 * ...      middleware, then members of weir_group_options
 * returns  the group; never NULL: when there is no memory the start fails with that
 * owner    the application
 * context  before the start
 */
#define weir_group_new(target, ...) WEIR__GROUP_NEW(target, __VA_ARGS__, )
#define WEIR__GROUP_NEW(target, prefix, ...)                                                       \
    WEIR__CALL_ROUTES(weir_group_new_at,                                                           \
                      (WEIR_HERE, WEIR__GROUP(target), (prefix), "" #__VA_ARGS__),                 \
                      weir_group_options, __VA_ARGS__)
/**
 * The function behind weir_group_new; `names` is the text of the arguments, for messages, and kept:
 * of static storage.
 */
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
                WEIR__LIST(weir_handler, __VA_ARGS__))
/** The function behind weir_use; `handlers` are copied, `names` is kept: of static storage. */
WEIR_API void weir_use_at(const weir_site *site, weir_group *group, const char *names,
                          const weir_handler *handlers, size_t count) WEIR_NONNULL(2);

/**
 * Adds a route. A pattern is made of whole segments: a text, `:name` for one segment, or at its end
 * `*name` for all the rest. Texts go before parameters, parameters before the rest, whatever the
 * order of adding. Texts are written as they are when decoded ("/café"); a colon or an asterisk in
 * one has a backslash before it, in C two: "/v1/jobs\\:batch".
 *
 * target   a weir_app * or weir_group *
 * method   a weir_method
 * pattern  begins with '/'; "" is the group's prefix itself; copied
 * handler  a weir_handler
 * ...      middleware, then members of weir_route_options
 * context  before the start
 */
#define weir_route(target, method, pattern, ...)                                                   \
    WEIR__ROUTE(target, method, pattern, "" #__VA_ARGS__, __VA_ARGS__, )
#define WEIR__ROUTE(target, method, pattern, names, ...)                                           \
    WEIR__CALL_ROUTES(weir_route_at, (WEIR_HERE, WEIR__GROUP(target), (method), (pattern), names), \
                      weir_route_options, __VA_ARGS__)
/** The function behind weir_route and its short forms; `names` is kept: of static storage. */
WEIR_API void weir_route_at(const weir_site *site, weir_group *group, weir_method method,
                            const char *pattern, const char *names,
                            const weir_route_options *options) WEIR_NONNULL(2, 4);

/** weir_route by method. */
#define weir_get(target, ...) weir_route(target, WEIR_GET, __VA_ARGS__)
#define weir_head(target, ...) weir_route(target, WEIR_HEAD, __VA_ARGS__)
#define weir_post(target, ...) weir_route(target, WEIR_POST, __VA_ARGS__)
#define weir_put(target, ...) weir_route(target, WEIR_PUT, __VA_ARGS__)
#define weir_delete(target, ...) weir_route(target, WEIR_DELETE, __VA_ARGS__)
#define weir_patch(target, ...) weir_route(target, WEIR_PATCH, __VA_ARGS__)

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
/** The function behind weir_fallback; `name` is kept: of static storage. */
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
