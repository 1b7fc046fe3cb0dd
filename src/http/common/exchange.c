/*
 * What a handler sees of its request besides the body, and the header lines that it adds to its
 * response. The lines are kept as they will be sent, in a piece inside the exchange, so that
 * beginning a response is one copy; a longer set of them moves to the context's memory.
 */
#include "http/common/exchange.h"

#include "base/assert.h"
#include "http/common/conn.h"

#include <string.h>

#define EXTRA_MAX                                                                                  \
    (8u << 10) /* header lines of a response, in bytes; they must fit the output buffer */

size_t weir__http_piece(const void *exchange, size_t nth, const void **at)
{
    const struct weir__exchange *x = exchange;
    if (nth == 0) {
        *at = x;
        return sizeof *x;
    }
    return x->ops->piece(x, nth - 1, at);
}

weir_str weir__exchange_header(const struct weir__exchange *x, weir_str name)
{
    int i = weir__http_head_find(&x->head, x->bytes, name, 0);
    return i >= 0 ? weir__exchange_field_value(x, (unsigned)i) : (weir_str){NULL, 0};
}

weir_str weir__exchange_authority(const struct weir__exchange *x)
{
    const struct weir__http_head *h = &x->head;
    if (h->form != WEIR_HTTP_ABSOLUTE)
        return weir__exchange_field(x, WEIR_FIELD_HOST);
    const char *host = x->bytes + h->host.off, *at = host + h->host.len;
    const char *end = x->bytes + h->target.off + h->target.len;
    WEIR_ASSERT(h->host.len > 0 && at <= end, "X3: a target's host lies in the target");
    if (h->has_port)
        at++; /* the ':', and the digits behind it */
    while (h->has_port && at < end && *at >= '0' && *at <= '9')
        at++;
    return (weir_str){host, (size_t)(at - host)};
}

const struct weir__endpoint *weir__exchange_peer(const struct weir__exchange *x)
{
    return &x->conn->peer;
}

const char *weir__exchange_protocol(const struct weir__exchange *x)
{
    bool is_old = x->ops->protocol[5] == '1' && x->head.minor == 0;
    return is_old ? "HTTP/1.0" : x->ops->protocol;
}

bool weir__exchange_is_tls(const struct weir__exchange *x)
{
    WEIR_ASSERT(x->conn->home == x->home, "X4: an exchange is its connection's");
    return weir__tls_is_on(&x->conn->stream);
}

int64_t weir__exchange_date(const struct weir__exchange *x)
{
    return x->home->date.second;
}

void weir__exchange_limit_time(struct weir__exchange *x, weir_dur timeout)
{
    struct weir__ctx *c = x->ctx, *parent = c->parent;
    WEIR_ASSERT(weir__list_empty(&c->waits) && weir__list_empty(&c->children),
                "X4: the time of a request is limited before anything waits for it");
    weir_time deadline = timeout.ns < 0 ? weir_never() : weir_time_add(x->began, timeout);
    bool is_own = deadline.ns < parent->deadline.ns;
    c->deadline = is_own ? deadline : parent->deadline;
    c->deadline_owner = is_own ? c : parent->deadline_owner;
    x->timeout = timeout;
    if (weir__anybody_is_trusted(x->home))
        weir__exchange_heed_caller(x);
}

/* Not more often than makes a difference: for each of the contexts below that costs a store. */
void weir__exchange_progressed(struct weir__exchange *x, size_t n)
{
    struct weir__ctx *c = x->ctx;
    WEIR_ASSERT(c->worker == weir__self, "X4: an exchange is its worker's");
    x->progress += n < WEIR__PROGRESS_BYTES ? (uint32_t)n : WEIR__PROGRESS_BYTES;
    if (x->progress < WEIR__PROGRESS_BYTES || x->timeout.ns <= 0)
        return;
    x->progress = 0;
    weir_time deadline = weir_time_add(weir__self->now, x->timeout);
    if (deadline.ns - c->deadline.ns > x->timeout.ns / 8)
        weir__ctx_extend(c, deadline);
}

uint32_t weir__exchange_index(const struct weir__exchange *x)
{
    WEIR_ASSERT(x->conn->requests > 0, "X4: a request that is open is counted on its connection");
    return x->conn->requests - 1;
}

/* --- header lines of the response ------------------------------------------------------------- */

/*
 * These follow from the response and the connection; a handler that set them could only be wrong.
 */
static bool is_framing(weir_str name)
{
    static const weir_str names[] = {
        {"Connection", 10}, {"Content-Length", 14}, {"Transfer-Encoding", 17},
        {"Date", 4},        {"Trailer", 7},         {"Keep-Alive", 10},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (weir_str_ieq(name, names[i]))
            return true;
    }
    return false;
}

/* What does not fit is no WEIR_ETOOLARGE: that is said of what the client sent, by a 413. */
static weir_err make_room(struct weir__exchange *x, size_t n)
{
    WEIR_ASSERT(x->extra_len <= x->extra_cap && x->extra_cap <= EXTRA_MAX,
                "X7: the lines lie in the room that there is");
    if (x->extra_len + n <= x->extra_cap)
        return WEIR_OK;
    if (x->extra_len + n > EXTRA_MAX)
        return -EMSGSIZE;
    char *moved = weir__ctx_alloc(x->ctx, EXTRA_MAX);
    if (moved == NULL)
        return x->ctx->reason == WEIR_REASON_BUDGET ? WEIR_EBUDGET : -ENOMEM;
    memcpy(moved, x->extra, x->extra_len);
    x->extra = moved;
    x->extra_cap = EXTRA_MAX;
    return WEIR_OK;
}

static weir_err check_line(const struct weir__exchange *x, weir_str name, weir_str value)
{
    if (x->response != WEIR__RESPONSE_NONE)
        return WEIR_ECLOSED;
    if (is_framing(name) || !weir__http_name_is_valid(name) || !weir__http_value_is_valid(value))
        return WEIR_EINVALID;
    return WEIR_OK;
}

static size_t line_bytes(weir_str name, weir_str value)
{
    return name.len + 2 + value.len + 2;
}

/* Writes a line that was checked, and for which there is room. */
static void put_line(struct weir__exchange *x, weir_str name, weir_str value)
{
    struct weir__http1_writer w;
    weir__http1_writer_init(&w, x->extra + x->extra_len, x->extra_cap - x->extra_len);
    weir__http1_write_field_trusted(&w, name, value);
    WEIR_ASSERT(w.err == WEIR_OK, "X7: there was room for the line");
    x->extra_len = (uint32_t)(w.at - x->extra);
    if (weir_str_ieq(name, WEIR_S("Content-Type")))
        x->has_type = true;
}

weir_err weir__exchange_header_add(struct weir__exchange *x, weir_str name, weir_str value)
{
    weir_err err = check_line(x, name, value);
    if (err == WEIR_OK)
        err = make_room(x, line_bytes(name, value));
    if (err == WEIR_OK)
        put_line(x, name, value);
    return err;
}

weir_err weir__exchange_own_line(struct weir__exchange *x, weir_str name, weir_str value)
{
    WEIR_ASSERT(x->response == WEIR__RESPONSE_NONE, "X7: lines change before it is begun");
    weir_err err = make_room(x, line_bytes(name, value));
    if (err == WEIR_OK)
        put_line(x, name, value);
    return err;
}

bool weir__response_next_line(const struct weir__exchange *x, uint32_t *at, weir_str *name,
                              weir_str *value)
{
    const char *line = x->extra + *at, *end = x->extra + x->extra_len;
    WEIR_ASSERT(line <= end, "X7: lines are walked one after the other, and no further");
    if (line == end)
        return false;
    const char *cr = memchr(line, '\r', (size_t)(end - line));
    WEIR_ASSERT(cr != NULL && end - cr >= 2, "X7: a line is there with its end");
    const char *colon = memchr(line, ':', (size_t)(cr - line));
    WEIR_ASSERT(colon != NULL && cr - colon >= 2, "X7: a line has a name and a value");
    *name = (weir_str){line, (size_t)(colon - line)};
    *value = (weir_str){colon + 2, (size_t)(cr - colon - 2)};
    *at = (uint32_t)(cr + 2 - x->extra);
    return true;
}

weir_str weir__exchange_header_added(const struct weir__exchange *x, weir_str wanted)
{
    weir_str name, value;
    for (uint32_t at = 0; weir__response_next_line(x, &at, &name, &value);) {
        if (weir_str_ieq(name, wanted))
            return value;
    }
    return (weir_str){NULL, 0};
}

/* Which lines are meant: those of a name, or of these the ones that `is` picks. */
struct pick {
    weir_str name;
    bool (*is)(weir_str value, const void *arg);
    const void *arg;
};

static bool is_picked(const struct pick *p, weir_str name, weir_str value)
{
    return weir_str_ieq(name, p->name) && (p->is == NULL || p->is(value, p->arg));
}

static bool remove_lines(struct weir__exchange *x, const struct pick *p)
{
    weir_str name, value;
    bool was_there = false;
    if (x->response != WEIR__RESPONSE_NONE)
        return false;
    for (uint32_t at = 0, from = 0; weir__response_next_line(x, &at, &name, &value); from = at) {
        if (!is_picked(p, name, value))
            continue;
        WEIR_ASSERT(from < at && at <= x->extra_len, "X7: what is taken out is a line");
        memmove(x->extra + from, x->extra + at, x->extra_len - at);
        x->extra_len -= at - from;
        at = from;
        was_there = true;
    }
    if (was_there && weir_str_ieq(p->name, WEIR_S("Content-Type")))
        x->has_type = false;
    return was_there;
}

bool weir__exchange_header_remove(struct weir__exchange *x, weir_str name)
{
    return remove_lines(x, &(struct pick){.name = name});
}

/* Bytes that the picked lines take. */
static size_t bytes_of(const struct weir__exchange *x, const struct pick *p)
{
    weir_str name, value;
    size_t bytes = 0;
    for (uint32_t at = 0; weir__response_next_line(x, &at, &name, &value);) {
        if (is_picked(p, name, value))
            bytes += line_bytes(name, value);
    }
    WEIR_ASSERT(bytes <= x->extra_len, "X7: what some lines take is no more than all do");
    return bytes;
}

weir_err weir__exchange_header_set(struct weir__exchange *x, weir_str name, weir_str value)
{
    return weir__exchange_header_replace(x, name, value, NULL, NULL);
}

/* There is room before anything is taken out: when this fails, the lines are what they were. */
weir_err weir__exchange_header_replace(struct weir__exchange *x, weir_str name, weir_str value,
                                       bool (*is)(weir_str value, const void *arg), const void *arg)
{
    const struct pick pick = {name, is, arg};
    weir_err err = check_line(x, name, value);
    if (err != WEIR_OK)
        return err;
    size_t before = bytes_of(x, &pick), after = line_bytes(name, value);
    err = make_room(x, after > before ? after - before : 0);
    if (err != WEIR_OK)
        return err;
    (void)remove_lines(x, &pick);
    put_line(x, name, value);
    return WEIR_OK;
}
