/*
 * resolv.conf and hosts, the two texts that are read by hand. Whatever they say there is a server
 * with a port, everything is within its bounds, and what was taken, written as such a file and read
 * again, is the same. Each word of a line of hosts that has an address leads to it.
 */
#include "base/fuzz.h"
#include "net/resolv_conf.h"
#include <weir/buf.h>

/* As a file that says the same. False: a server is "every address", which is not written so. */
static bool write_conf(const struct weir__resolv_conf *conf, weir_buf *out)
{
    char server[WEIR__ENDPOINT_TEXT_MAX];
    weir_buf_printf(out, "options ndots:%u timeout:%u attempts:%u\nsearch", conf->ndots,
                    conf->timeout_s, conf->attempts);
    for (unsigned i = 0; i < conf->search_count; i++)
        weir_buf_printf(out, " %s", conf->search[i]);
    for (unsigned i = 0; i < conf->server_count; i++) {
        (void)weir__endpoint_format(&conf->servers[i], server);
        weir_buf_printf(out, "\nnameserver %s", server);
        if (server[0] == ':')
            return false;
    }
    return true;
}

static void check_conf(weir_str s)
{
    struct weir__resolv_conf conf, again;
    char bytes[2][4096];
    weir_buf first, second;
    weir_buf_init_fixed(&first, bytes[0], sizeof bytes[0]);
    weir_buf_init_fixed(&second, bytes[1], sizeof bytes[1]);
    weir__resolv_conf_read(s, &conf);
    FUZZ_CHECK(conf.server_count >= 1 && conf.server_count <= WEIR__NAME_SERVERS_MAX &&
                   conf.search_count <= WEIR__SEARCH_MAX && conf.ndots <= WEIR__NDOTS_MAX &&
                   conf.timeout_s >= 1 && conf.timeout_s <= WEIR__DNS_TIMEOUT_S_MAX &&
                   conf.attempts >= 1 && conf.attempts <= WEIR__DNS_ATTEMPTS_MAX,
               "%u servers", conf.server_count);
    for (unsigned i = 0; i < conf.search_count; i++)
        FUZZ_CHECK(weir__name_is_good(weir_str_from(conf.search[i])), "%s", conf.search[i]);
    for (unsigned i = 0; i < conf.server_count; i++)
        FUZZ_CHECK(conf.servers[i].port != 0, "server %u has no port", i);
    if (!write_conf(&conf, &first))
        return;
    weir__resolv_conf_read((weir_str){first.ptr, first.len}, &again);
    (void)write_conf(&again, &second);
    FUZZ_CHECK(first.len == second.len && memcmp(first.ptr, second.ptr, first.len) == 0,
               "%.*s\n\n%.*s", (int)first.len, first.ptr, (int)second.len, second.ptr);
}

static void check_hosts(weir_str s)
{
    struct weir__addresses a = {.count = 0}, more = {.count = 0};
    char line[600];
    const char *space = s.len > 0 ? memchr(s.ptr, ' ', s.len) : NULL;
    weir_str name = {s.ptr, space != NULL ? (size_t)(space - s.ptr) : s.len};
    unsigned n = weir__hosts_find(s, name, &a);
    FUZZ_CHECK(n == a.count && n <= WEIR__ADDRESSES_MAX, "%u", n);
    if (!weir__name_is_good(name) || n == WEIR__ADDRESSES_MAX)
        return;
    int len = snprintf(line, sizeof line, "192.0.2.1 x " WEIR_STR_FMT "\n", WEIR_STR_ARG(name));
    FUZZ_CHECK(weir__hosts_find((weir_str){line, (size_t)len}, name, &more) == 1, "%s", line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = fuzz_copy(data, size);
    check_conf((weir_str){bytes, size});
    check_hosts((weir_str){bytes, size});
    free(bytes);
    return 0;
}
