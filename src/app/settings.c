/*
 * The options that every application has: one table that says for each its name, help, bounds and
 * default. The defaults of limits and time-outs are written here and handed down to the server and
 * the runtime, so that --help tells the truth.
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir/version.h>

#include "app/app.h"
#include "base/sized.h"
#include "base/slip.h"
#include "net/lookup.h"

#define HOUR_NS 3600000000000LL
#define GIB ((int64_t)1 << 30)

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};

static const char *check_address(const char *text)
{
    return weir__listener_check(weir_str_from(text));
}

static const char *check_admin(const char *text)
{
    if (strcmp(text, "off") == 0 || check_address(text) == NULL)
        return NULL;
    return "off, or an address as --listen has";
}

static const char *const client_fields[] = {"x-forwarded-for", "forwarded", NULL};

static const char *check_trusted(const char *text)
{
    struct weir__cidrs nets;
    weir_str bad;
    if (weir__cidrs_parse(weir_str_from(text), &nets, &bad) == WEIR_OK)
        return NULL;
    return "networks and addresses, 10.0.0.0/8,fd00::/8,127.0.0.1,unix; at most 64, and no bits "
           "set beside a network's";
}

static const char *check_field(const char *text)
{
    return weir__http_name_is_valid(weir_str_from(text)) ? NULL : "off, or a header's name";
}

static void default_text(const char **value, const char *text)
{
    *value = *value != NULL ? *value : text;
}

/* Zero is the default, below zero is none; from here on zero is none. */
static void default_duration(weir_dur *value, weir_dur d)
{
    if (value->ns == 0)
        *value = d;
    else if (value->ns < 0)
        value->ns = 0;
}

static void default_number(int64_t *value, int64_t n)
{
    *value = *value != 0 ? *value : n;
}

static void set_defaults(weir_app_options *s, char **argv)
{
    const char *program = argv[0] != NULL ? argv[0] : "weir";
    const char *slash = strrchr(program, '/');
    default_text(&s->name, slash != NULL ? slash + 1 : program);
    default_text(&s->version, WEIR_VERSION);
    default_text(&s->listen, ":8080");
    default_text(&s->admin, "127.0.0.1:6060");
    default_text(&s->log_level, "info");
    default_duration(&s->drain_delay, weir_ns(0));
    default_duration(&s->drain_timeout, weir_sec(10));
    default_duration(&s->stall, weir_ms(50));
    default_duration(&s->fd_audit, weir_sec(30));
    default_duration(&s->head_timeout, weir_sec(10));
    default_duration(&s->body_timeout, weir_sec(30));
    default_duration(&s->write_timeout, weir_sec(30));
    default_duration(&s->idle_timeout, weir_sec(75));
    default_duration(&s->handler_timeout, weir_sec(30));
    default_duration(&s->linger_timeout, weir_sec(30));
    default_number(&s->linger_bytes_max, 256 << 20);
    default_number(&s->requests_max, 10000);
    default_number(&s->head_bytes_max, 16 << 10);
    default_number(&s->body_bytes_max, 8 << 20);
    default_number(&s->request_memory_max, 64 << 20);
    default_number(&s->fibers_max, 1000000);
    default_number(&s->detached_max, 1000);
    default_text(&s->resolv_conf, "/etc/resolv.conf");
    default_text(&s->hosts, "/etc/hosts");
    default_text(&s->trusted, "");
    default_text(&s->client_field, client_fields[0]);
    default_text(&s->deadline_header, "Weir-Deadline-Ms");
}

/* Those of the program, each as large as it was when that was compiled. */
static void add_own(weir_app *app)
{
    const char *given = (const char *)app->settings.options;
    size_t stride = app->settings.option_size;
    if (given != NULL && stride < offsetof(weir_option, help)) {
        weir__mistake(&app->mistakes, "weir_app_new: .options without .option_size, which the "
                                      "macro sets");
        return;
    }
    for (; given != NULL && ((const weir_option *)given)->name != NULL; given += stride) {
        weir_option o;
        if (!weir__sized_copy(&o, sizeof o, given, stride))
            weir__mistake(&app->mistakes,
                          ".options: \"%s\" has what this library does not know: the program was "
                          "compiled with a newer Weir",
                          o.name);
        weir__option_add(&app->options, &o, &app->mistakes);
    }
}

/* Adds all; how many are Weir's own, which are the first. */
static size_t add_options(weir_app *app)
{
    weir_app_options *s = &app->settings;
    const weir_option table[] = {
        {"listen", "where to serve", .text = &s->listen, .check = check_address},
        {"admin", "where health, metrics and fibers are, or off", .text = &s->admin,
         .check = check_admin},
        {"workers", "threads that serve; 0: as many as there are processors", .number = &s->workers,
         .max = WEIR__WORKERS_MAX - 1},
        {"offload-threads", "threads for work that blocks; 0: two a worker",
         .number = &s->offload_threads, .max = 1024},
        {"log-level", "the least that is logged", .text = &s->log_level, .one_of = log_levels},
        {"contain-faults", "a fault in a handler is a panic", .toggle = &s->contain_faults},
        {"check-sql", "start, say whether the statements in WEIR_SQL fit the databases, and end",
         .toggle = &app->checks_sql},
        {"trap-ended", "memory of requests that have ended faults when it is touched: for tests",
         .toggle = &s->trap_ended},
        {"drain-delay", "from SIGTERM to no longer accepting", .duration = &s->drain_delay,
         .max = HOUR_NS},
        {"drain-timeout", "for requests to end before they are cancelled",
         .duration = &s->drain_timeout, .max = HOUR_NS},
        {"stall", "a fiber that runs longer is reported; 0: none is", .duration = &s->stall,
         .max = HOUR_NS},
        {"fd-audit", "between looks for descriptors that belong to nobody; 0: none",
         .duration = &s->fd_audit, .max = HOUR_NS},
        {"head-timeout", "for a request's head; 0: none", .duration = &s->head_timeout,
         .max = HOUR_NS},
        {"body-timeout", "for a piece of a body; 0: none", .duration = &s->body_timeout,
         .max = HOUR_NS},
        {"write-timeout", "for a client to take a piece; 0: none", .duration = &s->write_timeout,
         .max = HOUR_NS},
        {"idle-timeout", "between requests; 0: none", .duration = &s->idle_timeout,
         .max = 24 * HOUR_NS},
        {"handler-timeout", "for a request's handler; 0: none", .duration = &s->handler_timeout,
         .max = 24 * HOUR_NS},
        {"linger-timeout", "for a client to end after its last answer; 0: it is not waited for",
         .duration = &s->linger_timeout, .max = HOUR_NS},
        {"linger-bytes-max", "of what it sends meanwhile, which is thrown away",
         .number = &s->linger_bytes_max, .min = 1, .max = 1024 * GIB},
        {"connections-max", "open at a time; 0: 100000, or what the system allows",
         .number = &s->connections_max, .max = 10000000},
        {"requests-max", "on a connection", .number = &s->requests_max, .min = 1,
         .max = UINT32_MAX},
        {"half-close", "a client that shuts its sending side is not taken to be gone",
         .toggle = &s->half_close},
        {"head-bytes-max", "of a request's head", .number = &s->head_bytes_max, .min = 1024,
         .max = WEIR_HTTP_HEAD_BYTES_MAX},
        {"body-bytes-max", "of a request's body, unless its route says otherwise",
         .number = &s->body_bytes_max, .min = 1, .max = 1024 * GIB},
        {"request-memory-max", "of all that a request allocates", .number = &s->request_memory_max,
         .min = 64 << 10, .max = 1024 * GIB},
        {"fibers-max", "in the process", .number = &s->fibers_max, .min = 100, .max = 100000000},
        {"detached-max", "background work a worker", .number = &s->detached_max, .min = 1,
         .max = 1000000},
        {"resolv-conf", "which name servers are asked", .text = &s->resolv_conf},
        {"hosts", "names that are known without asking", .text = &s->hosts},
        {"trusted", "peers whose word is taken, 10.0.0.0/8,unix; none", .text = &s->trusted,
         .check = check_trusted},
        {"proxy-protocol", "they begin each connection with its header",
         .toggle = &s->proxy_protocol},
        {"client-field", "where they name the client", .text = &s->client_field,
         .one_of = client_fields},
        {"deadline-header", "where they say how many ms they will wait, or off",
         .text = &s->deadline_header, .check = check_field},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        weir__option_add(&app->options, &table[i], &app->mistakes);
    weir__app_tls_options(app);
    size_t own = app->options.count;
    add_own(app);
    return own;
}

/* Times of Weir's own are 0 or from a millisecond on: `.stall = 5` is 5 ns, and meant 5 ms. */
static void check_slips(weir_app *app, size_t own)
{
    char allowed[96];
    for (size_t i = 0; i < own; i++) {
        const weir_dur *d = app->options.options[i].duration;
        if (d == NULL || !weir__dur_is_slip(*d))
            continue;
        (void)snprintf(allowed, sizeof allowed,
                       "1ms or more; weir_ms(%lld) when milliseconds are meant", (long long)d->ns);
        weir__option_refuse(&app->options, i, allowed, &app->mistakes);
    }
}

/* What makes no sense without the other. */
static void check_pairs(weir_app *app)
{
    const weir_app_options *s = &app->settings;
    if (s->proxy_protocol && s->trusted[0] == '\0')
        weir__mistake(&app->mistakes, "proxy_protocol: nobody is trusted to send it; name the "
                                      "proxies in trusted, as 10.0.0.0/8");
}

void weir__app_read_settings(weir_app *app)
{
    set_defaults(&app->settings, app->argv);
    weir__inherited_addresses(&app->inherited, &app->settings);
    size_t own = add_options(app);
    if (weir__options_want(app->argc, app->argv, "--help"))
        return;
    weir__options_read(&app->options, app->argc, app->argv, &app->mistakes);
    check_slips(app, own);
    weir__app_tls_check(app);
    check_pairs(app);
    weir__name_files_at(app->settings.resolv_conf, app->settings.hosts);
}

/* What zero means to the server: its default, which is not what it means here. */
static weir_dur or_none(weir_dur d)
{
    return d.ns == 0 ? weir_ns(-1) : d;
}

void weir__app_server_options(const weir_app *app, struct weir__http_server_options *out)
{
    const weir_app_options *s = &app->settings;
    *out = (struct weir__http_server_options){
        .head_bytes_max = (uint32_t)s->head_bytes_max,
        .body_max = (uint64_t)s->body_bytes_max,
        .head_timeout = or_none(s->head_timeout),
        .body_timeout = or_none(s->body_timeout),
        .write_timeout = or_none(s->write_timeout),
        .idle_timeout = or_none(s->idle_timeout),
        .handler_timeout = or_none(s->handler_timeout),
        .linger_timeout = or_none(s->linger_timeout),
        .linger_bytes_max = (uint64_t)s->linger_bytes_max,
        .connections_max = (uint32_t)s->connections_max,
        .requests_max = s->requests_max,
        .is_half_close_served = s->half_close,
        .is_proxied = s->proxy_protocol,
        .is_forwarded = strcmp(s->client_field, client_fields[1]) == 0,
    };
    weir_str bad;
    weir_err err = weir__cidrs_parse(weir_str_from(s->trusted), &out->trusted, &bad);
    WEIR_ASSERT(err == WEIR_OK, "A7: options were checked when they were read");
    if (strcmp(s->deadline_header, "off") != 0)
        out->deadline_field = weir_str_from(s->deadline_header);
}

void weir__app_runtime_options(const weir_app *app, struct weir__runtime_options *out)
{
    const weir_app_options *s = &app->settings;
    *out = (struct weir__runtime_options){
        .workers = (unsigned)s->workers,
        .fibers_max = (uint64_t)s->fibers_max,
        .detached_max = (uint64_t)s->detached_max,
        .request_memory_max = (size_t)s->request_memory_max,
        .stall = or_none(s->stall),
        .extra_workers = 1,
        .offload_threads = (unsigned)s->offload_threads,
        .contain_faults = s->contain_faults,
    };
}
