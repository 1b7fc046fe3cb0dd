/*
 * Commands as words: how one may be used, its encoding with values by their C types, and the codes
 * of errors. Pure, but for what is written.
 */
#include "data/redis/redis.h"

#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/value.h"

/* --- how it may be used ----------------------------------------------------------------------- */

#define SUBSCRIBES "use weir_redis_subscribe"
#define TRANSACTS "use weir_redis_multi"
#define IS_GIVEN "weir_redis_open is given that"

#define COUNTS_ITS_OWN "it waits for what its connection has written: add it to a pipe, behind that"

/* A connection carries the commands of many fibers: what would change it is not sent. */
static const struct {
    const char *name;
    const char *hint; /* NULL: it may wait at the server */
    bool needs_block; /* and then has the word BLOCK */
    bool is_behind;   /* it may wait, and is of use behind others alone */
} special[] = {
    {"auth", IS_GIVEN, false, false},
    {"blmove", NULL, false, false},
    {"blmpop", NULL, false, false},
    {"blpop", NULL, false, false},
    {"brpop", NULL, false, false},
    {"brpoplpush", NULL, false, false},
    {"bzmpop", NULL, false, false},
    {"bzpopmax", NULL, false, false},
    {"bzpopmin", NULL, false, false},
    {"client caching", "it is of a connection that others use", false, false},
    {"client no-evict", "it is of a connection that others use", false, false},
    {"client no-touch", "it is of a connection that others use", false, false},
    {"client reply", "every command is answered here", false, false},
    {"client setname", IS_GIVEN, false, false},
    {"client tracking", "it is of a connection that others use", false, false},
    {"discard", TRANSACTS, false, false},
    {"exec", TRANSACTS, false, false},
    {"hello", IS_GIVEN, false, false},
    {"monitor", "it never ends: use redis-cli", false, false},
    {"multi", TRANSACTS, false, false},
    {"psubscribe", SUBSCRIBES, false, false},
    {"psync", "it is for replicas", false, false},
    {"punsubscribe", SUBSCRIBES, false, false},
    {"quit", "the context closes connections", false, false},
    {"readonly", "clusters are not spoken", false, false},
    {"readwrite", "clusters are not spoken", false, false},
    {"reset", "the context closes connections", false, false},
    {"select", "give weir_redis_open the number, a client for each", false, false},
    {"ssubscribe", SUBSCRIBES, false, false},
    {"subscribe", SUBSCRIBES, false, false},
    {"sunsubscribe", SUBSCRIBES, false, false},
    {"sync", "it is for replicas", false, false},
    {"unsubscribe", SUBSCRIBES, false, false},
    {"unwatch", TRANSACTS, false, false},
    {"wait", COUNTS_ITS_OWN, false, true},
    {"waitaof", COUNTS_ITS_OWN, false, true},
    {"watch", TRANSACTS, false, false},
    {"xread", NULL, true, false},
    {"xreadgroup", NULL, true, false},
};

/* "CLIENT" with "REPLY" among the values is what "CLIENT REPLY" is. */
static bool is_named(const struct weir__redis_words *w, const char *name)
{
    size_t len = strlen(w->command);
    if (strncasecmp(w->command, name, len) != 0)
        return false;
    if (name[len] == '\0')
        return true;
    return name[len] == ' ' && w->count > 0 && w->args[0].kind == WEIR_ARG_TEXT &&
           weir_str_ieq(w->args[0].u.s, weir_str_from(name + len + 1));
}

static bool has_block(const struct weir__redis_words *w)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->args[i].kind == WEIR_ARG_TEXT && weir_str_ieq(w->args[i].u.s, WEIR_S("block")))
            return true;
    }
    return false;
}

enum weir__redis_use weir__redis_use(const struct weir__redis_words *w, const char **hint)
{
    char first = (char)(w->command[0] | 0x20);
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        if (special[i].name[0] != first || !is_named(w, special[i].name))
            continue;
        *hint = special[i].hint;
        if (special[i].is_behind)
            return WEIR__REDIS_BEHIND;
        if (*hint != NULL)
            return WEIR__REDIS_REFUSED;
        return !special[i].needs_block || has_block(w) ? WEIR__REDIS_BLOCKS : WEIR__REDIS_PLAIN;
    }
    return WEIR__REDIS_PLAIN;
}

/* --- encoding --------------------------------------------------------------------------------- */

/* The words that a command itself is; 0: it is empty, or has blanks where none may be. */
static size_t words_of(const char *command)
{
    size_t words = 0;
    for (const char *p = command; *p != '\0';) {
        size_t len = strcspn(p, " ");
        if (len == 0)
            return 0;
        words++;
        p += len;
        if (*p == ' ' && *++p == '\0')
            return 0;
    }
    return words;
}

static void put_command(weir_buf *out, const char *command)
{
    while (*command != '\0') {
        size_t len = strcspn(command, " ");
        weir__resp_put_word(out, (weir_str){command, len});
        command += len;
        command += *command == ' ';
    }
}

const char *weir__redis_put_arg(weir_buf *out, const weir_arg *a)
{
    char text[WEIR_DECIMAL_TEXT_MAX + WEIR__DOUBLE_TEXT_MAX];
    size_t n = 0;
    switch (a->kind) {
    case WEIR_ARG_INT:
        n = weir__num_put_i64(text, a->u.i);
        break;
    case WEIR_ARG_TOO_LARGE: /* an unsigned one: its bits are there */
        n = weir__num_put_u64(text, (uint64_t)a->u.i);
        break;
    case WEIR_ARG_DOUBLE:
        if (__builtin_isnan(a->u.d))
            return "a value is no number";
        if (__builtin_isinf(a->u.d)) {
            weir__resp_put_word(out, a->u.d > 0 ? WEIR_S("inf") : WEIR_S("-inf"));
            return NULL;
        }
        n = weir__num_put_double(text, a->u.d);
        break;
    case WEIR_ARG_TEXT:
    case WEIR_ARG_BYTES:
    case WEIR_ARG_JSON:
        weir__resp_put_word(out, a->u.s);
        return NULL;
    case WEIR_ARG_WALL:
        n = weir_wall_text(a->u.wall, text);
        if (n == 0)
            return "a point of time has no text";
        break;
    case WEIR_ARG_UUID:
        n = weir_uuid_text(a->u.uuid, text);
        break;
    case WEIR_ARG_DECIMAL:
        n = weir_decimal_text(a->u.decimal, text);
        break;
    default:
        return "a value is NULL, which Redis has not";
    }
    weir__resp_put_word(out, (weir_str){text, n});
    return NULL;
}

weir_err weir__redis_put(weir_buf *out, const struct weir__redis_words *w, const char **why)
{
    size_t from = out->len, words = words_of(w->command);
    *why = NULL;
    if (words == 0)
        *why = "the command is no word";
    else if (w->count > WEIR_REDIS_ARGS_MAX)
        *why = "it has more than 65,536 values";
    if (*why != NULL)
        return WEIR_EINVALID;
    weir__resp_put_head(out, '*', words + w->count);
    put_command(out, w->command);
    for (size_t i = 0; i < w->count && *why == NULL; i++)
        *why = weir__redis_put_arg(out, &w->args[i]);
    weir_err err = *why != NULL ? WEIR_EINVALID : out->err;
    if (err != WEIR_OK) {
        out->len = from;
        out->err = WEIR_OK;
    }
    return err;
}

/* --- errors ----------------------------------------------------------------------------------- */

weir_err weir__redis_code(weir_str words)
{
    static const struct {
        const char *code;
        weir_err err;
    } codes[] = {
        {"WRONGTYPE", WEIR_EWRONGTYPE}, {"NOSCRIPT", WEIR_ENOSCRIPT}, {"READONLY", WEIR_EREADONLY},
        {"LOADING", WEIR_ELOADING},     {"BUSY", WEIR_ELOADING},      {"MASTERDOWN", WEIR_ELOADING},
        {"TRYAGAIN", WEIR_ELOADING},    {"NOAUTH", WEIR_EDENIED},     {"WRONGPASS", WEIR_EDENIED},
        {"NOPERM", WEIR_EDENIED},       {"DENIED", WEIR_EDENIED},     {"OOM", WEIR_EFULL},
        {"MOVED", WEIR_ECLUSTER},       {"ASK", WEIR_ECLUSTER},       {"CROSSSLOT", WEIR_ECLUSTER},
        {"CLUSTERDOWN", WEIR_ECLUSTER},
    };
    size_t len = 0;
    while (len < words.len && words.ptr[len] != ' ')
        len++;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (weir_str_eq((weir_str){words.ptr, len}, weir_str_from(codes[i].code)))
            return codes[i].err;
    }
    if (weir_str_starts(words, WEIR_S("ERR max number of clients")))
        return WEIR_ETOOMANY;
    return WEIR_EDB;
}
