/* The matrix: memory. */
#include "matrix.h"

enum { SMALL_BYTES = 1000, BIG_BYTES = 100 << 10 };

static weir_err allocate(weir_ctx *c, size_t size, struct cell *cell)
{
    cell->note = (int64_t)weir__ctx_of(c)->arena.bytes_used;
    cell->held = weir_alloc(c, size);
    return cell->held != NULL ? WEIR_OK : -ENOMEM;
}

static weir_err take_small(weir_ctx *c, struct cell *cell)
{
    return allocate(c, SMALL_BYTES, cell);
}

static bool has_arena(weir_ctx *c, struct cell *cell)
{
    return weir__ctx_of(c)->arena.chunks != NULL && cell->held != NULL;
}

static weir_err take_big(weir_ctx *c, struct cell *cell)
{
    return allocate(c, BIG_BYTES, cell);
}

/* It is charged to the context as a block of its own. */
static bool has_block(weir_ctx *c, struct cell *cell)
{
    return (int64_t)weir__ctx_of(c)->arena.bytes_used - cell->note >= BIG_BYTES;
}

static const struct resource resources[] = {
    RESOURCE("arena memory", take_small, .is_held = has_arena),
    RESOURCE("big allocation", take_big, .is_held = has_block),
};

int main(void)
{
    return MATRIX(resources);
}
