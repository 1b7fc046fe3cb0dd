/*
 * Lines of words. A line's comment begins with '#' or ';'.
 */
#include "net/resolv_conf.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/assert.h"
#include "net/dns_message.h"

/* --- words -------------------------------------------------------------------------------- */

static bool is_space(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\v' || ch == '\f';
}

/* The next line of `text`, without a comment; false at the end. */
static bool next_line(weir_str *text, weir_str *line)
{
    if (text->len == 0)
        return false;
    const char *end = memchr(text->ptr, '\n', text->len);
    size_t n = end != NULL ? (size_t)(end - text->ptr) : text->len;
    size_t skipped = end != NULL ? n + 1 : n;
    WEIR_ASSERT(skipped <= text->len, "N8: a line ends within its text");
    *line = (weir_str){text->ptr, 0};
    while (line->len < n && text->ptr[line->len] != '#' && text->ptr[line->len] != ';')
        line->len++;
    *text = (weir_str){text->ptr + skipped, text->len - skipped};
    return true;
}

/* The next word of `line`; false at the end. */
static bool next_word(weir_str *line, weir_str *word)
{
    size_t at = 0, end;
    while (at < line->len && is_space(line->ptr[at]))
        at++;
    for (end = at; end < line->len && !is_space(line->ptr[end]);)
        end++;
    WEIR_ASSERT(at <= end && end <= line->len, "N8: a word ends within its line");
    *word = (weir_str){line->ptr + at, end - at};
    *line = (weir_str){line->ptr + end, line->len - end};
    return word->len > 0;
}

/* An IP without a port; one with a zone ("fe80::1%eth0") is none. */
static bool read_ip(weir_str word, struct weir__endpoint *out)
{
    char text[WEIR__ENDPOINT_TEXT_MAX];
    if (word.len >= sizeof text)
        return false;
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    *out = (struct weir__endpoint){.family = AF_INET};
    if (inet_pton(AF_INET, text, out->ip) == 1)
        return true;
    out->family = AF_INET6;
    return inet_pton(AF_INET6, text, out->ip) == 1;
}

/* --- resolv.conf -------------------------------------------------------------------------- */

static void add_server(struct weir__resolv_conf *conf, weir_str word)
{
    struct weir__endpoint e;
    if (conf->server_count == WEIR__NAME_SERVERS_MAX)
        return;
    if (read_ip(word, &e))
        e.port = WEIR__DNS_PORT;
    else if (weir__endpoint_parse(word, &e) < 0 || e.port == 0)
        return;
    WEIR_ASSERT(e.family != 0 && e.port != 0, "N6: a server has an address and a port");
    conf->servers[conf->server_count++] = e;
}

static void add_search(struct weir__resolv_conf *conf, weir_str word)
{
    if (conf->search_count == WEIR__SEARCH_MAX || !weir__name_is_good(word))
        return;
    size_t n = word.len - (word.ptr[word.len - 1] == '.');
    WEIR_ASSERT(n > 0 && n <= WEIR__NAME_MAX, "N3: a name has 1 to 253 bytes");
    memcpy(conf->search[conf->search_count], word.ptr, n);
    conf->search[conf->search_count++][n] = '\0';
}

/* "name:number", at most `max`. */
static void set_option(weir_str word, const char *name, unsigned max, unsigned *out)
{
    size_t n = strlen(name);
    int64_t number;
    if (word.len <= n || memcmp(word.ptr, name, n) != 0)
        return;
    if (weir_str_i64((weir_str){word.ptr + n, word.len - n}, &number) < 0 || number < 0)
        return;
    *out = number > max ? max : (unsigned)number;
}

static void read_options(struct weir__resolv_conf *conf, weir_str line)
{
    weir_str word;
    while (next_word(&line, &word)) {
        set_option(word, "ndots:", WEIR__NDOTS_MAX, &conf->ndots);
        set_option(word, "timeout:", WEIR__DNS_TIMEOUT_S_MAX, &conf->timeout_s);
        set_option(word, "attempts:", WEIR__DNS_ATTEMPTS_MAX, &conf->attempts);
    }
    conf->timeout_s = conf->timeout_s > 0 ? conf->timeout_s : 1;
    conf->attempts = conf->attempts > 0 ? conf->attempts : 1;
    WEIR_ASSERT(conf->timeout_s <= WEIR__DNS_TIMEOUT_S_MAX &&
                    conf->attempts <= WEIR__DNS_ATTEMPTS_MAX,
                "N6: tries and their time are bounded");
}

void weir__resolv_conf_read(weir_str text, struct weir__resolv_conf *out)
{
    weir_str line, word;
    *out = (struct weir__resolv_conf){.ndots = 1, .timeout_s = 2, .attempts = 2};
    while (next_line(&text, &line)) {
        if (!next_word(&line, &word))
            continue;
        if (weir_str_eq(word, WEIR_S("options")))
            read_options(out, line);
        else if (weir_str_eq(word, WEIR_S("nameserver")) && next_word(&line, &word))
            add_server(out, word);
        else if (weir_str_eq(word, WEIR_S("search")) || weir_str_eq(word, WEIR_S("domain"))) {
            out->search_count = 0; /* the last line counts */
            memset(out->search, 0, sizeof out->search);
            while (next_word(&line, &word))
                add_search(out, word);
        }
    }
    if (out->server_count == 0)
        add_server(out, WEIR_S("127.0.0.1"));
    WEIR_ASSERT(out->server_count > 0, "N6: there is somebody to be asked");
}

/* --- hosts -------------------------------------------------------------------------------- */

unsigned weir__hosts_find(weir_str text, weir_str name, struct weir__addresses *out)
{
    weir_str line, word;
    struct weir__endpoint e;
    unsigned before = out->count;
    while (next_line(&text, &line)) {
        if (!next_word(&line, &word) || !read_ip(word, &e))
            continue;
        bool is_named = false;
        while (!is_named && next_word(&line, &word))
            is_named = weir__name_eq(word, name);
        if (is_named)
            (void)weir__addresses_add(out, e.family, e.ip);
    }
    return out->count - before;
}
