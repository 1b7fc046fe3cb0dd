/*
 * Elements are found from the left, because of quoted strings, and walked from the right; the last
 * 32 are kept in a ring of views. Nothing is copied.
 */
#include "wire/forwarded.h"

#include <string.h>
#include <sys/socket.h>

#include "base/num.h"
#include "wire/http_field.h"
#include "wire/url.h"

/* ---- elements ---- */

struct ring {
    size_t count; /* that were put in */
    weir_str elements[WEIR__FORWARDED_HOPS_MAX];
};

static void collect(struct ring *r, const weir_str *lines, size_t count)
{
    r->count = 0;
    for (size_t i = 0; i < count; i++) {
        weir_str rest = lines[i], element;
        while (weir__http_list_next(&rest, &element))
            r->elements[r->count++ % WEIR__FORWARDED_HOPS_MAX] = element;
    }
}

/* The n-th from the right, 0 the last one. */
static bool from_right(const struct ring *r, size_t n, weir_str *out)
{
    if (n >= r->count || n >= WEIR__FORWARDED_HOPS_MAX)
        return false;
    *out = r->elements[(r->count - 1 - n) % WEIR__FORWARDED_HOPS_MAX];
    return true;
}

/* ---- addresses ---- */

static bool read_port(weir_str s, uint16_t *out)
{
    uint64_t port;
    if (s.len == 0 || s.len > 5 || weir__num_text_u64(s, &port) != WEIR_OK || port > 65535)
        return false;
    *out = (uint16_t)port;
    return true;
}

/*
 * Reads "a.b.c.d", "a.b.c.d:port", "[v6]", "[v6]:port", and v6 alone, which X-Forwarded-For has. A
 * port that is hidden ("_x", RFC 7239 section 6.2) is 0.
 */
static bool read_node(weir_str s, struct weir__ip *ip, uint16_t *port)
{
    *port = 0;
    if (s.len == 0)
        return false;
    weir_str tail = {NULL, 0};
    const char *first = memchr(s.ptr, ':', s.len);
    if (s.ptr[0] == '[') {
        const char *close = memchr(s.ptr, ']', s.len);
        if (close == NULL)
            return false;
        tail = (weir_str){close + 1, s.len - (size_t)(close + 1 - s.ptr)};
        s = (weir_str){s.ptr + 1, (size_t)(close - s.ptr) - 1};
        if (memchr(s.ptr, ':', s.len) == NULL)
            return false;
    } else if (first != NULL &&
               memchr(first + 1, ':', s.len - (size_t)(first + 1 - s.ptr)) == NULL) {
        tail = (weir_str){first, s.len - (size_t)(first - s.ptr)};
        s.len -= tail.len;
    }
    if (weir__ip_parse(s, ip) != WEIR_OK)
        return false;
    if (tail.len == 0)
        return true;
    weir_str digits = {tail.ptr + 1, tail.len - 1};
    bool is_hidden = digits.len > 1 && digits.ptr[0] == '_' && weir__http_name_is_valid(digits);
    return tail.ptr[0] == ':' && (is_hidden || read_port(digits, port));
}

static bool is_proto(weir_str s)
{
    return weir_str_ieq(s, WEIR_S("http")) || weir_str_ieq(s, WEIR_S("https"));
}

static bool is_host(weir_str s)
{
    struct weir__url_authority a;
    return s.len > 0 && weir__url_authority_parse(s, &a) == 0 && a.host.len > 0;
}

/* ---- Forwarded, RFC 7239 ---- */

struct element {
    struct weir__ip ip;
    uint16_t port;
    weir_str proto, host;
    bool has_ip;
};

/* A value without quotes; one with backslashes or without an end has no place here: empty. */
static weir_str plain_value(weir_str s)
{
    if (s.len < 2 || s.ptr[0] != '"')
        return s;
    if (s.ptr[s.len - 1] != '"')
        return (weir_str){"", 0};
    s = (weir_str){s.ptr + 1, s.len - 2};
    return s.len > 0 && memchr(s.ptr, '\\', s.len) != NULL ? (weir_str){"", 0} : s;
}

static void set_pair(struct element *e, weir_str name, weir_str value)
{
    if (weir_str_ieq(name, WEIR_S("for")))
        e->has_ip = read_node(value, &e->ip, &e->port);
    else if (weir_str_ieq(name, WEIR_S("proto")) && is_proto(value))
        e->proto = value;
    else if (weir_str_ieq(name, WEIR_S("host")) && is_host(value))
        e->host = value;
}

/* Reads "for=…;host=…;proto=…", each name once at most. False: malformed, nothing of it counts. */
static bool read_element(weir_str s, struct element *e)
{
    *e = (struct element){.has_ip = false};
    unsigned seen = 0;
    weir_str name, value;
    while (weir__http_param_next(&s, &name, &value)) {
        static const weir_str names[] = {{"for", 3}, {"by", 2}, {"host", 4}, {"proto", 5}};
        for (unsigned i = 0; i < 4; i++) {
            if (!weir_str_ieq(name, names[i]))
                continue;
            if (seen & 1u << i)
                return false;
            seen |= 1u << i;
        }
        set_pair(e, name, plain_value(value));
    }
    return s.len == 0;
}

void weir__forwarded_walk(const struct weir__ip *peer, const struct weir__cidrs *trusted,
                          const weir_str *lines, size_t count, struct weir__forwarded *out)
{
    struct ring ring;
    weir_str text;
    *out = (struct weir__forwarded){.client = *peer};
    if (!weir__cidrs_have(trusted, peer))
        return;
    collect(&ring, lines, count);
    while (weir__cidrs_have(trusted, &out->client) && from_right(&ring, out->hops, &text)) {
        struct element e;
        if (!read_element(text, &e)) {
            out->is_hidden = true;
            return;
        }
        if (e.proto.ptr != NULL)
            out->proto = e.proto;
        if (e.host.ptr != NULL)
            out->host = e.host;
        out->hops++;
        out->is_hidden = !e.has_ip;
        if (out->is_hidden)
            return;
        out->client = e.ip;
        out->port = e.port;
    }
}

/* ---- X-Forwarded-* ---- */

/* The element of the list for the hop at `index` from the right, or the leftmost. */
static weir_str of_hop(weir_str list, size_t index)
{
    struct ring ring;
    weir_str found = {NULL, 0};
    collect(&ring, &list, 1);
    size_t kept = ring.count < WEIR__FORWARDED_HOPS_MAX ? ring.count : WEIR__FORWARDED_HOPS_MAX;
    if (kept > 0)
        (void)from_right(&ring, index < kept ? index : kept - 1, &found);
    return found;
}

void weir__forwarded_walk_x(const struct weir__ip *peer, const struct weir__cidrs *trusted,
                            const weir_str *lines, size_t count, weir_str proto, weir_str host,
                            struct weir__forwarded *out)
{
    struct ring ring;
    weir_str text;
    *out = (struct weir__forwarded){.client = *peer};
    if (!weir__cidrs_have(trusted, peer))
        return;
    collect(&ring, lines, count);
    while (weir__cidrs_have(trusted, &out->client) && from_right(&ring, out->hops, &text)) {
        struct weir__ip ip;
        uint16_t port;
        out->is_hidden = !read_node(plain_value(text), &ip, &port);
        if (out->is_hidden)
            break;
        out->client = ip;
        out->port = port;
        out->hops++;
    }
    size_t last = out->hops > 0 ? out->hops - 1 : 0;
    weir_str said = of_hop(proto, last);
    if (is_proto(said))
        out->proto = said;
    said = of_hop(host, last);
    if (is_host(said))
        out->host = said;
}

/* ---- writing ---- */

/* "192.0.2.1", or what has a colon, in quotes: "[2001:db8::1]:80". */
static void put_node(weir_buf *out, const struct weir__ip *ip, uint16_t port)
{
    char text[WEIR__IP_TEXT_MAX], digits[WEIR__INT_TEXT_MAX];
    bool is_six = ip->family == AF_INET6, is_quoted = is_six || port != 0;
    weir_buf_puts(out, is_six ? WEIR_S("\"[") : is_quoted ? WEIR_S("\"") : WEIR_S(""));
    weir_buf_puts(out, (weir_str){text, weir__ip_format(ip, text)});
    weir_buf_puts(out, is_six ? WEIR_S("]") : WEIR_S(""));
    if (port != 0) {
        weir_buf_putc(out, ':');
        weir_buf_puts(out, (weir_str){digits, weir__num_put_u64(digits, port)});
    }
    weir_buf_puts(out, is_quoted ? WEIR_S("\"") : WEIR_S(""));
}

void weir__forwarded_write(weir_buf *out, const struct weir__ip *client, uint16_t port,
                           weir_str host, weir_str proto)
{
    weir_buf_puts(out, WEIR_S("for="));
    if (client->family == AF_INET || client->family == AF_INET6)
        put_node(out, client, port);
    else
        weir_buf_puts(out, WEIR_S("unknown"));
    if (is_host(host)) {
        weir_buf_puts(out, WEIR_S(";host=\""));
        weir_buf_puts(out, host);
        weir_buf_putc(out, '"');
    }
    if (is_proto(proto)) {
        weir_buf_puts(out, WEIR_S(";proto="));
        weir_buf_puts(out, proto);
    }
}
