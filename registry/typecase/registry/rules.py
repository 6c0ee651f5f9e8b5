"""Compatibility rules in the database, and what they say of a definition."""

from sqlalchemy import Connection, delete, insert, select

from typecase.blocks.compatibility import Mode, Policy
from typecase.blocks.records import TypeDefinition
from typecase.blocks.stored import Unset
from typecase.blocks.verdicts import (
    DEFAULT_MODE,
    DEFAULT_POLICY,
    CompatibilityRule,
    Verdict,
    chosen,
    holds_blocks,
    judge,
)
from typecase.registry.schemas import find_kinds, find_owner, find_versions
from typecase.registry.tables import compatibility_rules

_ALL = ""


def judge_definition(connection: Connection, definition: TypeDefinition) -> Verdict:
    """Say what registering `definition` would do."""
    return judge(
        definition,
        find_versions(connection, definition.slug),
        rule=find_rule(connection, definition.slug),
        kinds=find_kinds(connection) if holds_blocks(definition) else {},
        owner=find_owner(connection, definition.slug),
    )


def find_rule(connection: Connection, slug: str | None) -> CompatibilityRule:
    """Return the rule that holds for `slug`; None = for types without one of their own."""
    scope = slug or _ALL
    query = select(compatibility_rules).where(compatibility_rules.c.scope.in_({scope, _ALL}))
    rows = {row.scope: (row.mode, row.policy) for row in connection.execute(query)}
    own, general = rows.get(scope, (None, None)), rows.get(_ALL, (None, None))
    return CompatibilityRule(
        mode=Mode(own[0] or general[0] or DEFAULT_MODE),
        policy=Policy(own[1] or general[1] or DEFAULT_POLICY),
        inherited=own == (None, None),
    )


def set_rule(
    connection: Connection, slug: str | None, mode: Mode | str | Unset | None, policy: Policy | str | Unset | None
) -> CompatibilityRule:
    """Change the rule of `slug`, None = of all types without one of their own. Raises `SettingsError`."""
    scope = slug or _ALL
    row = connection.execute(select(compatibility_rules).where(compatibility_rules.c.scope == scope)).first()
    before = (
        Mode(row.mode) if row is not None and row.mode else None,
        Policy(row.policy) if row is not None and row.policy else None,
    )
    after = chosen(mode, Mode, before[0]), chosen(policy, Policy, before[1])
    connection.execute(delete(compatibility_rules).where(compatibility_rules.c.scope == scope))
    if after != (None, None):
        connection.execute(insert(compatibility_rules).values(scope=scope, mode=after[0], policy=after[1]))
    return find_rule(connection, slug)
