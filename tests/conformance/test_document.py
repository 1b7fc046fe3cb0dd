"""docs/design/conformance.md and the tables of this folder say the same.

Each section of the document that names tests has a case there, and each case's section is in the
document: so a rule cannot lose its case, nor a case its rule.
"""
import pathlib
import re

HERE = pathlib.Path(__file__).parent
DOCUMENT = HERE.parent.parent / "docs" / "design" / "conformance.md"
RFCS = "9110|9112|9113|7540|7541|8446|5246|5746|6066|6125|7301|9325"
CASE = re.compile(rf'(?:RULE\(|^    \{{|try_long\(|\.section = )\s*"({RFCS}) ([\dA-E.]+)"', re.M)


def of_document():
    """(RFC, section, test) for each test that a row names."""
    rfc = None
    for line in DOCUMENT.read_text().splitlines():
        heading = re.match(r"## RFC (\d+)", line)
        if line.startswith("## "):
            rfc = heading and heading.group(1)
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if rfc and line.startswith("| ") and re.match(r"[\dA-E]", cells[0]):
            for test in re.findall(r"`(\w+)`", cells[3]):
                yield rfc, cells[0], test


def of_tables():
    for path in HERE.glob("*_test.c"):
        for rfc, section in CASE.findall(path.read_text()):
            yield rfc, section, path.name.replace("_test.c", "")


def test_every_rule_has_a_case_and_every_case_a_rule():
    wanted, there = set(of_document()), set(of_tables())
    assert wanted, "the document has no rows"
    assert not wanted - there, f"rules without a case: {sorted(wanted - there)}"
    assert not there - wanted, f"cases that the document does not have: {sorted(there - wanted)}"


def test_what_is_stricter_is_named():
    """A case that says "ours" belongs to a section that says so, too."""
    rows = [line for line in DOCUMENT.read_text().splitlines() if "**ours**" in line]
    unnamed = []
    for path in HERE.glob("*_test.c"):
        cases = re.findall(r'RULE\(\s*"\d+ ([\d.]+)",\s*"([^"]*: ours)"', path.read_text())
        unnamed += [(section, name) for section, name in cases
                    if not any(row.startswith(f"| {section} |") for row in rows)]
    assert not unnamed
