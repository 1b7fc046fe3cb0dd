/*
 * A small hash map from borrowed strings to pointers. Open addressing, removal without tombstones,
 * SipHash-1-3 with a seed drawn once a process, so that nobody outside can choose colliding keys.
 * It has a maximum: what would pass it is refused. Not for several threads at once.
 */
#ifndef WEIR_BASE_MAP_H
#define WEIR_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>
#include <weir/err.h>
#include <weir/str.h>

struct weir__map_slot {
    weir_str key;
    void *value; /* NULL: the slot is free */
    uint64_t hash;
};

/* The caller's storage; a zeroed one is a map that may hold nothing. */
struct weir__map {
    struct weir__map_slot *slots;
    size_t slot_count; /* 0 or a power of two */
    size_t len, len_max;
};

/* Allocates nothing yet. */
void weir__map_init(struct weir__map *m, size_t len_max);

/* Frees the table. Keys and values are the caller's. */
void weir__map_fini(struct weir__map *m);

/* The value of `key`, NULL when there is none. */
void *weir__map_get(const struct weir__map *m, weir_str key);

/*
 * Sets the value (not NULL) of `key`, whose bytes must outlive the entry; replacing a value keeps
 * the bytes of the first key. WEIR_ELIMIT past the maximum, -ENOMEM; the map is then unchanged.
 */
WEIR_MUST_USE weir_err weir__map_put(struct weir__map *m, weir_str key, void *value);

/* Takes `key` out; returns its value, NULL when it was not there. */
void *weir__map_remove(struct weir__map *m, weir_str key);

/*
 * Visits all entries, in no order: start with *i = 0; NULL at the end. The map must not change
 * while it is visited.
 */
const struct weir__map_slot *weir__map_next(const struct weir__map *m, size_t *i);

/* SipHash-1-3 of some bytes with a 128-bit key; and with the key of this process. */
uint64_t weir__siphash13(const uint64_t key[2], const void *bytes, size_t n);
uint64_t weir__str_hash(weir_str s);

#endif
