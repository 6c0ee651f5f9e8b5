"""What AWS and its SDK refuse, in the few meanings that matter here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from typecase.blocks.redaction import VendorError, clean_cause


class Meaning(StrEnum):
    """What went wrong, whatever the service calls it."""

    SIGN_IN = "sign-in"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"
    DELETED = "deleted"
    DISABLED = "disabled"
    DAMAGED = "damaged"
    EXISTS = "exists"
    MALFORMED = "malformed"
    UNREACHABLE = "unreachable"
    NO_REGION = "no region"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error of the SDK: its meaning, `reason` if nothing was reached, a text and a cause that show no value."""

    meaning: Meaning
    text: str
    cause: VendorError
    reason: str = ""
    code: str = ""


_CODES: Final = {
    Meaning.SIGN_IN: """
        401 AuthFailure ExpiredToken ExpiredTokenException IDPRejectedClaim IncompleteSignature
        IncompleteSignatureException InvalidAccessKeyId InvalidAuthorizationMessage InvalidClientTokenId
        InvalidIdentityToken InvalidSignatureException InvalidToken MissingAuthenticationToken
        MissingAuthenticationTokenException NotSignedUp OptInRequired RegionDisabledException RequestExpired
        SignatureDoesNotMatch UnrecognizedClientException""",
    Meaning.FORBIDDEN: """
        403 AccessDenied AccessDeniedException AuthorizationError DecryptionFailure EncryptionFailure InvalidKeyId
        NotAuthorized PublicPolicyException UnauthorizedOperation""",
    Meaning.ABSENT: "NotFoundException ParameterNotFound ParameterVersionNotFound ResourceNotFoundException",
    Meaning.DISABLED: "DisabledException KMSInvalidStateException",
    Meaning.DAMAGED: "IncorrectKeyException InvalidCiphertextException",
    Meaning.EXISTS: "ParameterAlreadyExists ResourceExistsException",
    Meaning.MALFORMED: """
        HierarchyLevelLimitExceededException HierarchyTypeMismatchException InvalidArnException
        InvalidKeyUsageException InvalidNextTokenException InvalidParameterException
        ParameterPatternMismatchException UnsupportedParameterType ValidationException""",
}
_REASONS: Final = {
    "throttled": """
        429 BandwidthLimitExceeded EC2ThrottledException LimitExceededException PriorRequestNotComplete
        ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled RequestThrottledException SlowDown
        ThrottledException Throttling ThrottlingException TooManyRequestsException TooManyUpdates
        TransactionInProgressException""",
    "failed": """
        DependencyTimeoutException IDPCommunicationError InternalFailure InternalServerError InternalServiceError
        KMSInternalException KeyUnavailableException ServiceUnavailable ServiceUnavailableException""",
}
_MEANING_OF: Final = {code: meaning for meaning, codes in _CODES.items() for code in codes.split()}
_REASON_OF: Final = {code: reason for reason, codes in _REASONS.items() for code in codes.split()}
_TAKES_A_ROLE: Final = frozenset({"AssumeRole", "AssumeRoleWithWebIdentity"})
_GONE: Final = re.compile(r"marked (for deletion|deleted)|scheduled for deletion", re.IGNORECASE)
_OUT_OF_USE: Final = re.compile(r"disabled|pending[ _]?deletion|not enabled", re.IGNORECASE)
_SERVER_ERROR: Final = 500
_LONGEST: Final = 300


def fault_of(error: Exception, secrets: Iterable[str | bytes] = ()) -> Fault:
    """Say what `error` of boto3 or botocore means. Texts that may quote an answer or an argument are left out."""
    from botocore.exceptions import ClientError

    vendor_type = f"{type(error).__module__}.{type(error).__qualname__}"
    if not isinstance(error, ClientError):
        meaning, reason, text = _without_answer(error)
        text = _told(text, secrets)
        return Fault(meaning=meaning, reason=reason, text=text, cause=VendorError(vendor_type, text))
    details = error.response.get("Error", {})
    code = str(details.get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    # A number stands for the HTTP status: then the text is the whole body, whatever that is.
    text = f"HTTP {status}" if code.isdecimal() else _told(str(details.get("Message", "")), secrets) or code
    meaning, reason = _answered(code, status, text)
    if error.operation_name in _TAKES_A_ROLE and meaning is not Meaning.UNREACHABLE:
        meaning, text = Meaning.SIGN_IN, f"the role cannot be assumed: {text}"
    cause = VendorError(vendor_type, f"{code} at {error.operation_name}: {text}")
    return Fault(meaning=meaning, reason=reason, text=text, cause=cause, code=code)


def _answered(code: str, status: int, text: str) -> tuple[Meaning, str]:
    if code in _REASON_OF or status >= _SERVER_ERROR:
        return Meaning.UNREACHABLE, _REASON_OF.get(code, "failed")
    if code == "InvalidRequestException" and _GONE.search(text):
        return Meaning.DELETED, ""
    meaning = _MEANING_OF.get(code, Meaning.OTHER)
    if code in {"DecryptionFailure", "EncryptionFailure", "InvalidKeyId"} and _OUT_OF_USE.search(text):
        return Meaning.DISABLED, ""
    if meaning is Meaning.OTHER and code.isdecimal():
        # A 404 without an AWS code comes from something that is not AWS: it does not prove that a secret is absent.
        return Meaning.UNREACHABLE, "malformed answer"
    return meaning, ""


def _without_answer(error: Exception) -> tuple[Meaning, str, str]:
    from botocore import exceptions, parsers

    unreachable = (
        ((exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError), "timeout", "no answer in time"),
        ((exceptions.SSLError,), "tls", "the TLS handshake failed"),
        ((exceptions.ConnectionError, exceptions.HTTPClientError), "connection", "the connection failed"),
        ((exceptions.MetadataRetrievalError,), "connection", "the metadata service gives no credentials"),
        # LookupError: what botocore raises over XML of another shape.
        (
            (parsers.ResponseParserError, exceptions.PaginationError, LookupError),
            "malformed answer",
            "the answer is not one of AWS",
        ),
    )
    for classes, reason, text in unreachable:
        if isinstance(error, classes):
            return Meaning.UNREACHABLE, reason, text
    if isinstance(error, (exceptions.NoRegionError, exceptions.InvalidRegionError)):
        return Meaning.NO_REGION, "", "no AWS region is set, or it is none"
    if isinstance(error, exceptions.ParamValidationError):
        return Meaning.MALFORMED, "", "the SDK refuses the arguments"
    if isinstance(error, exceptions.CredentialRetrievalError):
        return Meaning.SIGN_IN, "", f"{error.kwargs.get('provider', 'a provider')} gave no credentials"
    if isinstance(error, exceptions.BotoCoreError) and re.search(r"Credential|Profile|SSO|Token|Config", _names(error)):
        return Meaning.SIGN_IN, "", str(error)
    return Meaning.OTHER, "", type(error).__name__


def _names(error: Exception) -> str:
    return " ".join(base.__name__ for base in type(error).__mro__)


def _told(text: str, secrets: Iterable[str | bytes]) -> str:
    return clean_cause(ValueError(text), secrets).message.strip().partition("\n")[0].rstrip(".")[:_LONGEST]
