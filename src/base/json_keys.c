/*
 * Keys noted while a JSON text is read: a stack, newest on top, and a table of chains through it by
 * the keys' hashes. The hash is keyed with a secret of the process, so nobody can choose keys that
 * all fall into one chain. What is taken off the stack is always the head of its chain.
 */
#include "base/json_keys.h"

#include <errno.h>
#include <string.h>

#include "base/map.h"

enum { FIRST = 16 };

static void chain(struct weir__json_keys *k, uint32_t index)
{
    uint32_t *head = &k->heads[k->items[index].hash & (k->cap - 1)];
    k->items[index].next = *head;
    *head = index + 1;
}

static void drop_newest(struct weir__json_keys *k)
{
    const struct weir__json_key *top = &k->items[--k->count];
    k->heads[top->hash & (k->cap - 1)] = top->next;
}

static weir_err grow(struct weir__json_keys *k, struct weir__arena *arena)
{
    uint32_t cap = k->cap != 0 ? 2 * k->cap : FIRST;
    if (cap > WEIR__JSON_KEYS_MAX)
        return WEIR_ELIMIT;
    struct weir__json_key *items = weir__arena_alloc(arena, cap * sizeof *items);
    uint32_t *heads = weir__arena_alloc(arena, cap * sizeof *heads);
    if (items == NULL || heads == NULL)
        return -ENOMEM;
    if (k->count > 0)
        memcpy(items, k->items, k->count * sizeof *items);
    memset(heads, 0, cap * sizeof *heads);
    k->items = items;
    k->heads = heads;
    k->cap = cap;
    for (uint32_t i = 0; i < k->count; i++)
        chain(k, i);
    return WEIR_OK;
}

static bool is_same(const struct weir__json_key *a, const struct weir__json_key *b)
{
    return a->hash == b->hash && a->depth == b->depth && a->object == b->object &&
           weir_str_eq(a->key, b->key);
}

weir_err weir__json_keys_add(struct weir__json_keys *k, struct weir__arena *arena,
                             const void *object, uint32_t depth, weir_str key)
{
    struct weir__json_key new = {
        .key = key, .object = object, .hash = (uint32_t)weir__str_hash(key), .depth = depth};
    while (k->count > 0) {
        const struct weir__json_key *top = &k->items[k->count - 1];
        if (top->depth < depth || (top->depth == depth && top->object == object))
            break;
        drop_newest(k);
    }
    uint32_t i = k->cap != 0 ? k->heads[new.hash &(k->cap - 1)] : 0;
    for (; i != 0; i = k->items[i - 1].next)
        if (is_same(&k->items[i - 1], &new))
            return WEIR_EINVALID;
    if (k->count == k->cap) {
        weir_err err = grow(k, arena);
        if (err < 0)
            return err;
    }
    k->items[k->count] = new;
    chain(k, k->count++);
    return WEIR_OK;
}
