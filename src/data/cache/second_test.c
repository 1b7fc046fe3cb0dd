/*
 * The second level, played by a table in memory that fails, hangs and lies as it is told: what it
 * has is not loaded, what it does not have is written to it, and whatever is wrong with it the
 * value comes from the load function, once for all who ask.
 */
#include "data/cache/cache_testing.h"

#include "base/alloc.h"
#include "data/cache/owed.h"
#include "data/cache/second.h"

/* --- a store of a few keys -------------------------------------------------------------------- */

struct store {
    int count, gets, fills, writes, refused;
    struct {
        char key[16], bytes[256];
        int mark; /* of its last write; 0: it was filled alone */
        uint64_t version;
        weir_dur ttl;
    } records[8];
    weir_err fails;
    weir_dur write_takes;
    bool hangs, panics, fill_panics;
    bool forgets;        /* what is written to it */
    bool tells, is_lost; /* it tells of what was read, unless the connection is lost */
};

static int place_of(struct store *s, weir_str key)
{
    for (int i = 0; i < s->count; i++) {
        if (weir_str_eq(weir_str_from(s->records[i].key), key))
            return i;
    }
    return -1;
}

static weir_err behave(struct store *s, weir_ctx *c)
{
    if (s->panics)
        weir_panic("the driver panics");
    if (s->hangs)
        return weir_sleep(c, weir_min(10));
    return s->fails;
}

static weir_err behave_writing(struct store *s, weir_ctx *c)
{
    weir_err err = behave(s, c);
    return err == WEIR_OK && s->write_takes.ns > 0 ? weir_sleep(c, s->write_takes) : err;
}

static weir_err store_get(void *driver, struct weir__ctx *c, const struct weir__second_key *key,
                          weir_buf *out, weir_buf *mark)
{
    struct store *s = driver;
    s->gets++;
    weir_err err = behave(s, weir__ctx_handle(c));
    int i = place_of(s, key->key);
    if (err < 0 || i < 0)
        return err < 0 ? err : WEIR_ENOTFOUND;
    if (s->records[i].mark > 0)
        weir_buf_printf(mark, "%d", s->records[i].mark);
    if (s->records[i].bytes[0] == '\0' ||
        (s->records[i].version != 0 && s->records[i].version != key->version))
        return WEIR_ENOTFOUND;
    weir_buf_puts(out, weir_str_from(s->records[i].bytes));
    return WEIR_OK;
}

static int keep(struct store *s, const struct weir__second_key *key, weir_str bytes, weir_dur ttl)
{
    int i = place_of(s, key->key);
    i = i >= 0 ? i : s->count++;
    assert_true(i < 8 && bytes.len < 256 && key->key.len < 16);
    memcpy(s->records[i].key, key->key.ptr, key->key.len);
    s->records[i].key[key->key.len] = '\0';
    if (bytes.len > 0)
        memcpy(s->records[i].bytes, bytes.ptr, bytes.len);
    s->records[i].bytes[bytes.len] = '\0';
    s->records[i].version = key->version;
    s->records[i].ttl = ttl;
    return i;
}

static weir_err store_fill(void *driver, struct weir__ctx *c, const struct weir__second_key *key,
                           weir_str mark, weir_str bytes, weir_dur ttl)
{
    struct store *s = driver;
    char has[16] = "";
    s->fills++;
    if (s->fill_panics)
        weir_panic("the driver panics");
    weir_err err = behave_writing(s, weir__ctx_handle(c));
    int i = place_of(s, key->key);
    if (err < 0)
        return err;
    if (i >= 0 && s->records[i].mark > 0)
        (void)snprintf(has, sizeof has, "%d", s->records[i].mark);
    if (!weir_str_eq(weir_str_from(has), mark)) {
        s->refused++;
        return WEIR_ECHANGED;
    }
    (void)keep(s, key, bytes, ttl);
    return WEIR_OK;
}

static weir_err store_write(void *driver, struct weir__ctx *c, const struct weir__second_key *key,
                            weir_str bytes, weir_dur ttl)
{
    static int marks;
    struct store *s = driver;
    s->writes++;
    weir_err err = behave_writing(s, weir__ctx_handle(c));
    if (err < 0)
        return err;
    if (!s->forgets)
        s->records[keep(s, key, bytes, ttl)].mark = ++marks;
    return WEIR_OK;
}

static bool store_is_told(void *driver)
{
    const struct store *s = driver;
    return !s->is_lost;
}

static const struct weir__cache_second_ops ops = {store_get, store_fill, store_write, NULL};
static const struct weir__cache_second_ops ops_that_tell = {store_get, store_fill, store_write,
                                                            store_is_told};
static struct store store;

/* A cache as another process would have one over the same store. */
static weir_cache *new_over(struct store *s)
{
    weir_cache *cache = NEW_CACHE();
    const struct weir__cache_second_options options = {.records_max = 200};
    OK(weir__cache_join_second(cache, s->tells ? &ops_that_tell : &ops, s, &options));
    return cache;
}

static weir_err run(weir_fiber_fn fn)
{
    store = (struct store){0};
    return weir__sim_run(fn, NULL);
}

/* --- in order --------------------------------------------------------------------------------- */

static weir_err shares(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    weir_cache *here = new_over(&store), *there = new_over(&store);
    user u;
    OK(weir_cache_get(c, here, WEIR_S("7"), user, &u, load_user, &l));
    OK(weir_cache_get(c, there, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(l.calls, 1);
    assert_int_equal(u.id, 1);
    assert_true(weir_str_eq(u.name, WEIR_S("user 7")));
    assert_int_equal(store.records[0].ttl.ns, weir_min(5).ns);
    l.fails = WEIR_ENOTFOUND;
    assert_int_equal(weir_cache_get(c, here, WEIR_S("no"), user, &u, load_user, &l),
                     WEIR_ENOTFOUND);
    assert_int_equal(weir_cache_get(c, there, WEIR_S("no"), user, &u, load_user, &l),
                     WEIR_ENOTFOUND);
    assert_int_equal(l.calls, 2);
    assert_int_equal(store.records[1].ttl.ns, weir_sec(30).ns);
    weir_cache_stats s = numbers_of(there);
    assert_int_equal(s.second_hits, 2);
    assert_int_equal(s.loads, 0);
    /* Writing goes through, and the other is told from outside. */
    user mine = {.id = 100, .name = WEIR_S("mine \"quoted\"")};
    OK(weir_cache_put(c, here, WEIR_S("7"), user, &mine));
    weir__cache_told_changed(there, WEIR_S("7"));
    OK(weir_cache_get(c, there, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 100);
    assert_true(weir_str_eq(u.name, mine.name));
    OK(weir_cache_remove(c, here, WEIR_S("7")));
    weir__cache_told_lost(there);
    assert_int_equal(numbers_of(there).entries, 0);
    l.fails = WEIR_OK;
    OK(weir_cache_get(c, there, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 3);
    return WEIR_OK;
}

static void test_what_another_has_loaded_is_not_loaded(void **state)
{
    (void)state;
    OK(run(shares));
}

/* While it is written there, others read what it was before: that is not kept. */
static weir_err forgets_what_is_read_meanwhile(weir_ctx *c, void *arg)
{
    struct loading l = {0};
    weir_cache *cache = new_over(&store);
    struct asker early = {.cache = cache, .key = "7", .loading = &l, .after = weir_ms(5)};
    user u, mine = {.id = 100};
    (void)arg;
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    store.write_takes = weir_ms(10);
    WEIR_SCOPE(g, c);
    OK(WEIR_GO(g, ask, &early));
    OK(weir_cache_remove(c, cache, WEIR_S("7")));
    OK(weir_join(g));
    assert_int_equal(early.id, 1);
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 2);
    /* So it is where what was put could not be kept in this process. */
    OK(WEIR_GO(g, ask, &early));
    weir__alloc_fail_nth(1);
    assert_int_equal(weir_cache_put(c, cache, WEIR_S("7"), user, &mine), -ENOMEM);
    OK(weir_join(g));
    assert_int_equal(early.id, 2);
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 100);
    return WEIR_OK;
}

static void test_what_is_read_before_a_write_is_not_kept(void **state)
{
    (void)state;
    OK(run(forgets_what_is_read_meanwhile));
}

static weir_err never_loads(weir_ctx *c, weir_str key, void *out, void *arg)
{
    (void)c;
    (void)key;
    (void)out;
    (void)arg;
    return WEIR_EFAIL;
}

static weir_err bare_values_travel(weir_ctx *c, void *arg)
{
    (void)arg;
    weir_cache *here = new_over(&store), *there = new_over(&store);
    weir_str text = WEIR_S("a page"), got;
    OK(weir_cache_put(c, here, WEIR_S("/"), weir_str, &text));
    assert_int_equal(weir_cache_get(c, there, WEIR_S("/"), weir_str, &got, NULL, NULL),
                     WEIR_ENOTFOUND); /* who does not load does not ask it either */
    OK(weir_cache_get(c, there, WEIR_S("/"), weir_str, &got, never_loads, NULL));
    assert_true(weir_str_eq(got, text));
    return WEIR_OK;
}

static void test_bare_values_travel(void **state)
{
    (void)state;
    OK(run(bare_values_travel));
}

static weir_err keeps_what_it_is_told_of(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    store.tells = true;
    weir_cache *cache = new_over(&store);
    user u = {.id = 3};
    for (int i = 0; i < 3; i++)
        OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(l.calls, 1);
    assert_int_equal(store.gets, 2); /* what was written is kept when it has been read */
    OK(weir_cache_put(c, cache, WEIR_S("8"), user, &u));
    assert_int_equal(numbers_of(cache).entries, 1);
    OK(weir_cache_get(c, cache, WEIR_S("8"), user, &u, load_user, &l));
    assert_int_equal(numbers_of(cache).entries, 2);
    assert_int_equal(l.calls, 1);
    /* While nobody tells it is kept for a second. */
    store.is_lost = true;
    store.gets = 0;
    weir__cache_told_lost(cache);
    for (int i = 0; i < 9; i++) {
        OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
        OK(weir_sleep(c, weir_ms(300)));
    }
    assert_int_equal(store.gets, 3);
    assert_int_equal(l.calls, 1);
    return WEIR_OK;
}

static void test_what_nobody_tells_of_is_not_kept_for_long(void **state)
{
    (void)state;
    OK(run(keeps_what_it_is_told_of));
}

/* --- age -------------------------------------------------------------------------------------- */

/* A record that was loaded so long ago, by the machine's clock. */
static void put_record(const char *mark, int64_t age_ms, const char *rest)
{
    store.count = 1;
    (void)snprintf(store.records[0].key, sizeof store.records[0].key, "7");
    (void)snprintf(store.records[0].bytes, sizeof store.records[0].bytes, "%s %lld %s", mark,
                   (long long)(weir_wall_now().us / 1000 - age_ms), rest);
}

static weir_err ages(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    weir_cache *cache = new_over(&store);
    user u;
    put_record("weir1", INT64_C(4) * 60000, "v\n{\"id\":55,\"name\":\"old\"}");
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 55);
    OK(weir_sleep(c, weir_sec(50)));
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(l.calls, 0);
    OK(weir_sleep(c, weir_sec(11))); /* five minutes old, though here for one only */
    put_record("weir1", INT64_C(5) * 60000 + 1, "v\n{\"id\":55,\"name\":\"old\"}");
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 1);
    /* A clock that is ahead makes nothing live longer than it could here. */
    weir_cache_clear(c, cache);
    put_record("weir1", -3600000, "v\n{\"id\":55}");
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 55);
    OK(weir_sleep(c, weir_min(5)));
    put_record("weir1", INT64_C(5) * 60000 + 1, "v\n{\"id\":55}");
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(l.calls, 2);
    return WEIR_OK;
}

static void test_nothing_gets_older_than_it_may(void **state)
{
    (void)state;
    OK(run(ages));
}

/* --- who was faster --------------------------------------------------------------------------- */

/* A load that takes longer than another process needs to change the key. */
static weir_err loads_slowly(weir_ctx *c, void *arg)
{
    struct asker slow = {.key = "7", .after = weir_ms(1)};
    struct loading takes_long = {.takes = weir_ms(20)}, l = {0};
    weir_cache *here = new_over(&store), *there = new_over(&store);
    user u, mine = {.id = 100};
    (void)arg;
    slow.cache = here;
    slow.loading = &takes_long;
    for (int i = 0; i < 2; i++) {
        WEIR_SCOPE(g, c);
        OK(WEIR_GO(g, ask, &slow));
        OK(weir_sleep(c, weir_ms(10)));
        if (i == 0)
            OK(weir_cache_remove(c, there, WEIR_S("7")));
        else
            OK(weir_cache_put(c, there, WEIR_S("7"), user, &mine));
        OK(weir_join(g));
        assert_int_equal(slow.id, i + 1);       /* it asked before */
        assert_int_equal(store.refused, i + 1); /* and does not tell others */
        weir_cache_clear(c, here);
        weir_cache_clear(c, there);
        OK(weir_cache_get(c, there, WEIR_S("7"), user, &u, load_user, &l));
        assert_int_equal(u.id, i == 0 ? 1 : 100);
        assert_int_equal(l.calls, 1);
        OK(weir_cache_remove(c, here, WEIR_S("7"))); /* with a mark of its own */
    }
    OK(weir_cache_get(c, here, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(store.refused, 2); /* who has read the mark may fill */
    return WEIR_OK;
}

static void test_a_slow_load_does_not_undo_a_write(void **state)
{
    (void)state;
    OK(run(loads_slowly));
}

/* While it is told of a write, it has what was before, and who reads that keeps it. */
static weir_err reads_while_it_is_told(weir_ctx *c, void *arg)
{
    struct loading l = {0};
    store.tells = true;
    weir_cache *cache = new_over(&store);
    struct asker early = {.cache = cache, .key = "7", .loading = &l, .after = weir_ms(5)};
    user u, mine = {.id = 100};
    (void)arg;
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    store.write_takes = weir_ms(10);
    WEIR_SCOPE(g, c);
    OK(WEIR_GO(g, ask, &early));
    OK(weir_cache_put(c, cache, WEIR_S("7"), user, &mine));
    OK(weir_join(g));
    assert_int_equal(early.id, 1);
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 100);
    return WEIR_OK;
}

static void test_what_is_read_while_it_is_told_is_not_kept(void **state)
{
    (void)state;
    OK(run(reads_while_it_is_told));
}

typedef struct newer {
    int64_t id;
    weir_str name;
    bool is_old;
} newer;
WEIR_MODEL(newer, (id), (name), (is_old));

static weir_err load_newer(weir_ctx *c, weir_str key, void *out, void *arg)
{
    (void)c;
    (void)key;
    ((newer *)out)->is_old = true;
    ++*(int *)arg;
    return WEIR_OK;
}

static weir_err reads_its_own_version(weir_ctx *c, void *arg)
{
    struct loading l = {0};
    int loads = 0;
    weir_cache *here = new_over(&store), *there = new_over(&store);
    user u;
    newer n;
    (void)arg;
    OK(weir_cache_get(c, here, WEIR_S("7"), user, &u, load_user, &l));
    OK(weir_cache_get(c, there, WEIR_S("7"), newer, &n, load_newer, &loads));
    assert_true(n.is_old);
    assert_int_equal(loads, 1);
    return WEIR_OK;
}

static void test_another_model_is_another_version(void **state)
{
    (void)state;
    OK(run(reads_its_own_version));
}

static weir_err is_too_large(weir_ctx *c, void *arg)
{
    struct loading l = {.name_len = 300};
    weir_cache *cache = new_over(&store);
    char name[300] = {0};
    user u, large = {.id = 100, .name = {name, sizeof name}};
    (void)arg;
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(store.fills, 0);
    assert_int_equal(numbers_of(cache).second_out, 0);
    OK(weir_cache_put(c, cache, WEIR_S("7"), user, &large)); /* others must not read the old one */
    assert_int_equal(store.writes, 1);
    assert_int_equal(store.records[0].bytes[0], '\0');
    assert_int_equal(numbers_of(cache).second_errors, 0);
    return WEIR_OK;
}

static void test_what_is_too_large_for_it_is_not_sent(void **state)
{
    (void)state;
    OK(run(is_too_large));
}

/* --- what it could not be told ---------------------------------------------------------------- */

static weir_err owes(weir_ctx *c, void *arg)
{
    struct loading l = {0};
    weir_cache *cache = new_over(&store), *other = new_over(&store);
    user u, mine = {.id = 100};
    (void)arg;
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    OK(weir_cache_get(c, cache, WEIR_S("8"), user, &u, load_user, &l));
    store.fails = WEIR_ECLOSED;
    OK(weir_cache_remove(c, cache, WEIR_S("7")));
    OK(weir_cache_remove(c, cache, WEIR_S("7")));
    OK(weir_cache_put(c, cache, WEIR_S("8"), user, &mine));
    assert_int_equal(numbers_of(cache).second_owed, 2);
    assert_int_equal(store.writes, 1); /* it was left out from the first one on */
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 3); /* not what it has */
    /* When it is there again it is told before it is asked; of whatever key. */
    store.fails = WEIR_OK;
    OK(weir_sleep(c, weir_sec(3)));
    OK(weir_cache_get(c, cache, WEIR_S("9"), user, &u, load_user, &l));
    assert_int_equal(numbers_of(cache).second_owed, 0);
    OK(weir_cache_get(c, other, WEIR_S("7"), user, &u, load_user, &l));
    OK(weir_cache_get(c, other, WEIR_S("8"), user, &u, load_user, &l));
    assert_int_equal(u.id, 6); /* neither is what it was */
    /* Who leaves while it is told has told nothing. */
    store.hangs = true;
    WEIR_WITH(hasty, c, .timeout = weir_ms(5))
        assert_int_equal(weir_cache_remove(hasty, cache, WEIR_S("7")), WEIR_ETIMEDOUT);
    assert_int_equal(numbers_of(cache).second_owed, 1);
    store.hangs = false;
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(u.id, 7);
    assert_int_equal(numbers_of(cache).second_owed, 0);
    return WEIR_OK;
}

static void test_what_it_was_not_told_it_is_owed(void **state)
{
    (void)state;
    OK(run(owes));
}

/* More than is noted: nothing that it has from before is believed. */
static weir_err owes_too_much(weir_ctx *c, void *arg)
{
    struct loading l = {0};
    weir_cache *cache = new_over(&store);
    char key[16];
    user u;
    (void)arg;
    store.fails = WEIR_ECLOSED;
    for (int i = 0; i < WEIR__OWED_MAX + 1; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        OK(weir_cache_remove(c, cache, weir_str_from(key)));
    }
    assert_int_equal(numbers_of(cache).second_owed, WEIR__OWED_MAX);
    weir__cache_told_lost(cache);
    store = (struct store){.fails = WEIR_ECLOSED, .forgets = true};
    put_record("weir1", 1000, "v\n{\"id\":55}");
    store.fails = WEIR_OK;
    OK(weir_sleep(c, weir_sec(3)));
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(store.writes, WEIR__OWED_MAX);
    assert_int_equal(u.id, 1);
    return WEIR_OK;
}

static void test_it_is_not_believed_where_too_much_is_owed(void **state)
{
    (void)state;
    OK(run(owes_too_much));
}

/* --- what is wrong with it -------------------------------------------------------------------- */

static weir_err lies(weir_ctx *c, void *arg)
{
    (void)arg;
    static const char *const rest[] = {
        "v\nnot json", "v\n{\"id\":\"a text\"}", "v\n", "x\n{}", "v", "\n", ""};
    struct loading l = {0};
    weir_cache *cache = new_over(&store);
    user u;
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) {
        put_record("weir1", 0, rest[i]);
        weir_cache_clear(c, cache);
        OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
        assert_int_equal(u.id, i + 1);
        assert_true(weir_str_eq(u.name, WEIR_S("user 7")));
    }
    put_record("weir2", 0, "v\n{\"id\":55}");
    weir_cache_clear(c, cache);
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(l.calls, 8);
    assert_int_equal(numbers_of(cache).second_misses, 8);
    assert_null(weir_last_error(c));
    return WEIR_OK;
}

static void test_what_it_has_may_be_nonsense(void **state)
{
    (void)state;
    OK(run(lies));
}

enum { STAMPEDES = 3 };
static weir_cache *stampeded[STAMPEDES];

/* A hundred keys, ten ask for each at a time; what the second level costs them is bounded. */
static weir_err stampede(weir_ctx *c, void *arg)
{
    static struct asker askers[1000];
    static char keys[100][8];
    struct loading l = {.takes = weir_ms(1)};
    weir_cache *cache = *(weir_cache **)arg = new_over(&store);
    WEIR_SCOPE(g, c);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(keys[i % 100], sizeof keys[0], "%d", i % 100);
        askers[i] = (struct asker){.cache = cache,
                                   .key = keys[i % 100],
                                   .loading = &l,
                                   .after = weir_us((int64_t)100 * i)};
        OK(WEIR_GO(g, ask, &askers[i]));
    }
    OK(weir_join(g));
    for (int i = 0; i < 1000; i++)
        OK(askers[i].err);
    assert_int_equal(l.calls, 100); /* single flight stays */
    return WEIR_OK;
}

static weir_err fails_then_recovers(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    user u;
    weir_time before = weir_now();
    for (int i = 0; i < STAMPEDES; i++)
        OK(stampede(c, &stampeded[i]));
    assert_true(store.gets >= STAMPEDES);
    /* Those that asked before it was known to hang waited for its time-out, no longer. */
    assert_true(weir_time_sub(weir_now(), before).ns < STAMPEDES * weir_ms(350).ns);
    int asked = store.gets;
    weir_cache *cache = new_over(&store);
    OK(weir_cache_get(c, cache, WEIR_S("a"), user, &u, load_user, &l));
    int after_one = store.gets + store.fills;
    OK(weir_cache_get(c, cache, WEIR_S("b"), user, &u, load_user, &l));
    assert_int_equal(store.gets + store.fills, after_one); /* it is left out */
    assert_int_equal(numbers_of(cache).second_errors, 1);
    assert_int_equal(numbers_of(cache).second_misses, 0); /* it was not found out, nor asked */
    assert_int_equal(numbers_of(cache).second_out, 1);
    store.hangs = false;
    store.fails = WEIR_OK;
    OK(weir_sleep(c, weir_sec(3)));
    OK(weir_cache_get(c, cache, WEIR_S("c"), user, &u, load_user, &l));
    assert_true(store.gets > asked + 1); /* and is asked again */
    asked = store.gets; /* by who saw many fail at once, too: that was one failure */
    for (int i = 0; i < STAMPEDES; i++)
        OK(weir_cache_get(c, stampeded[i], WEIR_S("d"), user, &u, load_user, &l));
    assert_int_equal(store.gets, asked + STAMPEDES);
    assert_int_equal(store.count, 2);
    assert_int_equal(numbers_of(cache).second_out, 0);
    return WEIR_OK;
}

static void test_one_that_hangs_is_left_out(void **state)
{
    (void)state;
    store = (struct store){.hangs = true};
    OK(weir__sim_run(fails_then_recovers, NULL));
}

static void test_one_that_fails_is_left_out(void **state)
{
    (void)state;
    store = (struct store){.fails = WEIR_ECLOSED};
    OK(weir__sim_run(fails_then_recovers, NULL));
}

static weir_err asks_and_panics(weir_ctx *c, void *arg)
{
    user u;
    return weir_cache_get(c, (weir_cache *)arg, WEIR_S("7"), user, &u, never_loads, NULL);
}

static weir_err loads_and_panics(weir_ctx *c, void *arg)
{
    struct loading l = {0};
    user u;
    return weir_cache_get(c, (weir_cache *)arg, WEIR_S("8"), user, &u, load_user, &l);
}

static weir_err panics(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    user u;
    store.panics = true;
    weir_cache *cache = new_over(&store);
    assert_int_equal(weir_protect(c, asks_and_panics, cache), WEIR_EPANIC);
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(store.gets, 1);
    /* In its last moment, when the value has been loaded: it is there, and nothing is kept of it
     * beside. */
    cache = new_over(&store);
    store.panics = false;
    store.fill_panics = true;
    assert_int_equal(weir_protect(c, loads_and_panics, cache), WEIR_EPANIC);
    assert_int_equal(numbers_of(cache).second_out, 1);
    OK(weir_cache_remove(c, cache, WEIR_S("8")));
    assert_int_equal(numbers_of(cache).entries, 0);
    assert_int_equal(numbers_of(cache).pinned_bytes, 0);
    return WEIR_OK;
}

static void test_one_that_panics_is_left_out(void **state)
{
    (void)state;
    weir_buf log;
    char bytes[8192];
    weir_buf_init_fixed(&log, bytes, sizeof bytes);
    weir__log_capture(&log);
    OK(run(panics));
    weir__log_capture(NULL);
}

/* Who is cancelled while it hangs says nothing of it: the next one asks it again. */
static weir_err cancelled_meanwhile(weir_ctx *c, void *arg)
{
    (void)arg;
    struct loading l = {0};
    user u;
    store.hangs = true;
    weir_cache *cache = new_over(&store);
    WEIR_WITH(hasty, c, .timeout = weir_ms(5))
        assert_int_equal(weir_cache_get(hasty, cache, WEIR_S("7"), user, &u, load_user, &l),
                         WEIR_ETIMEDOUT);
    store.hangs = false;
    OK(weir_cache_get(c, cache, WEIR_S("7"), user, &u, load_user, &l));
    assert_int_equal(store.gets, 2);
    return WEIR_OK;
}

static void test_a_cancelled_caller_says_nothing_of_it(void **state)
{
    (void)state;
    OK(run(cancelled_meanwhile));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_another_has_loaded_is_not_loaded),
        cmocka_unit_test(test_what_is_read_before_a_write_is_not_kept),
        cmocka_unit_test(test_bare_values_travel),
        cmocka_unit_test(test_what_nobody_tells_of_is_not_kept_for_long),
        cmocka_unit_test(test_nothing_gets_older_than_it_may),
        cmocka_unit_test(test_a_slow_load_does_not_undo_a_write),
        cmocka_unit_test(test_what_is_read_while_it_is_told_is_not_kept),
        cmocka_unit_test(test_another_model_is_another_version),
        cmocka_unit_test(test_what_is_too_large_for_it_is_not_sent),
        cmocka_unit_test(test_what_it_was_not_told_it_is_owed),
        cmocka_unit_test(test_it_is_not_believed_where_too_much_is_owed),
        cmocka_unit_test(test_what_it_has_may_be_nonsense),
        cmocka_unit_test(test_one_that_hangs_is_left_out),
        cmocka_unit_test(test_one_that_fails_is_left_out),
        cmocka_unit_test(test_one_that_panics_is_left_out),
        cmocka_unit_test(test_a_cancelled_caller_says_nothing_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
