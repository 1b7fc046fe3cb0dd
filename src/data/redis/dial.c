/*
 * Making connections: dialling, TLS, and the greeting. HELLO says the version, who asks and the
 * connection's name in one; a server that does not know it is spoken to as before (AUTH, CLIENT
 * SETNAME). Then SELECT, and CLIENT TRACKING where somebody is to be told.
 *
 * A password is in the bytes that are sent, and in no message.
 */
#include "data/redis/redis.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "net/dial.h"
#include "net/tls_handle.h"
#include "rt/scope.h"

enum { LENT_DEPTH = 16 };

/* --- TLS -------------------------------------------------------------------------------------- */

static weir_err make_default(weir_redis *redis, weir_buf *why)
{
    const struct weir__tls_client_options o = {.is_unverified = false};
    struct weir__tls_client *made, *none = NULL;
    weir_err err = weir__tls_client_new(&o, &made, why);
    if (err == WEIR_OK && !atomic_compare_exchange_strong(&redis->tls, &none, made))
        weir__tls_client_unref(made);
    return err;
}

weir_err weir__redis_tls_open(weir_redis *redis, weir_buf *why)
{
    struct weir__tls_client *given;
    if (redis->o.tls == NULL)
        return make_default(redis, why);
    weir_err err = weir__tls_of(redis->o.tls, "weir_redis_open", &given);
    if (err < 0)
        weir_buf_puts(why, WEIR_S("its TLS could not be made: weir_tls_new has said why"));
    else
        atomic_store(&redis->tls, weir__tls_client_ref(given));
    return err;
}

static weir_err shake_hands(weir_redis *redis, struct weir__ctx *c, struct weir__stream *s,
                            weir_time until, weir_buf *why)
{
    weir_err err = weir__tls_connect(s, atomic_load(&redis->tls), redis->host, redis->port);
    return err == WEIR_OK ? weir__tls_await_handshake(c, s, until, why) : err;
}

/* --- the stream ------------------------------------------------------------------------------- */

static weir_err connect_stream(weir_redis *redis, struct weir__ctx *c, weir_time until,
                               struct weir__stream *s, weir_buf *why)
{
    if (redis->path != NULL) {
        weir_err err = weir__dial_local(c, weir_str_from(redis->path), until, s);
        if (err != WEIR_OK)
            weir_buf_puts(why, weir_str_from(weir_strerror(err)));
        return err;
    }
    struct weir__dial d = {.host = redis->host, .port = redis->port, .until = until};
    weir_err err = weir__dial_stream(c, &d, s);
    if (err != WEIR_OK) {
        weir_buf_puts(why, weir_str_from(d.why));
        return err;
    }
    if (!redis->is_tls)
        return WEIR_OK;
    weir_buf_puts(why, WEIR_S("TLS: "));
    size_t from = why->len;
    err = shake_hands(redis, c, s, until, why);
    if (err == WEIR_OK) {
        weir_buf_reset(why);
        return err;
    }
    weir__stream_close(s);
    if (why->len == from)
        weir_buf_puts(why, weir_str_from(weir_strerror(err)));
    return err;
}

/* --- the greeting ----------------------------------------------------------------------------- */

enum { STEPS_MAX = 4, TEXT_BYTES = 120 };

struct greeting {
    struct weir__redis_conn *conn;
    struct weir__ctx *c;
    weir_time until;
    weir_buf *why;
    bool has_hello;
    const char *names[STEPS_MAX]; /* of the commands that went together */
    uint32_t count;
    weir_err err; /* a command could not be written */
};

static void add(struct greeting *g, const char *name, const weir_arg *args, size_t count)
{
    const char *why;
    const struct weir__redis_words w = {name, args, count};
    WEIR_ASSERT(g->count < STEPS_MAX, "R1: a greeting has few steps");
    if (g->err != WEIR_OK)
        return;
    g->err = weir__redis_put(&g->conn->out, &w, &why);
    if (g->err == WEIR_OK)
        g->names[g->count++] = name;
    else
        weir_buf_printf(g->why, "%s: %s", name, why != NULL ? why : weir_strerror(g->err));
}

static void add_auth(struct greeting *g)
{
    const weir_redis_options *o = &g->conn->redis->o;
    weir_arg args[] = {weir_arg_text(o->user), weir_arg_text(o->password)};
    if (o->password != NULL)
        add(g, "AUTH", o->user != NULL ? args : args + 1, o->user != NULL ? 2 : 1);
}

static void add_hello(struct greeting *g)
{
    const weir_redis_options *o = &g->conn->redis->o;
    const char *user = o->user != NULL ? o->user : "default";
    const weir_arg with[] = {weir_arg_int(3),          weir_arg_text("AUTH"),
                             weir_arg_text(user),      weir_arg_text(o->password),
                             weir_arg_text("SETNAME"), weir_arg_text(o->client_name)};
    const weir_arg without[] = {weir_arg_int(3), weir_arg_text("SETNAME"),
                                weir_arg_text(o->client_name)};
    if (o->password != NULL)
        add(g, "HELLO", with, 6);
    else
        add(g, "HELLO", without, 3);
}

static void add_rest(struct greeting *g, bool tracks)
{
    const weir_redis_options *o = &g->conn->redis->o;
    const weir_arg name = weir_arg_text(o->client_name), db = weir_arg_uint(o->db);
    const weir_arg on[] = {weir_arg_text("ON"), weir_arg_text("NOLOOP")};
    if (!g->has_hello)
        add(g, "CLIENT SETNAME", &name, 1);
    if (o->db != 0)
        add(g, "SELECT", &db, 1);
    if (tracks)
        add(g, "CLIENT TRACKING", on, 2);
}

static weir_err refuse(struct greeting *g, const char *step, const weir_redis_value *v)
{
    weir_buf_reset(g->why);
    weir_buf_printf(g->why, "%s: %.*s", step,
                    (int)(v->u.s.len < TEXT_BYTES ? v->u.s.len : TEXT_BYTES), v->u.s.ptr);
    return weir__redis_code(v->u.s);
}

/* Sends what was added. `first`, may be NULL, gets the first answer, be it an error. */
static weir_err ask(struct greeting *g, weir_redis_value *first)
{
    weir_redis_value values[STEPS_MAX] = {{.kind = WEIR_REDIS_NULL}};
    struct weir__redis_conn *conn = g->conn;
    uint32_t count = g->count;
    g->count = 0;
    if (g->err != WEIR_OK || count == 0)
        return g->err;
    struct weir__redis_flight f = {.c = g->c, .values = values, .count = count};
    conn->users++;
    weir_err err = weir__redis_fly(conn, &f, conn->out_at, g->until);
    if (err == WEIR_OK && conn->is_over)
        err = conn->err; /* behind its answers: nobody else would be told */
    if (err != WEIR_OK && conn->is_over)
        weir_buf_printf(g->why, "%s", conn->why);
    else if (err == WEIR_ETIMEDOUT)
        weir_buf_puts(g->why, WEIR_S("the server does not answer"));
    weir__redis_conn_leave(conn);
    for (uint32_t i = 0; err == WEIR_OK && i < count; i++) {
        bool is_first = i == 0 && first != NULL;
        if (values[i].kind == WEIR_REDIS_ERROR && !is_first)
            err = refuse(g, g->names[i], &values[i]);
    }
    if (err == WEIR_OK && first != NULL)
        *first = values[0];
    return err;
}

/* Version 3, unless the server does not know it. */
static weir_err say_hello(struct greeting *g)
{
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    const weir_redis *redis = g->conn->redis;
    if (redis->o.protocol == WEIR_REDIS_RESP2)
        return WEIR_OK;
    add_hello(g);
    weir_err err = ask(g, &v);
    if (err != WEIR_OK)
        return err;
    if (v.kind != WEIR_REDIS_ERROR) {
        g->has_hello = g->conn->is_resp3 = true;
        return WEIR_OK;
    }
    bool is_unknown = weir_str_starts(v.u.s, WEIR_S("ERR unknown command")) ||
                      weir_str_starts(v.u.s, WEIR_S("NOPROTO"));
    if (is_unknown && redis->o.protocol == WEIR_REDIS_AGREED)
        return WEIR_OK;
    return refuse(g, "HELLO", &v);
}

static weir_err greet(struct greeting *g, bool may_track)
{
    struct weir__redis_conn *conn = g->conn;
    weir_err err = say_hello(g);
    if (err != WEIR_OK)
        return err;
    bool tracks = may_track && conn->redis->tracking != NULL && conn->is_resp3;
    if (!g->has_hello)
        add_auth(g);
    add_rest(g, tracks);
    err = ask(g, NULL);
    if (err == WEIR_OK && tracks && !conn->is_over)
        weir__redis_conn_track(conn);
    conn->is_ready = err == WEIR_OK;
    return err;
}

/* --- all of it -------------------------------------------------------------------------------- */

static weir_err open_greeted(weir_redis *redis, struct weir__ctx *c, uint32_t depth, bool may_track,
                             weir_buf *why, struct weir__redis_conn **out)
{
    struct weir__stream s = {.fd = {.num = -1}};
    weir_time until = weir_time_add(weir__worker_now(weir__self), redis->o.dial_timeout);
    weir_err err = connect_stream(redis, c, until, &s, why);
    if (err != WEIR_OK)
        return err;
    struct weir__redis_conn *conn = weir__redis_conn_new(redis, &s, depth);
    if (conn == NULL)
        return -ENOMEM;
    struct greeting g = {.conn = conn, .c = c, .until = until, .why = why};
    err = greet(&g, may_track);
    if (err != WEIR_OK)
        weir__redis_conn_close(conn);
    else
        *out = conn;
    return err;
}

weir_err weir__redis_dial(weir_redis *redis, struct weir__ctx *c, uint32_t depth, bool may_track,
                          struct weir__carrier *carrier, struct weir__redis_conn **out)
{
    char text[WEIR__REDIS_WHY_MAX];
    weir_buf why;
    struct weir__redis_seat *seat = weir__redis_seat(redis);
    weir_buf_init_fixed(&why, text, sizeof text - 1);
    weir_err err = open_greeted(redis, c, depth, may_track, &why, out);
    if (err == WEIR_OK) {
        (*out)->carrier = carrier;
        weir__redis_note_up(seat);
        return err;
    }
    text[why.len] = '\0';
    if (why.len == 0)
        snprintf(text, sizeof text, "%s", weir_strerror(err));
    if (c->reason != WEIR_REASON_NONE)
        return err;
    weir__redis_note_down(seat, text);
    return weir_raise_at(redis->site, weir__ctx_handle(c), err, 503,
                         "redis %s: there is no connection: %s", redis->name, text);
}

/* --- the pools' driver ------------------------------------------------------------------------ */

static weir_err open_shared(void *driver, struct weir__ctx *c, struct weir__carrier *carrier,
                            weir_str key, void **resource)
{
    weir_redis *redis = driver;
    struct weir__redis_conn *conn = NULL;
    (void)key;
    weir_err err = weir__redis_dial(redis, c, redis->o.depth, true, carrier, &conn);
    if (err != WEIR_OK)
        return err;
    weir__carrier_set_room(carrier, redis->o.depth);
    *resource = conn;
    return WEIR_OK;
}

static void close_any(void *driver, struct weir__ctx *c, void *resource)
{
    (void)driver, (void)c;
    weir__redis_conn_close(resource);
}

const struct weir__shared_ops weir__redis_shared_ops = {.open = open_shared, .close = close_any};

static weir_err open_lease(void *driver, struct weir__ctx *c, void **resource)
{
    struct weir__redis_conn *conn = NULL;
    weir_err err = weir__redis_dial(driver, c, LENT_DEPTH, false, NULL, &conn);
    if (err == WEIR_OK)
        *resource = conn;
    return err;
}

static weir_err check_lease(void *driver, struct weir__ctx *c, void *resource)
{
    (void)driver, (void)c;
    return weir__redis_conn_is_quiet(resource) ? WEIR_OK : WEIR_ECLOSED;
}

static bool is_dirty(void *driver, void *resource)
{
    (void)driver;
    return !weir__redis_conn_is_clean(resource);
}

/* What only watches forgets; what an answer is due on is closed. */
static weir_err reset_lease(void *driver, struct weir__ctx *c, void *resource)
{
    struct weir__redis_conn *conn = resource;
    weir_redis_value v = {.kind = WEIR_REDIS_NULL};
    const char *why;
    const struct weir__redis_words unwatch = {"UNWATCH", NULL, 0};
    (void)driver;
    if (conn->is_over || weir__redis_in_flight(conn) > 0 ||
        weir__redis_put(&conn->out, &unwatch, &why) != WEIR_OK)
        return WEIR_ECLOSED;
    struct weir__redis_flight f = {.c = c, .values = &v, .count = 1};
    conn->users++;
    weir_err err = weir__redis_fly(conn, &f, conn->out_at, weir_never());
    conn->is_watching = err != WEIR_OK || v.kind == WEIR_REDIS_ERROR;
    weir__redis_conn_leave(conn);
    return err != WEIR_OK ? err : conn->is_watching ? WEIR_ECLOSED : WEIR_OK;
}

static void leave_worker(void *driver, void *resource)
{
    (void)driver;
    weir__redis_conn_detach(resource);
}

static weir_err enter_worker(void *driver, struct weir__ctx *c, void *resource)
{
    (void)driver, (void)c;
    return weir__redis_conn_attach(resource);
}

const struct weir__pool_ops weir__redis_lease_ops = {.open = open_lease,
                                                     .close = close_any,
                                                     .check = check_lease,
                                                     .is_dirty = is_dirty,
                                                     .reset = reset_lease,
                                                     .leave = leave_worker,
                                                     .enter = enter_worker};
