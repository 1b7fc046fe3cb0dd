/*
 * Certificates for development: a client that trusts the authority believes localhost, and nobody
 * else by it; the authority is made once, and never written over.
 */
#include "net/tls_testing.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/tls_dev.h"

#if WEIR_TLS

static char folder[] = "/tmp/weir-dev-XXXXXX", ca_file[64], key_file[64], text[400];

static weir_err make_dev(struct weir__tls_dev *dev, struct weir__tls_pair *pair)
{
    weir_buf why;
    weir_buf_init_fixed(&why, text, sizeof text - 1);
    weir_err err = weir__tls_dev(dev, folder, pair, &why);
    text[why.len] = '\0';
    return err;
}

struct visit {
    const struct weir__tls_pair *pair;
    const char *name;
    weir_err err;
};

static weir_err visits(weir_ctx *c, void *arg)
{
    (void)c;
    const struct visit *v = arg;
    struct weir__tls_server *server =
        server_of((struct weir__tls_server_options){.pairs = v->pair, .pair_count = 1});
    struct weir__tls_client *client =
        client_of((struct weir__tls_client_options){.ca = {.file = ca_file}});
    struct pair p;
    connect_pair(&p, server, client, v->name, 65536);
    assert_int_equal(p.client_err, v->err);
    close_pair(&p);
    weir__tls_server_free(server);
    weir__tls_client_unref(client);
    return WEIR_OK;
}

static void test_localhost_is_believed(void **state)
{
    (void)state;
    struct weir__tls_dev dev, again;
    struct weir__tls_pair pair, second;
    assert_int_equal(make_dev(&dev, &pair), WEIR_OK);
    assert_string_equal(dev.ca_file, ca_file);
    assert_int_equal(make_dev(&again, &second), WEIR_OK);
    assert_string_not_equal(dev.key, again.key); /* another certificate by the same authority */
    struct visit rows[] = {
        {&pair, "localhost", WEIR_OK},     {&second, "localhost", WEIR_OK},
        {&pair, "127.0.0.1", WEIR_OK},     {&pair, "::1", WEIR_OK},
        {&pair, "example.org", WEIR_ETLS}, {&pair, "10.0.0.1", WEIR_ETLS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(weir__sim_run(visits, &rows[i]), WEIR_OK);
    struct stat st;
    assert_int_equal(stat(key_file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* Its key signs for whom it likes; nobody believes it. */
static void test_nobody_else_is(void **state)
{
    (void)state;
    struct authority ca = {.key = NULL}, forged;
    FILE *f = fopen(ca_file, "r");
    assert_non_null(f);
    ca.certificate = PEM_read_X509(f, NULL, NULL, NULL);
    assert_int_equal(fclose(f), 0);
    f = fopen(key_file, "r");
    assert_non_null(f);
    ca.key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    assert_int_equal(fclose(f), 0);
    make_certificate(&forged, &(struct made){"bank.example", "DNS:bank.example", .by = &ca});
    struct weir__tls_pair pair = pair_of(&forged);
    struct visit v = {&pair, "bank.example", WEIR_ETLS};
    assert_int_equal(weir__sim_run(visits, &v), WEIR_OK);
    free_certificate(&forged);
    free_certificate(&ca);
}

static void test_its_key_is_wiped(void **state)
{
    (void)state;
    static const char nothing[sizeof((struct weir__tls_dev *)0)->key];
    struct weir__tls_dev dev = {.key = ""};
    struct weir__tls_pair pair;
    weir__tls_dev_fini(&dev);
    assert_int_equal(make_dev(&dev, &pair), WEIR_OK);
    assert_non_null(strstr(dev.key, "PRIVATE KEY"));
    weir__tls_dev_fini(&dev);
    assert_memory_equal(dev.key, nothing, sizeof nothing);
}

static void test_nothing_is_written_over(void **state)
{
    (void)state;
    struct weir__tls_dev dev;
    struct weir__tls_pair pair;
    assert_int_equal(unlink(ca_file), 0); /* half of it */
    assert_int_equal(make_dev(&dev, &pair), -ENOENT);
    assert_non_null(strstr(text, ca_file));
    FILE *f = fopen(ca_file, "w");
    assert_non_null(f);
    assert_true(fputs("something else", f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(make_dev(&dev, &pair), WEIR_EINVALID);
    assert_non_null(strstr(text, "remove both, and it is made anew"));
    assert_int_equal(unlink(ca_file), 0);
    assert_int_equal(unlink(key_file), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(make_dev(&dev, &pair), -ENOENT);
    assert_non_null(strstr(text, "cannot write"));
}

static int make(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(ca_file, sizeof ca_file, "%s/weir-dev-ca.pem", folder);
    snprintf(key_file, sizeof key_file, "%s/weir-dev-ca.key", folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_localhost_is_believed),
        cmocka_unit_test(test_nobody_else_is),
        cmocka_unit_test(test_its_key_is_wiped),
        cmocka_unit_test(test_nothing_is_written_over),
    };
    return cmocka_run_group_tests_name("tls_dev", tests, make, NULL);
}

#else

int main(void)
{
    return 0; /* tls_test.c has what a build without TLS says */
}

#endif
