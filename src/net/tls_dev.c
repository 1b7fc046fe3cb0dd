/*
 * A development authority and its certificates by libcrypto. The key is written before the
 * certificate, with the user's rights alone, and never over a file that is there.
 */
#include "net/tls_dev.h"

#include "net/tls_inside.h"

#if WEIR_TLS

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "crypto/refusal.h"
#include "crypto/secret.h"
#include "os/sys.h"

enum { DAY_S = 86400, CA_DAYS = 3650, LEAF_DAYS = 365, KEY_BYTES = 1024 };

static const char localhost[] = "DNS:localhost,IP:127.0.0.1,IP:::1";
static const char bounds[] = "critical,permitted;DNS:localhost,permitted;IP:127.0.0.0/255.0.0.0,"
                             "permitted;IP:::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

static void free_identity(struct identity *i)
{
    X509_free(i->certificate);
    EVP_PKEY_free(i->key);
}

/* --- making ----------------------------------------------------------------------------------- */

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX state;
    X509V3_set_ctx(&state, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &state, nid, value);
    bool is_added = e != NULL && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return is_added;
}

static bool set_serial(X509 *x)
{
    BIGNUM *n = BN_new();
    bool is_set = n != NULL && BN_rand(n, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
                  BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
    BN_free(n);
    return is_set;
}

static bool set_body(X509 *x, EVP_PKEY *key, const X509 *issuer, const char *name, long days)
{
    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
           X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(x), days * DAY_S) != NULL &&
           X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                                      (const unsigned char *)name, -1, -1, 0) == 1 &&
           X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1 &&
           X509_set_pubkey(x, key) == 1;
}

static bool set_use(X509 *x, X509 *issuer, bool is_ca)
{
    return add_extension(x, issuer, NID_basic_constraints,
                         is_ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
           add_extension(x, issuer, NID_key_usage,
                         is_ca ? "critical,keyCertSign" : "critical,digitalSignature") &&
           add_extension(x, issuer, NID_subject_key_identifier, "hash") &&
           (is_ca ? add_extension(x, issuer, NID_name_constraints, bounds)
                  : add_extension(x, issuer, NID_authority_key_identifier, "keyid") &&
                        add_extension(x, issuer, NID_ext_key_usage, "serverAuth") &&
                        add_extension(x, issuer, NID_subject_alt_name, localhost));
}

/* Signed by `by`, or by itself as an authority. */
static bool make(struct identity *out, const struct identity *by)
{
    WEIR_ASSERT(by == NULL || (by->certificate != NULL && by->key != NULL),
                "T11: who signs has a certificate and its key");
    bool is_ca = by == NULL;
    *out = (struct identity){.certificate = X509_new(), .key = EVP_EC_gen("P-256")};
    if (out->certificate == NULL || out->key == NULL)
        return false;
    X509 *issuer = is_ca ? out->certificate : by->certificate;
    return set_body(out->certificate, out->key, issuer,
                    is_ca ? "Weir development authority" : "localhost",
                    is_ca ? CA_DAYS : LEAF_DAYS) &&
           set_use(out->certificate, issuer, is_ca) &&
           X509_sign(out->certificate, is_ca ? out->key : by->key, EVP_sha256()) > 0;
}

/* --- texts ------------------------------------------------------------------------------------ */

static bool take_text(BIO *text, bool is_written, char *out, size_t size)
{
    int n = is_written ? BIO_read(text, out, (int)size - 1) : 0;
    WEIR_ASSERT(size > 0 && n < (int)size, "T10: a text fits where it is written, with its NUL");
    out[n > 0 ? n : 0] = '\0';
    bool is_whole = n > 0 && BIO_pending(text) == 0;
    BIO_free(text);
    return is_whole;
}

static bool put_certificate(X509 *x, char *out, size_t size)
{
    BIO *text = BIO_new(BIO_s_mem());
    return text != NULL && take_text(text, PEM_write_bio_X509(text, x) == 1, out, size);
}

static bool put_key(EVP_PKEY *key, char *out, size_t size)
{
    BIO *text = BIO_new(BIO_s_secmem());
    return text != NULL &&
           take_text(text, PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL) == 1, out,
                     size);
}

/* --- files ------------------------------------------------------------------------------------ */

static weir_err write_new(const char *path, const char *text, mode_t mode, weir_buf *why)
{
    int fd = weir__sys_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    ssize_t n = fd < 0 ? fd : weir__sys_write(fd, text, strlen(text));
    if (fd >= 0)
        weir__sys_close(fd);
    if (n >= 0 && (size_t)n == strlen(text))
        return WEIR_OK;
    weir_err err = n < 0 ? (weir_err)n : -ENOSPC;
    return weir__crypto_refuse(err, why, "cannot write %s: %s", path, weir_strerror(err));
}

static weir_err make_authority(struct identity *ca, const char *ca_file, const char *key_file,
                               weir_buf *why)
{
    char chain[4096], key[KEY_BYTES];
    if (!make(ca, NULL) || !put_certificate(ca->certificate, chain, sizeof chain) ||
        !put_key(ca->key, key, sizeof key))
        return weir__crypto_refused(-ENOMEM, "development authority", why);
    weir_err err = write_new(key_file, key, 0600, why);
    weir__crypto_wipe(key, sizeof key);
    return err == WEIR_OK ? write_new(ca_file, chain, 0644, why) : err;
}

static weir_err read_authority(struct identity *ca, const char *ca_file, const char *key_file,
                               weir_buf *why)
{
    struct weir__tls_texts texts;
    const struct weir__tls_pair pair = {.chain = {.file = ca_file}, .key = {.file = key_file}};
    weir_err err = weir__tls_read_pair(&pair, &texts, why);
    BIO *chain = err == WEIR_OK ? BIO_new_mem_buf(texts.chain.ptr, (int)texts.chain.len) : NULL;
    BIO *key = err == WEIR_OK ? BIO_new_mem_buf(texts.key.ptr, (int)texts.key.len) : NULL;
    if (chain != NULL && key != NULL) {
        ca->certificate = PEM_read_bio_X509(chain, NULL, NULL, NULL);
        ca->key = PEM_read_bio_PrivateKey(key, NULL, NULL, (char *)(uintptr_t) "");
    }
    BIO_free(chain);
    BIO_free(key);
    weir__tls_texts_fini(&texts);
    if (err < 0)
        return err;
    bool is_good = ca->certificate != NULL && ca->key != NULL &&
                   X509_check_private_key(ca->certificate, ca->key) == 1 &&
                   X509_cmp_current_time(X509_get0_notAfter(ca->certificate)) > 0;
    weir__crypto_forget();
    if (is_good)
        return WEIR_OK;
    return weir__crypto_refuse(WEIR_EINVALID, why,
                               "%s and %s are no authority that is valid: remove both, and it is "
                               "made anew",
                               ca_file, key_file);
}

static bool is_there(const char *path)
{
    struct stat st;
    return weir__sys_lstat(path, &st) != -ENOENT;
}

weir_err weir__tls_dev(struct weir__tls_dev *dev, const char *folder, struct weir__tls_pair *pair,
                       weir_buf *why)
{
    char key_file[WEIR__TLS_DEV_PATH_MAX];
    struct identity ca = {NULL, NULL}, own = {NULL, NULL};
    int n = snprintf(dev->ca_file, sizeof dev->ca_file, "%s/weir-dev-ca.pem", folder);
    int m = snprintf(key_file, sizeof key_file, "%s/weir-dev-ca.key", folder);
    if (n >= (int)sizeof dev->ca_file || m >= (int)sizeof key_file)
        return weir__crypto_refuse(WEIR_ETOOLARGE, why, "%.60s…: a path too long", folder);
    weir__crypto_forget();
    weir_err err = is_there(dev->ca_file) || is_there(key_file)
                       ? read_authority(&ca, dev->ca_file, key_file, why)
                       : make_authority(&ca, dev->ca_file, key_file, why);
    if (err == WEIR_OK &&
        (!make(&own, &ca) || !put_certificate(own.certificate, dev->chain, sizeof dev->chain) ||
         !put_key(own.key, dev->key, sizeof dev->key)))
        err = weir__crypto_refused(-ENOMEM, "certificate for development", why);
    *pair = (struct weir__tls_pair){.chain = {.bytes = weir_str_from(dev->chain)},
                                    .key = {.bytes = weir_str_from(dev->key)}};
    free_identity(&ca);
    free_identity(&own);
    weir__crypto_forget();
    return err;
}

void weir__tls_dev_fini(struct weir__tls_dev *dev)
{
    weir__crypto_wipe(dev->key, sizeof dev->key);
}

#else

weir_err weir__tls_dev(struct weir__tls_dev *dev, const char *folder, struct weir__tls_pair *pair,
                       weir_buf *why)
{
    (void)dev, (void)folder, (void)pair;
    weir_buf_puts(why, WEIR_S("this build of Weir was made without TLS"));
    return WEIR_ENOTBUILT;
}

void weir__tls_dev_fini(struct weir__tls_dev *dev)
{
    (void)dev; /* it never had one */
}

#endif
