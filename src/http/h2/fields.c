/*
 * Fields to a head. Owns the text where it has outgrown the room that it was given.
 *
 * Two kinds of wrong are told apart. What RFC 9113 section 8.1.1 calls malformed ends the stream
 * with PROTOCOL_ERROR, for who sends it does not speak the protocol; what is well-formed and not
 * served (dot segments, an expectation, too much) gets the status that HTTP/1.1 has for it. The
 * library below checks most of the first kind as well; what is decided here does not depend on it.
 *
 * The hard thing is Cookie: it may come in crumbs, which count as fields and become one line at the
 * end (section 8.2.3), behind all other text, so that the spans of the others stay.
 */
#include "http/h2/fields.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/http_field_table.h"
#include "wire/url.h"

enum pseudo {
    PSEUDO_METHOD = 1,
    PSEUDO_SCHEME = 2,
    PSEUDO_AUTHORITY = 4,
    PSEUDO_PATH = 8,
    PSEUDO_STATUS = 16
};

static void fail(struct weir__h2_fields *f, int err)
{
    if (f->err == 0)
        f->err = err;
}

/* --- text ------------------------------------------------------------------------------------- */

static bool make_room(struct weir__h2_fields *f, size_t n)
{
    if (WEIR_LIKELY(f->cap - f->len >= n))
        return true;
    size_t cap = f->cap < 512 ? 1024 : (size_t)f->cap * 2;
    while (cap - f->len < n)
        cap *= 2;
    char *grown = weir__realloc(f->own, cap);
    if (grown == NULL) {
        fail(f, WEIR_H2_ENOMEM);
        return false;
    }
    if (f->own == NULL && f->len > 0)
        memcpy(grown, f->bytes, f->len);
    f->bytes = f->own = grown;
    f->cap = (uint32_t)cap;
    WEIR_ASSERT(f->cap - f->len >= n, "H2: the text of a head is within its room");
    return true;
}

/* Appends `s`, for which there is room. */
static struct weir__http_span put(struct weir__h2_fields *f, weir_str s)
{
    WEIR_ASSERT(f->len + s.len <= f->cap && f->len + s.len <= WEIR_HTTP_HEAD_BYTES_MAX,
                "H2: the text of a head is within its room, and offsets have 16 bits");
    struct weir__http_span span = {(uint16_t)f->len, (uint16_t)s.len};
    if (s.len > 0)
        memcpy(f->bytes + f->len, s.ptr, s.len);
    f->len += (uint32_t)s.len;
    return span;
}

static weir_str text(const struct weir__h2_fields *f, struct weir__http_span s)
{
    return (weir_str){f->bytes + s.off, s.len};
}

/* --- pseudo-fields, RFC 9113 section 8.3 ------------------------------------------------------ */

static uint8_t pseudo_of(const struct weir__h2_fields *f, weir_str name)
{
    if (f->is_response)
        return weir_str_eq(name, WEIR_S(":status")) ? PSEUDO_STATUS : 0;
    if (weir_str_eq(name, WEIR_S(":method")))
        return PSEUDO_METHOD;
    if (weir_str_eq(name, WEIR_S(":path")))
        return PSEUDO_PATH;
    if (weir_str_eq(name, WEIR_S(":scheme")))
        return PSEUDO_SCHEME;
    return weir_str_eq(name, WEIR_S(":authority")) ? PSEUDO_AUTHORITY : 0;
}

static void take_method(struct weir__h2_fields *f, weir_str value)
{
    if (!weir__http_name_is_valid(value)) {
        fail(f, WEIR_H2_EMETHOD);
        return;
    }
    f->head->method = (uint8_t)weir__http_method_of(value);
    f->head->method_token = put(f, value);
}

/* Three digits: RFC 9110 section 15. */
static void take_status(struct weir__h2_fields *f, weir_str value)
{
    unsigned status = 0;
    for (size_t i = 0; i < value.len && value.len == 3; i++) {
        unsigned digit = (unsigned char)value.ptr[i] - (unsigned)'0';
        status = digit <= 9 ? status * 10 + digit : 1000;
    }
    if (status < 100 || status > 999)
        fail(f, WEIR_H2_ESTATUS);
    else
        f->status = (uint16_t)status;
}

static void take_pseudo(struct weir__h2_fields *f, weir_str name, weir_str value)
{
    uint8_t bit = pseudo_of(f, name);
    if (f->head == NULL)
        fail(f, WEIR_H2_EPSEUDOINTRAILER);
    else if (bit == 0)
        fail(f, WEIR_H2_EPSEUDOUNKNOWN);
    else if ((f->pseudo & bit) != 0)
        fail(f, WEIR_H2_EPSEUDOTWICE);
    else if (f->has_regular)
        fail(f, WEIR_H2_EPSEUDOLATE);
    if (f->err != 0 || !make_room(f, value.len))
        return;
    f->pseudo |= bit;
    if (bit == PSEUDO_STATUS)
        take_status(f, value);
    else if (bit == PSEUDO_METHOD)
        take_method(f, value);
    else if (bit == PSEUDO_PATH)
        f->head->target = put(f, value);
    else if (bit == PSEUDO_SCHEME)
        f->scheme = put(f, value);
    else
        f->authority = put(f, value);
}

/* --- fields, RFC 9113 section 8.2 ------------------------------------------------------------- */

/* 0, or what is wrong with a name that is not of the known ones, which are all right. */
static int check_name(weir_str name)
{
    if (!weir__http_name_is_valid(name))
        return WEIR_H2_ENAME;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
            return WEIR_H2_EUPPERCASE;
    }
    return 0;
}

/* Those that HTTP/1 speaks of a connection with: section 8.2.2. */
static int check_connection(weir_str name, weir_str value, unsigned id, bool is_response)
{
    if (id == WEIR_FIELD_CONNECTION || id == WEIR_FIELD_TRANSFER_ENCODING ||
        id == WEIR_FIELD_UPGRADE)
        return WEIR_H2_ECONNECTION;
    if (id == WEIR_FIELD_TE && is_response)
        return WEIR_H2_ECONNECTION; /* it is of requests alone */
    if (id == WEIR_FIELD_TE)
        return weir_str_ieq(value, WEIR_S("trailers")) ? 0 : WEIR_H2_ETE;
    if (id != WEIR_FIELD_OTHER)
        return 0;
    bool is_bad =
        weir_str_eq(name, WEIR_S("keep-alive")) || weir_str_eq(name, WEIR_S("proxy-connection"));
    return is_bad ? WEIR_H2_ECONNECTION : 0;
}

static int check_field(const struct weir__h2_fields *f, weir_str name, weir_str value, unsigned id)
{
    int err = check_name(name);
    if (err == 0 && !weir__http_value_is_valid(value))
        err = WEIR_H2_EVALUE;
    return err != 0 ? err : check_connection(name, value, id, f->is_response);
}

/* Gives a known field its slot. */
static void take_slot(struct weir__h2_fields *f, unsigned id)
{
    struct weir__http_head *h = f->head;
    if (h->slots[id] == 0)
        h->slots[id] = (uint8_t)(h->nfields + 1);
    else if (id == WEIR_FIELD_HOST)
        fail(f, WEIR_H2_EHOSTTWICE);
    else if (id == WEIR_FIELD_CONTENT_LENGTH)
        fail(f, WEIR_H2_ELENGTHTWICE);
}

static void add_line(struct weir__h2_fields *f, weir_str name, weir_str value, unsigned id)
{
    struct weir__http_head *h = f->head;
    if (id != WEIR_FIELD_OTHER)
        take_slot(f, id);
    WEIR_ASSERT(h->nfields < WEIR_HTTP_FIELDS_MAX, "H2: a head has so many fields at most");
    struct weir__http_line *line = &h->fields[h->nfields++];
    line->name = put(f, name);
    line->value = put(f, value);
    line->id = (uint16_t)id;
    f->crumbs = (uint8_t)(f->crumbs + (id == WEIR_FIELD_COOKIE));
}

static void take_field(struct weir__h2_fields *f, weir_str name, weir_str value)
{
    unsigned id = weir__http_field_id(name);
    fail(f, check_field(f, name, value, id));
    f->has_regular = true;
    if (f->err != 0 || !make_room(f, name.len + value.len + 4))
        return;
    if (f->head != NULL) {
        add_line(f, name, value, id);
        return;
    }
    put(f, name);
    put(f, WEIR_S(": "));
    put(f, value);
    put(f, WEIR_S("\r\n"));
}

void weir__h2_fields_init(struct weir__h2_fields *f, struct weir__http_head *head,
                          const struct weir__h2_fields_limits *limits, char *room, size_t size)
{
    WEIR_ASSERT(limits->bytes_max <= WEIR__H2_FIELDS_BYTES_MAX &&
                    limits->fields_max <= WEIR_HTTP_FIELDS_MAX && size <= limits->bytes_max,
                "H2: the text of a head is within its room, and offsets have 16 bits");
    *f = (struct weir__h2_fields){
        .head = head, .limits = limits, .bytes = room, .cap = (uint32_t)size};
    if (head != NULL)
        weir__http_head_init(head);
}

void weir__h2_fields_init_response(struct weir__h2_fields *f, struct weir__http_head *head,
                                   const struct weir__h2_fields_limits *limits)
{
    weir__h2_fields_init(f, head, limits, NULL, 0);
    f->is_response = true;
}

/* Counts a field, whatever becomes of it. Saturated, for there is no end to what may come. */
static void count(struct weir__h2_fields *f, size_t bytes, bool is_pseudo)
{
    uint64_t counted = (uint64_t)f->counted + bytes + WEIR__H2_FIELD_COST;
    f->counted = counted < UINT32_MAX ? (uint32_t)counted : UINT32_MAX;
    f->number += !is_pseudo && f->number < UINT32_MAX;
    if (f->counted > f->limits->bytes_max)
        fail(f, WEIR_H2_ELONG);
    if (f->number > f->limits->fields_max)
        fail(f, WEIR_H2_EMANY);
}

void weir__h2_fields_add(struct weir__h2_fields *f, weir_str name, weir_str value)
{
    bool is_pseudo = name.len > 0 && name.ptr[0] == ':';
    count(f, name.len + value.len, is_pseudo);
    if (WEIR_UNLIKELY(f->err != 0))
        return;
    if (is_pseudo)
        take_pseudo(f, name, value);
    else
        take_field(f, name, value);
}

/* --- the target ------------------------------------------------------------------------------- */

static void take_host(struct weir__h2_fields *f, struct weir__http_span of,
                      const struct weir__url_authority *a)
{
    WEIR_ASSERT(a->host.len <= of.len, "H2: a host is part of its authority");
    f->head->host = (struct weir__http_span){of.off, (uint16_t)a->host.len};
    f->head->has_port = a->has_port;
    f->head->port = a->port;
}

static uint16_t port_of(const struct weir__url_authority *a, bool is_https)
{
    return a->has_port ? a->port : is_https ? 443 : 80;
}

/* A Host beside the authority has to name the same: section 8.3.1. */
static int compare_host(struct weir__h2_fields *f, const struct weir__url_authority *a)
{
    struct weir__url_authority host;
    if (f->head->slots[WEIR_FIELD_HOST] == 0)
        return 0;
    weir_str value = weir__http_head_field(f->head, f->bytes, WEIR_FIELD_HOST);
    if (weir__url_authority_parse(value, &host) != 0)
        return WEIR_H2_EHOST;
    bool is_https = f->head->is_https;
    bool is_same =
        weir_str_ieq(host.host, a->host) && port_of(&host, is_https) == port_of(a, is_https);
    return is_same ? 0 : WEIR_H2_EHOSTDIFFERS;
}

/* Handlers that ask for Host find it, as if it had come so. */
static int add_host_line(struct weir__h2_fields *f)
{
    struct weir__http_head *h = f->head;
    if (h->slots[WEIR_FIELD_HOST] != 0)
        return 0;
    if (h->nfields == WEIR_HTTP_FIELDS_MAX)
        return WEIR_H2_EMANY;
    if (!make_room(f, 4))
        return WEIR_H2_ENOMEM;
    h->slots[WEIR_FIELD_HOST] = (uint8_t)(h->nfields + 1);
    h->fields[h->nfields++] = (struct weir__http_line){
        .name = put(f, WEIR_S("host")), .value = f->authority, .id = WEIR_FIELD_HOST};
    return 0;
}

/* Who is asked: the authority, else Host. An empty one is none. */
static int decide_authority(struct weir__h2_fields *f)
{
    struct weir__http_head *h = f->head;
    struct weir__url_authority a;
    if ((f->pseudo & PSEUDO_AUTHORITY) == 0) {
        if (h->slots[WEIR_FIELD_HOST] == 0)
            return WEIR_H2_ENOAUTHORITY;
        struct weir__http_span value = h->fields[h->slots[WEIR_FIELD_HOST] - 1].value;
        if (weir__url_authority_parse(text(f, value), &a) != 0 || a.host.len == 0)
            return WEIR_H2_EHOST;
        take_host(f, value, &a);
        return 0;
    }
    if (weir__url_authority_parse(text(f, f->authority), &a) != 0 || a.host.len == 0)
        return WEIR_H2_EAUTHORITY;
    take_host(f, f->authority, &a);
    int err = compare_host(f, &a);
    return err != 0 ? err : add_host_line(f);
}

static int decide_scheme(struct weir__h2_fields *f)
{
    weir_str scheme = text(f, f->scheme);
    f->head->is_https = weir_str_ieq(scheme, WEIR_S("https"));
    return f->head->is_https || weir_str_ieq(scheme, WEIR_S("http")) ? 0 : WEIR_H2_ESCHEME;
}

static int check_path(weir_str path)
{
    switch (weir__url_path_check(path)) {
    case 0:
        return 0;
    case WEIR_URL_EDOTS:
        return WEIR_H2_EPATHDOTS;
    case WEIR_URL_ENUL:
        return WEIR_H2_EPATHNUL;
    default:
        return WEIR_H2_EPATHPERCENT;
    }
}

/* The forms of ":path": section 8.3.1. */
static int decide_path(struct weir__h2_fields *f)
{
    struct weir__http_head *h = f->head;
    weir_str target = text(f, h->target);
    if (target.len > f->limits->path_bytes_max)
        return WEIR_H2_EPATHLONG;
    if (weir_str_eq(target, WEIR_S("*"))) {
        h->form = WEIR_HTTP_ASTERISK;
        return h->method == WEIR_HTTP_OPTIONS ? 0 : WEIR_H2_EPATH;
    }
    if (target.len == 0 || target.ptr[0] != '/')
        return WEIR_H2_EPATH;
    for (size_t i = 0; i < target.len; i++) {
        if (!weir__http_byte_is(target.ptr[i], WEIR_BYTE_TARGET))
            return WEIR_H2_EPATH;
    }
    const char *mark = memchr(target.ptr, '?', target.len);
    size_t len = mark != NULL ? (size_t)(mark - target.ptr) : target.len;
    h->form = WEIR_HTTP_ORIGIN;
    h->path = (struct weir__http_span){h->target.off, (uint16_t)len};
    h->has_query = mark != NULL;
    if (mark != NULL)
        h->query = (struct weir__http_span){(uint16_t)(h->target.off + len + 1),
                                            (uint16_t)(target.len - len - 1)};
    weir_str path = {target.ptr, len};
    h->path_is_plain = memchr(path.ptr, '%', path.len) == NULL;
    return check_path(path);
}

/* CONNECT has an authority with a port and nothing else: section 8.5. */
static int decide_connect(struct weir__h2_fields *f)
{
    if (f->pseudo != (PSEUDO_METHOD | PSEUDO_AUTHORITY))
        return WEIR_H2_ECONNECT;
    f->head->form = WEIR_HTTP_AUTHORITY;
    f->head->target = f->authority;
    int err = decide_authority(f);
    return err == 0 && !f->head->has_port ? WEIR_H2_ECONNECT : err;
}

static int decide_target(struct weir__h2_fields *f)
{
    if ((f->pseudo & PSEUDO_METHOD) == 0)
        return WEIR_H2_EPSEUDOMISSING;
    if (f->head->method == WEIR_HTTP_CONNECT)
        return decide_connect(f);
    if ((f->pseudo & PSEUDO_SCHEME) == 0 || (f->pseudo & PSEUDO_PATH) == 0)
        return WEIR_H2_EPSEUDOMISSING;
    int err = decide_scheme(f);
    if (err == 0)
        err = decide_path(f);
    return err == 0 ? decide_authority(f) : err;
}

/* --- the body --------------------------------------------------------------------------------- */

/* 1*DIGIT, at most 63 bits. */
static int read_length(weir_str s, uint64_t *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';
        if (digit > 9 || n > ((uint64_t)INT64_MAX - digit) / 10)
            return WEIR_H2_ELENGTH;
        n = n * 10 + digit;
    }
    *out = n;
    return s.len > 0 ? 0 : WEIR_H2_ELENGTH;
}

static int decide_body(struct weir__h2_fields *f, bool is_end)
{
    struct weir__http_head *h = f->head;
    h->body = is_end ? WEIR_HTTP_BODY_NONE : WEIR_HTTP_BODY_UNSIZED;
    if (h->slots[WEIR_FIELD_CONTENT_LENGTH] == 0)
        return 0;
    weir_str value = weir__http_head_field(h, f->bytes, WEIR_FIELD_CONTENT_LENGTH);
    int err = read_length(value, &h->content_length);
    if (err != 0)
        return err;
    h->body = WEIR_HTTP_BODY_LENGTH;
    return is_end && h->content_length > 0 ? WEIR_H2_ELENGTHDIFFERS : 0;
}

/* 100-continue is the only expectation there is (RFC 9110 section 10.1.1). */
static int decide_expect(struct weir__h2_fields *f, bool is_end)
{
    bool is_expected = false;
    for (unsigned i = 0; i < f->head->nfields; i++) {
        if (f->head->fields[i].id != WEIR_FIELD_EXPECT)
            continue;
        weir_str list = weir__http_head_value(f->head, f->bytes, i), element;
        while (weir__http_list_next(&list, &element)) {
            if (!weir_str_ieq(element, WEIR_S("100-continue")))
                return WEIR_H2_EEXPECT;
            is_expected = true;
        }
    }
    f->head->expect_continue = is_expected && !is_end;
    return 0;
}

/* --- cookies ---------------------------------------------------------------------------------- */

/* Takes all lines of Cookie but the first out; slots of what moves follow. */
static void drop_crumbs(struct weir__http_head *h)
{
    unsigned first = h->slots[WEIR_FIELD_COOKIE] - 1u, kept = first + 1;
    WEIR_ASSERT(first < h->nfields, "H2: crumbs have a first");
    for (unsigned i = first + 1; i < h->nfields; i++) {
        unsigned id = h->fields[i].id;
        if (id == WEIR_FIELD_COOKIE)
            continue;
        if (h->slots[id] == i + 1)
            h->slots[id] = (uint8_t)(kept + 1);
        h->fields[kept++] = h->fields[i];
    }
    h->nfields = (uint8_t)kept;
}

/* Crumbs become one line, with "; " between those in which there is something. */
static int join_crumbs(struct weir__h2_fields *f)
{
    struct weir__http_head *h = f->head;
    size_t all = 0;
    if (f->crumbs < 2)
        return 0;
    for (unsigned i = 0; i < h->nfields; i++)
        all += h->fields[i].id == WEIR_FIELD_COOKIE ? h->fields[i].value.len + 2u : 0;
    if (!make_room(f, all))
        return WEIR_H2_ENOMEM;
    uint32_t from = f->len;
    for (unsigned i = 0; i < h->nfields; i++) {
        if (h->fields[i].id != WEIR_FIELD_COOKIE || h->fields[i].value.len == 0)
            continue;
        if (f->len > from)
            put(f, WEIR_S("; "));
        put(f, text(f, h->fields[i].value));
    }
    WEIR_ASSERT(f->len - from <= all, "H2: as much is joined as there was room made for");
    h->fields[h->slots[WEIR_FIELD_COOKIE] - 1].value =
        (struct weir__http_span){(uint16_t)from, (uint16_t)(f->len - from)};
    drop_crumbs(h);
    return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

static int decide(struct weir__h2_fields *f, bool is_end)
{
    int err = decide_target(f);
    if (err == 0)
        err = decide_body(f, is_end);
    if (err == 0)
        err = join_crumbs(f);
    return err == 0 ? decide_expect(f, is_end) : err;
}

int weir__h2_fields_end(struct weir__h2_fields *f, bool is_end)
{
    WEIR_ASSERT(!f->is_response && f->len <= f->cap,
                "H2: a request's fields are ended as such, and are within their room");
    if (f->err == 0 && f->head != NULL)
        fail(f, decide(f, is_end));
    return f->err;
}

/* What is told of a length where no body comes is not held against it. */
static int decide_response(struct weir__h2_fields *f, bool is_end, bool is_bodiless)
{
    struct weir__http_head *h = f->head;
    if (f->status == 0)
        return WEIR_H2_ESTATUS;
    is_bodiless = is_bodiless || f->status < 200 || f->status == 204 || f->status == 304;
    if (f->status < 200 && is_end)
        return WEIR_H2_ESTATUS; /* more has to come: section 8.1 */
    int err = decide_body(f, is_end && !is_bodiless);
    if (is_bodiless)
        h->body = WEIR_HTTP_BODY_NONE;
    return err;
}

int weir__h2_fields_end_response(struct weir__h2_fields *f, bool is_end, bool is_bodiless)
{
    WEIR_ASSERT(f->is_response, "H2: a response's fields are ended as such");
    if (f->err == 0)
        fail(f, decide_response(f, is_end, is_bodiless));
    return f->err;
}

void weir__h2_fields_fini(struct weir__h2_fields *f)
{
    weir__free(f->own);
    f->own = f->bytes = NULL;
    f->len = f->cap = 0;
}

/* --- errors ----------------------------------------------------------------------------------- */

struct error_info {
    int status;
    const char *text;
};

#define WEIR_ERROR(name) [WEIR_H2_##name - WEIR_H2_EPSEUDOLATE]

static const struct error_info errors[WEIR_H2_FIELDS_ERROR_END - WEIR_H2_EPSEUDOLATE] = {
    WEIR_ERROR(EPSEUDOLATE) = {0, "a pseudo-field behind other fields"},
    WEIR_ERROR(EPSEUDOTWICE) = {0, "a pseudo-field twice"},
    WEIR_ERROR(EPSEUDOUNKNOWN) = {0, "an unknown pseudo-field"},
    WEIR_ERROR(EPSEUDOMISSING) = {0, "a request without :method, :scheme or :path"},
    WEIR_ERROR(EPSEUDOINTRAILER) = {0, "a pseudo-field among the trailers"},
    WEIR_ERROR(ECONNECT) = {0, "CONNECT with more or less than an :authority with a port"},
    WEIR_ERROR(ENAME) = {0, "a character in a field name that is not allowed there"},
    WEIR_ERROR(EUPPERCASE) = {0, "an upper-case letter in a field name"},
    WEIR_ERROR(EVALUE) = {0, "a character in a field value that is not allowed there"},
    WEIR_ERROR(ECONNECTION) = {0, "a field that is about an HTTP/1 connection"},
    WEIR_ERROR(ETE) = {0, "TE with another value than trailers"},
    WEIR_ERROR(EMETHOD) = {0, "a :method that is no token"},
    WEIR_ERROR(ESCHEME) = {0, "a :scheme other than http and https"},
    WEIR_ERROR(EAUTHORITY) = {0, "a malformed :authority"},
    WEIR_ERROR(ENOAUTHORITY) = {0, "neither :authority nor host"},
    WEIR_ERROR(EHOST) = {0, "a malformed host field"},
    WEIR_ERROR(EHOSTTWICE) = {0, "more than one host field"},
    WEIR_ERROR(EHOSTDIFFERS) = {0, "a host field that is not the :authority"},
    WEIR_ERROR(EPATH) = {0, "a :path that is none for the method"},
    WEIR_ERROR(ELENGTHTWICE) = {0, "more than one content-length field"},
    WEIR_ERROR(ELENGTH) = {0, "a malformed content-length field"},
    WEIR_ERROR(ELENGTHDIFFERS) = {0, "a content-length without a body"},
    WEIR_ERROR(ESTATUS) = {0, "no :status of three digits, or an interim one at the end"},
    WEIR_ERROR(EPATHPERCENT) = {400, "percent sign without two hex digits in the path"},
    WEIR_ERROR(EPATHNUL) = {400, "encoded NUL in the path"},
    WEIR_ERROR(EPATHDOTS) = {400, "dot segment in the path"},
    WEIR_ERROR(EPATHLONG) = {414, "the path is too long"},
    WEIR_ERROR(EEXPECT) = {417, "an expectation other than 100-continue"},
    WEIR_ERROR(ELONG) = {431, "the request's fields are too long"},
    WEIR_ERROR(EMANY) = {431, "too many fields"},
    WEIR_ERROR(ENOMEM) = {503, "the service is out of room"},
};

static const struct error_info *error_info(int err)
{
    static const struct error_info unknown = {0, "a malformed request"};
    if (err < WEIR_H2_EPSEUDOLATE || err >= WEIR_H2_FIELDS_ERROR_END)
        return &unknown;
    return &errors[err - WEIR_H2_EPSEUDOLATE];
}

int weir__h2_fields_status(int err)
{
    return error_info(err)->status;
}

const char *weir__h2_fields_text(int err)
{
    return error_info(err)->text;
}
