/*
 * Ids of traces. Those that are made here are hashes with the process' key (map.h): nobody outside
 * can foresee one, or meet one by chance more likely than with random bits.
 */
#include "base/origin.h"

#include <string.h>

#include "base/map.h"

/* Which eight bytes of its ids a hash is for. */
enum part { TRACE_FRONT, TRACE_BACK, SPAN };

static void draw(uint8_t *out, const struct weir__origin *o, enum part part)
{
    uint64_t text[2] = {o->number, part};
    uint64_t bits =
        weir__trace_id_bits(weir__str_hash((weir_str){(const char *)text, sizeof text}));
    memcpy(out, &bits, sizeof bits);
}

bool weir__trace_id_is_set(const uint8_t *id, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= id[i];
    return any != 0;
}

struct weir__trace weir__origin_trace(const struct weir__origin *o)
{
    struct weir__trace t = o->caller;
    if (!weir__trace_id_is_set(t.trace_id, sizeof t.trace_id)) {
        draw(t.trace_id, o, TRACE_FRONT);
        draw(t.trace_id + sizeof(uint64_t), o, TRACE_BACK);
        t.flags = 0;
    }
    draw(t.span_id, o, SPAN);
    return t;
}

void weir__origin_keep(struct weir__origin_copy *k, const struct weir__origin *o)
{
    k->is_set = o != NULL;
    if (o == NULL)
        return;
    weir_str *id = &k->origin.request_id;
    k->origin = *o;
    id->len = id->len < sizeof k->request_id ? id->len : sizeof k->request_id;
    if (id->ptr != NULL)
        memcpy(k->request_id, id->ptr, id->len);
}

const struct weir__origin *weir__origin_kept(struct weir__origin_copy *k)
{
    if (!k->is_set)
        return NULL;
    if (k->origin.request_id.ptr != NULL)
        k->origin.request_id.ptr = k->request_id;
    return &k->origin;
}
