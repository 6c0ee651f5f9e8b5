"""An AWS of one's own: moto's server for what works, and an endpoint that plays faults."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.aws import FakeAws

from typecase.integrations.aws import AwsCredentials
from typecase.integrations.aws.sign_in import SIGN_INS


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """URL of moto's server, one for all tests of a process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def no_aws_of_the_developer(home: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No AWS_* variable, no shared files, no metadata service, nobody signed in: a test finds what it gives."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield
    SIGN_INS.close()


@pytest.fixture
def credentials(moto_url: str) -> AwsCredentials:
    """Static keys for moto."""
    return keys_for(moto_url)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the SDK would have waited between attempts, in seconds."""
    waited: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.fixture
def fake() -> Iterator[Callable[..., FakeAws]]:
    """Starts an endpoint that gives these answers, the last one for ever."""
    with ExitStack() as stack:
        yield lambda *answers, **options: stack.enter_context(FakeAws(*answers, **options))


def keys_for(url: str, **fields: Any) -> AwsCredentials:
    """Credentials that lead to `url`."""
    given = {
        "region": "eu-west-1",
        "access_key_id": "AKIATESTING",
        "secret_access_key": "a secret access key",
        "endpoint_url": url,
        "timeout": 5.0,
        "attempts": 2,
    }
    return AwsCredentials(**{**given, **fields})
