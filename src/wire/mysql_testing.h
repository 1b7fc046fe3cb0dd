/*
 * What a server of MySQL or MariaDB says, written: for tests of the codecs, for fuzzers, and for
 * the servers that tests script. The other direction of mysql_handshake.h, _answer.h and _row.h.
 */
#ifndef WEIR_WIRE_MYSQL_TESTING_H
#define WEIR_WIRE_MYSQL_TESTING_H

#include <string.h>

#include "base/value.h"
#include "wire/mysql_command.h"
#include "wire/mysql_handshake.h"
#include "wire/mysql_row.h"

#define MYSQL_CAPABILITIES                                                                         \
    (WEIR__MYSQL_FOUND_ROWS | WEIR__MYSQL_LONG_FLAG | WEIR__MYSQL_WITH_DB |                        \
     WEIR__MYSQL_PROTOCOL_41 | WEIR__MYSQL_TRANSACTIONS | WEIR__MYSQL_SECURE |                     \
     WEIR__MYSQL_MULTI_STATEMENTS | WEIR__MYSQL_MULTI_RESULTS | WEIR__MYSQL_PS_MULTI_RESULTS |     \
     WEIR__MYSQL_PLUGIN_AUTH | WEIR__MYSQL_ATTRIBUTES | WEIR__MYSQL_LENENC_AUTH |                  \
     WEIR__MYSQL_SESSION_TRACK | WEIR__MYSQL_DEPRECATE_EOF)
#define MARIADB_CAPABILITIES                                                                       \
    (MYSQL_CAPABILITIES | WEIR__MARIADB_BULK | WEIR__MARIADB_EXTENDED_METADATA |                   \
     WEIR__MARIADB_CACHE_METADATA)

static const char mysql_nonce[] = "hiVT%Xj.CH~bQOx.xt5\1";

static inline void mysql_put_greeting(weir_buf *out, const struct weir__mysql_greeting *g)
{
    weir__mysql_put(out, 10, 1);
    if (g->is_mariadb)
        weir_buf_puts(out, WEIR_S("5.5.5-"));
    weir__mysql_put_text(out, g->version);
    weir__mysql_put(out, g->thread, 4);
    weir_buf_add(out, g->nonce, 8);
    weir__mysql_put(out, 0, 1);
    weir__mysql_put(out, g->capabilities & 0xffff, 2);
    weir__mysql_put(out, g->charset, 1);
    weir__mysql_put(out, g->status, 2);
    weir__mysql_put(out, g->capabilities >> 16 & 0xffff, 2);
    weir__mysql_put(out, WEIR__MYSQL_NONCE + 1, 1);
    weir__mysql_put_zeroes(out, 6);
    weir__mysql_put(out, g->is_mariadb ? g->capabilities >> 32 : 0, 4);
    weir_buf_add(out, g->nonce + 8, WEIR__MYSQL_NONCE - 8);
    weir__mysql_put(out, 0, 1);
    weir__mysql_put_text(out, g->plugin);
}

static inline struct weir__mysql_greeting mysql_greeting(bool is_mariadb, const char *plugin)
{
    struct weir__mysql_greeting g = {
        .version = weir_str_from(is_mariadb ? "10.11.6-MariaDB" : "8.0.36"),
        .plugin = weir_str_from(plugin),
        .capabilities =
            is_mariadb ? MARIADB_CAPABILITIES : MYSQL_CAPABILITIES | WEIR__MYSQL_IS_MYSQL,
        .thread = 7,
        .status = WEIR__MYSQL_AUTOCOMMIT,
        .charset = WEIR__MYSQL_UTF8MB4,
        .is_mariadb = is_mariadb};
    memcpy(g.nonce, mysql_nonce, sizeof g.nonce);
    return g;
}

/* `first`: 0, or WEIR__MYSQL_EOF for the end of rows. */
static inline void mysql_put_ok(weir_buf *out, uint8_t first, const struct weir__mysql_ok *ok)
{
    weir__mysql_put(out, first, 1);
    weir__mysql_put_lenenc(out, ok->affected);
    weir__mysql_put_lenenc(out, ok->last_id);
    weir__mysql_put(out, ok->changed != 0 ? ok->status | WEIR__MYSQL_STATE_CHANGED : ok->status, 2);
    weir__mysql_put(out, ok->warnings, 2);
    if (ok->info.len > 0 || ok->changed != 0)
        weir__mysql_put_string(out, ok->info);
    char bytes[64];
    weir_buf list;
    weir_buf_init_fixed(&list, bytes, sizeof bytes);
    if ((ok->changed & WEIR__MYSQL_CHANGED_VARIABLE) != 0)
        weir_buf_puts(&list, WEIR_S("\0\x17\x0a"
                                    "autocommit\x03"
                                    "OFF12345678"));
    if ((ok->changed & WEIR__MYSQL_CHANGED_SCHEMA) != 0)
        weir_buf_puts(&list, WEIR_S("\1\3\2db"));
    if ((ok->changed & WEIR__MYSQL_CHANGED_STATE) != 0)
        weir_buf_puts(&list, WEIR_S("\2\2\1"
                                    "1"));
    if (ok->changed != 0)
        weir__mysql_put_string(out, weir_buf_str(&list));
}

static inline void mysql_put_err(weir_buf *out, uint16_t number, const char *state,
                                 const char *text)
{
    weir__mysql_put(out, WEIR__MYSQL_ERR, 1);
    weir__mysql_put(out, number, 2);
    weir_buf_printf(out, "#%s%s", state, text);
}

static inline void mysql_put_prepared(weir_buf *out, const struct weir__mysql_prepared *p)
{
    weir__mysql_put(out, 0, 1);
    weir__mysql_put(out, p->id, 4);
    weir__mysql_put(out, p->columns, 2);
    weir__mysql_put(out, p->params, 2);
    weir__mysql_put(out, 0, 1);
    weir__mysql_put(out, p->warnings, 2);
}

static inline void mysql_put_rows(weir_buf *out, uint16_t columns, bool can_cache, bool has_columns)
{
    weir__mysql_put_lenenc(out, columns);
    if (can_cache)
        weir__mysql_put(out, has_columns, 1);
}

static inline void mysql_put_column(weir_buf *out, bool is_extended,
                                    const struct weir__mysql_column *c)
{
    weir__mysql_put_string(out, WEIR_S("def"));
    weir__mysql_put_string(out, WEIR_S("shop"));
    weir__mysql_put_string(out, WEIR_S("t"));
    weir__mysql_put_string(out, WEIR_S("t"));
    weir__mysql_put_string(out, c->name);
    weir__mysql_put_string(out, c->name);
    if (is_extended) {
        weir_str extra = c->extra == WEIR__MYSQL_IS_JSON   ? WEIR_S("\1\4json")
                         : c->extra == WEIR__MYSQL_IS_UUID ? WEIR_S("\0\4uuid")
                                                           : WEIR_S("");
        weir__mysql_put_string(out, extra);
    }
    weir__mysql_put_lenenc(out, 12);
    weir__mysql_put(out, c->charset, 2);
    weir__mysql_put(out, c->length, 4);
    weir__mysql_put(out, c->type, 1);
    weir__mysql_put(out, c->is_unsigned ? 0x20 : 0, 2);
    weir__mysql_put(out, c->decimals, 1);
    weir__mysql_put(out, 0, 2);
}

/* A column of a type that its values are written in below. */
static inline struct weir__mysql_column mysql_column(const char *name, enum weir__mysql_type type)
{
    bool is_text = type == WEIR__MYSQL_VAR_STRING || type == WEIR__MYSQL_STRING;
    return (struct weir__mysql_column){.type = (uint8_t)type,
                                       .charset = is_text ? WEIR__MYSQL_UTF8MB4
                                                          : WEIR__MYSQL_CHARSET_BINARY,
                                       .length = 255,
                                       .name = weir_str_from(name)};
}

/* A row of BIGINT, DOUBLE, strings and NULL, in the binary form. */
static inline void mysql_put_row(weir_buf *out, const struct weir__mysql_value *values,
                                 unsigned count)
{
    weir__mysql_put(out, 0, 1);
    for (unsigned at = 0; at < (count + 9) / 8; at++) {
        unsigned bits = 0;
        for (unsigned i = 0; i < count; i++)
            if ((i + 2) / 8 == at && values[i].kind == WEIR__MYSQL_IS_NULL)
                bits |= 1u << (i + 2) % 8;
        weir__mysql_put(out, bits, 1);
    }
    for (unsigned i = 0; i < count; i++) {
        const struct weir__mysql_value *v = &values[i];
        if (v->kind == WEIR__MYSQL_INT || v->kind == WEIR__MYSQL_UINT)
            weir__mysql_put(out, v->u.u, 8);
        else if (v->kind == WEIR__MYSQL_REAL)
            weir_buf_add(out, &v->u.d, 8);
        else if (v->kind != WEIR__MYSQL_IS_NULL)
            weir__mysql_put_string(out, v->u.s);
    }
}

/* What a client answers to the greeting, read. False: it is none. */
static inline bool mysql_read_login(weir_str body, struct weir__mysql_login *l)
{
    struct weir__mysql_reader r = weir__mysql_reader_of(body);
    *l = (struct weir__mysql_login){0};
    l->capabilities = weir__mysql_get(&r, 4);
    l->packet_max = (uint32_t)weir__mysql_get(&r, 4);
    l->charset = (uint8_t)weir__mysql_get(&r, 1);
    (void)weir__mysql_get_bytes(&r, 19);
    l->capabilities |= weir__mysql_get(&r, 4) << 32;
    if (weir__mysql_left(&r) == 0)
        return !r.is_cut; /* a request for TLS */
    l->user = weir__mysql_get_text(&r);
    l->auth = weir__mysql_get_string(&r);
    if ((l->capabilities & WEIR__MYSQL_WITH_DB) != 0)
        l->database = weir__mysql_get_text(&r);
    l->plugin = weir__mysql_get_text(&r);
    if ((l->capabilities & WEIR__MYSQL_ATTRIBUTES) != 0) {
        (void)weir__mysql_get_lenenc(&r, NULL);
        (void)weir__mysql_get_string(&r);
        l->program = weir__mysql_get_string(&r);
    }
    return !r.is_cut && weir__mysql_left(&r) == 0;
}

#endif
