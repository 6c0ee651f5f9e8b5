"""Any JSON value under a name."""

from pydantic import JsonValue

from typecase.blocks.block import Block
from typecase.blocks.block_type import BlockType
from typecase.blocks.fields import field


class Json(Block):
    """Any JSON value: settings, a list of tables, a mapping. It is shown to everybody who may see the document.

    Tested against: nothing outside this process; it speaks to no system.
    """

    __block__ = BlockType(slug="json", title="JSON", icon="json")

    value: JsonValue = field(
        help="Any JSON. It is encrypted at rest but not treated as secret: it is shown and logged. "
        "Put secrets into a Secret block.",
        example={"tables": ["orders", "customers"]},
        multiline=True,
    )

    def get(self) -> JsonValue:
        """Return the value."""
        return self.value
