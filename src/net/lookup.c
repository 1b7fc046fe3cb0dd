/*
 * Which servers are asked, for which names, in which order, and what is believed of it. The time
 * that a server has and the tries are resolv.conf's; a server that does not answer, or says that it
 * cannot (SERVFAIL, REFUSED), is left for the next one, and the one that has answered last is asked
 * first, so that a dead one costs its time-out once.
 *
 * The files are read on the worker: they are small, and in the kernel's memory but for the first
 * time.
 */
#include "net/lookup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/counter.h"
#include "net/dns_ask.h"
#include "os/sys.h"
#include "rt/context.h"
#include "rt/worker.h"

#define FILES_NS 5000000000LL /* until they are read again */
#define FILE_BYTES_MAX (256u << 10)
#define FILES_TTL_S 5   /* hosts may be written at any time */
#define NO_TTL_S_MAX 5  /* RFC 2308, 5 would allow hours: a name that comes is wanted soon */
#define TTL_S_MAX 300   /* whatever a server says */
#define PARTIAL_TTL_S 5 /* one family did not come in time */

static const char *paths[] = {"/etc/resolv.conf", "/etc/hosts"};
static struct weir__counter queries;

void weir__name_files_at(const char *resolv_conf, const char *hosts)
{
    paths[0] = resolv_conf != NULL ? resolv_conf : paths[0];
    paths[1] = hosts != NULL ? hosts : paths[1];
}

uint64_t weir__name_queries(void)
{
    return weir__counter_read(&queries);
}

/* --- the files ---------------------------------------------------------------------------- */

/* The first bytes of a file; the caller frees. False: it could not be read. */
static bool read_file(const char *path, weir_str *out)
{
    int fd = weir__sys_open(path, O_RDONLY, 0);
    if (fd < 0)
        return false;
    char *bytes = weir__malloc(FILE_BYTES_MAX);
    size_t len = 0;
    ssize_t n = bytes != NULL ? 1 : -ENOMEM;
    while (n > 0 && len < FILE_BYTES_MAX) {
        n = weir__sys_read(fd, bytes + len, FILE_BYTES_MAX - len);
        len += n > 0 ? (size_t)n : 0;
        WEIR_ASSERT(len <= FILE_BYTES_MAX, "N8: of a file no more comes than there is room for");
    }
    weir__sys_close(fd);
    if (n < 0) {
        weir__free(bytes);
        return false;
    }
    *out = (weir_str){bytes, len};
    return true;
}

static void free_text(weir_str *text)
{
    weir__free((void *)(uintptr_t)text->ptr);
    *text = (weir_str){NULL, 0};
}

/* A file that cannot be read now is as it was. */
static void read_files(struct weir__name_files *f)
{
    weir_str text = {NULL, 0};
    weir_time now = weir__worker_now(weir__self);
    if (f->read_at.ns != 0 && weir_time_sub(now, f->read_at).ns < FILES_NS)
        return;
    if (read_file(paths[0], &text) || f->read_at.ns == 0)
        weir__resolv_conf_read(text, &f->conf);
    free_text(&text);
    if (read_file(paths[1], &text)) {
        free_text(&f->hosts);
        char *smaller = text.len > 0 ? weir__realloc((void *)(uintptr_t)text.ptr, text.len) : NULL;
        f->hosts = smaller != NULL ? (weir_str){smaller, text.len} : text;
    }
    f->read_at = now;
    WEIR_ASSERT(f->conf.server_count > 0, "N6: with the files there is somebody to be asked");
}

void weir__name_files_free(struct weir__name_files *f)
{
    free_text(&f->hosts);
    f->read_at = (weir_time){0};
}

/* --- one name, all servers ---------------------------------------------------------------- */

struct search {
    struct weir__ctx *ctx;
    const struct weir__resolv_conf *conf;
    unsigned *good;
    struct weir__addresses *out;
    uint32_t ttl_s;
};

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* IPv6 and IPv4 in turn, IPv6 first (RFC 8305, 4). */
static void take_addresses(struct search *s, const struct weir__dns_answer *answers)
{
    const struct weir__dns_answer *six = &answers[WEIR__DNS_SIX], *four = &answers[WEIR__DNS_FOUR];
    for (unsigned i = 0; i < WEIR__DNS_IPS_MAX; i++) {
        if (i < six->count)
            (void)weir__addresses_add(s->out, AF_INET6, six->ips[i]);
        if (i < four->count)
            (void)weir__addresses_add(s->out, AF_INET, four->ips[i]);
    }
    WEIR_ASSERT(s->out->count > 0, "N5: who is told without an error has addresses");
    s->ttl_s = TTL_S_MAX;
    for (int i = 0; i < WEIR__DNS_FAMILIES; i++) {
        bool has_said = answers[i].count > 0 || answers[i].says == WEIR__DNS_NO_DATA;
        uint32_t ttl_s = answers[i].count > 0 ? answers[i].ttl_s : TTL_S_MAX;
        s->out->is_partial = s->out->is_partial || !has_said;
        s->ttl_s = lesser(s->ttl_s, has_said ? ttl_s : PARTIAL_TTL_S);
    }
    WEIR_ASSERT(s->ttl_s <= TTL_S_MAX, "N4: nothing is believed for longer, whoever says so");
}

static void take_no(struct search *s, const char *name, const struct weir__endpoint *server,
                    const struct weir__dns_answer *answers)
{
    char where[WEIR__ENDPOINT_TEXT_MAX];
    WEIR_ASSERT(s->out->count == 0, "N5: who has addresses is not told why there are none");
    bool has_none = answers[0].says == WEIR__DNS_NO_NAME;
    (void)weir__endpoint_format(server, where);
    snprintf(s->out->why, sizeof s->out->why, "%s %.80s, says the name server %s",
             has_none ? "there is no" : "there is no address of", name, where);
    for (int i = 0; i < WEIR__DNS_FAMILIES; i++)
        s->ttl_s = lesser(s->ttl_s, answers[i].ttl_s);
}

/* Adds a server's failure to the reason, as far as there is room. */
static void note(struct search *s, const struct weir__endpoint *server, weir_err err,
                 unsigned rcode)
{
    char where[WEIR__ENDPOINT_TEXT_MAX];
    size_t len = strlen(s->out->why);
    (void)weir__endpoint_format(server, where);
    WEIR_ASSERT(len < sizeof s->out->why, "N5: a reason fits where it is kept");
    snprintf(s->out->why + len, sizeof s->out->why - len, "%s %s: %s",
             len > 0 ? "," : "no name server could say:", where,
             err == WEIR_ENOHOST ? weir__dns_rcode_name(rcode) : weir_strerror(err));
}

/* Not what a server said or did, but what is over, or missing, here. */
static bool is_ours(struct weir__ctx *c, weir_err err)
{
    return err == -ENOMEM || err == WEIR_EINVALID || (err < 0 && weir__ctx_check(c) < 0);
}

/* WEIR_OK: `out` has addresses; WEIR_ENOTFOUND: there are none; WEIR_ENOHOST: nobody could say. */
static weir_err ask_servers(struct search *s, const char *name)
{
    struct weir__dns_answer answers[WEIR__DNS_FAMILIES];
    WEIR_ASSERT(s->conf->server_count > 0 && s->conf->attempts > 0,
                "N6: there is somebody to be asked, at least once");
    unsigned n = s->conf->server_count, first = *s->good % n, rcode;
    s->out->why[0] = '\0';
    for (unsigned i = 0; i < n * s->conf->attempts; i++) {
        unsigned at = (first + i) % n;
        const struct weir__endpoint *server = &s->conf->servers[at];
        weir_time until =
            weir_time_add(weir__worker_now(weir__self), weir_sec((int64_t)s->conf->timeout_s));
        weir__counter_add_shared(&queries, 1);
        weir_err err = weir__dns_ask(s->ctx, server, name, until, answers, &rcode);
        if (is_ours(s->ctx, err))
            return err;
        if (err < 0) {
            note(s, server, err, rcode);
            continue;
        }
        WEIR_ASSERT(at < n, "N6: who has answered is one of the servers");
        *s->good = at;
        if (answers[0].count + answers[1].count > 0) {
            take_addresses(s, answers);
            return WEIR_OK;
        }
        take_no(s, name, server, answers);
        return WEIR_ENOTFOUND;
    }
    return WEIR_ENOHOST;
}

/* --- the names that a name may stand for -------------------------------------------------- */

static unsigned dots_of(const char *name)
{
    unsigned n = 0;
    for (; *name != '\0'; name++)
        n += *name == '.';
    return n;
}

/*
 * The nth of them, NUL-terminated: as it is, and in each domain of `search`; which is first is a
 * matter of its dots. False: it is none, for it would be too long.
 */
static bool candidate(const struct weir__resolv_conf *conf, const char *name, unsigned nth,
                      char out[WEIR__NAME_MAX + 2])
{
    WEIR_ASSERT(nth <= conf->search_count,
                "N6: a name stands for itself, and for one in each domain");
    unsigned as_it_is = dots_of(name) >= conf->ndots ? 0 : conf->search_count;
    const char *domain = nth == as_it_is ? "" : conf->search[nth - (nth > as_it_is)];
    int n = snprintf(out, WEIR__NAME_MAX + 2, "%s%s%s", name, domain[0] != '\0' ? "." : "", domain);
    return n <= WEIR__NAME_MAX + 1 && weir__name_is_good(weir_str_from(out));
}

static weir_err ask_for_each(struct search *s, const char *name)
{
    char full[WEIR__NAME_MAX + 2];
    weir_err err = WEIR_ENOTFOUND;
    WEIR_ASSERT(name[0] != '\0', "N3: no name is empty");
    if (name[strlen(name) - 1] == '.')
        return ask_servers(s, name);
    for (unsigned i = 0; i <= s->conf->search_count && err == WEIR_ENOTFOUND; i++) {
        if (candidate(s->conf, name, i, full))
            err = ask_servers(s, full);
    }
    return err;
}

weir_err weir__look_up(struct weir__ctx *c, struct weir__name_files *f, const char *name,
                       struct weir__addresses *out, uint32_t *ttl_s)
{
    WEIR_ASSERT(out->count == 0, "N5: nothing was found before it was looked for");
    read_files(f);
    *ttl_s = FILES_TTL_S;
    if (weir__hosts_find(f->hosts, weir_str_from(name), out) > 0)
        return WEIR_OK;
    struct weir__resolv_conf conf = f->conf; /* others may read the files meanwhile */
    struct search s = {c, &conf, &f->good, out, NO_TTL_S_MAX};
    weir_err err = ask_for_each(&s, name);
    WEIR_ASSERT((err == WEIR_OK) == (out->count > 0),
                "N5: who is told without an error has addresses");
    out->is_none = err == WEIR_ENOTFOUND;
    *ttl_s = err == WEIR_OK || out->is_none ? s.ttl_s : 0;
    return out->is_none ? WEIR_ENOHOST : err;
}
