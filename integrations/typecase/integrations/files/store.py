"""Files of a folder as a secret store."""

import os
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from errno import ELOOP, ENAMETOOLONG, ENOTDIR, ENXIO
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from pydantic import SecretStr, field_validator

from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Check, Stage, Status
from typecase.blocks.errors import (
    InvalidPath,
    InvalidSecretKey,
    SecretError,
    SecretForbidden,
    SecretMalformed,
    SecretNotFound,
    SecretStoreUnreachable,
    describe_near,
)
from typecase.blocks.fields import field
from typecase.blocks.kinds import SecretStore, SecretValue
from typecase.blocks.kinds.paths import parts_of
from typecase.blocks.sanitizing import forgetful
from typecase.integrations.files.folder import Folder, LeavesFolder, NoFolder, NotPlain, Unsettled
from typecase.integrations.files.formats import LARGEST, Unreadable, shaped

_COMPARED = 1000
_LISTED = "`list()` shows what there is."
_LINK = "Only links that stay inside the folder are followed."


class SecretFiles(SecretStore):
    """A folder of files, read-only: secrets that Docker or Kubernetes mounts, or a `.env` for local work.

    A key is a path in the folder. A file is one secret as it is; YAML (`.yaml`, `.yml`) and dotenv (`.env`) are given
    as the JSON of their values. Links are followed inside the folder and not out of it. Files have no versions, at most
    1 MiB, and an empty one counts as absent.

    Tested against: Linux with overlayfs, mounts laid out as Kubernetes does and swapped while they were read; not
    against a cluster. Needs `openat`, so not Windows.
    """

    __block__ = BlockType(slug="secret-files", title="Secret files", icon="folder")

    read_only = True

    folder: str = field(
        "/run/secrets", min_length=1, help="The folder, `~` for the home folder.", example="/etc/orders/secrets"
    )
    strip_newline: bool = field(default=True, help="Leave out the line end after the last line of a text.")

    @field_validator("folder")
    @classmethod
    def _plain(cls, folder: str) -> str:
        if "\0" in folder:
            message = "a path has no NUL character"
            raise ValueError(message)
        return folder

    def get(self, key: str, version: str | None = None) -> SecretStr:
        """Return the text of the file `key`, a YAML or dotenv file as JSON. Raises as `SecretStore.get`."""
        value = self.read(key, version)
        try:
            return value.text()
        except SecretMalformed as error:
            message = f"The file {key!r} is not UTF-8 text."
            raise SecretMalformed(message, hint=error.hint, **self._facts(key)) from None

    @forgetful
    def read(self, key: str, version: str | None = None) -> SecretValue:
        """Return what `get` returns, or the bytes of a file that is no text. `client()` leads to files as they are."""
        facts = self._facts(key)
        parts = self._parts(key)
        if version is not None:
            message = f"The file {key!r} has no version {version[:200]!r}: files have none."
            raise SecretNotFound(message, hint="Leave the version out.", reason="absent", **facts)
        try:
            content = self._folder.read(parts, LARGEST + 1)
        except OSError as error:
            self._refuse(error, key)
        if len(content) > LARGEST:
            message = f"The file {key!r} is larger than 1 MiB, so it is no secret."
            raise SecretMalformed(message, hint="Name another file.", **facts)
        problem = ""
        try:
            content = shaped(parts[-1], content, strip_newline=self.strip_newline)
        except Unreadable as error:
            problem = str(error)
        if problem:
            message = f"The file {key!r} cannot be read as its name says: {problem}."
            raise SecretMalformed(message, hint="Correct the file, or give it another suffix.", **facts)
        if not content:
            message = f"The file {key!r} is empty, which counts as absent."
            raise SecretNotFound(message, hint="Write the secret into it.", reason="absent", **facts)
        return SecretValue(content)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that start with `prefix`, at any depth, a folder when its turn comes."""
        outer, slash, start = prefix.rpartition("/")
        try:
            yield from self._folder.paths(self._parts(outer) if slash else (), start)
        except OSError as error:
            self._refuse(error, prefix)

    def client(self) -> Path:
        """Return the folder as a `pathlib.Path`, which follows links and `..` wherever they lead."""
        return Path(self.folder).expanduser().absolute()

    def check(self) -> Check:
        """List the folder until the first key; no file is read."""
        try:
            found = next(self.list(), None)
        except SecretError as error:
            stage = Stage(name="permission", status=Status.ERROR, reason=error.message, next_step=error.hint)
        else:
            reason = f"{self.client()} can be listed" + ("" if found else "; there is no file in it")
            stage = Stage(name="permission", status=Status.READY, reason=reason)
        return Check(stages=(stage,))

    @property
    def _folder(self) -> Folder:
        return Folder(self.client())

    def _facts(self, key: str) -> dict[str, Any]:
        return {"store": self.__block__.slug, "key": key}

    def _parts(self, key: str) -> tuple[str, ...]:
        try:
            return parts_of(key)
        except InvalidPath as error:
            raise InvalidSecretKey(error.message, hint=error.hint, **self._facts(key)) from None

    def _refuse(self, error: OSError, key: str) -> NoReturn:
        """Raise what `error` means."""
        facts = self._facts(key)
        if isinstance(error, NoFolder):
            hint = "Mount it, or name the folder with the secrets."
            message = f"There is no folder {self.client()}."
            raise SecretStoreUnreachable(message, hint=hint, reason="failed", **facts) from None
        if isinstance(error, LeavesFolder) or error.errno == ELOOP:
            raise InvalidSecretKey(f"{key!r} leads out of the folder, or nowhere.", hint=_LINK, **facts) from None
        if isinstance(error, NotPlain) or error.errno == ENXIO:
            what = error.what if isinstance(error, NotPlain) else "no plain file"
            hint = f"{_LISTED} Docker makes a folder where the file to mount was missing."
            raise SecretMalformed(f"{key!r} is {what}.", hint=hint, **facts) from None
        if isinstance(error, Unsettled):
            hint = "Let its writer write another file and rename it to this one."
            raise SecretStoreUnreachable(f"{key!r} is being written to.", hint=hint, reason="failed", **facts) from None
        if isinstance(error, PermissionError):
            message = f"This process may not read {key or 'the folder'!r} in {self.client()}."
            hint = f"Let the user with the id {os.geteuid()} read it."
            raise SecretForbidden(message, hint=hint, **facts) from None
        if isinstance(error, FileNotFoundError) or error.errno in {ENOTDIR, ENAMETOOLONG}:
            known: list[str] = []
            with suppress(SecretError):
                known.extend(islice(self.list(), _COMPARED))
            hint = describe_near(get_close_matches(key, known, n=3)) or _LISTED
            message = f"There is no file {key!r} in {self.client()}."
            raise SecretNotFound(message, hint=hint, reason="absent", **facts) from None
        message = f"{key or 'The folder'!r} cannot be read: {error.strerror}."
        raise SecretStoreUnreachable(message, hint="Check the mount.", reason="failed", **facts) from None
