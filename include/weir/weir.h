/*
 * Everything of Weir in one include. Names with two underscores (weir__x, WEIR__X) are how macros
 * are made: no function behind them is in the library, and nothing of them is for use.
 */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include <weir/api.h>
#include <weir/app.h>
#include <weir/batch.h>
#include <weir/buf.h>
#include <weir/cache.h>
#include <weir/cache_share.h>
#include <weir/chan.h>
#include <weir/client.h>
#include <weir/conf.h>
#include <weir/ctx.h>
#include <weir/db.h>
#include <weir/err.h>
#include <weir/fail.h>
#include <weir/fd.h>
#include <weir/fiber.h>
#include <weir/file.h>
#include <weir/handle.h>
#include <weir/json.h>
#include <weir/log.h>
#include <weir/metric.h>
#include <weir/migrate.h>
#include <weir/model.h>
#include <weir/mw.h>
#include <weir/mysql.h>
#include <weir/offload.h>
#include <weir/page.h>
#include <weir/pool.h>
#include <weir/postgres.h>
#include <weir/process.h>
#include <weir/proxy.h>
#include <weir/redis.h>
#include <weir/redis_value.h>
#include <weir/request.h>
#include <weir/response.h>
#include <weir/route.h>
#include <weir/socket.h>
#include <weir/sql.h>
#include <weir/sqlite.h>
#include <weir/str.h>
#include <weir/sync.h>
#include <weir/time.h>
#include <weir/timer.h>
#include <weir/tls.h>
#include <weir/topic.h>
#include <weir/trace.h>
#include <weir/version.h>

#endif
