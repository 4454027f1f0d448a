"""`python -m garabato` is the command `garabato`."""

from garabato.cli import main

main()
