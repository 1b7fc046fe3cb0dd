/*
 * Rows of MySQL and MariaDB, out of the binary form that prepared statements yield and out of the
 * text form of COM_QUERY: one pass, value by value, nothing allocated.
 *
 * Sources: MySQL internals, "Binary Protocol Resultset Row", "Binary Protocol Value"; "Text
 * Resultset Row".
 */
#ifndef WEIR_WIRE_MYSQL_ROW_H
#define WEIR_WIRE_MYSQL_ROW_H

#include "wire/mysql_answer.h"

/* What a value of a row is. Of one type, but for NULL and dates with a zero in them. */
enum weir__mysql_kind {
    WEIR__MYSQL_IS_NULL,
    WEIR__MYSQL_INT,
    WEIR__MYSQL_UINT, /* BIT among them */
    WEIR__MYSQL_REAL, /* FLOAT and DOUBLE */
    WEIR__MYSQL_TEXT,
    WEIR__MYSQL_BYTES,
    WEIR__MYSQL_NUMBER,   /* DECIMAL, its text */
    WEIR__MYSQL_DOCUMENT, /* JSON, its text */
    WEIR__MYSQL_UUID,     /* MariaDB's, its text */
    WEIR__MYSQL_MOMENT    /* DATE, DATETIME, TIMESTAMP, as microseconds since 1970 */
};

/* TIME, and a date that no calendar has ("0000-00-00"), are TEXT that is written here. */
enum { WEIR__MYSQL_CLOCK_MAX = 32 };

struct weir__mysql_value {
    uint8_t kind;
    union {
        int64_t i; /* INT, and MOMENT's microseconds */
        uint64_t u;
        double d;
        weir_str s; /* in the packet, or in `scratch` */
    } u;
};

/* Does this column want memory of its own (WEIR__MYSQL_CLOCK_MAX bytes) for its texts? */
bool weir__mysql_wants_scratch(const struct weir__mysql_column *column);

/* A row that is read. */
struct weir__mysql_row {
    struct weir__mysql_reader r;
    const uint8_t *nulls; /* the bitmap; NULL: a row of text */
    uint32_t at;          /* the column that is next */
};

/* Begins with a row of `columns`. 0, ECUT, EFORM. */
int weir__mysql_row_begin(struct weir__mysql_row *row, weir_str body, uint32_t columns,
                          bool is_binary);

/* The next value; `scratch` may be NULL where none is wanted. 0, ECUT, EVALUE. */
int weir__mysql_row_next(struct weir__mysql_row *row, const struct weir__mysql_column *column,
                         char *scratch, struct weir__mysql_value *out);

/* All columns were read: is the row over? 0, EFORM. */
int weir__mysql_row_end(const struct weir__mysql_row *row);

#endif
