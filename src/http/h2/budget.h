/*
 * What a peer may cost beyond the requests that it is answered: resets, its own and those that it
 * provokes, and frames that carry nothing. One bucket a connection for all of them, so that no mix
 * of floods gets more than one alone; pure values on the clock of who asks.
 *
 * A price is in points. The bucket is filled by time and by work that was wanted: whoever reads
 * answers may also give some up, probe the connection and open windows, as busy as it is; who does
 * only that has a burst, and then what time brings. (Rapid reset, CVE-2023-44487; resets provoked,
 * CVE-2025-8671; floods of PING, SETTINGS, PRIORITY, empty DATA, CVE-2019-9511 to 9518.)
 *
 * Why these numbers: docs/design/http2.md.
 */
#ifndef WEIR_HTTP_H2_BUDGET_H
#define WEIR_HTTP_H2_BUDGET_H

#include <stdbool.h>
#include <stdint.h>
#include <weir/time.h>

#define WEIR__H2_POINTS_MAX 1000       /* saved at most, and there at the start */
#define WEIR__H2_POINTS_PER_SECOND 100 /* brought by time alone */

/* What costs, and in enum order its price: weir__h2_price. */
enum weir__h2_cost {
    WEIR__H2_RESET_RECEIVED, /* RST_STREAM, or a stream that the peer's errors ended */
    WEIR__H2_RESET_PROVOKED, /* RST_STREAM that we had to send for what it did */
    WEIR__H2_PING,
    WEIR__H2_SETTINGS,
    WEIR__H2_PRIORITY,
    WEIR__H2_WINDOW_UPDATE,
    WEIR__H2_EMPTY_DATA, /* a DATA frame without a byte that does not end its stream */
    WEIR__H2_GOAWAY,     /* it may be said twice, and once more for a reason */
    WEIR__H2_COSTS
};
extern const uint16_t weir__h2_price[WEIR__H2_COSTS];

struct weir__h2_budget {
    int64_t micro;    /* points left, in millionths */
    weir_time filled; /* up to when time has been paid out */
    uint32_t rest;    /* bytes sent that made no whole point yet */
};

void weir__h2_budget_init(struct weir__h2_budget *b, weir_time now);

/* Takes the price. False: it has not got so much, and the connection is to end. */
WEIR_MUST_USE bool weir__h2_budget_take(struct weir__h2_budget *b, enum weir__h2_cost cost,
                                        weir_time now);

/* A request was answered whole: worth one reset. */
void weir__h2_budget_answered(struct weir__h2_budget *b);

/*
 * A DATA frame of `bytes` went: worth a point each KiB, and when it held all there was to send also
 * the two WINDOW_UPDATE that a peer may answer it with. One that the peer's window had cut short
 * brings nothing but its bytes: else a window of one byte would pay for itself.
 */
void weir__h2_budget_sent(struct weir__h2_budget *b, uint32_t bytes, bool is_all);

/* Whole points left now. */
uint32_t weir__h2_budget_left(struct weir__h2_budget *b, weir_time now);

#endif
