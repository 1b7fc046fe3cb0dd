/*
 * The first bytes that come to a server, before libssl has them. It would take 170 KB for a hello
 * that says to be as long as libssl allows, of which nothing has come but eleven bytes. So the
 * first message's length is read here, through whatever records its head comes in; what is no
 * handshake at all is libssl's to refuse.
 */
#include "net/tls_inside.h"

#if WEIR_TLS

#include "base/assert.h"

enum { RECORD_HEAD = 5, MESSAGE_HEAD = 4, HELLO_BYTES_MAX = 16 << 10 };

/* A record begins with its type, 22 in a handshake; a plain request with the name of a method. */
static bool is_text(unsigned char first)
{
    return first >= 'A' && first <= 'Z';
}

static void see_record_head(struct weir__tls_hello *h, unsigned char byte)
{
    if (h->record_at == 0 && byte != SSL3_RT_HANDSHAKE)
        h->message_at = MESSAGE_HEAD; /* nothing more is looked at */
    h->record_left = (uint16_t)(h->record_left << 8 | byte);
    h->record_at++;
    if (h->record_at == RECORD_HEAD && h->record_left == 0)
        h->record_at = 0;
}

static void see_message_head(struct weir__tls_hello *h, unsigned char byte)
{
    WEIR_ASSERT(h->record_left > 0, "T10: a message's head lies in records");
    h->length = h->message_at == 0 ? 0 : h->length << 8 | byte;
    h->message_at++;
    h->record_left--;
    if (h->record_left == 0)
        h->record_at = 0;
}

enum weir__tls_failure weir__tls_hello_see(struct weir__tls_hello *h, const char *bytes, size_t len)
{
    bool is_first = !h->has_begun;
    h->has_begun = true;
    if (is_first && len > 0 && is_text((unsigned char)bytes[0]))
        return WEIR__TLS_PLAIN;
    for (size_t i = 0; i < len && h->message_at < MESSAGE_HEAD; i++) {
        if (h->record_at < RECORD_HEAD)
            see_record_head(h, (unsigned char)bytes[i]);
        else
            see_message_head(h, (unsigned char)bytes[i]);
    }
    return h->length > HELLO_BYTES_MAX ? WEIR__TLS_MALFORMED : WEIR__TLS_WELL;
}

#endif
