"""One request: who asks, what they may do, and what goes into the transaction of a change beside the change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection

from typecase.blocks import refusals
from typecase.blocks.errors import PermissionDenied
from typecase.registry.access.callers import Caller, Subject, denied
from typecase.registry.access.permissions import Permission
from typecase.registry.audit.events import AuditEvent
from typecase.registry.store import accompanied

if TYPE_CHECKING:
    from typecase.registry.audit.journal import Journal
    from typecase.registry.authorized.once import Once

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an event is about."""

    action: str
    workspace: str = ""
    document_id: str = ""
    document: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


class Asking:
    """A caller with the journal that everything is written to. `once` makes a change happen once."""

    def __init__(self, caller: Caller, journal: "Journal", *, once: "Once | None" = None) -> None:
        """Ask for `caller`."""
        self.caller = caller
        self._journal = journal
        self._once = once

    def require(
        self, permission: Permission, about: About, workspace: str | None = None, subject: Subject | None = None
    ) -> None:
        """Raise `PermissionDenied` unless the caller may do this, and write down that they tried."""
        try:
            self.caller.require(permission, workspace, subject)
        except PermissionDenied:
            self.refuse(about)
            raise

    def require_anywhere(self, permission: Permission, about: About) -> None:
        """As `require`, where a role in any workspace is enough."""
        if not self.caller.may_anywhere(permission):
            self.refuse(about)
            raise denied(self.caller, permission, None)

    def require_seen(self, permission: Permission, about: About, subject: Subject) -> None:
        """As `require`, for a document that was found: where the caller may not see it, it is as absent."""
        if not self.caller.may(permission, subject.workspace, subject):
            self.refuse(about)
            if permission is not Permission.DOCUMENTS_READ and self.caller.may(
                Permission.DOCUMENTS_READ, subject.workspace, subject
            ):
                raise denied(self.caller, permission, subject.workspace)
            raise refusals.document_not_found(about.document, [about.workspace], ())

    def refuse(self, about: About) -> None:
        """Write down that this was refused."""
        self._journal.record([self.event(about, outcome="denied")])

    def note(self, *abouts: About) -> None:
        """Write down, in a transaction of its own, that this is done. Raises `AuditUnavailable`."""
        self._journal.record([self.event(about) for about in abouts])

    def change(
        self,
        work: Callable[[], R],
        about: Callable[[Connection, R], About | None],
        *,
        before: Callable[[Connection], None] = lambda _: None,
        kind: Any = None,
    ) -> R:
        """Run `work`, which changes something in one transaction, and write its event in the same one.

        `kind` is what its result is: an answer that is kept for whoever sends the same request again.
        """
        with accompanied(_Beside(self, before, about, kind)):
            return work()

    def event(self, about: About, *, outcome: str = "done") -> AuditEvent:
        """Return the event that tells of `about`."""
        caller = self.caller
        source = {
            "principal_id": caller.id,
            "token": caller.token,
            "address": caller.address,
            "request_id": caller.request_id,
            **caller.flow,
        }
        return AuditEvent(
            at=datetime.now(UTC),
            principal=caller.name,
            action=about.action,
            outcome=outcome,
            workspace=about.workspace,
            document_id=about.document_id,
            document=about.document,
            facts={**{key: value for key, value in source.items() if value}, **about.facts},
        )

    def append(self, connection: Connection, about: About) -> None:
        """Write an event in the transaction that `connection` is in."""
        self._journal.append(connection, [self.event(about)])

    @property
    def once(self) -> "Once | None":
        """What makes the change happen once."""
        return self._once


class _Beside:
    """The company of a change."""

    def __init__(
        self,
        asking: Asking,
        before: Callable[[Connection], None],
        about: Callable[[Connection, Any], About | None],
        kind: Any,
    ) -> None:
        self._asking = asking
        self._before = before
        self._about = about
        self._kind = kind

    def before(self, connection: Connection) -> None:
        """Look whether it was done already, and whether all is as expected."""
        if self._asking.once is not None and self._kind is not None:
            self._asking.once.begin(connection)
        self._before(connection)

    def after(self, connection: Connection, result: Any) -> None:
        """Write the event, and the answer for whoever asks again."""
        about = self._about(connection, result)
        if about is not None:
            self._asking.append(connection, about)
        if self._asking.once is not None and self._kind is not None:
            self._asking.once.end(connection, self._kind, result)
