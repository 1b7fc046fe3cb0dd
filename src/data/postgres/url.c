/*
 * What the parts of "postgres://user:password@host:port/database?name=value&…" mean (the libpq
 * manual's chapter on connection URIs).
 */
#include "data/postgres/url.h"

#include <stdio.h>
#include <string.h>

#include "net/local.h"

#define FOLDER "/var/run/postgresql"

/* libpq has two more ways to write hosts here. */
static void read_host(struct weir__pg_url *u, struct weir__sql_url *in)
{
    weir_str part = in->authority;
    if (part.len > 0 && part.ptr[0] == '%')
        weir__sql_url_complain(in, "the host", "is a folder: write ?host=/folder");
    else if (part.len > 0 && memchr(part.ptr, ',', part.len) != NULL)
        weir__sql_url_complain(in, "the host", "is a list, which is not supported");
    else
        u->host = weir__sql_url_host(in, &u->port);
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

static void set_sslmode(struct weir__pg_url *u, struct weir__sql_url *in, const char *value)
{
    static const char *const names[] = {"disable", "allow",     "prefer",
                                        "require", "verify-ca", "verify-full"};
    if (!choose(value, names, 6, &u->sslmode))
        weir__sql_url_complain(in, "sslmode",
                               "is none of disable, allow, prefer, require, verify-ca, "
                               "verify-full");
}

static void set_binding(struct weir__pg_url *u, struct weir__sql_url *in, const char *value)
{
    static const char *const names[] = {"prefer", "disable", "require"};
    if (!choose(value, names, 3, &u->binding))
        weir__sql_url_complain(in, "channel_binding", "is none of disable, prefer, require");
}

static void set_port(struct weir__pg_url *u, struct weir__sql_url *in, const char *value)
{
    int64_t port;
    if (weir_str_i64(weir_str_from(value), &port) != WEIR_OK || port < 1 || port > 65535)
        weir__sql_url_complain(in, "port", "is no number from 1 to 65535");
    else
        u->port = (uint16_t)port;
}

static void set_multiplex(struct weir__pg_url *u, struct weir__sql_url *in, const char *value)
{
    int64_t depth;
    if (weir_str_i64(weir_str_from(value), &depth) != WEIR_OK || depth < 2 || depth > 1024)
        weir__sql_url_complain(in, "multiplex", "is no number from 2 to 1024");
    else
        u->multiplex = (uint32_t)depth;
}

static void set_parameter(struct weir__pg_url *u, struct weir__sql_url *in,
                          const struct weir__sql_url_parameter *p)
{
    const struct weir__sql_url_place places[] = {
        {WEIR_S("sslrootcert"), &u->root}, {WEIR_S("sslcert"), &u->certificate},
        {WEIR_S("sslkey"), &u->key},       {WEIR_S("application_name"), &u->application},
        {WEIR_S("options"), &u->options},  {WEIR_S("host"), &u->host},
        {WEIR_S("user"), &u->user},        {WEIR_S("password"), &u->password},
        {WEIR_S("dbname"), &u->database},
    };
    const char **text = weir__sql_url_place(places, sizeof places / sizeof places[0], p->name);
    if (text != NULL)
        *text = p->value[0] != '\0' ? p->value : NULL;
    else if (weir_str_eq(p->name, WEIR_S("sslmode")))
        set_sslmode(u, in, p->value);
    else if (weir_str_eq(p->name, WEIR_S("channel_binding")))
        set_binding(u, in, p->value);
    else if (weir_str_eq(p->name, WEIR_S("connect_timeout")))
        weir__sql_url_seconds(in, p, &u->connect_seconds);
    else if (weir_str_eq(p->name, WEIR_S("port")))
        set_port(u, in, p->value);
    else if (weir_str_eq(p->name, WEIR_S("multiplex")))
        set_multiplex(u, in, p->value);
    else
        weir__sql_url_complain(in, p->shown, "is no parameter that is known");
}

/* --- the whole -------------------------------------------------------------------------------- */

static void make_socket(struct weir__pg_url *u, struct weir__sql_url *in)
{
    const char *folder = u->host != NULL ? u->host : FOLDER;
    char *text = weir__sql_url_take(in, WEIR__LOCAL_TEXT_MAX);
    struct sockaddr_storage address;
    int n = text == NULL
                ? -1
                : snprintf(text, WEIR__LOCAL_TEXT_MAX, "unix:%s/.s.PGSQL.%u", folder, u->port);
    if (n < 0 || n >= WEIR__LOCAL_TEXT_MAX ||
        weir__local_address(weir_str_from(text), &address) == 0)
        weir__sql_url_complain(in, "the path of the Unix socket", "is longer than 107 bytes");
    u->socket = text;
}

/* What was not said, and what does not go together. */
static void settle(struct weir__pg_url *u, struct weir__sql_url *in)
{
    bool is_local = u->host == NULL || u->host[0] == '/';
    if (is_local)
        make_socket(u, in);
    u->is_near = is_local || weir__sql_url_is_loopback(u->host);
    if (u->sslmode == WEIR__PG_SSL_DEFAULT)
        u->sslmode = u->is_near ? WEIR__PG_SSL_DISABLE : WEIR__PG_SSL_VERIFY_FULL;
    if (is_local)
        u->sslmode = WEIR__PG_SSL_DISABLE; /* as libpq: nobody speaks TLS there */
    if (u->root != NULL && strcmp(u->root, "system") == 0)
        u->root = NULL;
    else if (u->root != NULL && u->sslmode == WEIR__PG_SSL_REQUIRE)
        u->sslmode = WEIR__PG_SSL_VERIFY_CA;
    if ((u->certificate == NULL) != (u->key == NULL))
        weir__sql_url_complain(in, "sslcert and sslkey", "belong together");
    if (u->binding == WEIR__PG_BINDING_ALWAYS && u->sslmode < WEIR__PG_SSL_REQUIRE)
        weir__sql_url_complain(in, "channel_binding=require",
                               "needs TLS: sslmode=require and above");
    if (u->user == NULL)
        weir__sql_url_complain(in, "there is no user", "");
    if (u->database == NULL)
        u->database = u->user;
}

void weir__pg_url_read(const char *text, struct weir__pg_url *u, struct weir__bounds *b)
{
    static const char *const schemes[2] = {"postgres", "postgresql"};
    struct weir__sql_url in = {.mistakes = b, .room = u->bytes, .left = sizeof u->bytes};
    struct weir__sql_url_parameter p;
    *u = (struct weir__pg_url){.port = WEIR__PG_PORT, .sslmode = WEIR__PG_SSL_DEFAULT};
    if (text == NULL || text[0] == '\0') {
        weir__sql_url_complain(&in, "there is none", "");
        return;
    }
    if (!weir__sql_url_split(&in, weir_str_from(text), schemes))
        return;
    u->user = weir__sql_url_text_or_none(&in, "the user", in.user);
    u->password = weir__sql_url_text(&in, "the password", in.password);
    read_host(u, &in);
    u->database = weir__sql_url_text_or_none(&in, "the database", in.path);
    if (!weir__sql_url_may_have_parameters(&in))
        return;
    while (weir__sql_url_next(&in, &p))
        set_parameter(u, &in, &p);
    settle(u, &in);
}
