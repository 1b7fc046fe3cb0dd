/* What an URL says of a PostgreSQL server. */
#ifndef WEIR_DATA_POSTGRES_URL_H
#define WEIR_DATA_POSTGRES_URL_H

#include <stdint.h>

#include "data/sql/url.h"

enum { WEIR__PG_PORT = 5432 };

/* In the order of what they demand. */
enum weir__pg_sslmode {
    WEIR__PG_SSL_DISABLE,
    WEIR__PG_SSL_ALLOW,     /* plain; TLS when the server refuses that */
    WEIR__PG_SSL_PREFER,    /* TLS if the server has it; whoever answers is believed */
    WEIR__PG_SSL_REQUIRE,   /* … it must have it; with sslrootcert as verify-ca, as libpq does */
    WEIR__PG_SSL_VERIFY_CA, /* its certificate is trusted */
    WEIR__PG_SSL_VERIFY_FULL, /* and names the host */
    WEIR__PG_SSL_DEFAULT
};

enum weir__pg_binding { WEIR__PG_BINDING_PREFER, WEIR__PG_BINDING_NEVER, WEIR__PG_BINDING_ALWAYS };

struct weir__pg_url {
    /* NUL-terminated, in `bytes`; NULL: not given, but for those that have a default. */
    const char *user, *password, *database;
    const char *root, *certificate, *key, *application, *options;
    /* Sockets as "unix:/var/run/postgresql/.s.PGSQL.5432"; tls is a weir__pg_sslmode. */
    struct weir__sql_host hosts[WEIR__SQL_HOSTS_MAX];
    unsigned host_count;                /* at least 1, of an URL without mistakes */
    const char *host_texts, *port_text; /* the parameters; NULL: as before the path */
    uint8_t sslmode, binding;           /* the most of all hosts' */
    bool is_primary_only;
    int64_t connect_seconds; /* 0: not said */
    uint32_t multiplex;      /* 0: not said */
    char bytes[WEIR__SQL_URL_ROOM];
};

/* Reads `text`; NULL is a mistake as well. Mistakes are lines of `b`. */
void weir__pg_url_read(const char *text, struct weir__pg_url *out, struct weir__bounds *b);

#endif
