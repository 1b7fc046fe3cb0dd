/*
 * The keys that seal session tickets (RFC 5077 section 4, RFC 8446 section 4.6.1). A ticket that
 * one worker has given is taken by each other, and by the next generation of the process, so keys
 * are the process', or come from whoever starts its generations.
 */
#ifndef WEIR_NET_TLS_TICKET_H
#define WEIR_NET_TLS_TICKET_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/time.h>

enum {
    WEIR__TLS_KEY_NAME_BYTES = 16,
    WEIR__TLS_KEY_BYTES = 32,
    WEIR__TLS_KEYS_MAX = 3 /* the newest seals; older ones only open */
};
#define WEIR__TLS_KEY_LIFE_NS (12LL * 3600 * 1000000000)

struct weir__tls_key {
    unsigned char name[WEIR__TLS_KEY_NAME_BYTES];
    unsigned char cipher[WEIR__TLS_KEY_BYTES], mac[WEIR__TLS_KEY_BYTES];
    weir_time since; /* it is the newest */
};

/* Newest first. */
struct weir__tls_keys {
    unsigned count;
    struct weir__tls_key keys[WEIR__TLS_KEYS_MAX];
};

/*
 * Makes `keys` those of `now`: a new one in front when the newest has had its time or there is
 * none; those that no ticket is taken for any more are wiped.
 */
void weir__tls_keys_turn(struct weir__tls_keys *keys, weir_time now);

/*
 * Who has the keys. `turn` is called with what was given last (zeroed at first), under a lock, and
 * makes it that of `now`. NULL, as at first: the process itself, by weir__tls_keys_turn. Before
 * there are workers.
 */
void weir__tls_keys_from(void (*turn)(struct weir__tls_keys *keys, weir_time now));

/* Those of `now`: one to seal with; the one of that name to open with, false: there is none. */
void weir__tls_key_to_seal(weir_time now, struct weir__tls_key *out);
bool weir__tls_key_to_open(weir_time now, const unsigned char *name, struct weir__tls_key *out,
                           bool *is_newest);

#endif
