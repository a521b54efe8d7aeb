"""`python -m armoire` is `armoire`."""

from armoire.cli import main

main()
