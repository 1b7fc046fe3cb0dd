/*
 * resolv.conf and hosts, the two texts that are read by hand. Whatever they say there is a server
 * with a port, everything is within its bounds, and what was taken, written as such a file and read
 * again, is the same. Each word of a line of hosts that has an address leads to it.
 */
#include "base/fuzz.h"
#include "net/resolv_conf.h"

static size_t put(char *out, size_t size, size_t at, const char *format, const char *text)
{
    int n = snprintf(out + at, size - at, format, text);
    FUZZ_CHECK(n > 0 && (size_t)n < size - at, "%s does not fit", text);
    return at + (size_t)n;
}

static void check_conf(weir_str s)
{
    struct weir__resolv_conf conf, again;
    char text[4096], word[WEIR__ENDPOINT_TEXT_MAX];
    weir__resolv_conf_read(s, &conf);
    FUZZ_CHECK(conf.server_count >= 1 && conf.server_count <= WEIR__NAME_SERVERS_MAX &&
                   conf.search_count <= WEIR__SEARCH_MAX && conf.ndots <= WEIR__NDOTS_MAX &&
                   conf.timeout_s >= 1 && conf.timeout_s <= WEIR__DNS_TIMEOUT_S_MAX &&
                   conf.attempts >= 1 && conf.attempts <= WEIR__DNS_ATTEMPTS_MAX,
               "%u servers", conf.server_count);
    size_t at = put(text, sizeof text, 0, "%s\n", "search");
    for (unsigned i = 0; i < conf.search_count; i++) {
        FUZZ_CHECK(weir__name_is_good(weir_str_from(conf.search[i])), "%s", conf.search[i]);
        at = put(text, sizeof text, at - 1, " %s\n", conf.search[i]);
    }
    for (unsigned i = 0; i < conf.server_count; i++) {
        FUZZ_CHECK(conf.servers[i].port != 0, "server %u has no port", i);
        (void)weir__endpoint_format(&conf.servers[i], word);
        if (word[0] == ':') /* "every address", which only "[::]" means here */
            return;
        at = put(text, sizeof text, at, "nameserver %s\n", word);
    }
    (void)snprintf(word, sizeof word, "ndots:%u timeout:%u attempts:%u", conf.ndots, conf.timeout_s,
                   conf.attempts);
    at = put(text, sizeof text, at, "options %s\n", word);
    weir__resolv_conf_read((weir_str){text, at}, &again);
    FUZZ_CHECK(memcmp(&conf, &again, sizeof conf) == 0, "%.*s", (int)at, text);
}

static void check_hosts(weir_str s)
{
    struct weir__addresses a = {.count = 0}, more = {.count = 0};
    char line[600];
    const char *colon = s.len > 0 ? memchr(s.ptr, ' ', s.len) : NULL;
    weir_str name = {s.ptr, colon != NULL ? (size_t)(colon - s.ptr) : s.len};
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
