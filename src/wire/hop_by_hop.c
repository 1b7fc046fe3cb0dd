/* Two short lists, and the ones that clients would like to have taken away. */
#include "wire/hop_by_hop.h"

#include "wire/http_field.h"

static bool is_one_of(weir_str name, const weir_str *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (weir_str_ieq(name, list[i]))
            return true;
    }
    return false;
}

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static const weir_str always[] = {
    {"connection", 10},
    {"keep-alive", 10},
    {"proxy-connection", 16},
    {"te", 2},
    {"trailer", 7},
    {"transfer-encoding", 17},
    {"upgrade", 7},
    {"proxy-authenticate", 18},
    {"proxy-authorization", 19},
    {"http2-settings", 14},
};

/* What Connection cannot take away. */
static const weir_str never[] = {
    {"host", 4},
    {"content-length", 14},
    {"content-encoding", 16},
    {"content-type", 12},
    {"content-range", 13},
    {"content-location", 16},
    {"authorization", 13},
    {"cookie", 6},
    {"set-cookie", 10},
    {"cache-control", 13},
    {"date", 4},
    {"expect", 6},
    {"forwarded", 9},
    {"x-forwarded-for", 15},
    {"x-forwarded-proto", 17},
    {"x-forwarded-host", 16},
    {"x-real-ip", 9},
    {"via", 3},
    {"traceparent", 11},
    {"range", 5},
    {"location", 8},
};

bool weir__field_is_hop_by_hop(weir_str name, const weir_str *connection, size_t count)
{
    if (is_one_of(name, always, COUNT(always)))
        return true;
    bool is_named = false;
    for (size_t i = 0; i < count && !is_named; i++)
        is_named = weir__http_list_has(connection[i], name);
    return is_named && !is_one_of(name, never, COUNT(never));
}

bool weir__field_is_http1_only(weir_str name, weir_str value)
{
    static const weir_str names[] = {{"connection", 10},
                                     {"keep-alive", 10},
                                     {"proxy-connection", 16},
                                     {"transfer-encoding", 17},
                                     {"upgrade", 7}};
    if (weir_str_ieq(name, WEIR_S("te")))
        return !weir_str_ieq(value, WEIR_S("trailers"));
    return is_one_of(name, names, COUNT(names));
}
