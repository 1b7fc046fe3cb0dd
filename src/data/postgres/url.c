/*
 * What the parts of "postgres://user:password@host:port/database?name=value&…" mean (the libpq
 * manual's chapter on connection URIs).
 */
#include "data/postgres/url.h"

#include <stdio.h>
#include <string.h>

#include "net/local.h"

#define FOLDER "/var/run/postgresql"

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

/* Of the servers that libpq would stay with, those that there is something to do for here. */
static void set_target(struct weir__pg_url *u, struct weir__sql_url *in, const char *value)
{
    static const char *const names[] = {"any", "prefer-standby", "primary", "read-write"};
    uint8_t chosen;
    if (choose(value, names, 4, &chosen))
        u->is_primary_only = chosen >= 2;
    else
        weir__sql_url_complain(in, "target_session_attrs",
                               "is none of any, prefer-standby, primary, read-write; reads go to "
                               "standbys without it");
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
        {WEIR_S("options"), &u->options},  {WEIR_S("host"), &u->host_texts},
        {WEIR_S("user"), &u->user},        {WEIR_S("password"), &u->password},
        {WEIR_S("dbname"), &u->database},  {WEIR_S("port"), &u->port_text},
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
    else if (weir_str_eq(p->name, WEIR_S("multiplex")))
        set_multiplex(u, in, p->value);
    else if (weir_str_eq(p->name, WEIR_S("target_session_attrs")))
        set_target(u, in, p->value);
    else
        weir__sql_url_complain(in, p->shown, "is no parameter that is known");
}

/* --- hosts ------------------------------------------------------------------------------------ */

/* A folder is a name that libpq has for the Unix socket in it. */
static void read_authority(struct weir__pg_url *u, struct weir__sql_url *in)
{
    weir_str part = in->authority;
    u->hosts[0] = (struct weir__sql_host){.port = WEIR__PG_PORT};
    if (part.len > 0 && part.ptr[0] == '%')
        weir__sql_url_complain(in, "the host", "is a folder: write ?host=/folder");
    else
        u->host_count = weir__sql_url_hosts(in, WEIR__PG_PORT, u->hosts);
}

static char *ended(struct weir__sql_url *in, weir_str part)
{
    char *text = weir__sql_url_take(in, part.len + 1);
    if (text == NULL || part.len == 0)
        return NULL;
    text[part.len] = '\0';
    return memcpy(text, part.ptr, part.len);
}

/* host=a,b in place of what stands before the path. */
static void read_hosts(struct weir__pg_url *u, struct weir__sql_url *in)
{
    weir_str list, part;
    if (u->host_texts == NULL)
        return;
    list = weir_str_from(u->host_texts);
    u->host_count = 0;
    while (u->host_count < WEIR__SQL_HOSTS_MAX && weir__sql_url_part(&list, &part))
        u->hosts[u->host_count++] =
            (struct weir__sql_host){.name = ended(in, part), .port = WEIR__PG_PORT};
    if (list.ptr != NULL)
        weir__sql_url_complain(in, "host", "lists more than 16");
}

/* port=1,2: one a host, or one for all of them. */
static void read_ports(struct weir__pg_url *u, struct weir__sql_url *in)
{
    weir_str list = weir_str_from(u->port_text != NULL ? u->port_text : ""), part;
    unsigned count = u->host_count > 0 ? u->host_count : 1, n = 0;
    int64_t port = 0;
    while (list.len > 0 && weir__sql_url_part(&list, &part)) {
        bool is_one = weir_str_i64(part, &port) == WEIR_OK && port >= 1 && port <= 65535;
        if (!is_one || n == count) {
            weir__sql_url_complain(in, "port",
                                   is_one ? "lists more than there are hosts"
                                          : "is no number from 1 to 65535");
            return;
        }
        u->hosts[n++].port = (uint16_t)port;
    }
    if (n > 1 && n < count)
        weir__sql_url_complain(in, "port", "is one for all hosts, or one for each");
    for (; n > 0 && n < count; n++)
        u->hosts[n].port = (uint16_t)port;
}

static void make_socket(struct weir__sql_host *h, struct weir__sql_url *in)
{
    const char *folder = h->name != NULL ? h->name : FOLDER;
    char *text = weir__sql_url_take(in, WEIR__LOCAL_TEXT_MAX);
    struct sockaddr_storage address;
    int n = text == NULL
                ? -1
                : snprintf(text, WEIR__LOCAL_TEXT_MAX, "unix:%s/.s.PGSQL.%u", folder, h->port);
    if (n < 0 || n >= WEIR__LOCAL_TEXT_MAX ||
        weir__local_address(weir_str_from(text), &address) == 0)
        weir__sql_url_complain(in, "the path of the Unix socket", "is longer than 107 bytes");
    h->socket = text;
    h->name = NULL;
}

/* What is demanded of each: what was said, or what its place asks for. */
static void settle_hosts(struct weir__pg_url *u, struct weir__sql_url *in)
{
    uint8_t most = WEIR__PG_SSL_DISABLE;
    bool is_alone = u->host_count == 0; /* and not named: the usual socket */
    u->host_count += is_alone;
    for (unsigned i = 0; i < u->host_count; i++) {
        struct weir__sql_host *h = &u->hosts[i];
        bool is_local = h->name != NULL ? h->name[0] == '/' : is_alone;
        if (is_local)
            make_socket(h, in);
        h->is_near = is_local || (h->name != NULL && weir__sql_url_is_loopback(h->name));
        h->tls = u->sslmode;
        if (h->tls == WEIR__PG_SSL_DEFAULT)
            h->tls = h->is_near ? WEIR__PG_SSL_DISABLE : WEIR__PG_SSL_VERIFY_FULL;
        if (is_local)
            h->tls = WEIR__PG_SSL_DISABLE; /* as libpq: nobody speaks TLS there */
        if (u->root != NULL && h->tls == WEIR__PG_SSL_REQUIRE)
            h->tls = WEIR__PG_SSL_VERIFY_CA;
        most = h->tls > most ? h->tls : most;
    }
    u->sslmode = most;
    weir__sql_url_check_hosts(in, u->hosts, u->host_count);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* What was not said, and what does not go together. */
static void settle(struct weir__pg_url *u, struct weir__sql_url *in)
{
    if (u->root != NULL && strcmp(u->root, "system") == 0)
        u->root = NULL;
    read_hosts(u, in);
    read_ports(u, in);
    settle_hosts(u, in);
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
    *u = (struct weir__pg_url){.sslmode = WEIR__PG_SSL_DEFAULT};
    if (text == NULL || text[0] == '\0') {
        weir__sql_url_complain(&in, "there is none", "");
        return;
    }
    if (!weir__sql_url_split(&in, weir_str_from(text), schemes))
        return;
    u->user = weir__sql_url_text_or_none(&in, "the user", in.user);
    u->password = weir__sql_url_text(&in, "the password", in.password);
    read_authority(u, &in);
    u->database = weir__sql_url_text_or_none(&in, "the database", in.path);
    if (!weir__sql_url_may_have_parameters(&in))
        return;
    while (weir__sql_url_next(&in, &p))
        set_parameter(u, &in, &p);
    settle(u, &in);
}
