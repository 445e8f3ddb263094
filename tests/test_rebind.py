"""The move to another network: people are known by the one before until they pass, surely, and are renewed; nobody else is."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from edge.acquire import Sample
from edge.errors import GalleryError
from edge.gallery import Gallery, NetworkId, open_gallery
from edge.rebind import RebindGallery, Rules, TwinAcquirer
from edge.records import Code, Features, Outcome, Verdict
from edge.template.hashing import costs_of, hash_logits
from tests.test_gallery import KEYRING
from tests.twins import ScriptedAcquirer, frame

OLD, NEW = NetworkId("ab" * 32, 128, 4), NetworkId("cd" * 32, 64, 8)
RULES = Rules(now=lambda size: 20, before=lambda size: 50, sure=lambda size: 30)
ADA, BEN, EVE = 1, 2, 3


def symbols(who: int, network: NetworkId, changes: int = 0) -> Code:
    """A person's code; ``changes`` symbols differ."""
    made = np.random.default_rng(who).integers(0, network.q, network.m, dtype=np.uint8)
    made[:changes] = (made[:changes] + 1) % network.q
    return Code(made, network.q)


def joined(who: int, changes: int = 0) -> Code:
    """What both networks say of a person, of whom the former one's code differs by ``changes``."""
    return Code(np.concatenate([symbols(who, NEW).symbols, symbols(who, OLD, changes).symbols]), 8)


@pytest.fixture
def opened(tmp_path: Path) -> Gallery:
    path = tmp_path / "gallery.db"
    with open_gallery(path, KEYRING, OLD, "device") as gallery:
        gallery.enrol("Ada", [symbols(ADA, OLD)])
        gallery.enrol("Ben", [symbols(BEN, OLD)])
        gallery.rebind(NEW, datetime.now(timezone.utc) + timedelta(days=1))
    return open_gallery(path, KEYRING, NEW, "device")


def moving(gallery: Gallery, problems: list[str] | None = None) -> RebindGallery:
    return RebindGallery(gallery, (NEW.m, NEW.q), OLD.q, RULES, (problems if problems is not None else []).append)


def passed(move: RebindGallery, gallery: Gallery, who: int, changes: int = 0) -> str | None:
    """Somebody passes: whom the threshold names, after the outcome was told."""
    move.refresh()
    best = move.search(joined(who, changes), limit=2)[0]
    subject = best.subject if best.dissimilarity <= move.threshold(len(move)) else None
    verdict = Verdict.IDENTIFIED if subject else Verdict.UNKNOWN
    move.decided(Outcome(verdict, 1, 0.0, 0.0, 6, subject), None)
    return gallery.find(subject).label if subject else None


@pytest.mark.parametrize(
    ("changes", "named", "renewed"),
    [(0, "Ada", 1), (30, "Ada", 1), (31, "Ada", 0), (50, "Ada", 0), (51, None, 0)],
    ids=["alike", "surely", "not so surely", "just", "not"],
)
def test_who_is_known_by_the_network_before_is_named_and_who_is_surely_known_is_renewed(
    opened: Gallery, changes: int, named: str | None, renewed: int
) -> None:
    move = moving(opened)
    assert passed(move, opened, ADA, changes) == named
    assert (move.renewed, len(opened), len(opened.former or ())) == (renewed, renewed, 2 - renewed)
    assert len(move) == 2


def test_within_a_limit_are_all_who_lie_within_it_once_both_kinds_are_merged(opened: Gallery) -> None:
    """The limit is the new network's; to a former reference it leaves as much as that one's own threshold does."""
    move, ada = moving(opened), opened.find("Ada").id
    for changes, found in ((0, [ada]), (31, [ada]), (50, [ada]), (51, [])):
        assert [each.subject for each in move.search(joined(ADA, changes), limit=2, within=20)] == found


def test_after_that_the_new_network_alone_knows_the_person(opened: Gallery) -> None:
    move = moving(opened)
    passed(move, opened, ADA)
    assert passed(move, opened, ADA, 128) == "Ada"  # the former one's code is nothing like it was
    assert passed(move, opened, EVE) is None
    assert move.renewed == 1
    assert passed(move, opened, BEN) == "Ben"
    assert opened.verify().sound


def test_a_stranger_renews_nobody(opened: Gallery) -> None:
    move = moving(opened)
    assert passed(move, opened, EVE) is None
    move.search(joined(ADA))
    move.decided(Outcome(Verdict.UNKNOWN, 1, 0.0, 0.0, 6), None)
    move.refresh()
    move.decided(Outcome(Verdict.IDENTIFIED, 2, 0.0, 0.0, 6, opened.find("Ada").id), None)  # of another frame
    assert move.renewed == 0


def claimed(gallery: Gallery, name: str, new: int, former: int, changes: int = 0) -> tuple[int, list[str]]:
    """Somebody passes who looks like ``new`` to the new network, but for some changes, and like ``former`` to the one before, and is named:
    renewals, problems."""
    problems: list[str] = []
    move = moving(gallery, problems)
    move.search(Code(np.concatenate([symbols(new, NEW, changes).symbols, symbols(former, OLD).symbols]), 8))
    move.decided(Outcome(Verdict.IDENTIFIED, 1, 0.0, 0.0, 6, gallery.find(name).id), None)
    return move.renewed, problems


@pytest.mark.parametrize("changes", [0, 20], ids=["alike", "just"])
def test_who_the_new_network_takes_for_somebody_else_is_not_renewed_as_another(opened: Gallery, changes: int) -> None:
    """Else the code of one person would become the reference of two."""
    assert passed(moving(opened), opened, BEN) == "Ben"
    renewed, problems = claimed(opened, "Ada", BEN, ADA, changes)
    assert (renewed, len(opened.former or ())) == (0, 1)
    assert ["also looks like somebody else" in problem for problem in problems] == [True]
    assert claimed(opened, "Ada", ADA, ADA) == (1, [])
    assert opened.verify().sound


def test_whom_the_network_before_takes_for_two_people_is_renewed_as_neither(tmp_path: Path) -> None:
    path = tmp_path / "gallery.db"
    with open_gallery(path, KEYRING, OLD, "device") as gallery:
        for name, changes in (("Ada", 0), ("Twin", 40)):
            gallery.enrol(name, [symbols(ADA, OLD, changes)])
        gallery.rebind(NEW, datetime.now(timezone.utc) + timedelta(days=1))
    with open_gallery(path, KEYRING, NEW, "device") as gallery:
        renewed, problems = claimed(gallery, "Ada", ADA, ADA)
        assert (renewed, len(problems), len(gallery), len(gallery.former or ())) == (0, 1, 0, 2)


def test_when_the_window_is_over_the_former_references_go_and_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "gallery.db"
    with open_gallery(path, KEYRING, OLD, "device") as gallery:
        gallery.enrol("Ada", [symbols(ADA, OLD)])
        gallery.rebind(NEW, datetime.now(timezone.utc) - timedelta(seconds=1))
    with open_gallery(path, KEYRING, NEW, "device") as gallery:
        problems: list[str] = []
        move = moving(gallery, problems)
        assert move.refresh()
        assert (gallery.former, move.search(joined(ADA))) == (None, [])
        assert ["is deleted, 1 reference; " in problem for problem in problems] == [True]
        assert [(one.label, one.references) for one in gallery.subjects()] == [("Ada", 0)]


def test_a_disk_that_refuses_the_renewal_is_told_and_the_person_is_named_all_the_same(opened: Gallery) -> None:
    class Refusing:
        """The gallery, on a full disk."""

        def __getattr__(self, name: str) -> object:
            return getattr(opened, name)

        def __len__(self) -> int:
            return len(opened)

        def rebound(self, subject: str, code: Code, *, check: object) -> bool:
            raise GalleryError("no room")

    problems: list[str] = []
    move = RebindGallery(Refusing(), (NEW.m, NEW.q), OLD.q, RULES, problems.append)  # type: ignore[arg-type]
    assert passed(move, opened, ADA) == "Ada"
    assert (len(problems), move.renewed, len(opened.former or ())) == (1, 0, 2)


class Before:
    """The network before: one logit vector for every crop."""

    def infer(self, batch: np.ndarray, outputs: object = None) -> dict[str, np.ndarray]:
        return {"logits": np.stack([np.random.default_rng(int(crop[0, 0, 0])).standard_normal(512).astype(np.float32) for crop in batch])}


def test_both_networks_see_the_same_sample_and_their_codes_stand_side_by_side() -> None:
    base = ScriptedAcquirer({1: [(100.0, ADA, ()), (300.0, BEN, ())]})
    twin = TwinAcquirer(base, Before(), (64, 8), 4)  # type: ignore[arg-type]
    image = frame(1).image
    samples = [sample for face in twin.faces(image) if (sample := twin.sample(image, face)) is not None]
    assert isinstance(samples[0], Sample)
    found = twin.features(samples)
    for who, each in zip((ADA, BEN), found, strict=True):
        alone = base.features([samples[0 if who == ADA else 1]])[0]
        assert each.log_variance == alone.log_variance
        now, before = twin.code(each).symbols[:64], twin.code(each).symbols[64:]
        assert (now == base.code(alone).symbols).all()
        assert (before == hash_logits(np.random.default_rng(who).standard_normal(512).astype(np.float32), 4)).all()
    assert twin.features([]) == []
    assert isinstance(found[0], Features)


@pytest.mark.parametrize("how", ["altered", "busy"])
def test_a_window_that_is_over_and_cannot_be_closed_ends_no_door_and_names_nobody_by_it(tmp_path: Path, how: str) -> None:
    path, problems = tmp_path / "gallery.db", list[str]()
    with open_gallery(path, KEYRING, OLD, "device") as gallery:
        gallery.enrol("Ada", [symbols(ADA, OLD)])
        gallery.enrol("Ben", [symbols(BEN, OLD)])
        gallery.rebind(NEW, datetime.now(timezone.utc) - timedelta(seconds=1))
    with open_gallery(path, KEYRING, NEW, "device", patience=0.1) as gallery, closing(sqlite3.connect(path, isolation_level=None)) as other:
        move = moving(gallery, problems)
        other.execute("DELETE FROM former WHERE id = (SELECT min(id) FROM former)" if how == "altered" else "BEGIN IMMEDIATE")
        for _ in range(2):
            move.refresh()
        assert [text[:34] for text in problems] == ["the time for renewals is over, and"]
        if how == "busy":
            assert move.search(joined(ADA)) == []
            other.execute("ROLLBACK")
            assert move.refresh()
            assert gallery.former is None


def test_a_probe_of_both_networks_parts_into_the_probe_of_each() -> None:
    """Also where the networks differ in q: values that one of them does not have never come back."""
    random = np.random.default_rng(7)
    now, before = (random.normal(size=size.m * size.q).astype(np.float32) for size in (NEW, OLD))
    twin = TwinAcquirer(ScriptedAcquirer({}), None, (NEW.m, NEW.q), OLD.q)  # type: ignore[arg-type]
    both = twin.code(Features(np.concatenate([now, before]), 0.0))
    for part, logits, network in zip(twin.parted(both), (now, before), (NEW, OLD), strict=True):
        assert part.q == network.q
        assert (part.symbols == hash_logits(logits, network.q)).all()
        assert (part.costs == costs_of(logits, network.q)).all()
