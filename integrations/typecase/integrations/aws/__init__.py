"""Amazon Web Services: signing in, secret stores, root keys."""

from typecase.integrations.aws.credentials import AwsCredentials
from typecase.integrations.aws.kms import AwsKmsKey
from typecase.integrations.aws.parameter_store import AwsParameterStore
from typecase.integrations.aws.secrets_manager import AwsSecretsManager

__all__ = ["AwsCredentials", "AwsKmsKey", "AwsParameterStore", "AwsSecretsManager"]
