/*
 * The multiplex: autocommit statements of many fibers over few connections. A carrier is a session
 * with a ring of flights; a berth on it is what a fiber has, a connection to all who look at it
 * (weir__pg_conn), whose messages leave and come by the carrier.
 *
 * M1: answers come in the order of the statements: a carrier's ring has a slot for each whose
 *     ReadyForQuery has not come, first sent first, a Sync each.
 * M2: a flight and its slot point to each other; a slot without a berth is one that nobody waits
 *     for any more, and its answer is thrown away.
 * M3: a carrier's slots are never more than its depth: its room is what is left of that by those
 *     that nobody waits for, and none while the oldest is late, or is one of those.
 * M4: what a session knows by a name is told once: who wants to prepare the same waits, and its
 *     description is freed with the last statement that shows it.
 * M5: a session is shared only while it is idle between two statements and as it was when it began.
 */
#ifndef WEIR_DATA_POSTGRES_MULTIPLEX_H
#define WEIR_DATA_POSTGRES_MULTIPLEX_H

#include "base/counter.h"
#include "base/map.h"
#include "data/postgres/postgres.h"
#include "net/pool_shared.h"
#include "rt/worker.h"

enum {
    WEIR__PG_RECEIVED_AT_ONCE = 32 << 10,
    WEIR__PG_HELD_BYTES = 64 << 10, /* not taken by who waits for them: nothing more is received */
    WEIR__PG_KNOWN_MAX = 256,       /* statements that a carrier's session knows */
    WEIR__PG_LARGE_MAX = 64         /* statements of which a worker knows that they are large */
};

struct weir__pg_berth;
struct weir__pg_ticket;

struct weir__pg_mux_cells {
    struct weir__counter statements, sends, late, cut_off, large;
    struct weir__gauge in_flight, abandoned;
};

/* What a worker has of it; written there alone. */
struct weir__pg_seat {
    _Alignas(64) struct weir__pg_mux_cells n;
    char *in;        /* used by its carriers by turns; NULL: there were none */
    weir_time rests; /* none could be opened: up to then nobody tries */
    struct weir__pg_ticket *free_tickets;
    uint32_t large_count;               /* of these, the oldest goes for the next */
    uint64_t large[WEIR__PG_LARGE_MAX]; /* hashes of texts */
};

struct weir__pg_mux {
    struct weir__postgres *db;
    struct weir__shared_pool *pool;
    const char *name; /* the pool's */
    bool is_shared;   /* by all workers: a seat each */
    uint32_t seat_count;
    struct weir__pg_seat *seats;
    struct weir__list in_all;
    struct weir__owned owned;
};

/* A lease's place: before it is known of which carrier it will be. */
struct weir__pg_ticket {
    struct weir__share share;
    struct weir__pg_ticket *next;
};

/* A statement that a carrier's session has by a name (M4). */
struct weir__pg_known {
    struct weir__list by_use;  /* weir__pg_carrier.by_use, last used first; in the map */
    struct weir__list waiting; /* weir__wait.in_object: for it to be ready */
    uint32_t refs;
    bool is_ready, is_gone; /* from the map: it is told to the server no more */
    char name[WEIR__PG_NAME_MAX];
    unsigned params, columns;
    void *block; /* as a statement's */
    uint32_t *param_types;
    struct weir__pg_stmt_column *column_facts;
    bool *formats;
    size_t text_len;
    char text[];
};

struct weir__pg_slot {
    struct weir__pg_berth *berth; /* NULL: nobody waits (M2) */
    weir_time since;
};

struct weir__pg_carrier {
    struct weir__pg_conn *base; /* its stream, key and end */
    struct weir__pg_mux *mux;
    struct weir__pg_seat *seat;
    struct weir__carrier *pool; /* NULL: it has left its pool */
    struct weir__turn_end turn;
    struct weir__timer watch; /* of the oldest */
    uint32_t generation;      /* of the database, when it was opened */
    weir_buf out, closes;
    size_t out_at;         /* of `out`, so much has been sent */
    uint64_t queued, sent; /* bytes since its beginning */
    struct weir__pg_slot *ring;
    uint32_t mask, head, tail; /* counts modulo 2^32 of what was answered and sent */
    uint32_t abandoned;        /* slots without a berth */
    /* The message that comes: how much of its head is there, what is left of its body. */
    uint8_t head_bytes[WEIR__PG_HEAD_BYTES], head_len, type, status;
    bool is_aside; /* it comes unasked: its body is put into `aside` */
    size_t left;
    weir_buf aside;
    weir_time held_since; /* the first one's berth is full; never: it is not */
    bool is_late, is_feeding, is_over;
    bool is_to_cancel; /* it was over while a statement ran for nobody */
    bool is_left;      /* its pool has closed it: who is on it last frees it */
    uint32_t users;    /* berths that are taken */
    struct weir__pg_berth *free;
    struct weir__map known; /* by text */
    struct weir__list by_use;
    unsigned named;
};

struct weir__pg_berth {
    struct weir__pg_conn conn; /* first */
    struct weir__pg_carrier *carrier;
    struct weir__pg_ticket *ticket; /* while it is taken */
    struct weir__pg_berth *next;    /* of the free ones */
    struct weir__wait *wait;        /* its fiber, parked */
    weir_buf more;                  /* has come, and was not taken by the fiber */
    uint64_t begins;                /* its statement, in the bytes of the carrier */
    uint32_t slot;
    uint32_t came; /* bytes of its answer */
    weir_err err;  /* nothing more will come */
    bool is_flying;
    bool was_sent;   /* of one that broke */
    bool is_cut_off; /* its answer is thrown away, and the carrier goes on */
    const struct weir__sql_stmt *runs;
};

static inline uint32_t weir__pg_in_flight(const struct weir__pg_carrier *k)
{
    return k->tail - k->head;
}

static inline struct weir__pg_seat *weir__pg_seat(struct weir__pg_mux *mux)
{
    return &mux->seats[mux->is_shared ? weir__self->index : 0];
}

/* --- multiplex.c: joining and leaving --------------------------------------------------------- */

/* Makes that of a database whose options ask for one. */
weir_err weir__pg_mux_new(struct weir__postgres *db, struct weir__ctx *c, const weir_site *site);

weir_err weir__pg_join(weir_db *db, struct weir__ctx *c, const weir_site *site, const char *sql,
                       struct weir__owned *holder, struct weir__sql_conn **out,
                       struct weir__sql_fault *f);
void weir__pg_part(struct weir__sql_conn *conn);

/* Adds its connections to those of the pool beside it. Any thread. */
void weir__pg_mux_stats(const struct weir__pg_mux *mux, weir_pool_stats *to);

/* --- multiplex_carrier.c ---------------------------------------------------------------------- */

/* Of a connection that is logged in and becomes its own; NULL: no memory, and it is closed. */
struct weir__pg_carrier *weir__pg_carrier_new(struct weir__pg_mux *mux, struct weir__pg_conn *base,
                                              struct weir__ctx *c);

/* The end: all who wait are told, and there are no more leases. Idempotent. */
void weir__pg_carrier_end(struct weir__pg_carrier *k, weir_err err);

/* Its fiber leaves in the middle: what comes is nobody's (M2). */
void weir__pg_abandon(struct weir__pg_berth *b);

/* Frees it: nobody is on it. */
void weir__pg_carrier_free(struct weir__pg_carrier *k);

/* --- what talk.c has of a berth --------------------------------------------------------------- */

/* As weir__pg_flush, behind what others have written: leaves at the end of the turn. */
weir_err weir__pg_berth_send(struct weir__pg_conn *conn, unsigned syncs, struct weir__sql_fault *f);
/* More of its answer, behind what is in conn->in: how many bytes; -EAGAIN, 0, an error. */
ssize_t weir__pg_berth_receive(struct weir__pg_conn *conn, bool waits);

/* --- multiplex_known.c: prepared statements (M4) ---------------------------------------------- */

/*
 * True: `s` is described, or `*err`. False: it is to be told to the server by the name that `s`
 * got, and then weir__pg_known_made, or weir__pg_known_drop. Waits while another does that.
 */
bool weir__pg_known_find(struct weir__pg_conn *conn, struct weir__pg_stmt *s, weir_err *err,
                         struct weir__sql_fault *f);
void weir__pg_known_made(struct weir__pg_conn *conn, struct weir__pg_stmt *s);
/* The statement shows it no more. */
void weir__pg_known_drop(struct weir__pg_conn *conn, struct weir__pg_stmt *s);
/* The server knows it no more, or otherwise. */
void weir__pg_known_void(struct weir__pg_conn *conn, struct weir__pg_stmt *s);
/* It is used: false when it has to be prepared anew. */
bool weir__pg_known_use(struct weir__pg_conn *conn, const struct weir__pg_stmt *s);
/* All of a carrier on which nobody is. */
void weir__pg_known_free_all(struct weir__pg_carrier *k);

/* --- multiplex_metrics.c ---------------------------------------------------------------------- */

void weir__pg_mux_enlist(struct weir__pg_mux *mux);
void weir__pg_mux_delist(struct weir__pg_mux *mux);

/* Adds the numbers of all to a registry. */
struct weir__metrics;
void weir__pg_mux_metrics(struct weir__metrics *to);

#endif
