/*
 * How a connection to MySQL or MariaDB begins: the server's greeting, the client's request for TLS
 * and its answer. Who proves what to whom is mysql_auth.h's.
 *
 * Sources: MySQL internals, "Connection Phase" (HandshakeV10, SSLRequest, HandshakeResponse41);
 * MariaDB knowledge base, "Connecting" (its further capabilities, which are bits 32 and up here).
 */
#ifndef WEIR_WIRE_MYSQL_HANDSHAKE_H
#define WEIR_WIRE_MYSQL_HANDSHAKE_H

#include "wire/mysql_packet.h"

/* What both ends can do; MariaDB leaves the first out, and has those of the second half. */
#define WEIR__MYSQL_IS_MYSQL (1ull << 0)
#define WEIR__MYSQL_FOUND_ROWS (1ull << 1) /* an UPDATE counts rows that were as it would be */
#define WEIR__MYSQL_LONG_FLAG (1ull << 2)
#define WEIR__MYSQL_WITH_DB (1ull << 3)
#define WEIR__MYSQL_LOCAL_FILES (1ull << 7)
#define WEIR__MYSQL_PROTOCOL_41 (1ull << 9)
#define WEIR__MYSQL_SSL (1ull << 11)
#define WEIR__MYSQL_TRANSACTIONS (1ull << 13)
#define WEIR__MYSQL_SECURE (1ull << 15)
#define WEIR__MYSQL_MULTI_STATEMENTS (1ull << 16)
#define WEIR__MYSQL_MULTI_RESULTS (1ull << 17)
#define WEIR__MYSQL_PS_MULTI_RESULTS (1ull << 18)
#define WEIR__MYSQL_PLUGIN_AUTH (1ull << 19)
#define WEIR__MYSQL_ATTRIBUTES (1ull << 20)
#define WEIR__MYSQL_LENENC_AUTH (1ull << 21)
#define WEIR__MYSQL_SESSION_TRACK (1ull << 23)
#define WEIR__MYSQL_DEPRECATE_EOF (1ull << 24)
#define WEIR__MARIADB_BULK (1ull << 34)              /* COM_STMT_BULK_EXECUTE */
#define WEIR__MARIADB_EXTENDED_METADATA (1ull << 35) /* columns say "json", "uuid" */
#define WEIR__MARIADB_CACHE_METADATA (1ull << 36)    /* columns are told again when they changed */

enum { WEIR__MYSQL_NONCE = 20, WEIR__MYSQL_UTF8MB4 = 45 /* utf8mb4_general_ci */ };

/* What a server says first. Texts are borrowed from the packet. */
struct weir__mysql_greeting {
    weir_str version; /* "10.11.6-MariaDB", without the "5.5.5-" that MariaDB puts before it */
    weir_str plugin;  /* of authentication */
    uint64_t capabilities;
    uint32_t thread; /* the connection's number at the server, for KILL */
    uint16_t status;
    uint8_t charset;
    bool is_mariadb;
    uint8_t nonce[WEIR__MYSQL_NONCE];
};

/* Reads it. 0; ECUT, EVERSION, EOLD. An ERR packet may come instead (weir__mysql_err_read). */
int weir__mysql_greeting_read(weir_str body, struct weir__mysql_greeting *out);

/* What a client answers. Texts are borrowed for the call. */
struct weir__mysql_login {
    uint64_t capabilities; /* of those that the server has */
    uint32_t packet_max;   /* bytes that it takes */
    uint8_t charset;
    weir_str user, database; /* absent: none */
    weir_str auth;           /* 255 bytes at most without LENENC_AUTH */
    weir_str plugin;
    weir_str program; /* told as an attribute, where that can be; absent: none */
};

/* The body of the request for TLS, and that of the answer. */
void weir__mysql_ssl_request(weir_buf *out, const struct weir__mysql_login *l);
void weir__mysql_login(weir_buf *out, const struct weir__mysql_login *l);

#endif
