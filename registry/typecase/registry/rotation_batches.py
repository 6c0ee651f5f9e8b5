"""Encrypting revisions again under another data key, a batch and a transaction at a time."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Integer, bindparam, literal_column, select, text, tuple_, update

from typecase.blocks.errors import DecryptionFailed
from typecase.registry.envelope import new_data_key, open_sealed, seal
from typecase.registry.reading import WrappedKey
from typecase.registry.stored_keys import lock_newest_key
from typecase.registry.tables import AnyRow, EncryptedColumn, documents

if TYPE_CHECKING:
    from typecase.registry.data_keys import DataKeys
    from typecase.registry.store import Store

BATCH: Final = 1000
#: A batch ends early where documents are large: it is in memory whole.
BYTES: Final = 16 * 1024 * 1024
_FETCHED: Final = 200
_ORDER: Final = 4
# Without statistics on a key that is seconds old, the planner fetches and sorts all that is left for every batch.
_IN_ORDER: Final = {
    "postgresql": (text("SET LOCAL enable_sort = off"), text("SET LOCAL enable_bitmapscan = off")),
}


class Superseded(Exception):
    """The data key that a batch was encrypted for is not the newest any more."""


class Batches:
    """Moves the ciphertexts of one column from one data key to another."""

    def __init__(
        self,
        store: "Store",
        keys: "DataKeys",
        column: EncryptedColumn,
        *,
        old: WrappedKey,
        new: WrappedKey,
        reached: Callable[[str], None],
    ) -> None:
        self._store = store
        self._column = column
        self._old, self._new = old, new
        self._deks = keys.open(old), keys.open(new)
        self._reached = reached
        # The order in which an index on the data key's id has the rows; in SQLite also that of the file.
        in_file = (literal_column(f"{column.table.name}.rowid", Integer),)
        is_sqlite = store.engine().dialect.name == "sqlite"
        self._order = in_file if is_sqlite else (column.document_id, column.number)
        #: What does not open, by document id and number: it stays where it is.
        self.damaged: set[tuple[str, int]] = set()

    def run(self) -> Iterator[int]:
        """Move all that there is now; yield how many after each batch. Raises `Superseded`."""
        after: tuple[Any, ...] | None = None
        while rows := self._read(after):
            self._reached("batch read")
            while self._give_secrets(rows):  # others slide in where some are deleted
                rows = self._read(after)
            sealed = [item for row in rows for item in self._sealed(row)]
            self._reached("batch sealed")
            yield self._write(sealed)
            self._reached("batch committed")
            if not rows:
                return
            after = tuple(rows[-1])[_ORDER:]

    def _read(self, after: tuple[Any, ...] | None) -> list[AnyRow]:
        column = self._column
        query = (
            select(
                column.document_id.label("document_id"),
                column.number.label("number"),
                column.payload.label("payload"),
                documents.c.secret,
                *(item.label(f"order_{place}") for place, item in enumerate(self._order)),
            )
            .join(documents, documents.c.id == column.document_id)
            .where(column.key_id == self._old.id)
            .order_by(*self._order)
            .limit(BATCH)
        )
        if after is not None:
            query = query.where(tuple_(*self._order) > after)

        def work(connection: Connection) -> list[AnyRow]:
            for statement in _IN_ORDER.get(connection.dialect.name, ()):
                connection.execute(statement)
            rows: list[AnyRow] = []
            size = 0
            with connection.execute(query.execution_options(yield_per=_FETCHED)) as found:
                for row in found:
                    rows.append(row)
                    size += len(row.payload)
                    if size >= BYTES:
                        break
            return rows

        return self._store.read(work)

    def _give_secrets(self, rows: list[AnyRow]) -> bool:
        """Give a secret to documents without one, unless a writer just did; tell whether there were any."""
        without = {row.document_id for row in rows if row.secret is None}
        if not without:
            return False
        statement = update(documents).where(documents.c.id == bindparam("of"), documents.c.secret.is_(None))
        values = [{"of": document_id, "fresh": new_data_key()} for document_id in sorted(without)]

        def work(connection: Connection) -> None:
            connection.execute(statement.values(secret=bindparam("fresh")), values)
            self._reached("secrets written")

        self._store.write(work)
        self._reached("secrets committed")
        return True

    def _sealed(self, row: AnyRow) -> Iterator[dict[str, Any]]:
        document_id, number, payload, secret = row[:_ORDER]
        context = self._column.context(self._old.workspace_id, document_id, number)
        old, new = self._deks
        try:
            plaintext = open_sealed(old, payload, context=context, document_secret=secret)
        except DecryptionFailed:
            self.damaged.add((document_id, number))
            return
        key_id = bytes.fromhex(self._new.id)
        fresh = seal(new, plaintext, key_id=key_id, context=context, document_secret=secret)
        yield {"in_document": document_id, "at_number": number, "fresh": fresh}

    def _write(self, sealed: list[dict[str, Any]]) -> int:
        column = self._column
        # A row that was deleted, or moved by somebody else, since it was read is not found, and that is right.
        statement = (
            update(column.table)
            .where(
                column.document_id == bindparam("in_document"),
                column.number == bindparam("at_number"),
                column.key_id == self._old.id,
            )
            .values({column.payload: bindparam("fresh"), column.key_id: self._new.id})
        )

        def work(connection: Connection) -> int:
            if lock_newest_key(connection, self._new.workspace_id).id != self._new.id:
                raise Superseded
            moved = connection.execute(statement, sealed).rowcount if sealed else 0
            self._reached("batch written")
            return moved

        return self._store.write(work)
