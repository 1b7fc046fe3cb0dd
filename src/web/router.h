/*
 * The router: which route answers this method and path. Routes are added while the service starts,
 * then frozen into one block of memory that nothing changes any more, so every worker may look up
 * in it without a lock. A lookup allocates nothing; parameters are places in the caller's path.
 *
 * Patterns are made of whole segments: a literal, `:name` (one segment, not empty), or at the end
 * `*name` (all the rest, slashes included, may be empty). In a literal "\:" and "\*" are these
 * bytes themselves. In each segment a literal goes before a parameter and a parameter before a
 * wildcard, with backtracking.
 */
#ifndef WEIR_WEB_ROUTER_H
#define WEIR_WEB_ROUTER_H

#include "wire/http_head.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/api.h>
#include <weir/err.h>
#include <weir/str.h>

enum {
    WEIR__ROUTE_PARAMS_MAX = 16,     /* parameters, the wildcard included, in one pattern */
    WEIR__ROUTE_SEGMENTS_MAX = 32,   /* segments in one pattern */
    WEIR__ROUTE_LITERAL_MAX = 255,   /* bytes of a literal segment */
    WEIR__ROUTE_PATH_MAX = 65535,    /* bytes of a path; longer ones are WEIR__ROUTE_BAD_PATH */
    WEIR__ROUTER_ROUTES_MAX = 16384, /* routes in one router */
    WEIR__ROUTER_MISTAKES_MAX = 64   /* mistakes that are kept as text; all are counted */
};

/* What to do with `/users/` when only `/users` is there, or the other way round. */
enum weir__route_slash {
    WEIR__ROUTE_SLASH_REDIRECT, /* send the client to the other form (the default) */
    WEIR__ROUTE_SLASH_STRICT,   /* they are two paths */
    WEIR__ROUTE_SLASH_IGNORE    /* they are one path, in patterns too */
};

enum weir__route_kind {
    WEIR__ROUTE_FOUND,
    WEIR__ROUTE_NOT_FOUND,    /* 404 */
    WEIR__ROUTE_NOT_ALLOWED,  /* 405 with `allow`: other methods are there, but not this one */
    WEIR__ROUTE_AUTO_OPTIONS, /* OPTIONS without a route of its own: 204 with `allow` */
    WEIR__ROUTE_REDIRECT,     /* 301 (GET, HEAD) or 308 to the other slash form, see `status` */
    WEIR__ROUTE_BAD_PATH      /* 400, `reason` says why */
};

/* A piece of the path: offset and length in bytes. */
struct weir__route_span {
    uint16_t off, len;
};

/* The result of a lookup, the caller's storage. Only what `kind` names is set. */
struct weir__route_match {
    enum weir__route_kind kind;
    uint16_t param_count; /* FOUND */
    uint16_t status;      /* REDIRECT: 301 or 308 */
    bool adds_slash;      /* REDIRECT: to path + "/"; else to the path without its last byte */
    uint32_t backtracks;  /* how often the lookup took a choice back; bounded by the table's size */
    void *route;          /* FOUND: what weir__router_add was given */
    const weir_str *names; /* FOUND: names[i] belongs to params[i]; lives as long as the router */
    union {
        weir_str allow;     /* NOT_ALLOWED, AUTO_OPTIONS: "GET, HEAD, OPTIONS"; the router's */
        const char *reason; /* BAD_PATH: a constant string */
    };
    struct weir__route_span params[WEIR__ROUTE_PARAMS_MAX]; /* FOUND: raw, not percent-decoded */
};

/* A router under construction, later frozen. */
struct weir__router;

/* NULL: out of memory. Freed by weir__router_free, which takes NULL and half-built ones. */
struct weir__router *weir__router_new(enum weir__route_slash slash);
void weir__router_free(struct weir__router *r);

/*
 * Adds a route for GET, HEAD, POST, PUT, DELETE, PATCH or OPTIONS. `route` is handed back by
 * lookups. `pattern` is copied; `file` (a constant string) and `line` are where the user wrote it,
 * for messages. Mistakes are collected for freeze, each pattern with its group's prefix in front.
 */
void weir__router_add(struct weir__router *r, enum weir__http_method method, weir_str pattern,
                      void *route, const char *file, int line);

/*
 * Checks all routes against each other and compiles them. WEIR_OK; WEIR_EINVALID: there are
 * mistakes, see below; -ENOMEM. To be called once, after the last add and before the first lookup.
 */
WEIR_MUST_USE weir_err weir__router_freeze(struct weir__router *r);

/*
 * How many mistakes were found, and the text of the i-th, NULL from WEIR__ROUTER_MISTAKES_MAX on.
 */
size_t weir__router_mistake_count(const struct weir__router *r);
const char *weir__router_mistake(const struct weir__router *r, size_t i);

/*
 * Looks `path` (raw, without the query) up in a frozen router, fills `m` and returns m->kind.
 * HEAD is answered by GET's route when it has none of its own. Any bytes may be given.
 */
enum weir__route_kind weir__router_match(const struct weir__router *r,
                                         enum weir__http_method method, weir_str path,
                                         struct weir__route_match *m);

/* The raw text of the i-th parameter of a match; i < param_count. */
static inline weir_str weir__route_param(const struct weir__route_match *m, weir_str path, size_t i)
{
    weir_str s = {path.ptr + m->params[i].off, m->params[i].len};
    return s;
}

/* The same by name; the absent string when the route has no parameter of that name. */
static inline weir_str weir__route_param_find(const struct weir__route_match *m, weir_str path,
                                              weir_str name)
{
    for (size_t i = 0; i < m->param_count; i++) {
        if (weir_str_eq(m->names[i], name))
            return weir__route_param(m, path, i);
    }
    weir_str absent = {NULL, 0};
    return absent;
}

#endif
