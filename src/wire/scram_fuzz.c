/*
 * SCRAM's client, whatever a server says: a first line and a second one. Nothing is taken that has
 * not the form it must have; a challenge that was taken, put together again, is the one that came;
 * no verdict passes that the key did not make.
 */
#include "base/fuzz.h"
#include "wire/scram.h"

static const uint8_t chance[WEIR__SCRAM_NONCE_BYTES];

static void check_taken(const struct weir__scram *s, weir_str line)
{
    FUZZ_CHECK(s->iterations > 0 && s->iterations <= WEIR__SCRAM_ITERATIONS_MAX, "%u",
               s->iterations);
    FUZZ_CHECK(s->salt_len > 0 && s->salt_len <= WEIR__SCRAM_SALT_MAX, "%zu", s->salt_len);
    FUZZ_CHECK(line.len > 2 + s->nonce_len && memcmp(line.ptr + 2, s->nonce, s->nonce_len) == 0,
               "nonce of %zu", s->nonce_len);
}

static void check_verdict(struct weir__scram *s, weir_str last)
{
    uint8_t salted[WEIR__SCRAM_KEY_BYTES] = {0};
    char room[2048];
    const char *why;
    weir_buf out;
    weir_buf_init_fixed(&out, room, sizeof room);
    weir_err err = weir__scram_final(s, salted, &out);
    FUZZ_CHECK(err == WEIR_OK && out.err == WEIR_OK, "%d", out.err);
    err = weir__scram_verify(s, last, &why);
    FUZZ_CHECK(err == WEIR_EPROTO && why != NULL, "a verdict by chance");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, data + size};
    struct weir__scram s;
    char room[256];
    const char *why;
    weir_buf out;
    weir_str line = fuzz_until(&in, '\n');
    size_t rest_len = (size_t)(in.end - in.at);
    char *first = fuzz_copy(line.ptr, line.len), *last = fuzz_copy(in.at, rest_len);
    weir_buf_init_fixed(&out, room, sizeof room);
    weir__scram_begin(&s, chance, WEIR__SCRAM_UNBOUND, (weir_str){NULL, 0});
    weir__scram_first(&s, &out);
    weir_err err = weir__scram_challenge(&s, (weir_str){first, line.len}, &why);
    FUZZ_CHECK((err == WEIR_OK) == (why == NULL), "%d", err);
    if (err == WEIR_OK) {
        check_taken(&s, (weir_str){first, line.len});
        check_verdict(&s, (weir_str){last, rest_len});
    }
    free(first);
    free(last);
    return 0;
}
