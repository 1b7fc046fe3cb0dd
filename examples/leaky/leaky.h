/*
 * What the files of the service share: the faults, each beside a twin that does it right, and the
 * catalogue that names them. The service's routes, its page and the suite in tests/leaks all go by
 * the catalogue, so there is one source for what is shown, what can be tried and what is tested.
 *
 * In the files of faults each fault begins with the comment that names its id and ends before the
 * next comment at a line's beginning; the line that a report must name ends with "L04 is here".
 */
#ifndef LEAKY_H
#define LEAKY_H

#include <weir/weir.h>

struct leaky_said;

/* What lives as long as the service. */
struct leaky {
    const char *path; /* of the database */
    const char *peer; /* another service */
    weir_option options[3];
    weir_http *others;  /* asks it */
    weir_db *db;        /* two connections that read */
    weir_chan *never;   /* nobody is at its other end */
    weir_topic *news;   /* somebody may publish */
    weir_cache *visits; /* who was here lately: a hundred of them */
    weir_mutex *mutex;  /* around what all requests share */
    struct leaky_said *said;
};
WEIR_HANDLE(leaky, struct leaky);

/* What the context's error record says. There is none when there was no memory for it. */
static inline weir_str leaky_message(weir_ctx *c)
{
    const weir_error *e = weir_last_error(c);
    return e != NULL ? e->message : WEIR_S("out of memory");
}

/* A way to leak. */
struct leak {
    const char *id;      /* of docs/leaks.md; its route is /leak/ID, its twin's /clean/ID */
    const char *title;   /* what the fault is */
    const char *instead; /* what happens to it here */
    weir_method method;
    weir_handler faulty, clean;
    weir_handler around, clean_around; /* where the fault is a middleware; else NULL */
    bool is_shown_by_hand; /* it needs a client of its own, as `instead` says: no link shows it */
};

extern const struct leak leaky_catalogue[]; /* ended by one without an id */

/* A source file as it was built: the generated sources.c. */
struct leaky_source {
    const char *name, *text;
};
extern const struct leaky_source leaky_sources[]; /* ended by one without a name */

/* The fault of an id, from its comment on; absent when there is none. */
weir_str leaky_excerpt(const char *id);

/* The application, with all of its routes. */
weir_app *leaky_app(int argc, char **argv, struct leaky *l);

/* The page, and what it shows of the log (said.c). */
weir_err leaky_page(weir_ctx *c);
weir_err leaky_said_open(weir_ctx *app, struct leaky *l);
weir_str leaky_said_of(weir_ctx *c, const char *id);

/* bodies.c, clients.c: what clients do not do. */
weir_err body_never_read(weir_ctx *c), body_read(weir_ctx *c);
weir_err client_waited_for(weir_ctx *c), client_checked(weir_ctx *c);
weir_err client_read_slowly(weir_ctx *c), client_read(weir_ctx *c);
weir_err no_descriptors(weir_ctx *c);

/* fibers.c, workers.c: who works, and for how long. */
weir_err task_never_stopped(weir_ctx *c), task_detached(weir_ctx *c);
weir_err fibers_without_bound(weir_ctx *c), fibers_in_turn(weir_ctx *c);
weir_err context_used_afterwards(weir_ctx *c), context_not_used(weir_ctx *c);
weir_err context_kept(weir_ctx *c), id_kept(weir_ctx *c);
weir_err worker_never_given(weir_ctx *c), worker_given(weir_ctx *c);
weir_err thread_never_ended(weir_ctx *c), thread_ended(weir_ctx *c);

/* waits.c: what is waited for, and what goes on by itself. */
weir_err nobody_sends(weir_ctx *c), receives_in_time(weir_ctx *c);
weir_err nobody_receives(weir_ctx *c), sends_if_it_can(weir_ctx *c);
weir_err deadline_never_ended(weir_ctx *c), deadline_ended(weir_ctx *c);
weir_err never_unsubscribed(weir_ctx *c), unsubscribed(weir_ctx *c);
weir_err timer_never_stopped(weir_ctx *c), timer_stopped(weir_ctx *c);

/* database.c: what a pool lends. */
weir_err rows_never_closed(weir_ctx *c), rows_closed(weir_ctx *c);
weir_err returns_early(weir_ctx *c), reads_first(weir_ctx *c);
weir_err pool_without_limits(weir_ctx *c), pool_with_limits(weir_ctx *c);
weir_err pool_exhausted(weir_ctx *c), pool_shared(weir_ctx *c);
weir_err left_dirty(weir_ctx *c), left_clean(weir_ctx *c);
weir_err all_rows_at_once(weir_ctx *c), rows_with_a_limit(weir_ctx *c);
weir_err transaction_held(weir_ctx *c), transaction_ended(weir_ctx *c);

/* upstreams.c: what other services answer. */
weir_err reply_never_read(weir_ctx *c), reply_read(weir_ctx *c);
weir_err client_of_a_request(weir_ctx *c), client_of_the_service(weir_ctx *c);

/* memory.c: what a request keeps, and what is kept for it. */
weir_err remembers_everybody(weir_ctx *c), remembers_some(weir_ctx *c);
weir_err value_too_large(weir_ctx *c), id_in_the_context(weir_ctx *c);
weir_err memory_without_end(weir_ctx *c), memory_for_a_turn(weir_ctx *c);
weir_err log_without_end(weir_ctx *c), log_by_levels(weir_ctx *c);
weir_err state_of_a_request(weir_ctx *c), state_is_set(weir_ctx *c), who_is_it(weir_ctx *c);
weir_err deferred_in_a_loop(weir_ctx *c), deferred_in_a_turn(weir_ctx *c);

/* scopes.c: ways out of a function that skip its end. */
weir_err panics_half_way(weir_ctx *c), fails_half_way(weir_ctx *c);
weir_err file_never_closed(weir_ctx *c), file_closed(weir_ctx *c);
weir_err descriptor_behind(weir_ctx *c), descriptor_adopted(weir_ctx *c);
weir_err lock_never_given(weir_ctx *c), lock_given(weir_ctx *c);

/* What a middleware's route answers. */
weir_err answers(weir_ctx *c);

#endif
