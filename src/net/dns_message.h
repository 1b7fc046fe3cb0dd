/*
 * Messages of the domain name system: a question written, an answer held against it and read.
 * c-ares writes the question and reads the addresses; that an answer belongs to the question, and
 * for how long a "no" holds, is looked at here, byte by byte. Nothing waits.
 *
 * Sources: RFC 1035, 4 (messages); RFC 5452, 4 and 9 (which answers may be believed); RFC 2308, 5
 * (how long a "no" holds).
 */
#ifndef WEIR_NET_DNS_MESSAGE_H
#define WEIR_NET_DNS_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <weir/err.h>

enum {
    WEIR__DNS_QUESTION_MAX = 12 + 255 + 4, /* bytes: head, name, type and class */
    WEIR__DNS_DATAGRAM_MAX = 512,          /* without EDNS nothing longer may come (4.2.1) */
    WEIR__DNS_STREAM_MAX = 16 << 10,       /* an answer over TCP is refused above that */
    WEIR__DNS_IPS_MAX = 32,                /* of a family: further ones are left out */
    WEIR__DNS_PORT = 53
};

struct weir__dns_question {
    int family; /* of the addresses that are wanted: AF_INET, AF_INET6 */
    size_t len;
    uint8_t bytes[WEIR__DNS_QUESTION_MAX];
};

/* What an answer says. */
enum weir__dns_says {
    WEIR__DNS_NOTHING,   /* no answer to this question: forged, late, or no message at all */
    WEIR__DNS_CUT,       /* there is more than a datagram holds: to be asked over TCP */
    WEIR__DNS_ADDRESSES, /* at least one */
    WEIR__DNS_NO_DATA,   /* the name has no address of this family */
    WEIR__DNS_NO_NAME,   /* there is no such name, whatever the family */
    WEIR__DNS_FAILED     /* the server could not say, would not say, or made no sense */
};

struct weir__dns_answer {
    enum weir__dns_says says;
    uint8_t rcode;  /* of FAILED; 0: it made no sense */
    uint32_t ttl_s; /* how long what it says holds */
    unsigned count;
    uint8_t ips[WEIR__DNS_IPS_MAX][16]; /* 4 bytes each of AF_INET */
};

/*
 * Writes the question for `name`, NUL-terminated and good (addresses.h), with an id that nobody can
 * foresee. -ENOMEM; WEIR_EINVALID for a name that c-ares does not ask for (".onion", RFC 7686).
 */
WEIR_MUST_USE weir_err weir__dns_ask_for(struct weir__dns_question *q, const char *name, int family,
                                         uint16_t id);

/* Reads what came. -ENOMEM: it could not be read; else `a` is set. */
WEIR_MUST_USE weir_err weir__dns_read(const struct weir__dns_question *q, const uint8_t *bytes,
                                      size_t len, struct weir__dns_answer *a);

/* "SERVFAIL" and the like, for messages. */
const char *weir__dns_rcode_name(unsigned rcode);

#endif
