"""The environment of the process as a secret store."""

import os
import re
from collections.abc import Iterator, MutableMapping
from difflib import get_close_matches
from typing import Final

from pydantic import SecretStr

from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Check, Stage, Status
from typecase.blocks.errors import InvalidSecretKey, SecretMalformed, SecretNotFound, describe_near
from typecase.blocks.fields import field
from typecase.blocks.kinds import SecretStore, SecretValue

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OTHER: Final = re.compile(r"[^A-Za-z0-9_]")
_HINT: Final = "Set it where the process starts, or name another variable."


class EnvironmentVariables(SecretStore):
    """The environment variables of the process that loads the block, read-only.

    A key is the name of a variable without `prefix`. Variables are read at each call and hold no versions. One that is
    set and empty counts as absent, because Docker and Kubernetes set those by accident.

    Tested against: Linux; the environment of the process itself and of a child; not against Windows.
    """

    __block__ = BlockType(slug="environment-variables", title="Environment variables", icon="dotenv")

    read_only = True

    prefix: str = field(
        "",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$",
        help="What stands before each key in the name of its variable. No other variable can be read.",
        example="ORDERS_",
    )

    def get(self, key: str, version: str | None = None) -> SecretStr:
        """Return the variable `prefix + key`. Raises as `read`, and `SecretMalformed` for what is no text."""
        value = self.read(key, version)
        try:
            return value.text()
        except SecretMalformed as error:
            message = f"The variable {self.prefix + key!r} is not UTF-8 text."
            raise SecretMalformed(message, hint=error.hint, store=self.__block__.slug, key=key) from None

    def read(self, key: str, version: str | None = None) -> SecretValue:
        """Return the bytes of the variable `prefix + key`. Raises `SecretNotFound`, `InvalidSecretKey`."""
        name = self.prefix + key
        facts = {"store": self.__block__.slug, "key": key}
        if not key or not _NAME.fullmatch(name):
            message = f"{key[:200]!r} is not a name of a variable."
            raise InvalidSecretKey(message, hint="Use letters, digits and underscores, such as 'DB_PASSWORD'.", **facts)
        if version is not None:
            message = f"The variable {name!r} has no version {version[:200]!r}: variables have none."
            raise SecretNotFound(message, hint="Leave the version out.", reason="absent", **facts)
        if name not in os.environ:
            hint = describe_near(get_close_matches(key, self.list(), n=3)) or _HINT
            raise SecretNotFound(f"There is no environment variable {name!r}.", hint=hint, reason="absent", **facts)
        value = SecretValue(os.fsencode(os.environ[name]))
        if not len(value):
            message = f"The environment variable {name!r} is set and empty, which counts as absent."
            raise SecretNotFound(message, hint=_HINT, reason="absent", **facts)
        return value

    def list(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that start with `prefix`: names of variables without the block's own prefix."""
        start = self.prefix + prefix
        for name in sorted(os.environ):
            if name.startswith(start) and name != self.prefix and _NAME.fullmatch(name):
                yield name.removeprefix(self.prefix)

    def key_of(self, *parts: str) -> str:
        """Return `parts` as they are written in names of variables: `key_of("db", "password")` is `DB_PASSWORD`."""
        return _OTHER.sub("_", "_".join(parts)).upper()

    def client(self) -> MutableMapping[str, str]:
        """Return `os.environ`, which shows every value."""
        return os.environ

    def check(self) -> Check:
        """Tell whether there is a variable that can be read; no value is."""
        known = sum(1 for _ in self.list())
        name = f"variables that start with {self.prefix}" if self.prefix else "variables"
        stage = Stage(name="permission", status=Status.READY, reason=f"{known} {name}")
        if not known:
            step = "Set them where the process starts, or change the prefix."
            stage = Stage(name="permission", status=Status.ERROR, reason=f"there are no {name}", next_step=step)
        return Check(stages=(stage,))
