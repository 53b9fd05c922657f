"""``python -m rtstyle``: the command line where the ``rtstyle`` script is not on the path."""

import sys

from rtstyle.cli import main

sys.exit(main())
