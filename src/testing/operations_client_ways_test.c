/*
 * Ways to a host, tried everywhere: https, HTTP/2 by agreement, proxies, local sockets, names and
 * the race of their addresses, groups of targets, and what a connection becomes after an upgrade.
 */
#include "testing/operations_errand.h"

#include <errno.h>

#include "net/dns_testing.h"

/* --- proxies, local sockets, upgrades --------------------------------------------------------- */

static weir_err by_proxy(weir_ctx *c, struct peer *p, weir_http_options *o)
{
    (void)c;
    o->base = p->tls != NULL ? "https://server.example" : "http://shop.example";
    o->proxy = p->base;
    return WEIR_OK;
}

static weir_err by_local_socket(weir_ctx *c, struct peer *p, weir_http_options *o)
{
    (void)c;
    snprintf(p->base, sizeof p->base, "unix:/run/%d", p->number);
    o->base = p->base;
    return WEIR_OK;
}

static weir_err upgrade(weir_ctx *c, weir_http *http)
{
    const weir_http_call_options none = {.size = sizeof none};
    const struct weir__client_carry carry = {.upgrade = WEIR_S("echo"), .length = -1};
    char bytes[8];
    size_t at = 0;
    weir_reply *handle = weir__client_carry(WEIR_HERE, c, http, "GET", "/x", &none, &carry, false);
    if (weir_reply_err(handle) < 0)
        return weir_reply_err(handle);
    weir_reply *r = weir__token_must(handle, WEIR__KIND_REPLY, "test", "the reply");
    MUST(weir__client_is_upgraded(r));
    ssize_t n = weir__client_upgraded_send(r, weir__ctx_of(c), WEIR_S("hello"));
    for (; n >= 0 && at < 5; at += (size_t)n) {
        n = weir__client_upgraded_read(r, weir__ctx_of(c), bytes + at, 5 - at);
        if (n == 0)
            n = WEIR_ECLOSED;
    }
    MUST(n < 0 || memcmp(bytes, "hello", 5) == 0);
    return n < 0 ? (weir_err)n : weir__client_upgraded_end(r);
}

static const struct errand tunnels = {
    .peer = {.answer = LENGTH, .is_proxy = true}, .run = get_twice, .prepare = by_proxy};
static const struct errand is_local = {
    .peer = {.answer = CHUNKED}, .run = get_twice, .prepare = by_local_socket};
static const struct errand upgrades = {
    .peer = {.answer = "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
             .echoes = true},
    .run = upgrade};

static void proxies_sockets_and_upgrades_everywhere(void **state)
{
    (void)state;
    ERRAND("by_proxy", tunnels, .waits = 5, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("by_local_socket", is_local, .waits = 4, .allocations = 10, .calls = 10, .refusals = 1);
    ERRAND("upgrade", upgrades, .waits = 5, .allocations = 10, .calls = 10, .refusals = 1);
}

/* --- names ------------------------------------------------------------------------------------ */

static struct name_server names;
static char base_by_name[48];

static void answer_both_families(struct query *q)
{
    struct reply r;
    reply_begin(&r, q, 0);
    reply_ip(&r, q->type == RR_A ? "10.0.0.1" : "2001:db8::1", 60);
    reply_send(&r, q);
}

/* RFC 8305: the first family leads nowhere, and says so, or says nothing. */
static int six_is_unreachable(const struct sockaddr_storage *addr)
{
    return addr->ss_family == AF_INET6 ? -ENETUNREACH : 0;
}

static weir_err by_name(weir_ctx *c, struct peer *p, weir_http_options *o)
{
    weir_err err = name_server_start(c, &names, answer_both_families, NULL);
    files_set_servers(&names, 1, "options attempts:1 timeout:1");
    weir__sim_decide_connects(six_is_unreachable);
    snprintf(base_by_name, sizeof base_by_name, "http://db.test:%d", p->number);
    o->base = base_by_name;
    return err;
}

static void all_is_reachable(void)
{
    weir__sim_decide_connects(NULL);
}

static const struct errand races = {.peer = {.answer = LENGTH},
                                    .run = get_twice,
                                    .prepare = by_name,
                                    .afterwards = all_is_reachable};

static void names_and_their_addresses_everywhere(void **state)
{
    (void)state;
    ERRAND("by_name", races, .waits = 8, .allocations = 14, .calls = 20, .refusals = 1,
           .orders = 1);
}

/* --- groups ----------------------------------------------------------------------------------- */

static struct peer other;
static weir_http_target targets[3];

/* The peer and another one, which are looked at beside the calls. */
static weir_err in_group(weir_ctx *c, struct peer *p, weir_http_options *o)
{
    other = (struct peer){.answer = CHUNKED};
    weir_err err = peer_start(c, &other);
    targets[0] = (weir_http_target){.url = p->base};
    targets[1] = (weir_http_target){.url = other.base};
    o->base = NULL;
    o->targets = targets;
    o->name = "both";
    o->group.probe = "/health";
    o->group.probe_interval = weir_ms(100);
    return err;
}

static weir_err get_slowly(weir_ctx *c, weir_http *http)
{
    weir_err err = get_twice(c, http);
    weir_err slept = weir_sleep(c, weir_ms(300));
    return err < 0 ? err : slept < 0 ? slept : get_twice(c, http);
}

static const struct errand groups = {
    .peer = {.answer = LENGTH}, .run = get_slowly, .prepare = in_group, .has_probes = true};
static const struct errand groups_with_one_busy = {.peer = {.answer = LENGTH, .first = BUSY},
                                                   .run = get_slowly,
                                                   .prepare = in_group,
                                                   .has_probes = true};

static void groups_of_targets_everywhere(void **state)
{
    (void)state;
    ERRAND("in_group", groups, .waits = 8, .allocations = 14, .calls = 20, .refusals = 1);
    ERRAND("in_group_with_one_busy", groups_with_one_busy, .waits = 8, .allocations = 14,
           .calls = 20, .refusals = 1);
}

/* --- https ------------------------------------------------------------------------------------ */

#if WEIR_TLS

#include <unistd.h>

#include "net/tls_certificates_testing.h"

static char ca_file[] = "/tmp/weir-ca-XXXXXX";
static struct errand secure[3];

static weir_err by_https(weir_ctx *c, struct peer *p, weir_http_options *o)
{
    o->tls = weir_tls_new(c, .ca_file = ca_file);
    if (p->is_proxy)
        return by_proxy(c, p, o);
    snprintf(p->base, sizeof p->base, "https://127.0.0.1:%d", p->number);
    return WEIR_OK;
}

static void https_everywhere(void **state)
{
    static const char *const h1[] = {"http/1.1", NULL}, *const h2[] = {"h2", NULL};
    (void)state;
    struct weir__tls_server *one =
        server_of((struct weir__tls_server_options){.choice = {.alpn = h1}});
    struct weir__tls_server *two =
        server_of((struct weir__tls_server_options){.choice = {.alpn = h2}});
    secure[0] = (struct errand){
        .peer = {.answer = LENGTH, .tls = one}, .run = get_twice, .prepare = by_https};
    secure[1] = (struct errand){.peer = {.answer = LENGTH, .tls = one, .is_proxy = true},
                                .run = get_twice,
                                .prepare = by_https};
    secure[2] =
        (struct errand){.peer = {.is_h2 = true, .tls = two}, .run = get_twice, .prepare = by_https};
    ERRAND("by_https", secure[0], .waits = 6, .allocations = 14, .calls = 20, .refusals = 1);
    ERRAND("by_https_and_proxy", secure[1], .waits = 7, .allocations = 14, .calls = 20,
           .refusals = 1);
    if (WEIR_HTTP2)
        ERRAND("by_https_h2", secure[2], .waits = 6, .allocations = 14, .calls = 20, .refusals = 1);
    weir__tls_server_free(one);
    weir__tls_server_free(two);
}

static int make(void **state)
{
    (void)state;
    make_test_certificates();
    int fd = mkstemp(ca_file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, test_ca.chain, strlen(test_ca.chain)), strlen(test_ca.chain));
    return close(fd);
}

static int unmake(void **state)
{
    free_test_certificates();
    return unlink(ca_file) | files_remove(state);
}

#else

static void https_everywhere(void **state)
{
    (void)state;
    skip();
}

static int make(void **state)
{
    (void)state;
    return 0;
}

static int unmake(void **state)
{
    return files_remove(state);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proxies_sockets_and_upgrades_everywhere),
        cmocka_unit_test(names_and_their_addresses_everywhere),
        cmocka_unit_test(groups_of_targets_everywhere),
        cmocka_unit_test(https_everywhere),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
