/*
 * What all codings share when they are packed. The libraries are behind tables (compress_zlib.c,
 * compress_brotli.c).
 *
 * The defaults are for bodies that are made while they are sent: level 6 of zlib is the knee of its
 * curve, and level 4 of br packs as well as zlib's 9 for less time, but in ten times the memory.
 */
#include "wire/compress.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/compress_inside.h"

static bool set_options(struct weir__encoder *e, const struct weir__encode_options *given)
{
    struct weir__encode_options *o = &e->options;
    if (given != NULL)
        *o = *given;
    if (o->level == 0)
        o->level = e->ops->level;
    if (o->window_bits == 0)
        o->window_bits = e->ops->window;
    e->heap.bytes_max = o->memory_bytes_max;
    return o->level >= 1 && o->level <= e->ops->level_max && o->window_bits >= e->ops->window_min &&
           o->window_bits <= e->ops->window_max;
}

int weir__encoder_new(enum weir__coding coding, const struct weir__encode_options *options,
                      struct weir__encoder **out)
{
    *out = NULL;
    if (coding == WEIR_CODING_IDENTITY)
        return WEIR_EINVALID;
    if (!weir__coding_is_built(coding))
        return WEIR_ENOTBUILT;
    struct weir__encoder *e = weir__calloc(1, sizeof *e);
    if (e == NULL)
        return -ENOMEM;
    e->ops = coding == WEIR_CODING_BROTLI ? weir__encoder_brotli : &weir__encoder_zlib;
    e->coding = coding;
    int rc = set_options(e, options) ? e->ops->begin(e) : WEIR_EINVALID;
    if (rc != WEIR_OK) {
        weir__encoder_free(e);
        return rc;
    }
    *out = e;
    return WEIR_OK;
}

void weir__encoder_free(struct weir__encoder *e)
{
    if (e == NULL)
        return;
    e->ops->end(e);
    WEIR_ASSERT(e->heap.used == 0, "W7: a coding gives back what it took");
    weir__free(e);
}

int weir__encoder_reset(struct weir__encoder *e)
{
    e->is_over = e->heap.is_refused = false;
    e->err = e->ops->reset(e);
    return e->err;
}

int weir__encoder_step(struct weir__encoder *e, struct weir__flow *flow,
                       enum weir__encode_flush flush)
{
    if (e->err != WEIR_OK)
        return e->err;
    WEIR_ASSERT(!e->is_over || flow->in_len == 0, "W9: nothing is packed after the end");
    if (e->is_over)
        return WEIR_FLOW_END;
    int state = e->ops->step(e, flow, flush);
    if (state < 0)
        e->err = state;
    e->is_over = state == WEIR_FLOW_END;
    return state;
}
