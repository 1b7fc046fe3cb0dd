/*
 * HTTPS: what the options say, as a listener more of the server. Its files are watched while the
 * service lives; what they were is served until a whole new set is there.
 *
 * Owns the configuration, which outlives the workers: connections and the watch of its files end
 * with them.
 */
#include "app/app.h"
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- options ---------------------------------------------------------------------------------- */

static const char *const kinds[] = {"auto", "dev", "off", NULL};
static const char *const versions[] = {"1.2", "1.3", NULL};
static const char *const asks[] = {"none", "ask", "require", NULL};

static const char *check_listen(const char *text)
{
    return weir__listener_check(weir_str_from(text));
}

static void default_text(const char **value, const char *text)
{
    *value = *value != NULL ? *value : text;
}

void weir__app_tls_options(weir_app *app)
{
    weir_app_options *s = &app->settings;
    const char *home = getenv("HOME");
    default_text(&s->tls, kinds[0]);
    default_text(&s->tls_listen, ":8443");
    default_text(&s->tls_min, versions[0]);
    default_text(&s->tls_client, asks[0]);
    default_text(&s->tls_dev_dir, home != NULL ? home : ".");
    const char **files[] = {&s->tls_cert, &s->tls_key, &s->tls_staple, &s->tls_ciphers,
                            &s->tls_client_ca};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        default_text(files[i], "");
    const weir_option table[] = {
        {"tls", "HTTPS: auto, where tls-cert is given; dev, with a certificate for localhost",
         .text = &s->tls, .one_of = kinds},
        {"tls-listen", "where to serve HTTPS", .text = &s->tls_listen, .check = check_listen},
        {"tls-cert", "a certificate, then those that vouch for it: a PEM file",
         .text = &s->tls_cert},
        {"tls-key", "its key: a PEM file", .text = &s->tls_key},
        {"tls-staple", "an answer of OCSP for it: a DER file", .text = &s->tls_staple},
        {"tls-min", "older versions of TLS are refused", .text = &s->tls_min, .one_of = versions},
        {"tls-ciphers", "of TLS 1.2, as OpenSSL names them", .text = &s->tls_ciphers},
        {"tls-client", "whether clients show certificates", .text = &s->tls_client, .one_of = asks},
        {"tls-client-ca", "who may have signed those: a PEM file", .text = &s->tls_client_ca},
        {"tls-dev-dir", "where tls=dev keeps its authority", .text = &s->tls_dev_dir},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        weir__option_add(&app->options, &table[i], &app->mistakes);
}

static bool is(const char *text, const char *other)
{
    return strcmp(text, other) == 0;
}

/* NULL stands for what was not given. */
static const char *given(const char *text)
{
    return is(text, "") ? NULL : text;
}

static bool is_dev(const weir_app *app)
{
    return is(app->settings.tls, "dev");
}

static bool is_wanted(const weir_app *app)
{
    return is_dev(app) || (!is(app->settings.tls, "off") && given(app->settings.tls_cert) != NULL);
}

void weir__app_tls_check(weir_app *app)
{
    const weir_app_options *s = &app->settings;
    bool has_cert = given(s->tls_cert) != NULL, has_key = given(s->tls_key) != NULL;
    if (has_cert != has_key)
        weir__mistake(&app->mistakes, "--tls-%s without --tls-%s: a certificate goes with its key",
                      has_cert ? "cert" : "key", has_cert ? "key" : "cert");
    if (is_dev(app) && has_cert)
        weir__mistake(&app->mistakes, "--tls=dev makes a certificate itself; --tls-cert: for auto");
    if (!is(s->tls_client, "none") && given(s->tls_client_ca) == NULL)
        weir__mistake(&app->mistakes,
                      "--tls-client=%s without --tls-client-ca, which says who may "
                      "have signed their certificates",
                      s->tls_client);
    if (!is(s->tls_client, "none") && !is(s->tls, "off") && !is_wanted(app))
        weir__mistake(&app->mistakes,
                      "--tls-client=%s without --tls-cert: there would be no HTTPS, and nobody "
                      "would be asked for a certificate",
                      s->tls_client);
    if (is_wanted(app) && !WEIR_TLS)
        weir__mistake(&app->mistakes, "--tls: this build of Weir was made without TLS");
}

/* --- the listener ----------------------------------------------------------------------------- */

static weir_err make_pair(weir_app *app, weir_buf *why)
{
    const weir_app_options *s = &app->settings;
    if (is_dev(app))
        return weir__tls_dev(&app->tls_dev, s->tls_dev_dir, &app->tls_pair, why);
    app->tls_pair = (struct weir__tls_pair){.chain = {.file = s->tls_cert},
                                            .key = {.file = s->tls_key},
                                            .staple = {.file = given(s->tls_staple)}};
    return WEIR_OK;
}

static enum weir__tls_ask whom_to_ask(const char *text)
{
    if (is(text, "none"))
        return WEIR__TLS_ASK_NOBODY;
    return is(text, "ask") ? WEIR__TLS_ASK : WEIR__TLS_REQUIRE;
}

static weir_err make_server(weir_app *app, weir_buf *why)
{
    const weir_app_options *s = &app->settings;
    struct weir__tls_server_options o = {
        .choice = {.version_min = is(s->tls_min, "1.3") ? WEIR__TLS_1_3 : WEIR__TLS_1_2,
                   .ciphers = given(s->tls_ciphers),
                   .alpn = weir__http_protocols()},
        .pairs = &app->tls_pair,
        .pair_count = 1,
        .clients = whom_to_ask(s->tls_client),
        .client_ca = {.file = given(s->tls_client_ca)},
        .workers = app->rt->worker_count,
    };
    weir_err err = make_pair(app, why);
    return err == WEIR_OK ? weir__tls_server_new(&o, &app->tls, why) : err;
}

static weir_err open_listener(weir_app *app, char *message, size_t size)
{
    static const char plain[] = "http://";
    struct weir__listener opened;
    weir_err err = weir__http_server_listen(
        app->traffic.server, weir_str_from(app->settings.tls_listen), &opened, message, size);
    if (err < 0)
        return err;
    weir__http_server_use_tls(app->traffic.server, app->tls);
    bool has_port = strncmp(opened.url, plain, sizeof plain - 1) == 0;
    const char *rest = opened.url + (has_port ? sizeof plain - 1 : 0);
    int n = snprintf(app->tls_url, sizeof app->tls_url, "%s%s", has_port ? "https://" : "", rest);
    return n < (int)sizeof app->tls_url ? WEIR_OK : WEIR_ETOOLARGE;
}

weir_err weir__app_tls_listen(weir_app *app, char *message, size_t size)
{
    weir_buf why;
    if (!is_wanted(app))
        return WEIR_OK;
    weir_buf_init_fixed(&why, message, size - 1);
    weir_buf_puts(&why, WEIR_S("TLS: "));
    weir_err err = make_server(app, &why);
    message[why.len] = '\0';
    if (err == WEIR_OK)
        err = open_listener(app, message, size);
    if (err < 0)
        return err;
    if (is_dev(app))
        fprintf(stderr,
                "%s: a certificate for development; to trust it: curl --cacert %s, or add that "
                "file to what the browser trusts\n",
                app->settings.name, app->tls_dev.ca_file);
    return WEIR_OK;
}

weir_err weir__app_tls_watch(weir_app *app, weir_ctx *c)
{
    return app->tls != NULL && !is_dev(app) ? weir__tls_server_watch(app->tls, c) : WEIR_OK;
}

void weir__app_tls_close(weir_app *app)
{
    weir__tls_server_free(app->tls);
    weir__tls_dev_fini(&app->tls_dev);
    app->tls = NULL;
}
