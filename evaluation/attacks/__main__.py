"""``python -m evaluation.attacks``."""

import sys

from evaluation.attacks.command import main

sys.exit(main())
