/*
 * Media types by file ending. The table is what a web service serves; all else is bytes to be
 * saved. Text is always said to be UTF-8: what is not must be served under a type of the
 * application's choosing.
 */
#include "wire/mime.h"

struct entry {
    const char *ending;
    const char *type;
};

#define WEIR_MIME_TEXT "; charset=utf-8"

static const struct entry entries[] = {
    {"html", "text/html" WEIR_MIME_TEXT},
    {"htm", "text/html" WEIR_MIME_TEXT},
    {"css", "text/css" WEIR_MIME_TEXT},
    {"js", "text/javascript" WEIR_MIME_TEXT},
    {"mjs", "text/javascript" WEIR_MIME_TEXT},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"ico", "image/x-icon"},
    {"txt", "text/plain" WEIR_MIME_TEXT},
    {"md", "text/markdown" WEIR_MIME_TEXT},
    {"csv", "text/csv" WEIR_MIME_TEXT},
    {"xml", "text/xml" WEIR_MIME_TEXT},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"pdf", "application/pdf"},
    {"wasm", "application/wasm"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"otf", "font/otf"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"wav", "audio/wav"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"tar", "application/x-tar"},
};

/* What follows the last '.' of a path's last segment; empty when there is none. */
static weir_str ending_of(weir_str name)
{
    size_t i = name.len;
    while (i > 0 && name.ptr[i - 1] != '.' && name.ptr[i - 1] != '/')
        i--;
    if (i == 0 || name.ptr[i - 1] != '.')
        return (weir_str){NULL, 0};
    return (weir_str){name.ptr + i, name.len - i};
}

weir_str weir__mime_by_name(weir_str name)
{
    weir_str ending = ending_of(name);
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        if (weir_str_ieq(ending, weir_str_from(entries[i].ending)))
            return weir_str_from(entries[i].type);
    }
    return WEIR_S("application/octet-stream");
}
