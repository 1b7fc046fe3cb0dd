"""Loads with a side of ours and sides that it is held against, for the programs that measure.

The unit is an answer per second of the CPU time of what is measured (see measuring.py). All sides of all loads take
turns in each round; a ratio is the median of the rounds' ratios. Targets are shown, never enforced.
"""
import collections
import dataclasses
import statistics
import typing

from measuring import TROUBLE, Failed, human, progress, say, verdict


@dataclasses.dataclass
class Side:
    """One of those that are held against each other."""

    title: str
    measure: typing.Callable  # (peers, plan): answers per second of CPU time
    target: float = 0  # ours is to be at least so many times this one; 0: it is only shown
    rates: list = dataclasses.field(default_factory=list)  # one a round, None where it failed
    failures: collections.Counter = dataclasses.field(default_factory=collections.Counter)


@dataclasses.dataclass
class Load:
    what: str
    ours: Side
    others: list

    def sides(self):
        return [self.ours, *self.others]


# --- measuring ------------------------------------------------------------------------------------


def all_good(answers, bad):
    if bad:
        raise Failed(f"{bad} of {answers} answers were not 2xx")
    return answers


def spent_on(put, server, peers, plan):
    if plan.warm:
        put(peers, server, plan.warm)
    before = server.cpu_seconds()
    answers = put(peers, server, plan.seconds)
    spent = server.cpu_seconds() - before
    if spent <= 0:
        raise Failed("no time was spent")
    return answers / spent


def measure_side(side, peers, plan):
    """One round of one side; who has only failed so far is not asked again."""
    rate = None
    if not side.failures or any(side.rates):
        try:
            rate = side.measure(peers, plan)
        except TROUBLE as e:
            side.failures[str(e)] += 1
    side.rates.append(rate)


def measure_all(all_loads, peers, plan):
    for turn in range(plan.rounds):
        for load in all_loads:
            progress(f"round {turn + 1} of {plan.rounds}: {load.what}")
            for side in load.sides():
                measure_side(side, peers, plan)


# --- results --------------------------------------------------------------------------------------


def middle(rates):
    return human(statistics.median(rates)) if rates else ""


def row(load, other):
    ratios = [a / b for a, b in zip(load.ours.rates, other.rates) if a and b]
    cells = [load.what, middle([r for r in load.ours.rates if r]), other.title, middle([r for r in other.rates if r])]
    if not ratios:
        return cells + ["", "", f"{other.target:.2f}" if other.target else "", "not measured" if other.target else ""]
    ratio = statistics.median(ratios)
    goal = [f"{other.target:.2f}", verdict(ratio >= other.target)] if other.target else ["", ""]
    return cells + [f"{ratio:.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}", *goal]


def print_loads(all_loads, plan):
    say(f"Answers per second of CPU time, medians of {plan.rounds} × {plan.seconds} s each, in turn:")
    say()
    say("| load | Weir | the other | its rate | Weir / other | in all rounds | at least | met |")
    say("| --- | ---: | --- | ---: | ---: | ---: | ---: | --- |")
    for load in all_loads:
        for other in load.others:
            say(f"| {' | '.join(row(load, other))} |")
    say()
    said = [f"- {load.what}, {side.title}: {why}"
            for load in all_loads for side in load.sides() for why in side.failures]
    if said:
        say("\n".join(said) + "\n")
