/*
 * libssl's SSL_CTX of what a configuration says: what both ends may choose, certificates, whom to
 * trust. All is read from PEM texts that are in memory, so that each worker's context is made of
 * the same bytes, and none shares a certificate with another: libssl counts references to it in
 * each connection, and workers would fight for that count.
 *
 * Every mistake is one line that names the file and what is wrong with it.
 */
#include "net/tls_inside.h"

#if WEIR_TLS

#include <fcntl.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "crypto/refusal.h"
#include "crypto/secret.h"
#include "os/sys.h"

enum { READ_BYTES = 16 << 10 };

/* Forward secrecy and authenticated encryption; what HTTP/2 allows (RFC 9113 section 9.2.2). */
static const char ciphers_default[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

/* --- reading ---------------------------------------------------------------------------------- */

const char *weir__tls_source_name(const struct weir__tls_source *s)
{
    return s->file != NULL ? s->file : "bytes in memory";
}

/* What there is may be a key, of which nothing is left where it lay before: no realloc. */
static weir_err make_room(weir_buf *b)
{
    weir_buf larger;
    if (b->cap - b->len >= READ_BYTES)
        return WEIR_OK;
    weir_buf_init(&larger, b->bytes_max);
    if (weir_buf_reserve(&larger, b->len + READ_BYTES) == NULL)
        return larger.err;
    weir_buf_add(&larger, b->ptr, b->len);
    weir__crypto_wipe(b->ptr, b->len);
    weir_buf_fini(b);
    *b = larger;
    return WEIR_OK;
}

static weir_err read_file(int fd, weir_buf *out)
{
    for (;;) {
        weir_err err = make_room(out);
        if (err < 0)
            return err;
        ssize_t n = weir__sys_read(fd, out->ptr + out->len, READ_BYTES);
        if (n <= 0)
            return (weir_err)n;
        out->len += (size_t)n;
    }
}

weir_err weir__tls_read(const struct weir__tls_source *s, const char *what, weir_buf *out,
                        weir_buf *why)
{
    weir_buf_init(out, WEIR__TLS_FILE_BYTES_MAX);
    weir_err err = WEIR_OK;
    if (s->file == NULL) {
        weir_buf_puts(out, s->bytes);
        err = out->err;
    } else {
        int fd = weir__sys_open(s->file, O_RDONLY, 0);
        err = fd < 0 ? fd : read_file(fd, out);
        if (fd >= 0)
            weir__sys_close(fd);
    }
    if (err < 0)
        return weir__crypto_refuse(err, why, "%s %s: %s", what, weir__tls_source_name(s),
                                   weir_strerror(err));
    WEIR_ASSERT(out->len <= WEIR__TLS_FILE_BYTES_MAX, "T10: no more is read than a file may have");
    return WEIR_OK;
}

weir_err weir__tls_read_pair(const struct weir__tls_pair *pair, struct weir__tls_texts *out,
                             weir_buf *why)
{
    *out = (struct weir__tls_texts){.chain = {.len = 0}};
    weir_err err = weir__tls_read(&pair->chain, "certificate", &out->chain, why);
    if (err == WEIR_OK)
        err = weir__tls_read(&pair->key, "key", &out->key, why);
    if (err == WEIR_OK)
        err = weir__tls_read(&pair->staple, "OCSP answer", &out->staple, why);
    return err;
}

void weir__tls_texts_fini(struct weir__tls_texts *texts)
{
    weir_str key = weir_buf_str(&texts->key);
    weir__crypto_wipe((char *)(uintptr_t)key.ptr, key.len);
    weir_buf_fini(&texts->chain);
    weir_buf_fini(&texts->key);
    weir_buf_fini(&texts->staple);
}

/* libssl would ask the terminal. */
static int no_password(char *out, int size, int is_writing, void *unused)
{
    (void)out, (void)size, (void)is_writing, (void)unused;
    return -1;
}

/* --- certificates ----------------------------------------------------------------------------- */

/* The next of a PEM text; NULL: there is none, and `*is_end` when that is no mistake. */
static X509 *next_certificate(BIO *text, bool *is_end)
{
    X509 *x = PEM_read_bio_X509(text, NULL, no_password, NULL);
    *is_end = x == NULL && !weir__crypto_lacked_memory() &&
              ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (*is_end)
        weir__crypto_forget();
    return x;
}

static weir_err use_chain(SSL_CTX *ctx, BIO *text, const struct weir__tls_pair *pair, weir_buf *why)
{
    const char *file = weir__tls_source_name(&pair->chain);
    bool is_end, is_used;
    X509 *x = next_certificate(text, &is_end);
    if (is_end)
        return weir__crypto_refuse(WEIR_EINVALID, why,
                                   "certificate %s: no certificate in it; wanted: PEM text", file);
    is_used = x != NULL && SSL_CTX_use_certificate(ctx, x) == 1;
    X509_free(x);
    while (is_used && (x = next_certificate(text, &is_end)) != NULL) {
        is_used = SSL_CTX_add0_chain_cert(ctx, x) == 1;
        if (!is_used)
            X509_free(x);
    }
    return is_used && is_end ? WEIR_OK : weir__crypto_refused(WEIR_EINVALID, file, why);
}

static weir_err use_key(SSL_CTX *ctx, BIO *text, const struct weir__tls_pair *pair, weir_buf *why)
{
    const char *file = weir__tls_source_name(&pair->key);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(text, NULL, no_password, NULL);
    bool is_used = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    bool is_lacking = weir__crypto_lacked_memory();
    bool is_read = key != NULL;
    EVP_PKEY_free(key);
    if (is_used)
        return WEIR_OK;
    if (!is_lacking && !is_read)
        return weir__crypto_refuse(WEIR_EINVALID, why,
                                   "key %s: no private key can be read; wanted: PEM text without "
                                   "a password",
                                   file);
    if (!is_lacking && ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH)
        return weir__crypto_refuse(WEIR_EINVALID, why, "key %s is not that of certificate %s", file,
                                   weir__tls_source_name(&pair->chain));
    return weir__crypto_refused(WEIR_EINVALID, file, why);
}

/* --- stapling --------------------------------------------------------------------------------- */

static int staple_index = -1;
static pthread_once_t staple_once = PTHREAD_ONCE_INIT;

static void free_staple(void *parent, void *bytes, CRYPTO_EX_DATA *ad, int index, long number,
                        void *pointer)
{
    (void)parent, (void)ad, (void)index, (void)number, (void)pointer;
    if (bytes != NULL)
        weir_buf_fini(bytes);
    weir__free(bytes);
}

static void make_staple_index(void)
{
    staple_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_staple);
}

/* libssl frees what it is given, once a handshake. */
static int staple(SSL *ssl, void *unused)
{
    (void)unused;
    const weir_buf *bytes = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), staple_index);
    WEIR_ASSERT(bytes != NULL && bytes->len > 0,
                "T2: what is stapled is kept with its certificate");
    void *copy = OPENSSL_memdup(bytes->ptr, bytes->len);
    if (copy == NULL || SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)bytes->len) != 1) {
        OPENSSL_free(copy);
        return SSL_TLSEXT_ERR_NOACK;
    }
    return SSL_TLSEXT_ERR_OK;
}

static bool is_answer(weir_str bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &at, (long)bytes.len);
    bool is_good = r != NULL && OCSP_response_status(r) == OCSP_RESPONSE_STATUS_SUCCESSFUL;
    OCSP_RESPONSE_free(r);
    return is_good;
}

static weir_err use_staple(SSL_CTX *ctx, weir_str bytes, const char *file, weir_buf *why)
{
    if (!is_answer(bytes) && !weir__crypto_lacked_memory())
        return weir__crypto_refuse(WEIR_EINVALID, why,
                                   "OCSP answer %s: wanted: DER of a successful one", file);
    pthread_once(&staple_once, make_staple_index);
    weir_buf *copy = weir__calloc(1, sizeof *copy);
    if (copy != NULL) {
        weir_buf_init(copy, WEIR__TLS_FILE_BYTES_MAX);
        weir_buf_puts(copy, bytes);
    }
    if (copy == NULL || copy->err < 0 || SSL_CTX_set_ex_data(ctx, staple_index, copy) != 1) {
        free_staple(NULL, copy, NULL, 0, 0, NULL);
        return weir__crypto_refuse(-ENOMEM, why, "OCSP answer %s: out of memory", file);
    }
    SSL_CTX_set_tlsext_status_cb(ctx, staple);
    return WEIR_OK;
}

weir_err weir__tls_use_pair(SSL_CTX *ctx, const struct weir__tls_pair *pair,
                            const struct weir__tls_texts *texts, weir_buf *why)
{
    WEIR_ASSERT(texts->chain.len <= WEIR__TLS_FILE_BYTES_MAX &&
                    texts->key.len <= WEIR__TLS_FILE_BYTES_MAX,
                "T10: texts are bounded, and their lengths fit an int");
    weir__crypto_forget();
    BIO *chain =
        BIO_new_mem_buf(texts->chain.ptr != NULL ? texts->chain.ptr : "", (int)texts->chain.len);
    BIO *key = BIO_new_mem_buf(texts->key.ptr != NULL ? texts->key.ptr : "", (int)texts->key.len);
    weir_err err = chain != NULL && key != NULL ? use_chain(ctx, chain, pair, why)
                                                : weir__crypto_refused(-ENOMEM, "certificate", why);
    if (err == WEIR_OK)
        err = use_key(ctx, key, pair, why);
    if (err == WEIR_OK && texts->staple.len > 0)
        err = use_staple(ctx, weir_buf_str(&texts->staple), weir__tls_source_name(&pair->staple),
                         why);
    BIO_free(chain);
    BIO_free(key);
    weir__crypto_forget();
    return err;
}

weir_err weir__tls_trust(X509_STORE *store, const struct weir__tls_source *from, weir_str pem,
                         weir_buf *why)
{
    const char *file = weir__tls_source_name(from);
    weir__crypto_forget();
    BIO *text = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    size_t count = 0;
    bool is_end = false, is_used = text != NULL;
    for (X509 *x; is_used && (x = next_certificate(text, &is_end)) != NULL; count++) {
        is_used = X509_STORE_add_cert(store, x) == 1;
        X509_free(x);
    }
    BIO_free(text);
    if (!is_used || !is_end)
        return weir__crypto_refused(WEIR_EINVALID, file, why);
    if (count == 0)
        return weir__crypto_refuse(WEIR_EINVALID, why,
                                   "trusted certificates %s: none in it; wanted: PEM text", file);
    return WEIR_OK;
}

/* --- what may be chosen ----------------------------------------------------------------------- */

size_t weir__tls_alpn(const char *const *protocols, unsigned char *out, size_t size)
{
    size_t at = 0;
    for (; protocols != NULL && *protocols != NULL; protocols++) {
        size_t len = strlen(*protocols);
        if (len == 0 || len > 255 || at + 1 + len > size)
            return 0;
        out[at++] = (unsigned char)len;
        memcpy(out + at, *protocols, len);
        at += len;
    }
    WEIR_ASSERT(at <= size, "T10: the protocols fit where they are written");
    return at;
}

/* libssl passes over names that it does not know, as long as it knows one of them. */
static weir_err check_ciphers(const char *list, weir_buf *why)
{
    static const char between[] = ":, ";
    char name[64];
    for (list += strspn(list, between); *list != '\0'; list += strspn(list, between)) {
        size_t len = strcspn(list, between);
        const char *from = list + strspn(list, "!-+");
        WEIR_ASSERT(from <= list + len, "T10: a name ends where its word does");
        size_t name_len = (size_t)(list + len - from);
        list += len;
        if (*from == '@')
            continue;
        SSL_CTX *scratch = SSL_CTX_new(TLS_method());
        bool is_known = false;
        if (name_len > 0 && name_len < sizeof name && scratch != NULL) {
            memcpy(name, from, name_len);
            name[name_len] = '\0';
            is_known = SSL_CTX_set_cipher_list(scratch, name) == 1;
        }
        SSL_CTX_free(scratch);
        if (!is_known)
            return weir__crypto_refuse(WEIR_EINVALID, why,
                                       "ciphers: \"%.*s\" is none; allowed: what `openssl ciphers "
                                       "-tls1_2` lists, and OpenSSL's names for groups of them",
                                       (int)len, list - len);
    }
    return WEIR_OK;
}

static weir_err choose_ciphers(SSL_CTX *ctx, const struct weir__tls_choice *choice, weir_buf *why)
{
    const char *list = choice->ciphers != NULL ? choice->ciphers : ciphers_default;
    weir_err err = choice->ciphers != NULL ? check_ciphers(list, why) : WEIR_OK;
    if (err == WEIR_OK && SSL_CTX_set_cipher_list(ctx, list) != 1)
        err = weir__crypto_refused(WEIR_EINVALID, "ciphers", why);
    if (err == WEIR_OK && choice->suites != NULL &&
        SSL_CTX_set_ciphersuites(ctx, choice->suites) != 1) {
        if (weir__crypto_lacked_memory())
            return weir__crypto_refused(-ENOMEM, "cipher suites", why);
        err = weir__crypto_refuse(WEIR_EINVALID, why,
                                  "cipher suites: \"%s\"; allowed: what `openssl ciphers -tls1_3 "
                                  "-s` lists, parted by colons",
                                  choice->suites);
    }
    return err;
}

static void see(int is_sent, int version, int type, const void *bytes, size_t len, SSL *ssl,
                void *unused)
{
    (void)version, (void)bytes, (void)len, (void)ssl, (void)unused;
    if (is_sent == 0 && type == SSL3_RT_HEADER)
        weir__tls_see_record();
}

/* One send a flush needs partial writes; the rest is what no connection of ours may do. */
static void set_options(SSL_CTX *ctx)
{
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_msg_callback(ctx, see);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

SSL_CTX *weir__tls_context_new(const struct weir__tls_choice *choice, bool is_server, weir_err *err,
                               weir_buf *why)
{
    unsigned char alpn[512];
    weir__crypto_forget();
    SSL_CTX *ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (ctx == NULL) {
        *err = weir__crypto_refused(-ENOMEM, "TLS", why);
        return NULL;
    }
    set_options(ctx);
    int min = choice->version_min == WEIR__TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    int max = choice->version_max == WEIR__TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
    *err =
        SSL_CTX_set_min_proto_version(ctx, min) == 1 && SSL_CTX_set_max_proto_version(ctx, max) == 1
            ? choose_ciphers(ctx, choice, why)
            : weir__crypto_refused(-ENOTSUP, "TLS version", why);
    if (*err == WEIR_OK && choice->alpn != NULL &&
        weir__tls_alpn(choice->alpn, alpn, sizeof alpn) == 0)
        *err = weir__crypto_refuse(WEIR_EINVALID, why,
                                   "protocols: allowed: one or more, each of 1 to 255 bytes, 512 "
                                   "in all");
    if (*err == WEIR_OK)
        return ctx;
    SSL_CTX_free(ctx);
    weir__crypto_forget();
    return NULL;
}

#endif
