/*
 * The multiplex from outside: which statements share a connection, how a fiber gets onto one and
 * off it, and the life of a carrier as its pool wants it (net/pool_shared.h).
 *
 * A statement shares when it runs by itself, begins with a word that says that it neither begins
 * nor copies anything, and was never seen to have a large answer; every other one takes a lease of
 * its own. Owns seats, tickets and what of carriers is not the pool's. Context: fibers.
 */
#include "data/postgres/multiplex.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "rt/runtime.h"

enum { TRIES_MAX = 8, CANCEL_SEC = 5, REST_SEC = 1 };

/* --- which statements ------------------------------------------------------------------------- */

/* Those whose answer is rows or a number, in one go. */
static bool may_share(const char *sql)
{
    static const char *const words[] = {"select", "insert", "update", "delete",
                                        "with",   "values", "table",  "merge"};
    while (*sql == ' ' || *sql == '\n' || *sql == '\t' || *sql == '\r')
        sql++;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t n = strlen(words[i]);
        if ((sql[0] | 0x20) == words[i][0] && strncasecmp(sql, words[i], n) == 0)
            return true;
    }
    return false;
}

static bool is_large(const struct weir__pg_seat *seat, const char *sql)
{
    if (WEIR_LIKELY(seat->large_count == 0))
        return false;
    uint64_t hash = weir__str_hash(weir_str_from(sql));
    for (uint32_t i = 0; i < WEIR__PG_LARGE_MAX && i < seat->large_count; i++) {
        if (seat->large[i] == hash)
            return true;
    }
    return false;
}

/* --- tickets ---------------------------------------------------------------------------------- */

static struct weir__pg_ticket *take_ticket(struct weir__pg_seat *seat)
{
    struct weir__pg_ticket *t = seat->free_tickets;
    if (WEIR_UNLIKELY(t == NULL))
        return weir__calloc(1, sizeof *t);
    seat->free_tickets = t->next;
    return t;
}

/* What it holds is given back. */
static void put_ticket(struct weir__pg_seat *seat, struct weir__pg_ticket *t)
{
    weir__share_release(&t->share);
    t->share = (struct weir__share){.pool = NULL};
    t->next = seat->free_tickets;
    seat->free_tickets = t;
}

/* On the way to a berth: as a clean-up, for who is refused too often in a row panics there. */
struct way {
    struct weir__pg_seat *seat;
    struct weir__pg_ticket *ticket; /* NULL: it has arrived */
};

static void leave_way(struct way *w)
{
    if (w->ticket != NULL)
        put_ticket(w->seat, w->ticket);
}

/* --- berths ----------------------------------------------------------------------------------- */

static struct weir__pg_berth *make_berth(struct weir__pg_carrier *k)
{
    struct weir__pg_berth *b = weir__calloc(1, sizeof *b);
    const struct weir__pg_conn *base = k->base;
    if (b == NULL)
        return NULL;
    weir__sql_conn_init(&b->conn.sql, base->sql.db);
    b->conn.sql.is_joined = true;
    b->conn.owner = base->owner;
    b->conn.node = base->node;
    b->conn.berth = b;
    b->conn.stream.fd.num = -1;
    b->conn.until = b->conn.server_stops = weir_never();
    b->conn.window = WEIR__PG_WINDOW_MIN;
    b->conn.status = 'I';
    weir_buf_init(&b->conn.in, base->in.bytes_max + 4 * (size_t)WEIR__PG_WINDOW_MAX);
    weir_buf_init(&b->more, base->in.bytes_max + 4 * (size_t)WEIR__PG_WINDOW_MAX);
    weir_buf_init(&b->conn.out, base->out.bytes_max);
    b->carrier = k;
    return b;
}

static struct weir__pg_berth *take_berth(struct weir__pg_carrier *k)
{
    struct weir__pg_berth *b = k->free;
    if (WEIR_LIKELY(b != NULL))
        k->free = b->next;
    else
        b = make_berth(k);
    if (b != NULL)
        k->users++;
    return b;
}

static void empty(weir_buf *b)
{
    weir_buf_reset(b);
    if (WEIR_UNLIKELY(b->cap > WEIR__PG_WINDOW_MAX))
        weir_buf_fini(b);
}

/* As it was before it was taken, but for its statements. */
static void clean(struct weir__pg_berth *b)
{
    struct weir__pg_conn *conn = &b->conn;
    empty(&conn->in);
    empty(&conn->out);
    empty(&b->more);
    conn->in_at = conn->skip = 0;
    conn->syncs = conn->prefix = 0;
    conn->status = 'I';
    conn->is_broken = conn->is_session_changed = false;
    b->err = WEIR_OK;
    b->came = 0;
    b->was_sent = b->is_cut_off = false;
    b->runs = NULL;
}

static uint32_t generation(const struct weir__postgres *db)
{
    return atomic_load_explicit(&db->generation, memory_order_relaxed);
}

/* The carrier of a share; NULL: it is none to be used any more. */
static struct weir__pg_carrier *carrier_of(struct weir__pg_mux *mux, struct weir__pg_ticket *t)
{
    struct weir__pg_carrier *k = weir__share_resource(&t->share, "weir_query");
    if (WEIR_UNLIKELY(k == NULL || t->share.is_broken || k->is_over))
        return NULL;
    if (WEIR_LIKELY(k->generation == generation(mux->db)))
        return k;
    weir__carrier_retire(k->pool);
    return NULL;
}

weir_err weir__pg_join(weir_db *handle, struct weir__ctx *c, const weir_site *site, const char *sql,
                       struct weir__owned *holder, struct weir__sql_conn **out,
                       struct weir__sql_fault *f)
{
    struct weir__postgres *db = (struct weir__postgres *)handle;
    struct weir__pg_mux *mux = db->mux;
    if (WEIR_LIKELY(mux == NULL) || !may_share(sql))
        return WEIR_OK;
    struct weir__pg_seat *seat = weir__pg_seat(mux);
    if (is_large(seat, sql) || WEIR_UNLIKELY(weir_time_before(weir__self->now, seat->rests)))
        return WEIR_OK;
    if (WEIR_UNLIKELY(weir__pool_is_barred(db->nodes[0].pool)))
        return WEIR_OK; /* held back, or known to be away: it knows for how long, and says so */
    for (int i = 0; i < TRIES_MAX; i++) {
        struct way w __attribute__((cleanup(leave_way))) = {seat, take_ticket(seat)};
        if (w.ticket == NULL)
            return weir__sql_fault(f, -ENOMEM, "no memory");
        weir_err err = weir__shared_pool_acquire(mux->pool, c, (weir_str){NULL, 0}, site, holder,
                                                 &w.ticket->share);
        if (WEIR_UNLIKELY(err != WEIR_OK))
            return err; /* raised */
        struct weir__pg_carrier *k = carrier_of(mux, w.ticket);
        if (WEIR_UNLIKELY(k == NULL))
            continue;
        struct weir__pg_berth *b = take_berth(k);
        if (b == NULL)
            return weir__sql_fault(f, -ENOMEM, "no memory");
        b->ticket = w.ticket;
        w.ticket = NULL;
        *out = &b->conn.sql;
        return WEIR_OK;
    }
    return WEIR_OK; /* one of its own, then */
}

void weir__pg_part(struct weir__sql_conn *sql_conn)
{
    struct weir__pg_berth *b = weir__pg_conn_of(sql_conn)->berth;
    struct weir__pg_carrier *k = b->carrier;
    struct weir__pg_ticket *t = b->ticket;
    bool is_bad = b->conn.is_broken && !b->is_cut_off;
    bool is_changed = b->conn.is_session_changed;
    WEIR_ASSERT(t != NULL && b->wait == NULL, "M2: who leaves has a berth, and does not wait");
    if (WEIR_UNLIKELY(b->is_flying))
        weir__pg_abandon(b);
    clean(b);
    b->ticket = NULL;
    b->next = k->free;
    k->free = b;
    if (WEIR_UNLIKELY(is_bad))
        weir__pg_carrier_end(k, WEIR_EGONE);
    else if (WEIR_UNLIKELY(is_changed) && k->pool != NULL)
        weir__carrier_retire(k->pool);
    put_ticket(k->seat, t);
    if (--k->users == 0 && k->is_left)
        weir__pg_carrier_free(k);
}

/* --- the pool's driver ------------------------------------------------------------------------ */

/*
 * One that cannot be opened is no reason to be late for everybody who comes: the pool of leases
 * knows what to do about a server that is away, so it is asked instead for a while.
 */
static weir_err open_carrier(void *driver, struct weir__ctx *c, struct weir__carrier *pool,
                             weir_str key, void **resource)
{
    struct weir__pg_mux *mux = driver;
    struct weir__pg_conn *base = NULL;
    uint32_t born = generation(mux->db);
    (void)key;
    weir_err err = weir__pg_connect_raised(&mux->db->nodes[0], c, &base);
    struct weir__pg_carrier *k = err == WEIR_OK ? weir__pg_carrier_new(mux, base, c) : NULL;
    if (k == NULL) {
        weir__pg_seat(mux)->rests = weir_time_add(weir__self->now, weir_sec(REST_SEC));
        return err != WEIR_OK ? err : -ENOMEM;
    }
    k->generation = born;
    k->pool = pool;
    weir__carrier_set_room(pool, mux->db->o.multiplex);
    *resource = k;
    return WEIR_OK;
}

/* What runs for nobody any more is ended at the server: none that is waited for can be hit. */
static void cancel_rest(struct weir__pg_carrier *k, struct weir__ctx *c)
{
    bool is_alone = k->abandoned > 0 && k->abandoned == weir__pg_in_flight(k);
    if (!k->is_to_cancel && (k->is_over || !is_alone))
        return;
    k->base->until = weir_time_add(weir__worker_now(weir__self), weir_sec(CANCEL_SEC));
    (void)weir__pg_cancel(k->base, c);
}

static void close_carrier(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__pg_carrier *k = resource;
    (void)driver;
    k->pool = NULL;
    cancel_rest(k, c);
    weir__pg_carrier_end(k, WEIR_ECLOSED);
    k->is_left = true;
    if (k->users == 0)
        weir__pg_carrier_free(k);
}

/* --- making ----------------------------------------------------------------------------------- */

static void free_seat(struct weir__pg_seat *seat)
{
    weir__free(seat->in);
    for (struct weir__pg_ticket *t; (t = seat->free_tickets) != NULL;) {
        seat->free_tickets = t->next;
        weir__free(t);
    }
}

static void release_mux(struct weir__owned *o)
{
    struct weir__pg_mux *mux = WEIR_CONTAINER(o, struct weir__pg_mux, owned);
    weir__pg_mux_delist(mux);
    mux->db->mux = NULL;
    for (uint32_t i = 0; i < mux->seat_count; i++)
        free_seat(&mux->seats[i]);
    weir__free(mux->seats);
    mux->seats = NULL;
}

static weir_err make_seats(struct weir__pg_mux *mux)
{
    mux->seat_count = mux->is_shared ? weir__self->runtime->worker_count : 1;
    size_t size = mux->seat_count * sizeof *mux->seats;
    mux->seats = weir__memalign(_Alignof(struct weir__pg_seat), size);
    if (mux->seats == NULL)
        return -ENOMEM;
    memset(mux->seats, 0, size);
    return WEIR_OK;
}

void weir__pg_mux_stats(const struct weir__pg_mux *mux, weir_pool_stats *to)
{
    struct weir__shared_stats s;
    weir__shared_pool_stats(mux->pool, &s);
    to->open += s.pool.open;
    to->in_use += s.pool.in_use;
    to->idle += s.pool.idle;
    to->waiting += s.pool.waiting;
    to->acquired += s.pool.acquired;
}

weir_err weir__pg_mux_new(struct weir__postgres *db, struct weir__ctx *c, const weir_site *site)
{
    static const struct weir__owned_type type = {.name = "multiplex", .release = release_mux};
    static const struct weir__shared_ops ops = {.open = open_carrier, .close = close_carrier};
    struct weir__shared_options o = {.each = db->o.pool};
    if (db->o.multiplex == 0)
        return WEIR_OK;
    struct weir__pg_mux *mux = weir__ctx_object(c, sizeof *mux);
    size_t name_size = strlen(db->name) + sizeof " (multiplex)";
    char *name = mux != NULL ? weir__ctx_object(c, name_size) : NULL;
    if (name == NULL)
        return -ENOMEM;
    (void)snprintf(name, name_size, "%s (multiplex)", db->name);
    *mux = (struct weir__pg_mux){.db = db, .name = name, .is_shared = weir__ctx_is_shared(c)};
    if (make_seats(mux) != WEIR_OK)
        return -ENOMEM;
    weir__pg_mux_enlist(mux);
    weir__own(c, &mux->owned, &type, site);
    o.each.max_open = db->o.multiplex_max_open;
    o.each.min_idle = o.each.max_idle = 0;
    o.each.check_after = weir_ns(0);
    mux->pool = weir__shared_pool_new(c, name, &o, &ops, mux, site);
    if (mux->pool == NULL)
        return WEIR_EINVALID; /* raised */
    db->mux = mux;
    return WEIR_OK;
}
