// A service in C++ whose handlers let exceptions go: each is a 500 that names its route, and what
// was alive on the way is destroyed. Linked with the archive and with the shared library.
#include <stdexcept>
#include <string>

#include <weir/weir.h>

namespace {

int destroyed = 0;

struct counted {
    counted() = default;
    counted(const counted &) = delete;
    counted &operator=(const counted &) = delete;
    ~counted() { destroyed++; }
};

weir_err answer(weir_ctx *c, int number)
{
    return weir_textf(c, 200, "%d\n", number);
}

weir_err counts(weir_ctx *c)
{
    return answer(c, destroyed);
}

weir_err throws_error(weir_ctx *)
{
    counted alive;
    throw std::runtime_error("the kitchen is on fire");
}

weir_err throws_number(weir_ctx *)
{
    counted alive;
    throw 42;
}

// What std::exception_ptr keeps is thrown as a copy of its header.
weir_err throws_again(weir_ctx *)
{
    counted alive;
    std::exception_ptr kept;
    try {
        throw std::out_of_range("far away");
    } catch (...) {
        kept = std::current_exception();
    }
    std::rethrow_exception(kept);
}

weir_err throw_later(weir_ctx *c, void *)
{
    counted alive;
    if (weir_yield(c) != WEIR_OK)
        return WEIR_ECANCELED;
    throw std::logic_error("in a fiber");
}

weir_err joins(weir_ctx *c)
{
    weir_err err = weir_go_at(nullptr, c, throw_later, nullptr, "throw_later");
    if (err == WEIR_OK)
        err = weir_join(c);
    return err == WEIR_EPANIC ? answer(c, 1) : answer(c, 0);
}

weir_err throw_protected(weir_ctx *, void *)
{
    throw std::logic_error("protected");
}

weir_err protects(weir_ctx *c)
{
    return answer(c, weir_protect(c, throw_protected, nullptr) == WEIR_EPANIC);
}

// Waits while it handles one: others throw and catch meanwhile, and it still has its own.
weir_err waits_in_a_handler(weir_ctx *c)
{
    const std::string mine = std::to_string(weir_now().ns);
    try {
        throw std::runtime_error(mine);
    } catch (const std::exception &) {
        if (weir_sleep(c, weir_ms(100)) != WEIR_OK)
            return WEIR_ECANCELED;
        try {
            throw;
        } catch (const std::exception &again) {
            return answer(c, again.what() == mine && std::uncaught_exceptions() == 0);
        }
    }
}

weir_err throw_offloaded(void *)
{
    counted alive;
    throw std::runtime_error("on a thread");
}

weir_err offloads(weir_ctx *c)
{
    static const weir_site here = {__FILE__, "offloads", __LINE__};
    weir_offload_options options = {};
    options.size = sizeof options;
    return weir_offload_at(&here, c, throw_offloaded, nullptr, &options);
}

// Declared after the group, so its destructor is the first to run: before the group ends.
struct watched {
    bool is_alive = true;
    ~watched() { is_alive = false; }
};

int dead_seen = 0;

weir_err looks_when_told_to_end(weir_ctx *c, void *arg)
{
    while (weir_sleep(c, weir_ms(10000)) == WEIR_OK) {
    }
    dead_seen += !static_cast<volatile watched *>(arg)->is_alive;
    return WEIR_OK;
}

weir_err throws_beside_a_fiber(weir_ctx *c)
{
    counted alive;
    WEIR_SCOPE(group, c);
    watched one;
    if (weir_go_at(nullptr, group, looks_when_told_to_end, &one, "looks") != WEIR_OK ||
        weir_yield(c) != WEIR_OK)
        return WEIR_ECANCELED;
    throw std::runtime_error("beside a fiber");
}

weir_err dead(weir_ctx *c)
{
    return answer(c, dead_seen);
}

void throws()
{
    throw std::runtime_error("not allowed");
}

// Nothing may leave it: the process ends, and says for whom.
weir_err cannot_throw(weir_ctx *c) noexcept
{
    throws();
    return answer(c, 1);
}

void add(weir_app *app, const char *pattern, weir_handler handler)
{
    static const weir_site here = {__FILE__, "add", __LINE__};
    weir_route_options options = {};
    options.size = sizeof options;
    options.handler = handler;
    weir_route_at(&here, reinterpret_cast<weir_group *>(app), WEIR_GET, pattern, "handler",
                  &options);
}

} // namespace

int main(int argc, char **argv)
{
    weir_app_options options = {};
    options.size = sizeof options;
    options.name = "throws";
    weir_app *app = weir_app_new_at(argc, argv, &options);
    add(app, "/counts", counts);
    add(app, "/error", throws_error);
    add(app, "/number", throws_number);
    add(app, "/again", throws_again);
    add(app, "/joins", joins);
    add(app, "/protects", protects);
    add(app, "/offloads", offloads);
    add(app, "/beside", throws_beside_a_fiber);
    add(app, "/dead", dead);
    add(app, "/waits", waits_in_a_handler);
    add(app, "/noexcept", cannot_throw);
    return weir_app_run(app);
}
