/*
 * A server's configuration: certificates as each worker serves them. Every worker has a context of
 * its own, made of the same bytes; loading makes all of them before the first is replaced, so a
 * broken file replaces none. Who accepts takes a reference on its worker's, under that worker's
 * lock, and the connection keeps it: an old one lives as long as the last that it was given to.
 *
 * Whose certificate is served is decided while the handshake goes on, by the name that the client
 * asks for; one that nobody has gets the first, and the client judges it.
 */
#include "net/tls_inside.h"

#if WEIR_TLS

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <time.h>
#include <weir/value.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "crypto/refusal.h"
#include "crypto/secret.h"
#include "net/tls_ticket.h"
#include "rt/runtime.h"

enum { ALPN_BYTES = 512, EXPIRIES_MAX = 64, DAY_S = 86400, IV_BYTES = 16 };

/* Of a client's certificates: a chain has a few of 1 to 2 KB. libssl would gather 100 KB. */
enum { CLIENT_CHAIN_BYTES_MAX = 32 << 10 };

/* What one name's certificate is good for. */
struct expiry {
    char name[WEIR__TLS_NAMES_MAX];
    int64_t at; /* seconds of Unix */
};

/* Of a worker. */
struct slot {
    struct weir__lock lock;
    SSL_CTX *ctx;
} __attribute__((aligned(64)));

struct weir__tls_server {
    struct weir__tls_server_options options;
    struct weir__list in_all;
    struct weir__lock lock; /* of what stands below */
    size_t expiry_count;
    struct expiry expiries[EXPIRIES_MAX];
    unsigned char digest[WEIR__CRYPTO_SHA256_BYTES]; /* of what is served; who loads has it */
    struct slot slots[];
};

static struct {
    struct weir__lock lock;
    struct weir__list servers; /* weir__tls_server.in_all */
} all = {.servers = {&all.servers, &all.servers}};

/* --- what a context calls back ---------------------------------------------------------------- */

/* Of the first certificate's context, whose handshake every one begins as. */
struct serving {
    struct weir__tls_names *names;
    unsigned char alpn[ALPN_BYTES];
    size_t alpn_len;
};

static int serving_index = -1;
static EVP_CIPHER *ticket_cipher;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_serving(void *parent, void *serving, CRYPTO_EX_DATA *ad, int index, long number,
                         void *pointer)
{
    (void)parent, (void)ad, (void)index, (void)number, (void)pointer;
    struct serving *s = serving;
    if (s != NULL)
        weir__tls_names_free(s->names);
    weir__free(s);
}

/* Looked up by name once: it takes locks that all threads share. */
static void prepare(void)
{
    serving_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_serving);
    ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
}

static int choose_certificate(SSL *ssl, int *alert, void *serving)
{
    (void)alert;
    const struct serving *s = serving;
    WEIR_ASSERT(s->names != NULL, "T2: who serves knows its certificates");
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *ctx = name != NULL ? weir__tls_names_find(s->names, weir_str_from(name)) : NULL;
    if (ctx != NULL && ctx != SSL_get_SSL_CTX(ssl) && SSL_set_SSL_CTX(ssl, ctx) == NULL)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

/* Ours decides; who offers none of ours is refused (RFC 7301 section 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned offered_len, void *serving)
{
    (void)ssl;
    const struct serving *s = serving;
    WEIR_ASSERT(s->alpn_len > 0, "T10: who chooses has protocols to choose from");
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, s->alpn, (unsigned)s->alpn_len, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int check_client(X509_STORE_CTX *state, void *unused)
{
    (void)unused;
    int is_good = X509_verify_cert(state) == 1;
    if (!is_good)
        weir__tls_tell_certificate(state, weir__tls_words());
    return is_good;
}

static bool use_key(struct weir__tls_key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
                    EVP_MAC_CTX *mac, bool is_sealing)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};
    return EVP_CipherInit_ex2(cipher, ticket_cipher, key->cipher, iv, is_sealing, NULL) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

/*
 * How libssl asks for a ticket's key: 1; 0: there is none; 2: its client is to have another ticket,
 * as who goes on by one of 1.3 has none left.
 */
static int seal_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                       EVP_MAC_CTX *mac, int is_sealing)
{
    struct weir__tls_key key;
    bool is_newest = true;
    if (is_sealing != 0) {
        weir__tls_key_to_seal(weir__self->now, &key);
        memcpy(name, key.name, sizeof key.name);
        weir__crypto_random(iv, IV_BYTES);
    } else if (!weir__tls_key_to_open(weir__self->now, name, &key, &is_newest)) {
        return 0;
    }
    bool is_used = use_key(&key, iv, cipher, mac, is_sealing != 0);
    weir__crypto_wipe(&key, sizeof key);
    if (!is_used)
        return -1;
    return is_newest && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

/* The host's name in the extension of a hello (RFC 6066 section 3); absent. */
static weir_str hello_name(SSL *ssl)
{
    const unsigned char *ext;
    size_t len;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext, &len) != 1 || len < 5 ||
        ext[2] != TLSEXT_NAMETYPE_host_name)
        return (weir_str){NULL, 0};
    size_t name_len = (size_t)ext[3] << 8 | ext[4];
    return (weir_str){(const char *)ext + 5, name_len <= len - 5 ? name_len : 0};
}

/* Gone on with by the name that it was begun with alone (RFC 6066 section 3). */
static SSL_TICKET_RETURN see_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *key_name,
                                    size_t key_name_len, SSL_TICKET_STATUS status, void *unused)
{
    (void)key_name, (void)key_name_len, (void)unused;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    const char *of = SSL_SESSION_get0_hostname(session);
    weir_str name = hello_name(ssl);
    if ((of == NULL) != (name.ptr == NULL) || !weir_str_ieq(weir_str_from(of), name))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* --- making a worker's ------------------------------------------------------------------------ */

/* All that is read. */
struct texts {
    size_t count;
    weir_buf client_ca;
    unsigned char digest[WEIR__CRYPTO_SHA256_BYTES];
    unsigned char session_id[WEIR__CRYPTO_SHA256_BYTES];
    struct weir__tls_texts pairs[];
};

static void free_texts(struct texts *t)
{
    for (size_t i = 0; i < t->count; i++)
        weir__tls_texts_fini(&t->pairs[i]);
    weir_buf_fini(&t->client_ca);
    weir__free(t);
}

static void add_text(struct weir__crypto_hash *h, const weir_buf *text)
{
    weir__crypto_hash_add(h, &text->len, sizeof text->len);
    weir__crypto_hash_add(h, text->ptr, text->len);
}

/* A session is gone on with only where its client would have been asked for the same. */
static weir_err digest_texts(struct texts *t, enum weir__tls_ask clients)
{
    struct weir__crypto_hash h;
    weir__crypto_hash_begin(&h, WEIR__CRYPTO_SHA256);
    weir__crypto_hash_add(&h, &clients, sizeof clients);
    add_text(&h, &t->client_ca);
    weir_err err = weir__crypto_hash_end(&h, t->session_id);
    weir__crypto_hash_begin(&h, WEIR__CRYPTO_SHA256);
    weir__crypto_hash_add(&h, t->session_id, sizeof t->session_id);
    for (size_t i = 0; i < t->count; i++) {
        add_text(&h, &t->pairs[i].chain);
        add_text(&h, &t->pairs[i].key);
        add_text(&h, &t->pairs[i].staple);
    }
    weir_err second = weir__crypto_hash_end(&h, t->digest);
    return err < 0 ? err : second;
}

/* NULL: see `*err`. */
static struct texts *read_texts(const struct weir__tls_server_options *o, weir_err *err,
                                weir_buf *why)
{
    struct texts *t = weir__calloc(1, sizeof *t + o->pair_count * sizeof t->pairs[0]);
    if (t == NULL) {
        *err = weir__crypto_refuse(-ENOMEM, why, "certificates: out of memory");
        return NULL;
    }
    *err = weir__tls_read(&o->client_ca, "trusted certificates", &t->client_ca, why);
    for (; *err == WEIR_OK && t->count < o->pair_count; t->count++)
        *err = weir__tls_read_pair(&o->pairs[t->count], &t->pairs[t->count], why);
    if (*err == WEIR_OK && digest_texts(t, o->clients) < 0)
        *err = weir__crypto_refuse(-ENOMEM, why, "certificates: out of memory");
    WEIR_ASSERT(*err < 0 || t->count == o->pair_count, "T2: all is read before any is served");
    if (*err == WEIR_OK)
        return t;
    free_texts(t);
    return NULL;
}

/* Tells clients whom theirs may be signed by (RFC 8446 section 4.2.4). */
static weir_err name_authorities(SSL_CTX *ctx, weir_str pem, weir_buf *why)
{
    BIO *text = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    bool is_good = text != NULL;
    for (X509 *x; is_good && (x = PEM_read_bio_X509(text, NULL, NULL, NULL)) != NULL;) {
        is_good = SSL_CTX_add_client_CA(ctx, x) == 1;
        X509_free(x);
    }
    BIO_free(text);
    if (!is_good || weir__crypto_lacked_memory())
        return weir__crypto_refused(-ENOMEM, "trusted certificates", why);
    weir__crypto_forget();
    return WEIR_OK;
}

static weir_err ask_clients(SSL_CTX *ctx, const struct weir__tls_server_options *o,
                            const struct texts *t, weir_buf *why)
{
    if (o->clients == WEIR__TLS_ASK_NOBODY)
        return WEIR_OK;
    weir_str pem = weir_buf_str(&t->client_ca);
    int mode = SSL_VERIFY_PEER;
    mode |= o->clients == WEIR__TLS_REQUIRE ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(ctx, mode, NULL);
    SSL_CTX_set_max_cert_list(ctx, CLIENT_CHAIN_BYTES_MAX);
    SSL_CTX_set_cert_verify_callback(ctx, check_client, NULL);
    weir_err err = weir__tls_trust(SSL_CTX_get_cert_store(ctx), &o->client_ca, pem, why);
    return err == WEIR_OK ? name_authorities(ctx, pem, why) : err;
}

/* One certificate's, with all that does not depend on the others. */
static SSL_CTX *make_one(const struct weir__tls_server_options *o, const struct texts *t, size_t i,
                         weir_err *err, weir_buf *why)
{
    WEIR_ASSERT(i < t->count, "T2: all is read before any is served");
    SSL_CTX *ctx = weir__tls_context_new(&o->choice, true, err, why);
    if (ctx == NULL)
        return NULL;
    *err = weir__tls_use_pair(ctx, &o->pairs[i], &t->pairs[i], why);
    if (*err == WEIR_OK)
        *err = ask_clients(ctx, o, t, why);
    (void)SSL_CTX_set_num_tickets(ctx, 1);
    (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, seal_ticket);
    (void)SSL_CTX_set_session_ticket_cb(ctx, NULL, see_ticket, NULL);
    (void)SSL_CTX_set_session_id_context(ctx, t->session_id, sizeof t->session_id);
    if (*err == WEIR_OK)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

/* A certificate is served by its names, and answers for the protocol. */
static weir_err serve(struct serving *s, SSL_CTX *ctx)
{
    if (s->alpn_len > 0)
        SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, s);
    return weir__tls_names_add(s->names, SSL_CTX_get0_certificate(ctx), ctx);
}

/* What the first certificate's context has for all of them; NULL: no memory. */
static struct serving *begin_to_serve(SSL_CTX *ctx, const struct weir__tls_server_options *o)
{
    struct serving *s = weir__calloc(1, sizeof *s);
    if (s != NULL)
        s->names = weir__tls_names_new(o->pair_count);
    if (s == NULL || s->names == NULL || SSL_CTX_set_ex_data(ctx, serving_index, s) != 1) {
        free_serving(NULL, s, NULL, 0, 0, NULL);
        return NULL;
    }
    s->alpn_len = weir__tls_alpn(o->choice.alpn, s->alpn, sizeof s->alpn);
    WEIR_ASSERT((o->choice.alpn != NULL) == (s->alpn_len > 0),
                "T10: what is chosen from was looked at before");
    (void)SSL_CTX_set_tlsext_servername_callback(ctx, choose_certificate);
    (void)SSL_CTX_set_tlsext_servername_arg(ctx, s);
    return s;
}

static weir_err serve_all(SSL_CTX *first, const struct weir__tls_server_options *o,
                          const struct texts *t, weir_buf *why)
{
    struct serving *s = begin_to_serve(first, o);
    if (s == NULL)
        return weir__crypto_refuse(-ENOMEM, why, "certificates: out of memory");
    weir_err err = serve(s, first);
    for (size_t i = 1; i < o->pair_count && err == WEIR_OK; i++) {
        SSL_CTX *ctx = make_one(o, t, i, &err, why);
        if (ctx == NULL)
            return err;
        weir__tls_names_hold(s->names, ctx);
        err = serve(s, ctx);
    }
    return err;
}

/* All of a worker's: the first certificate's context, which has the others. */
static SSL_CTX *make_all(const struct weir__tls_server_options *o, const struct texts *t,
                         weir_err *err, weir_buf *why)
{
    SSL_CTX *first = make_one(o, t, 0, err, why);
    if (first == NULL)
        return NULL;
    *err = serve_all(first, o, t, why);
    if (*err == WEIR_OK)
        return first;
    SSL_CTX_free(first);
    return NULL;
}

/* --- publishing ------------------------------------------------------------------------------- */

static SSL_CTX *exchange(struct slot *slot, SSL_CTX *ctx)
{
    WEIR_ASSERT(ctx != NULL, "T2: what is published is there");
    weir__lock_take(&slot->lock);
    SSL_CTX *old = slot->ctx;
    slot->ctx = ctx;
    weir__lock_give(&slot->lock);
    return old;
}

SSL_CTX *weir__tls_server_context(struct weir__tls_server *server)
{
    unsigned i = weir__self->index < server->options.workers ? weir__self->index : 0;
    struct slot *slot = &server->slots[i];
    weir__lock_take(&slot->lock);
    SSL_CTX *ctx = slot->ctx;
    int rc = SSL_CTX_up_ref(ctx);
    weir__lock_give(&slot->lock);
    WEIR_ASSERT(rc == 1, "T2: what is published is there");
    return ctx;
}

static void note_expiry(weir_str name, void *arg)
{
    struct weir__tls_server *server = arg;
    struct expiry *e = &server->expiries[server->expiry_count];
    if (server->expiry_count == EXPIRIES_MAX || name.len >= sizeof e->name)
        return;
    memcpy(e->name, name.ptr, name.len);
    e->name[name.len] = '\0';
    e->at = INT64_MIN; /* of the certificate whose names are read: see note_expiries */
    server->expiry_count++;
}

static int64_t unix_of(const ASN1_TIME *t)
{
    struct tm broken;
    return ASN1_TIME_to_tm(t, &broken) == 1 ? (int64_t)timegm(&broken) : 0;
}

static void note_expiries(struct weir__tls_server *server, const struct texts *t)
{
    weir__lock_take(&server->lock);
    server->expiry_count = 0;
    for (size_t i = 0; i < t->count; i++) {
        const weir_buf *chain = &t->pairs[i].chain;
        BIO *text = BIO_new_mem_buf(chain->ptr, (int)chain->len);
        X509 *x = text != NULL ? PEM_read_bio_X509(text, NULL, NULL, NULL) : NULL;
        size_t from = server->expiry_count;
        if (x != NULL)
            weir__tls_names_of(x, note_expiry, server);
        for (; from < server->expiry_count; from++)
            server->expiries[from].at = unix_of(X509_get0_notAfter(x));
        X509_free(x);
        BIO_free(text);
    }
    weir__lock_give(&server->lock);
    weir__crypto_forget();
}

/* A worker's next one. */
struct fresh {
    SSL_CTX *ctx;
};

static weir_err publish(struct weir__tls_server *server, const struct texts *t, weir_buf *why)
{
    unsigned workers = server->options.workers, made = 0;
    weir_err err = WEIR_OK;
    struct fresh *fresh = weir__calloc(workers, sizeof fresh[0]);
    if (fresh == NULL)
        return weir__crypto_refuse(-ENOMEM, why, "certificates: out of memory");
    for (; made < workers && err == WEIR_OK; made++)
        fresh[made].ctx = make_all(&server->options, t, &err, why);
    WEIR_ASSERT(err < 0 || made == workers, "T2: all are made before the first is published");
    for (unsigned i = 0; i < made; i++)
        SSL_CTX_free(err == WEIR_OK ? exchange(&server->slots[i], fresh[i].ctx) : fresh[i].ctx);
    weir__free(fresh);
    if (err == WEIR_OK)
        note_expiries(server, t);
    return err;
}

weir_err weir__tls_server_reload(struct weir__tls_server *server, bool *is_new, weir_buf *why)
{
    weir_err err;
    *is_new = false;
    struct texts *t = read_texts(&server->options, &err, why);
    if (t == NULL)
        return err;
    bool is_served = memcmp(t->digest, server->digest, sizeof t->digest) == 0;
    if (!is_served)
        err = publish(server, t, why);
    if (!is_served && err == WEIR_OK)
        memcpy(server->digest, t->digest, sizeof t->digest);
    *is_new = !is_served && err == WEIR_OK;
    free_texts(t);
    return err;
}

/* --- its life --------------------------------------------------------------------------------- */

weir_err weir__tls_server_new(const struct weir__tls_server_options *o,
                              struct weir__tls_server **out, weir_buf *why)
{
    struct weir__tls_server *server;
    bool is_new;
    WEIR_ASSERT(o->pair_count > 0 && o->workers > 0, "T2: there is a certificate to be served");
    *out = NULL;
    pthread_once(&once, prepare);
    if (serving_index < 0 || ticket_cipher == NULL)
        return weir__crypto_refused(-ENOMEM, "TLS", why);
    server = weir__memalign(64, sizeof *server + o->workers * sizeof server->slots[0]);
    if (server == NULL)
        return weir__crypto_refuse(-ENOMEM, why, "certificates: out of memory");
    memset(server, 0, sizeof *server + o->workers * sizeof server->slots[0]);
    server->options = *o;
    weir__list_init(&server->in_all);
    weir_err err = weir__tls_server_reload(server, &is_new, why);
    if (err < 0) {
        weir__tls_server_free(server);
        return err;
    }
    WEIR_ASSERT(is_new, "T2: what is served first is new");
    weir__lock_take(&all.lock);
    weir__list_push_back(&all.servers, &server->in_all);
    weir__lock_give(&all.lock);
    *out = server;
    return WEIR_OK;
}

void weir__tls_server_free(struct weir__tls_server *server)
{
    if (server == NULL)
        return;
    weir__lock_take(&all.lock);
    weir__list_remove(&server->in_all);
    weir__lock_give(&all.lock);
    for (unsigned i = 0; i < server->options.workers; i++)
        SSL_CTX_free(server->slots[i].ctx);
    weir__free(server);
}

/* --- for the metrics -------------------------------------------------------------------------- */

static int64_t days_to(int64_t at)
{
    int64_t left = at - weir_wall_now().us / 1000000;
    return left / DAY_S - (left % DAY_S < 0);
}

void weir__tls_each_certificate(void (*see)(const char *name, int64_t days, void *arg), void *arg)
{
    weir__lock_take(&all.lock);
    for (struct weir__list *l = all.servers.next; l != &all.servers; l = l->next) {
        struct weir__tls_server *s = WEIR_CONTAINER(l, struct weir__tls_server, in_all);
        weir__lock_take(&s->lock);
        WEIR_ASSERT(s->expiry_count <= EXPIRIES_MAX, "T10: no more names are noted than that");
        for (size_t i = 0; i < s->expiry_count; i++)
            see(s->expiries[i].name, days_to(s->expiries[i].at), arg);
        weir__lock_give(&s->lock);
    }
    weir__lock_give(&all.lock);
}

#endif
