"""`python -m media_screen`."""

from media_screen.cli import main

main()
