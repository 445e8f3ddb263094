"""Retention: whose dates ended long enough ago is deleted for good, with a receipt, and nobody by a clock that may be wrong."""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge.assembly import build
from edge.assembly.appliance import Appliance
from edge.assembly.report import reporter
from edge.commands.care import DAY, purge
from edge.commands.doctor import Check, examine
from edge.commands.people import listing
from edge.gallery import AlteredGalleryError, Gallery
from edge.records import ALWAYS, NEVER, Code, Validity
from edge.service.verify import lines, verify
from edge.settings import load_settings

NOW = time.time()
PEOPLE = {"Ana": ALWAYS, "Ben": Validity(ends=NOW - 31 * DAY), "Cleo": Validity(ends=NOW - 29 * DAY), "Dan": Validity(ends=NOW + DAY)}


def right() -> bool:
    return True


def wrong() -> bool:
    return False


def code(number: int, size: tuple[int, int]) -> Code:
    return Code(np.random.default_rng(number).integers(0, size[1], size[0], dtype=np.uint8), size[1])


@pytest.fixture
def job(tmp_path: Path) -> Appliance:
    (tmp_path / "door.toml").write_text('[gallery]\npath = "gallery.db"\n[keys]\nfile = "root.key"\n')
    appliance = Appliance(load_settings(tmp_path / "door.toml"), reporter(as_json=True, quiet=True))
    network = build.network_id(appliance.settings)
    with appliance.gallery(create=True) as gallery:
        for number, (name, validity) in enumerate(PEOPLE.items()):
            gallery.enrol(name, [code(number, (network.m, network.q))], validity=validity)
    return appliance


def names(job: Appliance) -> list[str]:
    with job.gallery() as gallery:
        return [one.label for one in gallery.subjects()]


def logged(job: Appliance) -> list[tuple[str, dict]]:
    folder, key = build.audit_folder(job.settings), build.audit_key(job.settings, may_create=False)
    assert verify(folder, key).problems == ()
    return [(one.kind, dict(one.facts)) for one in lines(folder, key)]


def test_whose_dates_ended_longer_ago_than_they_are_kept_is_deleted_with_a_receipt(job: Appliance) -> None:
    (done,) = purge(job, dry_run=False, unsynchronised=False, now=NOW, clock=right)
    assert (done.references, done.ends) == (1, float(int(NOW - 31 * DAY)))
    assert names(job) == ["Ana", "Cleo", "Dan"]
    receipts = logged(job)[-2:]
    assert receipts[0] == ("purge", {"subject": done.subject, "references": 1, "ended": int(NOW - 31 * DAY)})
    assert receipts[1] == ("purged", {"subjects": 1, "days": 30, "change": 5})
    assert not any(name in str(receipts) for name in PEOPLE)


def test_on_the_day_it_is_due_and_not_before(job: Appliance) -> None:
    due = [len(purge(job, dry_run=True, unsynchronised=True, now=NOW + shift)) for shift in (DAY - 5, DAY + 5, 31 * DAY + 5, 999 * DAY)]
    assert due == [1, 2, 3, 3]


def test_a_dry_run_deletes_and_logs_nothing(job: Appliance) -> None:
    assert len(purge(job, dry_run=True, unsynchronised=False, now=NOW, clock=wrong)) == 1
    assert names(job) == list(PEOPLE)
    assert not build.audit_folder(job.settings).exists()


def test_a_clock_that_nobody_keeps_right_empties_no_gallery_unless_that_is_said(job: Appliance, capsys: pytest.CaptureFixture[str]) -> None:
    """Set forward by a hundred years, it would delete everybody with dates."""
    later = NOW + 100 * 365 * DAY
    assert purge(job, dry_run=False, unsynchronised=False, now=later, clock=wrong) == []
    assert "3 people should be deleted, but nobody keeps this clock right" in capsys.readouterr().err
    assert names(job) == list(PEOPLE)
    assert len(purge(job, dry_run=False, unsynchronised=True, now=later, clock=wrong)) == 3
    assert names(job) == ["Ana"]


def test_a_clock_that_was_never_set_deletes_nobody(job: Appliance) -> None:
    assert purge(job, dry_run=False, unsynchronised=True, now=3600.0) == []


def test_an_altered_gallery_is_not_purged(job: Appliance) -> None:
    """An old record put back may say that somebody expired long ago."""
    with closing(sqlite3.connect(job.settings.gallery.path)) as db, db:
        db.execute("UPDATE subjects SET version = ? WHERE id = (SELECT min(id) FROM subjects)", ("f" * 32,))
    with pytest.raises(AlteredGalleryError, match="nothing was deleted"):
        purge(job, dry_run=False, unsynchronised=False, now=NOW, clock=right)
    with job.gallery() as gallery:
        assert len(gallery) + len(gallery.damaged) == 4


def test_where_nobody_was_ever_enrolled_there_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "door.toml").write_text('[gallery]\npath = "gallery.db"\n[keys]\nfile = "root.key"\n')
    job = Appliance(load_settings(tmp_path / "door.toml"), reporter(as_json=True, quiet=True))
    assert purge(job, dry_run=False, unsynchronised=False, now=NOW) == []
    assert [path.name for path in tmp_path.iterdir()] == ["door.toml"]


def test_a_purge_trims_the_audit_log_where_nothing_else_writes_to_it(job: Appliance) -> None:
    clock = [NOW - 200 * DAY]
    limits = job.settings.audit
    job.audit = build.Audit(
        build.audit_folder(job.settings),
        build.audit_key(job.settings, may_create=False),
        max_bytes=limits.max_bytes,
        max_total=limits.max_total,
        keep_days=limits.keep_days,
        clock=lambda: clock[0],
    )
    job.audit.append("start")
    clock[0] += DAY
    job.audit.append("stop")
    clock[0] = NOW
    purge(job, dry_run=False, unsynchronised=False, now=NOW, clock=right)
    kinds = [kind for kind, _ in logged(job)]
    assert "start" not in kinds
    assert kinds[-3:] == ["pruned", "purge", "purged"]


def test_a_purge_that_cannot_be_logged_deletes_nobody(job: Appliance) -> None:
    if os.geteuid() == 0:
        build.audit_folder(job.settings).write_text("a file where the folder should be")
    else:
        build.audit_folder(job.settings).mkdir(mode=0o500)
    with pytest.raises(Exception, match="audit log"):
        purge(job, dry_run=False, unsynchronised=False, now=NOW, clock=right)
    assert names(job) == list(PEOPLE)


# --- what the doctor and the list say of dates


def checked(job: Appliance) -> Check:
    (found,) = [check for check in examine(job.settings.gallery.path.with_name("door.toml")) if check.id == "validity"]
    return found


def without(name: str) -> Callable[[Gallery], None]:
    return lambda gallery: gallery.revoke(gallery.find(name).id)


def test_the_doctor_counts_and_names_nobody(job: Appliance) -> None:
    found = checked(job)
    assert found.state == "warn"
    assert found.found == "3 people have an end; 2 have expired, 1 more will within 14 days"
    with job.gallery() as gallery:
        gallery.limit(gallery.find("Ben").id, Validity(ends=NOW - 33 * DAY))
    assert checked(job).found.endswith("; 1 should have been deleted")
    with job.gallery() as gallery:
        without("Ben")(gallery)
        without("Dan")(gallery)
    assert (checked(job).state, checked(job).found) == ("pass", "1 people have an end; 1 have expired, 0 more will within 14 days")


def test_the_list_has_dates_where_somebody_has(job: Appliance) -> None:
    with job.gallery() as gallery:
        told = listing(gallery.subjects(), NOW)
        assert told.columns == ("name", "id", "enrolled", "references", "valid")
        assert [row[-1].rpartition(", ")[2] for row in told.rows[:3]] == ["always", "expired", "expired"]
        assert [one["validity"] for one in told.facts] == ["valid", "expired", "expired", "valid"]
        for name in ("Ben", "Cleo", "Dan"):
            without(name)(gallery)
        assert listing(gallery.subjects(), NOW).columns == ("name", "id", "enrolled", "references")


def test_whose_dates_cannot_be_read_is_not_deleted_and_that_is_told(job: Appliance, capsys: pytest.CaptureFixture[str]) -> None:
    with job.gallery() as gallery:
        gallery.amend(gallery.find("Ana").id, {"valid_until": "2020-12-31T00:00:00.5Z"})
        assert gallery.find("Ana").validity == NEVER
    assert [one.subject for one in purge(job, dry_run=False, unsynchronised=True, now=NOW, clock=right)] != []
    assert "Ana" in names(job)
    assert "dates of 1 person cannot be read" in capsys.readouterr().err
