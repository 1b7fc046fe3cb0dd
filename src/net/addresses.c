/*
 * Names as text, and the few that are known without asking. Pure.
 */
#include "net/addresses.h"

#include <string.h>
#include <strings.h>

#include "base/assert.h"

bool weir__addresses_add(struct weir__addresses *a, int family, const void *ip)
{
    WEIR_ASSERT(family == AF_INET || family == AF_INET6, "E1: an address is IPv4 or IPv6");
    WEIR_ASSERT(a->count <= WEIR__ADDRESSES_MAX, "N5: a name has as many as there is room for");
    if (a->count == WEIR__ADDRESSES_MAX)
        return false;
    struct weir__endpoint *e = &a->list[a->count++];
    *e = (struct weir__endpoint){.family = (uint8_t)family};
    memcpy(e->ip, ip, family == AF_INET ? 4 : 16);
    return true;
}

static weir_str without_dot(weir_str name)
{
    bool has_dot = name.len > 1 && name.ptr[name.len - 1] == '.';
    return (weir_str){name.ptr, name.len - has_dot};
}

static bool is_of_label(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '-' || ch == '_';
}

bool weir__name_is_good(weir_str name)
{
    size_t label = 0;
    name = without_dot(name);
    if (name.len == 0 || name.len > WEIR__NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        bool is_dot = name.ptr[i] == '.';
        if (is_dot ? label == 0 : !is_of_label(name.ptr[i]) || label == 63)
            return false;
        label = is_dot ? 0 : label + 1;
        WEIR_ASSERT(label <= 63, "N3: a label has at most 63 bytes");
    }
    return label > 0;
}

bool weir__name_eq(weir_str a, weir_str b)
{
    a = without_dot(a);
    b = without_dot(b);
    return a.len == b.len && a.len > 0 && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

bool weir__name_is_localhost(weir_str name)
{
    static const weir_str suffix = {"localhost", sizeof "localhost" - 1};
    name = without_dot(name);
    if (name.len <= suffix.len)
        return weir__name_eq(name, suffix);
    size_t begin = name.len - suffix.len;
    WEIR_ASSERT(begin > 0, "N3: what stands before the suffix is of the name");
    return name.ptr[begin - 1] == '.' &&
           weir__name_eq((weir_str){name.ptr + begin, suffix.len}, suffix);
}
