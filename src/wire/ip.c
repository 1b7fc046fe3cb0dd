/* Addresses and networks. inet_pton reads them, which takes no short forms ("10.1", octal). */
#include "wire/ip.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255};

static unsigned bits_of(const struct weir__ip *ip)
{
    return ip->family == AF_INET ? 32 : ip->family == AF_INET6 ? 128 : 0;
}

void weir__ip_unmap(struct weir__ip *ip)
{
    if (ip->family != AF_INET6 || memcmp(ip->bytes, mapped, sizeof mapped) != 0)
        return;
    memmove(ip->bytes, ip->bytes + 12, 4);
    memset(ip->bytes + 4, 0, 12);
    ip->family = AF_INET;
}

weir_err weir__ip_parse(weir_str text, struct weir__ip *out)
{
    char copy[WEIR__IP_TEXT_MAX];
    *out = (struct weir__ip){0};
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, '\0', text.len) != NULL)
        return WEIR_EINVALID;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    int family = memchr(text.ptr, ':', text.len) != NULL ? AF_INET6 : AF_INET;
    if (inet_pton(family, copy, out->bytes) != 1) {
        *out = (struct weir__ip){0};
        return WEIR_EINVALID;
    }
    out->family = (uint8_t)family;
    weir__ip_unmap(out);
    return WEIR_OK;
}

/* "192.0.2.1", and a NUL. */
static size_t format_four(const uint8_t bytes[4], char *out)
{
    char *at = out;
    for (int i = 0; i < 4; i++) {
        unsigned n = bytes[i];
        if (n >= 100)
            *at++ = (char)('0' + n / 100);
        if (n >= 10)
            *at++ = (char)('0' + n / 10 % 10);
        *at++ = (char)('0' + n % 10);
        *at++ = i < 3 ? '.' : '\0';
    }
    return (size_t)(at - out) - 1;
}

size_t weir__ip_format(const struct weir__ip *ip, char out[WEIR__IP_TEXT_MAX])
{
    if (ip->family == AF_INET)
        return format_four(ip->bytes, out);
    if (bits_of(ip) == 0 || inet_ntop(ip->family, ip->bytes, out, WEIR__IP_TEXT_MAX) == NULL)
        memcpy(out, ip->family == AF_UNIX ? "unix" : "-\0\0\0", sizeof "unix");
    return strlen(out);
}

bool weir__ip_eq(const struct weir__ip *a, const struct weir__ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, bits_of(a) / 8) == 0;
}

/* ---- networks ---- */

/* True when the first `bits` bits are equal. */
static bool starts_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;
    if (memcmp(a, b, bytes) != 0)
        return false;
    return rest == 0 || (a[bytes] ^ b[bytes]) >> (8 - rest) == 0;
}

/* True when a bit past the network's is set. */
static bool has_host_bits(const struct weir__cidr *net)
{
    struct weir__ip cut = net->ip;
    for (unsigned i = net->bits; i < bits_of(&cut); i++)
        cut.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
    return !weir__ip_eq(&cut, &net->ip);
}

/* One to three digits without a zero in front. */
static bool read_bits(weir_str s, unsigned max, uint8_t *out)
{
    unsigned n = 0;
    if (s.len == 0 || s.len > 3 || (s.len > 1 && s.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        n = n * 10 + (unsigned)(s.ptr[i] - '0');
    }
    *out = (uint8_t)n;
    return n <= max;
}

weir_err weir__cidr_parse(weir_str text, struct weir__cidr *out)
{
    *out = (struct weir__cidr){0};
    if (weir_str_eq(text, WEIR_S("unix"))) {
        out->ip.family = AF_UNIX;
        return WEIR_OK;
    }
    const char *slash = text.len > 0 ? memchr(text.ptr, '/', text.len) : NULL;
    size_t n = slash != NULL ? (size_t)(slash - text.ptr) : text.len;
    if (weir__ip_parse((weir_str){text.ptr, n}, &out->ip) != WEIR_OK)
        return WEIR_EINVALID;
    out->bits = (uint8_t)bits_of(&out->ip);
    if (slash == NULL)
        return WEIR_OK;
    /* A mapped network would count its bits from another place. */
    bool is_mapped = out->ip.family == AF_INET && memchr(text.ptr, ':', n) != NULL;
    weir_str digits = {slash + 1, text.len - n - 1};
    if (is_mapped || !read_bits(digits, bits_of(&out->ip), &out->bits) || has_host_bits(out))
        return WEIR_EINVALID;
    return WEIR_OK;
}

bool weir__cidr_has(const struct weir__cidr *net, const struct weir__ip *ip)
{
    return net->ip.family != 0 && net->ip.family == ip->family &&
           starts_equal(net->ip.bytes, ip->bytes, net->bits);
}

static bool is_separator(char ch)
{
    return ch == ',' || ch == ' ' || ch == '\t' || ch == '\n';
}

weir_err weir__cidrs_parse(weir_str text, struct weir__cidrs *out, weir_str *bad)
{
    out->count = 0;
    for (size_t at = 0; at < text.len;) {
        size_t from = at;
        while (at < text.len && !is_separator(text.ptr[at]))
            at++;
        *bad = (weir_str){text.ptr + from, at - from};
        at++;
        if (bad->len == 0)
            continue;
        struct weir__cidr net;
        weir_err err = weir__cidr_parse(*bad, &net);
        if (err == WEIR_OK && out->count == WEIR__CIDRS_MAX)
            err = WEIR_ELIMIT;
        if (err != WEIR_OK) {
            out->count = 0;
            return err;
        }
        out->nets[out->count++] = net;
    }
    *bad = (weir_str){NULL, 0};
    return WEIR_OK;
}

bool weir__cidrs_have(const struct weir__cidrs *nets, const struct weir__ip *ip)
{
    for (size_t i = 0; i < nets->count; i++) {
        if (weir__cidr_has(&nets->nets[i], ip))
            return true;
    }
    return false;
}
