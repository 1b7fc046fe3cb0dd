/*
 * How a client of MySQL and MariaDB proves who it is: one conversation, whichever way the server
 * asks for, from the greeting to its OK. Bodies of packets in, bodies out.
 *
 *   mysql_native_password   a proof over the server's nonce (SHA-1)
 *   caching_sha2_password   a proof (SHA-256); the password itself where the server has none in
 *                           its memory: through TLS or a local socket as it is, else under the
 *                           server's RSA key
 *   mysql_clear_password    the password as it is: through TLS alone
 *   auth_socket, unix_socket  the kernel says who asks
 *
 * Another way is refused by its name, ed25519 and the old one of 16 bytes among them. The password
 * never leaves in the clear, whatever a server asks for.
 *
 * Sources: MySQL internals, "Authentication Methods"; MariaDB knowledge base, "Connecting".
 */
#ifndef WEIR_WIRE_MYSQL_AUTH_H
#define WEIR_WIRE_MYSQL_AUTH_H

#include "crypto/rsa.h"
#include "wire/mysql_handshake.h"

enum { WEIR__MYSQL_PROOF_MAX = 32, WEIR__MYSQL_PASSWORD_MAX = 256, WEIR__MYSQL_PLUGIN_MAX = 64 };

/* What is under a connection: who could read along. */
enum weir__mysql_carrier { WEIR__MYSQL_PLAIN, WEIR__MYSQL_TLS, WEIR__MYSQL_LOCAL };

enum weir__mysql_auth_state {
    WEIR__MYSQL_AUTH_PROVED, /* what was asked for has been sent: OK, ERR or more is next */
    WEIR__MYSQL_AUTH_KEY     /* the server's key was asked for */
};

struct weir__mysql_auth {
    weir_str password;                  /* borrowed */
    const struct weir__crypto_rsa *key; /* that was configured; NULL: none */
    enum weir__mysql_carrier carrier;
    uint8_t state;
    uint8_t steps; /* a server does not ask for ever */
    char plugin[WEIR__MYSQL_PLUGIN_MAX];
    uint8_t nonce[WEIR__MYSQL_NONCE];
};

/* What comes next; an error is below. */
enum weir__mysql_auth_next {
    WEIR__MYSQL_AUTH_READ, /* there is nothing to send: read on */
    WEIR__MYSQL_AUTH_SEND, /* what was added to `out`, then read on */
    WEIR__MYSQL_AUTH_DONE, /* the packet is an OK */
    WEIR__MYSQL_AUTH_ERR   /* the packet is an ERR */
};

/*
 * Begins with the plugin and the nonce of the greeting; the members above `state` are set. What
 * goes into weir__mysql_login.auth is added to `out`. An unknown plugin is answered with nothing:
 * the server will say which one the user has. 0; -ENOMEM; WEIR_ETOOLARGE for the password.
 */
int weir__mysql_auth_begin(struct weir__mysql_auth *a, weir_str plugin, const uint8_t *nonce,
                           weir_buf *out);

/* Goes on with a packet. Below 0: ECUT, EFORM, -ENOMEM, WEIR_ENOTBUILT (the way), with a sentence
 * in `why`. */
int weir__mysql_auth_step(struct weir__mysql_auth *a, weir_str body, weir_buf *out, weir_buf *why);

/*
 * Proofs, of 20 and of 32 bytes; none (0 bytes) of an empty password. Return the length, -ENOMEM.
 */
int weir__mysql_native_proof(weir_str password, const uint8_t *nonce, uint8_t *out);
int weir__mysql_sha2_proof(weir_str password, const uint8_t *nonce, uint8_t *out);

#endif
