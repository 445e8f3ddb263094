"""`edge audit`: the log held against its key, or shown."""

import re

from edge.assembly import build
from edge.assembly.report import Report
from edge.errors import AuditError, SettingsError
from edge.service.verify import lines, verify
from edge.settings import Settings
from edge.words import counted

ACTIONS = ("verify", "show")


def run(settings: Settings, report: Report, action: str, *, since: str | None, last: int | None) -> None:
    """Verify or show. Raises AuditError where the log does not hold, after everything was said."""
    noted = _noted(since)
    folder, key = build.audit_folder(settings), build.audit_key(settings, may_create=False)
    if action == "show":
        shown = [line.shown() for line in lines(folder, key, last)]
        for line in shown if report.as_json else ():
            report.result(line)
        report.table(
            ("n", "time", "kind", "facts"),
            ((str(one["n"]), one["time"], one["kind"], ", ".join(f"{k} {v}" for k, v in one["facts"].items())) for one in shown),
        )
    found = verify(folder, key, noted)
    if action == "verify":
        times = f", {found.first.time} to {found.last.time}" if found.first and found.last else ""
        sentence = f"{counted(found.lines, 'line')} in {counted(found.files, 'file')} at {folder}{times}"
        report.result(found.facts(), f"{sentence}\nhead {found.head or 'none yet'}")
    if found.problems:
        listed = "\n".join(f"  {problem}" for problem in found.problems)
        raise AuditError(f"audit log {folder}: does not hold:\n{listed}\nkeep a copy of the folder, and look who could write there")


def _noted(since: str | None) -> tuple[int, str] | None:
    if since is None:
        return None
    if not (found := re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", since.strip().lower())):
        raise SettingsError(f"--since {since}: expected NUMBER:CODE, the head as `edge audit verify` shows it")
    return int(found[1]), found[2]
