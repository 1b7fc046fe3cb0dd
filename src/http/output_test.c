/*
 * Sending when the socket changes its mind: it refuses, and takes a moment later, at every place of
 * a conversation. Whatever it does, the client gets the same bytes.
 */
#include "http/testing.h"
#include "watch/watch.h"

#define SMALL 4096u /* bytes that a client's socket holds */

/* --- conversations ---------------------------------------------------------------------------- */

struct talk {
    const char *name;
    const char *sent[3]; /* one after the other, when the answer to the one before has come */
};

static const struct talk talks[] = {
    {"a large answer", {"GET /big HTTP/1.1\r\nHost: a\r\n\r\n", HELLO}},
    {"rows in chunks", {"GET /rows HTTP/1.1\r\nHost: a\r\n\r\n", HELLO}},
    {"large pieces in chunks", {"GET /child HTTP/1.1\r\nHost: a\r\n\r\n", HELLO}},
    {"a pipeline", {HELLO HELLO "GET /big HTTP/1.1\r\nHost: a\r\n\r\n" HELLO}},
    {"a pipeline before a wait", {HELLO HELLO "GET /sleep?5 HTTP/1.1\r\nHost: a\r\n\r\n" HELLO}},
    {"a body there and back",
     {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n0123456789", "abcdefghij",
      HELLO}},
    {"chunks there and back",
     {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
      "4\r\ndefg\r\n0\r\n\r\n", HELLO}},
    {"a body that was asked for",
     {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n", "body",
      HELLO}},
    {"the last request", {HELLO, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"}},
};

#define TALKS (sizeof talks / sizeof talks[0])

/* What the client gets, without the dates, which are the real clock's. */
static char answers[1 << 20];
static size_t answers_len;

static void keep(const char *bytes)
{
    for (const char *date; (date = strstr(bytes, "Date: ")) != NULL;) {
        memcpy(answers + answers_len, bytes, (size_t)(date - bytes));
        answers_len += (size_t)(date - bytes);
        bytes = strchr(date, '\n') + 1;
    }
    size_t len = strlen(bytes);
    memcpy(answers + answers_len, bytes, len + 1);
    answers_len += len;
}

static const struct talk *talk;
static uint64_t refuse_nth, refuse_times, submits;

static void hold(struct rig *rig)
{
    static char bytes[1 << 20];
    int client = weir__sim_connect(rig->listener, SMALL);
    size_t len = 0;
    weir__sim_refuse(refuse_nth, refuse_times);
    for (size_t i = 0; i < 3 && talk->sent[i] != NULL; i++) {
        put(client, talk->sent[i]);
        const char *more = get(rig, client, NULL);
        memcpy(bytes + len, more, strlen(more) + 1);
        len += strlen(more);
    }
    for (int i = 0; i < 20; i++) { /* what a refusal has put off comes later */
        const char *more = get(rig, client, NULL);
        memcpy(bytes + len, more, strlen(more) + 1);
        len += strlen(more);
    }
    submits = weir__sim_submits();
    weir__sim_refuse(0, 0);
    answers_len = 0;
    keep(bytes);
}

static void test_refusals_change_nothing(void **state)
{
    static char expected[sizeof answers];
    (void)state;
    for (talk = talks; talk < talks + TALKS; talk++) {
        refuse_nth = refuse_times = 0;
        run_rig(hold, NULL);
        memcpy(expected, answers, answers_len + 1);
        uint64_t count = submits;
        assert_true(count > 2);
        for (refuse_times = 1; refuse_times <= 3; refuse_times++) {
            for (refuse_nth = 1; refuse_nth <= count; refuse_nth++) {
                run_rig(hold, NULL);
                if (strcmp(answers, expected) != 0)
                    fail_msg("%s: other bytes when operation %d is refused %d times", talk->name,
                             (int)refuse_nth, (int)refuse_times);
            }
        }
    }
}

/* --- one sender ------------------------------------------------------------------------------- */

/* A handler's other waits send nothing while its child is in the middle of it. */
static void a_child_sends(struct rig *rig)
{
    int client = weir__sim_connect(rig->listener, SMALL);
    put(client, "GET /child HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *text = get(rig, client, NULL);
    size_t counts[26] = {0};
    assert_has(text, "0\r\n\r\n");
    for (const char *p = strstr(text, "\r\n\r\n"); *p != '\0'; p++) {
        if (*p >= 'g' && *p <= 'z') /* others are digits of sizes */
            counts[*p - 'a']++;
    }
    for (int i = 'g' - 'a'; i < 26; i++)
        assert_int_equal(counts[i], 6000);
    assert_has(ask(rig, client, HELLO), "hello");
}

static void test_a_child_sends(void **state)
{
    (void)state;
    run_rig(a_child_sends, NULL);
}

/* Two at once are a mistake of the handler: it costs its response, and nothing else. */
static void two_children_send(struct rig *rig)
{
    int client = weir__sim_connect(rig->listener, SMALL);
    put(client, "GET /children HTTP/1.1\r\nHost: a\r\n\r\n");
    bool over;
    const char *text = get(rig, client, &over);
    assert_lacks(text, "0\r\n\r\n");
    assert_true(over);
    assert_int_equal(rig->last_err, WEIR_EPANIC);
    assert_has(ask(rig, dial(rig), HELLO), "hello");
}

static void test_two_children_send(void **state)
{
    (void)state;
    run_rig(two_children_send, NULL);
}

/* --- in turns --------------------------------------------------------------------------------- */

/* All that is there of it. */
static size_t take(int client)
{
    static char bytes[65536];
    size_t sum = 0;
    ssize_t n;
    while ((n = weir__sim_read(client, bytes, sizeof bytes)) > 0)
        sum += (size_t)n;
    return sum;
}

/* A socket that takes all of a large answer has it while others are waiting, and not before. */
static void others_have_their_turn(struct rig *rig)
{
    enum { LARGE = 3000000 };
    int large = weir__sim_connect(rig->listener, 2 * LARGE), small = dial(rig);
    put(large, "GET /big?3000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    put(small, HELLO);
    for (int turns = 0; take(small) == 0; turns++) {
        assert_true(turns < 1000);
        assert_int_equal(weir_yield(rig->ctx), WEIR_OK);
    }
    size_t got = take(large);
    assert_in_range(got, 1, LARGE / 4);
    wait_ms(rig, 1);
    got += take(large);
    assert_in_range(got, LARGE, LARGE + 200);
    assert_int_equal(rig->last_err, WEIR_OK);
    weir__sim_close(large);
    weir__sim_close(small);
}

static void test_a_large_answer_leaves_in_turns(void **state)
{
    (void)state;
    run_rig(others_have_their_turn, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals_change_nothing),
        cmocka_unit_test(test_a_child_sends),
        cmocka_unit_test(test_two_children_send),
        cmocka_unit_test(test_a_large_answer_leaves_in_turns),
    };
    weir__watch_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
