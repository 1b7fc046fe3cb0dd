/*
 * Addresses, networks and who a request is from. The first line of an input is a list of networks
 * that are trusted, the second one the peer, those that follow are field lines. A network has its
 * own address; an address, written, is read as the same. The client of a walk is the peer or stands
 * in the text, all who came after are trusted; what it says of scheme and host are views of the
 * lines. The element that a proxy would add for that client says so to the next one.
 */
#include <sys/socket.h>

#include "base/fuzz.h"
#include "wire/forwarded.h"

enum { LINES_MAX = 4 };

static void check_ip(const struct weir__ip *ip)
{
    char text[WEIR__IP_TEXT_MAX];
    struct weir__ip again;
    weir_str s = {text, weir__ip_format(ip, text)};
    weir_err err = weir__ip_parse(s, &again);
    FUZZ_CHECK(err == WEIR_OK && weir__ip_eq(ip, &again), "%s: %d", text, err);
}

static void check_nets(const struct weir__cidrs *nets)
{
    for (size_t i = 0; i < nets->count; i++) {
        const struct weir__cidr *n = &nets->nets[i];
        FUZZ_CHECK(weir__cidr_has(n, &n->ip) && weir__cidrs_have(nets, &n->ip), "not its own");
        if (n->ip.family != AF_UNIX)
            check_ip(&n->ip);
        if (n->bits == 0)
            continue;
        struct weir__ip other = n->ip; /* the last bit that counts */
        other.bytes[(n->bits - 1) / 8] ^= (uint8_t)(0x80 >> (n->bits - 1) % 8);
        FUZZ_CHECK(!weir__cidr_has(n, &other), "/%u has its neighbour", n->bits);
    }
}

static bool is_within(weir_str part, const weir_str *lines, size_t count)
{
    bool is_found = part.ptr == NULL;
    for (size_t i = 0; i < count; i++)
        is_found = is_found ||
                   (part.ptr >= lines[i].ptr && part.ptr + part.len <= lines[i].ptr + lines[i].len);
    return is_found;
}

static void check_walk(const struct weir__ip *peer, const struct weir__cidrs *nets,
                       const struct weir__forwarded *f, const weir_str *lines, size_t count)
{
    bool is_peer = weir__ip_eq(&f->client, peer), is_trusted = weir__cidrs_have(nets, peer);
    FUZZ_CHECK(is_trusted || (is_peer && f->hops == 0 && f->proto.ptr == NULL), "hops: %u",
               f->hops);
    FUZZ_CHECK(f->hops > 0 || is_peer, "another client without a hop");
    FUZZ_CHECK(!f->is_hidden || weir__cidrs_have(nets, &f->client), "hidden by who is not trusted");
    FUZZ_CHECK(f->hops <= WEIR__FORWARDED_HOPS_MAX, "%u hops", f->hops);
    FUZZ_CHECK(is_within(f->proto, lines, count) && is_within(f->host, lines, count), "no view");
}

/* A proxy at 192.0.2.254 that trusts nobody adds it, and the next one trusts that proxy. */
static void check_written(const struct weir__forwarded *f)
{
    struct weir__cidrs nets;
    struct weir__forwarded again;
    weir_str bad;
    weir_buf b;
    weir_err err = weir__cidrs_parse(WEIR_S("192.0.2.254"), &nets, &bad);
    weir_buf_init(&b, 1 << 17);
    weir__forwarded_write(&b, &f->client, f->port, f->host, f->proto);
    weir_str line = weir_buf_str(&b);
    FUZZ_CHECK(err == WEIR_OK && b.err == WEIR_OK, "%d %d", err, b.err);
    weir__forwarded_walk(&nets.nets[0].ip, &nets, &line, 1, &again);
    FUZZ_CHECK(weir__ip_eq(&again.client, &f->client) && again.port == f->port &&
                   weir_str_eq(again.proto, f->proto) && weir_str_eq(again.host, f->host),
               WEIR_STR_FMT, WEIR_STR_ARG(line));
    weir_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = fuzz_copy(data, size);
    struct fuzz_input in = {(const uint8_t *)bytes, (const uint8_t *)bytes + size};
    struct weir__cidrs nets;
    struct weir__ip peer;
    struct weir__forwarded f;
    weir_str bad, lines[LINES_MAX];
    if (weir__cidrs_parse(fuzz_until(&in, '\n'), &nets, &bad) != WEIR_OK)
        FUZZ_CHECK(nets.count == 0 && bad.ptr != NULL, "%zu networks", nets.count);
    check_nets(&nets);
    bool is_peer = weir__ip_parse(fuzz_until(&in, '\n'), &peer) == WEIR_OK;
    for (size_t i = 0; i < LINES_MAX; i++)
        lines[i] = fuzz_until(&in, '\n');
    if (is_peer) {
        check_ip(&peer);
        weir__forwarded_walk(&peer, &nets, lines, LINES_MAX, &f);
        check_walk(&peer, &nets, &f, lines, LINES_MAX);
        if (f.client.family != 0)
            check_written(&f);
        weir__forwarded_walk_x(&peer, &nets, lines, 2, lines[2], lines[3], &f);
        check_walk(&peer, &nets, &f, lines, LINES_MAX);
    }
    free(bytes);
    return 0;
}
