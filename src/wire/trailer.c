/* What may not trail is a list, by what its fields do (RFC 9110 section 6.5.1 names the kinds). */
#include "wire/trailer.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "wire/chunked.h"
#include "wire/http_field.h"

#define BYTES_MIN 256u

bool weir__field_may_trail(weir_str name)
{
    static const char *const never[] = {
        /* framing, and what is of one hop */
        "content-length", "transfer-encoding", "trailer", "connection", "keep-alive",
        "proxy-connection", "upgrade", "te", "http2-settings",
        /* routing */
        "host", "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
        "x-real-ip",
        /* modifiers of a request */
        "expect", "max-forwards", "cache-control", "pragma", "range", "if-match", "if-none-match",
        "if-modified-since", "if-unmodified-since", "if-range",
        /* authentication */
        "authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "cookie",
        "set-cookie",
        /* controls of a response */
        "age", "date", "expires", "location", "retry-after", "vary", "warning",
        /* the content's format */
        "content-encoding", "content-type", "content-range", "content-language",
        "content-location"};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (weir_str_ieq(name, weir_str_from(never[i])))
            return false;
    return true;
}

weir_err weir__trailer_check(weir_str name, weir_str value)
{
    bool is_good = weir__http_name_is_valid(name) && weir__http_value_is_valid(value) &&
                   weir__field_may_trail(name);
    return is_good ? WEIR_OK : WEIR_EINVALID;
}

const char *weir__trailer_mistake(weir_str name)
{
    if (!weir__field_may_trail(name))
        return "must be known before the body (RFC 9110 section 6.5.1)";
    return "has a name that is no token, or a value with a control character, or a blank at an end";
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Are there as many as there may be, or would they be too long with `n` bytes more? */
static bool is_full(const struct weir__trailers *t, size_t n)
{
    weir_str rest = weir__trailers_lines(t), name, value;
    size_t lines = 0;
    while (weir__trailer_next(&rest, &name, &value))
        lines++;
    return lines >= WEIR__TRAILERS_MAX || t->len + n > WEIR__TRAILERS_BYTES_MAX;
}

/* So many bytes are there for `len` of them: grown seldom, and no more than twice too large. */
static size_t cap_of(size_t len)
{
    size_t cap = BYTES_MIN;
    while (cap < len)
        cap *= 2;
    return len > 0 ? cap : 0;
}

static weir_err make_room(struct weir__trailers *t, struct weir__arena *a, size_t n)
{
    size_t had = cap_of(t->len), cap = cap_of(t->len + n);
    WEIR_ASSERT(cap <= WEIR__TRAILERS_BYTES_MAX, "what stands behind a body is bounded");
    if (cap == had)
        return WEIR_OK;
    char *grown = weir__arena_grow(a, t->bytes, had, cap);
    if (grown == NULL)
        return a->is_over_budget ? WEIR_EBUDGET : -ENOMEM;
    t->bytes = grown;
    return WEIR_OK;
}

static char *put(char *to, weir_str s)
{
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

weir_err weir__trailers_add(struct weir__trailers *t, struct weir__arena *a, weir_str name,
                            weir_str value)
{
    size_t n = name.len + 2 + value.len + 2;
    weir_err err = weir__trailer_check(name, value);
    if (err != WEIR_OK)
        return err;
    if (is_full(t, n))
        return -EMSGSIZE;
    err = make_room(t, a, n);
    if (err != WEIR_OK)
        return err;
    char *end = put(t->bytes + t->len, name);
    end = put(put(put(end, WEIR_S(": ")), value), WEIR_S("\r\n"));
    WEIR_ASSERT(end == t->bytes + t->len + n, "a line is as long as it was measured");
    t->len += (uint32_t)n;
    return WEIR_OK;
}
