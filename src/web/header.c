/*
 * Header lines of responses, cookies among them. Lines of a name replace each other or add up, as
 * the handler says; those of Set-Cookie always add up, because a line there is a cookie and not a
 * version of the header (RFC 6265 section 3): what replaces one is the same cookie.
 */
#include "base/given.h"
#include "rt/sized.h"
#include "web/web.h"

enum { COOKIE_MAX = 4096 };

static bool is_set_cookie(weir_str name)
{
    return weir_str_ieq(name, WEIR_S("Set-Cookie"));
}

/* Of these a client takes one line at most, and which one of two is up to it. */
static bool is_single(weir_str name)
{
    return weir_str_ieq(name, WEIR_S("Content-Type")) || weir_str_ieq(name, WEIR_S("Location"));
}

weir_err weir_set_header(weir_ctx *c, const char *name, weir_str value)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(name, "the name");
    struct weir__exchange *x = weir__request_of(c)->x;
    weir_str n = weir_str_from(name);
    return is_set_cookie(n) ? weir__exchange_header_add(x, n, value)
                            : weir__exchange_header_set(x, n, value);
}

weir_err weir_add_header(weir_ctx *c, const char *name, weir_str value)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(name, "the name");
    struct weir__exchange *x = weir__request_of(c)->x;
    weir_str n = weir_str_from(name);
    if (is_single(n) && weir__exchange_header_added(x, n).ptr != NULL)
        return WEIR_EINVALID;
    return weir__exchange_header_add(x, n, value);
}

bool weir_remove_header(weir_ctx *c, const char *name)
{
    WEIR__FIBERS_ONLY(false);
    weir__given(name, "the name");
    return weir__exchange_header_remove(weir__request_of(c)->x, weir_str_from(name));
}

/* --- cookies ------------------------------------------------------------------------------ */

static bool is_cookie_value(weir_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];
        if (ch <= ' ' || ch >= 0x7f || ch == '"' || ch == ',' || ch == ';' || ch == '\\')
            return false;
    }
    return true;
}

/* A path or a domain: everything but what would end it. */
static bool is_attribute(const char *s)
{
    return s == NULL || (weir__http_value_is_valid(weir_str_from(s)) && strchr(s, ';') == NULL);
}

static bool is_same_site(const char *s)
{
    return s == NULL || strcmp(s, "Strict") == 0 || strcmp(s, "Lax") == 0 || strcmp(s, "None") == 0;
}

/* What browsers drop without a word (RFC 6265bis sections 4.1.3 and 5.6). */
static bool is_taken(weir_str name, const weir_cookie_options *o)
{
    bool is_host = name.len > 7 && weir_str_ieq((weir_str){name.ptr, 7}, WEIR_S("__Host-"));
    bool is_secure = name.len > 9 && weir_str_ieq((weir_str){name.ptr, 9}, WEIR_S("__Secure-"));
    bool is_none = o->same_site != NULL && strcmp(o->same_site, "None") == 0;
    if (o->is_insecure && (is_host || is_secure || is_none))
        return false;
    return !is_host || (o->domain == NULL && (o->path == NULL || strcmp(o->path, "/") == 0));
}

static bool is_cookie(weir_str name, weir_str value, const weir_cookie_options *o)
{
    bool is_age = o->max_age.ns <= 0 || o->max_age.ns >= 1000000000;
    return weir__http_name_is_valid(name) && is_cookie_value(value) && is_attribute(o->path) &&
           is_attribute(o->domain) && is_same_site(o->same_site) && is_age && is_taken(name, o);
}

static weir_err write_cookie(weir_buf *b, weir_str name, weir_str value,
                             const weir_cookie_options *o)
{
    weir_buf_printf(b, WEIR_STR_FMT "=" WEIR_STR_FMT "; Path=%s", WEIR_STR_ARG(name),
                    WEIR_STR_ARG(value), o->path != NULL ? o->path : "/");
    if (o->domain != NULL)
        weir_buf_printf(b, "; Domain=%s", o->domain);
    if (o->max_age.ns != 0)
        weir_buf_printf(b, "; Max-Age=%lld",
                        o->max_age.ns < 0 ? 0LL : (long long)(o->max_age.ns / 1000000000));
    weir_buf_printf(b, "; SameSite=%s%s%s", o->same_site != NULL ? o->same_site : "Lax",
                    o->is_insecure ? "" : "; Secure", o->is_readable ? "" : "; HttpOnly");
    return b->err < 0 ? -EMSGSIZE : WEIR_OK;
}

/* The value of an attribute of a Set-Cookie line; absent when it has none of that name. */
static weir_str attribute(weir_str line, weir_str wanted)
{
    const char *at = line.ptr, *end = line.ptr + line.len;
    while ((at = memchr(at, ';', (size_t)(end - at))) != NULL) {
        at++;
        const char *stop = memchr(at, ';', (size_t)(end - at));
        weir_str part = weir_str_trim((weir_str){at, (size_t)((stop != NULL ? stop : end) - at)});
        if (part.len > wanted.len && part.ptr[wanted.len] == '=' &&
            weir_str_ieq((weir_str){part.ptr, wanted.len}, wanted))
            return (weir_str){part.ptr + wanted.len + 1, part.len - wanted.len - 1};
    }
    return (weir_str){NULL, 0};
}

static weir_str cookie_name(weir_str line)
{
    const char *eq = memchr(line.ptr, '=', line.len);
    return (weir_str){line.ptr, eq != NULL ? (size_t)(eq - line.ptr) : line.len};
}

/* True for two lines that name the same cookie: its name, path and domain. */
static bool is_same_cookie(weir_str line, const void *arg)
{
    weir_str other = *(const weir_str *)arg;
    return weir_str_eq(cookie_name(line), cookie_name(other)) &&
           weir_str_eq(attribute(line, WEIR_S("Path")), attribute(other, WEIR_S("Path"))) &&
           weir_str_ieq(attribute(line, WEIR_S("Domain")), attribute(other, WEIR_S("Domain")));
}

weir_err weir_cookie_set_at(weir_ctx *c, const char *name, weir_str value,
                            const weir_cookie_options *o)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(name, "the name");
    static const weir_str field = {"Set-Cookie", 10};
    struct weir__exchange *x = weir__request_of(c)->x;
    weir_cookie_options room;
    o = weir__options(o, &room, sizeof room, "weir_cookie_set");
    if (!is_cookie(weir_str_from(name), value, o))
        return WEIR_EINVALID;
    char bytes[COOKIE_MAX];
    weir_buf b;
    weir_buf_init_fixed(&b, bytes, sizeof bytes);
    weir_err err = write_cookie(&b, weir_str_from(name), value, o);
    if (err < 0)
        return err;
    weir_str line = weir_buf_str(&b);
    return weir__exchange_header_replace(x, field, line, is_same_cookie, &line);
}
