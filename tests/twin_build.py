"""``python -m build_engine`` with the twin of TensorRT."""

import sys
from functools import partial

from build_engine.__main__ import main
from build_engine.process import Workshop

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], partial(Workshop, command=(sys.executable, "-m", "tests.twin_process"))))
