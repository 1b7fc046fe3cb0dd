/*
 * Reading "mysql://user:password@host:port/database?name=value&…" (RFC 3986). The user information
 * ends at the last '@' before the path, so that a password which holds one and was not escaped is
 * still no part of a host's name that is told in messages.
 */
#include "data/mysql/url.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "base/assert.h"
#include "wire/url.h"

#define SOCKET "/run/mysqld/mysqld.sock"

/* --- mistakes --------------------------------------------------------------------------------- */

static void complain(struct weir__bounds *b, const char *what, const char *text)
{
    weir__bounds_line(b);
    weir_buf_printf(b->out, "url: %s%s%s", what, text[0] != '\0' ? " " : "", text);
}

/* Decodes a part into `u`, where all parts of an URL have room; NULL: absent, or complained of. */
static const char *decode(struct weir__mysql_url *u, struct weir__bounds *b, const char *what,
                          weir_str part)
{
    if (part.ptr == NULL)
        return NULL;
    WEIR_ASSERT(sizeof u->bytes - u->used > part.len, "M1: parts fit where they are kept");
    char *out = u->bytes + u->used;
    int n = weir__url_decode(part, out);
    if (n < 0 || memchr(out, 0, (size_t)n) != NULL) {
        complain(b, what, n < 0 ? "has a % without two hexadecimal digits" : "has a NUL");
        return NULL;
    }
    out[n] = '\0';
    u->used += (size_t)n + 1;
    return out;
}

static const char *decode_or_none(struct weir__mysql_url *u, struct weir__bounds *b,
                                  const char *what, weir_str part)
{
    const char *text = decode(u, b, what, part);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* --- parts ------------------------------------------------------------------------------------ */

/* Up to the first `c`, which is skipped, or all. */
static weir_str cut(weir_str *rest, char c)
{
    const char *at = rest->len > 0 ? memchr(rest->ptr, c, rest->len) : NULL;
    size_t n = at != NULL ? (size_t)(at - rest->ptr) : rest->len, skip = at != NULL;
    weir_str part = {rest->ptr, n};
    *rest = (weir_str){rest->ptr + n + skip, rest->len - n - skip};
    return part;
}

static void read_user(struct weir__mysql_url *u, struct weir__bounds *b, weir_str part)
{
    bool has_password = part.len > 0 && memchr(part.ptr, ':', part.len) != NULL;
    weir_str user = cut(&part, ':');
    u->user = decode_or_none(u, b, "the user", user);
    u->password = decode(u, b, "the password", has_password ? part : (weir_str){NULL, 0});
}

static void read_host(struct weir__mysql_url *u, struct weir__bounds *b, weir_str part)
{
    struct weir__url_authority a;
    if (part.len == 0)
        return;
    if (weir__url_authority_parse(part, &a) != 0 || (a.has_port && a.port == 0)) {
        complain(b, "host or port", "is none; write host, host:port, [ip6]:port");
        return;
    }
    u->port = a.has_port ? a.port : u->port;
    if (a.host.len > 1 && a.host.ptr[0] == '[')
        a.host = (weir_str){a.host.ptr + 1, a.host.len - 2};
    u->host = decode_or_none(u, b, "the host", a.host);
}

/* --- parameters ------------------------------------------------------------------------------- */

static void set_ssl(struct weir__mysql_url *u, struct weir__bounds *b, const char *value)
{
    static const char *const names[] = {"disabled", "preferred", "required", "verify_identity"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (weir_str_ieq(weir_str_from(value), weir_str_from(names[i]))) {
            u->ssl = (uint8_t)i;
            return;
        }
    }
    complain(b, "ssl-mode",
             weir_str_ieq(weir_str_from(value), WEIR_S("verify_ca"))
                 ? "verify_ca would believe any server that has a trusted certificate; write "
                   "verify_identity"
                 : "is none of disabled, preferred, required, verify_identity");
}

static void set_timeout(struct weir__mysql_url *u, struct weir__bounds *b, const char *value)
{
    int64_t seconds;
    if (weir_str_i64(weir_str_from(value), &seconds) != WEIR_OK || seconds < 1 || seconds > 600)
        complain(b, "connect-timeout", "is no whole number of seconds from 1 to 600");
    else
        u->connect_seconds = seconds;
}

static const char **text_of(struct weir__mysql_url *u, weir_str name)
{
    const struct {
        weir_str name;
        const char **text;
    } texts[] = {
        {WEIR_S("ssl-ca"), &u->ca},
        {WEIR_S("ssl-cert"), &u->certificate},
        {WEIR_S("ssl-key"), &u->key},
        {WEIR_S("socket"), &u->socket},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (weir_str_eq(texts[i].name, name))
            return texts[i].text;
    }
    return NULL;
}

static void read_parameter(struct weir__mysql_url *u, struct weir__bounds *b, weir_str name,
                           weir_str value)
{
    char shown[32];
    size_t n = name.len < sizeof shown ? name.len : sizeof shown - 1;
    memcpy(shown, name.ptr, n);
    shown[n] = '\0';
    const char **text = text_of(u, name);
    if (value.ptr == NULL) {
        complain(b, shown, "has no value");
        return;
    }
    const char *decoded = decode_or_none(u, b, shown, value);
    if (decoded == NULL)
        return;
    if (text != NULL)
        *text = decoded;
    else if (weir_str_eq(name, WEIR_S("ssl-mode")))
        set_ssl(u, b, decoded);
    else if (weir_str_eq(name, WEIR_S("connect-timeout")))
        set_timeout(u, b, decoded);
    else
        complain(b, shown, "is no parameter that is known");
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Is it this machine, which nobody stands before? */
static bool is_loopback(const char *host)
{
    struct in_addr four;
    return weir_str_ieq(weir_str_from(host), WEIR_S("localhost")) || strcmp(host, "::1") == 0 ||
           (inet_pton(AF_INET, host, &four) == 1 && (ntohl(four.s_addr) >> 24) == 127);
}

/* What was not said, and what does not go together. */
static void settle(struct weir__mysql_url *u, struct weir__bounds *b)
{
    if (u->host != NULL && u->socket != NULL)
        complain(b, "a host and a socket", "do not go together");
    if (u->host == NULL && u->socket == NULL)
        u->socket = SOCKET;
    bool is_local = u->socket != NULL;
    if (is_local && strlen(u->socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
        complain(b, "the path of the Unix socket", "is longer than 107 bytes");
    if (is_local && u->ssl != WEIR__MYSQL_SSL_DEFAULT && u->ssl != WEIR__MYSQL_SSL_DISABLED)
        complain(b, "ssl-mode", "has no meaning on a Unix socket");
    if (u->ssl == WEIR__MYSQL_SSL_DEFAULT)
        u->ssl =
            is_local || is_loopback(u->host) ? WEIR__MYSQL_SSL_DISABLED : WEIR__MYSQL_SSL_VERIFY;
    if (u->ca != NULL && u->ssl != WEIR__MYSQL_SSL_VERIFY)
        complain(b, "ssl-ca", "has a meaning with ssl-mode=verify_identity alone");
    if ((u->certificate == NULL) != (u->key == NULL))
        complain(b, "ssl-cert and ssl-key", "belong together");
    if (u->user == NULL)
        complain(b, "there is no user", "");
}

static bool take_scheme(weir_str *rest)
{
    static const weir_str schemes[] = {WEIR_S("mysql://"), WEIR_S("mariadb://")};
    for (size_t i = 0; i < 2; i++) {
        weir_str s = schemes[i], head = {rest->ptr, s.len};
        if (rest->len >= s.len && weir_str_ieq(head, s)) {
            *rest = (weir_str){rest->ptr + s.len, rest->len - s.len};
            return true;
        }
    }
    return false;
}

static void read_parts(struct weir__mysql_url *u, struct weir__bounds *b, weir_str rest)
{
    weir_str name, value, before = cut(&rest, '?');
    const char *slash = before.len > 0 ? memchr(before.ptr, '/', before.len) : NULL;
    /* A slash may stand in a password that was not escaped: the last '@' of all ends that. */
    const char *at = before.len > 0 ? memrchr(before.ptr, '@', before.len) : NULL;
    if (at != NULL && slash != NULL && slash < at)
        slash = memchr(at, '/', (size_t)(before.ptr + before.len - at));
    weir_str path = {NULL, 0};
    if (slash != NULL)
        path = (weir_str){slash + 1, (size_t)(before.ptr + before.len - slash - 1)};
    weir_str authority = {before.ptr, slash != NULL ? (size_t)(slash - before.ptr) : before.len};
    if (at != NULL) {
        size_t n = (size_t)(at - before.ptr);
        read_user(u, b, (weir_str){authority.ptr, n});
        authority = (weir_str){authority.ptr + n + 1, authority.len - n - 1};
    }
    read_host(u, b, authority);
    u->database = decode_or_none(u, b, "the database", path);
    while (weir__url_pair_next(&rest, &name, &value))
        read_parameter(u, b, name, value);
}

void weir__mysql_url_read(const char *text, struct weir__mysql_url *out, struct weir__bounds *b)
{
    weir_str rest = weir_str_from(text);
    *out = (struct weir__mysql_url){.port = WEIR__MYSQL_PORT, .ssl = WEIR__MYSQL_SSL_DEFAULT};
    if (text == NULL) {
        complain(b, "there is none", "(mysql://user:password@host:port/database)");
        return;
    }
    if (rest.len > WEIR__MYSQL_URL_MAX) {
        complain(b, "it is longer than 2,048 bytes", "");
        return;
    }
    if (!take_scheme(&rest)) {
        complain(b, "it does not begin with mysql:// or mariadb://", "");
        return;
    }
    read_parts(out, b, rest);
    settle(out, b);
}
