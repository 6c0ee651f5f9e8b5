"""`python -m typecase.registry.demo` runs the demo; `--keep` leaves everything in place."""

import sys

from typecase.blocks.errors import TypecaseError
from typecase.registry.demo.story import run

if __name__ == "__main__":
    try:
        run(keep="--keep" in sys.argv[1:])
    except TypecaseError as error:
        sys.exit(str(error))
