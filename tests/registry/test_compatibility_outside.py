"""Every case of two published suites, read from a folder beside the project: they are not ours to copy.

The folder is `../shared/compat`, or what TYPECASE_TEST_COMPAT names.
"""

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from typecase.blocks.compatibility import check_compatibility

ROOT = Path(__file__).resolve().parents[2]
NAMED = os.environ.get("TYPECASE_TEST_COMPAT")
FOLDER = Path(NAMED) if NAMED else ROOT.parent / "shared" / "compat"
PRESENT = all((FOLDER / f"{suite}.json").is_file() for suite in ("apicurio", "jsoncompat"))
REVIEWED = json.loads((Path(__file__).parent / "compatibility" / "differences.json").read_text(encoding="utf-8"))
DIFFERENT = {(entry["suite"], entry["number"], entry["direction"]): entry["reason"] for entry in REVIEWED}
EXPECTED = {
    "backward": {"backward": True, "forward": False},
    "both": {"backward": True, "forward": True},
    "none": {"backward": False, "forward": False},
}


def published(suite):
    return json.loads((FOLDER / f"{suite}.json").read_text(encoding="utf-8")) if PRESENT else []


def outside_cases():
    """Yield (suite, number, direction, case, whether the suite calls it compatible)."""
    for number, case in enumerate(published("apicurio")):
        for direction, compatible in EXPECTED[case["compat"]].items():
            yield "apicurio", number, direction, case, compatible
    for number, case in enumerate(published("jsoncompat")):
        yield "jsoncompat", number, "backward", case, case["deserializer"]
        yield "jsoncompat", number, "forward", case, case["serializer"]


CASES = list(outside_cases())
WITNESSED = [
    (number, case, direction)
    for number, case in enumerate(published("jsoncompat"))
    if case["examples"]
    for direction in ("backward", "forward")
]


@pytest.fixture(autouse=True)
def suites():
    """Skips where the folder is missing; fails where the run names one that is not there and must have it."""
    if PRESENT:
        return
    reason = f"no apicurio.json and jsoncompat.json in {FOLDER} (name the folder in TYPECASE_TEST_COMPAT)"
    if NAMED and os.environ.get("TYPECASE_TEST_REQUIRE") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def is_compatible(case, direction):
    return not check_compatibility(case["old"], case["new"], direction=direction, policy="strict")


@pytest.mark.parametrize(
    ("suite", "number", "direction", "case", "compatible"),
    [pytest.param(*case, id=f"{case[0]}-{case[1]}-{case[2]}") for case in CASES],
)
def test_a_published_case_is_answered_as_its_suite_says_unless_reviewed(suite, number, direction, case, compatible):
    answer = is_compatible(case, direction)

    if (suite, number, direction) in DIFFERENT:
        assert answer is not compatible, "reviewed as different, but the same by now: take it off the list"
    else:
        assert answer is compatible


@pytest.mark.parametrize(
    "entry", REVIEWED, ids=lambda entry: f"{entry['suite']}-{entry['number']}-{entry['direction']}"
)
def test_a_reviewed_difference_names_a_case_that_exists_and_says_why(entry):
    assert published(entry["suite"])[entry["number"]]["id"] == entry["id"]
    assert entry["reason"]


def test_the_suites_are_whole():
    assert (len(published("apicurio")), len(published("jsoncompat"))) == (145, 63)


def test_fewer_than_five_cases_in_a_hundred_differ():
    cases = {(suite, number) for suite, number, _ in DIFFERENT}

    assert len(cases) < 0.05 * (len(published("apicurio")) + len(published("jsoncompat")))


@pytest.mark.parametrize(
    ("number", "case", "direction"),
    [pytest.param(*found, id=f"{found[0]}-{found[2]}") for found in WITNESSED],
)
def test_yes_is_never_said_against_a_published_witness(number, case, direction):
    reader = case["new"] if direction == "backward" else case["old"]
    writer = case["old"] if direction == "backward" else case["new"]
    values = [value for group in case["examples"].values() for value in group or ()]
    judges = [Draft202012Validator(schema) for schema in (writer, reader)]

    def refused(value):
        try:
            return judges[0].is_valid(value) and not judges[1].is_valid(value)
        except RecursionError:
            return False  # a reference that only leads to itself: the judge does not come back

    if is_compatible(case, direction):
        assert [value for value in values if refused(value)] == []
