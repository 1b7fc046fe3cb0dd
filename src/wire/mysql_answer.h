/*
 * What servers of MySQL and MariaDB answer to commands: that it went well, that it did not, what is
 * prepared, and what columns rows have. The rows themselves are mysql_row.h's.
 *
 * Every connection has WEIR__MYSQL_DEPRECATE_EOF and _SESSION_TRACK: servers without are refused at
 * their greeting. Texts are borrowed from the packet.
 *
 * Sources: MySQL internals, "OK_Packet", "ERR_Packet", "COM_QUERY Response", "COM_STMT_PREPARE
 * Response"; MariaDB knowledge base, "Result Set Packets".
 */
#ifndef WEIR_WIRE_MYSQL_ANSWER_H
#define WEIR_WIRE_MYSQL_ANSWER_H

#include "wire/mysql_packet.h"

/* Bits of a status. */
enum {
    WEIR__MYSQL_IN_TX = 0x0001,
    WEIR__MYSQL_AUTOCOMMIT = 0x0002,
    WEIR__MYSQL_MORE_RESULTS = 0x0008,
    WEIR__MYSQL_NO_BACKSLASHES = 0x0200, /* are escapes in literals */
    WEIR__MYSQL_STATE_CHANGED = 0x4000   /* of the session */
};

/* What of a session has changed. */
enum {
    WEIR__MYSQL_CHANGED_VARIABLE = 1,
    WEIR__MYSQL_CHANGED_SCHEMA = 2,
    WEIR__MYSQL_CHANGED_STATE = 4 /* anything that a reset would undo */
};

struct weir__mysql_ok {
    uint64_t affected, last_id;
    uint16_t status, warnings;
    uint8_t changed; /* WEIR__MYSQL_CHANGED_… */
    weir_str info;
};

/* An OK, and the end of rows, which has its form. 0, ECUT, EFORM. */
int weir__mysql_ok_read(weir_str body, struct weir__mysql_ok *out);

/* Is a packet among rows their end? A row of text may begin as it does, but is far longer. */
static inline bool weir__mysql_is_end(weir_str body)
{
    return body.len > 0 && (uint8_t)body.ptr[0] == WEIR__MYSQL_EOF &&
           body.len < WEIR__MYSQL_PART_MAX;
}

struct weir__mysql_err {
    uint16_t number;
    char state[6]; /* SQLSTATE; "HY000" where the server says none, as before its greeting */
    weir_str text;
};

/* 0, ECUT, EFORM. */
int weir__mysql_err_read(weir_str body, struct weir__mysql_err *out);

/* What COM_STMT_PREPARE is answered with; `params`, then `columns` definitions follow. */
struct weir__mysql_prepared {
    uint32_t id;
    uint16_t columns, params, warnings;
};
int weir__mysql_prepared_read(weir_str body, struct weir__mysql_prepared *out);

enum weir__mysql_answer { WEIR__MYSQL_OK, WEIR__MYSQL_FAILED, WEIR__MYSQL_ROWS };

struct weir__mysql_rows {
    uint16_t columns; /* 1 to 4,096, which is what a server's table may have */
    bool has_columns; /* their definitions follow */
};

/*
 * What a statement's first packet is; of rows `*out` is set.
 *
 * can_cache  the connection has WEIR__MARIADB_CACHE_METADATA
 * returns    one of the three; EINFILE, ECUT, EFORM
 */
int weir__mysql_answer_read(weir_str body, bool can_cache, struct weir__mysql_rows *out);

/* --- columns ---------------------------------------------------------------------------------- */

enum weir__mysql_type {
    WEIR__MYSQL_DECIMAL = 0,
    WEIR__MYSQL_TINY = 1,
    WEIR__MYSQL_SHORT = 2,
    WEIR__MYSQL_LONG = 3,
    WEIR__MYSQL_FLOAT = 4,
    WEIR__MYSQL_DOUBLE = 5,
    WEIR__MYSQL_NULL = 6,
    WEIR__MYSQL_TIMESTAMP = 7,
    WEIR__MYSQL_LONGLONG = 8,
    WEIR__MYSQL_INT24 = 9,
    WEIR__MYSQL_DATE = 10,
    WEIR__MYSQL_TIME = 11,
    WEIR__MYSQL_DATETIME = 12,
    WEIR__MYSQL_YEAR = 13,
    WEIR__MYSQL_NEWDATE = 14,
    WEIR__MYSQL_VARCHAR = 15,
    WEIR__MYSQL_BIT = 16,
    WEIR__MYSQL_JSON = 245,
    WEIR__MYSQL_NEWDECIMAL = 246,
    WEIR__MYSQL_ENUM = 247,
    WEIR__MYSQL_SET = 248,
    WEIR__MYSQL_TINY_BLOB = 249,
    WEIR__MYSQL_MEDIUM_BLOB = 250,
    WEIR__MYSQL_LONG_BLOB = 251,
    WEIR__MYSQL_BLOB = 252,
    WEIR__MYSQL_VAR_STRING = 253,
    WEIR__MYSQL_STRING = 254,
    WEIR__MYSQL_GEOMETRY = 255
};

enum { WEIR__MYSQL_COLUMNS_MAX = 4096, WEIR__MYSQL_CHARSET_BINARY = 63 };

/* What else MariaDB says a column is. */
enum weir__mysql_extra { WEIR__MYSQL_NO_EXTRA, WEIR__MYSQL_IS_JSON, WEIR__MYSQL_IS_UUID };

struct weir__mysql_column {
    uint8_t type;  /* enum weir__mysql_type, or another number */
    uint8_t extra; /* enum weir__mysql_extra */
    uint8_t decimals;
    uint16_t charset;
    bool is_unsigned;
    uint32_t length; /* at most so many bytes as text */
    weir_str name;   /* that the query gives it */
};

/* `is_extended`: the connection has WEIR__MARIADB_EXTENDED_METADATA. 0, ECUT, EFORM. */
int weir__mysql_column_read(weir_str body, bool is_extended, struct weir__mysql_column *out);

#endif
