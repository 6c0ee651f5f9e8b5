"""What every registry promises about new schema versions: the rule, the refusal, the dry run."""

# ruff: noqa: D102, PLR2004, S101  a test's name is its sentence, an expected number the specification, assert its verb

from collections.abc import Mapping
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any

import pytest

from typecase.blocks.compatibility import Bump, Mode, Policy, Rule
from typecase.blocks.errors import (
    IncompatibleSchema,
    SettingsError,
    TypeNotRegistered,
)
from typecase.blocks.records import TypeDefinition
from typecase.blocks.registry import Registry
from typecase.blocks.schema import digest, secret_paths
from typecase.blocks.verdicts import CompatibilityRule, Outcome

SLUG = "contract-evolving"
TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
SECRET_TEXT = {"type": "string", "writeOnly": True}


def evolving(
    properties: Mapping[str, Any],
    *,
    required: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
    slug: str = SLUG,
    package: str = "contract-package",
) -> TypeDefinition:
    """A definition of the type that evolves, with these fields."""
    schema = {"type": "object", "properties": dict(properties), "required": sorted(required)}
    paths = tuple(secret_paths(schema))
    return TypeDefinition(
        slug=slug,
        title="Evolving",
        description="",
        icon="",
        docs="",
        kinds=kinds,
        package=package,
        package_version="1",
        schema=schema,
        form=schema,
        secret_paths=paths,
        digest=digest(schema, paths, kinds),
    )


FIRST = evolving({"host": TEXT})
WIDER = evolving({"host": TEXT, "port": {**NUMBER, "default": 1}})
BROKEN = evolving({"host": NUMBER})


class CompatibilityContract:
    """Rules, refusals and dry runs."""

    def test_the_rule_is_backward_transitive_and_lenient_unless_set(self, registry: Registry) -> None:
        default = CompatibilityRule(mode=Mode.BACKWARD_TRANSITIVE, policy=Policy.LENIENT, inherited=True)
        registry.types.register(FIRST)
        assert registry.types.compatibility() == default
        assert registry.types.compatibility(SLUG) == default

    def test_a_rule_for_all_holds_for_every_type_without_its_own(self, registry: Registry) -> None:
        registry.types.register(FIRST)
        general = registry.types.set_compatibility(Mode.FULL, Policy.STRICT)
        assert general == CompatibilityRule(mode=Mode.FULL, policy=Policy.STRICT, inherited=False)
        assert registry.types.compatibility() == general
        assert registry.types.compatibility(SLUG) == replace(general, inherited=True)

    def test_a_type_keeps_its_own_rule_until_it_inherits_again(self, registry: Registry) -> None:
        registry.types.register(FIRST)
        registry.types.set_compatibility("forward")
        own = registry.types.set_compatibility("none", "strict", slug=SLUG)
        assert own == CompatibilityRule(mode=Mode.NONE, policy=Policy.STRICT, inherited=False)
        assert registry.types.compatibility(SLUG) == own
        assert registry.types.compatibility().mode is Mode.FORWARD
        again = registry.types.set_compatibility(None, None, slug=SLUG)
        assert again == CompatibilityRule(mode=Mode.FORWARD, policy=Policy.LENIENT, inherited=True)

    def test_mode_and_policy_are_set_one_by_one(self, registry: Registry) -> None:
        registry.types.set_compatibility("full")
        rule = registry.types.set_compatibility(policy="strict")
        assert (rule.mode, rule.policy) == (Mode.FULL, Policy.STRICT)

    def test_an_unknown_mode_policy_or_type_is_refused(self, registry: Registry) -> None:
        with pytest.raises(SettingsError, match=r"'sideways'.*backward-transitive"):
            registry.types.set_compatibility("sideways")
        with pytest.raises(SettingsError, match=r"'loose'.*lenient"):
            registry.types.set_compatibility(policy="loose")
        with pytest.raises(TypeNotRegistered, match=SLUG):
            registry.types.set_compatibility("none", slug=SLUG)
        with pytest.raises(TypeNotRegistered, match=SLUG):
            registry.types.compatibility(SLUG)

    def test_a_schema_that_reads_all_earlier_documents_is_a_new_version(self, registry: Registry) -> None:
        registry.types.register(FIRST)
        assert registry.types.register(WIDER).number == 2
        assert [item.number for item in registry.types.versions(SLUG)] == [1, 2]
        assert [item.forced for item in registry.types.versions(SLUG)] == [False, False]

    def test_one_that_does_not_is_refused_with_path_rule_and_sentence(self, registry: Registry) -> None:
        registry.types.register(FIRST)
        with pytest.raises(IncompatibleSchema, match=r"\$\.host \(type-changed, against version 1\)") as raised:
            registry.types.register(BROKEN)
        (found,) = raised.value.differences
        assert (found.path, found.rule, found.direction, found.version) == ("$.host", "type-changed", "backward", 1)
        assert found.sentence in str(raised.value)
        assert registry.types.versions(SLUG) == (registry.types.version(SLUG, 1),)

    def test_every_earlier_version_counts_where_the_mode_is_transitive(self, registry: Registry) -> None:
        registry.types.register(evolving({"host": TEXT}))
        registry.types.register(evolving({}))
        with pytest.raises(IncompatibleSchema, match="version 1"):
            registry.types.register(BROKEN)
        registry.types.set_compatibility("backward")
        assert registry.types.register(BROKEN).number == 3

    def test_force_takes_it_and_later_versions_are_compared_from_there_on(self, registry: Registry) -> None:
        registry.types.register(FIRST)
        assert registry.types.register(BROKEN, force=True).forced
        assert registry.types.register(evolving({"host": NUMBER, "size": {**NUMBER, "default": 1}})).number == 3
        with pytest.raises(IncompatibleSchema, match="version 2"):
            registry.types.register(evolving({"host": TEXT, "other": TEXT}))

    def test_force_where_nothing_is_refused_is_no_new_beginning(self, registry: Registry) -> None:
        registry.types.register(FIRST, force=True)
        assert not registry.types.register(WIDER, force=True).forced

    def test_a_refused_schema_may_be_registered_by_force_afterwards(self, registry: Registry) -> None:
        registry.types.register(FIRST)
        with pytest.raises(IncompatibleSchema):
            registry.types.register(BROKEN)
        assert registry.types.register(BROKEN, force=True).number == 2
        assert registry.types.register(BROKEN).number == 2

    def test_mode_none_takes_anything_but_lost_secrecy(self, registry: Registry) -> None:
        registry.types.register(evolving({"host": TEXT, "token": SECRET_TEXT}))
        registry.types.set_compatibility("none")
        assert registry.types.register(evolving({"host": NUMBER, "token": SECRET_TEXT})).number == 2
        clear = evolving({"host": NUMBER, "token": TEXT})
        with pytest.raises(IncompatibleSchema) as raised:
            registry.types.register(clear)
        assert [item.rule for item in raised.value.differences] == [Rule.STOPS_BEING_SECRET]
        assert registry.types.register(clear, force=True).number == 3

    def test_a_field_that_becomes_secret_is_allowed_and_reported(self, registry: Registry) -> None:
        registry.types.register(evolving({"token": TEXT}))
        closed = evolving({"token": SECRET_TEXT})
        verdict = registry.types.check(closed)
        assert verdict.outcome is Outcome.NEW_VERSION
        assert Rule.BECOMES_SECRET in {item.rule for item in verdict.report.differences}
        assert registry.types.register(closed).number == 2

    def test_a_lost_kind_is_refused(self, registry: Registry) -> None:
        registry.types.register(evolving({}, kinds=("Database", "Credentials")))
        with pytest.raises(IncompatibleSchema, match="Credentials"):
            registry.types.register(evolving({}, kinds=("Database",)))

    def test_a_migration_makes_up_for_what_the_schema_does_not_read(self, registry: Registry) -> None:
        registry.types.register(FIRST)
        registry.types.register(WIDER)
        with pytest.raises(IncompatibleSchema, match="version 2"):
            registry.types.register(replace(BROKEN, migrates_through=1))
        verdict = registry.types.check(replace(BROKEN, migrates_through=2))
        assert (verdict.outcome, verdict.report.bump) == (Outcome.NEW_VERSION, Bump.MAJOR)
        assert not registry.types.register(replace(BROKEN, migrates_through=2)).forced
        other = evolving({"host": NUMBER, "size": {**NUMBER, "default": 1}})
        with pytest.raises(IncompatibleSchema, match="version 1"):
            registry.types.register(other)
        assert registry.types.register(replace(other, migrates_through=2)).number == 4

    def test_no_migration_makes_up_for_lost_secrecy_or_kinds(self, registry: Registry) -> None:
        registry.types.register(evolving({"token": SECRET_TEXT}, kinds=("Database",)))
        for later in (evolving({"token": TEXT}, kinds=("Database",)), evolving({"token": SECRET_TEXT})):
            with pytest.raises(IncompatibleSchema):
                registry.types.register(replace(later, migrates_through=1))

    def test_a_check_says_what_would_happen_and_writes_nothing(self, registry: Registry) -> None:
        first = registry.types.check(FIRST)
        assert (first.outcome, first.number, first.newest) == (Outcome.NEW_TYPE, 1, 0)
        assert list(registry.types.all()) == []
        registry.types.register(FIRST)
        seen = [registry.types.check(item) for item in (FIRST, WIDER, BROKEN)]
        assert [item.outcome for item in seen] == [Outcome.UNCHANGED, Outcome.NEW_VERSION, Outcome.REFUSED]
        assert [item.number for item in seen] == [1, 2, 2]
        assert [item.report.bump for item in seen] == [Bump.PATCH, Bump.MINOR, Bump.MAJOR]
        assert registry.types.get(SLUG).version == 1

    def test_a_secret_that_was_gone_for_a_while_does_not_come_back_clear_in_any_mode(self, registry: Registry) -> None:
        registry.types.register(evolving({"token": SECRET_TEXT}))
        registry.types.register(evolving({}))
        clear = evolving({"token": TEXT})
        for mode in Mode:
            registry.types.set_compatibility(mode)
            verdict = registry.types.check(clear)
            exposed = [item for item in verdict.report.breaking if item.rule is Rule.STOPS_BEING_SECRET]
            assert [(item.path, item.version) for item in exposed] == [("$.token", 1)]
        with pytest.raises(IncompatibleSchema, match="stops-being-secret, against version 1"):
            registry.types.register(clear)

    def test_a_forced_version_gives_up_only_the_secrecy_that_it_lost_itself(self, registry: Registry) -> None:
        registry.types.register(evolving({"host": TEXT, "one": SECRET_TEXT, "two": SECRET_TEXT}))
        assert registry.types.register(evolving({"host": NUMBER, "one": TEXT}), force=True).forced
        assert registry.types.register(evolving({"host": NUMBER, "one": TEXT, "size": NUMBER})).number == 3
        with pytest.raises(IncompatibleSchema) as raised:
            registry.types.register(evolving({"host": NUMBER, "one": TEXT, "two": TEXT}))
        found = [(item.path, item.rule, item.version) for item in raised.value.differences]
        assert found == [("$.two", Rule.STOPS_BEING_SECRET, 1)]

    def test_a_check_tells_where_the_class_counts_more_versions(self, registry: Registry) -> None:
        fresh = registry.types.check(replace(FIRST, migrates_through=2))
        assert [item.rule for item in fresh.report.differences] == [Rule.HISTORY_DIFFERS]
        assert fresh.outcome is Outcome.NEW_TYPE
        registry.types.register(FIRST)
        registry.types.register(WIDER)
        assert registry.types.check(replace(BROKEN, migrates_through=2)).report.breaking == ()
        assert Rule.HISTORY_DIFFERS not in {
            item.rule for item in registry.types.check(replace(BROKEN, migrates_through=2)).report.differences
        }

    def test_a_renamed_block_type_in_a_field_is_the_same_one(self, registry: Registry) -> None:
        held = {"type": "object", "properties": {"user": TEXT}}
        registry.types.register(evolving({"login": {**held, "x-typecase-block": "old-login"}}))
        later = evolving({"login": {**held, "x-typecase-block": "new-login"}})
        with pytest.raises(IncompatibleSchema, match="block-type-changed"):
            registry.types.register(later)
        renamed = {**held, "x-typecase-block": "new-login", "x-typecase-aliases": ["old-login"]}
        form = {**later.form, "properties": {"login": renamed}}
        assert registry.types.register(replace(later, form=form)).number == 2

    def test_an_older_class_does_not_take_back_what_a_newer_one_says(self, registry: Registry) -> None:
        registry.types.register(FIRST)
        registry.types.register(replace(WIDER, title="Newer"))
        assert registry.types.register(FIRST).number == 1
        assert registry.types.get(SLUG).title == "Newer"

    def test_of_two_successors_that_exclude_each_other_one_wins(self, registry: Registry) -> None:
        registry.types.register(evolving({"host": TEXT}))
        rivals = [evolving({"host": TEXT, "size": {"type": kind}}) for kind in ("integer", "boolean", "array")]
        barrier = Barrier(len(rivals))
        won: list[int] = []
        lost: list[IncompatibleSchema] = []

        def work(definition: TypeDefinition) -> None:
            barrier.wait()
            try:
                won.append(registry.types.register(definition).number)
            except IncompatibleSchema as error:
                lost.append(error)

        threads = [Thread(target=work, args=(definition,)) for definition in rivals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won == [2]
        assert len(lost) == len(rivals) - 1
        assert registry.types.get(SLUG).version == 2
