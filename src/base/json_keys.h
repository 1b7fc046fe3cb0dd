/*
 * The keys of a JSON text that no model knows, to find those that are given twice in one object.
 * Those of the model's members need none of this: a bit each is enough. Entries stand in the order
 * of the text and go when their object is closed, so there are never more than objects that are
 * open have; at most WEIR__JSON_KEYS_MAX. Memory is the arena's, and taken at the first such key.
 */
#ifndef WEIR_BASE_JSON_KEYS_H
#define WEIR_BASE_JSON_KEYS_H

#include "base/arena.h"

enum { WEIR__JSON_KEYS_MAX = 1024 };

struct weir__json_key {
    weir_str key;       /* without escapes; borrowed */
    const void *object; /* which one at its depth */
    uint32_t hash;
    uint32_t next; /* index + 1 of the next older one of its bucket; 0: none */
    uint32_t depth;
};

/* Zeroed: empty. */
struct weir__json_keys {
    struct weir__json_key *items;
    uint32_t *heads; /* `cap` buckets: index + 1 of their newest; 0: none */
    uint32_t count, cap;
};

/*
 * Notes a key of the object `object` at `depth`; what is noted of objects that are closed by now,
 * all others as deep or deeper, is forgotten. WEIR_OK; WEIR_EINVALID: this object has had it;
 * WEIR_ELIMIT: too many; -ENOMEM: the arena.
 */
weir_err weir__json_keys_add(struct weir__json_keys *k, struct weir__arena *arena,
                             const void *object, uint32_t depth, weir_str key);

#endif
