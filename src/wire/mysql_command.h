/*
 * Commands to servers of MySQL and MariaDB, each the body of a packet. Errors stay in `out`.
 *
 * Sources: MySQL internals, "Text Protocol", "Prepared Statements" (COM_STMT_EXECUTE, "Binary
 * Protocol Value"); MariaDB knowledge base, "COM_STMT_BULK_EXECUTE".
 */
#ifndef WEIR_WIRE_MYSQL_COMMAND_H
#define WEIR_WIRE_MYSQL_COMMAND_H

#include "wire/mysql_answer.h"
#include <weir/value.h>

/* The first byte of a command. */
enum weir__mysql_command {
    WEIR__MYSQL_QUIT = 0x01,
    WEIR__MYSQL_QUERY = 0x03,
    WEIR__MYSQL_PING = 0x0e,
    WEIR__MYSQL_PREPARE = 0x16,
    WEIR__MYSQL_EXECUTE = 0x17,
    WEIR__MYSQL_CLOSE = 0x19,
    WEIR__MYSQL_RESET = 0x1a, /* of a statement */
    WEIR__MYSQL_SET_OPTION = 0x1b,
    WEIR__MYSQL_RESET_CONNECTION = 0x1f,
    WEIR__MYSQL_BULK = 0xfa /* MariaDB's COM_STMT_BULK_EXECUTE */
};

/* A value of a statement. */
enum weir__mysql_param_kind {
    WEIR__MYSQL_PARAM_NULL,
    WEIR__MYSQL_PARAM_INT,
    WEIR__MYSQL_PARAM_UINT,
    WEIR__MYSQL_PARAM_DOUBLE,
    WEIR__MYSQL_PARAM_TEXT,
    WEIR__MYSQL_PARAM_BYTES,
    WEIR__MYSQL_PARAM_DECIMAL,
    WEIR__MYSQL_PARAM_MOMENT
};

struct weir__mysql_param {
    uint8_t kind;
    union {
        int64_t i;
        uint64_t u;
        double d;
        weir_str s;     /* of TEXT, BYTES, DECIMAL */
        weir_wall wall; /* of the years 1 to 9999 */
    } u;
};

enum { WEIR__MYSQL_PARAMS_MAX = 65535 };

/* PING, QUIT, RESET_CONNECTION, and QUERY and PREPARE with their text. */
void weir__mysql_command(weir_buf *out, enum weir__mysql_command command, weir_str text);
/* CLOSE (has no answer) and RESET of a statement. */
void weir__mysql_of_stmt(weir_buf *out, enum weir__mysql_command command, uint32_t id);
/* SET_OPTION: may a query hold several statements from now on? */
void weir__mysql_multi(weir_buf *out, bool is_on);

/*
 * EXECUTE, without a cursor: rows come as they are. Begun with the number of values (what is
 * returned is for the types), then the type of each, then each.
 */
size_t weir__mysql_execute_begin(weir_buf *out, uint32_t id, size_t count);
void weir__mysql_execute_type(weir_buf *out, size_t at, size_t i, uint8_t kind);
void weir__mysql_execute_value(weir_buf *out, const struct weir__mysql_param *p);

/*
 * BULK: begun with the kinds of the values (NULL: no more than that), then rows of `count` values
 * each, of those kinds or NULL.
 */
void weir__mysql_bulk_begin(weir_buf *out, uint32_t id, const uint8_t *kinds, size_t count);
void weir__mysql_bulk_value(weir_buf *out, const struct weir__mysql_param *p);

#endif
