/*
 * The log-in: start-up, whatever authentication the server asks for, settings, the key by which a
 * statement is cancelled. Nothing that a server says here is believed further than it has to be: a
 * password goes out in clear over TLS or within the machine alone, and with SCRAM the server proves
 * that it knows the password too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/pbkdf2.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "data/postgres/postgres.h"
#include "rt/context.h"
#include "wire/scram.h"
#include <weir/offload.h>

enum { MESSAGES_MAX = 1000 }; /* of a log-in, settings included */

struct login {
    struct weir__pg_conn *conn;
    struct weir__ctx *c;
    struct weir__sql_fault *f;
    struct weir__scram scram;
    bool is_bound;  /* SCRAM is bound to the server's certificate */
    bool is_proven; /* the server has shown that it knows the password */
    bool is_in;
};

static const char *where(const struct login *l)
{
    return l->conn->node->where;
}

static weir_err refuse(struct login *l, weir_err err, const char *why)
{
    return weir__sql_fault(l->f, err, "cannot log in to %s: %s", where(l), why);
}

static weir_err send_out(struct login *l)
{
    return weir__pg_flush(l->conn, 0, l->f);
}

static weir_err password_of(struct login *l, weir_str *out)
{
    const struct weir__pg_url *u = &l->conn->owner->url;
    if (u->password == NULL)
        return refuse(l, WEIR_EDB, "the server wants a password, and the URL has none");
    *out = weir_str_from(u->password);
    return WEIR_OK;
}

/* --- passwords -------------------------------------------------------------------------------- */

static weir_err put_clear(struct login *l)
{
    weir_str password = {NULL, 0};
    weir_err err = password_of(l, &password);
    bool is_private = weir__tls_is_on(&l->conn->stream) || l->conn->node->host->is_near;
    if (err == WEIR_OK && !is_private)
        err = refuse(l, WEIR_EDB, "the server wants the password in clear, and speaks no TLS");
    if (err < 0)
        return err;
    weir__pg_put_password(&l->conn->out, password);
    return send_out(l);
}

static weir_err put_md5(struct login *l, const uint8_t salt[4])
{
    const struct weir__pg_url *u = &l->conn->owner->url;
    weir_str password = {NULL, 0};
    weir_err err = password_of(l, &password);
    if (err < 0)
        return err;
    weir__pg_put_password_md5(&l->conn->out, weir_str_from(u->user), password, salt);
    if (l->conn->out.err == -ENOTSUP)
        return refuse(l, -ENOTSUP, "the server wants MD5, which this machine does not allow");
    return send_out(l);
}

/* --- SCRAM ------------------------------------------------------------------------------------ */

static weir_err begin_scram(struct login *l, const struct weir__pg_auth *a)
{
    uint8_t chance[WEIR__SCRAM_NONCE_BYTES];
    unsigned char certificate[WEIR__TLS_END_POINT_MAX];
    bool is_tls = weir__tls_is_on(&l->conn->stream);
    uint8_t wanted = l->conn->owner->url.binding;
    size_t n = is_tls && a->scram_plus && wanted != WEIR__PG_BINDING_NEVER
                   ? weir__tls_end_point(&l->conn->stream, certificate)
                   : 0;
    enum weir__scram_binding kind = n > 0 ? WEIR__SCRAM_BOUND
                                    : is_tls && !a->scram_plus && wanted != WEIR__PG_BINDING_NEVER
                                        ? WEIR__SCRAM_UNOFFERED
                                        : WEIR__SCRAM_UNBOUND;
    char room[128];
    weir_buf first;
    if (n == 0 && wanted == WEIR__PG_BINDING_ALWAYS)
        return refuse(l, WEIR_EDB, "channel_binding=require, and the server does not offer it");
    if (n == 0 && !a->scram)
        return refuse(l, WEIR_EDB, "the server wants a kind of SASL that is not supported");
    weir__crypto_random(chance, sizeof chance);
    weir__scram_begin(&l->scram, chance, kind, (weir_str){(const char *)certificate, n});
    weir_buf_init_fixed(&first, room, sizeof room);
    weir__scram_first(&l->scram, &first);
    l->is_bound = n > 0;
    weir__pg_put_sasl_first(&l->conn->out, n > 0 ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256",
                            weir_buf_str(&first));
    return send_out(l);
}

struct derivation {
    struct weir__crypto_pbkdf2 p;
    uint8_t key[WEIR__SCRAM_KEY_BYTES];
};

static weir_err derive(void *arg)
{
    struct derivation *d = arg;
    return weir__crypto_pbkdf2(&d->p, d->key, sizeof d->key, NULL);
}

static weir_err go_on_with_scram(struct login *l, weir_str challenge)
{
    struct derivation d = {.p = {.kind = WEIR__CRYPTO_SHA256}};
    char room[1024];
    const char *why;
    weir_buf last;
    weir_err err = password_of(l, &d.p.password);
    if (err < 0)
        return err;
    err = weir__scram_challenge(&l->scram, challenge, &why);
    if (err < 0)
        return refuse(l, err, why);
    if (l->scram.iterations > l->conn->owner->o.scram_iterations_max)
        return refuse(l, WEIR_ELIMIT, "the server asks for more than scram_iterations_max");
    d.p.salt = (weir_str){(const char *)l->scram.salt, l->scram.salt_len};
    d.p.iterations = l->scram.iterations;
    err = weir_offload(weir__ctx_handle(l->c), derive, &d); /* a millisecond and more of a core */
    weir_buf_init_fixed(&last, room, sizeof room);
    if (err == WEIR_OK)
        err = weir__scram_final(&l->scram, d.key, &last);
    weir__crypto_wipe(d.key, sizeof d.key);
    if (err < 0)
        return refuse(l, err, weir_strerror(err));
    weir__pg_put_sasl(&l->conn->out, weir_buf_str(&last));
    return send_out(l);
}

static weir_err end_scram(struct login *l, weir_str verdict)
{
    const char *why;
    weir_err err = weir__scram_verify(&l->scram, verdict, &why);
    if (err < 0)
        return refuse(l, err, why);
    l->is_proven = true;
    return WEIR_OK;
}

/* --- messages --------------------------------------------------------------------------------- */

static weir_err take_ok(struct login *l)
{
    if (l->scram.nonce_len > 0 && !l->is_proven)
        return refuse(l, WEIR_EPROTO, "the server lets us in without having proven who it is");
    if (l->conn->owner->url.binding == WEIR__PG_BINDING_ALWAYS && !l->is_bound)
        return refuse(l, WEIR_EDB, "channel_binding=require, and the server did without it");
    l->is_in = true;
    return WEIR_OK;
}

static weir_err take_auth(struct login *l, weir_str body)
{
    struct weir__pg_auth a;
    if (!weir__pg_read_auth(body, &a) || l->is_in)
        return weir__pg_malformed(l->conn, "an authentication of another form", l->f);
    bool is_bindable = a.kind == WEIR__PG_AUTH_OK || a.kind >= WEIR__PG_AUTH_SASL;
    if (!is_bindable && l->conn->owner->url.binding == WEIR__PG_BINDING_ALWAYS)
        return refuse(l, WEIR_EDB, "channel_binding=require, and the server does not offer it");
    switch (a.kind) {
    case WEIR__PG_AUTH_OK:
        return take_ok(l);
    case WEIR__PG_AUTH_PASSWORD:
        return put_clear(l);
    case WEIR__PG_AUTH_MD5:
        return put_md5(l, a.salt);
    case WEIR__PG_AUTH_SASL:
        return begin_scram(l, &a);
    case WEIR__PG_AUTH_SASL_CONTINUE:
        return go_on_with_scram(l, a.data);
    case WEIR__PG_AUTH_SASL_FINAL:
        return end_scram(l, a.data);
    default:
        return weir__sql_fault(l->f, WEIR_EDB, "cannot log in to %s: the server wants %s", where(l),
                               weir__pg_auth_name(a.kind));
    }
}

static weir_err take_key(struct login *l, weir_str body)
{
    struct weir__pg_conn *conn = l->conn;
    weir_str key;
    if (!weir__pg_read_key(body, &conn->process, &key))
        return weir__pg_malformed(conn, "a key of another form", l->f);
    memcpy(conn->key, key.ptr, key.len);
    conn->key_len = key.len;
    return WEIR_OK;
}

/* What the server said, with where that was before it. */
static void prefix_text(struct login *l)
{
    char text[sizeof l->f->text];
    memcpy(text, l->f->text, sizeof text);
    int n = snprintf(l->f->text, sizeof text, "cannot log in to %s: ", where(l));
    size_t room = n < 0 || (size_t)n >= sizeof text ? 0 : sizeof text - (size_t)n - 1;
    size_t len = strnlen(text, room);
    memcpy(l->f->text + sizeof text - 1 - room, text, len);
    l->f->text[sizeof text - 1 - room + len] = '\0';
}

static weir_err take(struct login *l, const struct weir__pg_message *m, bool *is_over)
{
    struct weir__pg_notice notice;
    uint32_t version, unknown;
    switch (m->type) {
    case WEIR__PG_AUTHENTICATION:
        return take_auth(l, m->body);
    case WEIR__PG_BACKEND_KEY:
        return take_key(l, m->body);
    case WEIR__PG_NEGOTIATE: /* it knows no newer minor version, and none was asked for */
        return weir__pg_read_negotiate(m->body, &version, &unknown)
                   ? WEIR_OK
                   : weir__pg_malformed(l->conn, "a version of another form", l->f);
    case WEIR__PG_ERROR:
        if (!weir__pg_read_notice(m->body, &notice))
            return weir__pg_malformed(l->conn, "an error of another form", l->f);
        (void)weir__pg_fault_of(l->conn, &notice, l->f);
        prefix_text(l);
        return l->f->err;
    case WEIR__PG_READY:
        *is_over = l->is_in && weir__pg_read_ready(m->body, &l->conn->status);
        return *is_over ? WEIR_OK : weir__pg_unexpected(l->conn, m, l->f);
    default:
        return weir__pg_unexpected(l->conn, m, l->f);
    }
}

static void put_startup(struct weir__pg_conn *conn)
{
    const struct weir__pg_url *u = &conn->owner->url;
    const struct weir__pg_pair pairs[] = {
        {"user", weir_str_from(u->user)},
        {"database", weir_str_from(u->database)},
        {"application_name", weir_str_from(conn->owner->o.application_name)},
        {"client_encoding", WEIR_S("UTF8")},
        {"TimeZone", WEIR_S("UTC")}, /* what has no zone of its own is meant in UTC */
        {"options", weir_str_from(u->options)},
    };
    weir__pg_put_startup(&conn->out, pairs, sizeof pairs / sizeof pairs[0]);
}

weir_err weir__pg_log_in(struct weir__pg_conn *conn, struct weir__ctx *c, struct weir__sql_fault *f)
{
    struct login l = {.conn = conn, .c = c, .f = f};
    bool is_over = false;
    put_startup(conn);
    weir_err err = send_out(&l);
    for (int i = 0; err == WEIR_OK && !is_over; i++) {
        struct weir__pg_message m;
        err = i < MESSAGES_MAX ? weir__pg_next(conn, &m, f)
                               : weir__pg_malformed(conn, "a log-in that does not end", f);
        if (err == WEIR_OK)
            err = take(&l, &m, &is_over);
    }
    weir__scram_fini(&l.scram);
    return err;
}
