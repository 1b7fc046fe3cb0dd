/* What an URL says of a MySQL server. */
#ifndef WEIR_DATA_MYSQL_URL_H
#define WEIR_DATA_MYSQL_URL_H

#include <stdint.h>

#include "data/sql/url.h"

enum { WEIR__MYSQL_PORT = 3306 };

/* In the order of what they demand. */
enum weir__mysql_ssl {
    WEIR__MYSQL_SSL_DISABLED,
    WEIR__MYSQL_SSL_PREFERRED,
    WEIR__MYSQL_SSL_REQUIRED,
    WEIR__MYSQL_SSL_VERIFY, /* the certificate is trusted and names the host */
    WEIR__MYSQL_SSL_DEFAULT
};

struct weir__mysql_url {
    /* NUL-terminated, in `bytes`; NULL: not given, but for those that have a default. */
    const char *user, *password, *database;
    const char *ca, *certificate, *key;
    struct weir__sql_host hosts[WEIR__SQL_HOSTS_MAX]; /* sockets are paths; tls is a _ssl */
    unsigned host_count;                              /* at least 1, of an URL without mistakes */
    const char *socket;                               /* the parameter; NULL: none */
    uint8_t ssl;                                      /* the most of all hosts' */
    int64_t connect_seconds;                          /* 0: not said */
    char bytes[WEIR__SQL_URL_ROOM];
};

/* Reads `text`; NULL is a mistake as well. Mistakes are lines of `b`. */
void weir__mysql_url_read(const char *text, struct weir__mysql_url *out, struct weir__bounds *b);

#endif
