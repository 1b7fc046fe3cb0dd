/* Reading a head, and the names of methods. */
#include "wire/http_head.h"

weir_str weir__http_head_path(const struct weir__http_head *h, const char *buf)
{
    if (h->path.len > 0)
        return (weir_str){buf + h->path.off, h->path.len};
    if (h->form == WEIR_HTTP_ABSOLUTE)
        return WEIR_S("/");
    return h->form == WEIR_HTTP_ASTERISK ? WEIR_S("*") : (weir_str){NULL, 0};
}

int weir__http_head_find(const struct weir__http_head *h, const char *buf, weir_str name, int from)
{
    for (int i = from; i < h->nfields; i++) {
        if (h->fields[i].name.len == name.len &&
            weir_str_ieq(weir__http_head_name(h, buf, (unsigned)i), name))
            return i;
    }
    return -1;
}

static const weir_str method_names[WEIR_HTTP_METHOD_COUNT] = {
    [WEIR_HTTP_OTHER] = {"", 0},          [WEIR_HTTP_GET] = {"GET", 3},
    [WEIR_HTTP_HEAD] = {"HEAD", 4},       [WEIR_HTTP_POST] = {"POST", 4},
    [WEIR_HTTP_PUT] = {"PUT", 3},         [WEIR_HTTP_DELETE] = {"DELETE", 6},
    [WEIR_HTTP_PATCH] = {"PATCH", 5},     [WEIR_HTTP_OPTIONS] = {"OPTIONS", 7},
    [WEIR_HTTP_CONNECT] = {"CONNECT", 7}, [WEIR_HTTP_TRACE] = {"TRACE", 5},
};

weir_str weir__http_method_name(enum weir__http_method m)
{
    return method_names[m < WEIR_HTTP_METHOD_COUNT ? m : WEIR_HTTP_OTHER];
}

enum weir__http_method weir__http_method_of(weir_str token)
{
    for (unsigned m = WEIR_HTTP_OTHER + 1; m < WEIR_HTTP_METHOD_COUNT; m++) {
        if (weir_str_eq(method_names[m], token))
            return (enum weir__http_method)m;
    }
    return WEIR_HTTP_OTHER;
}
