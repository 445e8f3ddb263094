"""Appends to an audit log until it is killed, and says after each line that it is there: FOLDER COUNT PAUSE (seconds)."""

import sys
import time
from pathlib import Path

from edge.service.audit import Audit

if __name__ == "__main__":
    audit = Audit(Path(sys.argv[1]), bytes(range(32)), max_bytes=4000, max_total=10**9, keep_days=90)
    print("ready", flush=True)
    for number in range(int(sys.argv[2])):
        audit.append("outcome", verdict="unknown", number=number)
        print(number, flush=True)
        time.sleep(float(sys.argv[3]))
