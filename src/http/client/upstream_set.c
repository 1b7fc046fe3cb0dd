/*
 * Who is in a group: sets of targets, and how another one takes the place of the last.
 *
 * A set has all that calls are counted in (an ejector, a balancer for each worker), so it stays as
 * it is while calls run in it, and which targets there are is never asked under a lock. A worker
 * looks with each call whether its set is the latest still: one load. Of the set before it keeps
 * its hold until the last of its own calls there has ended (C14), which its balancer counts anyway.
 *
 * What is known of a target outlives sets: its health and numbers are its own, and its ejection is
 * carried over (guard/ejector.h).
 *
 * Owns sets and targets. Changed by the worker on which it was made alone, read by all.
 */
#include "http/client/upstream.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "rt/log.h"
#include "rt/worker.h"

/* --- targets ---------------------------------------------------------------------------------- */

static bool is_same_ip(const struct weir__endpoint *a, const struct weir__endpoint *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/*
 * The pool's key begins with what tells it from its fellows: of a key only the first bytes are
 * shown.
 */
static void name_it(struct weir__upstream_target *t, const struct weir__endpoint *address)
{
    const struct weir__upstream_source *s = t->source;
    char ip[WEIR__ENDPOINT_TEXT_MAX];
    weir_buf text;
    (void)weir__endpoint_format_ip(address, ip);
    weir_buf_init_fixed(&text, t->text, sizeof t->text - 1);
    weir_buf_printf(&text, "%s " WEIR_STR_FMT, ip, WEIR_STR_ARG(s->at.origin));
    t->at.key = weir_buf_str(&text);
    weir_buf_putc(&text, '\0');
    t->name = t->text + text.len;
    weir_buf_printf(&text, "%.*s at %s", WEIR__POOL_KEY_MAX - WEIR__ENDPOINT_TEXT_MAX, s->url, ip);
    t->text[text.len] = '\0';
    t->at.address = *address;
}

/* `address` NULL: the source itself. NULL: no memory. Nobody uses it yet. */
static struct weir__upstream_target *new_target(struct weir__upstream *u,
                                                struct weir__upstream_source *s,
                                                const struct weir__endpoint *address)
{
    struct weir__upstream_target *t = weir__calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->source = s;
    t->at = s->at;
    t->name = s->url;
    t->id = ++u->next_id;
    if (address != NULL)
        name_it(t, address);
    weir__health_init(&t->health, true);
    weir__lock_take(&u->lock);
    weir__list_push_back(&u->targets, &t->in_all);
    weir__lock_give(&u->lock);
    return t;
}

/* Under the lock. */
static void drop_target(struct weir__upstream_target *t, struct weir__list *unused)
{
    WEIR_ASSERT(t->users > 0, "C14: who lets go of a target has it");
    if (--t->users > 0)
        return;
    weir__list_remove(&t->in_all);
    weir__list_push_back(unused, &t->in_all);
}

static void free_targets(struct weir__list *unused)
{
    for (struct weir__list *node; (node = weir__list_pop_front(unused)) != NULL;)
        weir__free(WEIR_CONTAINER(node, struct weir__upstream_target, in_all));
}

void weir__upstream_quit(struct weir__upstream_target *t)
{
    struct weir__upstream *u = t->source->upstream;
    struct weir__list unused;
    weir__list_init(&unused);
    weir__lock_take(&u->lock);
    drop_target(t, &unused);
    weir__lock_give(&u->lock);
    free_targets(&unused);
}

/* --- sets ------------------------------------------------------------------------------------- */

static void free_set(struct weir__upstream_set *set)
{
    for (unsigned i = 0; set->balances != NULL && i < set->upstream->http->workers; i++)
        weir__balance_free(set->balances[i]);
    weir__free(set->balances);
    weir__ejector_free(set->ejector);
    weir__free(set->health);
    weir__free(set);
}

struct weir__upstream_set *weir__upstream_hold(struct weir__upstream *u)
{
    weir__lock_take(&u->lock);
    struct weir__upstream_set *set = atomic_load_explicit(&u->latest, memory_order_relaxed);
    set->users++;
    weir__lock_give(&u->lock);
    return set;
}

void weir__upstream_let_go(struct weir__upstream_set *set)
{
    struct weir__upstream *u = set->upstream;
    struct weir__list unused;
    weir__list_init(&unused);
    weir__lock_take(&u->lock);
    WEIR_ASSERT(set->users > 0, "C14: who lets go of a set has it");
    bool is_last = --set->users == 0;
    for (uint32_t i = 0; is_last && i < set->count; i++)
        drop_target(set->of[i].target, &unused);
    weir__lock_give(&u->lock);
    free_targets(&unused);
    if (is_last)
        free_set(set);
}

uint32_t weir__upstream_seat_of(const struct weir__upstream_set *set, uint64_t target_id)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->of[i].target->id == target_id)
            return i;
    return WEIR__UPSTREAM_NOT_THERE;
}

/* --- a worker's ------------------------------------------------------------------------------- */

/* What this worker keeps open to who is in the group no more takes nothing new. */
static void retire_shared(const struct weir__upstream_set *set)
{
    const weir_http *http = set->upstream->http;
    for (uint32_t i = 0; http->shared != NULL && i < set->count; i++)
        if (atomic_load_explicit(&set->of[i].target->is_gone, memory_order_relaxed))
            weir__shared_pool_retire(http->shared, set->of[i].target->at.key);
}

static bool has_calls(const struct weir__upstream_set *set)
{
    return set->balances[weir__self->index]->running > 0;
}

struct weir__upstream_set *weir__upstream_here(struct weir__upstream *u)
{
    struct weir__upstream_set **here = &u->here[weir__self->index], *before = *here;
    if (WEIR_LIKELY(before == atomic_load_explicit(&u->latest, memory_order_acquire)))
        return before;
    *here = weir__upstream_hold(u);
    if (before == NULL)
        return *here;
    retire_shared(before);
    if (!has_calls(before))
        weir__upstream_let_go(before);
    return *here;
}

void weir__upstream_done(struct weir__upstream_set *set, uint32_t seat)
{
    weir__balance_done(set->balances[weir__self->index], seat);
    if (WEIR_UNLIKELY(set != set->upstream->here[weir__self->index]) && !has_calls(set))
        weir__upstream_let_go(set);
}

/* --- making a set ----------------------------------------------------------------------------- */

static enum weir__balance_policy policy_of(const struct weir__upstream *u)
{
    if (u->http->o.group.policy == WEIR_HTTP_HASH)
        return WEIR__BALANCE_HASH;
    if (u->http->o.group.policy == WEIR_HTTP_LEAST)
        return WEIR__BALANCE_LEAST;
    for (uint32_t i = 0; i < u->source_count; i++)
        if (u->sources[i].weight > 1)
            return WEIR__BALANCE_WEIGHTED;
    return WEIR__BALANCE_ROUND_ROBIN;
}

static weir_err make_balances(struct weir__upstream_set *set)
{
    struct weir__upstream *u = set->upstream;
    const unsigned workers = u->http->workers;
    struct weir__balance_target *names = weir__calloc(set->count, sizeof *names);
    set->balances = weir__calloc(workers, sizeof(struct weir__balance *));
    bool is_made = names != NULL && set->balances != NULL;
    for (uint32_t i = 0; is_made && i < set->count; i++)
        names[i] = (struct weir__balance_target){set->of[i].target->at.key,
                                                 set->of[i].target->source->weight};
    for (unsigned i = 0; is_made && i < workers; i++) {
        const struct weir__balance_options o = {
            .policy = policy_of(u),
            .seed = weir__random_next(&u->random),
            .ejector = set->ejector,
            .health = set->health,
            .healths = &u->healths,
        };
        set->balances[i] = weir__balance_new(&o, names, set->count);
        is_made = set->balances[i] != NULL;
    }
    weir__free(names);
    return is_made ? WEIR_OK : -ENOMEM;
}

/* With its seats empty; NULL: no memory. */
static struct weir__upstream_set *new_set(struct weir__upstream *u, uint32_t count)
{
    const weir_http_group_options *g = &u->http->o.group;
    const struct weir__ejector_options o = {.failures_in_row = g->failures_max,
                                            .out_percent_max = g->out_percent_max,
                                            .out_time = g->out_time,
                                            .slow_start = g->slow_start};
    struct weir__upstream_set *set = weir__calloc(1, sizeof *set + count * sizeof set->of[0]);
    if (set == NULL)
        return NULL;
    set->upstream = u;
    set->count = count;
    set->health = weir__calloc(count, sizeof(struct weir__health *));
    set->ejector = weir__ejector_new(&o, count, u->http->workers, weir__worker_now(weir__self));
    if (set->health != NULL && set->ejector != NULL)
        return set;
    free_set(set);
    return NULL;
}

/* Who was there before stays what it was; who is new where others are at work begins slowly. */
static void carry_over(struct weir__upstream_set *set, const struct weir__upstream_set *before)
{
    weir_time now = weir__worker_now(weir__self);
    for (uint32_t i = 0; i < set->count; i++) {
        struct weir__upstream_seat *seat = &set->of[i];
        uint32_t from = weir__upstream_seat_of(before, seat->target->id);
        if (from == WEIR__UPSTREAM_NOT_THERE) {
            if (seat->target->source->is_known)
                weir__ejector_enter(set->ejector, i, now);
            continue;
        }
        struct weir__ejector_view view;
        weir__ejector_read(before->ejector, from, now, &view);
        seat->before[true] = before->of[from].before[true] + view.successes;
        seat->before[false] = before->of[from].before[false] + view.failures;
        weir__ejector_carry(set->ejector, i, before->ejector, from, now);
    }
}

/* Where each source stands for itself nobody asks how all of its addresses are. */
static bool is_probed(const struct weir__upstream_target *t)
{
    return t->source->upstream->is_probed && !(t->source->is_each && t == t->source->self);
}

static void mark_gone(const struct weir__upstream_set *set, const struct weir__upstream_set *before)
{
    for (uint32_t i = 0; i < before->count; i++) {
        struct weir__upstream_target *t = before->of[i].target;
        bool is_gone = weir__upstream_seat_of(set, t->id) == WEIR__UPSTREAM_NOT_THERE;
        atomic_store_explicit(&t->is_gone, is_gone, memory_order_relaxed);
    }
}

/* Whose seats are filled: the group's from now on. On an error it is freed. */
static weir_err publish(struct weir__upstream_set *set)
{
    struct weir__upstream *u = set->upstream;
    struct weir__upstream_set *before = atomic_load_explicit(&u->latest, memory_order_relaxed);
    for (uint32_t i = 0; i < set->count; i++)
        set->health[i] = is_probed(set->of[i].target) ? &set->of[i].target->health : NULL;
    if (make_balances(set) != WEIR_OK) {
        free_set(set);
        return -ENOMEM;
    }
    if (before != NULL) {
        carry_over(set, before);
        mark_gone(set, before);
    }
    weir__lock_take(&u->lock);
    for (uint32_t i = 0; i < set->count; i++) {
        set->of[i].target->users++;
        atomic_store_explicit(&set->of[i].target->is_gone, false, memory_order_relaxed);
    }
    set->users = 1;
    atomic_store_explicit(&u->latest, set, memory_order_release);
    weir__lock_give(&u->lock);
    if (before != NULL)
        weir__upstream_let_go(before);
    return WEIR_OK;
}

weir_err weir__upstream_begin(struct weir__upstream *u)
{
    struct weir__upstream_set *set = new_set(u, u->source_count);
    if (set == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < u->source_count; i++) {
        struct weir__upstream_source *s = &u->sources[i];
        s->self = new_target(u, s, NULL);
        if (s->self == NULL) {
            free_set(set);
            return -ENOMEM;
        }
        s->self->users = 1; /* the source's, to the end */
        set->of[i].target = s->self;
    }
    return publish(set);
}

/* --- other addresses -------------------------------------------------------------------------- */

struct change {
    struct weir__upstream *u;
    struct weir__upstream_source *source;
    struct weir__upstream_set *from;
    uint32_t count;       /* of `to` */
    uint32_t added, kept; /* of the source's */
    struct weir__upstream_target *to[WEIR__UPSTREAM_TARGETS_MAX];
};

static void put(struct change *ch, struct weir__upstream_target *t)
{
    WEIR_ASSERT(ch->count < WEIR__UPSTREAM_TARGETS_MAX,
                "C14: sources bound the targets of a group");
    ch->to[ch->count++] = t;
}

static bool is_listed(const struct change *ch, const struct weir__endpoint *ip)
{
    for (uint32_t i = 0; i < ch->count; i++)
        if (ch->to[i]->source == ch->source && is_same_ip(&ch->to[i]->at.address, ip))
            return true;
    return false;
}

/* One address of the source: who has it, or a new one, which the change holds. */
static weir_err add(struct change *ch, const struct weir__endpoint *ip)
{
    if (ch->added + ch->kept == WEIR__ADDRESSES_MAX || is_listed(ch, ip))
        return WEIR_OK;
    for (uint32_t i = 0; i < ch->from->count; i++) {
        struct weir__upstream_target *t = ch->from->of[i].target;
        if (t->source != ch->source || !is_same_ip(&t->at.address, ip))
            continue;
        ch->kept++;
        put(ch, t);
        return WEIR_OK;
    }
    struct weir__upstream_target *t = new_target(ch->u, ch->source, ip);
    if (t == NULL)
        return -ENOMEM;
    t->users = 1;
    ch->added++;
    put(ch, t);
    return WEIR_OK;
}

/* Of what one family alone has said, the addresses of the other are not gone. */
static weir_err keep_others(struct change *ch)
{
    weir_err err = WEIR_OK;
    for (uint32_t i = 0; i < ch->from->count && err == WEIR_OK; i++) {
        const struct weir__upstream_target *t = ch->from->of[i].target;
        if (t->source == ch->source && t != ch->source->self)
            err = add(ch, &t->at.address);
    }
    return err;
}

static weir_err add_source(struct change *ch, const struct weir__addresses *to)
{
    const struct weir__upstream_target *self = ch->source->self;
    weir_err err = WEIR_OK;
    for (unsigned i = 0; i < to->count && err == WEIR_OK; i++)
        err = add(ch, &to->list[i]);
    if (err == WEIR_OK && to->is_partial)
        err = keep_others(ch);
    if (to->count > 0)
        return err;
    ch->kept = weir__upstream_seat_of(ch->from, self->id) != WEIR__UPSTREAM_NOT_THERE;
    put(ch, ch->source->self);
    return WEIR_OK;
}

/* In the order of the sources. Returns how many the one that changes had; below 0: an error. */
static int64_t list_targets(struct change *ch, const struct weir__addresses *to)
{
    int64_t had = 0;
    for (uint32_t i = 0; i < ch->u->source_count; i++) {
        const struct weir__upstream_source *s = &ch->u->sources[i];
        weir_err err = s == ch->source ? add_source(ch, to) : WEIR_OK;
        if (err != WEIR_OK)
            return err;
        for (uint32_t n = 0; n < ch->from->count; n++) {
            struct weir__upstream_target *t = ch->from->of[n].target;
            if (t->source == s && s != ch->source)
                put(ch, t);
            had += t->source == s && s == ch->source;
        }
    }
    return had;
}

static weir_err go_over(struct change *ch)
{
    struct weir__upstream_set *set = new_set(ch->u, ch->count);
    if (set == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < ch->count; i++)
        set->of[i].target = ch->to[i];
    return publish(set);
}

/* The hold of the change on who is new ends; probes begin if the set has them. */
static void let_go_of_new(struct change *ch, bool is_in_use)
{
    for (uint32_t i = 0; i < ch->count; i++) {
        struct weir__upstream_target *t = ch->to[i];
        if (t == t->source->self ||
            weir__upstream_seat_of(ch->from, t->id) != WEIR__UPSTREAM_NOT_THERE)
            continue;
        if (is_in_use && ch->u->is_probed)
            (void)weir__upstream_probe(t); /* without memory for that, calls alone tell of it */
        weir__upstream_quit(t);
    }
}

/* What lies idle to who is gone is closed; what is lent, when it comes back (hosts.c). */
static uint32_t retire_gone(const struct change *ch)
{
    uint32_t gone = 0;
    for (uint32_t i = 0; i < ch->from->count; i++) {
        const struct weir__upstream_target *t = ch->from->of[i].target;
        if (!atomic_load_explicit(&t->is_gone, memory_order_relaxed))
            continue;
        weir__pool_group_retire(ch->u->http->group, t->at.key);
        gone += t != t->source->self;
    }
    return gone;
}

static weir_err apply(struct change *ch, const struct weir__addresses *to)
{
    int64_t had = list_targets(ch, to);
    weir_err err = had < 0 ? (weir_err)had : WEIR_OK;
    if (err == WEIR_OK && ch->added == 0 && ch->kept == had)
        return WEIR_OK;
    if (err == WEIR_OK)
        err = go_over(ch);
    let_go_of_new(ch, err == WEIR_OK);
    if (err != WEIR_OK)
        return err;
    uint32_t gone = retire_gone(ch);
    ch->source->is_known = to->count > 0;
    weir_log(NULL, to->count > 0 ? WEIR_LOG_INFO : WEIR_LOG_WARN,
             "HTTP client %s: addresses of %s: %u, of which %u are new; %u are gone",
             ch->u->http->name, ch->source->url, to->count > 0 ? ch->added + ch->kept : 0,
             ch->added, gone);
    return WEIR_OK;
}

weir_err weir__upstream_change(struct weir__upstream *u, struct weir__upstream_source *source,
                               const struct weir__addresses *to)
{
    struct change *ch = weir__calloc(1, sizeof *ch);
    if (ch == NULL)
        return -ENOMEM;
    ch->u = u;
    ch->source = source;
    ch->from = weir__upstream_hold(u);
    weir_err err = apply(ch, to);
    weir__upstream_let_go(ch->from);
    weir__free(ch);
    return err;
}

/* --- the end ---------------------------------------------------------------------------------- */

void weir__upstream_end(struct weir__upstream *u)
{
    struct weir__upstream_set *latest = atomic_load_explicit(&u->latest, memory_order_relaxed);
    for (unsigned i = 0; u->here != NULL && i < u->http->workers; i++)
        if (u->here[i] != NULL)
            weir__upstream_let_go(u->here[i]);
    if (latest != NULL)
        weir__upstream_let_go(latest);
    free_targets(&u->targets); /* those of the sources, and that were to be probed again */
}
