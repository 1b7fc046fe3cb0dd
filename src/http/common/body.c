/*
 * The body of a request, as far as every version of HTTP has one: when it may be read, what an
 * error of that leads to, and its trailers.
 */
#include "base/assert.h"
#include "http/common/conn.h"
#include "wire/http_field.h"

ssize_t weir__exchange_read(struct weir__exchange *x, void *buf, size_t len)
{
    if (len == 0)
        return 0;
    if (x->body_state == WEIR__BODY_BROKEN)
        return x->body_err != WEIR_OK ? x->body_err : WEIR_ECLOSED;
    ssize_t n = x->body_state == WEIR__BODY_COMING ? x->ops->read(x, buf, len) : 0;
    WEIR_ASSERT(n <= 0 || (size_t)n <= len, "X5: a reader is given no more than it has room for");
    x->body_err = n < 0 ? (weir_err)n : WEIR_OK;
    return n;
}

weir_err weir__exchange_read_all(struct weir__exchange *x, size_t max, weir_str *out)
{
    uint64_t limit = max != 0 ? max : x->home->server->options.body_max;
    *out = (weir_str){"", 0};
    if (x->body_state == WEIR__BODY_BROKEN)
        return x->body_err != WEIR_OK ? x->body_err : WEIR_ECLOSED;
    x->body_err = x->body_state == WEIR__BODY_COMING ? x->ops->read_all(x, limit, out) : WEIR_OK;
    WEIR_ASSERT(x->body_err != WEIR_OK || x->body_state == WEIR__BODY_DONE,
                "X5: who has all of a body has seen its end");
    return x->body_err;
}

uint64_t weir__exchange_body_max(const struct weir__exchange *x)
{
    return x->home->server->options.body_max;
}

int weir__exchange_body_status(weir_err err)
{
    switch (err) {
    case WEIR_ETOOLARGE:
        return 413;
    case WEIR_ETIMEDOUT:
        return 408;
    case WEIR_EINVALID:
        return 400;
    case WEIR_EBUDGET:
        return 413;
    case WEIR_ESHUTDOWN:
    case -ENOMEM:
        return 503;
    default:
        return 0;
    }
}

bool weir__exchange_wants_trailers(const struct weir__exchange *x)
{
    const unsigned count = weir__exchange_fields(x);
    for (unsigned i = weir__exchange_find(x, WEIR_FIELD_TE, 0); i < count;
         i = weir__exchange_find(x, WEIR_FIELD_TE, i + 1))
        if (weir__http_list_has(weir__exchange_field_value(x, i), WEIR_S("trailers")))
            return true;
    return false;
}

weir_str weir__exchange_trailers(const struct weir__exchange *x)
{
    WEIR_ASSERT(x->trailers != NULL || x->trailers_len == 0, "X5: trailers lie somewhere");
    bool is_there = x->body_state == WEIR__BODY_DONE && x->trailers != NULL;
    return is_there ? (weir_str){x->trailers, x->trailers_len} : (weir_str){"", 0};
}
