/*
 * Keys that were written while the second level could not be told: it may have what they were
 * before, and is to be told before it is believed again. In the order in which they were written,
 * each once, and only so many.
 */
#ifndef WEIR_DATA_CACHE_OWED_H
#define WEIR_DATA_CACHE_OWED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include <weir/str.h>

enum { WEIR__OWED_MAX = 512 };

/* No lock of its own. */
struct weir__owed {
    struct weir__list keys; /* struct weir__owed_key.link */
    uint32_t count;
};

struct weir__owed_key {
    struct weir__list link;
    uint64_t hash;
    size_t len;
    char bytes[];
};

void weir__owed_init(struct weir__owed *o);
void weir__owed_fini(struct weir__owed *o);

/* Allocated, to be added; NULL: no memory. */
struct weir__owed_key *weir__owed_key_new(weir_str key);

/* Takes `key` over. False: there is no room, and it is freed; one that is there already is. */
bool weir__owed_add(struct weir__owed *o, struct weir__owed_key *key);

/* The first one, which stays; NULL: there is none. */
struct weir__owed_key *weir__owed_first(const struct weir__owed *o);
void weir__owed_drop(struct weir__owed *o, struct weir__owed_key *key);

static inline weir_str weir__owed_str(const struct weir__owed_key *key)
{
    return (weir_str){key->bytes, key->len};
}

#endif
