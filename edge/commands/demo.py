"""`edge demo`: the whole story on a stream made on the spot, with a gallery and a key of its own that vanish at the end."""

import tempfile
from pathlib import Path

from edge.assembly.appliance import Appliance
from edge.assembly.report import Report, Tally
from edge.camera.demo import STORY, DemoSource, Visit
from edge.settings import Settings

ENROLLED = "Eileen Collins"


def play(settings: Settings, report: Report) -> None:
    """Enrol one of two people, watch both come, revoke her, watch her come again; then the table."""
    with tempfile.TemporaryDirectory(prefix="edge-demo-") as folder:
        own = settings.model_copy(
            update={
                "gallery": settings.gallery.model_copy(update={"path": Path(folder) / "gallery.db"}),
                "audit": settings.audit.model_copy(update={"folder": ""}),
                "keys": settings.keys.model_copy(update={"file": Path(folder) / "root.key", "credential": "edge-demo-has-none"}),
            }
        )
        _story(Appliance(own, report), report)


def _story(appliance: Appliance, report: Report) -> None:
    with appliance.gallery(create=True, throwaway=True) as gallery:
        report.note(f"\n1. {ENROLLED} is enrolled from 24 frames of her own visit")
        with DemoSource([Visit((ENROLLED,), 24)], seed=7) as stream, report.samples(appliance.settings.enrolment.max_samples) as tell:
            session = appliance.capture_from(stream.frames(), tell)
        subject = appliance.enrol(gallery, ENROLLED, session)
        report.result(
            {"enrolled": subject.label, "samples": session.samples},
            f"   enrolled from {session.samples} samples; one protected reference, no picture",
        )

        report.note("\n2. She comes; Grace Hopper comes, who is not enrolled; both come; she comes in bad light")
        with DemoSource(STORY, seed=1) as stream:
            first = _unbroken(appliance.watch(gallery, stream))

        gallery.revoke(subject.id)
        report.result({"revoked": subject.label}, f"\n3. {ENROLLED} is revoked, and comes once more")
        with DemoSource([Visit((ENROLLED,), 22), Visit((), 15)], seed=3) as stream:
            second = _unbroken(appliance.watch(gallery, stream))
    report.note("")
    report.summary(first + second, appliance.stages.medians())


def _unbroken(tally: Tally) -> Tally:
    """The tally of a watch that ran to its end; Ctrl-C ends the whole demonstration."""
    if tally.stopped:
        raise KeyboardInterrupt
    return tally
