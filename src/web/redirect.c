/*
 * Redirects to the other slash form of a path. The one hard thing is that the client's bytes come
 * back in a header: a target may hold bytes that no URL has (backslashes, quotes, braces), and a
 * path may look like another host's to a browser.
 */
#include "web/web.h"

/* What a client may send in a target and no URL may have (RFC 3986 section 2) is encoded. */
static size_t put_encoded(char *out, weir_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char byte = (unsigned char)s.ptr[i];
        bool is_plain =
            s.ptr[i] == '%' || s.ptr[i] == '?' || weir__http_byte_is(s.ptr[i], WEIR_BYTE_PATH);
        if (is_plain) {
            out[n++] = s.ptr[i];
        } else {
            out[n++] = '%';
            out[n++] = hex[byte >> 4];
            out[n++] = hex[byte & 15];
        }
    }
    return n;
}

/* To the other slash form. "//host/" would lead to another server, so such paths go nowhere. */
weir_err weir__web_redirect(weir_ctx *c)
{
    struct weir__request *r = weir__request_of(c);
    weir_str path = weir__exchange_path(r->x), query = weir__exchange_query(r->x);
    if (path.len < 2 || path.ptr[1] == '/')
        return weir_fail(c, 404, "there is nothing at this path");
    if (!r->match.adds_slash)
        path.len--;
    char *to = weir_alloc(c, 3 * (path.len + query.len) + 2);
    if (to == NULL)
        return weir_fail(c, 503, "no memory");
    size_t n = put_encoded(to, path);
    if (r->match.adds_slash)
        to[n++] = '/';
    if (query.ptr != NULL) {
        to[n++] = '?';
        n += put_encoded(to + n, query);
    }
    weir_err err = weir_redirect(c, r->match.status, (weir_str){to, n});
    return err == -EMSGSIZE ? weir_fail(c, 414, "the path is too long") : err;
}
