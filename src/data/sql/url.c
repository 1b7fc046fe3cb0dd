/*
 * URLs of database servers: see url.h. Each part is decoded behind the one before, into room that
 * has a byte more than the URL for each part there can be.
 */
#include "data/sql/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "wire/url.h"

void weir__sql_url_complain(struct weir__sql_url *u, const char *what, const char *text)
{
    weir__bounds_line(u->mistakes);
    weir_buf_printf(u->mistakes->out, "url: %s%s%s", what, text[0] != '\0' ? " " : "", text);
}

/* --- parting ---------------------------------------------------------------------------------- */

static weir_str cut(weir_str *rest, size_t n, size_t skip)
{
    weir_str part = {rest->ptr, n};
    *rest = (weir_str){rest->ptr + n + skip, rest->len - n - skip};
    return part;
}

/* Where `c` stands first, or last; the length where it does not. */
static size_t find(weir_str s, char c)
{
    const char *at = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;
    return at != NULL ? (size_t)(at - s.ptr) : s.len;
}

static size_t find_last(weir_str s, char c)
{
    const char *at = s.len > 0 ? memrchr(s.ptr, c, s.len) : NULL;
    return at != NULL ? (size_t)(at - s.ptr) : s.len;
}

static bool take_scheme(weir_str *rest, const char *const schemes[2])
{
    size_t n = find(*rest, ':');
    weir_str scheme = {rest->ptr, n};
    bool is_ours = weir_str_ieq(scheme, weir_str_from(schemes[0])) ||
                   weir_str_ieq(scheme, weir_str_from(schemes[1]));
    if (!is_ours || rest->len < n + 3 || memcmp(rest->ptr + n, "://", 3) != 0)
        return false;
    (void)cut(rest, n, 3);
    return true;
}

bool weir__sql_url_split(struct weir__sql_url *u, weir_str text, const char *const schemes[2])
{
    if (text.len > WEIR__SQL_URL_MAX) {
        weir__sql_url_complain(u, "it is longer than 2,048 bytes", "");
        return false;
    }
    if (!take_scheme(&text, schemes)) {
        weir__bounds_line(u->mistakes);
        weir_buf_printf(u->mistakes->out, "url: it does not begin with %s:// or %s://", schemes[0],
                        schemes[1]);
        return false;
    }
    size_t question = find(text, '?');
    weir_str front = cut(&text, question, question < text.len);
    u->user = u->password = (weir_str){NULL, 0};
    size_t at = find_last(front, '@');
    if (at < front.len) {
        weir_str whole = cut(&front, at, 1);
        size_t colon = find(whole, ':');
        bool has_password = colon < whole.len;
        u->user = cut(&whole, colon, has_password);
        if (has_password)
            u->password = whole;
    }
    size_t slash = find(front, '/');
    u->authority = cut(&front, slash, slash < front.len);
    u->path = front;
    u->query = text;
    return true;
}

/* --- parts ------------------------------------------------------------------------------------ */

char *weir__sql_url_take(struct weir__sql_url *u, size_t n)
{
    if (u->left < n)
        return NULL;
    char *at = u->room;
    u->room += n;
    u->left -= n;
    return at;
}

const char *weir__sql_url_text(struct weir__sql_url *u, const char *what, weir_str part)
{
    if (part.ptr == NULL)
        return NULL;
    char *out = weir__sql_url_take(u, part.len + 1);
    WEIR_ASSERT(out != NULL, "D5: parts of an URL fit where they are kept");
    int n = weir__url_decode(part, out);
    if (n < 0 || memchr(out, 0, (size_t)n) != NULL) {
        weir__sql_url_complain(u, what,
                               n < 0 ? "has a % without two hexadecimal digits" : "has a NUL");
        return NULL;
    }
    out[n] = '\0';
    return out;
}

const char *weir__sql_url_text_or_none(struct weir__sql_url *u, const char *what, weir_str part)
{
    const char *text = weir__sql_url_text(u, what, part);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* --- hosts ------------------------------------------------------------------------------------ */

bool weir__sql_url_part(weir_str *list, weir_str *part)
{
    if (list->ptr == NULL)
        return false;
    size_t comma = find(*list, ',');
    bool is_last = comma == list->len;
    *part = cut(list, comma, !is_last);
    if (is_last)
        list->ptr = NULL;
    return true;
}

static bool read_host(struct weir__sql_url *u, weir_str text, struct weir__sql_host *out)
{
    struct weir__url_authority a;
    if (weir__url_authority_parse(text, &a) != 0 || (a.has_port && a.port == 0)) {
        weir__sql_url_complain(u, "host or port", "is none; write host, host:port, [ip6]:port");
        return false;
    }
    if (a.has_port)
        out->port = a.port;
    if (a.host.len > 1 && a.host.ptr[0] == '[')
        a.host = (weir_str){a.host.ptr + 1, a.host.len - 2};
    out->name = weir__sql_url_text_or_none(u, "the host", a.host);
    return true;
}

unsigned weir__sql_url_hosts(struct weir__sql_url *u, uint16_t port,
                             struct weir__sql_host out[WEIR__SQL_HOSTS_MAX])
{
    weir_str list = u->authority, part;
    unsigned n = 0;
    if (list.len == 0)
        return 0;
    while (weir__sql_url_part(&list, &part)) {
        if (n == WEIR__SQL_HOSTS_MAX) {
            weir__sql_url_complain(u, "it lists more than 16 hosts", "");
            return 0;
        }
        out[n] = (struct weir__sql_host){.port = port};
        if (!read_host(u, part, &out[n]))
            return 0;
        n++;
    }
    return n == 1 && out[0].name == NULL ? 0 : n;
}

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void weir__sql_url_check_hosts(struct weir__sql_url *u, const struct weir__sql_host *hosts,
                               unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (hosts[i].name == NULL && hosts[i].socket == NULL)
            weir__sql_url_complain(u, "a host of the list", "has no name");
        for (unsigned k = 0; k < i; k++) {
            bool is_one = is_same(hosts[i].name, hosts[k].name) && hosts[i].port == hosts[k].port &&
                          is_same(hosts[i].socket, hosts[k].socket);
            if (is_one)
                weir__sql_url_complain(u, "a host of the list", "stands there twice");
        }
    }
}

void weir__sql_host_where(const struct weir__sql_host *host, char *out, size_t size)
{
    bool is_six = host->name != NULL && strchr(host->name, ':') != NULL;
    if (host->name == NULL)
        (void)snprintf(out, size, "%s", host->socket);
    else
        (void)snprintf(out, size, is_six ? "[%s]:%u" : "%s:%u", host->name, host->port);
}

bool weir__sql_url_is_loopback(const char *host)
{
    struct in_addr four;
    return weir_str_ieq(weir_str_from(host), WEIR_S("localhost")) || strcmp(host, "::1") == 0 ||
           (inet_pton(AF_INET, host, &four) == 1 && (ntohl(four.s_addr) >> 24) == 127);
}

/* --- parameters ------------------------------------------------------------------------------- */

bool weir__sql_url_may_have_parameters(struct weir__sql_url *u)
{
    if (find(u->query, '@') == u->query.len)
        return true;
    weir__sql_url_complain(u, "has an @ behind its ?",
                           "write %3F for a ? in the password, %40 for an @");
    return false;
}

bool weir__sql_url_next(struct weir__sql_url *u, struct weir__sql_url_parameter *out)
{
    weir_str value;
    while (weir__url_pair_next(&u->query, &out->name, &value)) {
        size_t room = sizeof out->shown - 1;
        (void)snprintf(out->shown, sizeof out->shown, WEIR_STR_FMT,
                       (int)(out->name.len < room ? out->name.len : room), out->name.ptr);
        if (value.ptr == NULL) {
            weir__sql_url_complain(u, out->shown, "has no value");
            continue;
        }
        out->value = weir__sql_url_text(u, out->shown, value);
        if (out->value != NULL)
            return true;
    }
    return false;
}

const char **weir__sql_url_place(const struct weir__sql_url_place *places, size_t count,
                                 weir_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (weir_str_eq(places[i].name, name))
            return places[i].text;
    }
    return NULL;
}

void weir__sql_url_seconds(struct weir__sql_url *u, const struct weir__sql_url_parameter *p,
                           int64_t *out)
{
    int64_t seconds;
    if (weir_str_i64(weir_str_from(p->value), &seconds) != WEIR_OK || seconds < 1 || seconds > 600)
        weir__sql_url_complain(u, p->shown, "is no whole number of seconds from 1 to 600");
    else
        *out = seconds;
}
