"""A plan is put in use again and again, by a process that is killed before its first touch of the disk, its second, and so on.

    python -m tests.twin_swap FOLDER ENDING

FOLDER/old is a folder of plans with one in use that ran; FOLDER/plan.json and plan.bin are the new one. ENDING: run (it opens, what is
before it is cleaned away) or withdraw (it does not open). A line of JSON for each life: where it was killed, which plans are then in use.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from edge.inference.plan import PlanManifest
from edge.inference.plans import PlanStore

TOUCHES = ("open", "os.", "shutil.", "fcntl.")


def arm(moment: int) -> None:
    """Kill this process without warning before that touch of the disk."""
    seen = [0]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(TOUCHES):
            seen[0] += 1
            if seen[0] == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def swap(store: PlanStore, manifest: PlanManifest, raw: bytes, ending: str) -> None:
    with store.building() as staging:
        name = store.install(staging, manifest, raw)
        if ending == "withdraw":
            store.withdraw(staging, name)
            return
        store.mark_run(name)
        store.clean(staging)


def main(folder: Path, ending: str) -> None:
    manifest = PlanManifest.model_validate_json((folder / "plan.json").read_bytes())
    raw, store = (folder / "plan.bin").read_bytes(), PlanStore(folder / "plans", manifest.network)
    moment, killed = 0, True
    while killed:
        moment += 1
        shutil.rmtree(folder / "plans", ignore_errors=True)
        shutil.copytree(folder / "old", folder / "plans")
        child = os.fork()
        if child == 0:
            arm(moment)
            swap(store, manifest, raw, ending)
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        names = store.names()
        for name in names:
            store.plan(name, store.read(name))  # whole, or it raises
        print(json.dumps({"moment": moment, "killed": killed, "names": names, "building": store.is_building()}), flush=True)
        swap(store, manifest, raw, "run")  # the next build is not hindered by what is left
        left = {path.name for path in store.folder.iterdir() if path.is_dir()}
        assert left == set(store.names()), f"left over: {left}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
