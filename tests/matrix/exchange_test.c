/* The matrix: the two halves of the exchange itself. */
#include "http/h1/h1.h"
#include "http/h2/h2.h"
#include "matrix.h"

static const struct weir__exchange *exchange(weir_ctx *c)
{
    return weir__ctx_of(c)->exchange;
}

/* --- a body of which half has come ------------------------------------------------------------ */

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static weir_err take_body(weir_ctx *c, struct cell *cell)
{
    char bytes[20];
    ssize_t n = weir_body_read(c, bytes, sizeof bytes);
    cell->note = n;
    return n < 0 ? (weir_err)n : WEIR_OK;
}

static bool is_body_open(weir_ctx *c, struct cell *cell)
{
    const struct weir__exchange *x = exchange(c);
    bool is_half = over_is(OVER_H2) ? !weir__h2_x(x)->is_body_whole && weir__h2_x(x)->in.at == 20
                                    : weir__h1_x(x)->body_left == 180;
    return cell->note == 20 && x->body_state == WEIR__BODY_COMING && is_half;
}

static weir_err wait_for_body(weir_ctx *c, struct cell *cell)
{
    char bytes[64];
    ssize_t n = 1;
    (void)cell;
    while (n > 0)
        n = weir_body_read(c, bytes, sizeof bytes);
    return (weir_err)n;
}

/* --- a response of which half has left -------------------------------------------------------- */

static weir_err take_response(weir_ctx *c, struct cell *cell)
{
    weir_stream *out = weir_stream_begin(c, 200, "text/plain");
    cell->held = out;
    (void)weir_stream_write(out, WEIR_S("half of it\n"));
    return weir_stream_flush(out);
}

static bool is_response_open(weir_ctx *c, struct cell *cell)
{
    const struct weir__exchange *x = exchange(c);
    bool has_left =
        over_is(OVER_H2) ? weir__h2_x(x)->is_submitted : weir__h1_x(x)->out_from == WEIR__H1_LEFT;
    (void)cell;
    return x->response == WEIR__RESPONSE_OPEN && x->bytes_out == 11 && has_left;
}

static const struct resource resources[] = {
    RESOURCE("request half read", take_body, .is_held = is_body_open, .wait = wait_for_body,
             .body = HUNDRED),
    RESOURCE("response half written", take_response, .is_held = is_response_open,
             .is_answer = true),
};

int main(void)
{
    return MATRIX(resources);
}
