/*
 * Options of a program: one table that is filled from initialisers, the environment and flags, in
 * this order. All mistakes are collected as lines; none ends the process.
 */
#ifndef WEIR_CONF_OPTION_H
#define WEIR_CONF_OPTION_H

#include <weir/buf.h>
#include <weir/conf.h>

enum { WEIR__OPTIONS_MAX = 96 };

/* Mistakes as text, one line each, without the program's name. */
struct weir__mistakes {
    weir_buf lines;
    size_t count;
};

void weir__mistakes_init(struct weir__mistakes *m);
void weir__mistakes_fini(struct weir__mistakes *m);
void weir__mistake(struct weir__mistakes *m, const char *format, ...) WEIR_PRINTF(2, 3);

/* Where a value came from; later ones win. */
enum weir__option_source { WEIR__FROM_INITIALISER, WEIR__FROM_ENVIRONMENT, WEIR__FROM_FLAG };

struct weir__option_set {
    weir_option options[WEIR__OPTIONS_MAX];
    uint8_t sources[WEIR__OPTIONS_MAX]; /* weir__option_source */
    size_t count;
    bool wants_help, wants_version;
};

/* Adds one; a mistake when it is not well formed, its name is taken, or there are too many. */
void weir__option_add(struct weir__option_set *set, const weir_option *option,
                      struct weir__mistakes *m);

/* Reads the environment and the flags, checks every value, those of initialisers too. */
void weir__options_read(struct weir__option_set *set, int argc, char **argv,
                        struct weir__mistakes *m);

/* Adds that the value of the `i`-th option, a duration, is not allowed; `allowed` says what is. */
void weir__option_refuse(const struct weir__option_set *set, size_t i, const char *allowed,
                         struct weir__mistakes *m);

/* The help text; to be called before weir__options_read, while the defaults are there. */
void weir__options_help(const struct weir__option_set *set, const char *program, weir_buf *out);

/* True when one of the arguments asks for it. */
bool weir__options_want(int argc, char **argv, const char *flag);

/* "WEIR_LOG_LEVEL" for "log-level". */
void weir__option_variable(const char *name, char *out, size_t size);

/* Reads "250ms", "10s", "1.5s" is refused; units ns us ms s m h. */
WEIR_MUST_USE weir_err weir__duration_parse(const char *text, weir_dur *out);

/* Writes it in the largest unit that leaves a whole number: "250ms", "10s", "0s". */
void weir__duration_print(weir_dur d, weir_buf *out);

#endif
