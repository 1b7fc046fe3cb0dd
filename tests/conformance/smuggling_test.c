/*
 * Request smuggling: bytes in which two servers see two requests in different places. Each row
 * holds a request for /smuggled where some server or other has once seen one; here it must be the
 * body of the request before it, or never be looked at, because the connection is over.
 *
 * The rows of section 6 and 7 in message_test.c say what is malformed; these say what would happen.
 */
#include "conformance.h"

#define HIDDEN "GET /smuggled HTTP/1.1\r\nHost: a\r\nX: y" /* 37 bytes, and no end of its head */
#define WHOLE "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"  /* 35 bytes */
#define ZERO "0\r\n\r\n"
#define TE "Transfer-Encoding: "
#define CL "Content-Length: "

/* --- a length and a coding -------------------------------------------------------------------- */

static const struct rule length_or_coding[] = {
    RULE("CL.TE", "the front takes the length, the back the coding",
         POST("/echo") CL "42\r\n" TE "chunked\r\n\r\n" ZERO HIDDEN, "400", CLOSED),
    RULE("TE.CL", "the front takes the coding, the back the length",
         POST("/echo") CL "4\r\n" TE "chunked\r\n\r\n23\r\n" WHOLE "\r\n" ZERO, "400", CLOSED),
    RULE("TE.TE", "two codings", POST("/echo") TE "chunked\r\n" TE "x\r\n\r\n" ZERO WHOLE, "400",
         CLOSED),
    RULE("TE.TE", "a coding in the other order",
         POST("/echo") TE "x\r\n" TE "chunked\r\n\r\n" ZERO WHOLE, "400", CLOSED),
    RULE("CL.CL", "two lengths", POST("/echo") CL "0\r\n" CL "35\r\n\r\n" WHOLE, "400", CLOSED),
    RULE("CL.CL", "two lengths in one", POST("/echo") CL "0, 35\r\n\r\n" WHOLE, "400", CLOSED),
    RULE("CL.0", "a length on a route that reads nothing", POST("/hello") CL "35\r\n\r\n" WHOLE,
         "200", KEPT),
    RULE("CL.0", "a length on a GET", GET("/hello") CL "35\r\n\r\n" WHOLE, "200", KEPT),
    RULE("CL.0", "a length at a path that is not there", POST("/nowhere") CL "35\r\n\r\n" WHOLE,
         "404", KEPT),
    RULE("CL.0", "a length on a redirect", POST("/hello/") CL "35\r\n\r\n" WHOLE, "308", KEPT),
    RULE("TE.0", "chunks on a route that reads nothing",
         POST("/hello") CHUNKED "23\r\n" WHOLE "\r\n" ZERO, "200", KEPT),
    RULE("TE.0", "chunks on OPTIONS",
         "OPTIONS /hello HTTP/1.1\r\nHost: a\r\n" CHUNKED "23\r\n" WHOLE "\r\n" ZERO, "204", KEPT),
    RULE("TE.0", "chunks on HEAD", HEAD("/hello") CHUNKED "23\r\n" WHOLE "\r\n" ZERO, "200h", KEPT),
    RULE("1.0", "a coding that 1.0 does not have",
         "POST /echo HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n" CHUNKED ZERO WHOLE, "400",
         CLOSED),
    RULE("1.0", "a coding beside a length in 1.0",
         "POST /echo HTTP/1.0\r\nHost: a\r\n" CL "40\r\n" CHUNKED ZERO WHOLE, "400", CLOSED),
};

/* --- a coding that one reader does not see ---------------------------------------------------- */

/* If the coding is not seen, there is no body, and the chunk's data is a request. */
#define UNSEEN(line) POST("/echo") line "\r\n\r\n" ZERO WHOLE
#define UNSEEN_LENGTH(line) POST("/echo") CL "40\r\n" line "\r\n\r\n" ZERO WHOLE

static const struct rule hidden_coding[] = {
    RULE("obfuscated TE", "a blank before the colon", UNSEEN("Transfer-Encoding : chunked"), "400",
         CLOSED),
    RULE("obfuscated TE", "a tab before the colon", UNSEEN("Transfer-Encoding\t: chunked"), "400",
         CLOSED),
    RULE("obfuscated TE", "a blank before the name", UNSEEN(" Transfer-Encoding: chunked"), "400",
         CLOSED),
    RULE("obfuscated TE", "a folded value", UNSEEN("Transfer-Encoding:\r\n chunked"), "400",
         CLOSED),
    RULE("obfuscated TE", "behind a folded line", UNSEEN("X: y\r\n Transfer-Encoding: chunked"),
         "400", CLOSED),
    RULE("obfuscated TE", "behind a bare LF", UNSEEN("X: y\nTransfer-Encoding: chunked"), "400",
         CLOSED),
    RULE("obfuscated TE", "behind a bare CR", UNSEEN("X: y\rTransfer-Encoding: chunked"), "400",
         CLOSED),
    RULE("obfuscated TE", "behind NUL", UNSEEN("X: y\0\r\nTransfer-Encoding: chunked"), "400",
         CLOSED),
    RULE("obfuscated TE", "a tab before the value", UNSEEN("Transfer-Encoding:\tchunked"), "400",
         CLOSED),
    RULE("obfuscated TE", "a tab behind the value", UNSEEN("Transfer-Encoding: chunked\t"), "400",
         CLOSED),
    RULE("obfuscated TE", "a vertical tab", UNSEEN("Transfer-Encoding: \vchunked"), "400", CLOSED),
    RULE("obfuscated TE", "a form feed", UNSEEN("Transfer-Encoding: chunked\f"), "400", CLOSED),
    RULE("obfuscated TE", "a no-break space",
         UNSEEN("Transfer-Encoding: \xa0"
                "chunked"),
         "400", CLOSED),
    RULE("obfuscated TE", "quotes", UNSEEN("Transfer-Encoding: \"chunked\""), "400", CLOSED),
    RULE("obfuscated TE", "apostrophes", UNSEEN("Transfer-Encoding: 'chunked'"), "400", CLOSED),
    RULE("obfuscated TE", "a parameter", UNSEEN("Transfer-Encoding: chunked; q=1"), "400", CLOSED),
    RULE("obfuscated TE", "a comma behind it", UNSEEN_LENGTH("Transfer-Encoding: chunked,"), "400",
         CLOSED),
    RULE("obfuscated TE", "an empty coding before it",
         UNSEEN_LENGTH("Transfer-Encoding: , chunked"), "400", CLOSED),
    RULE("obfuscated TE", "identity before it", UNSEEN("Transfer-Encoding: identity, chunked"),
         "501", CLOSED),
    RULE("obfuscated TE", "identity behind it", UNSEEN("Transfer-Encoding: chunked, identity"),
         "400", CLOSED),
    RULE("obfuscated TE", "chunked twice", UNSEEN("Transfer-Encoding: chunked, chunked"), "400",
         CLOSED),
    RULE("obfuscated TE", "a letter more", UNSEEN("Transfer-Encoding: chunkedx"), "400", CLOSED),
    RULE("obfuscated TE", "a name with a dash more: nobody's, so no body",
         POST("/echo") "Transfer-Encoding-: chunked\r\n\r\n", "200", KEPT),
    RULE("obfuscated TE", "a name with a low line: nobody's, so no body",
         POST("/echo") "Transfer_Encoding: chunked\r\n\r\n", "200", KEPT),
    RULE("obfuscated TE", "a length, and a coding whose name is nobody's: the length counts",
         UNSEEN_LENGTH("Transfer_Encoding: chunked"), "200", KEPT),
    RULE("obfuscated TE", "a length, and a coding that is not chunked",
         UNSEEN_LENGTH("Transfer-Encoding: x"), "400", CLOSED),
    RULE("obfuscated TE", "a length, and an empty coding", UNSEEN_LENGTH("Transfer-Encoding:"),
         "400", CLOSED),
};

/* --- a length that one reader does not see, or reads otherwise -------------------------------- */

static const struct rule hidden_length[] = {
    RULE("obfuscated CL", "a blank before the colon",
         POST("/echo") "Content-Length : 35\r\n\r\n" WHOLE, "400", CLOSED),
    RULE("obfuscated CL", "a folded value", POST("/echo") "Content-Length:\r\n 35\r\n\r\n" WHOLE,
         "400", CLOSED),
    RULE("obfuscated CL", "a value that goes on",
         POST("/echo") "Content-Length: 3\r\n 5\r\n\r\n" WHOLE, "400", CLOSED),
    RULE("obfuscated CL", "a tab before the value",
         POST("/echo") "Content-Length:\t35\r\n\r\n" WHOLE, "200", KEPT),
    RULE("obfuscated CL", "a plus", POST("/echo") CL "+35\r\n\r\n" WHOLE, "400", CLOSED),
    RULE("obfuscated CL", "a minus", POST("/echo") CL "-35\r\n\r\n" WHOLE, "400", CLOSED),
    RULE("obfuscated CL", "an octal number that is none: decimal",
         POST("/echo") CL "043\r\n\r\n" WHOLE "01234567", "200", KEPT),
    RULE("obfuscated CL", "hexadecimal", POST("/echo") CL "0x23\r\n\r\n" WHOLE, "400", CLOSED),
    RULE("obfuscated CL", "over 64 bits, 35 in them",
         POST("/echo") CL "18446744073709551651\r\n\r\n" WHOLE, "400", CLOSED),
    RULE("obfuscated CL", "over 32 bits, 35 in them: as long as it says",
         POST("/echo") CL "4294967331\r\n\r\n" WHOLE, "413", CLOSED),
    RULE("obfuscated CL", "a name with a low line: nobody's, so no body",
         POST("/echo") "Content_Length: 35\r\n\r\n", "200", KEPT),
};

/* --- chunks that two readers read otherwise --------------------------------------------------- */

#define C(bytes) POST("/echo") CHUNKED bytes

static const struct rule odd_chunks[] = {
    RULE("TERM.EXT", "a bare LF ends an extension for one of them",
         C("2;\nxx\r\n25\r\n" ZERO "GET /smuggled HTTP/1.1\r\n\r\n" ZERO), "400", CLOSED),
    RULE("EXT.TERM", "a bare LF in an extension", C("2;a=\nxx\r\n0\r\n\r\n" WHOLE), "400", CLOSED),
    RULE("TERM.SPILL", "two bytes behind the data that are no CRLF",
         C("5\r\nAAAAAXX2\r\n25\r\n" ZERO WHOLE), "400", CLOSED),
    RULE("SPILL.TERM", "an LF alone behind the data", C("5\r\nAAAAA\n0\r\n\r\n" WHOLE), "400",
         CLOSED),
    RULE("chunk size", "it would wrap to 0", C("10000000000000000\r\n\r\n" WHOLE), "400", CLOSED),
    RULE("chunk size", "it would wrap to 0 in 32 bits: as large as it says",
         C("100000000\r\n\r\n" WHOLE), "", WAITS),
    RULE("chunk size", "it is cut at what is no digit", C("0x\r\n\r\n" WHOLE), "400", CLOSED),
    RULE("chunk size", "blanks before it", C("  0\r\n\r\n" WHOLE), "400", CLOSED),
    RULE("chunk size", "a sign before it", C("-0\r\n\r\n" WHOLE), "400", CLOSED),
    RULE("last chunk", "something behind it that is no trailer",
         C("0\r\nGET /smuggled HTTP/1.1\r\n\r\n"), "400", CLOSED),
    RULE("last chunk", "a trailer that looks like a head",
         C("0\r\nHost: b\r\nContent-Length: 35\r\n\r\n"), "200", KEPT),
    RULE("last chunk", "one CRLF too few", C("0\r\n" WHOLE), "400", CLOSED),
};

/* --- what ends a request too early ------------------------------------------------------------ */

static const struct rule early_ends[] = {
    RULE("bare LF", "a head that ends in LF LF for one of them",
         GET("/hello") "X: y\n\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", "400", CLOSED),
    RULE("bare CR", "a head that ends in CR CR for one of them",
         GET("/hello") "X: y\r\rGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", "400", CLOSED),
    RULE("bare LF", "in the target", "GET /hello\n/smuggled HTTP/1.1\r\nHost: a\r\n\r\n", "400",
         CLOSED),
    RULE("0.9", "an answer without a head, and a request behind it", "GET /hello\r\n" WHOLE, "505",
         CLOSED),
    RULE("after close", "what comes behind the last request",
         GET("/hello") "Connection: close\r\n\r\n" WHOLE, "200", CLOSED),
    RULE("after close", "what comes behind one of 1.0", "GET /hello HTTP/1.0\r\n\r\n" WHOLE, "200",
         CLOSED),
    RULE("after an error", "what comes behind what is malformed", "G(T / HTTP/1.1\r\n\r\n" WHOLE,
         "400", CLOSED),
    RULE("expect", "the body of who was not told to send it",
         POST("/hello") "Expect: a pony\r\n" CL "35\r\n\r\n" WHOLE, "417", CLOSED),
    RULE("expect", "a 100 that nobody sent does not make the body a request",
         POST("/hello") "Expect: 100-continue\r\n" CL "35\r\n\r\n" WHOLE, "200", EITHER),
    RULE("expect", "nor when there is nothing at the path",
         POST("/nowhere") "Expect: 100-continue\r\n" CHUNKED "23\r\n" WHOLE "\r\n" ZERO, "404",
         EITHER),
    RULE("upgrade", "h2c with a body",
         POST("/hello") "Connection: Upgrade\r\nUpgrade: h2c\r\n" CL "35\r\n\r\n" WHOLE, "200",
         KEPT),
    RULE("connect", "a tunnel that was not granted",
         "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n" CL "35\r\n\r\n" WHOLE, "501", KEPT),
    RULE("too large", "what comes behind a body that is refused",
         POST("/echo") CL "99999999999\r\n\r\n" WHOLE, "413", CLOSED),
    RULE("host", "two hosts", "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" WHOLE, "400",
         CLOSED),
    RULE("host", "a host in the target that is another",
         "GET http://b/hello HTTP/1.1\r\nHost: a\r\n\r\n", "200", KEPT),
};

TABLE_TEST(length_or_coding)
TABLE_TEST(hidden_coding)
TABLE_TEST(hidden_length)
TABLE_TEST(odd_chunks)
TABLE_TEST(early_ends)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_length_or_coding), cmocka_unit_test(test_hidden_coding),
        cmocka_unit_test(test_hidden_length),    cmocka_unit_test(test_odd_chunks),
        cmocka_unit_test(test_early_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
