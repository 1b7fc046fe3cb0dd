/*
 * The suite's cases of batches; for suite.c alone, whose words these are.
 */
#ifndef WEIR_TESTS_SUITE_BATCHES_H
#define WEIR_TESTS_SUITE_BATCHES_H

#define COUNT "SELECT count(*) FROM suite_things"

typedef struct {
    weir_str name;
    int64_t size;
} named;
WEIR_MODEL(named, (name), (size));

/* Of known statements and unknown ones; whatever one does, the others do not hear of it. */
static weir_err batches_stand_for_themselves(weir_ctx *c, struct suite *s)
{
    for (int turn = 0; turn < 3; turn++) {
        int64_t before = -1, after = -1, lost = -1;
        named first = {.size = 0};
        WEIR_ARRAY(named) all = {.len = 0};
        weir_result result = {.changes = 0};
        EXPECT(weir_db_exec(c, s->db, NULL, "DELETE FROM suite_things") == WEIR_OK);
        weir_batch *b = weir_batch_new(c, s->db);
        weir_batch_one(b, int64_t, &before, COUNT);
        weir_batch_exec(b, &result, ADD, "first", WEIR_NULL, 1);
        weir_batch_exec(b, NULL, ADD, "first", WEIR_NULL, 2); /* 2: is there already */
        weir_batch_one(b, named, &first, "SELECT name, size FROM suite_things WHERE size > ?", 0);
        weir_batch_one(b, int64_t, &lost, "SELECT nothing FROM nowhere"); /* 4 */
        weir_batch_exec(b, NULL, ADD, "second", WEIR_NULL, 0);            /* 5: too small */
        weir_batch_exec(b, NULL, ADD, "second", WEIR_NULL, 2);
        weir_batch_all(b, named, &all, 10, "SELECT name, size FROM suite_things ORDER BY size");
        weir_batch_one(b, named, &first, "SELECT name, size FROM suite_things WHERE size > ?", 9);
        weir_batch_one(b, int64_t, &after, COUNT);
        weir_err err = weir_batch_run(b);
        EXPECT(err == WEIR_EUNIQUE);
        EXPECT(weir_batch_err(b, 4) == WEIR_EDB && weir_batch_err(b, 5) == WEIR_ECHECK);
        EXPECT(weir_batch_err(b, 8) == WEIR_ENOTFOUND && weir_batch_error(b, 8) == NULL);
        EXPECT(weir_batch_error(b, 2)->constraint.len > 0);
        EXPECT(before == 0 && after == 2 && lost == -1 && result.changes == 1);
        EXPECT(weir_str_eq(first.name, WEIR_S("first")) && first.size == 1);
        EXPECT(all.len == 2 && weir_str_eq(all.ptr[1].name, WEIR_S("second")));
        for (size_t i = 0; i < 10; i++)
            EXPECT(!weir_batch_may_have_run(b, i));
        weir_error_clear(c);
    }
    /* What only reads, too: some fail, and are read past. */
    for (int turn = 0; turn < 3; turn++) {
        int64_t n[20];
        weir_batch *b = weir_batch_new(c, s->db);
        for (int i = 0; i < 20; i++) {
            n[i] = -1;
            if (i % 7 == 3)
                weir_batch_one(b, int64_t, &n[i], "SELECT name FROM suite_things WHERE size = 1");
            else
                weir_batch_one(b, int64_t, &n[i], "SELECT size FROM suite_things WHERE size = ?",
                               i % 2 + 1);
        }
        EXPECT(weir_batch_run(b) == WEIR_EDBTYPE);
        for (int i = 0; i < 20; i++)
            EXPECT(n[i] == (i % 7 == 3 ? -1 : i % 2 + 1));
        weir_error_clear(c);
    }
    return WEIR_OK;
}

static weir_err batches_in_transactions(weir_ctx *c, struct suite *s)
{
    for (int turn = 0; turn < 3; turn++) {
        int64_t n[2] = {-1, -1};
        EXPECT(weir_db_exec(c, s->db, NULL, "DELETE FROM suite_things") == WEIR_OK);
        weir_tx *tx = weir_begin(c, s->db);
        weir_batch *b = weir_batch_new(c, tx);
        weir_batch_exec(b, NULL, ADD, "one", WEIR_NULL, 1);
        weir_batch_one(b, int64_t, &n[0], COUNT);
        weir_batch_exec(b, NULL, ADD, "two", WEIR_NULL, 2);
        weir_batch_one(b, int64_t, &n[1], COUNT);
        EXPECT(weir_batch_run(b) == WEIR_OK);
        EXPECT(n[0] == 1 && n[1] == 2);
        EXPECT(number(c, s->db, COUNT) == 0); /* nobody else sees it yet */
        EXPECT(weir_exec(tx, ADD, "three", WEIR_NULL, 3) == WEIR_OK);
        EXPECT(weir_commit(tx) == WEIR_OK);
        EXPECT(number(c, s->db, COUNT) == 3);

        tx = weir_begin(c, s->db);
        weir_tx *part = weir_begin(c, tx);
        b = weir_batch_new(c, part);
        weir_batch_exec(b, NULL, ADD, "four", WEIR_NULL, 4);
        weir_batch_exec(b, NULL, ADD, "one", WEIR_NULL, 5);
        weir_batch_one(b, int64_t, &n[0], COUNT);
        weir_batch_exec(b, NULL, ADD, "six", WEIR_NULL, 6);
        EXPECT(weir_batch_run(b) == WEIR_EUNIQUE);
        EXPECT(weir_batch_err(b, 0) == WEIR_OK && weir_batch_err(b, 2) == WEIR_ECANCELED &&
               weir_batch_err(b, 3) == WEIR_ECANCELED);
        weir_rollback(part);
        weir_error_clear(c);
        b = weir_batch_new(c, tx);
        weir_batch_exec(b, NULL, ADD, "seven", WEIR_NULL, 7);
        EXPECT(weir_batch_run(b) == WEIR_OK);
        EXPECT(weir_commit(tx) == WEIR_OK);
        EXPECT(number(c, s->db, COUNT) == 4);
    }
    return WEIR_OK;
}

/* More both ways than lies between two kernels: nobody waits for the other. */
static weir_err batches_larger_than_buffers(weir_ctx *c, struct suite *s)
{
    enum { LARGE = 40000, COUNT_MAX = 150 };
    static char text[LARGE];
    weir_str texts[COUNT_MAX];
    memset(text, 'x', LARGE);
    weir_str large = {text, LARGE};
    weir_batch *b = weir_batch_new(c, s->db);
    weir_batch_exec(b, NULL, "DELETE FROM suite_kinds");
    for (int i = 0; i < 80; i++)
        weir_batch_exec(b, NULL, "INSERT INTO suite_kinds(i, s) VALUES (?, ?)", i, large);
    EXPECT(weir_batch_run(b) == WEIR_OK);
    EXPECT(number(c, s->db, "SELECT count(*) FROM suite_kinds") == 80);
    b = weir_batch_new(c, s->db);
    for (int i = 0; i < COUNT_MAX; i++)
        weir_batch_one(b, weir_str, &texts[i], "SELECT s FROM suite_kinds WHERE i >= ?", i % 80);
    EXPECT(weir_batch_run(b) == WEIR_OK);
    for (int i = 0; i < COUNT_MAX; i++)
        EXPECT(weir_str_eq(texts[i], large));
    return WEIR_OK;
}

/* All that was sent is ended, and the connections are there again. */
static weir_err batches_are_given_up(weir_ctx *c, struct suite *s)
{
    for (int turn = 0; turn < 2 * CONNECTIONS; turn++) {
        weir_time before = weir_now();
        weir_err err = WEIR_OK;
        WEIR_WITH(late, c, .timeout = weir_ms(50)) {
            int64_t n;
            weir_batch *b = weir_batch_new(late, s->db);
            weir_batch_one(b, int64_t, &n, COUNT);
            weir_batch_one(b, int64_t, &n, s->its->forever);
            weir_batch_one(b, int64_t, &n, s->its->forever);
            if (turn % 2 != 0)
                weir_batch_exec(b, NULL, s->its->forever);
            err = weir_batch_run(b);
            /* What comes in one piece (PostgreSQL's reads) comes with the last of it. */
            EXPECT(weir_batch_err(b, 0) == WEIR_OK ||
                   (turn % 2 == 0 && weir_batch_err(b, 0) == WEIR_ETIMEDOUT));
            EXPECT(weir_batch_err(b, 2) == WEIR_ETIMEDOUT);
        }
        EXPECT(err == WEIR_ETIMEDOUT);
        EXPECT(IS_SANITIZED || weir_now().ns - before.ns < 10000000000);
        EXPECT(number(c, s->db, COUNT) == 0);
    }
    return WEIR_OK;
}

#endif
