/*
 * What a worker keeps for its connections: dense slabs of connection structs, and free lists,
 * newest first, of exchanges and buffers, which are warm and cost no malloc. Idle ones past a
 * maximum go back to the heap; a connection's struct stays in its slab until the server ends.
 *
 * A use after the end shows: in code that is instrumented what lies on a free list may not be
 * touched, and where a program's sanitizer or valgrind watches the memory nothing is kept.
 */
#include "base/alloc.h"
#include "base/sanitizer.h"
#include "base/assert.h"
#include "base/trap.h"
#include "http/common/conn.h"

#define SLAB_BYTES (64u << 10)

struct weir__http_slab {
    struct weir__http_slab *next;
    _Alignas(16) struct weir__http_conn conns[];
};

#define SLAB_CONNS ((SLAB_BYTES - sizeof(struct weir__http_slab)) / sizeof(struct weir__http_conn))

_Static_assert(sizeof(struct weir__http_conn) <= 160, "a connection at rest is small");

static bool add_slab(struct weir__http_worker *home)
{
    struct weir__http_slab *slab = weir__malloc(SLAB_BYTES);
    if (slab == NULL)
        return false;
    slab->next = home->slabs;
    home->slabs = slab;
    for (size_t i = SLAB_CONNS; i-- > 0;)
        weir__pool_give_conn(home, &slab->conns[i]);
    return true;
}

struct weir__http_conn *weir__pool_conn(struct weir__http_worker *home)
{
    if (home->free_conns == NULL && !add_slab(home))
        return NULL;
    struct weir__http_conn *c = home->free_conns;
    weir__unpoison(c, sizeof *c);
    home->free_conns = (struct weir__http_conn *)(void *)c->in_bucket.next;
    return c;
}

void weir__pool_give_conn(struct weir__http_worker *home, struct weir__http_conn *c)
{
    c->in_bucket.next = (struct weir__list *)(void *)home->free_conns;
    home->free_conns = c;
    weir__poison(c, sizeof *c);
}

/* Not from the list: it is empty. */
static __attribute__((noinline)) void *take(const uint32_t *count, size_t size)
{
    WEIR_ASSERT(*count == 0, "N10: an empty list counts none");
    return weir__malloc(size);
}

/* Not to the others: there are enough of them. */
static __attribute__((noinline)) void drop(const struct weir__http_worker *home,
                                           const uint32_t *count, void *p)
{
    WEIR_ASSERT(*count == home->kept, "N10: no more lie there than may");
    weir__free(p);
}

struct weir__exchange *weir__pool_exchange(struct weir__http_worker *home)
{
    struct weir__exchange *x = home->free_exchanges;
    if (WEIR_LIKELY(x != NULL)) {
        weir__unpoison(x, sizeof *x);
        home->free_exchanges = x->next_free;
        home->free_exchange_count--;
        return x;
    }
    return take(&home->free_exchange_count, sizeof *x);
}

void weir__pool_give_exchange(struct weir__http_worker *home, struct weir__exchange *x)
{
    if (home->free_exchange_count >= home->kept) {
        drop(home, &home->free_exchange_count, x);
        return;
    }
    x->next_free = home->free_exchanges;
    home->free_exchanges = x;
    home->free_exchange_count++;
    weir__poison(x, sizeof *x);
}

static __attribute__((noinline)) struct weir__http_in *new_in(struct weir__http_worker *home)
{
    size_t size = sizeof(struct weir__http_in) + home->server->in_bytes;
    struct weir__http_in *in = weir__trap_is_on ? weir__trap_take(size) : NULL;
    if (in == NULL)
        in = take(&home->free_in_count, size);
    if (in != NULL)
        in->len = in->at = 0;
    return in;
}

struct weir__http_in *weir__pool_in(struct weir__http_worker *home)
{
    struct weir__http_in *in = home->free_ins;
    if (WEIR_UNLIKELY(in == NULL))
        return new_in(home);
    weir__unpoison(in, sizeof *in + home->server->in_bytes);
    home->free_ins = in->next_free;
    home->free_in_count--;
    in->len = in->at = 0;
    return in;
}

/* Not to the others: there are enough of them, or it is the trap's. */
static __attribute__((noinline)) void drop_in(struct weir__http_worker *home,
                                              struct weir__http_in *in)
{
    if (weir__trap_holds(in))
        weir__trap_give(in, sizeof *in + home->server->in_bytes);
    else
        drop(home, &home->free_in_count, in);
}

void weir__pool_give_in(struct weir__http_worker *home, struct weir__http_in *in)
{
    if (WEIR_UNLIKELY(home->free_in_count >= home->kept)) {
        drop_in(home, in);
        return;
    }
    in->next_free = home->free_ins;
    home->free_ins = in;
    home->free_in_count++;
    weir__poison(in, sizeof *in + home->server->in_bytes);
}

static __attribute__((noinline)) struct weir__http_out *new_out(struct weir__http_worker *home)
{
    struct weir__http_out *out = take(&home->free_out_count, WEIR__HTTP_OUT_BYTES);
    if (out != NULL)
        *out = (struct weir__http_out){.mark = UINT32_MAX};
    return out;
}

struct weir__http_out *weir__pool_out(struct weir__http_worker *home)
{
    struct weir__http_out *out = home->free_outs;
    if (WEIR_UNLIKELY(out == NULL))
        return new_out(home);
    weir__unpoison(out, WEIR__HTTP_OUT_BYTES);
    home->free_outs = out->next_free;
    home->free_out_count--;
    *out = (struct weir__http_out){.mark = UINT32_MAX};
    return out;
}

void weir__pool_give_out(struct weir__http_worker *home, struct weir__http_out *out)
{
    if (home->free_out_count >= home->kept) {
        drop(home, &home->free_out_count, out);
        return;
    }
    out->next_free = home->free_outs;
    home->free_outs = out;
    home->free_out_count++;
    weir__poison(out, WEIR__HTTP_OUT_BYTES);
}

void weir__pool_fini(struct weir__http_worker *home)
{
    while (home->free_exchanges != NULL)
        weir__free(weir__pool_exchange(home));
    while (home->free_ins != NULL)
        weir__free(weir__pool_in(home));
    while (home->free_outs != NULL)
        weir__free(weir__pool_out(home));
    WEIR_ASSERT(home->free_exchange_count == 0 && home->free_in_count == 0 &&
                    home->free_out_count == 0,
                "N10: as many lay there as were counted");
    while (home->slabs != NULL) {
        struct weir__http_slab *slab = home->slabs;
        home->slabs = slab->next;
        weir__unpoison(slab, SLAB_BYTES);
        weir__free(slab);
    }
    home->free_conns = NULL;
    weir__free(home->gather);
    home->gather = NULL;
}
