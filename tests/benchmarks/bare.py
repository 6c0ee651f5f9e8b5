"""The limit: what a plain script does to read one encrypted record with sqlite3, AES-GCM and pydantic."""

import json
import os
import sqlite3
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, SecretStr


class Database(BaseModel):
    host: str
    port: int = 5432
    user: str
    database: str
    password: SecretStr


VALUES = {"host": "db.internal", "port": 5432, "user": "etl", "database": "orders", "password": "correct horse battery"}


def text_of(values: dict[str, object]) -> bytes:
    """Return what is encrypted."""
    return json.dumps(values, separators=(",", ":")).encode()


def write(folder: Path, count: int = 1) -> None:
    """Save `count` records under a new key."""
    key = AESGCM.generate_key(256)
    (folder / "bare.key").write_bytes(key)
    connection = sqlite3.connect(folder / "bare.db")
    connection.execute("create table blocks (name text primary key, payload blob not null)")
    for number in range(count):
        nonce = os.urandom(12)
        payload = nonce + AESGCM(key).encrypt(nonce, text_of(VALUES), None)
        connection.execute("insert into blocks values (?, ?)", (f"doc-{number:07}", payload))
    connection.commit()
    connection.close()


class Reader:
    """An open database and its key."""

    def __init__(self, folder: Path) -> None:
        self.cipher = AESGCM((folder / "bare.key").read_bytes())
        self.connection = sqlite3.connect(folder / "bare.db")

    def load(self, name: str) -> Database:
        """Read, decrypt, validate."""
        (payload,) = self.connection.execute("select payload from blocks where name = ?", (name,)).fetchone()
        return Database.model_validate_json(self.cipher.decrypt(payload[:12], payload[12:], None))
