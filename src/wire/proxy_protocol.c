/*
 * Both versions. The first byte tells which one ('P' or CR), and every prefix is held against what
 * it has to be, so that rubbish is refused at its first byte and not waited for.
 *
 * Strict where two readers could differ: numbers without leading zeros, one blank between words,
 * CRLF and nothing else. Datagrams are taken as streams are: a proxy that speaks QUIC with the
 * client has them on one side only.
 */
#include "wire/proxy_protocol.h"

#include <string.h>
#include <sys/socket.h>

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    SIGNATURE = 12,
    HEAD = 16,      /* signature, version and command, family, length */
    LINE_MAX = 107, /* of version 1, CRLF included */
    TLV_HEAD = 3,
    TLV_CRC32C = 3,
    UNIX_BYTES = 216,
    SHORTEST = 15, /* "PROXY UNKNOWN" and its CRLF */
    BLANKS = 5,    /* in a line with addresses */
};

const char *weir__proxy_error_text(int err)
{
    static const char *const texts[] = {
        [0] = "no PROXY header",
        [WEIR_PROXY_EFORM - WEIR_PROXY_ENONE] = "malformed PROXY header",
        [WEIR_PROXY_EVERSION - WEIR_PROXY_ENONE] = "PROXY header of an unknown version or command",
        [WEIR_PROXY_EFAMILY - WEIR_PROXY_ENONE] =
            "PROXY header of an unknown address family, or too short for its addresses",
        [WEIR_PROXY_ELENGTH - WEIR_PROXY_ENONE] = "PROXY header longer than 2,048 bytes",
        [WEIR_PROXY_ECHECKSUM - WEIR_PROXY_ENONE] = "PROXY header whose checksum does not agree",
    };
    if (err < WEIR_PROXY_ENONE || err >= WEIR_PROXY_ERROR_END)
        return "malformed PROXY header";
    return texts[err - WEIR_PROXY_ENONE];
}

/* True when `s` is, as far as it goes, what `expected` is. */
static bool agrees(weir_str s, const char *expected, size_t n)
{
    return memcmp(s.ptr, expected, s.len < n ? s.len : n) == 0;
}

/* ---- version 1: a line ---- */

/* The next word; the separating blank is taken. False when there is none. */
static bool next_word(weir_str *rest, weir_str *word)
{
    const char *blank = rest->len > 0 ? memchr(rest->ptr, ' ', rest->len) : NULL;
    size_t n = blank != NULL ? (size_t)(blank - rest->ptr) : rest->len;
    *word = (weir_str){rest->ptr, n};
    *rest = (weir_str){rest->ptr + n + (blank != NULL), rest->len - n - (blank != NULL)};
    return n > 0;
}

static bool read_port(weir_str s, uint16_t *out)
{
    unsigned port = 0;
    if (s.len == 0 || s.len > 5 || (s.len > 1 && s.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        port = port * 10 + (unsigned)(s.ptr[i] - '0');
    }
    *out = (uint16_t)port;
    return port <= 65535;
}

/* An address that is written as its family says. */
static bool read_ip(weir_str s, int family, struct weir__ip *out)
{
    bool is_six = s.len > 0 && memchr(s.ptr, ':', s.len) != NULL;
    return is_six == (family == AF_INET6) && weir__ip_parse(s, out) == WEIR_OK;
}

static bool read_line(weir_str rest, struct weir__proxy_header *out)
{
    weir_str word, from, to, from_port, to_port;
    if (!next_word(&rest, &word))
        return false;
    if (weir_str_eq(word, WEIR_S("UNKNOWN"))) {
        out->is_local = true; /* whatever follows is to be ignored */
        return true;
    }
    bool is_six = weir_str_eq(word, WEIR_S("TCP6"));
    if (!is_six && !weir_str_eq(word, WEIR_S("TCP4")))
        return false;
    if (!next_word(&rest, &from) || !next_word(&rest, &to) || !next_word(&rest, &from_port))
        return false;
    bool is_last = rest.len > 0 && memchr(rest.ptr, ' ', rest.len) == NULL;
    int family = is_six ? AF_INET6 : AF_INET;
    return is_last && next_word(&rest, &to_port) && read_ip(from, family, &out->from) &&
           read_ip(to, family, &out->to) && read_port(from_port, &out->from_port) &&
           read_port(to_port, &out->to_port);
}

static int parse_line(weir_str bytes, struct weir__proxy_header *out)
{
    static const char word[] = "PROXY ";
    size_t n = bytes.len < LINE_MAX ? bytes.len : LINE_MAX;
    if (!agrees(bytes, word, sizeof word - 1))
        return WEIR_PROXY_ENONE;
    const char *end = memchr(bytes.ptr, '\n', n);
    if (end == NULL)
        return bytes.len < LINE_MAX ? 0 : WEIR_PROXY_EFORM;
    size_t len = (size_t)(end - bytes.ptr) + 1;
    if (len < sizeof word + 1 || end[-1] != '\r' || memchr(bytes.ptr, '\r', len - 2) != NULL)
        return WEIR_PROXY_EFORM;
    weir_str rest = {bytes.ptr + sizeof word - 1, len - (sizeof word - 1) - 2};
    if (!read_line(rest, out)) {
        *out = (struct weir__proxy_header){0};
        return WEIR_PROXY_EFORM;
    }
    return (int)len;
}

/* ---- version 2: bytes ---- */

static unsigned be16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* CRC32c (RFC 4960 appendix B), going on from `crc`; one header a connection needs no table. */
static uint32_t crc32c(uint32_t crc, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78 & (0u - (crc & 1)));
    }
    return crc;
}

/* The checksum is of the whole header, with zeroes where it stands itself. */
static bool checksum_agrees(const unsigned char *header, size_t len, size_t at)
{
    static const unsigned char zeroes[4];
    uint32_t crc = crc32c(UINT32_MAX, header, at);
    crc = crc32c(crc, zeroes, sizeof zeroes);
    crc = crc32c(crc, header + at + 4, len - at - 4);
    return (crc ^ UINT32_MAX) == be32(header + at);
}

/* Walks what follows the addresses: a type, a length of two bytes, so many bytes. */
static int check_extras(const unsigned char *header, size_t len, size_t at)
{
    bool has_sum = false;
    while (at < len) {
        if (len - at < TLV_HEAD)
            return WEIR_PROXY_EFORM;
        size_t n = be16(header + at + 1);
        bool is_sum = header[at] == TLV_CRC32C;
        at += TLV_HEAD;
        if (n > len - at || (is_sum && (has_sum || n != 4)))
            return WEIR_PROXY_EFORM;
        if (is_sum && !checksum_agrees(header, len, at))
            return WEIR_PROXY_ECHECKSUM;
        has_sum = has_sum || is_sum;
        at += n;
    }
    return 0;
}

static void read_pair(const unsigned char *p, int family, struct weir__proxy_header *out)
{
    size_t n = family == AF_INET6 ? 16 : 4;
    memcpy(out->from.bytes, p, n);
    memcpy(out->to.bytes, p + n, n);
    out->from.family = out->to.family = (uint8_t)family;
    out->from_port = (uint16_t)be16(p + 2 * n);
    out->to_port = (uint16_t)be16(p + 2 * n + 2);
    weir__ip_unmap(&out->from);
    weir__ip_unmap(&out->to);
}

/* Reads the addresses; returns how many bytes they take, or an error. */
static int read_addresses(const unsigned char *p, size_t len, unsigned family,
                          struct weir__proxy_header *out)
{
    static const struct {
        int family;
        size_t len;
    } families[] = {{0, 0}, {AF_INET, 12}, {AF_INET6, 36}, {AF_UNIX, UNIX_BYTES}};
    unsigned kind = family >> 4, transport = family & 15;
    if (kind > 3 || transport > 2 || (kind == 0) != (transport == 0) || len < families[kind].len)
        return WEIR_PROXY_EFAMILY;
    if (kind == 0)
        out->is_local = true;
    else if (families[kind].family == AF_UNIX)
        out->from.family = out->to.family = AF_UNIX;
    else
        read_pair(p, families[kind].family, out);
    return (int)families[kind].len;
}

/* The head is all there. */
static int parse_whole(weir_str bytes, struct weir__proxy_header *out)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    size_t len = HEAD + be16(p + 14);
    if (len > WEIR__PROXY_BYTES_MAX)
        return WEIR_PROXY_ELENGTH;
    if (bytes.len < len)
        return 0;
    out->is_local = (p[12] & 15) == 0;
    if (out->is_local) /* LOCAL: all of the rest is to be skipped */
        return (int)len;
    int n = read_addresses(p + HEAD, len - HEAD, p[13], out);
    int rc = n < 0 ? n : check_extras(p, len, HEAD + (size_t)n);
    if (rc < 0)
        *out = (struct weir__proxy_header){0};
    return rc < 0 ? rc : (int)len;
}

static int parse_bytes(weir_str bytes, struct weir__proxy_header *out)
{
    if (!agrees(bytes, signature, SIGNATURE))
        return WEIR_PROXY_ENONE;
    if (bytes.len > SIGNATURE) {
        unsigned version = (unsigned char)bytes.ptr[SIGNATURE];
        if (version != 0x20 && version != 0x21)
            return WEIR_PROXY_EVERSION;
    }
    return bytes.len < HEAD ? 0 : parse_whole(bytes, out);
}

int weir__proxy_parse(weir_str bytes, struct weir__proxy_header *out)
{
    *out = (struct weir__proxy_header){0};
    if (bytes.len == 0)
        return 0;
    return bytes.ptr[0] == 'P' ? parse_line(bytes, out) : parse_bytes(bytes, out);
}

/* ---- how much is missing ---- */

/* Of a line: each blank that is missing has a byte behind it, and CRLF ends it. */
static size_t missing_of_line(weir_str bytes)
{
    static const char unknown[] = "PROXY UNKNOWN";
    size_t blanks = 0;
    if (bytes.ptr[bytes.len - 1] == '\r')
        return 1;
    if (agrees(bytes, unknown, sizeof unknown - 1))
        return 2;
    for (size_t i = 0; i < bytes.len; i++)
        blanks += bytes.ptr[i] == ' ';
    return blanks < BLANKS ? 2 * (BLANKS - blanks) + 2 : 2;
}

size_t weir__proxy_missing(weir_str bytes)
{
    if (bytes.len < SHORTEST)
        return SHORTEST - bytes.len;
    if (bytes.ptr[0] == 'P')
        return missing_of_line(bytes);
    if (bytes.len < HEAD)
        return HEAD - bytes.len;
    size_t len = HEAD + be16((const unsigned char *)bytes.ptr + 14);
    return len > bytes.len ? len - bytes.len : 1;
}
