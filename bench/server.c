/*
 * The service that load is put on: a route for each thing that services do, through the ordinary application and router,
 * with weir_mw_recover as the only middleware. Written against the public headers alone, as a user's would be.
 *
 *     server --port P --workers N [--db FILE]
 *
 * bench/anchors/gin has the same routes and answers. All other options are the application's, by environment
 * (WEIR_LOG_LEVEL=debug …). There is no admin's port, so that several of these can run side by side.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

typedef struct {
    weir_str id, name, email;
} user;
WEIR_MODEL(user, (id), (name, .required = true, .len_max = 64),
           (email, .required = true, .format = WEIR_EMAIL));

typedef struct {
    weir_str message;
} message;
WEIR_MODEL(message, (message));

/* --- without a database ----------------------------------------------------------------------- */

static weir_err plaintext(weir_ctx *c)
{
    return weir_text(c, 200, WEIR_S("Hello, World!"));
}

static weir_err hello(weir_ctx *c)
{
    message m = {WEIR_S("Hello, World!")};
    return weir_json(c, 200, message, &m);
}

static weir_err get_user(weir_ctx *c)
{
    user u = {weir_param(c, "id"), WEIR_S("Ada Lovelace"), WEIR_S("ada@example.com")};
    return weir_json(c, 200, user, &u);
}

static weir_err echo(weir_ctx *c)
{
    user u;
    if (weir_bind_json(c, user, &u) < 0)
        return weir_fail_bind(c);
    return weir_json(c, 200, user, &u);
}

static weir_err sleep_for(weir_ctx *c)
{
    int64_t ms = 10;
    if (weir_query_param_i64(c, "ms", &ms) < 0)
        return weir_fail_bind(c);
    if (ms < 0 || ms > 60000)
        return weir_fail(c, 400, "ms must be 0 to 60000");
    weir_err err = weir_sleep(c, weir_ms(ms));
    return err < 0 ? err : weir_text(c, 200, "slept\n");
}

/* --- start ------------------------------------------------------------------------------------ */

struct arguments {
    long port, workers;
    const char *db;
};

static void usage(void)
{
    fprintf(stderr, "usage: server --port P --workers N [--db FILE]\n");
    exit(2);
}

static long number(const char *text, long min, long max)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || n < min || n > max) {
        fprintf(stderr, "server: '%s' is not a number from %ld to %ld\n", text, min, max);
        usage();
    }
    return n;
}

static struct arguments read_arguments(int argc, char **argv)
{
    static const struct option known[] = {{"port", required_argument, NULL, 'p'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"db", required_argument, NULL, 'd'},
                                          {0}};
    struct arguments a = {.port = 8080, .workers = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'p':
            a.port = number(optarg, 0, 65535);
            break;
        case 'w':
            a.workers = number(optarg, 1, 255);
            break;
        case 'd':
            a.db = optarg;
            break;
        default:
            usage();
        }
    }
    if (optind != argc)
        usage();
    return a;
}

int main(int argc, char **argv)
{
    struct arguments a = read_arguments(argc, argv);
    char listen[32];
    snprintf(listen, sizeof listen, "127.0.0.1:%ld", a.port);
    weir_app *app = weir_app_new(1, argv, .name = "bench", .listen = listen, .admin = "off",
                                 .workers = a.workers);
    weir_use(app, weir_mw_recover);
    weir_get(app, "/plaintext", plaintext);
    weir_get(app, "/json", hello);
    weir_get(app, "/users/:id", get_user);
    weir_post(app, "/echo", echo);
    weir_get(app, "/sleep", sleep_for);
    return weir_app_run(app);
}
