"""The judge of the soak (tests/soak), on series that are made up: leaks of known size are found, and
what is no leak is not, however it looks. The soak itself is `make soak`."""
import importlib.util
import os
import pathlib
import random
import sys

SOURCE = pathlib.Path(os.environ.get("WEIR_SOURCE", pathlib.Path(__file__).parent.parent.parent))
spec = importlib.util.spec_from_file_location("judge", SOURCE / "tests/soak/judge.py")
judge_of = importlib.util.module_from_spec(spec)
sys.modules["judge"] = judge_of
spec.loader.exec_module(judge_of)
judge = judge_of.judge

PER_ROUND = 40_000  # requests
MIB = 1 << 20


def series(value, lives=4, rounds=25, seed=1):
    """`value(life, round, requests, random)` at the end of each round of each life."""
    chance = random.Random(seed)
    return [[(n * PER_ROUND, value(life, n, n * PER_ROUND, chance)) for n in range(rounds)]
            for life in range(lives)]


def descriptors(lives):
    return judge(lives, bound=1e-5, floor=3)


def memory(lives):
    return judge(lives, bound=1.0, floor=4 * MIB)


def leaks_fd(every, noise=0.0):
    return lambda life, n, requests, chance: (30 + life + requests // every
                                              + round(chance.gauss(0, noise)))


def test_one_in_ten_thousand_is_found():
    for seed in range(200):
        found = descriptors(series(leaks_fd(10_000, noise=2), seed=seed))
        assert found.is_leak, (seed, found)
        assert abs(found.slope - 1e-4) < 1e-5


def test_one_in_ten_thousand_is_found_in_a_minute():
    """Two lives of six rounds, as the short form has."""
    for seed in range(200):
        assert descriptors(series(leaks_fd(10_000, 1), lives=2, rounds=6, seed=seed)).is_leak


def test_memory_of_one_request_in_ten_thousand_is_found():
    """64 KiB each: 6.5 bytes a request, under half a MiB of noise."""
    for seed in range(200):
        found = memory(series(lambda life, n, requests, chance:
                              (60 + life) * MIB + requests // 10_000 * 65536
                              + chance.gauss(0, MIB / 2), seed=seed))
        assert found.is_leak, (seed, found)


def test_a_kilobyte_of_one_request_in_a_thousand_is_found_in_the_heap():
    """Under caches that come and go by 200 KiB; resident memory would not show it."""
    for seed in range(200):
        found = judge(series(lambda life, n, requests, chance:
                             5 * MIB + requests // 1000 * 1024 + chance.gauss(0, 200 << 10),
                             seed=seed), bound=0.1, floor=MIB / 4)
        assert found.is_leak, (seed, found)


def test_what_is_flat_is_flat():
    assert descriptors(series(lambda life, n, requests, chance: 30 + life)).word == "flat"
    alarms = sum(descriptors(series(leaks_fd(10**12, noise=2), seed=seed)).is_leak
                 for seed in range(500))
    assert alarms == 0


def test_restarts_are_no_slope():
    """Each life a level of its own, higher each time: the slope is within lives."""
    assert descriptors(series(lambda life, n, requests, chance: 30 + 100 * life)).word == "flat"


def test_slow_waves_are_no_leak():
    """Memory that wanders (each value near the one before) by MiBs, without going anywhere."""
    def wander(seed):
        chance, lives = random.Random(seed), []
        for life in range(4):
            level, points = 60.0 * MIB, []
            for n in range(25):
                level += chance.gauss(0, MIB / 2) - (level - 60 * MIB) * 0.2
                points.append((n * PER_ROUND, level))
            lives.append(points)
        return lives
    alarms = sum(memory(wander(seed)).is_leak for seed in range(500))
    assert alarms <= 5, alarms


def test_what_comes_to_nothing_is_no_leak():
    """Significant, and far below what matters in the whole run."""
    rising = series(lambda life, n, requests, chance: 60 * MIB + requests * 2, rounds=6, lives=1)
    assert memory(rising).slope > 1.9
    assert memory(rising).word == "flat"  # 400 KB: a cache that fills
    assert descriptors(series(lambda life, n, requests, chance: 30 + (n > 12), lives=1)).word != "LEAK"


def test_a_shrinking_series_is_flat():
    assert memory(series(lambda life, n, requests, chance: 90 * MIB - requests * 10)).word == "flat"


def test_too_little_cannot_tell():
    assert descriptors([]).word == "cannot tell"
    assert descriptors(series(leaks_fd(10), lives=1, rounds=3)).word == "cannot tell"
    loud = series(lambda life, n, requests, chance: chance.gauss(500, 300), lives=2, rounds=6)
    assert descriptors(loud).word == "cannot tell"


def test_quantiles_are_those_of_the_tables():
    table = {(0.99, 3): 4.541, (0.99, 5): 3.365, (0.99, 10): 2.764, (0.99, 30): 2.457,
             (0.95, 10): 1.812, (0.99, 100): 2.364}
    for (confidence, freedom), value in table.items():
        assert abs(judge_of.t_quantile(confidence, freedom) / value - 1) < 0.02
