/*
 * The two files that say how a machine finds names, as texts: resolv.conf (which servers, what is
 * appended) and hosts. Pure; what cannot be read in them is skipped, as the C library does.
 *
 * Sources: resolv.conf(5), hosts(5).
 */
#ifndef WEIR_NET_RESOLV_CONF_H
#define WEIR_NET_RESOLV_CONF_H

#include "net/addresses.h"

enum {
    WEIR__NAME_SERVERS_MAX = 3,
    WEIR__SEARCH_MAX = 6,
    WEIR__NDOTS_MAX = 15,
    WEIR__DNS_TIMEOUT_S_MAX = 30,
    WEIR__DNS_ATTEMPTS_MAX = 5
};

struct weir__resolv_conf {
    unsigned server_count; /* at least one */
    struct weir__endpoint servers[WEIR__NAME_SERVERS_MAX];
    unsigned search_count;
    char search[WEIR__SEARCH_MAX][WEIR__NAME_MAX + 1]; /* without the dot at the end */
    unsigned ndots;     /* a name with fewer dots is first looked for in `search`; default 1 */
    unsigned timeout_s; /* for a server to answer; default 2 */
    unsigned attempts;  /* of each server; default 2 */
};

/*
 * Reads it. Beside "nameserver IP" it takes "nameserver IP:port" and "[IPv6]:port", as c-ares does.
 * Without a server: 127.0.0.1.
 */
void weir__resolv_conf_read(weir_str text, struct weir__resolv_conf *out);

/* Adds the addresses that `name` has in a text like /etc/hosts; how many. */
unsigned weir__hosts_find(weir_str text, weir_str name, struct weir__addresses *out);

#endif
