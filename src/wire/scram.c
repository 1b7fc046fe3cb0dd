/*
 * A state for each message, so that none is taken out of its turn: what proves nothing (a server
 * that says "v=" before it was asked) must not pass for a proof.
 */
#include "wire/scram.h"

#include <string.h>

#include "base/assert.h"
#include "base/num.h"
#include "base/value.h"
#include "crypto/hmac.h"
#include "crypto/secret.h"

enum { BEGUN, ASKED, CHALLENGED, PROVEN, OVER };

static const weir_str bare = {"n=,r=", 5};

void weir__scram_begin(struct weir__scram *s, const uint8_t nonce[WEIR__SCRAM_NONCE_BYTES],
                       enum weir__scram_binding kind, weir_str binding)
{
    WEIR_ASSERT(binding.len <= WEIR__SCRAM_BINDING_MAX, "a digest of a certificate fits");
    *s = (struct weir__scram){.binding = kind, .state = BEGUN};
    if (kind == WEIR__SCRAM_BOUND) {
        s->bound_to_len = binding.len;
        if (binding.len > 0)
            memcpy(s->bound_to, binding.ptr, binding.len);
    }
    weir__base64_put(s->nonce, nonce, WEIR__SCRAM_NONCE_BYTES);
    s->nonce_len = WEIR__SCRAM_NONCE_TEXT;
}

/* gs2-header */
static weir_str header_of(const struct weir__scram *s)
{
    static const weir_str headers[] = {
        [WEIR__SCRAM_UNBOUND] = {"n,,", 3},
        [WEIR__SCRAM_UNOFFERED] = {"y,,", 3},
        [WEIR__SCRAM_BOUND] = {"p=tls-server-end-point,,", 24},
    };
    return headers[s->binding];
}

void weir__scram_first(struct weir__scram *s, weir_buf *out)
{
    WEIR_ASSERT(s->state == BEGUN, "the first message comes first");
    weir_buf_puts(out, header_of(s));
    weir_buf_puts(out, bare);
    weir_buf_add(out, s->nonce, s->nonce_len);
    s->state = ASKED;
}

/* Takes "k=…," off the front; false when it does not begin so. */
static bool next_attribute(weir_str *rest, char key, weir_str *value)
{
    if (rest->len < 2 || rest->ptr[0] != key || rest->ptr[1] != '=')
        return false;
    const char *comma = memchr(rest->ptr, ',', rest->len);
    size_t n = comma != NULL ? (size_t)(comma - rest->ptr) : rest->len;
    *value = (weir_str){rest->ptr + 2, n - 2};
    *rest = (weir_str){rest->ptr + n + (comma != NULL), rest->len - n - (comma != NULL)};
    return true;
}

static bool read_salt(struct weir__scram *s, weir_str text)
{
    return text.len > 0 && text.len / 4 * 3 + 2 <= sizeof s->salt &&
           weir__base64_get(text, s->salt, &s->salt_len) == WEIR_OK && s->salt_len > 0;
}

static bool read_nonce(struct weir__scram *s, weir_str text)
{
    if (text.len <= s->nonce_len || text.len > sizeof s->nonce ||
        memcmp(text.ptr, s->nonce, s->nonce_len) != 0)
        return false;
    memcpy(s->nonce, text.ptr, text.len);
    s->nonce_len = text.len;
    return true;
}

weir_err weir__scram_challenge(struct weir__scram *s, weir_str message, const char **why)
{
    weir_str rest = message, nonce, salt, iterations;
    uint64_t count;
    *why = "SCRAM: the server's first message comes out of turn";
    if (s->state != ASKED)
        return WEIR_EPROTO;
    *why = "SCRAM: the server's first message is malformed";
    if (message.len > sizeof s->challenge || !next_attribute(&rest, 'r', &nonce) ||
        !next_attribute(&rest, 's', &salt) || !next_attribute(&rest, 'i', &iterations))
        return WEIR_EPROTO;
    if (!read_salt(s, salt) || weir__num_text_u64(iterations, &count) != WEIR_OK || count == 0)
        return WEIR_EPROTO;
    *why = "SCRAM: the server's nonce does not go on from ours";
    if (!read_nonce(s, nonce))
        return WEIR_EPROTO;
    *why = "SCRAM: the server asks for more than 1,000,000 iterations";
    if (count > WEIR__SCRAM_ITERATIONS_MAX)
        return WEIR_ELIMIT;
    *why = NULL;
    s->iterations = (uint32_t)count;
    memcpy(s->challenge, message.ptr, message.len);
    s->challenge_len = message.len;
    s->state = CHALLENGED;
    return WEIR_OK;
}

/* "c=…,r=…": the last message without its proof. */
static void put_unproven(const struct weir__scram *s, weir_buf *out)
{
    uint8_t input[64 + WEIR__SCRAM_BINDING_MAX];
    char text[(sizeof input + 2) / 3 * 4];
    weir_str header = header_of(s);
    memcpy(input, header.ptr, header.len);
    memcpy(input + header.len, s->bound_to, s->bound_to_len);
    size_t n = header.len + s->bound_to_len;
    weir__base64_put(text, input, n);
    weir_buf_puts(out, WEIR_S("c="));
    weir_buf_add(out, text, (n + 2) / 3 * 4);
    weir_buf_puts(out, WEIR_S(",r="));
    weir_buf_add(out, s->nonce, s->nonce_len);
}

static weir_str key_of(const uint8_t key[WEIR__SCRAM_KEY_BYTES])
{
    return (weir_str){(const char *)key, WEIR__SCRAM_KEY_BYTES};
}

static weir_err code(const uint8_t *key, const weir_str *pieces, size_t count, uint8_t *out)
{
    return weir__crypto_hmac(WEIR__CRYPTO_SHA256, key_of(key), pieces, count, out);
}

/* RFC 5802, 3: AuthMessage in pieces, whose last is the message without its proof. */
enum { PIECES = 6 };
static void auth_message(const struct weir__scram *s, weir_str unproven, weir_str pieces[PIECES])
{
    pieces[0] = bare;
    pieces[1] = (weir_str){s->nonce, WEIR__SCRAM_NONCE_TEXT};
    pieces[2] = WEIR_S(",");
    pieces[3] = (weir_str){s->challenge, s->challenge_len};
    pieces[4] = WEIR_S(",");
    pieces[5] = unproven;
}

static weir_err prove(struct weir__scram *s, const uint8_t *salted, const weir_str *message,
                      uint8_t proof[WEIR__SCRAM_KEY_BYTES])
{
    uint8_t client[WEIR__SCRAM_KEY_BYTES], stored[WEIR__SCRAM_KEY_BYTES];
    uint8_t server[WEIR__SCRAM_KEY_BYTES];
    weir_err err = code(salted, &WEIR_S("Client Key"), 1, client);
    if (err == WEIR_OK)
        err = weir__crypto_digest(WEIR__CRYPTO_SHA256, (weir_str[]){key_of(client)}, 1, stored);
    if (err == WEIR_OK)
        err = code(stored, message, PIECES, proof);
    if (err == WEIR_OK)
        err = code(salted, &WEIR_S("Server Key"), 1, server);
    if (err == WEIR_OK)
        err = code(server, message, PIECES, s->server_signature);
    for (size_t i = 0; i < WEIR__SCRAM_KEY_BYTES && err == WEIR_OK; i++)
        proof[i] ^= client[i];
    weir__crypto_wipe(client, sizeof client);
    weir__crypto_wipe(stored, sizeof stored);
    weir__crypto_wipe(server, sizeof server);
    return err;
}

weir_err weir__scram_final(struct weir__scram *s, const uint8_t salted[WEIR__SCRAM_KEY_BYTES],
                           weir_buf *out)
{
    WEIR_ASSERT(s->state == CHALLENGED, "a proof follows a challenge");
    char room[2 * WEIR__SCRAM_NONCE_MAX];
    uint8_t proof[WEIR__SCRAM_KEY_BYTES];
    char text[(WEIR__SCRAM_KEY_BYTES + 2) / 3 * 4];
    weir_str pieces[PIECES];
    weir_buf unproven;
    weir_buf_init_fixed(&unproven, room, sizeof room);
    put_unproven(s, &unproven);
    auth_message(s, weir_buf_str(&unproven), pieces);
    weir_err err = prove(s, salted, pieces, proof);
    if (err < 0)
        return err;
    weir__base64_put(text, proof, sizeof proof);
    weir_buf_puts(out, weir_buf_str(&unproven));
    weir_buf_puts(out, WEIR_S(",p="));
    weir_buf_add(out, text, sizeof text);
    s->state = PROVEN;
    return WEIR_OK;
}

weir_err weir__scram_verify(struct weir__scram *s, weir_str message, const char **why)
{
    uint8_t signature[(WEIR__SCRAM_KEY_BYTES + 2) / 3 * 4];
    weir_str rest = message, text;
    size_t n;
    *why = "SCRAM: the server's last message comes out of turn";
    if (s->state != PROVEN)
        return WEIR_EPROTO;
    *why = "SCRAM: the server's last message is malformed";
    if (!next_attribute(&rest, 'v', &text) || text.len / 4 * 3 + 2 > sizeof signature ||
        weir__base64_get(text, signature, &n) != WEIR_OK)
        return WEIR_EPROTO;
    *why = "SCRAM: the server does not know the password; it is somebody else";
    if (!weir__crypto_equal((weir_str){(const char *)signature, n}, key_of(s->server_signature)))
        return WEIR_EPROTO;
    *why = NULL;
    s->state = OVER;
    return WEIR_OK;
}

void weir__scram_fini(struct weir__scram *s)
{
    weir__crypto_wipe(s, sizeof *s);
}
