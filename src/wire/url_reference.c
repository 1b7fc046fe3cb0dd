/*
 * References. Resolving is a copy into one buffer: the prefix that is kept, then the path, whose
 * dot segments are removed in place, since it only becomes shorter.
 *
 * A host is decoded and lowered here, once, so that whoever compares, dials, verifies and logs has
 * the same bytes. A host that ends in a number is an IPv4 address in full or is refused: what
 * resolvers make of "127.1" or "0x7f.1" differs, and hides where a request goes.
 */
#include "wire/url_reference.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "base/num.h"
#include "wire/http_field.h"
#include "wire/ip.h"

/* ---- splitting ---- */

static bool is_alpha(char ch)
{
    return (ch | 0x20) >= 'a' && (ch | 0x20) <= 'z';
}

/* The length of a scheme at the start, 0 when there is none (section 3.1). */
static size_t scheme_length(weir_str s)
{
    size_t n = 0;
    if (s.len == 0 || !is_alpha(s.ptr[0]))
        return 0;
    while (n < s.len && (is_alpha(s.ptr[n]) || (s.ptr[n] >= '0' && s.ptr[n] <= '9') ||
                         s.ptr[n] == '+' || s.ptr[n] == '-' || s.ptr[n] == '.'))
        n++;
    return n < s.len && s.ptr[n] == ':' ? n : 0;
}

/* Cuts `s` before the first `ch`; what is behind it goes to `rest`, which stays absent without. */
static void cut_at(weir_str *s, char ch, weir_str *rest)
{
    const char *at = s->len > 0 ? memchr(s->ptr, ch, s->len) : NULL;
    if (at == NULL)
        return;
    *rest = (weir_str){at + 1, s->len - (size_t)(at + 1 - s->ptr)};
    s->len = (size_t)(at - s->ptr);
}

void weir__url_split(weir_str s, struct weir__url_parts *out)
{
    *out = (struct weir__url_parts){{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    cut_at(&s, '#', &out->fragment);
    cut_at(&s, '?', &out->query);
    size_t scheme = scheme_length(s);
    if (scheme > 0) {
        out->scheme = (weir_str){s.ptr, scheme};
        s = (weir_str){s.ptr + scheme + 1, s.len - scheme - 1};
    }
    if (s.len >= 2 && s.ptr[0] == '/' && s.ptr[1] == '/') {
        s = (weir_str){s.ptr + 2, s.len - 2};
        const char *slash = s.len > 0 ? memchr(s.ptr, '/', s.len) : NULL;
        size_t n = slash != NULL ? (size_t)(slash - s.ptr) : s.len;
        out->authority = (weir_str){s.ptr, n};
        s = (weir_str){s.ptr + n, s.len - n};
    }
    out->path = s;
}

/* ---- resolving, section 5.2 ---- */

static bool has_bad_byte(weir_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char byte = (unsigned char)s.ptr[i];
        if (byte <= 0x20 || byte == 0x7f)
            return true;
    }
    return false;
}

static void put(weir_buf *out, weir_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char byte = (unsigned char)s.ptr[i];
        if (byte < 0x80) {
            weir_buf_putc(out, (char)byte);
        } else {
            weir_buf_putc(out, '%');
            weir_buf_putc(out, hex[byte >> 4]);
            weir_buf_putc(out, hex[byte & 15]);
        }
    }
}

static void put_with(weir_buf *out, char mark, weir_str s)
{
    if (s.ptr == NULL)
        return;
    weir_buf_putc(out, mark);
    put(out, s);
}

/* Section 5.2.3: all of the base's path but what follows its last slash, then the reference's. */
static void put_merged(weir_buf *out, const struct weir__url_parts *base, weir_str path)
{
    const char *slash = base->path.len > 0 ? memrchr(base->path.ptr, '/', base->path.len) : NULL;
    if (base->authority.ptr != NULL && base->path.len == 0)
        weir_buf_putc(out, '/');
    else if (slash != NULL)
        put(out, (weir_str){base->path.ptr, (size_t)(slash - base->path.ptr) + 1});
    put(out, path);
}

static bool starts(const char *at, const char *end, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(end - at) >= n && memcmp(at, text, n) == 0;
}

static bool is_all(const char *at, const char *end, const char *text)
{
    return (size_t)(end - at) == strlen(text) && starts(at, end, text);
}

/* Section 5.2.4, from `path` to `end`, in place. Returns the new end. */
static char *remove_dots(char *path, char *end)
{
    char *in = path, *out = path;
    while (in < end) {
        if (starts(in, end, "../")) {
            in += 3;
        } else if (starts(in, end, "./") || starts(in, end, "/./")) {
            in += 2;
        } else if (is_all(in, end, "/.")) {
            in[1] = '/'; /* what is left is "/" */
            in += 1;
        } else if (starts(in, end, "/../") || is_all(in, end, "/..")) {
            bool is_last = end - in == 3;
            in += is_last ? 2 : 3;
            *in = '/';
            while (out > path && *--out != '/')
                ;
        } else if (is_all(in, end, ".") || is_all(in, end, "..")) {
            in = end;
        } else {
            do
                *out++ = *in++;
            while (in < end && *in != '/');
        }
    }
    return out;
}

/* The path and the query that section 5.2.2 chooses. */
static void put_path(weir_buf *out, const struct weir__url_parts *base,
                     const struct weir__url_parts *ref)
{
    size_t from = out->len;
    bool is_own = ref->scheme.ptr != NULL || ref->authority.ptr != NULL;
    bool is_base = !is_own && ref->path.len == 0;
    if (is_base)
        put(out, base->path);
    else if (is_own || ref->path.ptr[0] == '/')
        put(out, ref->path);
    else
        put_merged(out, base, ref->path);
    if (out->err == WEIR_OK && out->len > from) {
        char *end = remove_dots(out->ptr + from, out->ptr + out->len);
        out->len = (size_t)(end - out->ptr);
    }
    put_with(out, '?', is_base && ref->query.ptr == NULL ? base->query : ref->query);
}

int weir__url_resolve(weir_str base, weir_str reference, weir_buf *out)
{
    struct weir__url_parts b, r;
    size_t before = out->len;
    if (has_bad_byte(base) || has_bad_byte(reference))
        return WEIR_URL_EBYTE;
    weir__url_split(base, &b);
    weir__url_split(reference, &r);
    if (b.scheme.ptr == NULL)
        return WEIR_URL_ESCHEME;
    put(out, r.scheme.ptr != NULL ? r.scheme : b.scheme);
    weir_buf_putc(out, ':');
    weir_str authority =
        r.scheme.ptr != NULL || r.authority.ptr != NULL ? r.authority : b.authority;
    if (authority.ptr != NULL) {
        weir_buf_puts(out, WEIR_S("//"));
        put(out, authority);
    }
    size_t path = out->len;
    put_path(out, &b, &r);
    /* A path that begins with two slashes would be read as an authority: RFC 3986 section 3.3. */
    bool is_taken = authority.ptr == NULL && out->err == WEIR_OK && out->len - path >= 2 &&
                    out->ptr[path] == '/' && out->ptr[path + 1] == '/';
    put_with(out, '#', r.fragment);
    int rc = is_taken ? WEIR_URL_EHOST : out->err;
    if (rc != WEIR_OK) {
        out->len = before;
        out->err = WEIR_OK;
    }
    return rc;
}

/* ---- a client's URL ---- */

/* Decodes and lowers; false when it is too long or has a byte that names do not have. */
static bool set_name(struct weir__url_target *t, weir_str host)
{
    char plain[3 * (WEIR__URL_HOST_MAX + 1)];
    if (host.len > sizeof plain)
        return false;
    int n = weir__url_decode(host, plain);
    if (n > 0 && plain[n - 1] == '.') /* says that the name is whole, which it is in any case */
        n--;
    if (n <= 0 || n > WEIR__URL_HOST_MAX)
        return false;
    for (int i = 0; i < n; i++) {
        char ch = plain[i];
        bool is_digit = ch >= '0' && ch <= '9';
        if (!is_alpha(ch) && !is_digit && ch != '-' && ch != '.' && ch != '_')
            return false;
        t->host[i] = is_alpha(ch) ? (char)(ch | 0x20) : ch;
    }
    t->host_len = (uint8_t)n;
    t->host[n] = '\0';
    return true;
}

/* Labels of 1 to 63 bytes, and the last one is no number (an address has been looked for). */
static bool has_good_labels(const struct weir__url_target *t)
{
    const char *label = t->host;
    for (;;) {
        size_t n = strcspn(label, ".");
        if (n == 0 || n > 63)
            return false;
        if (label[n] == '\0')
            break;
        label += n + 1;
    }
    bool is_hex = label[0] == '0' && label[1] == 'x' &&
                  strspn(label + 2, "0123456789abcdef") == strlen(label + 2);
    return !is_hex && strspn(label, "0123456789") != strlen(label);
}

static int set_host(struct weir__url_target *t, weir_str host)
{
    struct weir__ip ip;
    if (host.ptr[0] == '[') { /* url.c has read the address; here it gets its one form */
        struct in6_addr six;
        memcpy(t->host, host.ptr + 1, host.len - 2);
        t->host[host.len - 2] = '\0';
        if (inet_pton(AF_INET6, t->host, &six) != 1 ||
            inet_ntop(AF_INET6, &six, t->host, sizeof t->host) == NULL)
            return WEIR_URL_EHOST;
        t->host_len = (uint8_t)strlen(t->host);
        t->is_ip = t->is_ipv6 = true;
        return 0;
    }
    if (!set_name(t, host))
        return WEIR_URL_EHOST;
    t->is_ip = weir__ip_parse((weir_str){t->host, t->host_len}, &ip) == WEIR_OK;
    return t->is_ip || has_good_labels(t) ? 0 : WEIR_URL_EHOST;
}

int weir__url_target_parse(weir_str s, struct weir__url_target *out)
{
    struct weir__url url;
    weir_str fragment;
    *out = (struct weir__url_target){.is_https = false};
    cut_at(&s, '#', &fragment);
    int rc = weir__url_absolute_parse(s, &url);
    bool has_user =
        url.authority.len > 0 && memchr(url.authority.ptr, '@', url.authority.len) != NULL;
    if (rc != 0)
        return has_user ? WEIR_URL_EUSERINFO : rc;
    out->is_https = url.is_https;
    out->port = url.parts.has_port ? url.parts.port : url.is_https ? 443 : 80;
    out->path = url.path.len > 0 ? url.path : WEIR_S("/");
    out->query = url.query;
    return set_host(out, url.parts.host);
}

size_t weir__url_target_host(const struct weir__url_target *t, char out[WEIR__URL_HOST_TEXT_MAX])
{
    size_t n = 0;
    if (t->is_ipv6)
        out[n++] = '[';
    memcpy(out + n, t->host, t->host_len);
    n += t->host_len;
    if (t->is_ipv6)
        out[n++] = ']';
    if (t->port != (t->is_https ? 443 : 80)) {
        char digits[WEIR__INT_TEXT_MAX];
        size_t len = weir__num_put_u64(digits, t->port);
        out[n++] = ':';
        memcpy(out + n, digits, len);
        n += len;
    }
    return n;
}

bool weir__url_target_is_same_origin(const struct weir__url_target *a,
                                     const struct weir__url_target *b)
{
    return a->is_https == b->is_https && a->port == b->port && a->host_len == b->host_len &&
           memcmp(a->host, b->host, a->host_len) == 0;
}
