/*
 * Keys of tickets: three at most, in one place, under one lock. A handshake asks once or twice, for
 * which a lock is nothing.
 *
 * Nothing turns them by the clock: whoever asks after the newest has had its time makes the next
 * one. A process that nobody asks for a day wipes what is too old when it is asked again, and opens
 * no ticket with it.
 */
#include "net/tls_ticket.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "os/lock.h"

static struct {
    struct weir__lock lock;
    struct weir__tls_keys keys;
    void (*turn)(struct weir__tls_keys *keys, weir_time now);
} all;

/* Until when tickets of it are taken: as long as those of the newest three would be made. */
static bool is_over(const struct weir__tls_key *key, weir_time now)
{
    return now.ns - key->since.ns >= WEIR__TLS_KEYS_MAX * WEIR__TLS_KEY_LIFE_NS;
}

static void make(struct weir__tls_key *key, weir_time now)
{
    weir__crypto_random(key->name, sizeof key->name);
    weir__crypto_random(key->cipher, sizeof key->cipher);
    weir__crypto_random(key->mac, sizeof key->mac);
    key->since = now;
}

void weir__tls_keys_turn(struct weir__tls_keys *keys, weir_time now)
{
    struct weir__tls_key *k = keys->keys;
    WEIR_ASSERT(keys->count <= WEIR__TLS_KEYS_MAX, "T3: older keys are kept while they open");
    while (keys->count > 0 && is_over(&k[keys->count - 1], now))
        weir__crypto_wipe(&k[--keys->count], sizeof k[0]);
    if (keys->count > 0 && now.ns - k[0].since.ns < WEIR__TLS_KEY_LIFE_NS)
        return;
    if (keys->count == WEIR__TLS_KEYS_MAX)
        keys->count--;
    memmove(&k[1], &k[0], keys->count * sizeof k[0]);
    make(&k[0], now);
    keys->count++;
    WEIR_ASSERT(keys->count == 1 || now.ns - k[1].since.ns >= WEIR__TLS_KEY_LIFE_NS,
                "T3: the newest seals for as long as it is that");
}

void weir__tls_keys_from(void (*turn)(struct weir__tls_keys *keys, weir_time now))
{
    weir__lock_take(&all.lock);
    weir__crypto_wipe(&all.keys, sizeof all.keys);
    all.turn = turn;
    weir__lock_give(&all.lock);
}

static const struct weir__tls_keys *turned(weir_time now)
{
    if (all.turn != NULL)
        all.turn(&all.keys, now);
    else
        weir__tls_keys_turn(&all.keys, now);
    WEIR_ASSERT(all.keys.count >= 1 && all.keys.count <= WEIR__TLS_KEYS_MAX,
                "T3: there is a key that seals");
    return &all.keys;
}

void weir__tls_key_to_seal(weir_time now, struct weir__tls_key *out)
{
    weir__lock_take(&all.lock);
    *out = turned(now)->keys[0];
    weir__lock_give(&all.lock);
}

bool weir__tls_key_to_open(weir_time now, const unsigned char *name, struct weir__tls_key *out,
                           bool *is_newest)
{
    bool is_there = false;
    weir__lock_take(&all.lock);
    const struct weir__tls_keys *keys = turned(now);
    for (unsigned i = 0; i < keys->count && !is_there; i++) {
        is_there = memcmp(keys->keys[i].name, name, WEIR__TLS_KEY_NAME_BYTES) == 0;
        if (is_there) {
            *out = keys->keys[i];
            *is_newest = i == 0;
        }
    }
    weir__lock_give(&all.lock);
    return is_there;
}
