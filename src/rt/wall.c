/*
 * The wall clock, and what is drawn from it and from chance. Not of the simulation: what a service
 * writes down is the day's time there too.
 */
#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include <weir/value.h>

#include "base/assert.h"

weir_wall weir_wall_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (weir_wall){(int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000};
}

static weir_uuid draw(unsigned version)
{
    weir_uuid u;
    ssize_t n;
    do /* so few bytes come whole; only before the machine has any chance is there a wait */
        n = getrandom(u.bytes, sizeof u.bytes, 0);
    while (n < 0 && errno == EINTR);
    WEIR_ASSERT(n == sizeof u.bytes, "U1: sixteen random bytes come at once");
    u.bytes[6] = (uint8_t)(version << 4 | (u.bytes[6] & 15));
    u.bytes[8] = (uint8_t)(0x80 | (u.bytes[8] & 0x3f));
    return u;
}

weir_uuid weir_uuid_v4(void)
{
    return draw(4);
}

weir_uuid weir_uuid_v7(void)
{
    weir_uuid u = draw(7);
    uint64_t ms = (uint64_t)weir_wall_now().us / 1000;
    WEIR_ASSERT(ms >> 48 == 0, "U2: the time of a uuid has 48 bits");
    for (int i = 0; i < 6; i++)
        u.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    return u;
}
