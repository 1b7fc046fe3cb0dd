/*
 * The PROXY protocol: a header is the same in any prefix that holds it, and an error too; nothing
 * past it changes it; version 1, written again from what was read, is read as the same.
 */
#include <sys/socket.h>

#include "base/fuzz.h"
#include "wire/proxy_protocol.h"

static int parse(const uint8_t *data, size_t n, struct weir__proxy_header *out)
{
    char *exact = fuzz_copy(data, n);
    memset(out, 0xee, sizeof *out); /* what it does not fill in shows */
    int rc = weir__proxy_parse((weir_str){exact, n}, out);
    free(exact);
    return rc;
}

static bool is_same(const struct weir__proxy_header *a, const struct weir__proxy_header *b)
{
    return a->is_local == b->is_local && weir__ip_eq(&a->from, &b->from) &&
           weir__ip_eq(&a->to, &b->to) && a->from_port == b->from_port && a->to_port == b->to_port;
}

static void check_written(const struct weir__proxy_header *h)
{
    char from[WEIR__IP_TEXT_MAX], to[WEIR__IP_TEXT_MAX], line[160];
    struct weir__proxy_header again;
    bool is_four = h->from.family == AF_INET, is_six = h->from.family == AF_INET6;
    if (h->from.family != h->to.family || !(is_four || is_six))
        return;
    weir__ip_format(&h->from, from);
    weir__ip_format(&h->to, to);
    int n = snprintf(line, sizeof line, "PROXY TCP%d %s %s %u %u\r\n", is_four ? 4 : 6, from, to,
                     h->from_port, h->to_port);
    int rc = parse((const uint8_t *)line, (size_t)n, &again);
    FUZZ_CHECK(rc == n && is_same(h, &again), "%s: %d", line, rc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir__proxy_header h, part;
    if (size > 2 * WEIR__PROXY_BYTES_MAX)
        return 0;
    int rc = parse(data, size, &h);
    FUZZ_CHECK(rc <= (int)size && rc <= WEIR__PROXY_BYTES_MAX, "%d of %zu", rc, size);
    for (size_t n = 0; n < size; n++) {
        int now = parse(data, n, &part);
        bool is_agreed = rc > 0 ? now == (n >= (size_t)rc ? rc : 0) : now == 0 || now == rc;
        FUZZ_CHECK(is_agreed, "%d of %zu bytes, %d of all", now, n, rc);
        if (now == 0) {
            size_t missing = weir__proxy_missing((weir_str){(const char *)data, n});
            FUZZ_CHECK(missing > 0 && (rc <= 0 || n + missing <= (size_t)rc), "%zu at %zu of %d",
                       missing, n, rc);
        }
        FUZZ_CHECK(now <= 0 || is_same(&h, &part), "another header in %zu bytes", n);
    }
    if (rc > 0 && !h.is_local)
        check_written(&h);
    return 0;
}
