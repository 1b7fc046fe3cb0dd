/*
 * The hash map. Linear probing in a table that is at most three quarters full; a removed entry is
 * closed up by moving its followers back, so no tombstones pile up. The hash is SipHash-1-3 with
 * a key drawn from the kernel on first use: cheap for short keys, and not to be foreseen by
 * whoever sends them.
 */
#include "base/map.h"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { FIRST_SLOTS = 8 };

static uint64_t process_key[2];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void draw_process_key(void)
{
    ssize_t n = getrandom(process_key, sizeof process_key, GRND_NONBLOCK);
    if (n == (ssize_t)sizeof process_key)
        return;
    /* No entropy yet (early boot): the clock and the address space's layout have to do. */
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    process_key[0] = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u ^ (uintptr_t)&now;
    process_key[1] = (uint64_t)now.tv_sec ^ (uint64_t)getpid() << 32 ^ (uintptr_t)&process_key;
}

static inline uint64_t rotl(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32) + v[3];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

uint64_t weir__siphash13(const uint64_t key[2], const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    uint64_t last = (uint64_t)n << 56;
    size_t words = n / 8;

    for (size_t i = 0; i < words; i++, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = 0; i < n % 8; i++)
        last |= (uint64_t)p[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t weir__str_hash(weir_str s)
{
    pthread_once(&key_once, draw_process_key);
    return weir__siphash13(process_key, s.ptr, s.len);
}

void weir__map_init(struct weir__map *m, size_t len_max)
{
    *m = (struct weir__map){.len_max = len_max};
}

void weir__map_fini(struct weir__map *m)
{
    weir__free(m->slots);
    weir__map_init(m, m->len_max);
}

/* The slot of `key`, or the free one where it would go. The table is never full. */
static struct weir__map_slot *slot_of(const struct weir__map *m, weir_str key, uint64_t hash)
{
    size_t mask = m->slot_count - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct weir__map_slot *slot = &m->slots[i];
        if (slot->value == NULL || (slot->hash == hash && weir_str_eq(slot->key, key)))
            return slot;
    }
}

void *weir__map_get(const struct weir__map *m, weir_str key)
{
    return m->len != 0 ? slot_of(m, key, weir__str_hash(key))->value : NULL;
}

static weir_err grow(struct weir__map *m)
{
    struct weir__map bigger = *m;
    bigger.slot_count = m->slot_count != 0 ? m->slot_count * 2 : FIRST_SLOTS;
    bigger.slots = weir__calloc(bigger.slot_count, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < m->slot_count; i++)
        if (m->slots[i].value != NULL)
            *slot_of(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    weir__free(m->slots);
    *m = bigger;
    return WEIR_OK;
}

weir_err weir__map_put(struct weir__map *m, weir_str key, void *value)
{
    WEIR_ASSERT(value != NULL, "a map's value is not NULL");
    uint64_t hash = weir__str_hash(key);
    struct weir__map_slot *slot = m->slot_count != 0 ? slot_of(m, key, hash) : NULL;

    if (slot != NULL && slot->value != NULL) {
        slot->value = value;
        return WEIR_OK;
    }
    if (m->len >= m->len_max)
        return WEIR_ELIMIT;
    if (slot == NULL || (m->len + 1) * 4 > m->slot_count * 3) {
        weir_err err = grow(m);
        if (err < 0)
            return err;
        slot = slot_of(m, key, hash);
    }
    *slot = (struct weir__map_slot){.key = key, .value = value, .hash = hash};
    m->len++;
    return WEIR_OK;
}

void *weir__map_remove(struct weir__map *m, weir_str key)
{
    if (m->len == 0)
        return NULL;
    struct weir__map_slot *slot = slot_of(m, key, weir__str_hash(key));
    void *value = slot->value;
    if (value == NULL)
        return NULL;

    size_t mask = m->slot_count - 1;
    size_t hole = (size_t)(slot - m->slots);
    for (size_t i = (hole + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* it would stand before its home */
        m->slots[hole] = m->slots[i];
        hole = i;
    }
    m->slots[hole] = (struct weir__map_slot){0};
    m->len--;
    return value;
}

const struct weir__map_slot *weir__map_next(const struct weir__map *m, size_t *i)
{
    while (*i < m->slot_count) {
        const struct weir__map_slot *slot = &m->slots[(*i)++];
        if (slot->value != NULL)
            return slot;
    }
    return NULL;
}
