/*
 * Addresses of the Internet as values, and sets of them: what "trusted" options, the PROXY protocol
 * and the fields Forwarded and X-Forwarded-For are made of. Numbers only; no name is looked up.
 */
#ifndef WEIR_WIRE_IP_H
#define WEIR_WIRE_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/err.h>
#include <weir/str.h>

/* IPv4 over IPv6 (::ffff:a.b.c.d) is IPv4 here, so that one peer has one address. */
struct weir__ip {
    uint8_t bytes[16]; /* 4 of them for IPv4; the rest is 0 */
    uint8_t family;    /* AF_INET, AF_INET6, AF_UNIX (a local one, all alike); 0: none */
};

enum { WEIR__IP_TEXT_MAX = 48, WEIR__CIDRS_MAX = 64 };

/* Reads an address without brackets, port or zone. WEIR_EINVALID for all else. */
WEIR_MUST_USE weir_err weir__ip_parse(weir_str text, struct weir__ip *out);

/* Makes IPv4 of an IPv6 address that is one. */
void weir__ip_unmap(struct weir__ip *ip);

/* Writes it, with a NUL; "unix", "-" for those without numbers. Returns the length. */
size_t weir__ip_format(const struct weir__ip *ip, char out[WEIR__IP_TEXT_MAX]);

bool weir__ip_eq(const struct weir__ip *a, const struct weir__ip *b);

/* A network: an address and how many of its bits count. */
struct weir__cidr {
    struct weir__ip ip;
    uint8_t bits;
};

/*
 * Reads "10.0.0.0/8", "fd00::/8", one address, or "unix" (each local peer). WEIR_EINVALID for all
 * else, for bits that are too many, and for an address with bits beside the network's: "10.1.0.0/8"
 * is a mistake of who wrote it.
 */
WEIR_MUST_USE weir_err weir__cidr_parse(weir_str text, struct weir__cidr *out);

bool weir__cidr_has(const struct weir__cidr *net, const struct weir__ip *ip);

struct weir__cidrs {
    size_t count;
    struct weir__cidr nets[WEIR__CIDRS_MAX];
};

/*
 * Reads networks, separated by commas or blanks. Returns 0; or WEIR_EINVALID, WEIR_ELIMIT past 64
 * of them, and `bad` is the one that is wrong. After an error there are none.
 */
WEIR_MUST_USE weir_err weir__cidrs_parse(weir_str text, struct weir__cidrs *out, weir_str *bad);

/* True when one of them has the address. */
bool weir__cidrs_have(const struct weir__cidrs *nets, const struct weir__ip *ip);

#endif
