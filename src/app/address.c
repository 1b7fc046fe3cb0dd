/*
 * Reads and writes "host:port". Only literal addresses and "localhost": a service that must ask a name
 * server before it can listen does not start when that server is away.
 */
#include "app/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <weir/str.h>

static weir_err parse_port(const char *text, uint16_t *out)
{
    int64_t port;
    if (weir_str_i64(weir_str_from(text), &port) < 0 || port < 0 || port > 65535)
        return WEIR_EINVALID;
    *out = htons((uint16_t)port);
    return WEIR_OK;
}

static weir_err parse_six(const char *host, uint16_t port, struct weir__address *out)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = port};
    if (inet_pton(AF_INET6, host, &six.sin6_addr) != 1)
        return WEIR_EINVALID;
    memcpy(&out->addr, &six, sizeof six);
    out->len = sizeof six;
    return WEIR_OK;
}

static weir_err parse_four(const char *host, uint16_t port, struct weir__address *out)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = port};
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &four.sin_addr) !=
        1)
        return WEIR_EINVALID;
    memcpy(&out->addr, &four, sizeof four);
    out->len = sizeof four;
    return WEIR_OK;
}

weir_err weir__address_parse(const char *text, struct weir__address *out)
{
    char host[WEIR__ADDRESS_TEXT_MAX];
    uint16_t port;
    const char *colon = strrchr(text, ':');
    *out = (struct weir__address){0};
    if (colon == NULL || (size_t)(colon - text) >= sizeof host || parse_port(colon + 1, &port) < 0)
        return WEIR_EINVALID;
    size_t len = (size_t)(colon - text);
    memcpy(host, text, len);
    host[len] = '\0';
    if (len == 0)
        return parse_six("::", port, out);
    if (host[0] != '[')
        return parse_four(host, port, out);
    if (host[len - 1] != ']')
        return WEIR_EINVALID;
    host[len - 1] = '\0';
    return parse_six(host + 1, port, out);
}

void weir__address_print(const struct weir__address *a, char out[WEIR__ADDRESS_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (a->addr.ss_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, &a->addr, sizeof six);
        (void)inet_ntop(AF_INET6, &six.sin6_addr, host, sizeof host);
        snprintf(out, WEIR__ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(six.sin6_port));
    } else {
        struct sockaddr_in four;
        memcpy(&four, &a->addr, sizeof four);
        (void)inet_ntop(AF_INET, &four.sin_addr, host, sizeof host);
        snprintf(out, WEIR__ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(four.sin_port));
    }
}

const char *weir__address_check(const char *text)
{
    struct weir__address a;
    return weir__address_parse(text, &a) == WEIR_OK
               ? NULL
               : ":PORT, IPv4:PORT or [IPv6]:PORT, with a port from 0 to 65535";
}
