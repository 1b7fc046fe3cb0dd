/*
 * Values as a PostgreSQL server has them: those of columns, and those that are given to statements.
 * Most have a binary form that is read without a library's help and does not depend on the
 * session's settings; numbers of arbitrary precision, intervals, arrays and whatever else comes are
 * the server's own text, which is exact and as long as it must be.
 */
#ifndef WEIR_WIRE_POSTGRES_VALUE_H
#define WEIR_WIRE_POSTGRES_VALUE_H

#include <weir/buf.h>
#include <weir/value.h>

/* Object ids of types (pg_type.dat), which never change. */
enum {
    WEIR__PG_BOOL = 16,
    WEIR__PG_BYTEA = 17,
    WEIR__PG_CHAR = 18,
    WEIR__PG_NAME = 19,
    WEIR__PG_INT8 = 20,
    WEIR__PG_INT2 = 21,
    WEIR__PG_INT4 = 23,
    WEIR__PG_TEXT = 25,
    WEIR__PG_OID = 26,
    WEIR__PG_JSON = 114,
    WEIR__PG_FLOAT4 = 700,
    WEIR__PG_FLOAT8 = 701,
    WEIR__PG_UNKNOWN = 705,
    WEIR__PG_BPCHAR = 1042,
    WEIR__PG_VARCHAR = 1043,
    WEIR__PG_DATE = 1082,
    WEIR__PG_TIMESTAMP = 1114,
    WEIR__PG_TIMESTAMPTZ = 1184,
    WEIR__PG_NUMERIC = 1700,
    WEIR__PG_UUID = 2950,
    WEIR__PG_JSONB = 3802
};

enum weir__pg_kind {
    WEIR__PG_IS_NULL,
    WEIR__PG_IS_BOOL,
    WEIR__PG_IS_INT,
    WEIR__PG_IS_UINT,
    WEIR__PG_IS_DOUBLE,
    WEIR__PG_IS_TEXT,
    WEIR__PG_IS_BYTES,
    WEIR__PG_IS_WALL,
    WEIR__PG_IS_UUID,
    WEIR__PG_IS_DECIMAL, /* as text; the server's may be NaN and Infinity */
    WEIR__PG_IS_JSON     /* as text */
};

struct weir__pg_value {
    enum weir__pg_kind kind;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double d;
        weir_str s; /* of TEXT, BYTES, DECIMAL, JSON; a view */
        weir_wall wall;
        weir_uuid uuid;
    } u;
};

/* Is a column of this type asked for in its binary form? */
bool weir__pg_reads_binary(uint32_t type);

/* "int4", for messages; "type 12345" has no name here: NULL. */
const char *weir__pg_type_name(uint32_t type);

/*
 * Reads a column's value, absent for NULL. WEIR_EPROTO: it has not the form of its type. -ERANGE: a
 * point of time outside of the years 1 to 9999, or infinity. Never a view of anything but `bytes`.
 */
WEIR_MUST_USE weir_err weir__pg_get_value(uint32_t type, bool is_binary, weir_str bytes,
                                          struct weir__pg_value *out);

/* Is a value of this kind given to a parameter of this type in its binary form? */
bool weir__pg_writes_binary(uint32_t type, enum weir__pg_kind kind);

/*
 * Appends a value with its length, in that form. -ERANGE: a number or a point of time that the type
 * cannot hold; WEIR_EINVALID: bytes for what is neither bytes nor text. The buffer has its own
 * error.
 */
WEIR_MUST_USE weir_err weir__pg_put_value(weir_buf *b, uint32_t type,
                                          const struct weir__pg_value *v);

/*
 * Appends a value as a field of COPY's text form, whatever the column is. -ERANGE: a point of time
 * that has no text.
 */
WEIR_MUST_USE weir_err weir__pg_put_copy_value(weir_buf *b, const struct weir__pg_value *v);

#endif
