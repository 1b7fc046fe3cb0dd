/*
 * The whole way of an answer: a service in the simulation asks for a name, and the input is what a
 * server says, as many datagrams as it has pieces (0xff 0xff between them), with ids that are right
 * or wrong; what is said over TCP is the input too. The look-up comes to an end within its time,
 * with addresses or with a reason, what is known is found again, and nothing stays open.
 */
#include "base/fuzz.h"
#include "net/dns_testing.h"
#include "net/resolve.h"

static const uint8_t *input;
static size_t input_size;

/* A piece of the input as an answer to `q`: its id and question are in place unless dice say no. */
static void say(struct query *q, const uint8_t *bytes, size_t size, struct fuzz_dice *dice)
{
    struct reply r = {.len = q->len};
    memcpy(r.bytes, q->bytes, q->len);
    size_t flags = size < 10 ? size : 10;
    memcpy(r.bytes + 2, bytes, flags);
    r.bytes[2] |= 0x80;
    if (fuzz_below(dice, 4) > 0) {
        r.bytes[4] = 0;
        r.bytes[5] = 1;
        r.bytes[2] &= 0x87;
    }
    size_t rest = size - flags;
    rest = rest < sizeof r.bytes - r.len ? rest : sizeof r.bytes - r.len;
    memcpy(r.bytes + r.len, bytes + flags, rest);
    r.len += rest;
    r.bytes[fuzz_below(dice, 2)] ^= fuzz_below(dice, 8) == 0;
    reply_send_as(&r, q, q->server->num);
}

static void on_query(struct query *q)
{
    struct fuzz_dice dice = fuzz_dice_of(input, input_size);
    size_t begin = 0;
    if (q->stream != NULL) {
        (void)weir__try_send(q->stream, input, input_size);
        return;
    }
    for (size_t at = 0; at <= input_size; at++) {
        bool is_end = at == input_size;
        if (!is_end && (at + 1 >= input_size || input[at] != 0xff || input[at + 1] != 0xff))
            continue;
        say(q, input + begin, at - begin, &dice);
        begin = at + 2;
        at++;
    }
}

static bool are_same(const struct weir__addresses *a, const struct weir__addresses *b)
{
    bool are = a->count == b->count;
    for (unsigned i = 0; i < a->count && are; i++)
        are = a->list[i].family == b->list[i].family &&
              memcmp(a->list[i].ip, b->list[i].ip, sizeof a->list[i].ip) == 0;
    return are;
}

static weir_err ask_twice(weir_ctx *c, void *arg)
{
    struct name_server s;
    struct weir__addresses a, again;
    (void)arg;
    WEIR_SCOPE(peers, c);
    FUZZ_CHECK(name_server_start(peers, &s, on_query, NULL) == WEIR_OK, "no server");
    files_set_servers(&s, 1, "options attempts:1 timeout:1");
    weir_time begin = weir_now();
    weir_err err = weir__resolve(weir__ctx_of(c), WEIR_S("db.example.org"),
                                 weir_time_add(begin, weir_sec(10)), &a);
    FUZZ_CHECK(weir_time_sub(weir_now(), begin).ns < weir_ms(1100).ns, "it lasts");
    FUZZ_CHECK((err == WEIR_OK) == (a.count > 0), "%d with %u", err, a.count);
    FUZZ_CHECK(err == WEIR_OK || (err == WEIR_ENOHOST && a.why[0] != '\0'), "%d", err);
    unsigned asked = s.asked;
    weir_err second = weir__resolve(weir__ctx_of(c), WEIR_S("db.example.org"),
                                    weir_time_add(weir_now(), weir_sec(10)), &again);
    /* Asked anew it has another id, which a name in the answer may lead to. */
    FUZZ_CHECK(s.asked != asked || (second == err && are_same(&a, &again)), "%d, %d", err, second);
    return WEIR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_size = size;
    FUZZ_CHECK(weir__sim_run(ask_twice, NULL) == WEIR_OK, "the simulation");
    (void)files_remove(NULL);
    return 0;
}
