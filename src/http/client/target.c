/*
 * Where a request goes: the base of a client and the target of a call, taken apart into the pool's
 * key, the field Host and what stands in the request line. Owns nothing; what is put together lies
 * in the context's memory.
 *
 * A key names what is dialled, in one form: the host in lower case, the port always there. So one
 * host has one pool, however it was written.
 */
#include "http/client/client.h"

#include <string.h>

#include "http/client/upstream.h"
#include "net/local.h"
#include "wire/url_reference.h"

/* In the context's memory; absent: there is none. */
static weir_str copied(struct weir__ctx *c, weir_str s)
{
    char *text = weir__ctx_object(c, s.len + 1);
    if (text == NULL)
        return (weir_str){NULL, 0};
    memcpy(text, s.ptr, s.len);
    return (weir_str){text, s.len};
}

/* The key: "https://host:port", the port always there. */
static weir_str origin_of(struct weir__ctx *c, const struct weir__url_target *url)
{
    char *text = weir__ctx_object(c, sizeof "https://[]:65535" + url->host_len);
    if (text == NULL)
        return (weir_str){NULL, 0};
    char *at = stpcpy(text, url->is_https ? "https://" : "http://");
    if (url->is_ipv6)
        *at++ = '[';
    at = mempcpy(at, url->host, url->host_len);
    if (url->is_ipv6)
        *at++ = ']';
    *at++ = ':';
    at += weir__http1_digits(at, url->port);
    return (weir_str){text, (size_t)(at - text)};
}

/* Path and query as they stand behind each other; "/?a" where the URL has a query alone. */
static weir_str path_and_query(struct weir__ctx *c, const struct weir__url_target *url)
{
    if (url->query.ptr == NULL)
        return url->path;
    if (url->query.ptr == url->path.ptr + url->path.len + 1)
        return (weir_str){url->path.ptr, url->path.len + 1 + url->query.len};
    char *text = weir__ctx_object(c, url->query.len + 3);
    if (text == NULL)
        return (weir_str){NULL, 0};
    memcpy(text, "/?", 2);
    if (url->query.len > 0)
        memcpy(text + 2, url->query.ptr, url->query.len);
    return (weir_str){text, url->query.len + 2};
}

static weir_err refuse(const char **why, const char *text)
{
    *why = text;
    return WEIR_EINVALID;
}

/* "https://host:port", with all that follows it in `path`. */
static weir_err read_url(struct weir__ctx *c, weir_str text, struct weir__client_target *out,
                         const char **why)
{
    struct weir__url_target url;
    char host[WEIR__URL_HOST_TEXT_MAX];
    int rc = weir__url_target_parse(text, &url);
    if (rc != 0)
        return refuse(why, weir__url_error_text(rc));
    if (url.is_https && !WEIR_TLS) {
        *why = "this build of Weir was made without TLS";
        return WEIR_ENOTBUILT;
    }
    out->is_https = url.is_https;
    out->is_ip = url.is_ip;
    size_t len = weir__url_target_host(&url, host);
    out->host = copied(c, (weir_str){host, len});
    out->key = out->origin = origin_of(c, &url);
    out->path = path_and_query(c, &url);
    if (out->origin.ptr == NULL || out->host.ptr == NULL || out->path.ptr == NULL)
        return -ENOMEM;
    out->name = (weir_str){out->host.ptr, url.host_len + (url.is_ipv6 ? 2u : 0u)};
    return WEIR_OK;
}

/* Keeps what is in front of the path, if that is to be seen in the text and is not too long. */
static void remember(struct weir__client_known *k, weir_str text,
                     const struct weir__client_target *t)
{
    bool is_inside = t->path.ptr > text.ptr && t->path.ptr < text.ptr + text.len;
    size_t len = is_inside ? (size_t)(t->path.ptr - text.ptr) : 0;
    if (len == 0 || len + t->origin.len + t->host.len > sizeof k->bytes)
        return;
    k->text_len = (uint16_t)len;
    k->origin_len = (uint16_t)t->origin.len;
    k->host_len = (uint16_t)t->host.len;
    k->name_len = (uint16_t)t->name.len;
    k->is_https = t->is_https;
    k->is_ip = t->is_ip;
    char *at = mempcpy(k->bytes, text.ptr, len);
    at = mempcpy(at, t->origin.ptr, t->origin.len);
    memcpy(at, t->host.ptr, t->host.len);
}

/* Reads a URL by what is known; false: it is to be read in full, which tells what is wrong too. */
static bool recall(const struct weir__client_known *k, struct weir__ctx *c, weir_str text,
                   struct weir__client_target *out)
{
    weir_str known = {k->bytes, k->text_len};
    if (known.len == 0 || text.len <= known.len || text.ptr[known.len] != '/' ||
        !weir_str_starts(text, known))
        return false;
    weir_str path = {text.ptr + known.len, text.len - known.len};
    char *names = weir__http_target_is_valid(path)
                      ? weir__ctx_object(c, (size_t)k->origin_len + k->host_len)
                      : NULL;
    if (names == NULL)
        return false;
    memcpy(names, k->bytes + known.len, (size_t)k->origin_len + k->host_len);
    out->key = out->origin = (weir_str){names, k->origin_len};
    out->host = (weir_str){names + k->origin_len, k->host_len};
    out->name = (weir_str){out->host.ptr, k->name_len};
    out->path = path;
    out->is_https = k->is_https;
    out->is_ip = k->is_ip;
    return true;
}

/* "unix:/run/shop.sock", and ":/v1" behind it where there is a path before all. */
static weir_err read_local(struct weir__ctx *c, weir_str text, struct weir__client_target *out,
                           const char **why)
{
    struct sockaddr_storage address;
    const char *path = memmem(text.ptr + 5, text.len - 5, ":/", 2);
    size_t len = path != NULL ? (size_t)(path - text.ptr) : text.len;
    if (weir__local_address((weir_str){text.ptr, len}, &address) == 0)
        return refuse(why, "the path of a local socket has 1 to 107 bytes");
    char *origin = weir__ctx_object(c, len + 1);
    if (origin == NULL)
        return -ENOMEM;
    memcpy(origin, text.ptr, len);
    out->key = out->origin = (weir_str){origin, len};
    out->host = out->name = WEIR_S("localhost");
    out->is_ip = true;
    out->path = path != NULL ? (weir_str){path + 1, text.len - len - 1} : WEIR_S("");
    return WEIR_OK;
}

weir_err weir__client_base_read(struct weir__ctx *c, const char *base,
                                struct weir__client_target *out, const char **why)
{
    weir_str text = weir_str_from(base);
    *out = (struct weir__client_target){.is_base = true};
    weir_err err =
        weir__local_is(text) ? read_local(c, text, out, why) : read_url(c, text, out, why);
    if (err != WEIR_OK)
        return err;
    if (memchr(out->path.ptr, '?', out->path.len) != NULL)
        return refuse(why, "a base has no query");
    while (out->path.len > 0 && out->path.ptr[out->path.len - 1] == '/')
        out->path.len--;
    return WEIR_OK;
}

/* The base's path, and the target behind it. */
static weir_err behind_base(const weir_http *http, struct weir__ctx *c, weir_str target,
                            struct weir__client_target *out, const char **why)
{
    if (!http->has_base)
        return refuse(why, "the client has no base: a whole URL is wanted");
    *out = http->base;
    out->path = target;
    if (http->base.path.len == 0)
        return WEIR_OK;
    size_t len = http->base.path.len + target.len;
    char *path = weir__ctx_object(c, len + 1);
    if (path == NULL)
        return -ENOMEM;
    memcpy(path, http->base.path.ptr, http->base.path.len);
    memcpy(path + http->base.path.len, target.ptr, target.len);
    out->path = (weir_str){path, len};
    return WEIR_OK;
}

bool weir__client_is_trusted(const weir_http *http, const struct weir__client_target *t)
{
    if (t->is_base && http->o.trust_base)
        return true;
    for (const char *const *host = http->o.trusted; host != NULL && *host != NULL; host++)
        if (weir_str_ieq(t->name, weir_str_from(*host)))
            return true;
    return false;
}

weir_err weir__client_target_read(const weir_http *http, struct weir__ctx *c, weir_str target,
                                  struct weir__client_target *out, const char **why)
{
    *out = (struct weir__client_target){.is_base = false};
    if (target.len == 0)
        return refuse(why, "the target is empty");
    struct weir__client_known *known = &weir__client_cells(http)->known;
    weir_err err = WEIR_OK;
    if (target.ptr[0] == '/') {
        err = behind_base(http, c, target, out, why);
    } else if (!recall(known, c, target, out)) {
        err = read_url(c, target, out, why);
        if (err == WEIR_OK)
            remember(known, target, out);
    }
    if (err != WEIR_OK)
        return err;
    out->is_base = http->has_base && weir_str_eq(out->origin, http->base.origin);
    if (http->upstream != NULL && weir__upstream_has(http->upstream, out->origin))
        out->is_base = true;
    out->is_trusted = weir__client_is_trusted(http, out);
    return WEIR_OK;
}
