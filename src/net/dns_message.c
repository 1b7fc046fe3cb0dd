/*
 * Questions and answers. The hard thing is whom to believe: an answer counts only with the
 * question's id and with its very question, letters' case apart; that it came from the server's
 * address and port the kernel sees to, for sockets are connected.
 *
 * c-ares' memory is ours: its door is set before it is first called, once in the process.
 */
#include "net/dns_message.h"

#include <ares.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/assert.h"

#define HEAD 12          /* bytes */
#define IS_ANSWER 0x8000 /* of the second word; RFC 1035, 4.1.1 */
#define OPCODE 0x7800
#define IS_CUT 0x0200
#define RCODE 0x000f
#define NO_SUCH_NAME 3
#define CLASS_IN 1
#define TYPE_A 1
#define TYPE_SOA 6
#define TYPE_AAAA 28

/* Its inside is set before it is used first. */
static void begin(void)
{
    (void)ares_library_init_mem(ARES_LIB_INIT_ALL, weir__malloc, weir__free, weir__realloc);
}

static unsigned u16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint32_t u32(const uint8_t *at)
{
    return (uint32_t)u16(at) << 16 | u16(at + 2);
}

/* --- the question ------------------------------------------------------------------------- */

weir_err weir__dns_ask_for(struct weir__dns_question *q, const char *name, int family, uint16_t id)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned char *bytes = NULL;
    int len = 0, type = family == AF_INET ? TYPE_A : TYPE_AAAA;
    WEIR_ASSERT(family == AF_INET || family == AF_INET6, "E1: an address is IPv4 or IPv6");
    (void)pthread_once(&once, begin);
    *q = (struct weir__dns_question){.family = family};
    int status = ares_create_query(name, CLASS_IN, type, id, 1, &bytes, &len, 0);
    if (status == ARES_SUCCESS && (size_t)len <= sizeof q->bytes) {
        q->len = (size_t)len;
        memcpy(q->bytes, bytes, q->len);
    }
    if (status == ARES_SUCCESS)
        ares_free_string(bytes);
    WEIR_ASSERT(q->len == 0 || q->len > HEAD, "N7: a question is more than its head");
    if (q->len > 0)
        return WEIR_OK;
    return status == ARES_ENOMEM ? -ENOMEM : WEIR_EINVALID;
}

/* --- the answer --------------------------------------------------------------------------- */

/* By its head: an answer with the id, and with one question, for which there is room. */
static bool has_head(const struct weir__dns_question *q, const uint8_t *bytes, size_t len)
{
    return len >= q->len && memcmp(bytes, q->bytes, 2) == 0 &&
           (u16(bytes + 2) & (IS_ANSWER | OPCODE)) == IS_ANSWER && u16(bytes + 4) == 1;
}

static int lower(int ch)
{
    return ch >= 'A' && ch <= 'Z' ? ch + ('a' - 'A') : ch;
}

/*
 * The length bytes of labels are below 64, so they are no letters: case may be ignored for all of
 * the question at once.
 */
static bool has_question(const struct weir__dns_question *q, const uint8_t *bytes)
{
    WEIR_ASSERT(q->len > HEAD, "N7: a question is more than its head");
    for (size_t i = HEAD; i < q->len; i++) {
        if (lower(bytes[i]) != lower(q->bytes[i]))
            return false;
    }
    return true;
}

/* Where the name at `at` ends; `len` when it does not. */
static size_t skip_name(const uint8_t *bytes, size_t len, size_t at)
{
    WEIR_ASSERT(at <= len, "N8: a message is read within its bytes");
    while (at < len) {
        uint8_t label = bytes[at];
        if (label == 0)
            return at + 1;
        if (label >= 0xc0)
            return at + 2 <= len ? at + 2 : len; /* the rest is elsewhere */
        at += 1u + label;
    }
    return len;
}

/*
 * How long a "no" holds: as the SOA record says that came with it, by its own time and by its last
 * number. 0: none came.
 */
static uint32_t no_for(const struct weir__dns_question *q, const uint8_t *bytes, size_t len)
{
    WEIR_ASSERT(len >= q->len, "N8: what answers a question is not shorter");
    unsigned count = u16(bytes + 6) + u16(bytes + 8);
    size_t at = q->len;
    for (unsigned i = 0; i < count; i++) {
        at = skip_name(bytes, len, at);
        WEIR_ASSERT(at <= len, "N8: a name ends within its message");
        if (len - at < 10)
            return 0;
        size_t size = u16(bytes + at + 8), data = at + 10;
        if (len - data < size)
            return 0;
        if (u16(bytes + at) == TYPE_SOA && size >= 20) {
            uint32_t ttl = u32(bytes + at + 4), minimum = u32(bytes + data + size - 4);
            return ttl < minimum ? ttl : minimum;
        }
        at = data + size;
        WEIR_ASSERT(at <= len, "N8: a record ends within its message");
    }
    return 0;
}

static void take(struct weir__dns_answer *a, const void *ip, size_t size, int ttl)
{
    uint32_t s = ttl > 0 ? (uint32_t)ttl : 0;
    WEIR_ASSERT(a->count < WEIR__DNS_IPS_MAX && size <= sizeof a->ips[0],
                "N7: no more addresses of a family are kept than there is room for");
    memcpy(a->ips[a->count], ip, size);
    a->ttl_s = a->count++ == 0 || s < a->ttl_s ? s : a->ttl_s;
}

static int read_four(const uint8_t *bytes, size_t len, struct weir__dns_answer *a)
{
    struct ares_addrttl found[WEIR__DNS_IPS_MAX];
    int count = WEIR__DNS_IPS_MAX;
    int status = ares_parse_a_reply(bytes, (int)len, NULL, found, &count);
    WEIR_ASSERT(status != ARES_SUCCESS || count <= WEIR__DNS_IPS_MAX,
                "N8: no more comes than there is room for");
    for (int i = 0; status == ARES_SUCCESS && i < count; i++)
        take(a, &found[i].ipaddr, 4, found[i].ttl);
    return status;
}

static int read_six(const uint8_t *bytes, size_t len, struct weir__dns_answer *a)
{
    struct ares_addr6ttl found[WEIR__DNS_IPS_MAX];
    int count = WEIR__DNS_IPS_MAX;
    int status = ares_parse_aaaa_reply(bytes, (int)len, NULL, found, &count);
    WEIR_ASSERT(status != ARES_SUCCESS || count <= WEIR__DNS_IPS_MAX,
                "N8: no more comes than there is room for");
    for (int i = 0; status == ARES_SUCCESS && i < count; i++)
        take(a, &found[i].ip6addr, 16, found[i].ttl);
    return status;
}

static weir_err read_addresses(const struct weir__dns_question *q, const uint8_t *bytes, size_t len,
                               struct weir__dns_answer *a)
{
    int status = q->family == AF_INET ? read_four(bytes, len, a) : read_six(bytes, len, a);
    if (status == ARES_ENOMEM)
        return -ENOMEM;
    if (a->count > 0)
        a->says = WEIR__DNS_ADDRESSES;
    else if (status == ARES_ENODATA || status == ARES_SUCCESS) {
        a->says = WEIR__DNS_NO_DATA;
        a->ttl_s = no_for(q, bytes, len);
    }
    WEIR_ASSERT((a->says == WEIR__DNS_ADDRESSES) == (a->count > 0),
                "N7: who says that there are addresses has some");
    return WEIR_OK;
}

weir_err weir__dns_read(const struct weir__dns_question *q, const uint8_t *bytes, size_t len,
                        struct weir__dns_answer *a)
{
    *a = (struct weir__dns_answer){.says = WEIR__DNS_NOTHING};
    if (!has_head(q, bytes, len) || !has_question(q, bytes))
        return WEIR_OK;
    unsigned flags = u16(bytes + 2), rcode = flags & RCODE;
    a->says = (flags & IS_CUT) != 0 ? WEIR__DNS_CUT : WEIR__DNS_FAILED;
    if (a->says == WEIR__DNS_CUT)
        return WEIR_OK;
    a->rcode = (uint8_t)rcode;
    if (rcode == NO_SUCH_NAME) {
        a->says = WEIR__DNS_NO_NAME;
        a->ttl_s = no_for(q, bytes, len);
    }
    return rcode == 0 ? read_addresses(q, bytes, len, a) : WEIR_OK;
}

const char *weir__dns_rcode_name(unsigned rcode)
{
    static const char *const names[] = {
        "an answer that makes no sense", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};
    return rcode < sizeof names / sizeof names[0] ? names[rcode] : "an error of another kind";
}
