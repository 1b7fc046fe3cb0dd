/*
 * The jar is a list, the cookie that was used last in front. At most 300 are looked at for a
 * request, which costs less than what would find them faster.
 */
#include "wire/cookie_jar.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

struct weir__cookie {
    struct weir__cookie *next;
    weir_str name, value, domain, path; /* of bytes */
    int64_t expires;                    /* INT64_MAX: with the jar */
    uint64_t born;                      /* its order; kept when it is replaced */
    bool is_host_only, is_secure;
    char bytes[];
};

const char *weir__cookie_error_text(int err)
{
    static const char *const texts[] = {
        [0] = "a cookie for a domain that is not the host's",
        [WEIR_COOKIE_ESUFFIX - WEIR_COOKIE_EDOMAIN] = "a cookie for all hosts of a suffix",
        [WEIR_COOKIE_ESECURE - WEIR_COOKIE_EDOMAIN] =
            "a secure cookie, or one in place of a secure one, by plain HTTP",
        [WEIR_COOKIE_EPREFIX - WEIR_COOKIE_EDOMAIN] =
            "a cookie whose name begins with __Host- or __Secure-, and that is not what this says",
    };
    if (err < WEIR_COOKIE_EDOMAIN || err >= WEIR_COOKIE_ERROR_END)
        return weir_strerror(err);
    return texts[err - WEIR_COOKIE_EDOMAIN];
}

/* ---- matching, section 5.1 ---- */

/* `host` is `domain` or within it. Both are lower case. */
static bool is_within(weir_str host, weir_str domain)
{
    if (weir_str_eq(host, domain))
        return true;
    if (host.len <= domain.len || domain.len == 0)
        return false;
    const char *tail = host.ptr + (host.len - domain.len);
    return tail[-1] == '.' && memcmp(tail, domain.ptr, domain.len) == 0;
}

static bool path_is_within(weir_str path, weir_str of)
{
    return weir_str_starts(path, of) &&
           (path.len == of.len || of.ptr[of.len - 1] == '/' || path.ptr[of.len] == '/');
}

static weir_str path_of(const struct weir__cookie_scope *scope)
{
    bool is_path = scope->path.len > 0 && scope->path.ptr[0] == '/';
    return is_path ? scope->path : WEIR_S("/");
}

/* Section 5.1.4: all before the last slash, and at least a slash. */
static weir_str default_path(const struct weir__cookie_scope *scope)
{
    weir_str path = path_of(scope);
    const char *slash = memrchr(path.ptr, '/', path.len);
    WEIR_ASSERT(slash != NULL, "W11: a path begins with a slash");
    path.len = slash > path.ptr ? (size_t)(slash - path.ptr) : 1;
    return path;
}

static bool is_for(const struct weir__cookie *c, const struct weir__cookie_scope *scope)
{
    bool is_host = c->is_host_only || scope->is_ip ? weir_str_eq(c->domain, scope->host)
                                                   : is_within(scope->host, c->domain);
    return is_host && (scope->is_secure || !c->is_secure) &&
           path_is_within(path_of(scope), c->path);
}

/* ---- keeping ---- */

void weir__cookie_jar_init(struct weir__cookie_jar *jar)
{
    *jar = (struct weir__cookie_jar){NULL, 0, 0, 0};
}

static size_t bytes_of(const struct weir__cookie *c)
{
    return c->name.len + c->value.len + c->domain.len + c->path.len;
}

/* Takes out the one that *at leads to. */
static void drop(struct weir__cookie_jar *jar, struct weir__cookie **at)
{
    struct weir__cookie *c = *at;
    WEIR_ASSERT(jar->count > 0 && jar->bytes >= bytes_of(c), "W12: what is in the jar is counted");
    *at = c->next;
    jar->count--;
    jar->bytes -= bytes_of(c);
    weir__free(c);
}

void weir__cookie_jar_fini(struct weir__cookie_jar *jar)
{
    while (jar->first != NULL)
        drop(jar, &jar->first);
}

static void drop_expired(struct weir__cookie_jar *jar, int64_t now)
{
    for (struct weir__cookie **at = &jar->first; *at != NULL;) {
        if ((*at)->expires <= now)
            drop(jar, at);
        else
            at = &(*at)->next;
    }
}

/* Drops the last of the list, or the last of a domain. */
static void drop_last(struct weir__cookie_jar *jar, const weir_str *domain)
{
    struct weir__cookie **found = NULL;
    for (struct weir__cookie **at = &jar->first; *at != NULL; at = &(*at)->next) {
        if (domain == NULL || weir_str_eq((*at)->domain, *domain))
            found = at;
    }
    if (found != NULL)
        drop(jar, found);
}

static size_t count_of(const struct weir__cookie_jar *jar, weir_str domain)
{
    size_t n = 0;
    for (const struct weir__cookie *c = jar->first; c != NULL; c = c->next)
        n += weir_str_eq(c->domain, domain);
    return n;
}

/* Copies `s` to *at, which goes on, in lower case where asked. */
static weir_str put(char **at, weir_str s, bool is_lower)
{
    weir_str copy = {*at, s.len};
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];
        *(*at)++ = is_lower && ch >= 'A' && ch <= 'Z' ? (char)(ch | 0x20) : ch;
    }
    return copy;
}

static struct weir__cookie *copy_of(const struct weir__set_cookie *s, weir_str domain,
                                    weir_str path)
{
    size_t n = s->name.len + s->value.len + domain.len + path.len;
    struct weir__cookie *c = weir__malloc(sizeof *c + n);
    if (c == NULL)
        return NULL;
    char *at = c->bytes;
    *c = (struct weir__cookie){.expires = s->has_expires ? s->expires : INT64_MAX,
                               .is_secure = s->is_secure};
    c->name = put(&at, s->name, false);
    c->value = put(&at, s->value, false);
    c->domain = put(&at, domain, true);
    c->path = put(&at, path, false);
    return c;
}

/* ---- what may be set, section 5.3 ---- */

static bool begins(weir_str name, weir_str prefix)
{
    return name.len >= prefix.len && weir_str_ieq((weir_str){name.ptr, prefix.len}, prefix);
}

static int check_prefix(const struct weir__set_cookie *s, bool is_secure)
{
    bool is_host = begins(s->name, WEIR_S("__Host-"));
    if (!is_host && !begins(s->name, WEIR_S("__Secure-")))
        return 0;
    bool is_kept = s->is_secure && is_secure;
    if (is_host)
        is_kept = is_kept && s->domain.len == 0 && weir_str_eq(s->path, WEIR_S("/"));
    return is_kept ? 0 : WEIR_COOKIE_EPREFIX;
}

/* Lower-cases the domain into `c` and holds it against the host. */
static int check_domain(struct weir__cookie *c, const struct weir__cookie_scope *scope)
{
    bool is_host = weir_str_eq(c->domain, scope->host);
    if (scope->is_ip && !is_host)
        return WEIR_COOKIE_EDOMAIN;
    bool is_suffix = memchr(c->domain.ptr, '.', c->domain.len) == NULL;
    if (is_suffix && !is_host)
        return WEIR_COOKIE_ESUFFIX;
    c->is_host_only = is_host && (scope->is_ip || is_suffix);
    return is_within(scope->host, c->domain) ? 0 : WEIR_COOKIE_EDOMAIN;
}

/* A secure cookie of the name that is sent to one of these hosts, at this path or above. */
static bool shadows_secure(const struct weir__cookie_jar *jar, const struct weir__cookie *c)
{
    for (const struct weir__cookie *old = jar->first; old != NULL; old = old->next) {
        bool is_near = is_within(old->domain, c->domain) || is_within(c->domain, old->domain);
        if (old->is_secure && is_near && weir_str_eq(old->name, c->name) &&
            path_is_within(c->path, old->path))
            return true;
    }
    return false;
}

static struct weir__cookie **find_same(struct weir__cookie_jar *jar, const struct weir__cookie *c)
{
    struct weir__cookie **at = &jar->first;
    while (*at != NULL &&
           !(weir_str_eq((*at)->name, c->name) && weir_str_eq((*at)->domain, c->domain) &&
             weir_str_eq((*at)->path, c->path) && (*at)->is_host_only == c->is_host_only))
        at = &(*at)->next;
    return at;
}

static void keep(struct weir__cookie_jar *jar, struct weir__cookie *c, int64_t now)
{
    struct weir__cookie **same = find_same(jar, c);
    c->born = *same != NULL ? (*same)->born : jar->born++;
    if (*same != NULL)
        drop(jar, same);
    if (c->expires <= now) { /* taken back */
        weir__free(c);
        return;
    }
    drop_expired(jar, now);
    while (count_of(jar, c->domain) >= WEIR__COOKIES_OF_DOMAIN_MAX)
        drop_last(jar, &c->domain);
    while (jar->count >= WEIR__COOKIES_MAX ||
           (jar->count > 0 && jar->bytes + bytes_of(c) > WEIR__COOKIE_JAR_BYTES_MAX))
        drop_last(jar, NULL);
    c->next = jar->first;
    jar->first = c;
    jar->count++;
    jar->bytes += bytes_of(c);
}

int weir__cookie_jar_set(struct weir__cookie_jar *jar, const struct weir__cookie_scope *scope,
                         weir_str set_cookie, int64_t now)
{
    struct weir__set_cookie s;
    int rc = weir__set_cookie_parse(set_cookie, now, &s);
    if (rc != 0)
        return rc;
    rc = check_prefix(&s, scope->is_secure);
    if (rc == 0 && s.is_secure && !scope->is_secure)
        rc = WEIR_COOKIE_ESECURE;
    if (rc != 0)
        return rc;
    bool has_domain = s.domain.len > 0;
    weir_str path = s.path.len > 0 ? s.path : default_path(scope);
    struct weir__cookie *c = copy_of(&s, has_domain ? s.domain : scope->host, path);
    if (c == NULL)
        return -ENOMEM;
    c->is_host_only = !has_domain;
    if (has_domain)
        rc = check_domain(c, scope);
    if (rc == 0 && !scope->is_secure && shadows_secure(jar, c))
        rc = WEIR_COOKIE_ESECURE;
    if (rc == 0)
        keep(jar, c, now);
    else
        weir__free(c);
    return rc;
}

/* ---- choosing, section 5.4 ---- */

static bool goes_before(const struct weir__cookie *a, const struct weir__cookie *b)
{
    return a->path.len != b->path.len ? a->path.len > b->path.len : a->born < b->born;
}

/* Those for the request, in their order. They move to the front of the jar: they were used. */
static size_t choose(struct weir__cookie_jar *jar, const struct weir__cookie_scope *scope,
                     struct weir__cookie *chosen[WEIR__COOKIES_MAX])
{
    size_t n = 0;
    for (struct weir__cookie **at = &jar->first; *at != NULL;) {
        struct weir__cookie *c = *at;
        if (!is_for(c, scope)) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        size_t i = n++;
        for (; i > 0 && goes_before(c, chosen[i - 1]); i--)
            chosen[i] = chosen[i - 1];
        chosen[i] = c;
    }
    for (size_t i = n; i > 0; i--) {
        chosen[i - 1]->next = jar->first;
        jar->first = chosen[i - 1];
    }
    return n;
}

void weir__cookie_jar_line(struct weir__cookie_jar *jar, const struct weir__cookie_scope *scope,
                           int64_t now, weir_buf *out)
{
    struct weir__cookie *chosen[WEIR__COOKIES_MAX];
    size_t used = 0;
    drop_expired(jar, now);
    size_t n = choose(jar, scope, chosen);
    for (size_t i = 0; i < n; i++) {
        size_t len = chosen[i]->name.len + chosen[i]->value.len + sizeof "; =" - 1;
        if (used + len > WEIR__COOKIE_LINE_MAX)
            continue;
        if (used > 0)
            weir_buf_puts(out, WEIR_S("; "));
        weir_buf_puts(out, chosen[i]->name);
        weir_buf_putc(out, '=');
        weir_buf_puts(out, chosen[i]->value);
        used += len;
    }
}
