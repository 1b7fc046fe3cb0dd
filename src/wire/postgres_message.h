/*
 * What a PostgreSQL server says (protocol 3.0, PostgreSQL's documentation chapters 55.2 to 55.8):
 * messages cut out of what has come, and what stands in them. Everything is a view of those bytes;
 * no length of the server's is believed before it has been held against them.
 */
#ifndef WEIR_WIRE_POSTGRES_MESSAGE_H
#define WEIR_WIRE_POSTGRES_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/str.h>

enum {
    WEIR__PG_HEAD_BYTES = 5,      /* a type and a length */
    WEIR__PG_KEY_BYTES_MAX = 256, /* of a cancel key: 4 in protocol 3.0, up to 256 in 3.2 */
    WEIR__PG_COLUMNS_MAX = 1664,  /* of a row, MaxTupleAttributeNumber */
    WEIR__PG_VALUES_MAX = 65535   /* of a statement */
};

/* The first byte of a server's message. */
enum weir__pg_type {
    WEIR__PG_AUTHENTICATION = 'R',
    WEIR__PG_BACKEND_KEY = 'K',
    WEIR__PG_BIND_COMPLETE = '2',
    WEIR__PG_CLOSE_COMPLETE = '3',
    WEIR__PG_COMMAND_COMPLETE = 'C',
    WEIR__PG_COPY_DATA = 'd',
    WEIR__PG_COPY_DONE = 'c',
    WEIR__PG_COPY_IN = 'G',
    WEIR__PG_COPY_OUT = 'H',
    WEIR__PG_COPY_BOTH = 'W',
    WEIR__PG_DATA_ROW = 'D',
    WEIR__PG_EMPTY_QUERY = 'I',
    WEIR__PG_ERROR = 'E',
    WEIR__PG_NEGOTIATE = 'v',
    WEIR__PG_NO_DATA = 'n',
    WEIR__PG_NOTICE = 'N',
    WEIR__PG_NOTIFICATION = 'A',
    WEIR__PG_PARAMETERS = 't', /* ParameterDescription */
    WEIR__PG_PARAMETER_STATUS = 'S',
    WEIR__PG_PARSE_COMPLETE = '1',
    WEIR__PG_PORTAL_SUSPENDED = 's',
    WEIR__PG_READY = 'Z',
    WEIR__PG_COLUMNS = 'T' /* RowDescription */
};

struct weir__pg_message {
    uint8_t type;
    weir_str body;
    size_t total; /* bytes of all of it: known as soon as its head is there, else 5 */
};

/*
 * The message at the start of what has come. 1: it is whole; 0: more has to come, `total` bytes at
 * the least; WEIR_EPROTO: the length is none; WEIR_ETOOLARGE: its body is over `body_max`, `total`
 * says by how much.
 */
int weir__pg_cut(weir_str bytes, size_t body_max, struct weir__pg_message *out);

/* Is it a type that a server may send at all? What else comes is another protocol. */
bool weir__pg_is_known(uint8_t type);

/* --- what stands in them ---------------------------------------------------------------------- */

/* What is left of a body. A read past its end yields zeroes, and is remembered. */
struct weir__pg_reader {
    const uint8_t *at, *end;
    bool is_bad;
};

struct weir__pg_reader weir__pg_reader_of(weir_str body);
uint8_t weir__pg_get_u8(struct weir__pg_reader *r);
uint16_t weir__pg_get_u16(struct weir__pg_reader *r);
uint32_t weir__pg_get_u32(struct weir__pg_reader *r);
weir_str weir__pg_get_bytes(struct weir__pg_reader *r, size_t n);
weir_str weir__pg_get_text(struct weir__pg_reader *r); /* up to a NUL, which must be there */

/* Nothing was missing, and nothing is left. */
bool weir__pg_is_done(const struct weir__pg_reader *r);

/*
 * Below, false is said of a body that is not of the form that it must have; then what was read is
 * not to be looked at.
 */

/* Fields of an error or a notice (chapter 55.8); absent where the server said nothing. */
struct weir__pg_notice {
    weir_str severity; /* in English: "ERROR", "FATAL", "NOTICE" … */
    weir_str state;    /* five characters, always of A to Z and digits */
    weir_str message, detail, hint, where;
    weir_str schema, table, column, data_type, constraint;
    uint32_t position; /* the character of the statement, from 1; 0: none */
};
bool weir__pg_read_notice(weir_str body, struct weir__pg_notice *out);

enum weir__pg_auth_kind {
    WEIR__PG_AUTH_OK = 0,
    WEIR__PG_AUTH_PASSWORD = 3,
    WEIR__PG_AUTH_MD5 = 5,
    WEIR__PG_AUTH_SASL = 10,
    WEIR__PG_AUTH_SASL_CONTINUE = 11,
    WEIR__PG_AUTH_SASL_FINAL = 12
};

struct weir__pg_auth {
    uint32_t kind;          /* of the above, or one that is not supported */
    uint8_t salt[4];        /* of MD5 */
    bool scram, scram_plus; /* of SASL: what is offered */
    weir_str data;          /* of SASL_CONTINUE, SASL_FINAL */
};
bool weir__pg_read_auth(weir_str body, struct weir__pg_auth *out);
/* "Kerberos V5", for a message about one that is not supported. */
const char *weir__pg_auth_name(uint32_t kind);

bool weir__pg_read_parameter(weir_str body, weir_str *name, weir_str *value);
bool weir__pg_read_key(weir_str body, uint32_t *process, weir_str *key);
/* 'I': idle, 'T': in a transaction, 'E': in one that has failed. */
bool weir__pg_read_ready(weir_str body, char *status);
bool weir__pg_read_notification(weir_str body, uint32_t *process, weir_str *channel,
                                weir_str *payload);
/* How many options of the start-up the server does not know, and the version that it has. */
bool weir__pg_read_negotiate(weir_str body, uint32_t *version, uint32_t *unknown);
/* A COPY begins: whether its data are binary, and its columns. */
bool weir__pg_read_copy(weir_str body, bool *is_binary, unsigned *columns);

/* "INSERT 0 3": how many rows; 0 for commands that count none. */
bool weir__pg_read_complete(weir_str body, weir_str *tag, int64_t *changes);

/* Each item is read by its own call, `count` times; a bad one shows in the reader. */
struct weir__pg_column {
    weir_str name;
    uint32_t table; /* its oid; 0: no column of a table */
    uint16_t number;
    uint32_t type; /* oid */
    int16_t size;
    uint32_t modifier;
    bool is_binary;
};
bool weir__pg_read_columns(weir_str body, struct weir__pg_reader *r, unsigned *count);
struct weir__pg_column weir__pg_next_column(struct weir__pg_reader *r);

bool weir__pg_read_parameters(weir_str body, struct weir__pg_reader *r, unsigned *count);

bool weir__pg_read_row(weir_str body, struct weir__pg_reader *r, unsigned *count);
/* Absent: NULL. */
weir_str weir__pg_next_value(struct weir__pg_reader *r);

#endif
