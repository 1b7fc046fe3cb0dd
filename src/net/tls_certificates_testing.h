/*
 * For tests of TLS: certificates that are made when they are wanted, so that none in the tree ever
 * expires, and the configurations of both ends with them.
 */
#ifndef WEIR_NET_TLS_CERTIFICATES_TESTING_H
#define WEIR_NET_TLS_CERTIFICATES_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "net/tls.h"

/* --- certificates ----------------------------------------------------------------------------- */

enum { DAY = 86400 };

/* What is signed by whom; zeroed members have a good value. */
struct made {
    const char *common_name;
    const char *names;          /* alternative ones: "DNS:a.example,DNS:*.b.example" */
    const struct authority *by; /* NULL: by itself */
    long from, to;              /* seconds from now; 0, 0: yesterday to tomorrow */
    bool is_authority;
    const char *purpose; /* "serverAuth": for that alone; NULL: for all */
    unsigned rsa_bits;   /* of its key; 0: it is P-256 */
};

/* A certificate and its key, also as the PEM texts that services have. */
struct authority {
    X509 *certificate;
    EVP_PKEY *key;
    char chain[4096], key_pem[2048];
};

static inline void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX state;
    X509V3_set_ctx(&state, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &state, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

static inline void write_pem(BIO *text, char *out, size_t size)
{
    int n = BIO_read(text, out, (int)size - 1);
    assert_in_range(n, 1, size - 2);
    out[n] = '\0';
    BIO_free(text);
}

static inline void make_certificate(struct authority *out, const struct made *m)
{
    static long serial;
    X509 *x = X509_new();
    *out = (struct authority){
        .certificate = x,
        .key = m->rsa_bits > 0 ? EVP_RSA_gen(m->rsa_bits) : EVP_EC_gen("P-256"),
    };
    assert_non_null(out->key);
    X509 *issuer = m->by != NULL ? m->by->certificate : x;
    assert_int_equal(X509_set_version(x, X509_VERSION_3), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), m->from != 0 ? m->from : -DAY);
    X509_gmtime_adj(X509_getm_notAfter(x), m->to != 0 ? m->to : DAY + 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)m->common_name, -1, -1, 0);
    assert_int_equal(X509_set_issuer_name(x, X509_get_subject_name(issuer)), 1);
    assert_int_equal(X509_set_pubkey(x, out->key), 1);
    add_extension(x, issuer, NID_basic_constraints,
                  m->is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (m->names != NULL)
        add_extension(x, issuer, NID_subject_alt_name, m->names);
    if (m->purpose != NULL)
        add_extension(x, issuer, NID_ext_key_usage, m->purpose);
    assert_true(X509_sign(x, m->by != NULL ? m->by->key : out->key, EVP_sha256()) > 0);
    BIO *chain = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(chain, x), 1);
    assert_int_equal(PEM_write_bio_PrivateKey(key, out->key, NULL, NULL, 0, NULL, NULL), 1);
    write_pem(chain, out->chain, sizeof out->chain);
    write_pem(key, out->key_pem, sizeof out->key_pem);
}

static inline void free_certificate(struct authority *a)
{
    X509_free(a->certificate);
    EVP_PKEY_free(a->key);
    *a = (struct authority){.key = NULL};
}

static inline struct weir__tls_source source_of(const char *text)
{
    return (struct weir__tls_source){.bytes = weir_str_from(text)};
}

static inline struct weir__tls_pair pair_of(const struct authority *a)
{
    return (struct weir__tls_pair){.chain = source_of(a->chain), .key = source_of(a->key_pem)};
}

/* --- what everybody trusts ------------------------------------------------------------------- */

/* One authority, and a server's certificate by it, for a process of tests. */
static struct authority test_ca, test_server;

static inline void make_test_certificates(void)
{
    make_certificate(&test_ca, &(struct made){"Test CA", .is_authority = true});
    make_certificate(&test_server, &(struct made){"server.example",
                                                  "DNS:server.example,DNS:*.wild.example,"
                                                  "IP:127.0.0.1",
                                                  .by = &test_ca});
}

static inline void free_test_certificates(void)
{
    free_certificate(&test_ca);
    free_certificate(&test_server);
}

static inline struct weir__tls_server *server_of(struct weir__tls_server_options o)
{
    struct weir__tls_server *server;
    struct weir__tls_pair pair = pair_of(&test_server);
    char text[400] = "";
    weir_buf why;
    weir_buf_init_fixed(&why, text, sizeof text - 1);
    if (o.pair_count == 0) {
        o.pairs = &pair;
        o.pair_count = 1;
    }
    o.workers = o.workers > 0 ? o.workers : 1;
    if (weir__tls_server_new(&o, &server, &why) < 0)
        fail_msg("%s", text);
    return server;
}

static inline struct weir__tls_client *client_of(struct weir__tls_client_options o)
{
    struct weir__tls_client *client;
    char text[400] = "";
    weir_buf why;
    weir_buf_init_fixed(&why, text, sizeof text - 1);
    if (o.ca.file == NULL && o.ca.bytes.ptr == NULL && !o.is_unverified)
        o.ca = source_of(test_ca.chain);
    if (weir__tls_client_new(&o, &client, &why) < 0)
        fail_msg("%s", text);
    return client;
}

#endif
