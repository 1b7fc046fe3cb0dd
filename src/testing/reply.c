/*
 * A response as a careful client reads it: the head is looked at once it is whole, then the body's
 * framing says when that is. A connection that ends where more was announced is a cut; one that
 * says what is no HTTP is a mistake.
 *
 * Its memory is the C library's, not that of the heap's door (T2).
 */
#include "testing/testing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"

static void keep(char **to, size_t *len, size_t *cap, const char *bytes, size_t n)
{
    if (*len + n + 1 > *cap) {
        *cap = (*len + n + 1) * 2;
        *to = realloc(*to, *cap);
        WEIR_ASSERT(*to != NULL, "there is memory for a test's reply");
    }
    memcpy(*to + *len, bytes, n);
    *len += n;
    (*to)[*len] = '\0';
}

/* --- the head ----------------------------------------------------------------------------- */

/* The next line of a head, without its end; absent after the last one. */
static weir_str next_line(weir_str *rest)
{
    const char *end = rest->len > 0 ? memmem(rest->ptr, rest->len, "\r\n", 2) : NULL;
    if (end == NULL)
        return (weir_str){NULL, 0};
    weir_str line = {rest->ptr, (size_t)(end - rest->ptr)};
    *rest = (weir_str){end + 2, rest->len - line.len - 2};
    return line;
}

static weir_str find(weir_str head, const char *name)
{
    size_t n = strlen(name);
    (void)next_line(&head);
    for (weir_str line; (line = next_line(&head)).ptr != NULL;) {
        if (line.len > n && line.ptr[n] == ':' && strncasecmp(line.ptr, name, n) == 0)
            return weir_str_trim((weir_str){line.ptr + n + 1, line.len - n - 1});
    }
    return (weir_str){NULL, 0};
}

weir_str weir_test_header(const weir_test_reply *r, const char *name)
{
    return find(r->head, name);
}

static int status_of(weir_str line)
{
    int64_t status = 0;
    if (line.len < 12 || memcmp(line.ptr, "HTTP/1.", 7) != 0 || line.ptr[8] != ' ' ||
        weir_str_i64((weir_str){line.ptr + 9, 3}, &status) < 0)
        return 0;
    return (int)status;
}

/* Interim responses are passed, but for 101; false when that was one, or nothing is there yet. */
static bool take_head(struct weir__reply *r)
{
    char *end = memmem(r->bytes + r->at, r->len - r->at, "\r\n\r\n", 4);
    if (end == NULL)
        return false;
    weir_str head = {r->bytes + r->at, (size_t)(end + 4 - r->bytes) - r->at};
    weir_str rest = head, length = find(head, "Content-Length");
    r->status = status_of(next_line(&rest));
    int64_t n = 0;
    if (r->status < 100 || (length.ptr != NULL && (weir_str_i64(length, &n) < 0 || n < 0))) {
        r->mistake = "this is no HTTP response";
        return false;
    }
    if (r->status < 200 && r->status != 101) {
        r->at += head.len;
        return take_head(r);
    }
    /* What was before is of no interest: the head begins the bytes. */
    memmove(r->bytes, head.ptr, r->len - r->at + 1);
    r->len -= r->at;
    r->head_len = r->at = head.len;
    r->left = (uint64_t)n;
    head.ptr = r->bytes;
    if (r->status == 101)
        r->kind = WEIR__REPLY_REST; /* whatever is spoken from here on */
    else if (r->has_no_body || r->status == 204 || r->status == 304)
        r->kind = WEIR__REPLY_NONE;
    else if (find(head, "Transfer-Encoding").ptr != NULL)
        r->kind = WEIR__REPLY_CHUNKED;
    else
        r->kind = find(head, "Content-Length").ptr != NULL ? WEIR__REPLY_LENGTH : WEIR__REPLY_REST;
    weir__chunked_init(&r->chunked, 0, 0);
    return true;
}

/* --- the body ----------------------------------------------------------------------------- */

static void take_chunks(struct weir__reply *r)
{
    weir_str in = {r->bytes + r->at, r->len - r->at}, out;
    int event;
    while ((event = weir__chunked_next(&r->chunked, &in, &out)) == WEIR_CHUNKED_DATA ||
           event == WEIR_CHUNKED_TRAILER) {
        if (event == WEIR_CHUNKED_DATA)
            keep(&r->body, &r->body_len, &r->body_cap, out.ptr, out.len);
    }
    r->at = r->len - in.len;
    r->is_whole = event == WEIR_CHUNKED_END;
    if (event < 0)
        r->mistake = "the response's chunks are malformed";
}

static void take_body(struct weir__reply *r)
{
    size_t have = r->len - r->at, n = have;
    if (r->kind == WEIR__REPLY_CHUNKED) {
        take_chunks(r);
        return;
    }
    if (r->kind == WEIR__REPLY_NONE)
        n = 0;
    else if (r->kind == WEIR__REPLY_LENGTH && r->left < have)
        n = (size_t)r->left;
    keep(&r->body, &r->body_len, &r->body_cap, r->bytes + r->at, n);
    r->at += n;
    r->left -= r->kind == WEIR__REPLY_LENGTH ? n : 0;
    r->is_whole = r->kind == WEIR__REPLY_NONE || (r->kind == WEIR__REPLY_LENGTH && r->left == 0);
}

void weir__reply_add(struct weir__reply *r, const char *bytes, size_t n)
{
    keep(&r->bytes, &r->len, &r->cap, bytes, n);
    if (r->mistake == NULL && (r->head_len > 0 || take_head(r)) && !r->is_whole)
        take_body(r);
    if (r->is_whole && r->at < r->len)
        r->mistake = "bytes follow the response";
}

void weir__reply_end(struct weir__reply *r, bool was_reset)
{
    r->is_over = true;
    if (r->head_len > 0 && r->kind == WEIR__REPLY_REST && !was_reset)
        r->is_whole = true;
}

void weir__reply_free(struct weir__reply *r)
{
    free(r->bytes);
    free(r->body);
    free(r);
}
