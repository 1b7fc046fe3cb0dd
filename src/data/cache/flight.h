/*
 * A flight: the one load of a key that is under way, whoever makes it, and all who wait for it.
 *
 * F1: while a flight may be joined it is in its shard's chain, and is the only one of its key.
 * F2: a flight is loaded by one fiber, or over. The fiber that loads it ends it, or hands it on to
 *     one that waits, on every way out; so nobody waits for what will never come.
 * F3: who waits has a reference; the last reference frees it.
 */
#ifndef WEIR_DATA_CACHE_FLIGHT_H
#define WEIR_DATA_CACHE_FLIGHT_H

#include "data/cache/cache.h"
#include "data/cache/loads.h"
#include "rt/wait.h"

enum { WEIR__FLIGHT_MESSAGE_MAX = 256 };

struct weir__cache_flight {
    struct weir__list in_shard; /* a chain of shard.flights */
    struct weir__cache_loading loading;
    struct weir_cache *cache;
    struct weir__cache_shard *shard;
    struct weir__list waiters; /* weir__wait.in_object */
    uint32_t refs, waiting;
    bool is_over;
    bool is_stale; /* its key was written or forgotten meanwhile: what comes is not kept */
    struct weir__cache_entry *entry; /* what came; a reference. NULL: `err` says why not */
    weir_err err;
    int status; /* of the error record of who loaded it */
    const weir_site *site;
    char message[WEIR__FLIGHT_MESSAGE_MAX]; /* empty: there was no record */
    uint64_t hash;
    uint32_t key_len;
    char key[];
};

/* A fiber that waits, on its own stack. */
struct weir__flight_waiter {
    struct weir__wait wait;
    struct weir__cache_flight *flight;
    struct weir__flight_waiter *next; /* while it is being woken with others */
    bool is_queued;
    bool is_heir; /* it is to load now */
};

/* With one reference, of who makes it; in no chain. NULL: no memory. */
struct weir__cache_flight *weir__flight_new(struct weir_cache *cache,
                                            struct weir__cache_shard *shard, uint64_t hash,
                                            weir_str key);

/* --- under the shard's lock ------------------------------------------------------------------- */

struct weir__cache_flight *weir__flight_find(struct weir__cache_shard *s, uint64_t hash,
                                             weir_str key);

/* The calling fiber loads it from now on, and it may be joined. */
void weir__flight_begin(struct weir__cache_flight *f);

/*
 * The calling fiber is put in line, with a reference. WEIR_ELIMIT: the line is full; WEIR_EDEADLK:
 * it would wait for itself.
 */
WEIR_MUST_USE weir_err weir__flight_join(struct weir__cache_flight *f,
                                         struct weir__flight_waiter *w, struct weir__ctx *c,
                                         const weir_site *site);

/* What it brings is not kept, and nobody joins it any more. */
void weir__flight_go_stale(struct weir__cache_flight *f);

/* The first that waits loads from now on; to be woken. NULL: nobody waits. */
struct weir__flight_waiter *weir__flight_hand_on(struct weir__cache_flight *f);

/* It is over; all who wait, to be woken. */
struct weir__flight_waiter *weir__flight_end(struct weir__cache_flight *f);

/* True: that was the last one, and it is to be freed when the lock has been given. */
WEIR_MUST_USE bool weir__flight_unref(struct weir__cache_flight *f,
                                      struct weir__cache_entry **gone);

/* --- without it ------------------------------------------------------------------------------- */

/*
 * Parks who has joined. WEIR_OK: it is over, or the fiber `is_heir`; else why the fiber did not
 * wait to its end. The reference is still there.
 */
WEIR_MUST_USE weir_err weir__flight_wait(struct weir__flight_waiter *w);

void weir__flight_wake(struct weir__flight_waiter *first);
void weir__flight_free(struct weir__cache_flight *f);

#endif
