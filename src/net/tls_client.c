/*
 * A client's configuration: whom it trusts, its own certificate, and sessions to go on with. It is
 * shared by workers, each of which makes its context of the same bytes when it first connects. What
 * is trusted is in one store for all: the system's has some hundred and fifty certificates.
 *
 * Sessions are remembered by the server's name and port, as pools are by host and port: at another
 * port may be another server. The one that has not been used for longest goes first. One of TLS 1.3
 * is given away: used twice it would tell whoever listens that both connections are of one client
 * (RFC 8446 appendix C.4), and the server sends another.
 */
#include "net/tls_inside.h"

#if WEIR_TLS

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "crypto/refusal.h"
#include "rt/runtime.h"

enum { SESSIONS_MAX = 64 };

struct session {
    char *name; /* NULL: the place is free */
    uint16_t port;
    SSL_SESSION *session;
    uint64_t used;
};

struct slot {
    struct weir__lock lock;
    SSL_CTX *ctx; /* NULL until the worker connects */
};

struct weir__tls_client {
    _Atomic uint64_t refs;
    struct weir__tls_client_options options;
    const char **choice; /* what `options` says of it: see keep_choice */
    struct weir__tls_texts own;
    X509_STORE *store;
    struct weir__lock lock; /* of the sessions */
    uint64_t uses;
    struct session sessions[SESSIONS_MAX];
    struct slot slots[WEIR__WORKERS_MAX];
};

/* --- sessions --------------------------------------------------------------------------------- */

static bool is_of(const struct session *s, struct weir__tls_peer of)
{
    return s->name != NULL && s->port == of.port && weir_str_ieq(weir_str_from(s->name), of.name);
}

static void forget(struct session *s)
{
    WEIR_ASSERT((s->name == NULL) == (s->session == NULL),
                "T9: a place has a name and a session, or neither");
    SSL_SESSION_free(s->session);
    weir__free(s->name);
    *s = (struct session){.name = NULL};
}

/* The peer's place, else a free one, else that which has not been used for longest. */
static struct session *place_for(struct weir__tls_client *client, struct weir__tls_peer of)
{
    struct session *best = &client->sessions[0];
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *s = &client->sessions[i];
        if (is_of(s, of))
            return s;
        if (s->used < best->used)
            best = s;
    }
    return best;
}

SSL_SESSION *weir__tls_session_take(struct weir__tls_client *client, struct weir__tls_peer of)
{
    weir__lock_take(&client->lock);
    struct session *s = place_for(client, of);
    SSL_SESSION *session = is_of(s, of) ? s->session : NULL;
    if (session != NULL) {
        SSL_SESSION_up_ref(session);
        s->used = ++client->uses;
        if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
            forget(s);
    }
    weir__lock_give(&client->lock);
    return session;
}

void weir__tls_session_keep(struct weir__tls_client *client, struct weir__tls_peer of,
                            SSL_SESSION *session)
{
    WEIR_ASSERT(session != NULL && of.name.len > 0, "T9: what is kept is a session, by its server");
    char *copy = weir__malloc(of.name.len + 1);
    if (copy == NULL) {
        SSL_SESSION_free(session);
        return;
    }
    memcpy(copy, of.name.ptr, of.name.len);
    copy[of.name.len] = '\0';
    weir__lock_take(&client->lock);
    struct session *s = place_for(client, of);
    forget(s);
    *s = (struct session){copy, of.port, session, ++client->uses};
    weir__lock_give(&client->lock);
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct weir__tls_client *client;
    struct weir__tls_peer of = weir__tls_peer_of(ssl, &client);
    WEIR_ASSERT(client != NULL, "T9: sessions are kept by clients");
    weir__tls_session_keep(client, of, session);
    return 1; /* the reference is ours */
}

/* --- contexts --------------------------------------------------------------------------------- */

static int check_server(X509_STORE_CTX *state, void *unused)
{
    (void)unused;
    int is_good = X509_verify_cert(state) == 1;
    if (!is_good)
        weir__tls_tell_certificate(state, weir__tls_words());
    return is_good;
}

static bool has_own(const struct weir__tls_client *client)
{
    return client->own.chain.len > 0 || client->own.key.len > 0;
}

static SSL_CTX *make(struct weir__tls_client *client, weir_err *err, weir_buf *why)
{
    const struct weir__tls_client_options *o = &client->options;
    WEIR_ASSERT(client->store != NULL, "T2: who is trusted is known before a context is made");
    WEIR_ASSERT(client->choice != NULL, "T2: what contexts are made of is the configuration's own");
    unsigned char alpn[512];
    SSL_CTX *ctx = weir__tls_context_new(&o->choice, false, err, why);
    if (ctx == NULL)
        return NULL;
    size_t alpn_len = weir__tls_alpn(o->choice.alpn, alpn, sizeof alpn);
    if (alpn_len > 0 && SSL_CTX_set_alpn_protos(ctx, alpn, (unsigned)alpn_len) != 0)
        *err = -ENOMEM;
    if (*err == WEIR_OK && has_own(client))
        *err = weir__tls_use_pair(ctx, &o->own, &client->own, why);
    SSL_CTX_set1_cert_store(ctx, client->store);
    SSL_CTX_set_verify(ctx, o->is_unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (!o->is_unverified)
        SSL_CTX_set_cert_verify_callback(ctx, check_server, NULL);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);
    if (*err == WEIR_OK)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

SSL_CTX *weir__tls_client_context(struct weir__tls_client *client)
{
    struct slot *slot = &client->slots[weir__self->index % WEIR__WORKERS_MAX];
    weir_err err;
    weir__lock_take(&slot->lock);
    if (slot->ctx == NULL)
        slot->ctx = make(client, &err, NULL);
    SSL_CTX *ctx = slot->ctx;
    if (ctx != NULL)
        (void)SSL_CTX_up_ref(ctx);
    weir__lock_give(&slot->lock);
    return ctx;
}

bool weir__tls_client_takes_any_name(const struct weir__tls_client *client)
{
    return client->options.takes_any_name;
}

/* --- its life --------------------------------------------------------------------------------- */

static weir_err fill_store(struct weir__tls_client *client, weir_buf *why)
{
    const struct weir__tls_source *ca = &client->options.ca;
    bool is_systems = ca->file == NULL && ca->bytes.ptr == NULL;
    WEIR_ASSERT(client->store == NULL, "T2: who is trusted is read once");
    client->store = X509_STORE_new();
    if (client->store == NULL)
        return weir__crypto_refused(-ENOMEM, "trusted certificates", why);
    if (client->options.is_unverified)
        return WEIR_OK;
    if (is_systems)
        return X509_STORE_set_default_paths(client->store) == 1
                   ? WEIR_OK
                   : weir__crypto_refused(-ENOMEM, "the system's certificates", why);
    weir_buf pem;
    weir_err err = weir__tls_read(ca, "trusted certificates", &pem, why);
    if (err == WEIR_OK)
        err = weir__tls_trust(client->store, ca, weir_buf_str(&pem), why);
    weir_buf_fini(&pem);
    return err;
}

static size_t size_of(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text)
{
    size_t size = size_of(text);
    if (size == 0)
        return NULL;
    const char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

/*
 * Ciphers, suites and protocols are read whenever a worker first connects, when those that were
 * given may be gone: they are copied, in one block. Sources have been read by then.
 */
static weir_err keep_choice(struct weir__tls_client *client, weir_buf *why)
{
    struct weir__tls_choice *o = &client->options.choice;
    size_t count = 0, size = size_of(o->ciphers) + size_of(o->suites);
    while (o->alpn != NULL && o->alpn[count] != NULL)
        size += size_of(o->alpn[count++]);
    client->choice = weir__malloc((count + 1) * sizeof *client->choice + size);
    if (client->choice == NULL)
        return weir__crypto_refuse(-ENOMEM, why, "TLS: out of memory");
    char *at = (char *)(client->choice + count + 1);
    for (size_t i = 0; i < count; i++)
        client->choice[i] = put(&at, o->alpn[i]);
    client->choice[count] = NULL;
    if (o->alpn != NULL)
        o->alpn = client->choice;
    o->ciphers = put(&at, o->ciphers);
    o->suites = put(&at, o->suites);
    WEIR_ASSERT(at == (char *)(client->choice + count + 1) + size, "T2: each text has its copy");
    return WEIR_OK;
}

/* Nothing that is the caller's is looked at any more. */
static void forget_sources(struct weir__tls_client_options *o)
{
    o->ca = (struct weir__tls_source){.file = NULL};
    o->own = (struct weir__tls_pair){.chain = {.file = NULL}};
}

/* The first context shows whether the others can be made. */
static weir_err try_to_make(struct weir__tls_client *client, weir_buf *why)
{
    weir_err err;
    SSL_CTX *ctx = make(client, &err, why);
    SSL_CTX_free(ctx);
    return err;
}

weir_err weir__tls_client_new(const struct weir__tls_client_options *o,
                              struct weir__tls_client **out, weir_buf *why)
{
    *out = NULL;
    if (weir__alloc_pretend())
        return weir__crypto_refuse(-ENOMEM, why, "TLS: out of memory");
    weir__crypto_forget();
    struct weir__tls_client *client = weir__calloc(1, sizeof *client);
    if (client == NULL)
        return weir__crypto_refuse(-ENOMEM, why, "TLS: out of memory");
    client->refs = 1;
    client->options = *o;
    weir_err err = keep_choice(client, why);
    if (err == WEIR_OK)
        err = weir__tls_read_pair(&o->own, &client->own, why);
    if (err == WEIR_OK)
        err = fill_store(client, why);
    if (err == WEIR_OK)
        err = try_to_make(client, why);
    forget_sources(&client->options);
    weir__crypto_forget();
    if (err < 0)
        weir__tls_client_unref(client);
    else
        *out = client;
    WEIR_ASSERT((err == WEIR_OK) == (*out != NULL), "T11: there is a configuration, or an error");
    return err;
}

struct weir__tls_client *weir__tls_client_ref(struct weir__tls_client *client)
{
    uint64_t refs = atomic_fetch_add_explicit(&client->refs, 1, memory_order_relaxed);
    WEIR_ASSERT(refs > 0, "T2: who takes a reference has one");
    return client;
}

void weir__tls_client_unref(struct weir__tls_client *client)
{
    if (client == NULL)
        return;
    uint64_t refs = atomic_fetch_sub_explicit(&client->refs, 1, memory_order_acq_rel);
    WEIR_ASSERT(refs > 0, "T2: who gives a reference back has one");
    if (refs > 1)
        return;
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        forget(&client->sessions[i]);
    for (size_t i = 0; i < WEIR__WORKERS_MAX; i++)
        SSL_CTX_free(client->slots[i].ctx);
    X509_STORE_free(client->store);
    weir__tls_texts_fini(&client->own);
    weir__free(client->choice);
    weir__free(client);
}

#endif
