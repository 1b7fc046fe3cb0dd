"""A small, strict reader of Prometheus' text format 0.0.4: what it accepts, Prometheus does."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)\Z")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|\Z)')
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


def read_labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"labels {text!r} at {at}"
        assert match.group(1) not in labels, f"label {match.group(1)} twice in {text!r}"
        labels[match.group(1)] = match.group(2)
        at = match.end()
    return labels


def check_histograms(families):
    for family, (kind, samples) in families.items():
        if kind != "histogram":
            continue
        series = {}
        for name, labels, value in samples:
            key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
            series.setdefault(key, {}).setdefault(name[len(family):], []).append((labels, value))
        for parts in series.values():
            buckets = [(float(labels["le"]), value) for labels, value in parts["_bucket"]]
            assert buckets == sorted(buckets), f"buckets of {family} are not in order"
            assert buckets[-1][0] == float("inf"), f"{family} has no +Inf"
            assert buckets[-1][1] == parts["_count"][0][1], f"{family}: +Inf is not the count"
            assert "_sum" in parts


def read(text):
    """{family: (type, [(name, labels, value)])}; raises AssertionError for what is not well formed."""
    assert text.endswith("\n")
    families, family, helps, seen = {}, None, set(), set()
    for line in text.splitlines():
        assert line == line.strip() and line, f"blank: {line!r}"
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in helps, f"HELP of {name} twice"
            assert len(line.split(" ", 3)[3]) > 3
            helps.add(name)
        elif line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert kind in TYPES and family not in families and family in helps, line
            assert (kind == "counter") == family.endswith("_total"), line
            families[family] = (kind, [])
        else:
            match = SAMPLE.match(line)
            assert match, f"no sample: {line!r}"
            name, labels, value = match.group(1), read_labels(match.group(2) or ""), match.group(3)
            ends = ("_bucket", "_sum", "_count") if families[family][0] == "histogram" else ("",)
            assert name in [family + end for end in ends], f"{name} stands below {family}"
            key = (name, tuple(sorted(labels.items())))
            assert key not in seen, f"sample {key} twice"
            seen.add(key)
            families[family][1].append((name, labels, float(value)))
    check_histograms(families)
    return families
