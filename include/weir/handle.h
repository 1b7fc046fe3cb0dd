/*
 * Handles: what belongs to the whole application (its database, its configuration) and is wanted in
 * handlers, without globals and with its type. One line names it, one provides it, a call gets it.
 *
 *     struct shop { weir_db *db; };
 *     WEIR_HANDLE(shop, struct shop);          // at file scope; in a header for several files
 *
 *     weir_provide(app, shop, &the_shop);      // in main
 *     weir_needs(v1, shop);                    // the start fails when it is not provided
 *
 *     weir_exec(…, shop(c)->db, …);            // in a handler, a child fiber, detached work
 */
#ifndef WEIR_HANDLE_H
#define WEIR_HANDLE_H

#include <weir/route.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The most handles in a program. */
#define WEIR_HANDLES_MAX 64

/** Names a handle; made by WEIR_HANDLE. */
typedef struct weir_handle {
    const char *name; /* kept: of static storage */
    unsigned number;  /* its place in the application's table; 0: none yet */
} weir_handle;

/**
 * Declares a handle: a function `type *name(weir_ctx *c)` that yields what was provided under it.
 * Costs two loads. To call it when nothing was provided is misuse and panics; weir_needs finds that
 * at the start.
 */
#define WEIR_HANDLE(name, type)                                                                    \
    typedef type weir_handle_type_##name;                                                          \
    __attribute__((weak, visibility("hidden"))) weir_handle weir_handle_##name = {#name, 0};       \
    __attribute__((unused)) static inline weir_handle_type_##name *name(weir_ctx *c)               \
    {                                                                                              \
        return (weir_handle_type_##name *)weir_handle_get(c, &weir_handle_##name);                 \
    }                                                                                              \
    struct weir_handle_##name##_needs_a_semicolon

/**
 * The function behind the one that WEIR_HANDLE declares. Any context of a worker. The result is
 * what was provided, borrowed: who provided it owns it.
 */
WEIR_API void *weir_handle_get(weir_ctx *c, const weir_handle *handle) WEIR_NONNULL(1, 2);

/**
 * Provides a handle: `object` is what name(c) yields from now on. Twice is a mistake that stops the
 * start.
 *
 * target   a weir_app * or weir_group *: handles are the application's, whichever is given
 * object   of the handle's type, not NULL; borrowed, must live as long as the application
 * context  before the start
 */
#define weir_provide(target, name, object)                                                         \
    weir_provide_at(WEIR_HERE, WEIR__GROUP(target), &weir_handle_##name,                           \
                    (1 ? (object) : (weir_handle_type_##name *)0))
/** The function behind weir_provide. */
WEIR_API void weir_provide_at(const weir_site *site, weir_group *group, weir_handle *handle,
                              void *object) WEIR_NONNULL(2, 3, 4);

/**
 * Says that the routes of a group use a handle: the start fails, with this line, when it is not
 * provided.
 */
#define weir_needs(target, name) weir_needs_at(WEIR_HERE, WEIR__GROUP(target), &weir_handle_##name)
/** The function behind weir_needs. */
WEIR_API void weir_needs_at(const weir_site *site, weir_group *group, weir_handle *handle)
    WEIR_NONNULL(2, 3);

#ifdef __cplusplus
}
#endif
#endif
