/*
 * Reading "scheme://user:password@host:port/path?name=value&…" (RFC 3986), as drivers of servers
 * have it; what the parts and parameters mean is the driver's. All mistakes are told at once, and
 * no text of them has anything of the password: they quote names of parts, never the URL.
 *
 * The user information ends at the last '@' before the query, so that a password which holds one,
 * or a slash, and was not escaped is still no part of a host's name that is told in messages.
 *
 * D5: parts of an URL fit where they are kept.
 */
#ifndef WEIR_DATA_SQL_URL_H
#define WEIR_DATA_SQL_URL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bounds.h"

enum {
    WEIR__SQL_URL_MAX = 2048, /* bytes of an URL */
    /* Room for all decoded parts with their NULs, and for what a driver makes of them. */
    WEIR__SQL_URL_ROOM = 2 * WEIR__SQL_URL_MAX + 256,
    WEIR__SQL_HOSTS_MAX = 16
};

/* One of the places that an URL lists. Texts are in the room. */
struct weir__sql_host {
    const char *name;   /* NULL: a Unix socket */
    const char *socket; /* else NULL */
    uint16_t port;
    bool is_near; /* on this machine: nobody is between */
    uint8_t tls;  /* what is demanded there, in the driver's words */
};

/* An URL while it is read. */
struct weir__sql_url {
    struct weir__bounds *mistakes;
    char *room; /* WEIR__SQL_URL_ROOM bytes at first, where decoded parts go */
    size_t left;
    /* Views, still encoded; filled by weir__sql_url_split. A password is absent without its ':'. */
    weir_str user, password, authority, path, query;
};

/* A line of the mistakes: "url: WHAT TEXT". */
void weir__sql_url_complain(struct weir__sql_url *u, const char *what, const char *text);

/*
 * Parts the URL. False, and complained of: it is too long, or has neither scheme (any case). The
 * path is without its slash.
 */
bool weir__sql_url_split(struct weir__sql_url *u, weir_str text, const char *const schemes[2]);

/* So many bytes of the room; NULL when it has fewer. */
char *weir__sql_url_take(struct weir__sql_url *u, size_t n);

/*
 * A part, decoded, in the room; NULL: absent, or complained of as `what`. _or_none: NULL for an
 * empty one as well.
 */
const char *weir__sql_url_text(struct weir__sql_url *u, const char *what, weir_str part);
const char *weir__sql_url_text_or_none(struct weir__sql_url *u, const char *what, weir_str part);

/* The next part of a list by commas, which may be empty; false behind the last one. */
bool weir__sql_url_part(weir_str *list, weir_str *part);

/*
 * The hosts of the authority, without brackets, each with its port or `port`. How many; 0: there is
 * none, or that was complained of.
 */
unsigned weir__sql_url_hosts(struct weir__sql_url *u, uint16_t port,
                             struct weir__sql_host out[WEIR__SQL_HOSTS_MAX]);

/* Complains of places that are listed twice: a node is one. */
void weir__sql_url_check_hosts(struct weir__sql_url *u, const struct weir__sql_host *hosts,
                               unsigned count);

/* "db.example.org:5432", "[::1]:5432", or the socket: for messages. */
void weir__sql_host_where(const struct weir__sql_host *host, char *out, size_t size);

/* True for this machine, which nobody stands before: "localhost", 127.0.0.0/8, "::1". */
bool weir__sql_url_is_loopback(const char *host);

/* --- parameters ------------------------------------------------------------------------------- */

struct weir__sql_url_parameter {
    weir_str name; /* a view, still encoded */
    char shown[32];
    const char *value; /* decoded, may be empty */
};

/*
 * False, and complained of: the query holds an '@', so it is rather the rest of a password with a
 * '?' in it, and names of parameters are not to be told.
 */
bool weir__sql_url_may_have_parameters(struct weir__sql_url *u);

/* The next parameter that has a value; the others are complained of. False at the end. */
bool weir__sql_url_next(struct weir__sql_url *u, struct weir__sql_url_parameter *out);

/* Parameters that are texts, by their names, and where each goes. */
struct weir__sql_url_place {
    weir_str name;
    const char **text;
};

/* Where the parameter goes; NULL: it is none of those. */
const char **weir__sql_url_place(const struct weir__sql_url_place *places, size_t count,
                                 weir_str name);

/* A time-out of 1 to 600 seconds; what is none is complained of, and `*out` stays. */
void weir__sql_url_seconds(struct weir__sql_url *u, const struct weir__sql_url_parameter *p,
                           int64_t *out);

#endif
