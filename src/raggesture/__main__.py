"""``python -m raggesture``, for launchers that start modules (``accelerate launch -m raggesture train ...``)."""

from raggesture.cli.app import main

main()
