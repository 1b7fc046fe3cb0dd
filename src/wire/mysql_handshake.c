/*
 * Greetings and answers. What is older than session tracking and authentication by plugins (MySQL
 * 5.7, MariaDB 10.2) is refused: every further case would be one that no test has seen.
 */
#include "wire/mysql_handshake.h"

#include <string.h>

#define FILLER 19
#define NEEDED                                                                                     \
    (WEIR__MYSQL_PROTOCOL_41 | WEIR__MYSQL_SECURE | WEIR__MYSQL_PLUGIN_AUTH |                      \
     WEIR__MYSQL_TRANSACTIONS | WEIR__MYSQL_DEPRECATE_EOF | WEIR__MYSQL_SESSION_TRACK)

/* "5.5.5-" was put before MariaDB's versions 10 for the sake of old replicas. */
static weir_str strip_prefix(weir_str version)
{
    static const weir_str prefix = {"5.5.5-", 6};
    if (!weir_str_starts(version, prefix))
        return version;
    return (weir_str){version.ptr + prefix.len, version.len - prefix.len};
}

/* The second part of the nonce has 12 bytes and a NUL at the least, whatever its length says. */
static void read_second_part(struct weir__mysql_reader *r, uint8_t said, uint8_t *nonce)
{
    size_t n = said > 8 + 13 ? said - 8u : 13;
    weir_str part = weir__mysql_get_bytes(r, n);
    if (part.len >= 12)
        memcpy(nonce + 8, part.ptr, 12);
}

int weir__mysql_greeting_read(weir_str body, struct weir__mysql_greeting *out)
{
    struct weir__mysql_reader r = weir__mysql_reader_of(body);
    *out = (struct weir__mysql_greeting){0};
    if (weir__mysql_get(&r, 1) != 10)
        return WEIR_MYSQL_EVERSION;
    weir_str version = weir__mysql_get_text(&r);
    out->version = strip_prefix(version);
    out->thread = (uint32_t)weir__mysql_get(&r, 4);
    weir_str first = weir__mysql_get_bytes(&r, 8);
    if (first.len == 8)
        memcpy(out->nonce, first.ptr, 8);
    (void)weir__mysql_get(&r, 1);
    out->capabilities = weir__mysql_get(&r, 2);
    out->charset = (uint8_t)weir__mysql_get(&r, 1);
    out->status = (uint16_t)weir__mysql_get(&r, 2);
    out->capabilities |= weir__mysql_get(&r, 2) << 16;
    uint8_t said = (uint8_t)weir__mysql_get(&r, 1);
    (void)weir__mysql_get_bytes(&r, 6);
    uint64_t further = weir__mysql_get(&r, 4);
    if (r.is_cut)
        return WEIR_MYSQL_ECUT;
    out->is_mariadb = (out->capabilities & WEIR__MYSQL_IS_MYSQL) == 0;
    if (out->is_mariadb)
        out->capabilities |= further << 32;
    if ((out->capabilities & NEEDED) != NEEDED)
        return WEIR_MYSQL_EOLD;
    read_second_part(&r, said, out->nonce);
    out->plugin = weir__mysql_get_text(&r);
    return r.is_cut ? WEIR_MYSQL_ECUT : 0;
}

void weir__mysql_ssl_request(weir_buf *out, const struct weir__mysql_login *l)
{
    bool is_mysql = (l->capabilities & WEIR__MYSQL_IS_MYSQL) != 0;
    weir__mysql_put(out, l->capabilities & UINT32_MAX, 4);
    weir__mysql_put(out, l->packet_max, 4);
    weir__mysql_put(out, l->charset, 1);
    weir__mysql_put_zeroes(out, FILLER);
    weir__mysql_put(out, is_mysql ? 0 : l->capabilities >> 32, 4);
}

static size_t lenenc_bytes(size_t v)
{
    return v < 0xfb ? 1 : v <= 0xffff ? 3 : v <= 0xffffff ? 4 : 9;
}

static void put_program(weir_buf *out, weir_str program)
{
    static const weir_str name = {"program_name", 12};
    size_t n = lenenc_bytes(name.len) + name.len + lenenc_bytes(program.len) + program.len;
    weir__mysql_put_lenenc(out, n);
    weir__mysql_put_string(out, name);
    weir__mysql_put_string(out, program);
}

void weir__mysql_login(weir_buf *out, const struct weir__mysql_login *l)
{
    weir__mysql_ssl_request(out, l);
    weir__mysql_put_text(out, l->user);
    if ((l->capabilities & WEIR__MYSQL_LENENC_AUTH) != 0)
        weir__mysql_put_string(out, l->auth);
    else {
        weir__mysql_put(out, l->auth.len, 1);
        weir_buf_add(out, l->auth.ptr, l->auth.len);
    }
    if ((l->capabilities & WEIR__MYSQL_WITH_DB) != 0)
        weir__mysql_put_text(out, l->database);
    if ((l->capabilities & WEIR__MYSQL_PLUGIN_AUTH) != 0)
        weir__mysql_put_text(out, l->plugin);
    if ((l->capabilities & WEIR__MYSQL_ATTRIBUTES) != 0)
        put_program(out, l->program);
}
