/*
 * Forms (multipart/form-data, RFC 7578) as bodies: parts of bytes and of files. The length of all
 * of it is known before the first byte is sent, so it is told, and no chunk is needed; what is in
 * memory is a piece of a file and the lines before a part.
 *
 * The one hard thing is the file that changes meanwhile. What was told is what is sent: of one that
 * has grown the rest stays, and one that has shrunk breaks the request off. It is read by position,
 * so that a retry sends the same, and the program's own place in it stays.
 *
 * Owns the piece while it sends. Context: the exchange's fiber; waits for disk and peer.
 */
#include "http/client/client.h"

#include <string.h>

#include "base/alloc.h"
#include "rt/scope.h"
#include "wire/multipart_write.h"

#define PARTS_MAX 1000
#define PIECE_BYTES 16384
#define HEAD_BYTES_MAX 65536

struct weir__client_form {
    struct weir__multipart writer;
    char type[WEIR__MULTIPART_TYPE_LEN];
    uint64_t len;
    size_t count;
    const weir_http_part *parts; /* the call's */
    struct weir__multipart_part *heads;
    uint64_t *sizes;
};

uint64_t weir__client_form_len(const struct weir__client_form *form)
{
    return form->len;
}

weir_str weir__client_form_type(const struct weir__client_form *form)
{
    return (weir_str){form->type, sizeof form->type};
}

/* --- making ----------------------------------------------------------------------------------- */

static weir_str or_absent(const char *text)
{
    return text != NULL ? weir_str_from(text) : (weir_str){NULL, 0};
}

static weir_err refuse_part(weir_reply *r, const weir_http_part *p, weir_err err, const char *why)
{
    return weir__client_fail(r, err, "the part \"%.60s\": %s", p->name, why);
}

static weir_err measure(weir_reply *r, struct weir__client_form *form, size_t i)
{
    const weir_http_part *p = &form->parts[i];
    uint64_t whole;
    form->heads[i] = (struct weir__multipart_part){.name = weir_str_from(p->name),
                                                   .filename = or_absent(p->filename),
                                                   .content_type = or_absent(p->type)};
    form->sizes[i] = p->body.len;
    if (p->file != NULL && p->body.len > 0)
        return refuse_part(r, p, WEIR_EINVALID, "it has a .body and a .file");
    int64_t size = p->file != NULL ? weir_file_size(weir__ctx_handle(r->c), p->file) : 0;
    if (size < 0)
        return refuse_part(r, p, (weir_err)size, weir_strerror((weir_err)size));
    if (p->file != NULL)
        form->sizes[i] = (uint64_t)size;
    if (weir__multipart_length(&form->heads[i], &form->sizes[i], 1, &whole) != WEIR_OK)
        return refuse_part(r, p, WEIR_EINVALID, "its name is empty, or its type may not be sent");
    return WEIR_OK;
}

static struct weir__client_form *allocate(const weir_reply *r, size_t count)
{
    size_t each = sizeof(struct weir__multipart_part) + sizeof(uint64_t);
    struct weir__client_form *form = weir__ctx_object(r->c, sizeof *form + count * each);
    if (form == NULL)
        return NULL;
    form->parts = r->call->parts;
    form->count = count;
    form->heads = (struct weir__multipart_part *)(form + 1);
    form->sizes = (uint64_t *)(form->heads + count);
    return form;
}

weir_err weir__client_form_new(weir_reply *r)
{
    const weir_http_call_options *o = r->call;
    size_t count = 0;
    while (count <= PARTS_MAX && o->parts[count].name != NULL)
        count++;
    if (count > PARTS_MAX)
        return weir__client_fail(r, WEIR_EINVALID, "more than %d parts", PARTS_MAX);
    if (o->body.len > 0 || o->model != NULL || o->pack != NULL)
        return weir__client_fail(r, WEIR_EINVALID,
                                 "there are .parts, and beside them a .body, .model or .pack");
    struct weir__client_form *form = allocate(r, count);
    if (form == NULL)
        return weir__client_fail(r, weir__client_no_memory(r), "%s", weir_strerror(-ENOMEM));
    weir__multipart_init(&form->writer);
    weir__multipart_type(&form->writer, form->type);
    for (size_t i = 0; i < count; i++) {
        weir_err err = measure(r, form, i);
        if (err != WEIR_OK)
            return err;
    }
    if (weir__multipart_length(form->heads, form->sizes, count, &form->len) != WEIR_OK)
        return weir__client_fail(r, WEIR_ETOOLARGE, "the parts are over 2^63 bytes");
    r->form = form;
    return WEIR_OK;
}

/* --- sending ---------------------------------------------------------------------------------- */

static weir_err put(weir_reply *r, const void *bytes, size_t size)
{
    return size > 0 ? r->conn->transport->write(r, bytes, size) : WEIR_OK;
}

static weir_err put_file(weir_reply *r, const weir_http_part *p, uint64_t size, char *piece)
{
    for (uint64_t at = 0; at < size;) {
        size_t want = size - at < PIECE_BYTES ? (size_t)(size - at) : PIECE_BYTES;
        ssize_t n = weir_file_pread(weir__ctx_handle(r->c), p->file, piece, want, at);
        if (n < 0)
            return refuse_part(r, p, (weir_err)n, weir_strerror((weir_err)n));
        if (n == 0)
            return refuse_part(r, p, WEIR_EINVALID, "its file has become shorter");
        weir_err err = put(r, piece, (size_t)n);
        if (err != WEIR_OK)
            return err;
        at += (uint64_t)n;
    }
    return WEIR_OK;
}

static weir_err put_parts(weir_reply *r, struct weir__client_form *form, weir_buf *line,
                          char *piece)
{
    weir_err err = WEIR_OK;
    form->writer.has_part = form->writer.is_over = false; /* it may have been sent before */
    for (size_t i = 0; i < form->count && err == WEIR_OK; i++) {
        const weir_http_part *p = &form->parts[i];
        line->len = 0;
        err = weir__multipart_part(&form->writer, &form->heads[i], line);
        if (err == WEIR_OK)
            err = put(r, line->ptr, line->len);
        if (err == WEIR_OK)
            err = p->file != NULL ? put_file(r, p, form->sizes[i], piece)
                                  : put(r, p->body.ptr, p->body.len);
    }
    line->len = 0;
    if (err == WEIR_OK)
        err = weir__multipart_end(&form->writer, line);
    return err == WEIR_OK ? put(r, line->ptr, line->len) : err;
}

weir_err weir__client_form_send(weir_reply *r)
{
    weir_buf line;
    char *piece = weir__malloc(PIECE_BYTES);
    if (piece == NULL)
        return -ENOMEM;
    weir_buf_init(&line, HEAD_BYTES_MAX);
    weir_err err = put_parts(r, r->form, &line, piece);
    weir_buf_fini(&line);
    weir__free(piece);
    return err == WEIR_OK ? r->conn->transport->end(r) : err;
}
