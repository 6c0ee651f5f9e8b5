"""The stages of a check. No secret is read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from typecase.blocks.checks import Stage, Status
from typecase.blocks.errors import MissingPackage, SettingsError
from typecase.blocks.probes import probe
from typecase.integrations.hashicorp.answers import NoAnswer, Refused, SignInRefused
from typecase.integrations.hashicorp.connection import Connection, Principal, connection_of
from typecase.integrations.hashicorp.errors import failure
from typecase.integrations.hashicorp.places import context_of

if TYPE_CHECKING:
    from typecase.integrations.hashicorp.vault import HashiCorpVault


def stages(block: "HashiCorpVault") -> Iterator[Stage]:
    """Yield the stages in order, up to the first that fails."""
    try:
        principal = block.principal()
        place = principal.place
        context = context_of(place) if place.secure else None
        connection = connection_of(principal)
    except (SettingsError, MissingPackage) as error:
        yield Stage(name="settings", status=Status.ERROR, reason=error.message, next_step=error.hint)
        return
    # The probe asks for the certificate of the address; the requests below ask for that of `server_name`.
    tls = None if place.server_name else context
    for stage in () if connection.proxied else probe(place.host, place.port, tls=tls, timeout=place.timeout):
        yield stage
        if stage.status is Status.ERROR:
            return
    for name, look in (("seal", _seal), ("auth", _auth), ("permission", lambda it: _permission(it, block))):
        found = _tried(name, connection, principal, look)
        yield from found
        if any(stage.status is not Status.READY for stage in found):
            return


def _tried(name: str, connection: Connection, principal: Principal, look: Any) -> list[Stage]:
    try:
        return [Stage(name=name, status=Status.READY, reason=look(connection))]
    except (NoAnswer, Refused, SignInRefused) as error:
        problem = failure(error, key="", place=principal.place.address)
        stage = "tls" if getattr(error, "reason", "") == "tls" else name
        status = Status.UNKNOWN if getattr(problem, "reason", "") == "throttled" else Status.ERROR
        return [Stage(name=stage, status=status, reason=problem.message, next_step=problem.hint)]
    except _Wrong as wrong:
        return [Stage(name=name, status=Status.ERROR, reason=str(wrong), next_step=wrong.step)]
    except Exception as error:  # noqa: BLE001 - a check raises nothing
        problem = failure(error, key="", place=principal.place.address)
        return [Stage(name=name, status=Status.ERROR, reason=problem.message, next_step=problem.hint)]


class _Wrong(Exception):
    def __init__(self, reason: str, step: str) -> None:
        super().__init__(reason)
        self.step = step


def _seal(connection: Connection) -> str:
    state = connection.ask("GET", "sys/seal-status")
    if state.get("initialized") is False:
        raise _Wrong("Vault is not initialized", "`vault operator init`")
    if state.get("sealed") is not False:
        raise _Wrong("Vault is sealed", "`vault operator unseal`")
    return f"unsealed, version {state.get('version', 'unknown')}"


def _auth(connection: Connection) -> str:
    try:
        data = connection.send("GET", "auth/token/lookup-self").get("data")
    except Refused as refused:
        if refused.outage:
            raise
        text = "the token is not valid, or may not look itself up"
        raise SignInRefused(text, "Give another token, or one with the policy `default`.") from None
    facts = data if isinstance(data, dict) else {}
    return f"signed in as {facts.get('display_name') or 'unknown'}"


def _permission(connection: Connection, block: "HashiCorpVault") -> str:
    found = _mount(connection, block.mount)
    options = found.get("options")
    version = str(options.get("version", "1")) if isinstance(options, dict) else "1"
    if found.get("type") not in {"kv", "generic"}:
        raise _Wrong(f"the mount {block.mount} is of type {found.get('type')}", "Set the block's mount.")
    if version != str(block.kv_version):
        step = f"Set the block's kv_version to {version}."
        raise _Wrong(f"the mount {block.mount} is version {version} of the key/value engine", step)
    told = f"may use something in {block.mount} (key/value, version {version})"
    if block.database_mount is None:
        return told
    kind = _mount(connection, block.database_mount).get("type")
    if kind != "database":
        raise _Wrong(f"the mount {block.database_mount} is of type {kind}", "Set the block's database_mount.")
    return f"{told} and in {block.database_mount} (database)"


def _mount(connection: Connection, mount: str) -> dict[str, Any]:
    """Look a mount up, as the `vault kv` command does: possible for whoever may use anything in it."""
    try:
        found = connection.send("GET", f"sys/internal/ui/mounts/{mount}").get("data")
    except Refused as refused:
        if refused.outage:
            raise
        text = f"the token may use nothing in {mount}, or nothing is mounted there"
        raise _Wrong(text, "Give the token's policy a rule for paths in the mount, or set another mount.") from None
    return found if isinstance(found, dict) else {}
