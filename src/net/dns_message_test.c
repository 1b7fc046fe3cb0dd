/* Messages: the question's bytes, and what of an answer's is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/dns_message.h"

#include "base/alloc.h"
#include "net/dns_testing.h"

static struct weir__dns_question question(const char *name, int family)
{
    struct weir__dns_question q;
    assert_int_equal(weir__dns_ask_for(&q, name, family, 0x1234), WEIR_OK);
    return q;
}

static void test_the_question(void **state)
{
    (void)state;
    static const uint8_t wanted[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                                    "\x02"
                                    "db\x04test\x00\x00\x01\x00\x01";
    struct weir__dns_question q = question("db.test", AF_INET);
    assert_int_equal(q.len, sizeof wanted - 1);
    assert_memory_equal(q.bytes, wanted, q.len);
    q = question("db.test.", AF_INET6);
    assert_int_equal(q.len, sizeof wanted - 1);
    assert_int_equal(q.bytes[q.len - 3], 28);
    assert_int_equal(weir__dns_ask_for(&q, "x.onion", AF_INET, 1), WEIR_EINVALID);
    weir__alloc_fail_nth(1);
    assert_int_equal(weir__dns_ask_for(&q, "db.test", AF_INET, 1), -ENOMEM);
    weir__alloc_fail_nth(0);
}

/* The answer that a server would make to it. */
static void answer(struct reply *r, const struct weir__dns_question *q, unsigned flags)
{
    struct query as = {.len = q->len};
    memcpy(as.bytes, q->bytes, q->len);
    reply_begin(r, &as, flags);
}

static enum weir__dns_says says(const struct weir__dns_question *q, const struct reply *r,
                                struct weir__dns_answer *a)
{
    uint8_t *exact = malloc(r->len > 0 ? r->len : 1); /* so that a byte too many is seen */
    assert_non_null(exact);
    memcpy(exact, r->bytes, r->len);
    assert_int_equal(weir__dns_read(q, exact, r->len, a), WEIR_OK);
    free(exact);
    return a->says;
}

static void test_addresses(void **state)
{
    (void)state;
    struct weir__dns_question q = question("db.test", AF_INET);
    struct weir__dns_answer a;
    struct reply r;
    answer(&r, &q, 0);
    reply_ip(&r, "10.0.0.1", 60);
    reply_ip(&r, "10.0.0.2", 30);
    r.bytes[13] ^= 0x20; /* letters' case is the server's affair */
    assert_int_equal(says(&q, &r, &a), WEIR__DNS_ADDRESSES);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.ips[1][3], 2);
    assert_int_equal(a.ttl_s, 30);
    for (int i = 0; i < WEIR__DNS_IPS_MAX; i++)
        reply_ip(&r, "10.0.0.3", 0x80000000);
    assert_int_equal(says(&q, &r, &a), WEIR__DNS_ADDRESSES);
    assert_int_equal(a.count, WEIR__DNS_IPS_MAX);
    assert_int_equal(a.ttl_s, 0); /* RFC 2181, 8: what is negative is 0 */
    q = question("db.test", AF_INET6);
    answer(&r, &q, 0);
    reply_ip(&r, "2001:db8::1", 7);
    assert_int_equal(says(&q, &r, &a), WEIR__DNS_ADDRESSES);
    assert_int_equal(a.ips[0][15], 1);
    assert_int_equal(a.ttl_s, 7);
}

static void test_no(void **state)
{
    (void)state;
    struct weir__dns_question q = question("db.test", AF_INET);
    struct weir__dns_answer a;
    struct reply r;
    answer(&r, &q, 3);
    assert_int_equal(says(&q, &r, &a), WEIR__DNS_NO_NAME);
    assert_int_equal(a.ttl_s, 0);
    reply_soa(&r, 100, 9);
    assert_int_equal(says(&q, &r, &a), WEIR__DNS_NO_NAME);
    assert_int_equal(a.ttl_s, 9);
    answer(&r, &q, 0);
    reply_soa(&r, 8, 9);
    assert_int_equal(says(&q, &r, &a), WEIR__DNS_NO_DATA);
    assert_int_equal(a.ttl_s, 8);
    for (size_t cut = q.len; cut < r.len; cut++) { /* an SOA that is not whole says nothing */
        struct reply part = r;
        part.len = cut;
        (void)says(&q, &part, &a);
        assert_int_equal(a.ttl_s, 0);
    }
}

static void test_failures(void **state)
{
    (void)state;
    struct weir__dns_question q = question("db.test", AF_INET);
    struct weir__dns_answer a;
    struct reply r;
    answer(&r, &q, 2);
    assert_int_equal(says(&q, &r, &a), WEIR__DNS_FAILED);
    assert_string_equal(weir__dns_rcode_name(a.rcode), "SERVFAIL");
    answer(&r, &q, 0x200);
    assert_int_equal(says(&q, &r, &a), WEIR__DNS_CUT);
    answer(&r, &q, 0);
    r.bytes[7] = 1; /* a record that is not there */
    assert_int_equal(says(&q, &r, &a), WEIR__DNS_FAILED);
    assert_string_equal(weir__dns_rcode_name(a.rcode), "an answer that makes no sense");
    assert_string_equal(weir__dns_rcode_name(15), "an error of another kind");
    answer(&r, &q, 0);
    reply_ip(&r, "10.0.0.1", 60);
    weir__alloc_fail_nth(1);
    assert_int_equal(weir__dns_read(&q, r.bytes, r.len, &a), -ENOMEM);
    weir__alloc_fail_nth(0);
}

/* A bit that is another one in head or question: it is no answer, or says something else. */
static void test_whom_to_believe(void **state)
{
    (void)state;
    struct weir__dns_question q = question("db.test", AF_INET);
    struct weir__dns_answer a;
    struct reply r;
    answer(&r, &q, 0);
    reply_ip(&r, "10.0.0.1", 60);
    for (size_t bit = 0; bit < q.len * 8; bit++) {
        size_t byte = bit / 8;
        bool is_case = byte > 12 && byte < 20 && byte != 15 && bit % 8 == 5;
        bool is_told = byte == 2 || byte == 3 || (byte > 5 && byte < 12);
        r.bytes[byte] ^= (uint8_t)(1u << bit % 8);
        if (!is_told)
            assert_int_equal(says(&q, &r, &a), is_case ? WEIR__DNS_ADDRESSES : WEIR__DNS_NOTHING);
        r.bytes[byte] ^= (uint8_t)(1u << bit % 8);
    }
    for (r.len = 0; r.len < q.len; r.len++)
        assert_int_equal(says(&q, &r, &a), WEIR__DNS_NOTHING);
    r.bytes[2] &= 0x7f; /* a question */
    assert_int_equal(says(&q, &r, &a), WEIR__DNS_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_question),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_no),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_whom_to_believe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
