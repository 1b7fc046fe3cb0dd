/*
 * The application: options, listeners, the admin's port, start and drain. It is what main is made of.
 *
 *     int main(int argc, char **argv)
 *     {
 *         weir_app *app = weir_app_new(argc, argv, .name = "hello", .listen = ":8080");
 *         weir_get(app, "/hello/:name", hello);
 *         return weir_app_run(app);
 *     }
 *
 * Every member of weir_app_options that is a plain value is also an option of the program: `.drain_timeout`
 * is WEIR_DRAIN_TIMEOUT in the environment and --drain-timeout as a flag. A flag wins over the environment,
 * that over the initialiser. All mistakes are shown at once, each with where it came from.
 */
#ifndef WEIR_APP_H
#define WEIR_APP_H

#include <weir/ctx.h>
#include <weir/fiber.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A service. Made by weir_app_new, ended by weir_app_run. */
typedef struct weir_app weir_app;

/**
 * An option of your own. What the variable holds when weir_app_new is called is the default. Give exactly
 * one of `text`, `number`, `duration` and `toggle`.
 *
 *     const char *db = "shop.db";
 *     weir_option options[] = {{.name = "db", .text = &db, .help = "the SQLite file"}, {0}};
 */
typedef struct weir_option {
    const char *name; /* "db": --db=…, WEIR_DB=…; small letters, digits, '-'. NULL ends a list */
    const char *help;          /* one line */
    const char **text;         /* borrowed from argv or the environment for ever */
    int64_t *number;           /* decimal; k, M, G behind it mean 1024, 1024² and 1024³ times */
    weir_dur *duration;        /* 250ms, 10s, 5m, 1h */
    bool *toggle;              /* --name, --name=false */
    int64_t min, max;          /* of a number, or a duration in nanoseconds; both 0: no bounds */
    const char *const *one_of; /* the allowed texts, NULL at the end */
    /* Looks at a text: NULL when it is fine, else what is wanted ("a path that exists"). */
    const char *(*check)(const char *text);
} weir_option;

#ifdef __cplusplus
}
#endif
#endif
