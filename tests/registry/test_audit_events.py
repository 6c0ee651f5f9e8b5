"""What an audit event may hold, and its hash."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from fakes import audit_trials as trials
from hypothesis import given
from pydantic import SecretBytes, SecretStr

from typecase.registry.audit.chain import beginning, link
from typecase.registry.audit.events import LONGEST, LONGEST_FACT, MOST_ITEMS, AuditEvent, facts_text

AT = datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [value], lambda value: (1, value)])
@pytest.mark.parametrize(
    "kind", [SecretStr, lambda text: SecretBytes(text.encode()), str.encode, set, lambda t: {t: t}]
)
def test_a_fact_that_is_no_plain_value_is_refused_and_not_shown(kind, wrap, canary, assert_no_canary):
    with pytest.raises(TypeError) as caught:
        AuditEvent(action="a", facts={"field": wrap(kind(canary))})
    assert "'field'" in str(caught.value)
    assert_no_canary(str(caught.value))


@pytest.mark.parametrize("value", [1.5, float("nan"), datetime.now(UTC), object(), [[1]], [{"a": 1}]])
def test_a_value_that_is_not_written_the_same_everywhere_is_refused(value):
    with pytest.raises(TypeError):
        AuditEvent(action="a", facts={"field": value})


@pytest.mark.parametrize("name", ["principal", "action", "workspace", "document_id", "document"])
def test_a_text_that_is_a_secret_is_refused(name, canary):
    with pytest.raises(TypeError, match=name):
        AuditEvent(**{"action": "a", name: SecretStr(canary)})


def test_a_fact_has_a_name(canary):
    with pytest.raises(TypeError):
        AuditEvent(action="a", facts={SecretStr(canary): 1})


def test_a_number_fits_into_64_bits():
    with pytest.raises(ValueError, match="64 bits"):
        AuditEvent(action="a", facts={"n": 1 << 63})


def test_an_outcome_is_one_of_three():
    with pytest.raises(ValueError, match="done, denied, failed"):
        AuditEvent(action="a", outcome="perhaps")


def test_a_time_has_a_zone():
    with pytest.raises(ValueError, match="time zone"):
        AuditEvent(action="a", at=AT.replace(tzinfo=None))


def test_a_time_is_kept_in_utc():
    at = AuditEvent(action="a", at=AT.astimezone(timezone(timedelta(hours=5)))).at
    assert (at, at.utcoffset()) == (AT, timedelta(0))


def test_texts_that_no_database_holds_are_made_fit():
    event = AuditEvent(action="a\0", principal="x" * 999, document_id="y" * 99, facts={"f\ud800": "z" * 9999})
    assert (event.action, len(event.principal), len(event.document_id)) == ("a\ufffd", LONGEST, 32)
    assert event.facts == {"f\ufffd": "z" * LONGEST_FACT}


def test_a_long_list_says_how_much_is_left_out():
    event = AuditEvent(action="a", facts={"fields": ["f"] * (MOST_ITEMS + 3)})
    assert event.facts["fields"][-1] == "... and 3 more"
    assert len(event.facts["fields"]) == MOST_ITEMS + 1


def test_a_hash_is_what_it_always_was():
    """The format never changes: logs that people keep are verified by it."""
    facts = facts_text({"flow": "etl", "é": ["host", None, True], "n": -3})
    assert facts == '{"flow":"etl","n":-3,"\\u00e9":["host",null,true]}'
    texts = ["ann", "document.load", "done", "prod", "d" * 32, "prod-db", facts]
    assert link(beginning("0123456789abcdef"), 1, AT, texts).hex() == GOLDEN


GOLDEN = "0f987c48ee253e7284c67eb3718e765e4691c3cf3b0d59a0fa47212e92f765ca"


@given(trials.EVENTS, trials.EVENTS)
def test_different_events_have_different_hashes(first, second):
    def digest(event):
        texts = (event.principal, event.action, event.outcome, event.workspace, event.document_id, event.document)
        return link(b"", 1, event.at, [*texts, facts_text(event.facts)])

    assert (digest(first[0]) == digest(second[0])) is (first[0] == second[0])


def test_a_part_does_not_flow_into_the_next():
    assert link(b"", 1, AT, ["ab", "c"]) != link(b"", 1, AT, ["a", "bc"])
