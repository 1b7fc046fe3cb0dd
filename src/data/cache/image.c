/*
 * Images of values: one walk along the model measures and makes them, another turns their pointers
 * when they were copied elsewhere.
 *
 * M1: what an image points to lies in its own rest, in the order of the walk.
 */
#include "data/cache/image.h"

#include <string.h>

#include "base/assert.h"

/* --- what a member points to ------------------------------------------------------------------ */

/* The pointer in a member of one of these kinds stands at its beginning. */
static bool points(const struct weir__member *m)
{
    switch ((weir_kind)m->kind) {
    case WEIR_KIND_STR:
    case WEIR_KIND_BLOB:
    case WEIR_KIND_RAW_JSON:
    case WEIR_KIND_ARRAY:
    case WEIR_KIND_MAP:
    case WEIR_KIND_OPTIONAL:
        return true;
    default:
        return false;
    }
}

static bool has_items(const struct weir__member *m)
{
    return m->kind == WEIR_KIND_ARRAY || m->kind == WEIR_KIND_MAP;
}

bool weir__image_is_flat(const weir_model *model)
{
    const struct weir__model_tables *t = weir__model_tables(model);
    for (uint32_t i = 0; i < t->count; i++) {
        const struct weir__member *m = &t->members[i];
        if (points(m) || (m->kind == WEIR_KIND_MODEL && !weir__image_is_flat(m->sub)))
            return false;
    }
    return true;
}

bool weir__image_prepare(const weir_model *model)
{
    if (__atomic_load_n(&model->link->tables, __ATOMIC_ACQUIRE) != NULL)
        return true; /* it was here before, or is being looked at further up */
    const struct weir__model_tables *t = weir__model_tables(model);
    if (t == NULL)
        return false;
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->members[i].sub != NULL && !weir__image_prepare(t->members[i].sub))
            return false;
    }
    return true;
}

/* --- versions --------------------------------------------------------------------------------- */

/* The models from the first one down to one, for rings. */
struct path {
    const weir_model *model;
    const struct path *above;
};

static void add_number(uint64_t *hash, uint64_t n)
{
    for (int i = 0; i < 8; i++)
        *hash = (*hash ^ (n >> (8 * i) & 0xff)) * UINT64_C(0x100000001b3); /* FNV-1a */
}

static void add_text(uint64_t *hash, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        *hash = (*hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    add_number(hash, len);
}

/* How far up the path it stands; 0: nowhere. */
static uint64_t steps_up(const struct path *at, const weir_model *model)
{
    uint64_t steps = 1;
    for (; at != NULL && at->model != model; at = at->above)
        steps++;
    return at != NULL ? steps : 0;
}

static void add_model(uint64_t *hash, const weir_model *model, const struct path *above)
{
    const struct path here = {model, above};
    const struct weir__model_tables *t = weir__model_tables(model);
    add_number(hash, t->count);
    for (uint32_t i = 0; i < t->count; i++) {
        const struct weir__member *m = &t->members[i];
        add_text(hash, m->fragment + 2, (size_t)m->fragment_len - 2);
        add_number(hash, m->kind);
        add_number(hash, m->sub == NULL ? m->size : 0);
        uint64_t steps = m->sub != NULL ? steps_up(&here, m->sub) : 0;
        add_number(hash, steps);
        if (m->sub != NULL && steps == 0)
            add_model(hash, m->sub, &here);
    }
}

uint64_t weir__image_version(const weir_model *model)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    add_model(&hash, model, NULL);
    return hash;
}

/* --- making ----------------------------------------------------------------------------------- */

struct maker {
    char *tail; /* NULL: it is only measured */
    size_t at, most;
    int depth;
    bool is_over;
};

/* Room for `size` bytes; where they go, NULL while measuring. */
static char *take(struct maker *w, size_t size, size_t align)
{
    size_t at = (w->at + align - 1) & ~(align - 1);
    if (at > w->most || size > w->most - at) {
        w->is_over = true;
        return NULL;
    }
    w->at = at + size;
    return w->tail != NULL ? w->tail + at : NULL;
}

static void make(struct maker *w, const weir_model *model, const void *value, void *out);

/* `count` times `stride` bytes with a struct or bare value at `value_at` of each. */
static void make_items(struct maker *w, const struct weir__member *m, const struct weir__array *a,
                       struct weir__array *out)
{
    size_t stride = weir__member_stride(m), value_at = weir__member_value_at(m);
    char *to = a->len > w->most / stride ? take(w, w->most + 1, 1) : take(w, a->len * stride, 16);
    if (out != NULL)
        *out = (struct weir__array){to, a->len};
    if (to != NULL)
        memset(to, 0, a->len * stride);
    for (size_t i = 0; i < a->len && !w->is_over; i++) {
        const char *item = (const char *)a->ptr + i * stride;
        char *copy = to != NULL ? to + i * stride : NULL;
        if (m->kind == WEIR_KIND_MAP)
            make(w, &weir_model_weir_str, item, copy);
        make(w, m->sub, item + value_at, copy != NULL ? copy + value_at : NULL);
    }
}

static void make_optional(struct maker *w, const struct weir__member *m, const void *behind,
                          void **out)
{
    char *to = take(w, m->sub->size, 16);
    if (out != NULL)
        *out = to;
    make(w, m->sub, behind, to);
}

static void make_bytes(struct maker *w, const struct weir__array *a, struct weir__array *out)
{
    char *to = take(w, a->len, 1);
    if (out == NULL)
        return;
    *out = (struct weir__array){to, a->len};
    if (to != NULL && a->len > 0)
        memcpy(to, a->ptr, a->len);
}

/* `at` is the member; `to` its place in the image, NULL while measuring. */
static void make_member(struct maker *w, const struct weir__member *m, const char *at, char *to)
{
    if (m->kind == WEIR_KIND_MODEL) {
        make(w, m->sub, at, to);
        return;
    }
    if (to != NULL)
        memcpy(to, at, m->size);
    const void *behind;
    if (!points(m) || (memcpy(&behind, at, sizeof behind), behind == NULL))
        return;
    if (m->kind == WEIR_KIND_OPTIONAL)
        make_optional(w, m, behind, (void **)(void *)to);
    else if (has_items(m))
        make_items(w, m, (const void *)at, (void *)to);
    else
        make_bytes(w, (const void *)at, (void *)to);
}

/* Into `out`, which is zeroed; NULL while measuring. */
static void make(struct maker *w, const weir_model *model, const void *value, void *out)
{
    const struct weir__model_tables *t = weir__model_tables(model);
    if (++w->depth > WEIR__IMAGE_DEPTH_MAX)
        w->is_over = true;
    for (uint32_t i = 0; i < t->count && !w->is_over; i++) {
        const struct weir__member *m = &t->members[i];
        make_member(w, m, (const char *)value + m->offset,
                    out != NULL ? (char *)out + m->offset : NULL);
        if (m->present != 0 && out != NULL)
            ((char *)out)[m->present - 1] = ((const char *)value)[m->present - 1];
    }
    w->depth--;
}

weir_err weir__image_measure(const weir_model *model, const void *value, size_t most,
                             size_t *tail_bytes)
{
    struct maker w = {.most = most};
    make(&w, model, value, NULL);
    *tail_bytes = w.at;
    return w.is_over ? WEIR_ETOOLARGE : WEIR_OK;
}

void weir__image_make(const weir_model *model, const void *value, void *image)
{
    struct maker w = {.tail = (char *)image + weir__image_tail_at(model), .most = SIZE_MAX / 2};
    memset(image, 0, model->size);
    make(&w, model, value, image);
    WEIR_ASSERT(!w.is_over, "M1: what was measured has room");
}

/* --- copies ----------------------------------------------------------------------------------- */

struct move {
    const char *was;
    char *tail;
};

static void settle(const struct move *mv, const weir_model *model, char *value);

static void settle_member(const struct move *mv, const struct weir__member *m, char *at)
{
    if (m->kind == WEIR_KIND_MODEL) {
        settle(mv, m->sub, at);
        return;
    }
    char *behind;
    if (!points(m) || (memcpy(&behind, at, sizeof behind), behind == NULL))
        return;
    behind = mv->tail + (behind - mv->was);
    memcpy(at, &behind, sizeof behind);
    if (m->kind == WEIR_KIND_OPTIONAL)
        settle(mv, m->sub, behind);
    if (!has_items(m))
        return;
    size_t len = ((const struct weir__array *)(const void *)at)->len;
    size_t stride = weir__member_stride(m), value_at = weir__member_value_at(m);
    for (size_t i = 0; i < len; i++) {
        if (m->kind == WEIR_KIND_MAP)
            settle(mv, &weir_model_weir_str, behind + i * stride);
        settle(mv, m->sub, behind + i * stride + value_at);
    }
}

static void settle(const struct move *mv, const weir_model *model, char *value)
{
    const struct weir__model_tables *t = weir__model_tables(model);
    for (uint32_t i = 0; i < t->count; i++)
        settle_member(mv, &t->members[i], value + t->members[i].offset);
}

void weir__image_settle(const weir_model *model, void *value, const void *was, void *tail)
{
    settle(&(struct move){was, tail}, model, value);
}
