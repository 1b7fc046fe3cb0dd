/*
 * For conformance of TLS: a client made of libssl alone, which net/tls knows nothing of, against
 * the server of hello_testing.h. It can say what no client would: records are sealed by hand with
 * its key, which libssl tells (SSL_CTX_set_keylog_callback).
 */
#ifndef WEIR_TESTS_CONFORMANCE_TLS_STRANGER_H
#define WEIR_TESTS_CONFORMANCE_TLS_STRANGER_H

#include "tls_wire.h"

#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/ssl.h>

/* What a stranger may be given; zeroed: a client as most are. */
struct manner {
    int version; /* 0: 1.3 */
    const char *name;
    const struct authority *own; /* the certificate that it shows */
    unsigned more;               /* so often once more, as if it vouched for itself */
    SSL_SESSION *session;        /* to go on with */
};

struct stranger {
    int num;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;            /* libssl's ends */
    unsigned char secret[32]; /* of 1.3: what its records are sealed by */
    uint64_t sealed;          /* records by that secret; of 1.2, by hand */
    unsigned alert;           /* that has come; SILENT: none */
    bool is_over;             /* the server's end of the connection */
    SSL_SESSION *given;       /* the last; NULL: none */
};

/* --- its keys --------------------------------------------------------------------------------- */

static inline struct stranger *stranger_of(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

static inline void note_key(const SSL *ssl, const char *line)
{
    static const char label[] = "CLIENT_TRAFFIC_SECRET_0 ";
    struct stranger *s = stranger_of(ssl);
    if (strncmp(line, label, sizeof label - 1) != 0)
        return;
    const char *hex = strrchr(line, ' ') + 1;
    assert_int_equal(strlen(hex), 2 * sizeof s->secret);
    for (size_t i = 0; i < sizeof s->secret; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        s->secret[i] = (unsigned char)byte;
    }
    s->sealed = 0;
}

/* HKDF-Expand-Label (RFC 8446 section 7.1) without a context. */
static inline void expand(const unsigned char secret[32], const char *label, unsigned char *out,
                          size_t len)
{
    struct wire info = {.len = 0};
    char text[64];
    int n = snprintf(text, sizeof text, "tls13 %s", label);
    wire_number(&info, 2, len);
    wire_vector(&info, 1, (weir_str){text, (size_t)n});
    wire_number(&info, 1, 0);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    assert_true(EVP_PKEY_derive_init(c) == 1 &&
                EVP_PKEY_CTX_set_hkdf_mode(c, EVP_PKEY_HKDEF_MODE_EXPAND_ONLY) == 1 &&
                EVP_PKEY_CTX_set_hkdf_md(c, EVP_sha256()) == 1 &&
                EVP_PKEY_CTX_set1_hkdf_key(c, secret, 32) == 1 &&
                EVP_PKEY_CTX_add1_hkdf_info(c, info.bytes, (int)info.len) == 1 &&
                EVP_PKEY_derive(c, out, &len) == 1);
    EVP_PKEY_CTX_free(c);
}

/* The next key (section 7.2). */
static inline void turn_key(struct stranger *s)
{
    unsigned char next[32];
    expand(s->secret, "traffic upd", next, sizeof next);
    memcpy(s->secret, next, sizeof next);
    s->sealed = 0;
}

/* Appends a record of 1.3, by AES-128-GCM (section 5.2). `inner`: with its type behind it. */
static inline void seal_inner(struct stranger *s, weir_str inner, struct wire *w)
{
    unsigned char key[16], nonce[12], tag[16];
    int n;
    expand(s->secret, "key", key, sizeof key);
    expand(s->secret, "iv", nonce, sizeof nonce);
    for (unsigned i = 0; i < 8; i++)
        nonce[11 - i] ^= (unsigned char)(s->sealed >> 8 * i);
    s->sealed++;
    size_t head = w->len;
    wire_record(w, APPLICATION_DATA, 0x0303, inner.len + sizeof tag, inner);
    unsigned char *body = w->bytes + head + 5;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    assert_true(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, nonce) == 1 &&
                EVP_EncryptUpdate(c, NULL, &n, w->bytes + head, 5) == 1 &&
                EVP_EncryptUpdate(c, body, &n, body, (int)inner.len) == 1 &&
                EVP_EncryptFinal_ex(c, body, &n) == 1 &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, sizeof tag, tag) == 1);
    EVP_CIPHER_CTX_free(c);
    wire_put(w, tag, sizeof tag);
}

/* The keys of 1.2 (RFC 5246 section 6.3): of both ends, then the fixed parts of the nonces. */
static inline void expand_12(const struct stranger *s, unsigned char keys[40])
{
    static const unsigned char label[] = "key expansion";
    unsigned char master[48], ours[32], theirs[32];
    size_t len = 40;
    assert_int_equal(SSL_SESSION_get_master_key(SSL_get_session(s->ssl), master, sizeof master),
                     sizeof master);
    (void)SSL_get_client_random(s->ssl, ours, sizeof ours);
    (void)SSL_get_server_random(s->ssl, theirs, sizeof theirs);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_TLS1_PRF, NULL);
    assert_true(EVP_PKEY_derive_init(c) == 1 &&
                EVP_PKEY_CTX_set_tls1_prf_md(c, EVP_sha256()) == 1 &&
                EVP_PKEY_CTX_set1_tls1_prf_secret(c, master, sizeof master) == 1 &&
                EVP_PKEY_CTX_add1_tls1_prf_seed(c, label, sizeof label - 1) == 1 &&
                EVP_PKEY_CTX_add1_tls1_prf_seed(c, theirs, sizeof theirs) == 1 &&
                EVP_PKEY_CTX_add1_tls1_prf_seed(c, ours, sizeof ours) == 1 &&
                EVP_PKEY_derive(c, keys, &len) == 1);
    EVP_PKEY_CTX_free(c);
}

/* Appends a record of 1.2, by AES-128-GCM (RFC 5288); libssl itself has sealed one. */
static inline void seal_12(struct stranger *s, unsigned type, weir_str content, struct wire *w)
{
    unsigned char keys[40], nonce[12], tag[16];
    static struct wire ad, body;
    int n;
    ad.len = body.len = 0;
    expand_12(s, keys);
    s->sealed++;
    memcpy(nonce, keys + 32, 4);
    for (unsigned i = 0; i < 8; i++)
        nonce[11 - i] = (unsigned char)(s->sealed >> 8 * i);
    wire_put(&ad, nonce + 4, 8); /* the number of the record */
    wire_number(&ad, 1, type);
    wire_number(&ad, 2, 0x0303);
    wire_number(&ad, 2, content.len);
    wire_put(&body, nonce + 4, 8);
    wire_puts(&body, content);
    unsigned char *sealed = body.bytes + 8;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    assert_true(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, keys, nonce) == 1 &&
                EVP_EncryptUpdate(c, NULL, &n, ad.bytes, (int)ad.len) == 1 &&
                EVP_EncryptUpdate(c, sealed, &n, sealed, (int)content.len) == 1 &&
                EVP_EncryptFinal_ex(c, sealed, &n) == 1 &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, sizeof tag, tag) == 1);
    EVP_CIPHER_CTX_free(c);
    wire_put(&body, tag, sizeof tag);
    wire_record(w, type, 0x0303, body.len, (weir_str){(char *)body.bytes, body.len});
}

static inline void seal(struct stranger *s, unsigned type, weir_str content, struct wire *w)
{
    static struct wire inner;
    if (SSL_version(s->ssl) == TLS1_2_VERSION) {
        seal_12(s, type, content, w);
        return;
    }
    inner.len = 0;
    wire_puts(&inner, content);
    wire_number(&inner, 1, type);
    seal_inner(s, (weir_str){(char *)inner.bytes, inner.len}, w);
}

/* --- its bytes -------------------------------------------------------------------------------- */

/* What it sends that the server has closed to is lost. */
static inline void send_raw(struct rig *rig, struct stranger *s, const void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = weir__sim_write(s->num, (const char *)bytes + at, len - at);
        if (n < 0 && n != -EAGAIN)
            return;
        at += n > 0 ? (size_t)n : 0;
        wait_ms(rig, 1);
    }
}

/* Carries what libssl has written to the server, and what has come to libssl. */
static inline void carry(struct rig *rig, struct stranger *s)
{
    char bytes[4096];
    for (int n; (n = BIO_read(s->out, bytes, sizeof bytes)) > 0;)
        send_raw(rig, s, bytes, (size_t)n);
    wait_ms(rig, 1);
    ssize_t got;
    while ((got = weir__sim_read(s->num, bytes, sizeof bytes)) > 0)
        assert_int_equal(BIO_write(s->in, bytes, (int)got), got);
    s->is_over = got != -EAGAIN;
}

/* What it reads of the server, with a NUL; what has come of alerts is noted. */
static inline const char *hear(struct rig *rig, struct stranger *s)
{
    static char text[64 << 10];
    size_t len = 0, n;
    for (int idle = 0; idle < 3; idle++) {
        carry(rig, s);
        for (; SSL_read_ex(s->ssl, text + len, sizeof text - 1 - len, &n) == 1; idle = 0)
            len += n;
    }
    ERR_clear_error();
    text[len] = '\0';
    return text;
}

static inline void say_to(struct rig *rig, struct stranger *s, const char *text)
{
    size_t n;
    assert_int_equal(SSL_write_ex(s->ssl, text, strlen(text), &n), 1);
    carry(rig, s);
}

/* --- its life --------------------------------------------------------------------------------- */

static inline void note_alert(const SSL *ssl, int where, int value)
{
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
        stranger_of(ssl)->alert = (unsigned)value & 0xff;
}

static inline int note_session(SSL *ssl, SSL_SESSION *session)
{
    struct stranger *s = stranger_of(ssl);
    SSL_SESSION_free(s->given);
    s->given = session;
    return 1; /* the reference is ours */
}

static inline void stranger_open(struct stranger *s, struct rig *rig, const struct manner *m)
{
    int version = m->version != 0 ? m->version : TLS1_3_VERSION;
    const char *name = m->name != NULL ? m->name : "server.example";
    *s = (struct stranger){.alert = SILENT, .num = dial(rig)};
    s->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(s->ctx, version);
    SSL_CTX_set_max_proto_version(s->ctx, version);
    SSL_CTX_set_ciphersuites(s->ctx, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_cipher_list(s->ctx, "ECDHE+AESGCM+AES128");
    SSL_CTX_set_keylog_callback(s->ctx, note_key);
    SSL_CTX_set_info_callback(s->ctx, note_alert);
    SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(s->ctx, note_session);
    if (m->own != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(s->ctx, m->own->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(s->ctx, m->own->key), 1);
        for (unsigned i = 0; i < m->more; i++)
            assert_int_equal(SSL_CTX_add1_chain_cert(s->ctx, m->own->certificate), 1);
    }
    s->ssl = SSL_new(s->ctx);
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(s->in, -1);
    SSL_set_bio(s->ssl, s->in, s->out);
    SSL_set_app_data(s->ssl, s);
    SSL_set_tlsext_host_name(s->ssl, (char *)(uintptr_t)name);
    if (m->session != NULL)
        SSL_set_session(s->ssl, m->session);
    SSL_set_connect_state(s->ssl);
    for (int i = 0; i < 10 && SSL_do_handshake(s->ssl) != 1; i++)
        carry(rig, s);
    (void)hear(rig, s); /* tickets, or an alert */
}

static inline void stranger_close(struct stranger *s)
{
    weir__sim_close(s->num);
    SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(s->ssl);
    SSL_CTX_free(s->ctx);
    SSL_SESSION_free(s->given);
    ERR_clear_error();
}

#endif
