/*
 * Endpoints: socket addresses as a value: what people write ("127.0.0.1:8080", ":8080",
 * "[::1]:8080"), what the kernel wants, and what a connection keeps of its peer. IPv4 and IPv6,
 * numbers only: no name is looked up here.
 */
#ifndef WEIR_NET_ENDPOINT_H
#define WEIR_NET_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <weir/str.h>

/* An IP address and a port, small enough to be kept for each of a million connections. */
struct weir__endpoint {
    uint8_t ip[16]; /* 4 bytes of it for IPv4 */
    uint16_t port;
    uint8_t family; /* AF_INET, AF_INET6; AF_UNIX: a local one, which is only "unix"; 0: none */
};

#define WEIR__ENDPOINT_TEXT_MAX 64 /* "[ffff:…]:65535" and its NUL fit */

/*
 * Reads "ip:port", "[ip6]:port", "localhost:port" and ":port" (every address of the machine, both
 * families). WEIR_EINVALID for all else.
 */
WEIR_MUST_USE weir_err weir__endpoint_parse(weir_str text, struct weir__endpoint *out);

/*
 * The parts of "host:port" and "[ip6]:port", whatever the host is; without the brackets. False: it
 * has no port from 1 to 65535, or no host, or an IPv6 address without brackets.
 */
bool weir__endpoint_split(weir_str text, weir_str *host, uint16_t *port);

/* Writes it as it may be parsed again; returns the length, without the NUL that is written too. */
size_t weir__endpoint_format(const struct weir__endpoint *a, char out[WEIR__ENDPOINT_TEXT_MAX]);

/* The IP alone, without brackets and port: for logs and rate limits. */
size_t weir__endpoint_format_ip(const struct weir__endpoint *a, char out[WEIR__ENDPOINT_TEXT_MAX]);

/* To and from the kernel's form. An IPv4 address that came in over IPv6 becomes IPv4. */
socklen_t weir__endpoint_to_kernel(const struct weir__endpoint *a, struct sockaddr_storage *out);
void weir__endpoint_from_kernel(struct weir__endpoint *a, const struct sockaddr_storage *from);

#endif
