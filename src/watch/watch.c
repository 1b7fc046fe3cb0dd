/*
 * What the runtime calls upwards, filled in.
 */
#include "watch/watch.h"

#include "rt/watch.h"
#include "watch/deadlock_search.h"
#include "watch/leak_tell.h"
#include "watch/watchdog.h"

void weir__watch_install(void)
{
    static const struct weir__watch watch = {
        .leak = weir__leak_tell,
        .endless_wait = weir__leak_tell_wait,
        .plan = weir__deadlock_plan,
        .search = weir__deadlock_search,
        .start = weir__watchdog_start,
        .stop = weir__watchdog_stop,
    };
    weir__watch = &watch;
}
