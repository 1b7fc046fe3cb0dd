/* The codec of "traceparent": fixed places, lower-case digits, zeroes are no id. */
#include "wire/traceparent.h"

#include "base/assert.h"
#include "base/num.h"

enum { TRACE_ID = 3, SPAN_ID = 36, FLAGS = 53 }; /* where they begin; a dash before each */

static int digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* Reads two digits for each of `n` bytes; false when one is none. */
static bool get_hex(const char *p, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++, p += 2) {
        int high = digit(p[0]), low = digit(p[1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool get_id(const char *p, uint8_t *out, size_t n)
{
    return p[-1] == '-' && get_hex(p, out, n) && weir__trace_id_is_set(out, n);
}

weir_err weir__traceparent_parse(weir_str s, struct weir__trace *out)
{
    struct weir__trace t;
    uint8_t version;
    if (s.len < WEIR_TRACEPARENT_LEN || !get_hex(s.ptr, &version, 1) || version == 0xff)
        return WEIR_EINVALID;
    bool is_longer = s.len > WEIR_TRACEPARENT_LEN;
    if (is_longer && (version == 0 || s.ptr[WEIR_TRACEPARENT_LEN] != '-'))
        return WEIR_EINVALID;
    if (!get_id(s.ptr + TRACE_ID, t.trace_id, sizeof t.trace_id) ||
        !get_id(s.ptr + SPAN_ID, t.span_id, sizeof t.span_id) || s.ptr[FLAGS - 1] != '-' ||
        !get_hex(s.ptr + FLAGS, &t.flags, 1))
        return WEIR_EINVALID;
    t.flags &= WEIR__TRACE_SAMPLED;
    *out = t;
    return WEIR_OK;
}

void weir__traceparent_write(char out[WEIR_TRACEPARENT_LEN], const struct weir__trace *t)
{
    WEIR_ASSERT(weir__trace_id_is_set(t->trace_id, sizeof t->trace_id) &&
                    weir__trace_id_is_set(t->span_id, sizeof t->span_id),
                "W6: ids of a trace are not zeroes");
    uint8_t flags = t->flags & WEIR__TRACE_SAMPLED;
    out[0] = out[1] = '0';
    out[TRACE_ID - 1] = out[SPAN_ID - 1] = out[FLAGS - 1] = '-';
    weir__num_put_hex(out + TRACE_ID, t->trace_id, sizeof t->trace_id);
    weir__num_put_hex(out + SPAN_ID, t->span_id, sizeof t->span_id);
    weir__num_put_hex(out + FLAGS, &flags, 1);
}
