"""Whether something grows: slopes of what a service holds, over the requests that it has served.

A series is a list of lives, one for each start of the service, and a life a list of (requests,
value). Lives have levels of their own; the slope is common to all of them (least squares within
lives). A leak is a slope that is significantly above its bound, and that has come to something:

    slope - t(confidence) * standard error > bound   and   slope * requests in the longest life > floor

The standard error is widened where neighbours resemble each other (resident memory moves slowly), by
the correlation of residuals with the next one's. Nothing here knows where the numbers come from.
"""
import dataclasses
import math
import statistics

CONFIDENCE = 0.99
POINTS_MIN = 6


@dataclasses.dataclass(frozen=True)
class Verdict:
    slope: float  # units a request
    error: float  # half of the one-sided confidence interval's width
    bound: float
    growth: float  # slope times the requests of the longest life
    points: int
    word: str  # "flat", "LEAK", "cannot tell"

    @property
    def is_leak(self):
        return self.word == "LEAK"


def t_quantile(confidence, freedom):
    """Student's t by the expansion of Cornish and Fisher: within 2 % from 3 degrees of freedom on."""
    z = statistics.NormalDist().inv_cdf(confidence)
    v = freedom
    return (z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
            + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3))


def centred(life):
    """The life around its own means."""
    mean_x = statistics.fmean(x for x, _ in life)
    mean_y = statistics.fmean(y for _, y in life)
    return [(x - mean_x, y - mean_y) for x, y in life]


def correlation_of_neighbours(lives):
    """Of residuals, by life; 0 to 0.9: what is below 0 widens nothing."""
    above = sum(a * b for life in lives for a, b in zip(life, life[1:]))
    below = sum(a * a for life in lives for a in life)
    return min(0.9, max(0.0, above / below)) if below > 0 else 0.0


def judge(lives, bound, floor=0.0, confidence=CONFIDENCE):
    """The verdict on a series; its warm-up has been left out already."""
    lives = [centred(life) for life in lives if len(life) > 1]
    points = sum(len(life) for life in lives)
    spread = sum(x * x for life in lives for x, _ in life)
    freedom = points - len(lives) - 1
    if points < POINTS_MIN or freedom < 3 or spread == 0:
        return Verdict(math.nan, math.nan, bound, math.nan, points, "cannot tell")
    slope = sum(x * y for life in lives for x, y in life) / spread
    residuals = [[y - slope * x for x, y in life] for life in lives]
    r = correlation_of_neighbours(residuals)
    variance = sum(e * e for life in residuals for e in life) / freedom
    error = t_quantile(confidence, freedom) * math.sqrt(variance / spread * (1 + r) / (1 - r))
    reach = max(life[-1][0] - life[0][0] for life in lives)
    if slope - error > bound and slope * reach > floor:
        word = "LEAK"
    elif slope + error > bound and (slope + error) * reach > floor:
        word = "cannot tell"
    else:
        word = "flat"
    return Verdict(slope, error, bound, slope * reach, points, word)
