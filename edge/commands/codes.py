"""`edge code`: door codes are made, shown once, listed and taken away. How they open is in ``edge.assembly.fallback``."""

from dataclasses import dataclass

from edge.assembly.appliance import Appliance
from edge.assembly.fallback import code_key, new_code
from edge.assembly.report import is_journal
from edge.door.codes import DURESS, NORMAL
from edge.errors import SettingsError
from edge.gallery import Gallery, Subject

ACTIONS = ("new", "revoke", "list")


@dataclass(frozen=True)
class Holder:
    """Who has codes. stale: they were made under another root key and open nothing."""

    subject: Subject
    normal: bool
    duress: bool
    stale: bool


def holders(job: Appliance, gallery: Gallery) -> list[Holder]:
    """Everybody who has a code, by name; never the code."""
    key, found = code_key(job.settings), []
    for subject in gallery.subjects():
        facts = {kind: fact for kind in (NORMAL, DURESS) if (fact := gallery.facts(subject.id).get(kind, "").strip())}
        if facts:
            stale = not all(key.is_ours(fact) for fact in facts.values())
            found.append(Holder(subject, NORMAL in facts, DURESS in facts, stale))
    return found


def revoke_codes(job: Appliance, gallery: Gallery, subject: Subject) -> int:
    """Takes a subject's codes away, at once, also at a running door; how many there were."""
    had = sum(bool(gallery.facts(subject.id).get(kind, "").strip()) for kind in (NORMAL, DURESS))
    if not had:
        return 0
    gallery.amend(subject.id, {NORMAL: None, DURESS: None})
    job.audit.append("code_revoke", subject=subject.id, codes=had)  # afterwards: no fault of the log may keep a code in force
    return had


def list_codes(job: Appliance) -> None:
    """`edge code list`: who has a code, and never the code."""
    found: list[Holder] = []
    if job.settings.gallery.path.exists():
        with job.gallery() as gallery:
            found = holders(job, gallery)
    facts = [
        {"id": one.subject.id, "name": one.subject.label, "code": one.normal, "duress": one.duress, "stale": one.stale} for one in found
    ]
    job.report.result({"codes": facts})
    words = {True: "yes", False: ""}
    job.report.table(
        ("name", "id", "code", "duress", "to be made anew"),
        ((one.subject.label, one.subject.id, words[one.normal], words[one.duress], words[one.stale]) for one in found),
    )


def hand_out(job: Appliance, name: str, *, duress: bool) -> None:
    """`edge code new`: the code is shown here and nowhere else, and not at all where it would end up in a journal."""
    if is_journal(1):
        raise SettingsError("edge code new: what it shows would be kept in the journal; run it at a terminal")
    with job.gallery() as gallery:
        subject = gallery.find(name)
        digits = new_code(job, gallery, subject, duress=duress)
    if job.settings.access.fallback != "code":
        job.report.warn('access.fallback is "off", so that the code opens nothing until it is set to "code"')
    if job.report.as_json:
        job.report.result({"code": digits, "subject": subject.id, "duress": duress})
        return
    print(f"{digits[:4]} {digits[4:]}", flush=True)
    job.report.note(f"the {'duress' if duress else 'door'} code of {subject.label} ({subject.id}): hand it over; it cannot be shown again")


def take_away(job: Appliance, name: str) -> None:
    """`edge code revoke`."""
    with job.gallery() as gallery:
        subject = gallery.find(name)
        had = revoke_codes(job, gallery, subject)
    job.report.result({"revoked": had, "subject": subject.id}, f"codes of {subject.label} ({subject.id}) revoked: {had}")
