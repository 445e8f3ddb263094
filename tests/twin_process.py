"""``build_engine.process`` with the twin of TensorRT: the file named by TWIN_SCRIPT says what goes wrong."""

import json
import os
import sys
from pathlib import Path

from build_engine.process import serve
from build_engine.tasks import tasks
from tests.tensorrt_twins import Script, modules

if __name__ == "__main__":
    script = Script(**json.loads(Path(os.environ["TWIN_SCRIPT"]).read_text()))
    script.sm = tuple(script.sm)  # type: ignore[assignment]  # JSON has lists
    sys.exit(serve(tasks(lambda: modules(script)), sys.argv[1:]))
