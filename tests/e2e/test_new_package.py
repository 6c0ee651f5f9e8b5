"""A new package, from its name to a check of a service: built, installed into an empty environment, found, used."""

import fcntl
import json
import os
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from typecase.blocks.quality import Rule, Standing, read_quality
from typecase.registry.scaffold import name_package, write_package

ROOT = Path(__file__).resolve().parents[2]

CHECK = """
import json, sys
from pydantic import SecretStr
from acme_blocks.acme_account import AcmeAccount
check = AcmeAccount(host="localhost", port=int(sys.argv[1]), token=SecretStr(sys.argv[2])).check()
print(json.dumps([[stage.name, stage.status] for stage in check.stages]))
"""


def run(*command, cwd=None, **variables):
    """Run a program outside this environment; return what it printed."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | variables
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """The project `acme-blocks`, and an environment with its wheel, Typecase's wheel and, later, pytest.

    Made once, also where several workers share the tests of this file, and by pip as this machine has set it up.
    """
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = base / "new-package"
    project, found = folder / "acme-blocks", folder / "found.txt"
    python = folder / "venv/bin/python"
    with (base / "new-package.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            write_package(name_package("acme-blocks"), project, author="Ada Lovelace <ada@example.com>")
            run(sys.executable, "-m", "venv", folder / "venv")
            pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check")
            run(*pip, "wheel", "--no-deps", "--wheel-dir", folder / "dist", ROOT, project)
            run(*pip, "install", *sorted((folder / "dist").glob("*.whl")))
            listed = run(python.with_name("typecase"), "types", "ls", TYPECASE_URL=f"sqlite:///{folder}/none.db")
            run(*pip, "install", "pytest")
            found.write_text(listed)
    return SimpleNamespace(project=project, python=python, typecase=python.with_name("typecase"), found=found)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate for `localhost` that vouches for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    plain = serialization.NoEncryption()
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = tmp_path_factory.mktemp("authority") / "localhost.pem"
    path.write_bytes(text + certificate.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def service(authority):
    """The port of a service that knows one token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.headers["Authorization"] == "Bearer right" else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    # The handshake in the thread of its connection, so that a client that only looks cannot stop the server.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def stages(room, service, authority):
    """Checks the service with a token; returns the stages."""

    def stages(token):
        trusted = {"SSL_CERT_FILE": str(authority), "NO_PROXY": "localhost", "no_proxy": "localhost"}
        return json.loads(run(room.python, "-c", CHECK, service, token, **trusted))

    return stages


def test_its_wheel_in_an_empty_environment_is_found(room):
    rows = [line.split("\t") for line in room.found.read_text().splitlines()]
    assert ["acme-account", "", "acme-blocks", "0.1.0", ""] in rows
    assert "sqlite-database" in [row[0] for row in rows]


def test_its_own_tests_pass_where_it_is_installed(room):
    out = run(room.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", cwd=room.project)
    assert " passed" in out


def test_it_is_saved_in_one_process_and_loaded_in_another(room):
    save = "from acme_blocks.acme_account import AcmeAccount as A; A(host='a.example', token='t-1').save('acme')"
    load = "from typecase.blocks import Credentials; b = Credentials.load('acme'); print(b.client().headers)"
    run(room.python, "-c", save)
    assert "t-1" not in run(room.typecase, "blocks", "show", "acme")
    printed = run(room.python, "-c", f"{load}; print(type(b).__module__, b.host, b.token.get_secret_value())")
    assert printed.splitlines()[-1] == "acme_blocks.acme_account a.example t-1"
    assert "'authorization': '[secure]'" in printed


def test_a_check_with_the_right_token_is_ready_at_every_stage(stages):
    assert stages("right") == [["dns", "ready"], ["tcp", "ready"], ["tls", "ready"], ["auth", "ready"]]


def test_a_check_with_a_wrong_token_fails_at_auth(stages):
    assert stages("wrong") == [["dns", "ready"], ["tcp", "ready"], ["tls", "ready"], ["auth", "error"]]


def test_strict_type_checks_accept_it(room, tmp_path):
    cache = ("--cache-dir", tmp_path)
    out = run(sys.executable, "-m", "mypy", *cache, "--python-executable", room.python, cwd=room.project)
    assert "Success" in out


@pytest.mark.parametrize("command", [("check",), ("format", "--check")])
def test_its_lint_and_format_are_clean(room, command):
    run(sys.executable, "-m", "ruff", *command, "--no-cache", cwd=room.project)


def test_it_says_where_it_stands_and_names_only_evidence_that_is_there(room):
    shown = json.loads(run(room.typecase, "-o", "json", "types", "show", "acme-account"))["quality"]
    assert {row["rule"] for row in shown} == set(Rule)
    quality = read_quality(room.project / "src/acme_blocks/quality.toml")
    assert quality[Rule.CONFORMANCE].standing is Standing.DONE
    assert quality.unproven(room.project) == ()


def test_typecase_as_installed_writes_packages_too(room, tmp_path):
    run(room.typecase, "new-package", "other-blocks", "--block", "OtherQueue", cwd=tmp_path)
    assert (tmp_path / "other-blocks/src/other_blocks/other_queue.py").is_file()
