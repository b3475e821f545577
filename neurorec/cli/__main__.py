"""``python -m neurorec.cli``."""

from neurorec.cli import main

main()
