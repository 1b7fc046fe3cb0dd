/* What the parts of "mysql://user:password@host:port/database?name=value&…" mean. */
#include "data/mysql/url.h"

#include <string.h>
#include <sys/un.h>

#define SOCKET "/run/mysqld/mysqld.sock"

/* --- parameters ------------------------------------------------------------------------------- */

static void set_ssl(struct weir__mysql_url *u, struct weir__sql_url *in, const char *value)
{
    static const char *const names[] = {"disabled", "preferred", "required", "verify_identity"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (weir_str_ieq(weir_str_from(value), weir_str_from(names[i]))) {
            u->ssl = (uint8_t)i;
            return;
        }
    }
    weir__sql_url_complain(
        in, "ssl-mode",
        weir_str_ieq(weir_str_from(value), WEIR_S("verify_ca"))
            ? "verify_ca would believe any server that has a trusted certificate; write "
              "verify_identity"
            : "is none of disabled, preferred, required, verify_identity");
}

/* One without a text says nothing. */
static void set_parameter(struct weir__mysql_url *u, struct weir__sql_url *in,
                          const struct weir__sql_url_parameter *p)
{
    const struct weir__sql_url_place places[] = {
        {WEIR_S("ssl-ca"), &u->ca},
        {WEIR_S("ssl-cert"), &u->certificate},
        {WEIR_S("ssl-key"), &u->key},
        {WEIR_S("socket"), &u->socket},
    };
    const char **text = weir__sql_url_place(places, sizeof places / sizeof places[0], p->name);
    if (p->value[0] == '\0')
        return;
    if (text != NULL)
        *text = p->value;
    else if (weir_str_eq(p->name, WEIR_S("ssl-mode")))
        set_ssl(u, in, p->value);
    else if (weir_str_eq(p->name, WEIR_S("connect-timeout")))
        weir__sql_url_seconds(in, p, &u->connect_seconds);
    else
        weir__sql_url_complain(in, p->shown, "is no parameter that is known");
}

/* --- the whole -------------------------------------------------------------------------------- */

/* The socket, where there is no host. */
static void settle_socket(struct weir__mysql_url *u, struct weir__sql_url *in)
{
    if (u->host_count > 0 && u->socket != NULL)
        weir__sql_url_complain(in, "a host and a socket", "do not go together");
    if (u->host_count > 0)
        return;
    u->hosts[0].socket = u->socket != NULL ? u->socket : SOCKET;
    u->host_count = 1;
    if (strlen(u->hosts[0].socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
        weir__sql_url_complain(in, "the path of the Unix socket", "is longer than 107 bytes");
    if (u->ssl != WEIR__MYSQL_SSL_DEFAULT && u->ssl != WEIR__MYSQL_SSL_DISABLED)
        weir__sql_url_complain(in, "ssl-mode", "has no meaning on a Unix socket");
}

/* What is demanded of each: what was said, or what its place asks for. */
static void settle_hosts(struct weir__mysql_url *u, struct weir__sql_url *in)
{
    uint8_t most = WEIR__MYSQL_SSL_DISABLED;
    for (unsigned i = 0; i < u->host_count; i++) {
        struct weir__sql_host *h = &u->hosts[i];
        h->is_near = h->name == NULL || weir__sql_url_is_loopback(h->name);
        h->tls = u->ssl;
        if (h->tls == WEIR__MYSQL_SSL_DEFAULT)
            h->tls = h->is_near ? WEIR__MYSQL_SSL_DISABLED : WEIR__MYSQL_SSL_VERIFY;
        most = h->tls > most ? h->tls : most;
    }
    u->ssl = most;
    weir__sql_url_check_hosts(in, u->hosts, u->host_count);
}

/* What was not said, and what does not go together. */
static void settle(struct weir__mysql_url *u, struct weir__sql_url *in)
{
    settle_socket(u, in);
    settle_hosts(u, in);
    if (u->ca != NULL && u->ssl != WEIR__MYSQL_SSL_VERIFY)
        weir__sql_url_complain(in, "ssl-ca", "has a meaning with ssl-mode=verify_identity alone");
    if ((u->certificate == NULL) != (u->key == NULL))
        weir__sql_url_complain(in, "ssl-cert and ssl-key", "belong together");
    if (u->user == NULL)
        weir__sql_url_complain(in, "there is no user", "");
}

void weir__mysql_url_read(const char *text, struct weir__mysql_url *u, struct weir__bounds *b)
{
    static const char *const schemes[2] = {"mysql", "mariadb"};
    struct weir__sql_url in = {.mistakes = b, .room = u->bytes, .left = sizeof u->bytes};
    struct weir__sql_url_parameter p;
    *u = (struct weir__mysql_url){.ssl = WEIR__MYSQL_SSL_DEFAULT};
    if (text == NULL) {
        weir__sql_url_complain(&in, "there is none", "(mysql://user:password@host:port/database)");
        return;
    }
    if (!weir__sql_url_split(&in, weir_str_from(text), schemes))
        return;
    u->user = weir__sql_url_text_or_none(&in, "the user", in.user);
    u->password = weir__sql_url_text(&in, "the password", in.password);
    u->host_count = weir__sql_url_hosts(&in, WEIR__MYSQL_PORT, u->hosts);
    u->database = weir__sql_url_text_or_none(&in, "the database", in.path);
    if (!weir__sql_url_may_have_parameters(&in))
        return;
    while (weir__sql_url_next(&in, &p))
        set_parameter(u, &in, &p);
    settle(u, &in);
}
