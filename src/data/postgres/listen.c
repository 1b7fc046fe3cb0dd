/*
 * LISTEN and NOTIFY: a connection that nobody else uses, so that nothing else is read on it, and
 * none of the pool's is held by somebody who waits for days.
 *
 * A lost connection is made again by whoever waits, with growing pauses. What was sent meanwhile is
 * gone, since the server keeps nothing for who is not there; so the first thing said afterwards is
 * that there was a gap.
 */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/given.h"
#include "data/postgres/postgres.h"
#include "guard/backoff.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/scope.h"
#include "rt/worker.h"

enum { CHANNELS_MAX = 2048, BASE_MS = 50, CAP_MS = 5000 };

struct weir_postgres_listener {
    struct weir__token token;
    struct weir__owned owned;
    struct weir__postgres *db;
    const struct weir__fiber *fiber;
    const weir_site *site;
    struct weir__pg_conn *conn; /* NULL: lost, or not made yet */
    weir_err err;               /* stays */
    bool has_gap;               /* to be told */
    struct weir__random random;
    weir_str sql; /* LISTEN for each channel */
};

static weir_postgres_listener listener_without_memory = {
    .token = WEIR__TOKEN_STATIC(WEIR__KIND_LISTENER), .err = -ENOMEM};

static weir_postgres_listener *listener_of(const weir_postgres_listener *handle,
                                           const char *function)
{
    weir_postgres_listener *l =
        weir__token_must(handle, WEIR__KIND_LISTENER, function, "the listener");
    if (l->fiber != NULL && l->fiber != weir__self->current)
        weir__misuse(function, "made at %s:%d by another fiber", l->site->file, l->site->line);
    return l;
}

/* --- the connection --------------------------------------------------------------------------- */

static void hang_up(weir_postgres_listener *l, struct weir__ctx *c)
{
    if (l->conn != NULL)
        weir__pg_disconnect(l->conn, c);
    l->conn = NULL;
}

static void release(struct weir__owned *o)
{
    weir_postgres_listener *l = WEIR_CONTAINER(o, weir_postgres_listener, owned);
    hang_up(l, o->ctx);
    if (l->err == WEIR_OK)
        l->err = WEIR_ECLOSED;
}

static weir_err connect_once(weir_postgres_listener *l, struct weir__ctx *c,
                             struct weir__sql_fault *f)
{
    uint32_t node;
    weir_err err = weir__sql_nodes_find_primary(l->db->db.nodes, c, &node);
    if (err != WEIR_OK)
        return err;
    if (node == WEIR__NODE_NONE) /* who follows has no notifications */
        return weir__sql_fault(f, WEIR_EUNREACHABLE, "no primary is up");
    err = weir__pg_connect(&l->db->nodes[node], c, &l->conn, f);
    if (err < 0)
        return err;
    l->conn->is_listening = true;
    err = weir__pg_simple(l->conn, l->sql, NULL, f);
    if (err < 0)
        hang_up(l, c);
    return err;
}

/* What another try may find otherwise. */
static bool may_pass(weir_err err)
{
    return err != WEIR_EDB && err != WEIR_EINVALID && err != WEIR_ETLS && err != WEIR_ENOTBUILT;
}

static weir_err fail(weir_postgres_listener *l, struct weir__ctx *c, weir_err err,
                     const struct weir__sql_fault *f)
{
    weir_err reason = weir__ctx_check(c);
    if (reason < 0)
        return reason;
    l->err = err;
    return weir_raise_at(l->site, weir__ctx_handle(c), err, 0, "%s: %s", l->db->name, f->text);
}

/* Until there is one again, or no try can help. */
static weir_err connect_again(weir_postgres_listener *l, struct weir__ctx *c)
{
    const struct weir__backoff pause = {.base = weir_ms(BASE_MS), .cap = weir_ms(CAP_MS)};
    for (uint32_t n = 0; l->conn == NULL; n++) {
        struct weir__sql_fault f;
        weir__sql_fault_init(&f);
        weir_err err = connect_once(l, c, &f);
        if (err == WEIR_OK)
            break;
        if (weir__ctx_check(c) < 0 || !may_pass(err))
            return fail(l, c, err, &f);
        err =
            weir_sleep(weir__ctx_handle(c), weir__backoff_wait(&pause, n, weir_ns(0), &l->random));
        if (err < 0)
            return err;
    }
    l->has_gap = true;
    return WEIR_OK;
}

/* --- making ----------------------------------------------------------------------------------- */

/* Within quotes each quote is a pair. */
static bool is_quoted(weir_str name)
{
    if (name.len < 3 || name.ptr[0] != '"' || name.ptr[name.len - 1] != '"')
        return false;
    for (size_t i = 1; i < name.len - 1; i++) {
        if (name.ptr[i] != '"')
            continue;
        if (i + 1 == name.len - 1 || name.ptr[i + 1] != '"')
            return false;
        i++;
    }
    return true;
}

/*
 * A name as the program writes it in a statement: one in quotes stays, all else is folded as the
 * server would, and quoted, so that a keyword may be one. False: it is none.
 */
static bool put_name(weir_buf *b, weir_str name)
{
    if (is_quoted(name)) {
        weir_buf_puts(b, name);
        return true;
    }
    if (name.len == 0 || memchr(name.ptr, '"', name.len) != NULL)
        return false;
    weir_buf_putc(b, '"');
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        weir_buf_putc(b, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
    weir_buf_putc(b, '"');
    return true;
}

/* "a, b" to LISTEN "a";LISTEN "b". */
static weir_err write_sql(weir_postgres_listener *l, struct weir__ctx *c, const char *channels)
{
    char room[CHANNELS_MAX];
    weir_buf b;
    weir_str rest = weir_str_from(channels);
    bool is_good = true;
    weir_buf_init_fixed(&b, room, sizeof room);
    while (is_good) {
        const char *comma = rest.len > 0 ? memchr(rest.ptr, ',', rest.len) : NULL;
        size_t n = comma != NULL ? (size_t)(comma - rest.ptr) : rest.len;
        weir_buf_puts(&b, b.len > 0 ? WEIR_S(";LISTEN ") : WEIR_S("LISTEN "));
        is_good = put_name(&b, weir_str_trim((weir_str){rest.ptr, n})) && b.err == WEIR_OK;
        if (comma == NULL)
            break;
        rest = (weir_str){comma + 1, rest.len - n - 1};
    }
    if (!is_good)
        return weir_raise_at(l->site, weir__ctx_handle(c), WEIR_EINVALID, 0,
                             "%s: names of channels are wanted, parted by commas, 2,000 bytes at "
                             "the most",
                             l->db->name);
    char *sql = weir__ctx_object(c, b.len);
    if (sql == NULL)
        return -ENOMEM;
    l->sql = (weir_str){memcpy(sql, room, b.len), b.len};
    return WEIR_OK;
}

static weir_err open_listener(weir_postgres_listener *l, struct weir__ctx *c, weir_db *db,
                              const char *channels)
{
    struct weir__sql_fault f;
    if (db->driver != &weir__postgres_driver)
        return weir_raise_at(l->site, weir__ctx_handle(c), WEIR_EINVALID, 0,
                             "%s: only PostgreSQL has notifications", db->name);
    l->db = (struct weir__postgres *)db;
    weir_err err = db->err < 0 ? db->err : write_sql(l, c, channels);
    if (err < 0)
        return err;
    weir__sql_fault_init(&f);
    err = connect_once(l, c, &f);
    return err < 0 ? fail(l, c, err, &f) : WEIR_OK;
}

weir_postgres_listener *weir_postgres_listen_at(const weir_site *site, weir_ctx *handle,
                                                weir_db *db, const char *channels)
{
    static const struct weir__owned_type type = {.name = "listener", .release = release};
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir__given(channels, "the channels");
    struct weir__ctx *c = weir__ctx_local(weir__ctx_of_at(handle, "weir_postgres_listen"));
    db = weir__sql_db_of(db, "weir_postgres_listen");
    weir_postgres_listener *l = weir__ctx_object(c, sizeof *l);
    if (l == NULL)
        return &listener_without_memory;
    weir__token_open(&l->token, c, WEIR__KIND_LISTENER);
    l->site = site;
    l->fiber = weir__self->current;
    l->random.state = (uint64_t)(uintptr_t)l ^ (uint64_t)weir_now().ns;
    weir__own(c, &l->owned, &type, site);
    l->err = open_listener(l, c, db, channels);
    return weir__token_handle(&l->token);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* One message. -EAGAIN: it was none that is told; WEIR_EGONE: the connection is lost. */
static weir_err read_one(weir_postgres_listener *l, struct weir__ctx *c,
                         weir_postgres_notification *out)
{
    struct weir__sql_fault f;
    struct weir__pg_message m;
    weir__sql_fault_init(&f);
    WEIR_ASSERT(l->conn != NULL, "P1: what is read has a connection");
    l->conn->sql.c = c;
    weir_err err = weir__pg_next(l->conn, &m, &f);
    if (err == WEIR_OK && m.type != WEIR__PG_NOTIFICATION)
        err = m.type == WEIR__PG_ERROR ? WEIR_EGONE : weir__pg_unexpected(l->conn, &m, &f);
    if (err == WEIR_OK &&
        !weir__pg_read_notification(m.body, &out->process, &out->channel, &out->payload))
        err = WEIR_EGONE;
    if (err == WEIR_OK)
        return WEIR_OK;
    weir_err reason = weir__ctx_check(c);
    if (reason < 0 && !l->conn->is_broken)
        return reason;
    hang_up(l, c);
    return WEIR_EGONE;
}

weir_err weir_postgres_listener_next(weir_ctx *handle, weir_postgres_listener *l,
                                     weir_postgres_notification *out)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(out, "the notification");
    struct weir__ctx *c = weir__ctx_of_at(handle, __func__);
    weir_err err = weir__may_wait(c);
    l = listener_of(l, __func__);
    if (err == WEIR_OK && l->err < 0)
        err = weir__wait_refused(l->err);
    while (err == WEIR_OK) {
        *out = (weir_postgres_notification){.is_gap = false};
        if (l->conn == NULL)
            err = connect_again(l, c);
        if (err == WEIR_OK && l->has_gap) {
            l->has_gap = false;
            out->is_gap = true;
            return WEIR_OK;
        }
        if (err == WEIR_OK)
            err = read_one(l, c, out);
        if (err == WEIR_OK)
            return WEIR_OK;
        if (err == WEIR_EGONE && l->conn == NULL)
            err = weir__ctx_check(c);
    }
    return err;
}

void weir_postgres_listener_close(weir_ctx *handle, weir_postgres_listener *l)
{
    WEIR__FIBERS_ONLY();
    struct weir__ctx *c = weir__ctx_of_at(handle, __func__);
    l = listener_of(l, __func__);
    if (l->err == WEIR_OK)
        l->err = WEIR_ECLOSED;
    hang_up(l, c);
    if (weir__is_owned(&l->owned))
        weir__disown(&l->owned);
}
