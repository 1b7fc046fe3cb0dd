/*
 * Reading "postgres://user:password@host:port/database?name=value&…" (RFC 3986, and the libpq
 * manual's chapter on connection URIs). The user information ends at the last '@' before the path,
 * so that a password which holds one and was not escaped is still no part of a host's name that is
 * told in messages.
 */
#include "data/postgres/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "net/local.h"
#include "wire/url.h"

#define FOLDER "/var/run/postgresql"

/* --- mistakes --------------------------------------------------------------------------------- */

static void complain(struct weir__bounds *b, const char *what, const char *text)
{
    weir__bounds_line(b);
    weir_buf_printf(b->out, "url: %s%s%s", what, text[0] != '\0' ? " " : "", text);
}

/* Room in `u` for a text of so many bytes; each is no longer than the part that it came from. */
static char *take(struct weir__pg_url *u, size_t n)
{
    if (sizeof u->bytes - u->used < n)
        return NULL;
    char *at = u->bytes + u->used;
    u->used += n;
    return at;
}

/* Decodes a part; NULL for one that is not there, or was complained of. */
static const char *decoded(struct weir__pg_url *u, struct weir__bounds *b, const char *what,
                           weir_str part)
{
    if (part.ptr == NULL)
        return NULL;
    char *out = take(u, part.len + 1);
    if (out == NULL) {
        complain(b, what, "is too long");
        return NULL;
    }
    int n = weir__url_decode(part, out);
    if (n < 0 || memchr(out, 0, (size_t)n) != NULL) {
        complain(b, what, n < 0 ? "has a % without two hexadecimal digits" : "has a NUL");
        return NULL;
    }
    out[n] = '\0';
    return out;
}

static const char *decoded_or_none(struct weir__pg_url *u, struct weir__bounds *b, const char *what,
                                   weir_str part)
{
    const char *text = decoded(u, b, what, part);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* --- parts ------------------------------------------------------------------------------------ */

static weir_str cut(weir_str *rest, size_t n, size_t skip)
{
    weir_str part = {rest->ptr, n};
    *rest = (weir_str){rest->ptr + n + skip, rest->len - n - skip};
    return part;
}

/* Where `c` stands first, or last; the length where it does not. */
static size_t find(weir_str s, char c)
{
    const char *at = s.ptr != NULL ? memchr(s.ptr, c, s.len) : NULL;
    return at != NULL ? (size_t)(at - s.ptr) : s.len;
}

static size_t find_last(weir_str s, char c)
{
    const char *at = s.ptr != NULL ? memrchr(s.ptr, c, s.len) : NULL;
    return at != NULL ? (size_t)(at - s.ptr) : s.len;
}

static void read_user(struct weir__pg_url *u, struct weir__bounds *b, weir_str part)
{
    size_t colon = find(part, ':');
    weir_str password = {NULL, 0};
    if (colon < part.len)
        password = (weir_str){part.ptr + colon + 1, part.len - colon - 1};
    u->user = decoded_or_none(u, b, "the user", (weir_str){part.ptr, colon});
    u->password = decoded(u, b, "the password", password);
}

static void read_host(struct weir__pg_url *u, struct weir__bounds *b, weir_str part)
{
    struct weir__url_authority a;
    if (part.len == 0)
        return;
    if (part.ptr[0] == '%' || memchr(part.ptr, ',', part.len) != NULL) {
        complain(b, "the host",
                 part.ptr[0] == '%' ? "is a folder: write ?host=/folder"
                                    : "is a list, which is not supported");
        return;
    }
    if (weir__url_authority_parse(part, &a) != 0 || (a.has_port && a.port == 0)) {
        complain(b, "host or port", "is none; write host, host:port, [ip6]:port");
        return;
    }
    u->port = a.has_port ? a.port : u->port;
    if (a.host.len > 1 && a.host.ptr[0] == '[')
        a.host = (weir_str){a.host.ptr + 1, a.host.len - 2};
    u->host = decoded_or_none(u, b, "the host", a.host);
}

/* --- parameters ------------------------------------------------------------------------------- */

static bool choose(const char *value, const char *const *names, uint8_t count, uint8_t *out)
{
    for (uint8_t i = 0; i < count; i++) {
        if (strcmp(value, names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static void set_sslmode(struct weir__pg_url *u, struct weir__bounds *b, const char *value)
{
    static const char *const names[] = {"disable", "allow",     "prefer",
                                        "require", "verify-ca", "verify-full"};
    if (!choose(value, names, 6, &u->sslmode))
        complain(b, "sslmode",
                 "is none of disable, allow, prefer, require, verify-ca, verify-full");
}

static void set_binding(struct weir__pg_url *u, struct weir__bounds *b, const char *value)
{
    static const char *const names[] = {"prefer", "disable", "require"};
    if (!choose(value, names, 3, &u->binding))
        complain(b, "channel_binding", "is none of disable, prefer, require");
}

static void set_connect_timeout(struct weir__pg_url *u, struct weir__bounds *b, const char *value)
{
    int64_t seconds;
    if (weir_str_i64(weir_str_from(value), &seconds) != WEIR_OK || seconds < 1 || seconds > 600)
        complain(b, "connect_timeout", "is no whole number of seconds from 1 to 600");
    else
        u->connect_seconds = seconds;
}

static void set_port(struct weir__pg_url *u, struct weir__bounds *b, const char *value)
{
    int64_t port;
    if (weir_str_i64(weir_str_from(value), &port) != WEIR_OK || port < 1 || port > 65535)
        complain(b, "port", "is no number from 1 to 65535");
    else
        u->port = (uint16_t)port;
}

static const char **text_of(struct weir__pg_url *u, weir_str name)
{
    const struct {
        weir_str name;
        const char **text;
    } texts[] = {
        {WEIR_S("sslrootcert"), &u->root}, {WEIR_S("sslcert"), &u->certificate},
        {WEIR_S("sslkey"), &u->key},       {WEIR_S("application_name"), &u->application},
        {WEIR_S("options"), &u->options},  {WEIR_S("host"), &u->host},
        {WEIR_S("user"), &u->user},        {WEIR_S("password"), &u->password},
        {WEIR_S("dbname"), &u->database},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (weir_str_eq(texts[i].name, name))
            return texts[i].text;
    }
    return NULL;
}

static void read_parameter(struct weir__pg_url *u, struct weir__bounds *b, weir_str name,
                           weir_str value)
{
    char shown[32];
    (void)snprintf(shown, sizeof shown, WEIR_STR_FMT,
                   (int)(name.len < sizeof shown ? name.len : sizeof shown - 1), name.ptr);
    const char **text = text_of(u, name);
    if (value.ptr == NULL) {
        complain(b, shown, "has no value");
        return;
    }
    const char *decoded_value = decoded(u, b, shown, value);
    if (decoded_value == NULL)
        return;
    if (text != NULL)
        *text = decoded_value[0] != '\0' ? decoded_value : NULL;
    else if (weir_str_eq(name, WEIR_S("sslmode")))
        set_sslmode(u, b, decoded_value);
    else if (weir_str_eq(name, WEIR_S("channel_binding")))
        set_binding(u, b, decoded_value);
    else if (weir_str_eq(name, WEIR_S("connect_timeout")))
        set_connect_timeout(u, b, decoded_value);
    else if (weir_str_eq(name, WEIR_S("port")))
        set_port(u, b, decoded_value);
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

static void make_socket(struct weir__pg_url *u, struct weir__bounds *b)
{
    const char *folder = u->host != NULL ? u->host : FOLDER;
    char *text = take(u, WEIR__LOCAL_TEXT_MAX);
    struct sockaddr_storage address;
    int n = text == NULL
                ? -1
                : snprintf(text, WEIR__LOCAL_TEXT_MAX, "unix:%s/.s.PGSQL.%u", folder, u->port);
    if (n < 0 || n >= WEIR__LOCAL_TEXT_MAX ||
        weir__local_address(weir_str_from(text), &address) == 0)
        complain(b, "the path of the Unix socket", "is longer than 107 bytes");
    u->socket = text;
}

/* What was not said, and what does not go together. */
static void settle(struct weir__pg_url *u, struct weir__bounds *b)
{
    bool is_local = u->host == NULL || u->host[0] == '/';
    if (is_local)
        make_socket(u, b);
    u->is_near = is_local || is_loopback(u->host);
    if (u->sslmode == WEIR__PG_SSL_DEFAULT)
        u->sslmode = u->is_near ? WEIR__PG_SSL_DISABLE : WEIR__PG_SSL_VERIFY_FULL;
    if (is_local)
        u->sslmode = WEIR__PG_SSL_DISABLE; /* as libpq: nobody speaks TLS there */
    if (u->root != NULL && strcmp(u->root, "system") == 0)
        u->root = NULL;
    else if (u->root != NULL && u->sslmode == WEIR__PG_SSL_REQUIRE)
        u->sslmode = WEIR__PG_SSL_VERIFY_CA;
    if ((u->certificate == NULL) != (u->key == NULL))
        complain(b, "sslcert and sslkey", "belong together");
    if (u->binding == WEIR__PG_BINDING_ALWAYS && u->sslmode < WEIR__PG_SSL_REQUIRE)
        complain(b, "channel_binding=require", "needs TLS: sslmode=require and above");
    if (u->user == NULL)
        complain(b, "there is no user", "");
    if (u->database == NULL)
        u->database = u->user;
}

static bool take_scheme(weir_str *rest)
{
    size_t n = find(*rest, ':');
    weir_str scheme = {rest->ptr, n};
    bool is_ours =
        weir_str_ieq(scheme, WEIR_S("postgres")) || weir_str_ieq(scheme, WEIR_S("postgresql"));
    if (!is_ours || rest->len < n + 3 || memcmp(rest->ptr + n, "://", 3) != 0)
        return false;
    (void)cut(rest, n, 3);
    return true;
}

void weir__pg_url_read(const char *text, struct weir__pg_url *u, struct weir__bounds *b)
{
    weir_str rest = weir_str_from(text), name, value;
    *u = (struct weir__pg_url){.port = WEIR__PG_PORT, .sslmode = WEIR__PG_SSL_DEFAULT};
    if (rest.len == 0) {
        complain(b, "there is none", "");
        return;
    }
    if (rest.len > WEIR__PG_URL_MAX) {
        complain(b, "is longer than 2,048 bytes", "");
        return;
    }
    if (!take_scheme(&rest)) {
        complain(b, "does not begin with postgres:// or postgresql://", "");
        return;
    }
    size_t question = find(rest, '?');
    weir_str front = cut(&rest, question, question < rest.len);
    size_t at = find_last(front, '@');
    if (at < front.len)
        read_user(u, b, cut(&front, at, 1));
    size_t slash = find(front, '/');
    read_host(u, b, cut(&front, slash, slash < front.len));
    u->database = decoded_or_none(u, b, "the database", front);
    if (find(rest, '@') < rest.len) { /* names of parameters, told below, would be the password's */
        complain(b, "has an @ behind its ?", "write %3F for a ? in the password, %40 for an @");
        return;
    }
    while (weir__url_pair_next(&rest, &name, &value))
        read_parameter(u, b, name, value);
    settle(u, b);
}
