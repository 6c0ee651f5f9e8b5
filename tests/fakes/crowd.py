"""Very many documents, written into a registry's tables at once, as saving them one by one would take minutes."""

import json
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import select

from typecase.blocks.records import TypeDefinition
from typecase.registry.envelope import new_data_key, open_sealed, revision_context, seal
from typecase.registry.rotation_rings import wrapped
from typecase.registry.stored_keys import lock_newest_key, read_keys
from typecase.registry.tables import documents, revisions, workspaces

THING = TypeDefinition(
    slug="thing",
    title="Thing",
    description="",
    icon="",
    docs="",
    kinds=(),
    package="tests",
    package_version="1",
    schema={"type": "object"},
    form={"type": "object"},
    secret_paths=(),
    digest="0" * 64,
)


def content(number):
    """What the document of this number holds."""
    return json.dumps({"number": number, "password": f"correct horse battery {number}"}, separators=(",", ":")).encode()


def fill(registry, count):
    """Write `count` documents of one revision, as many into each workspace of a SQL registry."""
    registry.types.register(THING)
    registry._store.write(lambda connection: _fill(registry, connection, count))


def _fill(registry, connection, count):
    places = connection.execute(select(workspaces.c.id).order_by(workspaces.c.name)).scalars().all()
    keys = {place: lock_newest_key(connection, place) for place in places}
    rows = list(_rows(registry._keys, keys, count))
    for table, picked in ((documents, [row[0] for row in rows]), (revisions, [row[1] for row in rows])):
        if connection.dialect.name == "postgresql":
            _copy(connection, table, picked)
        else:
            connection.execute(table.insert(), picked)


def _rows(keys, chosen, count):
    now = datetime.now(UTC)
    places = list(chosen)
    for number in range(count):
        place, identity, secret = places[number % len(places)], uuid4().hex, new_data_key()
        key = chosen[place]
        payload = seal(
            keys.open(key),
            content(number),
            key_id=bytes.fromhex(key.id),
            context=revision_context(place, identity, 1),
            document_secret=secret,
        )
        yield (
            {
                "id": identity, "workspace_id": place, "name": f"doc-{number:07}", "type_slug": THING.slug,
                "revision": 1, "description": "", "owner": "", "expires_at": None, "created_at": now,
                "updated_at": now, "secret": secret,
            },
            {
                "document_id": identity, "number": 1, "type_slug": THING.slug, "schema_version": 1,
                "key_id": key.id, "payload": payload, "author": "", "restored_from": None, "created_at": now,
            },
        )  # fmt: skip


def _copy(connection, table, rows):
    names = ", ".join(rows[0])
    statement = f"COPY {table.name} ({names}) FROM STDIN"
    with connection.connection.driver_connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(tuple(row.values()))


def read_all(registry):
    """Decrypt every revision; return what they hold by name and number, and the ids of the data keys needed for it."""
    query = select(
        documents.c.workspace_id, documents.c.name, documents.c.secret, revisions.c.document_id, revisions.c.number,
        revisions.c.key_id, revisions.c.payload,
    ).join(revisions, revisions.c.document_id == documents.c.id)  # fmt: skip

    def work(connection):
        deks = {row.id: registry._keys.open(wrapped(row)) for row in read_keys(connection) if row.retired_at is None}
        found, used = {}, set()
        for row in connection.execute(query):
            context = revision_context(row.workspace_id, row.document_id, row.number)
            found[row.name, row.number] = open_sealed(
                deks[row.key_id], row.payload, context=context, document_secret=row.secret
            )
            used.add(row.key_id)
        return found, used

    return registry._store.read(work)


def newest_keys(registry):
    """The ids of the newest data key of each workspace."""
    return {key.workspace: key.id for key in registry.key_status().data_keys}


def expected(count):
    """What `read_all` gives for `count` documents that nobody touched."""
    return {(f"doc-{number:07}", 1): content(number) for number in range(count)}
