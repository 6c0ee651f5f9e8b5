"""Messages as JSON to any URL."""

from secrets import token_hex
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import JsonValue, SecretStr, field_validator

from typecase.blocks.block_type import BlockType
from typecase.blocks.checks import Check, Stage, Status
from typecase.blocks.errors import ConnectionFailed, DeliveryFailed, TypecaseError
from typecase.blocks.fields import field
from typecase.blocks.kinds.notifier import Notifier, Severity
from typecase.blocks.kinds.refusals import needs
from typecase.blocks.probes import probe
from typecase.blocks.secrets.fresh import with_fresh_secrets
from typecase.integrations.webhook.delivery import as_json, deliver
from typecase.integrations.webhook.transports import client_of, context_of

if TYPE_CHECKING:
    from httpx import Client


class Webhook(Notifier):
    """A URL that takes messages as JSON.

    The URL is a secret: many carry a token. A message is `{"text": body, "subject": ..., "severity": ...}` plus `extra`
    and the details given to `notify`. Redirects are not followed.

    Tested against: an HTTP/1.1 server of Python's standard library, with and without TLS; no vendor's service.
    """

    __block__ = BlockType(slug="webhook", title="Webhook", icon="webhook")

    url: SecretStr = field(help="Where messages go.", example="https://hooks.example.com/T0/B0/token", order=1)
    method: Literal["POST", "PUT"] = field("POST", help="HTTP method.", advanced=True)
    headers: dict[str, SecretStr] = field(
        default_factory=dict, help="Further headers, such as `Authorization`.", group="Sign-in"
    )
    signing_secret: SecretStr | None = field(
        None, help="Key of an HMAC-SHA256 over the body, sent as `sha256=<hex>`.", group="Sign-in"
    )
    signature_header: str = field(
        "X-Signature-256", help="Header that carries the signature.", group="Sign-in", advanced=True
    )
    body_field: str = field("text", min_length=1, help="Name of the message in the JSON.", group="Payload")
    subject_field: str = field("subject", help="Name of the subject; empty leaves it out.", group="Payload")
    severity_field: str = field("severity", help="Name of the severity; empty leaves it out.", group="Payload")
    extra: dict[str, JsonValue] = field(
        default_factory=dict, help="Further JSON sent with every message.", example={"channel": "#ops"}, group="Payload"
    )
    secret_fields: dict[str, SecretStr] = field(
        default_factory=dict, help="Further texts sent with every message that are secret.", group="Payload"
    )
    timeout: float = field(10.0, gt=0, help="Seconds to wait for the receiver, in each attempt.", advanced=True)
    attempts: int = field(
        3, ge=1, le=10, help="Attempts for 429, 502, 503, 504 and refused connections.", advanced=True
    )
    longest_wait: float = field(
        30.0, ge=0, help="Seconds to wait at most between attempts; a receiver that asks for more fails.", advanced=True
    )
    verify_tls: bool = field(default=True, help="Prove who the receiver is.", group="TLS", advanced=True)
    ca_cert: str | None = field(
        None,
        help="Certificate authorities that may vouch for the receiver: PEM text or a path. Empty: the public ones.",
        group="TLS",
        multiline=True,
        advanced=True,
    )

    @field_validator("url")
    @classmethod
    def _absolute(cls, url: SecretStr) -> SecretStr:
        if _address(url.get_secret_value()) is None:
            message = "it is not a URL of the form https://host/path"
            raise ValueError(message)
        return url

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            text = value.get_secret_value()
            if not name.isascii() or not name or not text.isprintable() or not text.isascii() or set(name) & set(" :"):
                message = "header names and values are printable ASCII"
                raise ValueError(message)
        return headers

    def notify(
        self,
        body: str,
        subject: str | None = None,
        severity: Severity = "info",
        *,
        idempotency_key: str | None = None,
        **details: Any,
    ) -> None:
        """Send a message and return once the receiver answered 2xx; `details` are added to the JSON.

        All attempts carry one `Idempotency-Key`. Raises `DeliveryFailed` with the receiver's `status`, or
        `ConnectionFailed`.
        """
        __tracebackhide__ = True
        message = {self.body_field: body, self.subject_field: subject, self.severity_field: severity}
        if subject is None:
            del message[self.subject_field]
        message.pop("", None)
        content, key = as_json({**message, **details}), idempotency_key or token_hex(16)
        with_fresh_secrets(self, lambda block: _send(block, content, key), is_refusal=_is_refusal)

    @property
    def place(self) -> str:
        """The receiver's host, for messages: the rest of the URL is secret."""
        host, _, _ = _address(self.url.get_secret_value()) or ("?", 0, False)
        return host

    def client(self) -> "Client":
        """Return a new `httpx.Client` with this block's headers and TLS options; the caller closes it."""
        with needs("webhook"):
            return client_of(self)

    def check(self) -> Check:
        """Look the receiver up, connect and shake hands; sends no message."""
        try:
            host, port, secure = _address(self.url.get_secret_value()) or ("", 0, False)
            context = context_of(self) if secure else None
        except TypecaseError as error:
            stage = Stage(name="auth", status=Status.ERROR, reason=error.message, next_step=error.hint)
        except (OSError, ValueError):
            reason = "the certificate authorities cannot be read"
            stage = Stage(name="tls", status=Status.ERROR, reason=reason, next_step="Correct `ca_cert`.")
        else:
            return Check(stages=tuple(probe(host, port, tls=context, timeout=self.timeout)))
        return Check(stages=(stage,))


def _send(block: Webhook, content: dict[str, Any], key: str) -> None:
    __tracebackhide__ = True
    outcome = deliver(block, content, key)
    if outcome.status is None:
        message_text = f"The receiver at {block.place} cannot be reached: {outcome.reason}."
        hint = "`check()` shows the stage that fails."
        raise ConnectionFailed(message_text, hint=hint, attempts=outcome.attempts) from outcome.cause
    if not outcome.accepted:
        answer = f" and said {outcome.reason!r}" if outcome.reason else ""
        raise DeliveryFailed(
            f"The receiver at {block.place} answered {outcome.status}{answer}.",
            hint=_advice(outcome.status),
            status=outcome.status,
            retry_after=outcome.retry_after,
            attempts=outcome.attempts,
        )


def _address(url: str) -> tuple[str, int, bool] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isprintable() or " " in url:
        return None
    secure = parts.scheme == "https"
    return parts.hostname, port or (443 if secure else 80), secure


def _is_refusal(error: Exception) -> bool:
    """Tell whether a receiver that hides its credentials in the URL may have answered so to old ones."""
    return getattr(error, "status", None) in {401, 403, 404, 410}


def _advice(status: int) -> str:
    if status in {401, 403}:
        return "Check the URL's token, the headers and the signing secret."
    if status in {404, 410}:
        return "Check the URL; the webhook may have been removed."
    if status in {429, 502, 503, 504}:
        return "Try again later, or allow more attempts or a longer wait."
    return "Compare the payload with what the receiver expects."
