/*
 * The bucket of points. Time is paid out lazily, when something is asked; amounts are millionths of
 * a point, so that none is lost however often that is.
 *
 * Limits: the clock may stand still or be asked anew within a turn; it never goes back.
 */
#include "http/h2/budget.h"

#include "base/assert.h"

#define POINT 1000000
#define FULL ((int64_t)WEIR__H2_POINTS_MAX * POINT)
#define NS_PER_MICRO (1000000000 / (WEIR__H2_POINTS_PER_SECOND * (int64_t)POINT))
#define RESET_PRICE 5
#define FRAME_REWARD 2
#define BYTES_PER_POINT 1024u

_Static_assert(NS_PER_MICRO *WEIR__H2_POINTS_PER_SECOND *POINT == 1000000000,
               "time is paid out without a rest");

const uint16_t weir__h2_price[WEIR__H2_COSTS] = {
    [WEIR__H2_RESET_RECEIVED] = RESET_PRICE,
    [WEIR__H2_RESET_PROVOKED] = RESET_PRICE,
    [WEIR__H2_PING] = 1,
    [WEIR__H2_SETTINGS] = 5,
    [WEIR__H2_PRIORITY] = 1,
    [WEIR__H2_WINDOW_UPDATE] = 1,
    [WEIR__H2_EMPTY_DATA] = 1,
    [WEIR__H2_GOAWAY] = 1,
};

static void add(struct weir__h2_budget *b, int64_t micro)
{
    b->micro = micro < FULL - b->micro ? b->micro + micro : FULL;
    WEIR_ASSERT(b->micro >= 0 && b->micro <= FULL, "H1: a budget is between nothing and full");
}

static void fill(struct weir__h2_budget *b, weir_time now)
{
    int64_t passed = now.ns - b->filled.ns;
    WEIR_ASSERT(passed >= 0, "H1: time is paid out once");
    if (passed < NS_PER_MICRO)
        return;
    int64_t micro = passed / NS_PER_MICRO;
    b->filled.ns += micro * NS_PER_MICRO;
    add(b, micro);
}

void weir__h2_budget_init(struct weir__h2_budget *b, weir_time now)
{
    *b = (struct weir__h2_budget){.micro = FULL, .filled = now};
}

bool weir__h2_budget_take(struct weir__h2_budget *b, enum weir__h2_cost cost, weir_time now)
{
    WEIR_ASSERT(cost < WEIR__H2_COSTS, "H1: each cost has its price");
    int64_t price = (int64_t)weir__h2_price[cost] * POINT;
    WEIR_ASSERT(price > 0, "H1: each cost has its price");
    fill(b, now);
    if (b->micro < price)
        return false;
    b->micro -= price;
    return true;
}

void weir__h2_budget_answered(struct weir__h2_budget *b)
{
    add(b, (int64_t)RESET_PRICE * POINT);
}

void weir__h2_budget_sent(struct weir__h2_budget *b, uint32_t bytes, bool is_all)
{
    uint64_t all = (uint64_t)b->rest + bytes;
    WEIR_ASSERT(b->rest < BYTES_PER_POINT, "H1: bytes that make a point are paid as one");
    b->rest = (uint32_t)(all % BYTES_PER_POINT);
    add(b, (int64_t)(all / BYTES_PER_POINT + (is_all ? FRAME_REWARD : 0)) * POINT);
}

uint32_t weir__h2_budget_left(struct weir__h2_budget *b, weir_time now)
{
    fill(b, now);
    return (uint32_t)(b->micro / POINT);
}
