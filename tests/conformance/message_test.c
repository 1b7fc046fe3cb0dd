/*
 * RFC 9112, sections 2 to 8: messages, request lines, fields, bodies, codings. A row for each rule
 * that a server can break; conformance.h says how a row is read and tried. Where we are stricter
 * than the RFC allows a server to be, or asks it to be, the row says "ours", and docs/design/
 * conformance.md why.
 */
#include "conformance.h"

/* --- 2.2 Message parsing ---------------------------------------------------------------------- */

static const struct rule parsing[] = {
    RULE("9112 2.2", "a CRLF before the request line is skipped", "\r\n" HELLO, "200", KEPT),
    RULE("9112 2.2", "so is one behind a body, which old clients sent",
         POST("/echo") "Content-Length: 2\r\n\r\nok\r\n", "200", KEPT, HAS("\r\n\r\nok")),
    RULE("9112 2.2", "but no more than one: ours", "\r\n\r\n" HELLO, "400", CLOSED),
    RULE("9112 2.2", "a bare LF does not end the request line: ours",
         "GET /hello HTTP/1.1\nHost: a\r\n\r\n", "400", CLOSED),
    RULE("9112 2.2", "a bare LF does not end a field line: ours",
         "GET /hello HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "400", CLOSED),
    RULE("9112 2.2", "a bare LF is no blank line: ours", GET("/hello") "\n", "400", CLOSED),
    RULE("9112 2.2", "nothing but LF: ours", "GET /hello HTTP/1.1\nHost: a\n\n", "400", CLOSED),
    RULE("9112 2.2", "a bare CR in the request line", "GET /he\rllo HTTP/1.1\r\nHost: a\r\n\r\n",
         "400", CLOSED),
    RULE("9112 2.2", "a bare CR before the version", "GET /hello\rHTTP/1.1\r\nHost: a\r\n\r\n",
         "400", CLOSED),
    RULE("9112 2.2", "a bare CR in a value", GET("/hello") "X: a\rb\r\n\r\n", "400", CLOSED),
    RULE("9112 2.2", "a bare CR in a name", GET("/hello") "X\rY: a\r\n\r\n", "400", CLOSED),
    RULE("9112 2.2", "two CR before the LF", "GET /hello HTTP/1.1\r\r\nHost: a\r\n\r\n", "400",
         CLOSED),
    RULE("9112 2.2", "CR CR LF is no blank line", GET("/hello") "\r\r\n", "400", CLOSED),
    RULE("9112 2.2", "LF CR is no line end", "GET /hello HTTP/1.1\n\rHost: a\n\r\n\r", "400",
         CLOSED),
    RULE("9112 2.2", "a blank before the first field line",
         "GET /hello HTTP/1.1\r\n Host: a\r\n\r\n", "400", CLOSED),
    RULE("9112 2.2", "a tab before the first field line",
         "GET /hello HTTP/1.1\r\n\tHost: a\r\n\r\n", "400", CLOSED),
    RULE("9112 2.2", "a blank line that is not empty",
         "GET /hello HTTP/1.1\r\nHost: a\r\n \r\n\r\n", "400", CLOSED),
    RULE("9112 2.2", "what is no HTTP at all", "EHLO example.org\r\n", "400", CLOSED),
    RULE("9112 2.2", "TLS at a plain port",
         "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on\r\n\r\n", "400", CLOSED),
    RULE("9112 2.2", "NUL", "\0\0\0\0\0\0\0\0", "400", CLOSED),
    RULE("9112 2.2", "a byte order mark", "\xef\xbb\xbf" HELLO, "400", CLOSED),
};

/* --- 2.3 HTTP version ------------------------------------------------------------------------- */

#define VERSION(v) "GET /hello " v "\r\nHost: a\r\n\r\n"

static const struct rule version[] = {
    RULE("9112 2.3", "1.1 is answered as 1.1", HELLO, "200", KEPT, HAS("HTTP/1.1 200 OK\r\n")),
    RULE("9112 2.3", "1.0 is answered as 1.1 too", VERSION("HTTP/1.0"), "200", CLOSED,
         HAS("HTTP/1.1 200 OK\r\n")),
    RULE("9110 2.5", "a later 1.x is answered as 1.1", VERSION("HTTP/1.2"), "200", KEPT),
    RULE("9110 2.5", "1.9 too", VERSION("HTTP/1.9"), "200", KEPT),
    RULE("9110 15.6.6", "2.0 is not supported", VERSION("HTTP/2.0"), "505", CLOSED),
    RULE("9110 15.6.6", "3.0 is not supported", VERSION("HTTP/3.0"), "505", CLOSED),
    RULE("9110 15.6.6", "0.9 is not supported", VERSION("HTTP/0.9"), "505", CLOSED),
    RULE("9110 15.6.6", "a request of 0.9", "GET /hello\r\n", "505", CLOSED),
#if !WEIR_HTTP2
    RULE("9113 3.4", "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", CLOSED),
#endif
    RULE("9112 2.3", "the name is upper case", VERSION("http/1.1"), "400", CLOSED),
    RULE("9112 2.3", "another name", VERSION("HTCPCP/1.1"), "400", CLOSED),
    RULE("9112 2.3", "two digits before the dot", VERSION("HTTP/01.1"), "400", CLOSED),
    RULE("9112 2.3", "two digits behind the dot", VERSION("HTTP/1.10"), "400", CLOSED),
    RULE("9112 2.3", "three parts", VERSION("HTTP/1.1.1"), "400", CLOSED),
    RULE("9112 2.3", "no minor version", VERSION("HTTP/1."), "400", CLOSED),
    RULE("9112 2.3", "no dot", VERSION("HTTP/1"), "400", CLOSED),
    RULE("9112 2.3", "a comma", VERSION("HTTP/1,1"), "400", CLOSED),
    RULE("9112 2.3", "a blank in it", VERSION("HTTP/ 1.1"), "400", CLOSED),
    RULE("9112 2.3", "a sign", VERSION("HTTP/+1.1"), "400", CLOSED),
    RULE("9112 2.3", "a letter", VERSION("HTTP/1.a"), "400", CLOSED),
    RULE("9112 2.3", "something behind it", VERSION("HTTP/1.1x"), "400", CLOSED),
};

/* --- 3 Request line --------------------------------------------------------------------------- */

static const struct rule request_line[] = {
    RULE("9112 3", "a method, a target, a version", ASK("GET", "/hello"), "200", KEPT),
    RULE("9112 3", "two blanks behind the method: ours", ASK("GET ", "/hello"), "400", CLOSED),
    RULE("9112 3", "two blanks before the version: ours", ASK("GET", "/hello "), "400", CLOSED),
    RULE("9112 3", "a tab instead of a blank: ours", "GET\t/hello HTTP/1.1\r\nHost: a\r\n\r\n",
         "400", CLOSED),
    RULE("9112 3", "a vertical tab instead of a blank: ours",
         "GET /hello\vHTTP/1.1\r\nHost: a\r\n\r\n", "400", CLOSED),
    RULE("9112 3", "a blank before the method: ours", " GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
         "400", CLOSED),
    RULE("9112 3", "a blank behind the version: ours", "GET /hello HTTP/1.1 \r\nHost: a\r\n\r\n",
         "400", CLOSED),
    RULE("9112 3.2", "a blank in the target", ASK("GET", "/hello there"), "400", CLOSED),
    RULE("9112 3", "no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", "400", CLOSED),
    RULE("9112 3", "an empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", "400", CLOSED),
    RULE("9112 3", "no method", "/hello HTTP/1.1\r\nHost: a\r\n\r\n", "400", CLOSED),
    RULE("9112 3", "a version alone", "HTTP/1.1\r\nHost: a\r\n\r\n", "400", CLOSED),
    RULE("9112 3.1", "a method that is no token", ASK("G(T", "/hello"), "400", CLOSED),
    RULE("9112 3.1", "a method with a colon", ASK("GET:", "/hello"), "400", CLOSED),
    RULE("9112 3.1", "methods are case-sensitive", ASK("get", "/hello"), "501", KEPT),
    RULE("9112 3", "a method longer than any",
         ASK("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "/hello"), "501",
         KEPT),
};

/* --- 3.2 Request target, Host ----------------------------------------------------------------- */

#define HOST(value) "GET /hello HTTP/1.1\r\nHost: " value "\r\n\r\n"

static const struct rule target[] = {
    RULE("9112 3.2", "1.1 without Host", "GET /hello HTTP/1.1\r\n\r\n", "400", CLOSED),
    RULE("9112 3.2", "1.0 without Host", "GET /hello HTTP/1.0\r\n\r\n", "200", CLOSED),
    RULE("9112 3.2", "two Hosts", "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400",
         CLOSED),
    RULE("9112 3.2", "two equal Hosts", "GET /hello HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", "400",
         CLOSED),
    RULE("9112 3.2", "two Hosts in 1.0", "GET /hello HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400",
         CLOSED),
    RULE("9112 3.2", "an empty Host", "GET /hello HTTP/1.1\r\nHost:\r\n\r\n", "200", KEPT),
    RULE("9112 3.2", "a name and a port", HOST("example.org:8080"), "200", KEPT),
    RULE("9110 4.2.1", "a port without digits", HOST("example.org:"), "200", KEPT),
    RULE("9112 3.2", "an IPv4 address", HOST("127.0.0.1:80"), "200", KEPT),
    RULE("9112 3.2", "an IPv6 address", HOST("[::1]:80"), "200", KEPT),
    RULE("9112 3.2", "sub-delimiters in Host", HOST("a!$&'()*+,;=b"), "200", KEPT),
    RULE("9112 3.2", "an escape in Host", HOST("%41%7a:80"), "200", KEPT),
    RULE("9112 3.2", "half an escape in Host", HOST("a%4"), "400", CLOSED),
    RULE("9112 3.2", "an escaped NUL in Host: ours", HOST("a%00"), "400", CLOSED),
    RULE("9112 3.2", "a blank in Host", HOST("a b"), "400", CLOSED),
    RULE("9112 3.2", "a list in Host", HOST("a, b"), "400", CLOSED),
    RULE("9112 3.2", "a path in Host", HOST("a/b"), "400", CLOSED),
    RULE("9112 3.2", "a URL in Host", HOST("http://a"), "400", CLOSED),
    RULE("9110 4.2.4", "user information in Host", HOST("me@a"), "400", CLOSED),
    RULE("9112 3.2", "a port that is no number", HOST("a:http"), "400", CLOSED),
    RULE("9112 3.2", "a port that is too large", HOST("a:65536"), "400", CLOSED),
    RULE("9112 3.2", "two ports", HOST("a:80:80"), "400", CLOSED),
    RULE("9112 3.2", "an address without its bracket", HOST("[::1"), "400", CLOSED),
    RULE("9112 3.2", "an address with something behind it", HOST("[::1]a"), "400", CLOSED),
    RULE("9112 3.2", "a fragment", ASK("GET", "/hello#top"), "400", CLOSED),
    RULE("9112 3.2", "a byte that is not ASCII", ASK("GET", "/h\xc3\xa9llo"), "400", CLOSED),
    RULE("9112 3.2.1", "a path and a query", ASK("GET", "/path/a%2Fb?c=d"), "200", KEPT,
         HAS("path=/path/a%2Fb rest=a/b query=c=d")),
    RULE("9112 3.2.1", "an empty query", ASK("GET", "/hello?"), "200", KEPT),
    RULE("9112 3.2.1", "a path that does not begin with a slash", ASK("GET", "hello"), "400",
         CLOSED),
    RULE("9112 3.2.2", "the absolute form", ASK("GET", "http://a/hello"), "200", KEPT),
    RULE("9112 3.2.2", "its scheme and host in any case", ASK("GET", "HTTP://A:80/hello"), "200",
         KEPT),
    RULE("9112 3.2.2", "without a path it means the root", ASK("GET", "http://a?b=c"), "404", KEPT),
    RULE("9112 3.2.2", "it does not spare the Host", "GET http://a/hello HTTP/1.1\r\n\r\n", "400",
         CLOSED),
    RULE("9112 3.2.2", "a Host that differs from it", ASK("GET", "http://b/hello"), "200", KEPT),
    RULE("9110 4.2.1", "it has a host", ASK("GET", "http:///hello"), "400", CLOSED),
    RULE("9110 4.2.4", "user information in it", ASK("GET", "http://me@a/hello"), "400", CLOSED),
    RULE("9112 3.2.2", "another scheme", ASK("GET", "ftp://a/hello"), "400", CLOSED),
    RULE("9110 7.4", "https, on a connection that is not", ASK("GET", "https://a/hello"), "421",
         CLOSED),
    RULE("9110 9.3.6", "CONNECT is for proxies", ASK("CONNECT", "a:80"), "501", KEPT),
    RULE("9110 9.3.6", "CONNECT without a port", ASK("CONNECT", "a"), "400", CLOSED),
    RULE("9110 9.3.6", "CONNECT with a bad port", ASK("CONNECT", "a:0"), "400", CLOSED),
    RULE("9112 3.2.3", "CONNECT with a path", ASK("CONNECT", "/hello"), "400", CLOSED),
    RULE("9112 3.2.3", "the authority form is for CONNECT alone", ASK("GET", "a:80"), "400",
         CLOSED),
    RULE("9112 3.2.4", "OPTIONS * asks about the server", ASK("OPTIONS", "*"), "204", KEPT,
         HAS("\r\nAllow: ")),
    RULE("9112 3.2.4", "the asterisk is for OPTIONS alone", ASK("GET", "*"), "400", CLOSED),
    RULE("9110 17.3", "dot segments", ASK("GET", "/path/../hello"), "400", CLOSED),
    RULE("9110 17.3", "dot segments, encoded", ASK("GET", "/path/%2e%2E/hello"), "400", CLOSED),
    RULE("9110 17.3", "an encoded NUL", ASK("GET", "/path/a%00b"), "400", CLOSED),
    RULE("9110 17.5", "a percent sign without digits", ASK("GET", "/path/a%zz"), "400", CLOSED),
    RULE("9110 17.5", "a percent sign at the end", ASK("GET", "/path/a%"), "400", CLOSED),
};

/* --- 5 Field lines ---------------------------------------------------------------------------- */

#define FIELD(line) GET("/header?name=X") line "\r\n"

static const struct rule fields[] = {
    RULE("9110 5.1", "names in any case", FIELD("x: a\r\n"), "200", KEPT, HAS("[a]")),
    RULE("9112 5", "no blank behind the colon", FIELD("X:a\r\n"), "200", KEPT, HAS("[a]")),
    RULE("9112 5", "blanks and tabs around a value", FIELD("X: \t a b\t \r\n"), "200", KEPT,
         HAS("[a b]")),
    RULE("9110 5.5", "an empty value", FIELD("X:\r\n"), "200", KEPT, HAS("[]")),
    RULE("9110 5.5", "a value of blanks", FIELD("X:   \r\n"), "200", KEPT, HAS("[]")),
    RULE("9110 5.5", "colons and quotes in a value", FIELD("X: a:b\"c, d\r\n"), "200", KEPT,
         HAS("[a:b\"c, d]")),
    RULE("9110 5.5", "bytes that are not ASCII in a value", FIELD("X: \xe4\xff\r\n"), "200", KEPT,
         HAS("[\xe4\xff]")),
    RULE("9110 5.1", "an unknown field is passed over", FIELD("X-New-Thing: yes\r\n"), "200", KEPT,
         HAS("none")),
    RULE("9112 5.1", "a blank before the colon", FIELD("X : a\r\n"), "400", CLOSED),
    RULE("9112 5.1", "a tab before the colon", FIELD("X\t: a\r\n"), "400", CLOSED),
    RULE("9112 5", "no name", FIELD(": a\r\n"), "400", CLOSED),
    RULE("9112 5", "no colon", FIELD("X a\r\n"), "400", CLOSED),
    RULE("9110 5.1", "a name of two words", FIELD("X Y: a\r\n"), "400", CLOSED),
    RULE("9110 5.1", "a name with a delimiter", FIELD("X(Y): a\r\n"), "400", CLOSED),
    RULE("9110 5.1", "a name that is not ASCII", FIELD("X\xe4: a\r\n"), "400", CLOSED),
    RULE("9110 5.5", "NUL in a value", FIELD("X: a\0b\r\n"), "400", CLOSED),
    RULE("9110 5.5", "a control character in a value: ours", FIELD("X: a\x01\r\n"), "400", CLOSED),
    RULE("9110 5.5", "DEL in a value: ours", FIELD("X: a\x7f\r\n"), "400", CLOSED),
    RULE("9112 5.2", "a folded line", FIELD("X: a\r\n b\r\n"), "400", CLOSED),
    RULE("9112 5.2", "a line folded by a tab", FIELD("X: a\r\n\tb\r\n"), "400", CLOSED),
    RULE("9112 5.2", "a fold at the end", FIELD("X: a\r\n \r\n"), "400", CLOSED),
};

/* --- 6 The body ------------------------------------------------------------------------------- */

#define CODING(value, body) POST("/echo") "Transfer-Encoding: " value "\r\n\r\n" body
#define LENGTH(value, body) POST("/echo") "Content-Length: " value "\r\n\r\n" body
#define TWO "2\r\nok\r\n0\r\n\r\n" /* a chunked body of two bytes */

static const struct rule body[] = {
    RULE("9112 6", "a request that announces no body has none", POST("/echo") "\r\n", "200", KEPT,
         HAS("Content-Length: 0")),
    RULE("9110 9.3.1", "a GET may have one", GET("/echo") "Content-Length: 2\r\n\r\nok", "200",
         KEPT, HAS("\r\n\r\nok")),
    RULE("9112 6.3", "a body that nobody reads is not the next request",
         POST("/hello") "Content-Length: 35\r\n\r\n" GET("/smuggled") "\r\n", "200", KEPT),
    RULE("9112 6.3", "nor is a chunked one",
         POST("/hello") CHUNKED "23\r\n" GET("/smuggled") "\r\n\r\n0\r\n\r\n", "200", KEPT),
    RULE("9112 6.1", "chunked", CODING("chunked", TWO), "200", KEPT, HAS("\r\n\r\nok")),
    RULE("9112 7", "codings in any case", CODING("ChunKed", TWO), "200", KEPT, HAS("\r\n\r\nok")),
    RULE("9112 6.1", "a coding in 1.0",
         "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" TWO, "400", CLOSED),
    RULE("9112 6.1", "a length before a coding", LENGTH("2\r\nTransfer-Encoding: chunked", TWO),
         "400", CLOSED),
    RULE("9112 6.1", "a length behind a coding", CODING("chunked\r\nContent-Length: 2", TWO), "400",
         CLOSED),
    RULE("9112 6.1", "chunked twice", CODING("chunked, chunked", TWO), "400", CLOSED),
    RULE("9112 6.1", "chunked twice, on two lines",
         CODING("chunked\r\nTransfer-Encoding: chunked", TWO), "400", CLOSED),
    RULE("9112 6.3", "chunked that is not the last", CODING("chunked, gzip", TWO), "400", CLOSED),
    RULE("9112 6.3", "a coding that is not chunked", CODING("gzip", TWO), "400", CLOSED),
    RULE("9112 6.3", "identity, which there was once", CODING("identity", TWO), "400", CLOSED),
    RULE("9112 6.1", "a coding that we do not know, before chunked", CODING("gzip, chunked", TWO),
         "501", CLOSED),
    RULE("9112 6.1", "an empty coding", CODING("", TWO), "400", CLOSED),
    RULE("9112 7", "chunked with a parameter", CODING("chunked;a=b", TWO), "400", CLOSED),
    RULE("9112 7", "chunked in quotes", CODING("\"chunked\"", TWO), "400", CLOSED),
    RULE("9110 5.6.1", "a comma behind chunked", CODING("chunked,", TWO), "200", KEPT),
    RULE("9110 5.6.1", "commas before chunked", CODING(", ,chunked", TWO), "200", KEPT),
    RULE("9110 5.6.1", "nothing but a comma", CODING(",", TWO), "400", CLOSED),
    RULE("9112 6.1", "a tab before chunked: ours", CODING("\tchunked", TWO), "400", CLOSED),
    RULE("9112 6.1", "a vertical tab before chunked", CODING("\vchunked", TWO), "400", CLOSED),
    RULE("9112 6.1", "almost chunked", CODING("xchunked", TWO), "400", CLOSED),
    RULE("9112 6.2", "a length", LENGTH("2", "ok"), "200", KEPT, HAS("\r\n\r\nok")),
    RULE("9112 5", "tabs beside a length", LENGTH("\t2\t", "ok"), "200", KEPT, HAS("\r\n\r\nok")),
    RULE("9112 6.2", "a length of nothing", LENGTH("0", ""), "200", KEPT, HAS("Content-Length: 0")),
    RULE("9110 8.6", "zeroes before it are digits", LENGTH("0002", "ok"), "200", KEPT,
         HAS("\r\n\r\nok")),
    RULE("9110 8.6", "a sign", LENGTH("+2", "ok"), "400", CLOSED),
    RULE("9110 8.6", "less than nothing", LENGTH("-2", "ok"), "400", CLOSED),
    RULE("9110 8.6", "hexadecimal", LENGTH("0x2", "ok"), "400", CLOSED),
    RULE("9110 8.6", "a fraction", LENGTH("2.0", "ok"), "400", CLOSED),
    RULE("9110 8.6", "an exponent", LENGTH("2e0", "ok"), "400", CLOSED),
    RULE("9110 8.6", "a blank in it", LENGTH("0 2", "ok"), "400", CLOSED),
    RULE("9110 8.6", "an underscore in it", LENGTH("0_2", "ok"), "400", CLOSED),
    RULE("9110 8.6", "an empty length", LENGTH("", "ok"), "400", CLOSED),
    RULE("9110 8.6", "a list of equal lengths: ours", LENGTH("2, 2", "ok"), "400", CLOSED),
    RULE("9112 6.3", "a list of lengths", LENGTH("2, 3", "ok"), "400", CLOSED),
    RULE("9110 8.6", "two equal lengths: ours", LENGTH("2\r\nContent-Length: 2", "ok"), "400",
         CLOSED),
    RULE("9112 6.3", "two lengths", LENGTH("2\r\nContent-Length: 3", "ok"), "400", CLOSED),
    RULE("9110 8.6", "a length of 64 bits", LENGTH("9223372036854775808", "ok"), "400", CLOSED),
    RULE("9110 8.6", "a length that would wrap to 2", LENGTH("18446744073709551618", "ok"), "400",
         CLOSED),
    RULE("9110 15.5.14", "a length that nobody takes", LENGTH("9223372036854775807", "ok"), "413",
         CLOSED),
    RULE("9112 6.3", "a length over what has come", LENGTH("5", "ok"), "", WAITS),
    RULE("9112 8", "a head that does not end", GET("/hello"), "", WAITS),
    RULE("9112 8", "a chunk over what has come", CODING("chunked", "5\r\nok"), "", WAITS),
    RULE("9112 8", "chunks that do not end", CODING("chunked", "2\r\nok\r\n"), "", WAITS),
    RULE("9112 8", "trailers that do not end", CODING("chunked", "0\r\nX: a\r\n"), "", WAITS),
};

/* --- 7 Chunks --------------------------------------------------------------------------------- */

#define CHUNKS(bytes) POST("/echo") CHUNKED bytes

static const struct rule chunks[] = {
    RULE("9112 7.1", "several chunks", CHUNKS("1\r\no\r\n1\r\nk\r\n0\r\n\r\n"), "200", KEPT,
         HAS("\r\n\r\nok")),
    RULE("9112 7.1", "no data", CHUNKS("0\r\n\r\n"), "200", KEPT, HAS("Content-Length: 0")),
    RULE("9112 7.1", "sizes in lower case", CHUNKS("a\r\n0123456789\r\n0\r\n\r\n"), "200", KEPT),
    RULE("9112 7.1", "sizes in upper case", CHUNKS("A\r\n0123456789\r\n0\r\n\r\n"), "200", KEPT),
    RULE("9112 7.1", "zeroes before a size", CHUNKS("0002\r\nok\r\n000\r\n\r\n"), "200", KEPT,
         HAS("\r\n\r\nok")),
    RULE("9112 7.1", "data may be anything", CHUNKS("6\r\n0\r\n\r\nX\r\n0\r\n\r\n"), "200", KEPT,
         HAS("\r\n\r\n0\r\n\r\nX")),
    RULE("9112 7.1.1", "an extension is passed over", CHUNKS("2;a=b;c\r\nok\r\n0;d\r\n\r\n"), "200",
         KEPT, HAS("\r\n\r\nok")),
    RULE("9112 7.1.1", "a quoted extension", CHUNKS("2;a=\"b;\\\"c\"\r\nok\r\n0\r\n\r\n"), "200",
         KEPT, HAS("\r\n\r\nok")),
    RULE("9110 5.6.3", "blanks around it", CHUNKS("2\t; a = b ; c\r\nok\r\n0 ;d\r\n\r\n"), "200",
         KEPT, HAS("\r\n\r\nok")),
    RULE("9110 5.6.3", "blanks behind it", CHUNKS("2;a \r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1.1", "a bare LF in it", CHUNKS("2;a\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1.1", "a bare CR in it", CHUNKS("2;a\rb\r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1.1", "a line end in quotes", CHUNKS("2;a=\"\r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1.1", "nothing behind the semicolon", CHUNKS("2;\r\nok\r\n0\r\n\r\n"), "400",
         CLOSED),
    RULE("9112 7.1", "an empty size", CHUNKS("\r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a size with a sign", CHUNKS("+2\r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a size below nothing", CHUNKS("-2\r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a size with 0x", CHUNKS("0x2\r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a size with an underscore", CHUNKS("0_2\r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a blank before a size", CHUNKS(" 2\r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a blank behind a size: ours", CHUNKS("2 \r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a tab behind a size: ours", CHUNKS("2\t\r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a size that is no number", CHUNKS("g\r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a size that would wrap to 2", CHUNKS("10000000000000002\r\nok\r\n0\r\n\r\n"),
         "400", CLOSED),
    RULE("9112 7.1", "a size of 64 bits", CHUNKS("ffffffffffffffff\r\nok\r\n0\r\n\r\n"), "400",
         CLOSED),
    RULE("9112 7.1", "a size of too many digits: ours",
         CHUNKS("00000000000000002\r\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a bare LF behind a size", CHUNKS("2\nok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a bare CR behind a size", CHUNKS("2\rok\r\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a bare LF behind the data", CHUNKS("2\r\nok\n0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a bare CR behind the data", CHUNKS("2\r\nok\r0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "CR and another byte behind a size", CHUNKS("2\rxok\r\n0\r\n\r\n"), "400",
         CLOSED),
    RULE("9112 7.1", "CR and another byte behind the data", CHUNKS("2\r\nok\rx0\r\n\r\n"), "400",
         CLOSED),
    RULE("9112 7.1", "another byte and LF behind the data", CHUNKS("2\r\nokx\n0\r\n\r\n"), "400",
         CLOSED),
    RULE("9112 7.1", "CR and another byte at the end", CHUNKS("0\r\n\rx"), "400", CLOSED),
    RULE("9112 7.1.2", "CR and another byte behind a trailer", CHUNKS("0\r\nX: a\rx\r\n\r\n"),
         "400", CLOSED),
    RULE("9112 7.1", "data that is longer than its size", CHUNKS("2\r\nokk\r\n0\r\n\r\n"), "400",
         CLOSED),
    RULE("9112 7.1", "nothing behind the data", CHUNKS("2\r\nok0\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a bare LF behind the last size", CHUNKS("0\n\r\n"), "400", CLOSED),
    RULE("9112 7.1", "a bare LF at the end", CHUNKS("0\r\n\n"), "400", CLOSED),
    RULE("9112 7.1.2", "trailers", CHUNKS("2\r\nok\r\n0\r\nX: a\r\nY: b\r\n\r\n"), "200", KEPT,
         HAS("\r\n\r\nok")),
    RULE("9112 7.1.2", "trailers are no fields of the head",
         POST("/header?name=X-Sum") CHUNKED "0\r\nX-Sum: 1\r\n\r\n", "200", KEPT, HAS("none")),
    RULE("9110 6.5.1", "trailers frame nothing",
         CHUNKS("2\r\nok\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\nHost: b\r\n"
                "Connection: close\r\n\r\n"),
         "200", KEPT, HAS("\r\n\r\nok")),
    RULE("9110 6.5", "trailers are read when the body has been",
         POST("/behind") CHUNKED "2\r\nok\r\n0\r\nx-in: seven\r\n\r\n", "200", KEPT,
         HAS("x-sum: seven\r\n\r\n")),
    RULE("9110 6.5", "two of them are two",
         POST("/behind") CHUNKED "0\r\nx-in: a\r\nx-in: b\r\n\r\n", "200", KEPT,
         HAS("x-sum: a\r\nx-sum: b\r\n\r\n")),
    RULE("9110 6.6.2", "trailers are announced", GET("/behind") "\r\n", "200", KEPT,
         HAS("railer: x-sum\r\n")),
    RULE("9112 7.1.2", "trailers follow the last chunk", GET("/behind") "\r\n", "200", KEPT,
         HAS("0\r\nx-wanted: no\r\n\r\n")),
    RULE("9110 10.1.4", "a client says that it reads them",
         GET("/behind") "TE: trailers\r\nConnection: TE\r\n\r\n", "200", KEPT,
         HAS("0\r\nx-wanted: yes\r\n\r\n")),
    RULE("9112 7.1.2", "they follow a response that is whole as well", GET("/behind/whole") "\r\n",
         "200", KEPT, HAS("0\r\nx-sum: 1\r\n\r\n")),
    RULE("9110 6.5", "HEAD has none", HEAD("/behind/whole") "\r\n", "200h", KEPT, LACKS("x-sum")),
    RULE("9110 6.5.1", "what frames, routes or controls does not trail",
         GET("/behind/forbidden") "\r\n", "200", KEPT, HAS("refused")),
    RULE("9112 7.1.2", "a trailer without a colon", CHUNKS("0\r\nX\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1.2", "a folded trailer", CHUNKS("0\r\nX: a\r\n b\r\n\r\n"), "400", CLOSED),
    RULE("9112 7.1.2", "a blank before a trailer's colon", CHUNKS("0\r\nX : a\r\n\r\n"), "400",
         CLOSED),
    RULE("9112 7.1.2", "a bare LF behind a trailer", CHUNKS("0\r\nX: a\n\r\n"), "400", CLOSED),
    RULE("9112 7.1.2", "a control character in a trailer", CHUNKS("0\r\nX: a\x01\r\n\r\n"), "400",
         CLOSED),
    RULE("9112 7.1", "chunks that nobody reads are checked all the same",
         POST("/hello") CHUNKED "2\r\nokk\r\n" GET("/smuggled") "\r\n", "200", DROPPED),
    RULE("9112 7.4", "TE is no reason to code",
         GET("/rows") "TE: gzip;q=1, trailers\r\nConnection: TE\r\n\r\n", "200", KEPT,
         HAS("Transfer-Encoding: chunked\r\n")),
    RULE("9112 7.4", "nor is a TE that says nothing", GET("/rows") "TE:\r\nConnection: TE\r\n\r\n",
         "200", KEPT, HAS("Transfer-Encoding: chunked\r\n")),
};

/* --- every byte ------------------------------------------------------------------------------- */

/* A request with one byte in it that is `byte`, tried whole and in two. */
static void try_byte(const char *name, const char *before, unsigned byte, const char *behind,
                     const char *want, enum fate fate)
{
    char bytes[256];
    int len = snprintf(bytes, sizeof bytes, "%s%c%s", before, 'x', behind);
    bytes[strlen(before)] = (char)byte;
    struct rule r = {"every byte", name, {bytes, (size_t)len}, want, fate, NULL, NULL};
    run_rule(&r);
}

static bool is_token(unsigned byte)
{
    return byte < 0x80 &&
           (isalnum((int)byte) || (byte != 0 && strchr("!#$%&'*+-.^_`|~", (int)byte)));
}

/* 9110 5.1 and 5.5, 9112 3.1 and 3.2: what may stand in a name, a value, a method, a target. */
static void test_every_byte_has_its_place(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte += is_sanitized() ? 3 : 1) {
        bool in_value = byte == '\t' || (byte >= ' ' && byte != 0x7f);
        /* What RFC 3986 has no place for, and browsers send all the same. */
        bool in_target = byte > ' ' && byte < 0x7f && byte != '#' && byte != '%';
        char name[64];
        snprintf(name, sizeof name, "byte %u in a name", byte);
        if (byte != ':' && byte != '\n' && byte != '\r')
            try_byte(name, GET("/hello") "X", byte, "Y: a\r\n\r\n", is_token(byte) ? "200" : "400",
                     is_token(byte) ? KEPT : CLOSED);
        snprintf(name, sizeof name, "byte %u in a value", byte);
        try_byte(name, GET("/hello") "X: a", byte, "b\r\n\r\n", in_value ? "200" : "400",
                 in_value ? KEPT : CLOSED);
        snprintf(name, sizeof name, "byte %u in a method", byte);
        if (byte != ' ')
            try_byte(name, "G", byte, "T /hello HTTP/1.1\r\nHost: a\r\n\r\n",
                     byte == 'E'      ? "200"
                     : is_token(byte) ? "501"
                                      : "400",
                     is_token(byte) ? KEPT : CLOSED);
        snprintf(name, sizeof name, "byte %u in a target", byte);
        try_byte(name, "GET /path/a", byte, "b HTTP/1.1\r\nHost: a\r\n\r\n",
                 in_target ? "200" : "400", in_target ? KEPT : CLOSED);
    }
}

/* --- how long --------------------------------------------------------------------------------- */

static char long_text[48 << 10];

/* `before`, then `n` times 'a', then `behind`. */
static weir_str lengthened(const char *before, size_t n, const char *behind)
{
    size_t first = strlen(before), last = strlen(behind);
    assert_true(first + n + last < sizeof long_text);
    memcpy(long_text, before, first);
    memset(long_text + first, 'a', n);
    memcpy(long_text + first + n, behind, last);
    return (weir_str){long_text, first + n + last};
}

static void try_long(const char *section, const char *name, weir_str send, const char *want,
                     enum fate fate)
{
    struct rule r = {section, name, send, want, fate, NULL, NULL};
    run_rule(&r);
}

static void test_lengths_have_limits(void **state)
{
    (void)state;
    char many[8192] = GET("/hello");
    for (int i = 0; i < 200; i++)
        strcat(many, "X: a\r\n");
    strcat(many, "\r\n");
    try_long("9112 3", "a request line of 8000 bytes is taken",
             lengthened("GET /path/", 8000 - 19, " HTTP/1.1\r\nHost: a\r\n\r\n"), "200", KEPT);
    try_long("9110 15.5.15", "a target that is too long",
             lengthened("GET /path/", 9000, " HTTP/1.1\r\nHost: a\r\n\r\n"), "414", CLOSED);
    try_long("9110 15.5.15", "a target that does not end", lengthened("GET /path/", 9000, ""),
             "414", CLOSED);
    try_long("9112 3", "a method that does not end", lengthened("", 9000, ""), "414", CLOSED);
    try_long("9110 5.4", "a field of 12 KiB is taken",
             lengthened(GET("/hello") "X: ", 12 << 10, "\r\n\r\n"), "200", KEPT);
    try_long("9110 5.4", "a field that is too long",
             lengthened(GET("/hello") "X: ", 20 << 10, "\r\n\r\n"), "431", CLOSED);
    try_long("9110 5.4", "a name that is too long",
             lengthened(GET("/hello"), 20 << 10, ": a\r\n\r\n"), "431", CLOSED);
    try_long("9110 5.4", "too many fields", weir_str_from(many), "431", CLOSED);
    try_long("9112 7.1.1", "an extension that is too long",
             lengthened(CHUNKS("2;"), 20 << 10, "\r\nok\r\n0\r\n\r\n"), "400", CLOSED);
    try_long("9112 7.1.2", "trailers that are too long",
             lengthened(CHUNKS("0\r\nX: "), 20 << 10, "\r\n\r\n"), "400", CLOSED);
}

/* --- the tables ------------------------------------------------------------------------------- */

TABLE_TEST(parsing)
TABLE_TEST(version)
TABLE_TEST(request_line)
TABLE_TEST(target)
TABLE_TEST(fields)
TABLE_TEST(body)
TABLE_TEST(chunks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parsing),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_request_line),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_every_byte_has_its_place),
        cmocka_unit_test(test_lengths_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
