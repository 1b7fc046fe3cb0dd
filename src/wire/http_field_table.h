/*
 * The table of known field names and the look-up in it, inlined into the head parser, where it runs
 * once a header line. A perfect hash of length, first and last letter finds the one candidate; the
 * comparison that follows reads the name with overlapping loads of its own length, never past it.
 */
#ifndef WEIR_WIRE_HTTP_FIELD_TABLE_H
#define WEIR_WIRE_HTTP_FIELD_TABLE_H

#include "wire/http_field.h"
#include <string.h>

#define WEIR_FIELD_HASH_SIZE 128
#define WEIR_FIELD_NAME_MAX 31

struct weir__http_known_name {
    unsigned char len;
    char name[WEIR_FIELD_NAME_MAX]; /* lower case */
};

extern const struct weir__http_known_name weir__http_known_names[WEIR_FIELD_COUNT];
extern const unsigned char weir__http_known_hash[WEIR_FIELD_HASH_SIZE];

static inline uint64_t weir__load64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t weir__load32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* True when `s` is `lower` but for the case of letters, given that `s` has no byte that is not
 * allowed in a line: only then does setting bit 5 confuse nothing with a letter, digit or '-'. */
static inline bool weir__http_name_matches(const char *s, const char *lower, size_t len)
{
    const uint64_t bit5 = 0x2020202020202020;
    if (len >= 8) {
        uint64_t diff = 0;
        for (size_t i = 0; i + 8 < len; i += 8)
            diff |= (weir__load64(s + i) | bit5) ^ weir__load64(lower + i);
        diff |= (weir__load64(s + len - 8) | bit5) ^ weir__load64(lower + len - 8);
        return diff == 0;
    }
    if (len >= 4) {
        const uint32_t half = 0x20202020;
        uint32_t diff = (weir__load32(s) | half) ^ weir__load32(lower);
        return (diff | ((weir__load32(s + len - 4) | half) ^ weir__load32(lower + len - 4))) == 0;
    }
    return len == 2 && (s[0] | 0x20) == lower[0] && (s[1] | 0x20) == lower[1];
}

/* The id of a name of one byte or more that has no control characters. */
static inline enum weir__http_field_id weir__http_known_find(const char *s, size_t len)
{
    unsigned first = (unsigned char)s[0] | 0x20, last = (unsigned char)s[len - 1] | 0x20;
    unsigned hash = ((unsigned)len * 37 + first * 30 + last * 28) % WEIR_FIELD_HASH_SIZE;
    unsigned id = weir__http_known_hash[hash];
    const struct weir__http_known_name *known = &weir__http_known_names[id];
    if (known->len != len || !weir__http_name_matches(s, known->name, len))
        return WEIR_FIELD_OTHER;
    return (enum weir__http_field_id)id;
}

#endif
