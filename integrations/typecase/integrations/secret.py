"""A secret on its own."""

from pydantic import SecretStr

from typecase.blocks.block import Block
from typecase.blocks.block_type import BlockType
from typecase.blocks.fields import field


class Secret(Block):
    """One secret text: an API key, a token, a password, a certificate's key.

    Tested against: nothing outside this process; it speaks to no system.
    """

    __block__ = BlockType(slug="secret", title="Secret", icon="secret")

    value: SecretStr = field(help="The secret. It may have many lines.", multiline=True)

    def get(self) -> str:
        """Return the secret in clear."""
        return self.value.get_secret_value()
