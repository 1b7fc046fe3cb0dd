/*
 * Making and freeing entries, outside of any lock.
 *
 * N1: what is freed nobody has, and no shard has in its bytes.
 */
#include "data/cache/entry.h"

#include "base/alloc.h"
#include "base/assert.h"

enum { ALLOCATOR_BYTES = 16 }; /* what an allocation costs beside its bytes, about */

weir_err weir__entry_new(weir_str key, uint64_t hash, const weir_model *model, const void *value,
                         size_t most, struct weir__cache_entry **out)
{
    size_t size = weir__entry_image_at((uint32_t)key.len), tail = 0;
    if (value != NULL) {
        size += weir__image_tail_at(model);
        weir_err err = weir__image_measure(model, value, most, &tail);
        if (err != WEIR_OK)
            return err;
    }
    size += tail;
    if (size + ALLOCATOR_BYTES > most)
        return WEIR_ETOOLARGE;
    struct weir__cache_entry *e = weir__malloc(size);
    if (e == NULL)
        return -ENOMEM;
    *e = (struct weir__cache_entry){
        .node = {.hash = hash, .bytes = (uint32_t)(size + ALLOCATOR_BYTES)},
        .refs = 1,
        .key_len = (uint32_t)key.len,
        .tail_bytes = (uint32_t)tail,
        .is_missing = value == NULL};
    weir__list_init(&e->node.link);
    weir__list_init(&e->expiring.link);
    memcpy(e + 1, key.ptr, key.len);
    if (value != NULL)
        weir__image_make(model, value, weir__entry_image(e));
    *out = e;
    return WEIR_OK;
}

void weir__entries_free(struct weir__cache_entry *first)
{
    while (first != NULL) {
        struct weir__cache_entry *e = first;
        first = e->next;
        WEIR_ASSERT(e->refs == 0 && !e->is_charged, "N1: what is freed nobody has");
        weir__free(e);
    }
}
