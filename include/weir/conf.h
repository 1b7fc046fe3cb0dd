/*
 * How a program is told what to do: options that are set by initialisers, the environment and
 * flags. An application has its own, and takes those of the program beside them (app.h).
 */
#ifndef WEIR_CONF_H
#define WEIR_CONF_H

#include <weir/time.h>

/**
 * An option of your own. What its variable holds when weir_app_new is called is the default. Give
 * exactly one of `text`, `number`, `duration` and `toggle`; weir_app_new sets what it points to.
 * All that is pointed to is kept: it must live until weir_app_run returns.
 *
 *     const char *db = "shop.db";
 *     weir_option options[] = {{.name = "db", .text = &db, .help = "the SQLite file"}, {0}};
 */
typedef struct weir_option {
    const char *name; /* "db": --db=…, WEIR_DB=…; small letters, digits, '-'; NULL ends a list */
    const char *help;          /* one line */
    const char **text;         /* borrowed from argv or the environment for ever */
    int64_t *number;           /* decimal; k, M, G behind it: times 1024, 1024², 1024³ */
    weir_dur *duration;        /* 250ms, 10s, 5m, 1h */
    bool *toggle;              /* --name, --name=false */
    int64_t min, max;          /* of a number, or a duration in nanoseconds; both 0: no bounds */
    const char *const *one_of; /* the allowed texts, NULL at the end */
    /* Looks at a text: NULL when it is fine, else what is wanted ("a path that exists"). */
    const char *(*check)(const char *text);
} weir_option;

#endif
