/*
 * Digests by libcrypto's EVP interface. Two things are kept, and make it cheap: for the process
 * what was fetched (a look-up under libcrypto's locks, done once a kind), and for each thread one
 * spare context a kind. A warm digest takes a spare, feeds it and gives it back.
 *
 * The one hard thing is what a context remembers: after its end it still holds the digest, which
 * may be that of a password. So it is begun anew before it becomes a spare, not when it is taken
 * (C2). That costs nothing: it must be begun once in any case. libcrypto 3.0 takes one piece of
 * memory for it, the only one of a warm digest.
 *
 * When there is no memory for that the context is freed, and the next digest makes one.
 */
#include "crypto/digest.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "crypto/refusal.h"

static const struct {
    const char *name;
    size_t digest_bytes, block_bytes;
} kinds[WEIR__CRYPTO_KINDS] = {
    [WEIR__CRYPTO_MD5] = {"MD5", WEIR__CRYPTO_MD5_BYTES, 64},
    [WEIR__CRYPTO_SHA1] = {"SHA-1", WEIR__CRYPTO_SHA1_BYTES, 64},
    [WEIR__CRYPTO_SHA256] = {"SHA-256", WEIR__CRYPTO_SHA256_BYTES, 64},
    [WEIR__CRYPTO_SHA384] = {"SHA-384", WEIR__CRYPTO_SHA384_BYTES, 128},
    [WEIR__CRYPTO_SHA512] = {"SHA-512", WEIR__CRYPTO_SHA512_BYTES, 128},
};

static void check_kind(enum weir__crypto_kind kind)
{
    WEIR_ASSERT((unsigned)kind < WEIR__CRYPTO_KINDS, "C1: a digest is one of those that there are");
}

size_t weir__crypto_digest_bytes(enum weir__crypto_kind kind)
{
    check_kind(kind);
    return kinds[kind].digest_bytes;
}

size_t weir__crypto_block_bytes(enum weir__crypto_kind kind)
{
    check_kind(kind);
    return kinds[kind].block_bytes;
}

const char *weir__crypto_kind_name(enum weir__crypto_kind kind)
{
    check_kind(kind);
    return kinds[kind].name;
}

/* --- of the process: what was fetched --------------------------------------------------------- */

static _Atomic(EVP_MD *) fetched[WEIR__CRYPTO_KINDS];

/* Whoever comes first publishes; who comes beside him gives his own back (C3). */
static EVP_MD *fetch(enum weir__crypto_kind kind)
{
    EVP_MD *theirs = NULL;
    EVP_MD *md = EVP_MD_fetch(NULL, kinds[kind].name, NULL);
    if (md == NULL || atomic_compare_exchange_strong_explicit(
                          &fetched[kind], &theirs, md, memory_order_release, memory_order_acquire))
        return md;
    EVP_MD_free(md);
    return theirs;
}

static EVP_MD *md_of(enum weir__crypto_kind kind)
{
    EVP_MD *md = atomic_load_explicit(&fetched[kind], memory_order_acquire);
    return md != NULL ? md : fetch(kind);
}

weir_err weir__crypto_require(enum weir__crypto_kind kind, weir_buf *why)
{
    check_kind(kind);
    if (weir__alloc_pretend())
        return weir__crypto_refuse(-ENOMEM, why, "%s: out of memory", kinds[kind].name);
    weir__crypto_forget();
    if (md_of(kind) == NULL)
        return weir__crypto_refused(-ENOTSUP, kinds[kind].name, why);
    return WEIR_OK;
}

/* --- of the thread: a spare context a kind ---------------------------------------------------- */

static _Thread_local struct {
    EVP_MD_CTX *spare[WEIR__CRYPTO_KINDS];
    bool is_registered; /* the thread's end will free them */
} cache;

static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;

static void free_spares(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < WEIR__CRYPTO_KINDS; i++) {
        EVP_MD_CTX_free(cache.spare[i]);
        cache.spare[i] = NULL;
    }
    cache.is_registered = false;
}

static void make_end_key(void)
{
    int rc = pthread_key_create(&end_key, free_spares);
    WEIR_ASSERT(rc == 0, "a key for the spare digests can be made");
}

static bool will_be_freed(void)
{
    if (WEIR_LIKELY(cache.is_registered))
        return true;
    pthread_once(&end_once, make_end_key);
    cache.is_registered = pthread_setspecific(end_key, &cache) == 0;
    return cache.is_registered;
}

/* A new context, begun. */
static EVP_MD_CTX *make(enum weir__crypto_kind kind)
{
    weir__crypto_forget();
    EVP_MD *md = md_of(kind);
    EVP_MD_CTX *state = md != NULL ? EVP_MD_CTX_new() : NULL;
    if (state != NULL && EVP_DigestInit_ex2(state, md, NULL) == 1)
        return state;
    EVP_MD_CTX_free(state);
    return NULL;
}

static EVP_MD_CTX *take(enum weir__crypto_kind kind)
{
    EVP_MD_CTX *state = cache.spare[kind];
    if (WEIR_UNLIKELY(state == NULL))
        return make(kind);
    cache.spare[kind] = NULL;
    return state;
}

/* Begun anew it holds nothing of what it was fed (C2). */
static void give(enum weir__crypto_kind kind, EVP_MD_CTX *state)
{
    if (cache.spare[kind] != NULL || !will_be_freed()) {
        EVP_MD_CTX_free(state);
    } else if (EVP_DigestInit_ex2(state, NULL, NULL) == 1) {
        cache.spare[kind] = state;
    } else {
        EVP_MD_CTX_free(state);
        weir__crypto_forget();
    }
}

/* --- digests ---------------------------------------------------------------------------------- */

void weir__crypto_hash_begin(struct weir__crypto_hash *h, enum weir__crypto_kind kind)
{
    check_kind(kind);
    *h = (struct weir__crypto_hash){.kind = kind};
    if (weir__alloc_pretend())
        h->err = -ENOMEM;
    else if ((h->state = take(kind)) == NULL)
        h->err = weir__crypto_refused(-ENOTSUP, kinds[kind].name, NULL);
}

void weir__crypto_hash_add(struct weir__crypto_hash *h, const void *bytes, size_t n)
{
    WEIR_ASSERT(h->state != NULL || h->err < 0, "C4: what is fed was begun, and has not ended");
    if (h->err == WEIR_OK && EVP_DigestUpdate(h->state, bytes, n) != 1)
        h->err = weir__crypto_refused(-ENOTSUP, kinds[h->kind].name, NULL);
}

weir_err weir__crypto_hash_end(struct weir__crypto_hash *h, unsigned char *out)
{
    WEIR_ASSERT(h->state != NULL || h->err < 0, "C4: what ends was begun, and has not ended");
    weir_err err = h->err;
    if (err == WEIR_OK && EVP_DigestFinal_ex(h->state, out, NULL) != 1)
        err = weir__crypto_refused(-ENOTSUP, kinds[h->kind].name, NULL);
    if (err < 0)
        memset(out, 0, kinds[h->kind].digest_bytes);
    weir__crypto_hash_fini(h);
    return err;
}

void weir__crypto_hash_fini(struct weir__crypto_hash *h)
{
    if (h->state != NULL)
        give(h->kind, h->state);
    *h = (struct weir__crypto_hash){.kind = h->kind};
}

weir_err weir__crypto_digest(enum weir__crypto_kind kind, const weir_str *pieces, size_t count,
                             unsigned char *out)
{
    struct weir__crypto_hash h;
    weir__crypto_hash_begin(&h, kind);
    for (size_t i = 0; i < count; i++)
        weir__crypto_hash_add(&h, pieces[i].ptr, pieces[i].len);
    return weir__crypto_hash_end(&h, out);
}
