/*
 * The inside of the room: the service as it is built at the start (groups, routes, handles, table
 * of errors), what it is frozen into, and what is kept of each request while it runs.
 *
 * S1: after freeze nothing of a service changes but the statistics and `workers`.
 * S2: a chain ends with NULL; `next` never passes it.
 * S3: a request's record is its exchange's user_space; it is valid from serve to done.
 */
#ifndef WEIR_WEB_WEB_H
#define WEIR_WEB_WEB_H

#include "base/arena.h"
#include "base/assert.h"
#include "base/counter.h"
#include "http/common/exchange.h"
#include "http/common/server.h"
#include "rt/log.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "web/router.h"
#include "wire/http_status.h"
#include <weir/fail.h>
#include <weir/handle.h>
#include <weir/json.h>
#include <weir/request.h>
#include <weir/response.h>
#include <weir/route.h>

struct weir__web;
struct weir__web_worker;
struct weir__request;
struct weir__route_stats;

/* --- the service ------------------------------------------------------------------------------ */

/* Middleware as it was added. */
struct weir__web_use {
    struct weir__web_use *next;
    weir_handler handler;
    weir_str name; /* as written in the source */
    const weir_site *site;
    const struct weir__web_use *twin_said; /* that it is the same as this one was reported */
};

struct weir_group {
    struct weir__web *web;
    struct weir_group *above; /* NULL: the root group */
    weir_str prefix;          /* whole, with those above */
    const weir_site *site;
    struct weir__web_use *first_use, **last_use;
    weir_dur timeout;
    size_t body_bytes_max;
    weir_switch half_close;
};

struct weir__route {
    const weir_handler *chain; /* middleware, the handler, NULL */
    const char *label;         /* "GET /users/:id"; "" for what has no route */
    weir_dur timeout;          /* 0: the server's */
    size_t body_bytes_max;     /* 0: the server's */
    weir_switch half_close;    /* WEIR_AS_ABOVE: the server's */
    const char *folder;        /* of weir_static … */
    weir_static_options files; /* … and how they are served */
    weir_str pattern;
    weir_str handler_name;
    const weir_site *site;
    uint32_t index;       /* from 1; 0 for what has no route: its place in statistics */
    uint16_t chain_count; /* without the NULL */

    weir_handler handler;
    weir_method method;
    struct weir_group *group;
    struct weir__web_use *first_use, **last_use;
    struct weir__route *next;
};

/* A mistake in the table of routes; all are listed at once. */
struct weir__web_mistake {
    struct weir__web_mistake *next;
    weir_str text;
};

struct weir__web_need {
    struct weir__web_need *next;
    weir_handle *handle;
    const weir_site *site;
};

struct weir__web_error {
    weir_error_entry entry;
    const weir_site *site;
    struct weir__web_error *next;
};

/* How a request came to its handler when no route of the user's answers. */
enum weir__web_special {
    WEIR__WEB_NOT_FOUND,
    WEIR__WEB_NOT_ALLOWED,
    WEIR__WEB_NOT_IMPLEMENTED,
    WEIR__WEB_AUTO_OPTIONS,
    WEIR__WEB_REDIRECT,
    WEIR__WEB_BAD_PATH,
    WEIR__WEB_SPECIALS
};

/* A service. The application's struct begins with it, and it with the root group. */
struct weir__web {
    struct weir_group root;
    struct weir__router *router;
    struct weir__arena arena; /* all that is made at the start */
    struct weir__route *routes, **last_route;
    uint32_t route_count;
    struct weir__web_mistake *mistakes, **last_mistake;
    bool is_out_of_memory, is_frozen;
    weir_slash slash;
    struct weir__web_need *needs;
    struct weir__web_error *errors;
    weir_handler fallback;
    weir_str fallback_name;
    const weir_site *fallback_site;
    struct weir__route specials[WEIR__WEB_SPECIALS];
    void *handles[WEIR_HANDLES_MAX];
    const weir_site *handle_sites[WEIR_HANDLES_MAX];
    const struct weir__route **by_index; /* after freeze: [0] is "no route" */
    _Atomic(struct weir__web_worker *) workers[WEIR__WORKERS_MAX];
};

/* Makes a zeroed `web` an empty service. */
void weir__web_init(struct weir__web *web);

/* Frees all of it; the workers have ended. A zeroed one is fine. */
void weir__web_fini(struct weir__web *web);

/*
 * Checks everything and builds what requests are served by. WEIR_OK, or WEIR_EINVALID with one line
 * in `report` for each mistake ("main.c:12: …"), or -ENOMEM. Once, after the last route, before the
 * workers run.
 */
WEIR_MUST_USE weir_err weir__web_freeze(struct weir__web *web, weir_buf *report);

/* What the HTTP server is to call. */
struct weir__http_app weir__web_app(struct weir__web *web);

/*
 * Makes handles reachable on the calling worker outside of requests (detached work, the main
 * fiber): for weir__on_each_worker, `arg` is the service. A worker belongs to one service.
 */
void weir__web_attach(struct weir__worker *w, void *arg);

/* Notes a mistake; `site` may be NULL. */
void weir__web_mistake(struct weir__web *web, const weir_site *site, const char *format, ...)
    WEIR_PRINTF(3, 4);

/*
 * Everything that builds passes here: after the start nothing may change any more (S1), and before
 * it there must be something to build. Where `*site` is NULL it becomes one of an unknown place.
 */
struct weir__web *weir__web_building(weir_group *group, const weir_site **site,
                                     const char *function);

/* Whether what was given to `function` is there; a mistake when it is NULL. */
bool weir__web_has(struct weir__web *web, const weir_site *site, const void *p,
                   const char *function, const char *noun);

/* Memory of the start; NULL is noted and fails the freeze. */
void *weir__web_alloc(struct weir__web *web, size_t size);

/* True for what an ETag may be made of. */
bool weir__web_is_version(const char *version);

/* The handler of weir_static, and the one that sends clients to the other slash form. */
weir_err weir__web_static(weir_ctx *c);
weir_err weir__web_redirect(weir_ctx *c);

/* What stock handlers do where no route answers. */
extern const weir_handler weir__web_special_handlers[WEIR__WEB_SPECIALS];

/* --- a request -------------------------------------------------------------------------------- */

/* Called when a request is over, for better or worse; must not wait. */
typedef void (*weir__request_hook)(const struct weir__request *r);

enum { WEIR__REQUEST_HOOKS_MAX = 4 };

/* Outside, a weir_stream * is a handle (rt/token.h); stream.c translates. */
struct weir_stream {
    struct weir__token token;
    struct weir__request *r;
    weir_str type;
    int status;
    weir_err err;
    bool is_array, is_begun, is_ended, has_items, is_used;
};

/*
 * What is wrong with the input, for weir_fail_bind: the last refusal counts, and with those of the
 * same status before it its errors. It stands in the request itself, because memory may be what is
 * wrong.
 */
struct weir__bind_failure {
    const char *message;      /* NULL: nothing is wrong */
    int status;               /* 0: nobody is there to be told */
    weir_json_errors *errors; /* in the request's context's memory; NULL: none, or no memory */
};

struct weir__request {
    struct weir__exchange *x;
    struct weir__web *web;
    const struct weir__route *route;
    const weir_handler *next; /* S2 */
    weir_err err;             /* what the chain returned; WEIR_EPANIC while it has not */
    uint8_t hook_count;
    weir__request_hook hooks[WEIR__REQUEST_HOOKS_MAX];
    struct weir__bind_failure failure;
    uint64_t body_read; /* bytes that weir_body_read has received */
    weir_str body;      /* what weir_body has read; absent before */
    struct weir_stream stream;
    struct weir__route_match match;
};

/* The request that a context belongs to; misuse when there is none. */
struct weir__request *weir__request_of_at(weir_ctx *c, const char *function);
#define weir__request_of(c) weir__request_of_at((c), __func__)

/* --- input ------------------------------------------------------------------------------------ */

enum weir__encoding {
    WEIR__ENCODING_PATH, /* percent-encoded */
    WEIR__ENCODING_FORM  /* and '+' is a blank: queries and forms */
};

/*
 * `raw` decoded, in `c`'s memory and with a NUL behind it; itself when there is nothing to decode.
 * WEIR_EINVALID: it is not encoded right; WEIR_EBUDGET, -ENOMEM; then `out` is absent. Input is
 * decoded nowhere else.
 */
WEIR_MUST_USE weir_err weir__decode(struct weir__ctx *c, enum weir__encoding encoding, weir_str raw,
                                    weir_str *out);

/* Notes one bad value under its name, for weir_fail_bind; returns WEIR_EINVALID. */
weir_err weir__input_refused(struct weir__request *r, weir_str name, const char *what);

/* Notes an error of weir__decode under the value's name; returns it. */
weir_err weir__input_failed(struct weir__request *r, weir_str name, weir_err err);

/* The i-th path parameter, decoded. Errors as weir__decode. */
WEIR_MUST_USE weir_err weir__param_at(struct weir__ctx *c, const struct weir__request *r, size_t i,
                                      weir_str *out);

/* Has `hook` called at the end of the request; once each. */
void weir__request_at_end_at(weir_ctx *c, weir__request_hook hook, const char *function);
#define weir__request_at_end(c, hook) weir__request_at_end_at((c), (hook), __func__)

/* How a request ended, in one word. */
enum weir__outcome {
    WEIR__OUTCOME_OK,
    WEIR__OUTCOME_ERROR,
    WEIR__OUTCOME_PANIC,
    WEIR__OUTCOME_TIMEOUT,
    WEIR__OUTCOME_CLIENT_GONE
};
const char *weir__outcome_name(enum weir__outcome o);

/* What hooks may want to know. Strings live as long as the hook's call. */
struct weir__request_summary {
    weir_ctx *c;
    weir_str method, path, id;
    const char *route, *protocol;
    int status; /* as the client saw it; 499: it was gone */
    enum weir__outcome outcome;
    weir_err err;
    weir_dur latency;
    uint64_t bytes_in, bytes_out;
    bool is_cut; /* the response was begun and not ended */
    bool is_tls;
    struct weir__endpoint client; /* weir__exchange_client */
};
void weir__request_summarise(const struct weir__request *r, struct weir__request_summary *out);

/* --- errors ----------------------------------------------------------------------------------- */

/* What a client is told about an error. */
struct weir__error_view {
    int status;
    weir_str name, message;
    bool is_secret; /* the record's message is for the log alone */
};
void weir__error_view(const struct weir__web *web, const struct weir__request *r, weir_err err,
                      const weir_error *record, struct weir__error_view *out);

/* Answers `r`, to which nothing was sent, with an error. Logs what the client is not told. */
void weir__error_respond(struct weir__request *r, weir_err err);

/* Sees to it that the reply has the request's id as a header. */
void weir__error_keep_id(struct weir__exchange *x);

/* Takes over what the caller's `traceparent` says; what cannot be read is as if it was not sent. */
void weir__trace_accept(struct weir__exchange *x);

/* Writes the JSON of an error into `out`; what does not fit is left out, the object stays whole. */
void weir__error_render(const struct weir__error_view *v, const weir_json_errors *errors,
                        weir_buf *out);

/* Notes an input that could not be read; returns `err`. `errors` may be NULL; they are copied. */
weir_err weir__bind_failed(struct weir__request *r, weir_err err, int status, const char *message,
                           const weir_json_errors *errors);

/* --- statistics ------------------------------------------------------------------------------- */

/* Of a route on one worker; written by that worker, read by any thread. */
struct weir__route_stats {
    struct weir__counter by_class[6]; /* [0]: the client was gone (499); [1..5]: 1xx to 5xx */
    struct weir__counter cut;         /* responses that were begun and not ended */
    struct weir__histo latency;
};

/* What the room keeps for each worker. */
struct weir__web_worker {
    struct weir__web *web;
    struct weir__counter unmeasured;             /* requests not counted for want of memory */
    _Atomic(struct weir__route_stats *) stats[]; /* by route->index, made when first wanted */
};

/* A service's memory of the calling worker; NULL: no memory. */
struct weir__web_worker *weir__web_worker(struct weir__web *web);

/* Counts a request that has ended: the hook of weir_mw_metrics. */
void weir__web_count(const struct weir__request *r);

/*
 * The sums over all workers for route `index` (0: no route); false past the last one. Any thread.
 */
bool weir__web_stats(const struct weir__web *web, uint32_t index, const char **label,
                     struct weir__route_stats *out);

/* metrics.c: adds the routes' numbers to a registry. */
struct weir__metrics;
void weir__web_metrics(struct weir__web *web, struct weir__metrics *to);

#endif
