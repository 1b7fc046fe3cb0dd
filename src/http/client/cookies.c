/*
 * Cookies, if a client is asked to keep them: what an answer sets goes into its jar, what a host
 * may have goes along with a request, by the rules of wire/cookie_jar.h. What is refused there is
 * left out, as servers expect of clients; it fails nothing.
 *
 * All workers use one jar, under a lock that is held for as long as one answer's fields, or one
 * request's line, take: no wait is inside.
 *
 * Owns nothing: the jar is the client's. Context: the exchange's fiber.
 */
#include "http/client/client.h"

#include <string.h>

#include <weir/value.h>

#define US_IN_SEC 1000000

static int64_t now_seconds(void)
{
    return weir_wall_now().us / US_IN_SEC;
}

/* Who asks. A local socket is a host of its own, by its path. */
static struct weir__cookie_scope scope_of(const weir_reply *r)
{
    const struct weir__client_target *t = &r->target;
    weir_str name = t->name, path = t->path;
    const char *query = path.len > 0 ? memchr(path.ptr, '?', path.len) : NULL;
    if (t->origin.len > 5 && memcmp(t->origin.ptr, "unix:", 5) == 0)
        name = t->origin;
    if (name.len > 2 && name.ptr[0] == '[')
        name = (weir_str){name.ptr + 1, name.len - 2};
    if (query != NULL)
        path.len = (size_t)(query - path.ptr);
    return (struct weir__cookie_scope){
        .host = name, .path = path, .is_ip = t->is_ip, .is_secure = t->is_https};
}

static bool is_set_cookie(const weir_reply *r, const struct weir__http_line *f)
{
    return weir_str_ieq((weir_str){r->head + f->name.off, f->name.len}, WEIR_S("set-cookie"));
}

weir_err weir__client_cookies_take(weir_reply *r)
{
    if (!r->http->o.cookies || r->is_carried || weir__client_field(r, "set-cookie").ptr == NULL)
        return WEIR_OK;
    struct weir__cookie_scope scope = scope_of(r);
    int64_t now = now_seconds();
    int rc = 0;
    weir__lock_take(&r->http->jar_lock);
    for (unsigned i = 0; i < r->field_count && rc != -ENOMEM; i++) {
        const struct weir__http_line *f = &r->fields[i];
        if (is_set_cookie(r, f))
            rc = weir__cookie_jar_set(&r->http->jar, &scope,
                                      (weir_str){r->head + f->value.off, f->value.len}, now);
    }
    weir__lock_give(&r->http->jar_lock);
    return rc == -ENOMEM ? -ENOMEM : WEIR_OK;
}

void weir__client_cookies_write(weir_reply *r, struct weir__http1_writer *w)
{
    char bytes[WEIR__COOKIE_LINE_MAX + 1];
    struct weir__cookie_scope scope = scope_of(r);
    weir_buf line;
    weir_buf_init_fixed(&line, bytes, sizeof bytes);
    weir__lock_take(&r->http->jar_lock);
    weir__cookie_jar_line(&r->http->jar, &scope, now_seconds(), &line);
    weir__lock_give(&r->http->jar_lock);
    if (line.len > 0)
        weir__http1_write_field(w, WEIR_S("Cookie"), weir_buf_str(&line));
}
