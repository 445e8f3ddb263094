"""Consent to an enrolment at the terminal: asked for before anything is captured."""

import sys

from edge.errors import AcquisitionError

CONSENT = (
    "The camera looks at the face for some seconds. No picture is kept: a protected code is computed from it and stored on this device, so "
    "that this door knows the person. `edge revoke` deletes it at once and for good; whoever does not agree comes in another way."
)


def require_consent(name: str) -> None:
    """Asks at the terminal, or reads one line of a pipe. Raises AcquisitionError for a no, and where nobody answers."""
    print(f"{CONSENT} Does {name} agree? [y/N]: ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer:
        raise AcquisitionError(
            f"{name}: nobody answered, for standard input has ended. Nothing was captured; run it at a terminal, or answer with `echo y |`"
        )
    if answer.strip().lower() not in ("y", "yes"):
        raise AcquisitionError(f"{name}: did not agree. Nothing was captured; there must be another way in")
