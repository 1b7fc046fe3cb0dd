/*
 * What a server of several is: it is asked itself, since a list of hosts says nothing of who is the
 * primary today. One that is recovering follows another; one that begins its transactions as
 * read-only takes no writes either, whatever it is.
 *
 * How far a replica is behind: not at all when it has replayed what it has received, which says
 * something only while somebody sends to it; else as old as the last transaction that it has
 * replayed. So one whose primary writes nothing is level, and one that was cut off is not.
 */
#include "data/postgres/postgres.h"

#define QUESTION                                                                                   \
    "SELECT (NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off')::int,"  \
    " CASE WHEN NOT pg_is_in_recovery() THEN 0"                                                    \
    " WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()"                                   \
    " AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0"                                        \
    " ELSE coalesce((extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())"      \
    " * 1000)::int8, -1) END"

#define DAY_MS INT64_C(86400000)

weir_err weir__pg_probe(void *driver, struct weir__ctx *c, uint32_t node, void *resource,
                        struct weir__node_finding *out)
{
    struct weir__pg_conn *conn = resource;
    struct weir__sql_fault f;
    int64_t said[2] = {0, 0}; /* whether it takes writes, milliseconds; -1: not known */
    (void)driver;
    (void)node;
    weir__sql_fault_init(&f);
    conn->sql.c = c;
    weir_err err = weir__pg_ask_integers(conn, WEIR_S(QUESTION), said, 2, &f);
    if (err < 0) {
        weir_err reason = weir__ctx_check(c);
        return f.err == WEIR_OK || reason < 0
                   ? (reason < 0 ? reason : err)
                   : weir_raise_at(WEIR_HERE, weir__ctx_handle(c), f.err, 0, "%s", f.text);
    }
    bool is_known = said[1] >= 0 && said[1] <= DAY_MS;
    *out =
        (struct weir__node_finding){.is_ok = true,
                                    .role = said[0] != 0 ? WEIR__NODE_PRIMARY : WEIR__NODE_REPLICA,
                                    .lag = weir_ms(is_known ? said[1] : DAY_MS)};
    return WEIR_OK;
}
