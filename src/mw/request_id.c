/*
 * Request ids: the client's (or its proxy's) when it is one that may stand in a log line and a
 * header, else 128 random bits. Random here means that nobody outside can guess or collide them: a
 * keyed hash, with a key that is drawn once a process, of a counter of the thread's own.
 */
#include "base/map.h"
#include "web/web.h"
#include <weir/mw.h>

enum { ID_MAX = 64, ID_BYTES = 32 };

static _Thread_local uint64_t count;

static bool is_sane(weir_str id)
{
    if (id.len == 0 || id.len > ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char ch = id.ptr[i];
        bool is_word =
            (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        if (!is_word && (ch == '\0' || strchr("-_.:", ch) == NULL))
            return false;
    }
    return true;
}

/* The two halves are hashes of different texts; the address tells the threads apart. */
static void put_half(char out[ID_BYTES / 2], uint64_t half)
{
    struct {
        uint64_t half, count;
        const void *thread;
    } text = {half, count, &count};
    uint64_t bits = weir__str_hash((weir_str){(const char *)&text, sizeof text});
    for (size_t i = 0; i < ID_BYTES / 2; i++, bits >>= 4)
        out[i] = "0123456789abcdef"[bits & 15];
}

static weir_str make(weir_ctx *c)
{
    char *id = weir_alloc(c, ID_BYTES + 1);
    if (id == NULL)
        return (weir_str){NULL, 0};
    count++;
    put_half(id, 0);
    put_half(id + ID_BYTES / 2, 1);
    return (weir_str){id, ID_BYTES};
}

weir_err weir_mw_request_id(weir_ctx *c)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__request *r = weir__request_of(c);
    weir_str id = weir_header(c, "X-Request-Id");
    if (!is_sane(id))
        id = make(weir__ctx_handle(r->x->ctx)); /* `c` may end before the request does */
    r->x->ctx->own_origin.request_id = id;
    if (id.ptr != NULL) {
        weir_err err = weir_set_header(c, "X-Request-Id", id);
        if (err < 0)
            return err;
    }
    return weir_next(c);
}
