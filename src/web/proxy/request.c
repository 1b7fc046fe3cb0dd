/*
 * What is sent to the upstream: method, target and fields, with what a proxy takes away and adds.
 *
 * The one hard thing is what a client would like to have taken away, or believed: fields that
 * Connection names go but for those that a message needs (wire/hop_by_hop.h), and whom a request is
 * from is believed of trusted peers alone (P3). A path with dot segments, plain or escaped, is
 * refused: the upstream might find another one behind it than the route that has let it in.
 *
 * Owns nothing; what is put together lies in the request's memory.
 */
#include "web/proxy/proxy.h"

#include <string.h>

#include "http/common/conn.h"
#include "wire/forwarded.h"

#define VALUE_BYTES_MAX 8192
#define PROXIES_MAX 16 /* that a request comes through */

static weir_err no_memory(struct weir__proxied *p)
{
    return weir__proxy_fail(p, weir__ctx_arena(p->ctx)->is_over_budget ? WEIR_EBUDGET : -ENOMEM);
}

/* --- the target ------------------------------------------------------------------------------- */

/* How many bytes a dot takes here, plain or escaped; 0: there is none. */
static size_t dot_at(const char *at, const char *end)
{
    if (at < end && *at == '.')
        return 1;
    return end - at >= 3 && at[0] == '%' && at[1] == '2' && (at[2] | 0x20) == 'e' ? 3 : 0;
}

/* Is a segment of the path "." or ".."? */
static bool has_dots(weir_str path)
{
    const char *at = path.ptr, *end = path.ptr + path.len;
    while (at < end) {
        at += *at == '/';
        const char *one = at + dot_at(at, end), *two = one > at ? one + dot_at(one, end) : one;
        if (one > at && (two == end || *two == '/' || *two == ';'))
            return true;
        const char *slash = memchr(at, '/', (size_t)(end - at));
        at = slash != NULL ? slash : end;
    }
    return false;
}

/* The path without what is stripped: whole segments of it. */
static weir_str stripped(weir_str path, const char *strip)
{
    weir_str s = weir_str_from(strip);
    while (s.len > 0 && s.ptr[s.len - 1] == '/')
        s.len--;
    if (s.len == 0 || path.len < s.len || memcmp(path.ptr, s.ptr, s.len) != 0)
        return path;
    if (path.len == s.len)
        return WEIR_S("/");
    return path.ptr[s.len] == '/' ? (weir_str){path.ptr + s.len, path.len - s.len} : path;
}

static char *put_bytes(char *at, weir_str s)
{
    if (s.ptr != NULL)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

static weir_err write_target(struct weir__proxied *p)
{
    weir_str path = weir__exchange_path(p->x), query = weir__exchange_query(p->x);
    if (path.len == 0 || path.ptr[0] != '/' || has_dots(path))
        return weir_fail_at(p->site, p->c, 400,
                            "the path is none that can be handed on: it begins with '/' and has "
                            "no segments \".\" and \"..\"");
    weir_str prefix = weir_str_from(p->o->prefix != NULL ? p->o->prefix : "");
    while (prefix.len > 0 && prefix.ptr[prefix.len - 1] == '/')
        prefix.len--;
    if (p->o->strip != NULL)
        path = stripped(path, p->o->strip);
    char *target = weir__ctx_object(p->ctx, prefix.len + path.len + query.len + 2);
    weir_str method = weir_strdup(p->c, weir__exchange_method(p->x));
    if (target == NULL || method.ptr == NULL)
        return no_memory(p);
    char *at = put_bytes(put_bytes(target, prefix), path);
    if (query.ptr != NULL)
        *at++ = '?';
    *put_bytes(at, query) = '\0';
    p->target = target;
    p->method = method.ptr;
    return WEIR_OK;
}

/* --- fields ----------------------------------------------------------------------------------- */

#define BIT(id) (1ULL << (id))
_Static_assert(WEIR_FIELD_COUNT <= 64, "a set of fields is a word");

bool weir__proxy_ends_here(struct weir__proxy_name name, const weir_str *connection, size_t count)
{
    const uint64_t ending = BIT(WEIR_FIELD_CONTENT_LENGTH) | BIT(WEIR_FIELD_TRANSFER_ENCODING) |
                            BIT(WEIR_FIELD_CONNECTION) | BIT(WEIR_FIELD_UPGRADE) |
                            BIT(WEIR_FIELD_TE) | BIT(WEIR_FIELD_TRAILER);
    if ((ending & BIT(name.id)) != 0)
        return true;
    bool is_plain = name.id != WEIR_FIELD_OTHER && count == 0; /* no other known one ends here */
    return !is_plain && weir__field_is_hop_by_hop(name.text, connection, count);
}

/* Those that are written anew. */
static bool is_ours(const struct weir__proxied *p, struct weir__proxy_name name)
{
    const uint64_t known = BIT(WEIR_FIELD_HOST) | BIT(WEIR_FIELD_EXPECT) |
                           BIT(WEIR_FIELD_FORWARDED) | BIT(WEIR_FIELD_X_FORWARDED_FOR) |
                           BIT(WEIR_FIELD_X_FORWARDED_PROTO) | BIT(WEIR_FIELD_X_REAL_IP) |
                           BIT(WEIR_FIELD_X_REQUEST_ID) | BIT(WEIR_FIELD_TRACEPARENT);
    static const weir_str others[] = {{"x-forwarded-by", 14},
                                      {"x-forwarded-host", 16},
                                      {"x-forwarded-port", 16},
                                      {"via", 3},
                                      {"weir-deadline-ms", 16}};
    if ((known & BIT(name.id)) != 0)
        return true;
    for (size_t i = 0; name.id == WEIR_FIELD_OTHER && i < sizeof others / sizeof others[0]; i++)
        if (weir_str_ieq(name.text, others[i]))
            return true;
    return weir_str_ieq(name.text, p->deadline_name);
}

static bool is_given(const struct weir__proxied *p, weir_str name)
{
    for (const weir_http_header *h = p->o->headers; h != NULL && h->name != NULL; h++)
        if (weir_str_ieq(weir_str_from(h->name), name))
            return true;
    return false;
}

static void put(struct weir__proxied *p, weir_str name, weir_str value)
{
    if (!is_given(p, name))
        p->lines[p->carry.line_count++] = (struct weir__client_line){name, value};
}

static size_t connections(const struct weir__exchange *x, weir_str out[WEIR__PROXY_CONNECTIONS])
{
    const enum weir__http_field_id id = WEIR_FIELD_CONNECTION;
    const unsigned count = weir__exchange_fields(x);
    size_t n = 0;
    for (unsigned i = weir__exchange_find(x, id, 0); i < count && n < WEIR__PROXY_CONNECTIONS;
         i = weir__exchange_find(x, id, i + 1))
        out[n++] = weir__exchange_field_value(x, i);
    return n;
}

/* The client's own fields. */
static void copy_fields(struct weir__proxied *p)
{
    weir_str connection[WEIR__PROXY_CONNECTIONS];
    size_t count = connections(p->x, connection);
    for (unsigned i = 0; i < weir__exchange_fields(p->x); i++) {
        struct weir__proxy_name name = {weir__exchange_field_name(p->x, i),
                                        p->x->head.fields[i].id};
        if (!is_ours(p, name) && !weir__proxy_ends_here(name, connection, count))
            put(p, name.text, weir__exchange_field_value(p->x, i));
    }
}

/*
 * That trailers are read, and which will come, is said anew: to the end they reach, not to this hop
 * alone. What was announced goes in chunks, so that it can follow.
 */
static void put_trailers(struct weir__proxied *p)
{
    const enum weir__http_field_id id = WEIR_FIELD_TRAILER;
    const unsigned count = p->has_body ? weir__exchange_fields(p->x) : 0;
    p->carry.asks_trailers = weir__exchange_wants_trailers(p->x);
    if (p->carry.asks_trailers)
        put(p, WEIR_S("TE"), WEIR_S("trailers"));
    for (unsigned i = weir__exchange_find(p->x, id, 0); i < count;
         i = weir__exchange_find(p->x, id, i + 1)) {
        put(p, WEIR_S("Trailer"), weir__exchange_field_value(p->x, i));
        p->carry.length = -1;
    }
}

/* --- whom it is from -------------------------------------------------------------------------- */

static struct weir__ip ip_of(const struct weir__endpoint *e)
{
    struct weir__ip ip = {.family = e->family};
    memcpy(ip.bytes, e->ip, sizeof ip.bytes);
    return ip;
}

/*
 * Begins the value of a field that lists who has handed the request on: what the message says under
 * that name already, if that is kept, ", " behind each, and room for `more` bytes. It is put
 * together where it stays, in the request's memory: buffers for the longest that may be would make
 * the stack deep. False: no memory, or too long to be said at all.
 */
static bool begin_value(const struct weir__proxied *p, weir_str name, bool is_kept, size_t more,
                        weir_buf *value)
{
    const unsigned count = is_kept ? weir__exchange_fields(p->x) : 0;
    size_t size = more;
    for (unsigned i = 0; i < count; i++)
        if (weir_str_ieq(weir__exchange_field_name(p->x, i), name))
            size += weir__exchange_field_value(p->x, i).len + 2;
    char *bytes = size <= VALUE_BYTES_MAX ? weir__ctx_object(p->ctx, size) : NULL;
    if (bytes == NULL)
        return false;
    weir_buf_init_fixed(value, bytes, size);
    for (unsigned i = 0; size > more && i < count; i++) {
        weir_str said = weir__exchange_field_value(p->x, i);
        if (said.len == 0 || !weir_str_ieq(weir__exchange_field_name(p->x, i), name))
            continue;
        weir_buf_puts(value, said);
        weir_buf_puts(value, WEIR_S(", "));
    }
    return true;
}

static weir_str proto_of(const struct weir__proxied *p)
{
    return p->x->conn->stream.layer != NULL ? WEIR_S("https") : WEIR_S("http");
}

/* Who the peer is, behind what it says of those before it, if it is trusted. */
static void put_forwarded(struct weir__proxied *p)
{
    char text[WEIR__IP_TEXT_MAX];
    weir_buf value;
    weir_str host = weir__exchange_authority(p->x);
    struct weir__ip ip = ip_of(weir__exchange_peer(p->x));
    weir_str address = {text, weir__ip_format(&ip, text)};
    if (begin_value(p, WEIR_S("forwarded"), p->is_trusted, WEIR__FORWARDED_REST_MAX + host.len,
                    &value)) {
        weir__forwarded_write(&value, &ip, 0, host, proto_of(p));
        put(p, WEIR_S("Forwarded"), weir_buf_str(&value));
    }
    if (begin_value(p, WEIR_S("x-forwarded-for"), p->is_trusted, address.len, &value)) {
        weir_buf_puts(&value, address);
        put(p, WEIR_S("X-Forwarded-For"), weir_buf_str(&value));
    }
}

/* What a trusted peer has said of the client stays; else it is what we see. */
static void put_seen(struct weir__proxied *p, weir_str name, weir_str seen)
{
    weir_str said = {NULL, 0};
    if (p->is_trusted)
        said = weir__exchange_header(p->x, name);
    if (said.len > 0)
        seen = said;
    if (seen.len > 0)
        put(p, name, seen);
}

static weir_str version_of(const struct weir__exchange *x)
{
    if (strcmp(x->ops->protocol, "HTTP/1.1") != 0)
        return WEIR_S("2.0 ");
    return x->head.minor == 0 ? WEIR_S("1.0 ") : WEIR_S("1.1 ");
}

/* An empty name hides this proxy, and the list ends with those before it. */
static void put_via(struct weir__proxied *p)
{
    weir_buf value;
    weir_str name = weir_str_from(p->o->via != NULL ? p->o->via : "weir");
    weir_str version = version_of(p->x);
    if (!begin_value(p, WEIR_S("via"), true, version.len + name.len, &value))
        return;
    if (name.len > 0) {
        weir_buf_puts(&value, version);
        weir_buf_puts(&value, name);
    }
    weir_str s = weir_buf_str(&value);
    if (name.len == 0 && s.len > 0)
        s.len -= 2; /* the ", " that nothing follows */
    if (s.len > 0)
        put(p, WEIR_S("Via"), s);
}

/*
 * Each proxy adds an element to Via: so many are a circle (RFC 9110 section 7.6.3). A comma of a
 * comment counts too, for a bracket that is left open must not hide what follows.
 */
static weir_err check_circle(const struct weir__proxied *p)
{
    unsigned count = 0;
    for (unsigned i = 0; i < weir__exchange_fields(p->x); i++) {
        if (!weir_str_ieq(weir__exchange_field_name(p->x, i), WEIR_S("via")))
            continue;
        weir_str value = weir__exchange_field_value(p->x, i);
        count++;
        for (size_t k = 0; k < value.len; k++)
            count += value.ptr[k] == ',';
    }
    if (count < PROXIES_MAX)
        return WEIR_OK;
    return weir_fail_at(p->site, p->c, 508,
                        "%u proxies have handed this request on: they go in a circle", count);
}

/* --- how it goes on --------------------------------------------------------------------------- */

static void prepare_carry(struct weir__proxied *p)
{
    const struct weir__exchange *x = p->x;
    uint64_t length = 0;
    bool has_length = weir__exchange_length(x, &length);
    p->has_body = has_length ? length > 0 : x->head.body == WEIR_HTTP_BODY_UNSIZED;
    p->carry.length = has_length ? (int64_t)length : -1;
    p->carry.is_host_read = p->o->host == NULL;
    if (p->o->host != NULL)
        p->carry.host = weir_str_from(p->o->host);
    else
        p->carry.host = weir__exchange_authority(x);
    if (x->head.upgrade && !p->o->no_upgrade)
        p->carry.upgrade = weir__exchange_field(x, WEIR_FIELD_UPGRADE);
}

weir_err weir__proxy_prepare(struct weir__proxied *p)
{
    enum { ADDED = 8 };
    size_t most = weir__exchange_fields(p->x) + ADDED;
    p->lines = weir__ctx_object(p->ctx, most * sizeof *p->lines);
    if (p->lines == NULL)
        return no_memory(p);
    p->carry.lines = p->lines;
    p->is_trusted = weir__peer_is_trusted(p->x->conn);
    weir_err err = check_circle(p);
    if (err == WEIR_OK)
        err = write_target(p);
    if (err != WEIR_OK)
        return err;
    copy_fields(p);
    put_forwarded(p);
    put_seen(p, WEIR_S("X-Forwarded-Proto"), proto_of(p));
    put_seen(p, WEIR_S("X-Forwarded-Host"), weir__exchange_authority(p->x));
    put_via(p);
    prepare_carry(p);
    put_trailers(p);
    WEIR_ASSERT(p->carry.line_count <= most, "P4: there is room for each line");
    return WEIR_OK;
}
