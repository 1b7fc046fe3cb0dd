/*
 * Reading and writing endpoints. Only numbers and "localhost": a service that must ask a name
 * server before it can listen does not start when that server is away.
 */
#include "net/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

/* The part before the last colon, without the brackets of an IPv6 address. */
static bool split(weir_str text, weir_str *host, int64_t *port)
{
    const char *colon = text.len > 0 ? memrchr(text.ptr, ':', text.len) : NULL;
    if (colon == NULL)
        return false;
    size_t n = (size_t)(colon - text.ptr);
    weir_str digits = {colon + 1, text.len - n - 1};
    *host = (weir_str){text.ptr, n};
    return weir_str_i64(digits, port) == WEIR_OK && *port >= 0 && *port <= 65535 &&
           digits.ptr[0] != '-';
}

static bool parse_ip(struct weir__endpoint *out, int family, weir_str host)
{
    char text[WEIR__ENDPOINT_TEXT_MAX];
    if (host.len == 0 || host.len >= sizeof text)
        return false;
    WEIR_ASSERT(family == AF_INET || family == AF_INET6, "E1: an address is IPv4 or IPv6");
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    out->family = (uint8_t)family;
    return inet_pton(family, text, out->ip) == 1;
}

weir_err weir__endpoint_parse(weir_str text, struct weir__endpoint *out)
{
    weir_str host;
    int64_t port;
    *out = (struct weir__endpoint){.family = AF_INET6};
    if (!split(text, &host, &port))
        return WEIR_EINVALID;
    WEIR_ASSERT(port >= 0 && port <= UINT16_MAX, "E4: a port has 16 bits");
    out->port = (uint16_t)port;
    if (host.len == 0)
        return WEIR_OK;
    if (weir_str_eq(host, WEIR_S("localhost")))
        host = WEIR_S("127.0.0.1");
    bool is_six = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (is_six)
        host = (weir_str){host.ptr + 1, host.len - 2};
    return parse_ip(out, is_six ? AF_INET6 : AF_INET, host) ? WEIR_OK : WEIR_EINVALID;
}

bool weir__endpoint_split(weir_str text, weir_str *host, uint16_t *port)
{
    int64_t number;
    if (!split(text, host, &number) || number == 0 || host->len == 0)
        return false;
    WEIR_ASSERT(number > 0 && number <= UINT16_MAX, "E4: a port has 16 bits");
    *port = (uint16_t)number;
    if (host->len > 2 && host->ptr[0] == '[' && host->ptr[host->len - 1] == ']')
        *host = (weir_str){host->ptr + 1, host->len - 2};
    else if (memchr(host->ptr, ':', host->len) != NULL)
        return false;
    return true;
}

size_t weir__endpoint_format_ip(const struct weir__endpoint *a, char out[WEIR__ENDPOINT_TEXT_MAX])
{
    if (a->family == AF_UNIX) {
        memcpy(out, "unix", sizeof "unix");
        return strlen(out);
    }
    if (a->family == 0 || inet_ntop(a->family, a->ip, out, WEIR__ENDPOINT_TEXT_MAX) == NULL)
        memcpy(out, "-", sizeof "-");
    return strlen(out);
}

size_t weir__endpoint_format(const struct weir__endpoint *a, char out[WEIR__ENDPOINT_TEXT_MAX])
{
    char ip[WEIR__ENDPOINT_TEXT_MAX];
    weir__endpoint_format_ip(a, ip);
    if (a->family == AF_UNIX)
        return weir__endpoint_format_ip(a, out);
    const char *form = a->family == AF_INET6 ? "[%s]:%u" : "%s:%u";
    static const uint8_t any[16];
    if (a->family == AF_INET6 && memcmp(a->ip, any, sizeof any) == 0)
        return (size_t)snprintf(out, WEIR__ENDPOINT_TEXT_MAX, ":%u", a->port);
    int n = snprintf(out, WEIR__ENDPOINT_TEXT_MAX, form, ip, a->port);
    WEIR_ASSERT(n > 0 && n < WEIR__ENDPOINT_TEXT_MAX, "E4: an address fits its text");
    return (size_t)n;
}

socklen_t weir__endpoint_to_kernel(const struct weir__endpoint *a, struct sockaddr_storage *out)
{
    WEIR_ASSERT(a->family == AF_INET || a->family == AF_INET6, "E1: an address has a family");
    memset(out, 0, sizeof *out);
    if (a->family == AF_INET) {
        struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&four.sin_addr, a->ip, sizeof four.sin_addr);
        memcpy(out, &four, sizeof four);
        return sizeof four;
    }
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    memcpy(&six.sin6_addr, a->ip, sizeof six.sin6_addr);
    memcpy(out, &six, sizeof six);
    return sizeof six;
}

void weir__endpoint_from_kernel(struct weir__endpoint *a, const struct sockaddr_storage *from)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255};
    *a = (struct weir__endpoint){0};
    if (from->ss_family == AF_UNIX)
        a->family = AF_UNIX;
    else if (from->ss_family == AF_INET) {
        struct sockaddr_in four;
        memcpy(&four, from, sizeof four);
        a->family = AF_INET;
        a->port = ntohs(four.sin_port);
        memcpy(a->ip, &four.sin_addr, sizeof four.sin_addr);
    } else if (from->ss_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, from, sizeof six);
        bool is_four = memcmp(&six.sin6_addr, mapped, sizeof mapped) == 0;
        a->family = is_four ? AF_INET : AF_INET6;
        a->port = ntohs(six.sin6_port);
        memcpy(a->ip, (const char *)&six.sin6_addr + (is_four ? 12 : 0), is_four ? 4 : 16);
    }
}
