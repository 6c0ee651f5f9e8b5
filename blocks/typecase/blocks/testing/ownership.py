"""What every registry promises of who a block type belongs to, and how it goes to another package."""

# ruff: noqa: D102, S101  a test's name is its sentence, assert its verb

from dataclasses import replace

import pytest

from typecase.blocks.catalog import LOCAL
from typecase.blocks.compatibility import Rule
from typecase.blocks.errors import DuplicateBlockType, IncompatibleSchema
from typecase.blocks.registry import Registry
from typecase.blocks.schema import definition_of
from typecase.blocks.testing.compatibility import BROKEN, FIRST, SLUG, WIDER
from typecase.blocks.testing.samples import LOGIN, Login
from typecase.blocks.verdicts import Outcome


class OwnershipContract:
    """Owners of slugs."""

    def test_a_slug_belongs_to_the_package_that_came_first(self, registry: Registry) -> None:
        definition = replace(definition_of(Login), package="first-package")
        registry.types.register(definition)
        for package in ("another-package", LOCAL):
            with pytest.raises(DuplicateBlockType) as raised:
                registry.types.register(replace(definition, package=package))
            assert set(raised.value.owners) == {"first-package", package}
        assert registry.types.get(LOGIN).package == "first-package"

    def test_a_slug_of_local_code_goes_to_the_package_that_claims_it(self, registry: Registry) -> None:
        definition = definition_of(Login)
        registry.types.register(replace(definition, package=LOCAL))
        assert registry.types.register(replace(definition, package="a-package")).number == 1
        assert registry.types.get(LOGIN).package == "a-package"

    def test_a_check_names_the_owner_of_a_slug(self, registry: Registry) -> None:
        registry.types.register(FIRST)
        verdict = registry.types.check(replace(FIRST, package="another-package"))
        assert (verdict.outcome, verdict.number, verdict.moves, verdict.breaks) == (Outcome.REFUSED, 1, True, False)
        (found,) = verdict.report.breaking
        assert (found.rule, found.path) == (Rule.OWNER, "$")
        assert "contract-package" in found.sentence
        assert registry.types.get(SLUG).package == "contract-package"

    def test_a_refusal_says_how_a_type_is_handed_over(self, registry: Registry) -> None:
        registry.types.register(FIRST)
        with pytest.raises(DuplicateBlockType) as raised:
            registry.types.register(replace(FIRST, package="another-package"))
        assert "`typecase registry register --package another-package --force`" in raised.value.hint

    def test_force_hands_a_type_over_with_its_versions(self, registry: Registry) -> None:
        first = registry.types.register(FIRST)
        moved = replace(FIRST, package="another-package", title="Moved")
        assert registry.types.register(moved, force=True) == first
        assert (registry.types.get(SLUG).package, registry.types.get(SLUG).title) == ("another-package", "Moved")
        assert registry.types.register(moved) == first
        assert registry.types.check(moved).outcome is Outcome.UNCHANGED
        with pytest.raises(DuplicateBlockType, match="belongs to package another-package"):
            registry.types.register(FIRST)

    def test_a_type_that_is_handed_over_with_a_readable_schema_is_no_new_beginning(self, registry: Registry) -> None:
        registry.types.register(FIRST)
        version = registry.types.register(replace(WIDER, package="another-package"), force=True)
        assert (version.number, version.forced, version.package) == (2, False, "another-package")
        with pytest.raises(IncompatibleSchema, match="version 1"):
            registry.types.register(replace(BROKEN, package="another-package"))

    def test_a_refusal_names_the_owner_and_the_schema_where_both_refuse(self, registry: Registry) -> None:
        registry.types.register(FIRST)
        moved = replace(BROKEN, package="another-package")
        with pytest.raises(DuplicateBlockType, match=r"contract-package.*\n  \$\.host \(type-changed"):
            registry.types.register(moved)
        assert registry.types.register(moved, force=True).forced

    def test_another_spelling_of_a_package_is_the_same_one(self, registry: Registry) -> None:
        first = registry.types.register(FIRST)
        assert registry.types.register(replace(FIRST, package="Contract_Package")) == first
