"""`python -m typecase.registry.cli`."""

from typecase.registry.cli.program import main

main()
