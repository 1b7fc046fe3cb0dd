/*
 * For the tests of RSA: one key pair, which guards nothing, and public keys that are made of any
 * number: to be read and to be refused they need no private half.
 */
#ifndef WEIR_CRYPTO_RSA_TESTING_H
#define WEIR_CRYPTO_RSA_TESTING_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "crypto/testing.h"

/* Of 2,048 bits, exponent 65537. */
static const char private_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQC+i6BOeWcdTAnf\n"
    "yTWP7RAe1t80HQhCy++dWPVWunk/VAGdKRLkulRlLv/YgJVSeOEMXr/V5SsLgPeU\n"
    "bhvcskhGrcZIA5G/C5ACghF2R42Z9qieKtByuSCG4R61OOUkGM3jLkb4a0YzNFgA\n"
    "psJ3fbIvrMS4gSw3KbEtRhRO/bH+5pD/NMIkMkeJmIBrwJVaZ+O/504ilJHN7bnY\n"
    "aWUmR05HTucnVgbJskDpo15IBg0Avl/il21WxQlAxYjGlWAuyCXlM1WzGxR1Jyuq\n"
    "4EwMougNOCtBrNfJPjLWYzk65I+qdQFsBVDrBhX9goxERGHZ+mzrFoV9SIPygxq+\n"
    "DI2sMk6HAgMBAAECggEAI288zwsloV2gInU9GDhaPJnx5TOW8zEQrN67tTa1UJET\n"
    "QcI/KLj789sjKgRzgGRJWa8PFrxo3llL8VbuqIKhDT/ItWCwjGoejFDa5XeV/jFQ\n"
    "FyXYINWLlnmr58CeYDGarCpReWYdpm0QBoL8fBMsfVAwPy2KZvHCaKx1H2FvZfrx\n"
    "inOGohmY7L7hB9eW5gtyyiCko7qp0DOX9tia51P7Hs2EVHG0RG4u38FjE7ZAgbNe\n"
    "tH4AUpSXOL97C5Xt73lbSgcEKBHvy5kM3LKBaCjmkVTGZyw3joODvVsm0q2a/Bvc\n"
    "V1ut8Py+jy0ktADee9+uqRYAMO1R8XMLqjS9mIQvhQKBgQDfT1hIT++bKQX7RuCc\n"
    "zr6HNVePyGd6nW2M/hP7CjrBhH4ory0me+9xEkyobrw33tJ83zPXEFpVoXMDLCWl\n"
    "hOenF1UkqF3eJvLR2KH3XXm38LX4cOCgwV6E2Nr92q7/rlDJYsPRaiV2U5aEn0/Q\n"
    "w9rqzyN53V0aeQ0F6tYmcXsTvQKBgQDacGnxk6TRvPevfFkk9/TroGiCyM3EtzVi\n"
    "CgOKsJ7ndzcOpZJxineDOeu5aDX9FdM33ckWclchB+xzqdrQF0FIC9ZPj4K0hkqb\n"
    "TK9mMvN7ybhdpWtrI779h2wvs1apwPPIOKSavlsFA+H4j0FqDcUiCV3x9+uakXsZ\n"
    "Y2zaSkDtkwKBgQCwfTE01Zh1dNK5aacTx4Jlsg7mIGlISyvOBvEbs1YEpAZheTGh\n"
    "/Mmc/+1+ISa4sW6CKpX6H36FtvgDRdzrGENNl+8+7aJidT3sA97edg5BBgmLtQqT\n"
    "gsCFFi7d+vvcL5TB1UEWPWImRqHrZ03ZnTFj6xoKsp1m0s0sJBHkiEPRsQKBgQCZ\n"
    "3GijYo3LtkD4eKwJ4CXB+oDi7jISB8IwRkFsZS/odg5v4KwgEZpQ8nFZbU/p7n+S\n"
    "cEP97Zf1ijFA3zljLZ4r8zqHW9yC77yJWyCI6gabAOE+BRB+rPUQe1z21GmMtH6C\n"
    "X3OCE+bkx3FZtP4sh3p9mP91Ol3Xx/VfUqsPrxHAxQKBgFPy2vqhEgDujJ0DZvfp\n"
    "cDBcl4z42q2wEE4FgD1vvee8MZjPgUCqGUCYpdy33d8WH7pkZWhtTF/T61i9FKGT\n"
    "NDEHEWEEiO3efj6stgagVxQUW7mnic2WoxyAjG/ZzIESobdnkM/hmu8exOgBBjIF\n"
    "I8frjZ+H90tkCzV2PKPClBCY\n"
    "-----END PRIVATE KEY-----\n";

static inline EVP_PKEY *private_key(void)
{
    BIO *text = BIO_new_mem_buf(private_pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(text, NULL, NULL, NULL);
    BIO_free(text);
    assert_non_null(key);
    return key;
}

/* The public half of `key` as a PEM text in `room`, which has its end; the key is freed. */
static inline weir_str public_pem(EVP_PKEY *key, char *room, size_t size)
{
    BIO *text = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(text, key), 1);
    int n = BIO_read(text, room, (int)size - 1);
    assert_in_range(n, 1, size - 1);
    room[n] = '\0';
    BIO_free(text);
    EVP_PKEY_free(key);
    return view(room, (size_t)n);
}

/* A public key of these numbers, which are freed. */
static inline EVP_PKEY *key_of(BIGNUM *n, BIGNUM *e)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *state = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e), 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
    assert_int_equal(EVP_PKEY_fromdata_init(state), 1);
    assert_int_equal(EVP_PKEY_fromdata(state, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(b);
    EVP_PKEY_CTX_free(state);
    BN_free(n);
    BN_free(e);
    return key;
}

/* A modulus of `bits` bits, all ones, and the exponent 2^(exponent_bits - 1) + rest, or `rest`. */
static inline EVP_PKEY *made_key(int bits, int exponent_bits, unsigned rest)
{
    BIGNUM *n = BN_new(), *e = BN_new();
    assert_true(BN_set_bit(n, bits) && BN_sub_word(n, 1));
    assert_true(exponent_bits == 0 || BN_set_bit(e, exponent_bits - 1));
    assert_true(BN_add_word(e, rest));
    return key_of(n, e);
}

#endif
