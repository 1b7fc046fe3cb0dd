/*
 * Answers. Whatever comes, what is read of it is one of the things that an answer may say, within
 * the bounds; nothing is believed without the id and the question; and cut anywhere within head or
 * question it is no answer. The input is what follows the question; its first bytes are flags and
 * counts.
 */
#include "base/fuzz.h"
#include "net/dns_message.h"

#include <sys/socket.h>

static void check_answer(const struct weir__dns_question *q, const uint8_t *bytes, size_t len)
{
    struct weir__dns_answer a;
    char *exact = fuzz_copy(bytes, len);
    weir_err err = weir__dns_read(q, (const uint8_t *)exact, len, &a);
    FUZZ_CHECK(err == WEIR_OK, "%d", err);
    FUZZ_CHECK(a.count <= WEIR__DNS_IPS_MAX, "%u addresses", a.count);
    FUZZ_CHECK((a.says == WEIR__DNS_ADDRESSES) == (a.count > 0), "%u addresses", a.count);
    FUZZ_CHECK(a.ttl_s <= INT32_MAX || a.says != WEIR__DNS_ADDRESSES, "%u s", a.ttl_s);
    FUZZ_CHECK(weir__dns_rcode_name(a.rcode) != NULL, "%u", a.rcode);
    bool is_ours = len >= q->len && memcmp(bytes, q->bytes, 2) == 0;
    FUZZ_CHECK(is_ours || a.says == WEIR__DNS_NOTHING, "%d", (int)a.says);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir__dns_question q;
    struct fuzz_dice dice = fuzz_dice_of(data, size);
    int family = fuzz_below(&dice, 2) == 0 ? AF_INET : AF_INET6;
    FUZZ_CHECK(weir__dns_ask_for(&q, "db.example.org", family, 0x4711) == WEIR_OK && q.len > 12,
               "no question");
    size_t flags = size < 10 ? size : 10;
    uint8_t *bytes = (uint8_t *)fuzz_alloc(q.len + size);
    memcpy(bytes, q.bytes, q.len);
    memcpy(bytes + 2, data, flags);
    memcpy(bytes + q.len, data + flags, size - flags);
    size_t len = q.len + size - flags;
    check_answer(&q, bytes, len);
    bytes[2] = (uint8_t)((bytes[2] | 0x80) & ~0x78);
    bytes[4] = 0;
    bytes[5] = 1;
    check_answer(&q, bytes, len); /* surely one to the question */
    for (size_t cut = 0; cut < q.len; cut++)
        check_answer(&q, bytes, cut);
    bytes[fuzz_below(&dice, 2)] ^= 0x40;
    check_answer(&q, bytes, len);
    check_answer(&q, data, size);
    free(bytes);
    return 0;
}
