/*
 * Authentication. The hard thing is not to be led by the server into telling the password: what is
 * sent as it is depends on the carrier alone, and a key that came over the same plain line is used
 * only when none was configured.
 */
#include "wire/mysql_auth.h"

#include <string.h>

#include "crypto/digest.h"
#include "crypto/secret.h"

#define STEPS_MAX 8
#define MORE 0x01      /* first byte of AuthMoreData */
#define IS_KNOWN 0x03  /* caching_sha2_password: the proof was enough */
#define IS_WANTED 0x04 /* the password itself is */
#define ASK_FOR_KEY 0x02

static const char native[] = "mysql_native_password", sha2[] = "caching_sha2_password",
                  clear[] = "mysql_clear_password";

static bool is(const struct weir__mysql_auth *a, const char *plugin)
{
    return strcmp(a->plugin, plugin) == 0;
}

/* --- proofs ----------------------------------------------------------------------------------- */

/* digest(password) XOR what is made of its digest and the nonce. */
static int prove(enum weir__crypto_kind kind, weir_str password, const uint8_t *nonce, bool is_late,
                 uint8_t *out)
{
    uint8_t once[WEIR__CRYPTO_DIGEST_BYTES_MAX] = {0}, twice[WEIR__CRYPTO_DIGEST_BYTES_MAX] = {0};
    size_t n = weir__crypto_digest_bytes(kind);
    weir_str first = {(const char *)once, n}, second = {(const char *)twice, n};
    weir_str salt = {(const char *)nonce, WEIR__MYSQL_NONCE};
    weir_str mixed[2] = {is_late ? second : salt, is_late ? salt : second};
    if (password.len == 0)
        return 0;
    weir_err err = weir__crypto_digest(kind, &password, 1, once);
    if (err == WEIR_OK)
        err = weir__crypto_digest(kind, &first, 1, twice);
    if (err == WEIR_OK)
        err = weir__crypto_digest(kind, mixed, 2, twice);
    for (size_t i = 0; i < n; i++)
        out[i] = once[i] ^ twice[i];
    weir__crypto_wipe(once, sizeof once);
    weir__crypto_wipe(twice, sizeof twice);
    return err == WEIR_OK ? (int)n : err;
}

int weir__mysql_native_proof(weir_str password, const uint8_t *nonce, uint8_t *out)
{
    return prove(WEIR__CRYPTO_SHA1, password, nonce, false, out);
}

int weir__mysql_sha2_proof(weir_str password, const uint8_t *nonce, uint8_t *out)
{
    return prove(WEIR__CRYPTO_SHA256, password, nonce, true, out);
}

/* --- the conversation ------------------------------------------------------------------------- */

static int refuse(weir_buf *why, int err, const char *text)
{
    weir_buf_puts(why, weir_str_from(text));
    return err;
}

static int add_proof(const struct weir__mysql_auth *a, weir_buf *out)
{
    uint8_t proof[WEIR__MYSQL_PROOF_MAX];
    int n = is(a, native) ? weir__mysql_native_proof(a->password, a->nonce, proof)
                          : weir__mysql_sha2_proof(a->password, a->nonce, proof);
    if (n > 0)
        weir_buf_add(out, proof, (size_t)n);
    return n < 0 ? n : out->err;
}

static void take_nonce(struct weir__mysql_auth *a, const uint8_t *nonce)
{
    memcpy(a->nonce, nonce, sizeof a->nonce);
}

static bool take_plugin(struct weir__mysql_auth *a, weir_str plugin)
{
    if (plugin.len >= sizeof a->plugin)
        return false;
    memcpy(a->plugin, plugin.ptr, plugin.len);
    a->plugin[plugin.len] = '\0';
    return true;
}

int weir__mysql_auth_begin(struct weir__mysql_auth *a, weir_str plugin, const uint8_t *nonce,
                           weir_buf *out)
{
    if (a->password.len > WEIR__MYSQL_PASSWORD_MAX)
        return WEIR_ETOOLARGE;
    a->state = WEIR__MYSQL_AUTH_PROVED;
    a->steps = 0;
    take_nonce(a, nonce);
    if (!take_plugin(a, plugin) || !(is(a, native) || is(a, sha2)))
        take_plugin(a, weir_str_from(native));
    return add_proof(a, out);
}

static int refuse_plugin(const struct weir__mysql_auth *a, weir_buf *why)
{
    weir_buf_printf(
        why, "the server asks this user for \"%s\", which is not supported%s", a->plugin,
        strcmp(a->plugin, "client_ed25519") == 0
            ? " (MariaDB's ed25519); caching_sha2_password and mysql_native_password are"
            : "; mysql_native_password, caching_sha2_password, unix_socket and, through "
              "TLS, mysql_clear_password are");
    return WEIR_ENOTBUILT;
}

/* "Change to this plugin": its name, and a nonce for it. */
static int change(struct weir__mysql_auth *a, weir_str body, weir_buf *out, weir_buf *why)
{
    struct weir__mysql_reader r = weir__mysql_reader_of(body);
    (void)weir__mysql_get(&r, 1);
    if (body.len == 1)
        return refuse(why, WEIR_ENOTBUILT,
                      "the server asks this user for the way of MySQL before 4.1, which protects "
                      "nothing and is not supported");
    weir_str plugin = weir__mysql_get_text(&r), nonce = weir__mysql_get_rest(&r);
    if (r.is_cut || !take_plugin(a, plugin))
        return refuse(why, WEIR_MYSQL_EFORM, "the server sent a bad change of authentication");
    a->state = WEIR__MYSQL_AUTH_PROVED;
    if (is(a, "unix_socket") || is(a, "auth_socket"))
        return WEIR__MYSQL_AUTH_SEND;
    if (is(a, clear) && a->carrier != WEIR__MYSQL_TLS)
        return refuse(why, WEIR_ENOTBUILT,
                      "the server asks for the password in the clear (mysql_clear_password), which "
                      "goes through TLS alone");
    if (is(a, clear)) {
        weir__mysql_put_text(out, a->password);
        return out->err != WEIR_OK ? out->err : WEIR__MYSQL_AUTH_SEND;
    }
    if (!is(a, native) && !is(a, sha2))
        return refuse_plugin(a, why);
    if (nonce.len < WEIR__MYSQL_NONCE)
        return refuse(why, WEIR_MYSQL_ECUT, "the server sent a nonce that is too short");
    take_nonce(a, (const uint8_t *)nonce.ptr);
    int err = add_proof(a, out);
    return err < 0 ? err : WEIR__MYSQL_AUTH_SEND;
}

/* The password and a NUL, each byte XORed with one of the nonce, under the key. */
static int add_encrypted(const struct weir__mysql_auth *a, const struct weir__crypto_rsa *key,
                         weir_buf *out, weir_buf *why)
{
    char mixed[WEIR__MYSQL_PASSWORD_MAX + 1];
    size_t n = a->password.len + 1;
    memcpy(mixed, a->password.ptr, a->password.len);
    mixed[a->password.len] = '\0';
    for (size_t i = 0; i < n; i++)
        mixed[i] = (char)(mixed[i] ^ a->nonce[i % WEIR__MYSQL_NONCE]);
    char *to = weir_buf_reserve(out, key->bytes);
    weir_err err =
        to == NULL ? out->err
                   : weir__crypto_rsa_encrypt(key, (weir_str){mixed, n}, (unsigned char *)to, why);
    weir__crypto_wipe(mixed, sizeof mixed);
    if (err != WEIR_OK)
        return err;
    out->len += key->bytes;
    return WEIR__MYSQL_AUTH_SEND;
}

/* The server wants the password itself. */
static int tell_password(struct weir__mysql_auth *a, weir_buf *out, weir_buf *why)
{
    if (a->carrier != WEIR__MYSQL_PLAIN) {
        weir__mysql_put_text(out, a->password);
        return out->err != WEIR_OK ? out->err : WEIR__MYSQL_AUTH_SEND;
    }
    if (a->key != NULL)
        return add_encrypted(a, a->key, out, why);
    a->state = WEIR__MYSQL_AUTH_KEY;
    weir_buf_putc(out, ASK_FOR_KEY);
    return out->err != WEIR_OK ? out->err : WEIR__MYSQL_AUTH_SEND;
}

static int take_key(struct weir__mysql_auth *a, weir_str pem, weir_buf *out, weir_buf *why)
{
    struct weir__crypto_rsa key;
    a->state = WEIR__MYSQL_AUTH_PROVED;
    weir_err err = weir__crypto_rsa_init(&key, pem, why);
    if (err != WEIR_OK)
        return err;
    int next = add_encrypted(a, &key, out, why);
    weir__crypto_rsa_fini(&key);
    return next;
}

/* More of the plugin's own; of those that are known only one has more. */
static int go_on(struct weir__mysql_auth *a, weir_str body, weir_buf *out, weir_buf *why)
{
    weir_str more = {body.ptr + 1, body.len - 1};
    if (is(a, sha2) && a->state == WEIR__MYSQL_AUTH_KEY)
        return take_key(a, more, out, why);
    if (is(a, sha2) && more.len == 1 && more.ptr[0] == IS_KNOWN)
        return WEIR__MYSQL_AUTH_READ;
    if (is(a, sha2) && more.len == 1 && more.ptr[0] == IS_WANTED)
        return tell_password(a, out, why);
    return refuse(why, WEIR_MYSQL_EFORM, "the server sent more of an authentication than it has");
}

int weir__mysql_auth_step(struct weir__mysql_auth *a, weir_str body, weir_buf *out, weir_buf *why)
{
    uint8_t first = body.len > 0 ? (uint8_t)body.ptr[0] : MORE + 1;
    if (first == 0)
        return WEIR__MYSQL_AUTH_DONE;
    if (first == WEIR__MYSQL_ERR)
        return WEIR__MYSQL_AUTH_ERR;
    if (a->steps == STEPS_MAX)
        return refuse(why, WEIR_MYSQL_EFORM, "the server's authentication does not end");
    a->steps++;
    if (first == WEIR__MYSQL_EOF)
        return change(a, body, out, why);
    if (first == MORE)
        return go_on(a, body, out, why);
    return refuse(why, WEIR_MYSQL_EFORM, "the server sent no authentication");
}
