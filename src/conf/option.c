/*
 * Options from initialisers, environment and flags. An option is a name, a help line and the
 * address of the variable that holds its value; what the variable holds at the start is the
 * default, so there is no second place where a default could be written. A mistake (unknown flag, a
 * number out of range, a word that is not allowed) never ends the process here: it becomes a line,
 * and all lines are shown at once.
 *
 * Values of kind text are borrowed from argv and the environment, which live as long as the
 * process. Used by one thread, before the workers start.
 */
#include "conf/option.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { VARIABLE_MAX = 80, MISTAKES_BYTES_MAX = 64 << 10 };

/* --- mistakes ------------------------------------------------------------------------------- */

void weir__mistakes_init(struct weir__mistakes *m)
{
    weir_buf_init(&m->lines, MISTAKES_BYTES_MAX);
    m->count = 0;
}

void weir__mistakes_fini(struct weir__mistakes *m)
{
    weir_buf_fini(&m->lines);
}

void weir__mistake(struct weir__mistakes *m, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *p = line; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?'; /* what was found may be anything, and this is for a terminal */
    }
    weir_buf_puts(&m->lines, weir_str_from(line));
    weir_buf_putc(&m->lines, '\n');
    m->count++;
}

/* --- durations ------------------------------------------------------------------------------ */

static const struct unit {
    const char *name;
    int64_t ns;
} units[] = {
    {"h", 3600000000000LL}, {"m", 60000000000LL}, {"s", 1000000000},
    {"ms", 1000000},        {"us", 1000},         {"ns", 1},
};

weir_err weir__duration_parse(const char *text, weir_dur *out)
{
    size_t digits = strspn(text, "-0123456789");
    int64_t n;
    weir_err err = weir_str_i64((weir_str){text, digits}, &n);
    if (err < 0)
        return err;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + digits, units[i].name) != 0)
            continue;
        int64_t ns;
        if (__builtin_mul_overflow(n, units[i].ns, &ns))
            return -ERANGE;
        out->ns = ns;
        return WEIR_OK;
    }
    if (n != 0 || text[digits] != '\0')
        return WEIR_EINVALID;
    out->ns = 0;
    return WEIR_OK;
}

void weir__duration_print(weir_dur d, weir_buf *out)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0] && d.ns != 0; i++) {
        if (d.ns % units[i].ns == 0) {
            weir_buf_printf(out, "%lld%s", (long long)(d.ns / units[i].ns), units[i].name);
            return;
        }
    }
    weir_buf_puts(out, WEIR_S("0s"));
}

/* --- numbers -------------------------------------------------------------------------------- */

/* A decimal number, or one with k, M or G behind it: times 1024, 1024², 1024³. */
static weir_err parse_number(const char *text, int64_t *out)
{
    static const char suffixes[] = "kMG";
    size_t len = strlen(text);
    const char *suffix = len > 0 ? strchr(suffixes, text[len - 1]) : NULL;
    int64_t n;
    weir_err err = weir_str_i64((weir_str){text, len - (suffix != NULL)}, &n);
    if (err < 0)
        return err;
    int64_t unit = suffix != NULL ? (int64_t)1024 << (10 * (suffix - suffixes)) : 1;
    return __builtin_mul_overflow(n, unit, out) ? -ERANGE : WEIR_OK;
}

static weir_err parse_toggle(const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return WEIR_OK;
        }
    }
    return WEIR_EINVALID;
}

/* --- names ---------------------------------------------------------------------------------- */

void weir__option_variable(const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "WEIR_%s", name);
    for (char *p = out; *p != '\0'; p++) {
        if (*p == '-')
            *p = '_';
        else if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    }
}

/* How the user named the value: "--workers", "WEIR_WORKERS", ".workers". */
static void print_source(const weir_option *o, enum weir__option_source source, char *out,
                         size_t size)
{
    if (source == WEIR__FROM_FLAG) {
        (void)snprintf(out, size, "--%s", o->name);
        return;
    }
    if (source == WEIR__FROM_ENVIRONMENT) {
        weir__option_variable(o->name, out, size);
        return;
    }
    (void)snprintf(out, size, ".%s", o->name);
    for (char *p = out; *p != '\0'; p++)
        *p = *p == '-' ? '_' : *p;
}

static bool is_name(const char *name)
{
    return name != NULL && name[0] >= 'a' && name[0] <= 'z' && strlen(name) < VARIABLE_MAX - 6 &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static weir_option *find_option(struct weir__option_set *set, const char *name, size_t len)
{
    for (size_t i = 0; i < set->count; i++) {
        const char *its = set->options[i].name;
        if (strlen(its) == len && memcmp(its, name, len) == 0)
            return &set->options[i];
    }
    return NULL;
}

void weir__option_add(struct weir__option_set *set, const weir_option *option,
                      struct weir__mistakes *m)
{
    int kinds = (option->text != NULL) + (option->number != NULL) + (option->duration != NULL) +
                (option->toggle != NULL);
    if (!is_name(option->name))
        weir__mistake(m, ".options: \"%s\" is not a name; want small letters, digits and '-'",
                      option->name != NULL ? option->name : "");
    else if (kinds != 1)
        weir__mistake(m,
                      ".options: \"%s\" must have exactly one of .text, .number, .duration and "
                      ".toggle",
                      option->name);
    else if (find_option(set, option->name, strlen(option->name)) != NULL ||
             strcmp(option->name, "help") == 0 || strcmp(option->name, "version") == 0)
        weir__mistake(m, ".options: \"%s\" is there already", option->name);
    else if (set->count == WEIR__OPTIONS_MAX)
        weir__mistake(m, ".options: more than %d options", WEIR__OPTIONS_MAX);
    else
        set->options[set->count++] = *option;
}

/* --- values --------------------------------------------------------------------------------- */

/* Appends what is allowed: "a number from 0 to 256". */
static void print_allowed(const weir_option *o, weir_buf *out)
{
    if (o->one_of != NULL) {
        weir_buf_puts(out, WEIR_S("one of"));
        for (const char *const *word = o->one_of; *word != NULL; word++)
            weir_buf_printf(out, "%s %s", word == o->one_of ? "" : ",", *word);
        return;
    }
    if (o->toggle != NULL)
        weir_buf_puts(out, WEIR_S("true or false"));
    else if (o->text != NULL)
        weir_buf_puts(out, WEIR_S("a text that is not empty"));
    else
        weir_buf_puts(out, o->number != NULL ? WEIR_S("a whole number (k, M, G allowed)")
                                             : WEIR_S("a time such as 250ms, 10s or 5m"));
    if (o->min == 0 && o->max == 0)
        return;
    if (o->number != NULL) {
        weir_buf_printf(out, " from %lld to %lld", (long long)o->min, (long long)o->max);
    } else if (o->duration != NULL) {
        weir_buf_puts(out, WEIR_S(" from "));
        weir__duration_print((weir_dur){o->min}, out);
        weir_buf_puts(out, WEIR_S(" to "));
        weir__duration_print((weir_dur){o->max}, out);
    }
}

static void refuse(const weir_option *o, enum weir__option_source source, const char *found,
                   const char *allowed, struct weir__mistakes *m)
{
    char where[VARIABLE_MAX], text[256];
    weir_buf b;
    weir_buf_init_fixed(&b, text, sizeof text);
    if (allowed == NULL)
        print_allowed(o, &b);
    else
        weir_buf_puts(&b, weir_str_from(allowed));
    print_source(o, source, where, sizeof where);
    weir__mistake(m, "%s: \"%s\" is not allowed; want " WEIR_STR_FMT, where, found,
                  WEIR_STR_ARG(weir_buf_str(&b)));
}

static bool in_range(const weir_option *o, int64_t n)
{
    return (o->min == 0 && o->max == 0) || (n >= o->min && n <= o->max);
}

static bool is_one_of(const weir_option *o, const char *text)
{
    for (const char *const *word = o->one_of; *word != NULL; word++) {
        if (strcmp(*word, text) == 0)
            return true;
    }
    return false;
}

/* Sets the variable when the text is a value of its kind. */
static bool parse_value(const weir_option *o, const char *text)
{
    if (o->number != NULL) {
        int64_t n;
        if (parse_number(text, &n) < 0 || !in_range(o, n))
            return false;
        *o->number = n;
    } else if (o->duration != NULL) {
        weir_dur d;
        if (weir__duration_parse(text, &d) < 0 || !in_range(o, d.ns))
            return false;
        *o->duration = d;
    } else if (o->toggle != NULL) {
        return parse_toggle(text, o->toggle) >= 0;
    } else if (text[0] == '\0' || (o->one_of != NULL && !is_one_of(o, text))) {
        return false;
    } else {
        WEIR_ASSERT(o->text != NULL, "an option is one of the four kinds");
        *o->text = text;
    }
    return true;
}

static void set_value(struct weir__option_set *set, weir_option *o, const char *text,
                      enum weir__option_source source, struct weir__mistakes *m)
{
    const char *allowed =
        o->text != NULL && o->check != NULL && text[0] != '\0' ? o->check(text) : NULL;
    if (allowed != NULL || !parse_value(o, text))
        refuse(o, source, text, allowed, m);
    set->sources[o - set->options] = (uint8_t)source;
}

/* The default that stands: written by a programmer, so it can be wrong as well. */
static void check_initialiser(const weir_option *o, struct weir__mistakes *m)
{
    char text[64];
    weir_buf b;
    weir_buf_init_fixed(&b, text, sizeof text - 1);
    if (o->number != NULL && !in_range(o, *o->number))
        weir_buf_printf(&b, "%lld", (long long)*o->number);
    else if (o->duration != NULL && !in_range(o, o->duration->ns))
        weir__duration_print(*o->duration, &b);
    if (b.len > 0) {
        text[b.len] = '\0';
        refuse(o, WEIR__FROM_INITIALISER, text, NULL, m);
        return;
    }
    if (o->text == NULL || *o->text == NULL)
        return;
    const char *allowed = o->check != NULL ? o->check(*o->text) : NULL;
    if (allowed != NULL || (o->one_of != NULL && !is_one_of(o, *o->text)))
        refuse(o, WEIR__FROM_INITIALISER, *o->text, allowed, m);
}

void weir__option_refuse(const struct weir__option_set *set, size_t i, const char *allowed,
                         struct weir__mistakes *m)
{
    char text[64];
    weir_buf b;
    weir_buf_init_fixed(&b, text, sizeof text - 1);
    weir__duration_print(*set->options[i].duration, &b);
    text[b.len] = '\0';
    refuse(&set->options[i], (enum weir__option_source)set->sources[i], text, allowed, m);
}

/* --- reading -------------------------------------------------------------------------------- */

static void read_environment(struct weir__option_set *set, struct weir__mistakes *m)
{
    for (size_t i = 0; i < set->count; i++) {
        char variable[VARIABLE_MAX];
        weir__option_variable(set->options[i].name, variable, sizeof variable);
        const char *value = getenv(variable);
        if (value != NULL)
            set_value(set, &set->options[i], value, WEIR__FROM_ENVIRONMENT, m);
    }
}

/* One flag and, where it stands apart, its value. Returns the number of arguments used. */
static int read_flag(struct weir__option_set *set, int argc, char **argv, struct weir__mistakes *m)
{
    const char *name = argv[0] + 2, *equals = strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    weir_option *o = find_option(set, name, len);
    if (o == NULL) {
        weir__mistake(m, "%s: there is no such option; --help lists all", argv[0]);
        return 1;
    }
    if (equals != NULL) {
        set_value(set, o, equals + 1, WEIR__FROM_FLAG, m);
        return 1;
    }
    if (o->toggle != NULL) {
        set_value(set, o, "true", WEIR__FROM_FLAG, m);
        return 1;
    }
    if (argc < 2) {
        weir__mistake(m, "--%s: has no value; want --%s=VALUE", o->name, o->name);
        return 1;
    }
    set_value(set, o, argv[1], WEIR__FROM_FLAG, m);
    return 2;
}

void weir__options_read(struct weir__option_set *set, int argc, char **argv,
                        struct weir__mistakes *m)
{
    read_environment(set, m);
    for (int i = 1; i < argc;) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "--version") == 0) {
            i++;
        } else if (strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0') {
            i += read_flag(set, argc - i, argv + i, m);
        } else {
            weir__mistake(m, "%s: not an option; --help lists all", argv[i]);
            i++;
        }
    }
    for (size_t i = 0; i < set->count; i++) {
        if (set->sources[i] == WEIR__FROM_INITIALISER)
            check_initialiser(&set->options[i], m);
    }
}

bool weir__options_want(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], flag) == 0)
            return true;
    }
    return false;
}

/* --- help ----------------------------------------------------------------------------------- */

static void print_default(const weir_option *o, weir_buf *out)
{
    if (o->text != NULL && *o->text != NULL)
        weir_buf_puts(out, weir_str_from(*o->text));
    else if (o->number != NULL)
        weir_buf_printf(out, "%lld", (long long)*o->number);
    else if (o->duration != NULL)
        weir__duration_print(*o->duration, out);
    else if (o->toggle != NULL)
        weir_buf_puts(out, *o->toggle ? WEIR_S("true") : WEIR_S("false"));
    else
        weir_buf_puts(out, WEIR_S("none"));
}

void weir__options_help(const struct weir__option_set *set, const char *program, weir_buf *out)
{
    weir_buf_printf(out,
                    "usage: %s [--option=value …]\n\n"
                    "Each option is also read from the environment, where a flag wins:\n"
                    "--log-level is WEIR_LOG_LEVEL.\n\n",
                    program);
    for (size_t i = 0; i < set->count; i++) {
        const weir_option *o = &set->options[i];
        weir_buf_printf(out, "  --%-22s %s (", o->name, o->help != NULL ? o->help : "");
        print_default(o, out);
        weir_buf_puts(out, WEIR_S(")\n"));
    }
    weir_buf_printf(out, "  --%-22s %s\n  --%-22s %s\n", "help", "this list", "version",
                    "the version, then ends");
}
