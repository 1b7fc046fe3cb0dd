/*
 * What the second level is owed: a list that is looked through, for it is short, and empty but
 * while the level is away.
 *
 * O1: a key is owed once, and there are never more than WEIR__OWED_MAX.
 */
#include "data/cache/owed.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/map.h"

void weir__owed_init(struct weir__owed *o)
{
    weir__list_init(&o->keys);
    o->count = 0;
}

void weir__owed_fini(struct weir__owed *o)
{
    struct weir__owed_key *key;
    while ((key = weir__owed_first(o)) != NULL)
        weir__owed_drop(o, key);
}

struct weir__owed_key *weir__owed_key_new(weir_str key)
{
    struct weir__owed_key *k = weir__malloc(sizeof *k + key.len);
    if (k == NULL)
        return NULL;
    weir__list_init(&k->link);
    k->hash = weir__str_hash(key);
    k->len = key.len;
    memcpy(k->bytes, key.ptr, key.len);
    return k;
}

static bool has(const struct weir__owed *o, const struct weir__owed_key *key)
{
    WEIR_LIST_EACH(node, &o->keys) {
        const struct weir__owed_key *k = WEIR_CONTAINER(node, struct weir__owed_key, link);
        if (k->hash == key->hash && weir_str_eq(weir__owed_str(k), weir__owed_str(key)))
            return true;
    }
    return false;
}

bool weir__owed_add(struct weir__owed *o, struct weir__owed_key *key)
{
    bool is_there = has(o, key);
    if (is_there || o->count == WEIR__OWED_MAX) {
        weir__free(key);
        return is_there;
    }
    weir__list_push_back(&o->keys, &key->link);
    o->count++;
    return true;
}

struct weir__owed_key *weir__owed_first(const struct weir__owed *o)
{
    return weir__list_empty(&o->keys) ? NULL
                                      : WEIR_CONTAINER(o->keys.next, struct weir__owed_key, link);
}

void weir__owed_drop(struct weir__owed *o, struct weir__owed_key *key)
{
    WEIR_ASSERT(o->count > 0, "O1: what is owed is counted");
    o->count--;
    weir__list_remove(&key->link);
    weir__free(key);
}
