/*
 * Addresses to listen on, as people write them.
 */
#ifndef WEIR_APP_ADDRESS_H
#define WEIR_APP_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <weir/api.h>
#include <weir/err.h>

struct weir__address {
    struct sockaddr_storage addr;
    socklen_t len;
};

/* "[::1]:65535" with the longest IPv6 address in it, and the NUL. */
enum { WEIR__ADDRESS_TEXT_MAX = INET6_ADDRSTRLEN + 9 };

/*
 * Reads ":8080" (all addresses, IPv6 and IPv4), "127.0.0.1:0", "[::1]:80", "localhost:80". Names are not looked
 * up. WEIR_EINVALID.
 */
WEIR_MUST_USE weir_err weir__address_parse(const char *text, struct weir__address *out);

/* Writes it the same way. */
void weir__address_print(const struct weir__address *a, char out[WEIR__ADDRESS_TEXT_MAX]);

/* For an option's `check`: NULL when it is one. */
const char *weir__address_check(const char *text);

#endif
