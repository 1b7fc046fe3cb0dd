/*
 * Which certificate serves which name. Names are lower case; one with a wildcard, "*.example.com",
 * is kept as ".example.com", so that both kinds are found by a look-up each: the name itself, then
 * what is left of it from its first dot on. A wildcard stands for one whole label and for no more.
 *
 * The table is made with its contexts, and does not change from then on (T2).
 */
#include "net/tls_inside.h"

#if WEIR_TLS

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

struct name {
    const char *text;
    size_t len;
    SSL_CTX *ctx;
};

struct weir__tls_names {
    size_t count, room;
    struct name *names; /* sorted */
    weir_err err;
    size_t held_count;
    SSL_CTX *held[]; /* references */
};

struct weir__tls_names *weir__tls_names_new(size_t held_max)
{
    return weir__calloc(1, sizeof(struct weir__tls_names) + held_max * sizeof(SSL_CTX *));
}

void weir__tls_names_hold(struct weir__tls_names *names, SSL_CTX *ctx)
{
    WEIR_ASSERT(ctx != NULL, "T2: what is held is a context");
    names->held[names->held_count++] = ctx;
}

void weir__tls_names_free(struct weir__tls_names *names)
{
    if (names == NULL)
        return;
    for (size_t i = 0; i < names->count; i++)
        weir__free((char *)(uintptr_t)names->names[i].text);
    for (size_t i = 0; i < names->held_count; i++)
        SSL_CTX_free(names->held[i]);
    weir__free(names->names);
    weir__free(names);
}

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t len = a_len < b_len ? a_len : b_len;
    int order = len > 0 ? memcmp(a, b, len) : 0;
    if (order != 0)
        return order;
    return a_len < b_len ? -1 : a_len > b_len;
}

/* Where it is, or would be. */
static size_t place_of(const struct weir__tls_names *names, const char *text, size_t len,
                       bool *is_there)
{
    size_t from = 0, to = names->count;
    *is_there = false;
    while (from < to && !*is_there) {
        size_t middle = from + (to - from) / 2;
        const struct name *n = &names->names[middle];
        int order = compare(text, len, n->text, n->len);
        if (order > 0)
            from = middle + 1;
        else if (order < 0)
            to = middle;
        else
            *is_there = true;
        if (*is_there)
            from = middle;
    }
    return from;
}

static void lower(char *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
}

static bool has_room(struct weir__tls_names *names)
{
    if (names->count < names->room)
        return true;
    size_t room = names->room > 0 ? 2 * names->room : 8;
    struct name *more = weir__realloc(names->names, room * sizeof *more);
    if (more == NULL)
        return false;
    names->names = more;
    names->room = room;
    return true;
}

struct adding {
    struct weir__tls_names *names;
    SSL_CTX *ctx;
};

static void add(weir_str name, void *arg)
{
    struct adding *to = arg;
    struct weir__tls_names *names = to->names;
    bool is_wild = name.len > 2 && name.ptr[0] == '*' && name.ptr[1] == '.';
    weir_str text = is_wild ? (weir_str){name.ptr + 1, name.len - 1} : name;
    char *copy = has_room(names) ? weir__malloc(text.len + 1) : NULL;
    bool is_there = false;
    if (copy == NULL) {
        names->err = -ENOMEM;
        return;
    }
    WEIR_ASSERT(names->count < names->room, "T8: a name is added where there is room");
    lower(copy, text.ptr, text.len);
    size_t at = place_of(names, copy, text.len, &is_there);
    if (is_there) {
        weir__free(copy);
        return;
    }
    WEIR_ASSERT(at <= names->count, "T8: a name's place is in the table, or at its end");
    memmove(&names->names[at + 1], &names->names[at], (names->count - at) * sizeof names->names[0]);
    names->names[at] = (struct name){copy, text.len, to->ctx};
    names->count++;
    WEIR_ASSERT(
        at == 0 || compare(names->names[at - 1].text, names->names[at - 1].len, copy, text.len) < 0,
        "T8: names are sorted, and each is there once");
}

weir_err weir__tls_names_add(struct weir__tls_names *names, const X509 *certificate, SSL_CTX *ctx)
{
    weir__tls_names_of(certificate, add, &(struct adding){names, ctx});
    return names->err;
}

SSL_CTX *weir__tls_names_find(const struct weir__tls_names *names, weir_str name)
{
    char text[WEIR__TLS_NAMES_MAX];
    bool is_there = false;
    if (name.len == 0 || name.len > sizeof text)
        return NULL;
    lower(text, name.ptr, name.len);
    size_t at = place_of(names, text, name.len, &is_there);
    const char *dot = is_there ? NULL : memchr(text, '.', name.len);
    if (dot != NULL && dot > text)
        at = place_of(names, dot, (size_t)(text + name.len - dot), &is_there);
    WEIR_ASSERT(!is_there || at < names->count, "T8: what is found is in the table");
    return is_there ? names->names[at].ctx : NULL;
}

static weir_str text_of(const ASN1_STRING *s)
{
    return (weir_str){(const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
}

/* What a name may not have: it would mean another one to who reads it as C's text. */
static bool is_name(weir_str s)
{
    return s.len > 0 && s.len <= WEIR__TLS_NAMES_MAX && memchr(s.ptr, 0, s.len) == NULL;
}

static void see_common_name(const X509 *certificate, void (*see)(weir_str name, void *arg),
                            void *arg)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0)
        return;
    weir_str name = text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (is_name(name))
        see(name, arg);
}

void weir__tls_names_of(const X509 *certificate, void (*see)(weir_str name, void *arg), void *arg)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int count = names != NULL ? sk_GENERAL_NAME_num(names) : 0;
    bool has_seen = false;
    for (int i = 0; i < count; i++) {
        int type;
        const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type != GEN_DNS || !is_name(text_of(s)))
            continue;
        see(text_of(s), arg);
        has_seen = true;
    }
    GENERAL_NAMES_free(names);
    if (!has_seen)
        see_common_name(certificate, see, arg);
}

#endif
