/*
 * Ejection of members. Owns its memory and nothing else; the clock is the caller's, and there is no
 * timer: windows are judged by the first report after their end, and `until` passes by itself.
 *
 * The hard thing is that each call of each worker reports, and that a decision needs the sum of
 * all. So workers count apart, in numbers that only grow; a window is the difference to what the
 * numbers were at its begin. Only failures in a row are counted together: a success reads that
 * word, which is 0 and stays in its cache, and a failure adds to it. Decisions are made by whoever
 * gets the lock by trying; who does not, goes on, and the next report finds the same.
 *
 * Limits: WEIR__EJECTOR_MEMBERS_MAX members. A window's end reads a cache line for each four
 * members of each worker: 4,000 of them, once in ten seconds, for a thousand members and sixteen
 * workers.
 */
#include "guard/ejector.h"

#include "base/alloc.h"
#include "base/assert.h"

#define LINE 64
#define DAY_NS 86400000000000
#define LONG_AGO INT64_MIN /* `until` of who was never out: no slow start, all is forgiven */

enum { SHARE_NONE = -1, WEIGHT_LEAST = WEIR__EJECTOR_WEIGHT_FULL / 10 };

/* --- making ----------------------------------------------------------------------------------- */

static uint32_t count_or(uint32_t given, uint32_t otherwise)
{
    return given != 0 ? given : otherwise;
}

static weir_dur dur_or(weir_dur given, weir_dur otherwise)
{
    return given.ns != 0 ? given : otherwise;
}

static struct weir__ejector_options with_defaults(const struct weir__ejector_options *o)
{
    struct weir__ejector_options full = {
        .failures_in_row = count_or(o->failures_in_row, 5),
        .failure_percent = count_or(o->failure_percent, 85),
        .calls_min = count_or(o->calls_min, 50),
        .out_percent_max = count_or(o->out_percent_max, 50),
        .window = dur_or(o->window, weir_sec(10)),
        .out_time = dur_or(o->out_time, weir_sec(30)),
        .slow_start = dur_or(o->slow_start, weir_sec(30)),
    };
    bool is_longer = full.out_time.ns > weir_sec(300).ns;
    full.out_time_max = dur_or(o->out_time_max, is_longer ? full.out_time : weir_sec(300));
    WEIR_ASSERT(full.out_percent_max <= 100, "E1: a share is at most all");
    WEIR_ASSERT(full.window.ns > 0 && full.window.ns <= DAY_NS, "E4: 0 < window <= a day");
    WEIR_ASSERT(full.out_time.ns > 0 && full.out_time.ns <= full.out_time_max.ns,
                "E4: 0 < out_time <= out_time_max");
    WEIR_ASSERT(full.out_time_max.ns <= DAY_NS && full.slow_start.ns <= DAY_NS,
                "E4: times are a day at most");
    return full;
}

struct weir__ejector *weir__ejector_new(const struct weir__ejector_options *o, uint32_t members,
                                        uint32_t workers, weir_time now)
{
    struct weir__ejector_options full = with_defaults(o);
    WEIR_ASSERT(members > 0 && members <= WEIR__EJECTOR_MEMBERS_MAX, "E5: members are bounded");
    WEIR_ASSERT(workers > 0, "E5: each worker counts in cells of its own");
    const size_t tallies_a_line = LINE / sizeof(struct weir__ejector_tally);
    size_t row = (members + tallies_a_line - 1) / tallies_a_line * tallies_a_line;
    size_t tallies = workers * row;
    size_t head = sizeof(struct weir__ejector) + members * sizeof(struct weir__ejector_member);
    struct weir__ejector *e =
        weir__memalign(LINE, head + tallies * sizeof(struct weir__ejector_tally));
    if (e == NULL)
        return NULL;
    *e = (struct weir__ejector){
        .o = full,
        .members = members,
        .workers = workers,
        .times_max = (uint32_t)((full.out_time_max.ns - 1) / full.out_time.ns + 1),
        .row = row,
        .tallies = (struct weir__ejector_tally *)(void *)((char *)e + head),
        .judge_at = weir_time_add(now, full.window).ns,
    };
    for (uint32_t i = 0; i < members; i++)
        e->of[i] = (struct weir__ejector_member){.until = LONG_AGO, .share = SHARE_NONE};
    for (size_t i = 0; i < tallies; i++)
        e->tallies[i] = (struct weir__ejector_tally){0};
    return e;
}

void weir__ejector_free(struct weir__ejector *e)
{
    weir__free(e);
}

/* --- reading ---------------------------------------------------------------------------------- */

static weir_time until_of(const struct weir__ejector_member *m)
{
    return (weir_time){atomic_load_explicit(&m->until, memory_order_relaxed)};
}

static bool is_out(const struct weir__ejector_member *m, weir_time now)
{
    return weir_time_before(now, until_of(m));
}

uint32_t weir__ejector_weight(const struct weir__ejector *e, uint32_t member, weir_time now)
{
    WEIR_ASSERT(member < e->members, "E5: a member of the group");
    int64_t since = weir_time_sub(now, until_of(&e->of[member])).ns;
    if (since < 0)
        return 0;
    if (WEIR_LIKELY(since >= e->o.slow_start.ns))
        return WEIR__EJECTOR_WEIGHT_FULL;
    uint32_t weight = (uint32_t)(since * WEIR__EJECTOR_WEIGHT_FULL / e->o.slow_start.ns);
    return weight > WEIGHT_LEAST ? weight : WEIGHT_LEAST;
}

struct sums {
    uint64_t successes, failures;
};

/* Of all workers, ever. */
static struct sums sums_of(const struct weir__ejector *e, const struct weir__ejector_member *m)
{
    struct sums s = {0, 0};
    const struct weir__ejector_tally *t = &e->tallies[m - e->of];
    for (uint32_t i = 0; i < e->workers; i++, t += e->row) {
        s.successes += weir__counter_read(&t->successes);
        s.failures += weir__counter_read(&t->failures);
    }
    WEIR_ASSERT(s.successes >= m->seen_successes && s.failures >= m->seen_failures,
                "E6: counts only grow");
    return s;
}

void weir__ejector_read(struct weir__ejector *e, uint32_t member, weir_time now,
                        struct weir__ejector_view *out)
{
    WEIR_ASSERT(member < e->members, "E5: a member of the group");
    const struct weir__ejector_member *m = &e->of[member];
    weir__lock_take(&e->lock);
    struct sums s = sums_of(e, m);
    *out = (struct weir__ejector_view){
        .weight = weir__ejector_weight(e, member, now),
        .until = until_of(m),
        .ejections = m->ejections,
        .cause = m->cause,
        .successes = s.successes,
        .failures = s.failures,
    };
    weir__lock_give(&e->lock);
}

/* --- deciding, under the lock ----------------------------------------------------------------- */

/* Whole members, so of one or of three at the default: none, one. */
static uint32_t out_max(const struct weir__ejector *e)
{
    return e->members * e->o.out_percent_max / 100;
}

static uint32_t count_out(const struct weir__ejector *e, weir_time now)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->members; i++)
        n += is_out(&e->of[i], now);
    return n;
}

/* For each window that it was in without being ejected, it is out one out_time less. */
static weir_dur next_out_time(const struct weir__ejector *e, struct weir__ejector_member *m,
                              weir_time now)
{
    int64_t calm = weir_time_sub(now, until_of(m)).ns / e->o.window.ns;
    m->times = m->times > calm ? m->times - (uint32_t)calm : 0;
    if (m->times < e->times_max)
        m->times++;
    int64_t ns = m->times * e->o.out_time.ns;
    return (weir_dur){ns < e->o.out_time_max.ns ? ns : e->o.out_time_max.ns};
}

/* What is counted from now on is all that it is judged by. */
static void begin_anew(const struct weir__ejector *e, struct weir__ejector_member *m)
{
    struct sums s = sums_of(e, m);
    m->seen_successes = s.successes;
    m->seen_failures = s.failures;
    m->share = SHARE_NONE;
    atomic_store_explicit(&m->in_row, 0, memory_order_relaxed);
}

/* False: it stays, since enough are out. */
static bool eject(struct weir__ejector *e, struct weir__ejector_member *m,
                  enum weir__ejector_cause cause, weir_time now)
{
    WEIR_ASSERT(!is_out(m, now), "E2: only who is in is ejected");
    begin_anew(e, m);
    if (count_out(e, now) >= out_max(e)) {
        weir__counter_add(&e->spared, 1);
        return false;
    }
    weir_time until = weir_time_add(now, next_out_time(e, m, now));
    WEIR_ASSERT(weir_time_before(now, until), "E3: an ejection ends, and later than now");
    m->cause = cause;
    m->ejections++;
    atomic_store_explicit(&m->until, until.ns, memory_order_relaxed);
    WEIR_ASSERT(count_out(e, now) <= out_max(e), "E1: never more are out than the share");
    return true;
}

/*
 * The share of failures in the window that has ended, and the next one's begin. None of who is out,
 * or has had few calls, or none since long: nobody is ejected for what was an hour ago.
 */
static void weigh(const struct weir__ejector *e, struct weir__ejector_member *m, bool is_stale,
                  weir_time now)
{
    struct sums s = sums_of(e, m);
    uint64_t failures = s.failures - m->seen_failures;
    uint64_t calls = failures + s.successes - m->seen_successes;
    m->seen_successes = s.successes;
    m->seen_failures = s.failures;
    m->share = SHARE_NONE;
    if (!is_stale && !is_out(m, now) && calls > 0 && calls >= e->o.calls_min)
        m->share = (int32_t)(failures * 1000 / calls);
    WEIR_ASSERT(m->share <= 1000, "E6: no more fail than are called");
}

/* Who has the largest share of failures, if that is too large; the first of equals. */
static struct weir__ejector_member *worst(struct weir__ejector *e)
{
    struct weir__ejector_member *found = NULL;
    for (uint32_t i = 0; i < e->members; i++) {
        struct weir__ejector_member *m = &e->of[i];
        bool is_bad = m->share >= (int64_t)e->o.failure_percent * 10;
        if (is_bad && (found == NULL || m->share > found->share))
            found = m;
    }
    return found;
}

static uint32_t judge(struct weir__ejector *e, weir_time now)
{
    weir_time end = {atomic_load_explicit(&e->judge_at, memory_order_relaxed)};
    bool is_stale = weir_time_sub(now, end).ns >= e->o.window.ns;
    for (uint32_t i = 0; i < e->members; i++)
        weigh(e, &e->of[i], is_stale, now);
    atomic_store_explicit(&e->judge_at, weir_time_add(now, e->o.window).ns, memory_order_relaxed);
    uint32_t ejected = 0;
    struct weir__ejector_member *m = worst(e);
    for (; m != NULL && eject(e, m, WEIR__EJECTED_FOR_SHARE, now); m = worst(e))
        ejected++;
    return ejected;
}

static uint32_t decide(struct weir__ejector *e, struct weir__ejector_member *m, weir_time now)
{
    if (!weir__lock_try(&e->lock))
        return 0;
    uint32_t ejected = 0;
    uint32_t in_row = atomic_load_explicit(&m->in_row, memory_order_relaxed);
    if (in_row >= e->o.failures_in_row && !is_out(m, now))
        ejected += eject(e, m, WEIR__EJECTED_FOR_ROW, now);
    if (now.ns >= atomic_load_explicit(&e->judge_at, memory_order_relaxed))
        ejected += judge(e, now);
    weir__lock_give(&e->lock);
    return ejected;
}

/* --- reporting -------------------------------------------------------------------------------- */

/* True: so many have failed in a row. */
static bool count(const struct weir__ejector *e, struct weir__ejector_member *m,
                  struct weir__ejector_tally *mine, bool is_ok)
{
    if (!is_ok) {
        weir__counter_add(&mine->failures, 1);
        return e->o.failures_in_row != WEIR__EJECT_NEVER &&
               atomic_fetch_add_explicit(&m->in_row, 1, memory_order_relaxed) + 1 >=
                   e->o.failures_in_row;
    }
    weir__counter_add(&mine->successes, 1);
    if (WEIR_UNLIKELY(atomic_load_explicit(&m->in_row, memory_order_relaxed) != 0))
        atomic_store_explicit(&m->in_row, 0, memory_order_relaxed);
    return false;
}

uint32_t weir__ejector_report(struct weir__ejector *e, uint32_t worker, uint32_t member, bool is_ok,
                              weir_time now)
{
    WEIR_ASSERT(worker < e->workers && member < e->members,
                "E5: a member of the group, and each worker in cells of its own");
    struct weir__ejector_member *m = &e->of[member];
    if (WEIR_UNLIKELY(is_out(m, now)))
        return 0;
    bool is_row = count(e, m, &e->tallies[worker * e->row + member], is_ok);
    bool is_end = now.ns >= atomic_load_explicit(&e->judge_at, memory_order_relaxed);
    return WEIR_LIKELY(!is_row && !is_end) ? 0 : decide(e, m, now);
}

/* --- groups that change ----------------------------------------------------------------------- */

void weir__ejector_carry(struct weir__ejector *e, uint32_t member, struct weir__ejector *from,
                         uint32_t from_member, weir_time now)
{
    WEIR_ASSERT(e != from && member < e->members && from_member < from->members,
                "E5: a member of each group");
    struct weir__ejector_member *m = &e->of[member];
    const struct weir__ejector_member *was = &from->of[from_member];
    WEIR_ASSERT(!is_out(m, now), "E2: a member is carried once");
    weir__lock_take(&from->lock);
    weir_time until = until_of(was);
    m->times = was->times < e->times_max ? was->times : e->times_max;
    m->ejections = was->ejections;
    m->cause = was->cause;
    weir__lock_give(&from->lock);
    bool has_room = count_out(e, now) < out_max(e);
    if (weir_time_before(now, until) && !has_room)
        until = now;
    atomic_store_explicit(&m->until, until.ns, memory_order_relaxed);
    WEIR_ASSERT(count_out(e, now) <= out_max(e), "E1: never more are out than the share");
}

void weir__ejector_enter(struct weir__ejector *e, uint32_t member, weir_time now)
{
    WEIR_ASSERT(member < e->members && !is_out(&e->of[member], now), "E5: a new member");
    atomic_store_explicit(&e->of[member].until, now.ns, memory_order_relaxed);
}
