/*
 * How the macros of models and statements repeat: WEIR__EACH(f, t, a, b, c) is f(t, a), f(t, b),
 * f(t, c), for up to 256 of them. Nothing in here is for use.
 *
 * Eight are done a step, so there are 31 steps and 8 rests instead of 256 macros of one, and a list
 * of n is copied n / 8 times. It is counted first: a recursion that looks for its own end has to be
 * rescanned some hundred times, and the shortest list pays for that too.
 */
#ifndef WEIR_EACH_H
#define WEIR_EACH_H

/** WEIR__EACH(f, t, ...): the most that it repeats. */
#define WEIR__EACH_MAX 256

#define WEIR__EACH(f, t, ...)                                                                      \
    WEIR__EACH_DO(WEIR__EACH_PICK(__VA_ARGS__, WEIR__EACH_STEPS), f, t, __VA_ARGS__)

/** How many there are, as a constant expression; up to 256. */
#define WEIR__EACH_COUNT(...) WEIR__EACH_SUM(WEIR__EACH_PICK(__VA_ARGS__, WEIR__EACH_STEPS))
#define WEIR__EACH_SUM(steps) WEIR__EACH_SUM_OF steps
#define WEIR__EACH_SUM_OF(g, r) (8 * (g) + (r))

/** `one` for a list of one, `more` for a longer one, up to 257. */
#define WEIR__EACH_ONE_OR_MORE(one, more, ...) WEIR__EACH_PICK(__VA_ARGS__, WEIR__X256(more), one, )

#define WEIR__EACH_PICK(...) WEIR__EACH_PICK_OF(__VA_ARGS__)
#define WEIR__EACH_PICK_OF(                                                                        \
    _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17, _18, _19, _20,     \
    _21, _22, _23, _24, _25, _26, _27, _28, _29, _30, _31, _32, _33, _34, _35, _36, _37, _38, _39, \
    _40, _41, _42, _43, _44, _45, _46, _47, _48, _49, _50, _51, _52, _53, _54, _55, _56, _57, _58, \
    _59, _60, _61, _62, _63, _64, _65, _66, _67, _68, _69, _70, _71, _72, _73, _74, _75, _76, _77, \
    _78, _79, _80, _81, _82, _83, _84, _85, _86, _87, _88, _89, _90, _91, _92, _93, _94, _95, _96, \
    _97, _98, _99, _100, _101, _102, _103, _104, _105, _106, _107, _108, _109, _110, _111, _112,   \
    _113, _114, _115, _116, _117, _118, _119, _120, _121, _122, _123, _124, _125, _126, _127,      \
    _128, _129, _130, _131, _132, _133, _134, _135, _136, _137, _138, _139, _140, _141, _142,      \
    _143, _144, _145, _146, _147, _148, _149, _150, _151, _152, _153, _154, _155, _156, _157,      \
    _158, _159, _160, _161, _162, _163, _164, _165, _166, _167, _168, _169, _170, _171, _172,      \
    _173, _174, _175, _176, _177, _178, _179, _180, _181, _182, _183, _184, _185, _186, _187,      \
    _188, _189, _190, _191, _192, _193, _194, _195, _196, _197, _198, _199, _200, _201, _202,      \
    _203, _204, _205, _206, _207, _208, _209, _210, _211, _212, _213, _214, _215, _216, _217,      \
    _218, _219, _220, _221, _222, _223, _224, _225, _226, _227, _228, _229, _230, _231, _232,      \
    _233, _234, _235, _236, _237, _238, _239, _240, _241, _242, _243, _244, _245, _246, _247,      \
    _248, _249, _250, _251, _252, _253, _254, _255, _256, _257, pick, ...)                         \
    pick

#define WEIR__X4(x) x, x, x, x
#define WEIR__X16(x) WEIR__X4(x), WEIR__X4(x), WEIR__X4(x), WEIR__X4(x)
#define WEIR__X64(x) WEIR__X16(x), WEIR__X16(x), WEIR__X16(x), WEIR__X16(x)
#define WEIR__X256(x) WEIR__X64(x), WEIR__X64(x), WEIR__X64(x), WEIR__X64(x)

/* For a list of 8 * g + r, r from 1 to 8: (g, r), from 257 down to 1. */
#define WEIR__EACH_EIGHT(g) (g, 8), (g, 7), (g, 6), (g, 5), (g, 4), (g, 3), (g, 2), (g, 1)
#define WEIR__EACH_STEPS                                                                           \
    (TOO_MANY, 1), WEIR__EACH_EIGHT(31), WEIR__EACH_EIGHT(30), WEIR__EACH_EIGHT(29),               \
        WEIR__EACH_EIGHT(28), WEIR__EACH_EIGHT(27), WEIR__EACH_EIGHT(26), WEIR__EACH_EIGHT(25),    \
        WEIR__EACH_EIGHT(24), WEIR__EACH_EIGHT(23), WEIR__EACH_EIGHT(22), WEIR__EACH_EIGHT(21),    \
        WEIR__EACH_EIGHT(20), WEIR__EACH_EIGHT(19), WEIR__EACH_EIGHT(18), WEIR__EACH_EIGHT(17),    \
        WEIR__EACH_EIGHT(16), WEIR__EACH_EIGHT(15), WEIR__EACH_EIGHT(14), WEIR__EACH_EIGHT(13),    \
        WEIR__EACH_EIGHT(12), WEIR__EACH_EIGHT(11), WEIR__EACH_EIGHT(10), WEIR__EACH_EIGHT(9),     \
        WEIR__EACH_EIGHT(8), WEIR__EACH_EIGHT(7), WEIR__EACH_EIGHT(6), WEIR__EACH_EIGHT(5),        \
        WEIR__EACH_EIGHT(4), WEIR__EACH_EIGHT(3), WEIR__EACH_EIGHT(2), WEIR__EACH_EIGHT(1),        \
        WEIR__EACH_EIGHT(0),

#define WEIR__EACH_DO(steps, ...) WEIR__EACH_DO_OF(WEIR__EACH_UNPAREN steps, __VA_ARGS__)
#define WEIR__EACH_DO_OF(...) WEIR__EACH_DO_IT(__VA_ARGS__)
#define WEIR__EACH_DO_IT(g, r, f, t, ...) WEIR__EACH_R##r(WEIR__EACH_G##g, f, t, __VA_ARGS__, )
#define WEIR__EACH_UNPAREN(...) __VA_ARGS__

/* A rest of 1 to 8, then the steps of 8 that are left. The last argument of each is empty. */
#define WEIR__EACH_R1(next, f, t, a_, ...) f(t, a_) next(f, t, __VA_ARGS__)
#define WEIR__EACH_R2(next, f, t, a_, b_, ...) f(t, a_), f(t, b_) next(f, t, __VA_ARGS__)
#define WEIR__EACH_R3(next, f, t, a_, b_, c_, ...)                                                 \
    f(t, a_), f(t, b_), f(t, c_) next(f, t, __VA_ARGS__)
#define WEIR__EACH_R4(next, f, t, a_, b_, c_, d_, ...)                                             \
    f(t, a_), f(t, b_), f(t, c_), f(t, d_) next(f, t, __VA_ARGS__)
#define WEIR__EACH_R5(next, f, t, a_, b_, c_, d_, e_, ...)                                         \
    f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_) next(f, t, __VA_ARGS__)
#define WEIR__EACH_R6(next, f, t, a_, b_, c_, d_, e_, f_, ...)                                     \
    f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_) next(f, t, __VA_ARGS__)
#define WEIR__EACH_R7(next, f, t, a_, b_, c_, d_, e_, f_, g_, ...)                                 \
    f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_) next(f, t, __VA_ARGS__)
#define WEIR__EACH_R8(next, f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                             \
    f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                          \
        f(t, h_) next(f, t, __VA_ARGS__)
#define WEIR__EACH_G0(f, t, ...)
#define WEIR__EACH_GTOO_MANY(f, t, ...) weir_there_are_more_than_256_of_them
#define WEIR__EACH_G1(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                   \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G0(f, t, __VA_ARGS__)
#define WEIR__EACH_G2(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                   \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G1(f, t, __VA_ARGS__)
#define WEIR__EACH_G3(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                   \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G2(f, t, __VA_ARGS__)
#define WEIR__EACH_G4(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                   \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G3(f, t, __VA_ARGS__)
#define WEIR__EACH_G5(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                   \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G4(f, t, __VA_ARGS__)
#define WEIR__EACH_G6(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                   \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G5(f, t, __VA_ARGS__)
#define WEIR__EACH_G7(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                   \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G6(f, t, __VA_ARGS__)
#define WEIR__EACH_G8(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                   \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G7(f, t, __VA_ARGS__)
#define WEIR__EACH_G9(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                   \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G8(f, t, __VA_ARGS__)
#define WEIR__EACH_G10(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G9(f, t, __VA_ARGS__)
#define WEIR__EACH_G11(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G10(f, t, __VA_ARGS__)
#define WEIR__EACH_G12(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G11(f, t, __VA_ARGS__)
#define WEIR__EACH_G13(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G12(f, t, __VA_ARGS__)
#define WEIR__EACH_G14(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G13(f, t, __VA_ARGS__)
#define WEIR__EACH_G15(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G14(f, t, __VA_ARGS__)
#define WEIR__EACH_G16(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G15(f, t, __VA_ARGS__)
#define WEIR__EACH_G17(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G16(f, t, __VA_ARGS__)
#define WEIR__EACH_G18(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G17(f, t, __VA_ARGS__)
#define WEIR__EACH_G19(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G18(f, t, __VA_ARGS__)
#define WEIR__EACH_G20(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G19(f, t, __VA_ARGS__)
#define WEIR__EACH_G21(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G20(f, t, __VA_ARGS__)
#define WEIR__EACH_G22(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G21(f, t, __VA_ARGS__)
#define WEIR__EACH_G23(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G22(f, t, __VA_ARGS__)
#define WEIR__EACH_G24(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G23(f, t, __VA_ARGS__)
#define WEIR__EACH_G25(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G24(f, t, __VA_ARGS__)
#define WEIR__EACH_G26(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G25(f, t, __VA_ARGS__)
#define WEIR__EACH_G27(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G26(f, t, __VA_ARGS__)
#define WEIR__EACH_G28(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G27(f, t, __VA_ARGS__)
#define WEIR__EACH_G29(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G28(f, t, __VA_ARGS__)
#define WEIR__EACH_G30(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G29(f, t, __VA_ARGS__)
#define WEIR__EACH_G31(f, t, a_, b_, c_, d_, e_, f_, g_, h_, ...)                                  \
    , f(t, a_), f(t, b_), f(t, c_), f(t, d_), f(t, e_), f(t, f_), f(t, g_),                        \
        f(t, h_) WEIR__EACH_G30(f, t, __VA_ARGS__)

#endif
