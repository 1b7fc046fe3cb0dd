/*
 * What work is done for: the request and the route that a context, its fibers and its log lines
 * belong to, and where in a distributed trace they stand (W3C Trace Context Level 1,
 * https://www.w3.org/TR/trace-context-1/). Plain values: the room that knows requests fills them
 * in, whoever logs or calls other services reads them.
 *
 * A trace that no caller has begun costs nothing before somebody asks for it: its ids are a keyed
 * hash of the request's number, the same each time. So nothing has to be written late into what
 * all contexts of a request share, a signal handler may ask, and copies agree with each other.
 */
#ifndef WEIR_BASE_ORIGIN_H
#define WEIR_BASE_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/str.h>

enum {
    WEIR__TRACE_ID_BYTES = 16,
    WEIR__SPAN_ID_BYTES = 8,
    WEIR__TRACE_SAMPLED = 1, /* the one flag that Level 1 knows: the caller may have recorded it */
};

/* A place in a trace. No id consists of zeroes alone (sections 3.2.2.3 and 3.2.2.4). */
struct weir__trace {
    uint8_t trace_id[WEIR__TRACE_ID_BYTES];
    uint8_t span_id[WEIR__SPAN_ID_BYTES];
    uint8_t flags;
};

struct weir__origin {
    const char *route;         /* "GET /users/:id"; lives as long as the application */
    weir_str request_id;       /* absent: none was given to it */
    uint64_t number;           /* no other request of the process has it */
    struct weir__trace caller; /* what the request was sent with; a trace id of zeroes: nothing */
};

/* False for zeroes alone. */
bool weir__trace_id_is_set(const uint8_t *id, size_t n);

/* What becomes of a hash that makes an id, or half of one: anything but zero. */
static inline uint64_t weir__trace_id_bits(uint64_t hash)
{
    return hash != 0 ? hash : 1;
}

/*
 * Where its own work stands: in the caller's trace, with the caller's flags, else in one of its
 * own that nobody records; in either with a span id of its own. The same at each call, by any
 * thread.
 */
struct weir__trace weir__origin_trace(const struct weir__origin *o);

/* An origin that may outlive its request, and may be copied itself. */
struct weir__origin_copy {
    bool is_set;
    struct weir__origin
        origin; /* for weir__origin_kept: its id points to whom it was copied from */
    char request_id[64];
};

/* Keeps `o` with the first 64 bytes of the request's id; NULL: that there is none. */
void weir__origin_keep(struct weir__origin_copy *k, const struct weir__origin *o);

/* What was kept, borrowed from `k`; NULL: there was none. */
const struct weir__origin *weir__origin_kept(struct weir__origin_copy *k);

#endif
