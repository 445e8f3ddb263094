"""A door to attack: a real gallery file with real keys, and the appliance's own decision."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.assembly import build
from edge.gallery import Gallery, NetworkId
from edge.gallery.backup import write_backup
from edge.records import Code, Features, Outcome, Phase, Symbols
from edge.settings import Settings, load_settings
from edge.template.decide import Approach

CERTAIN = -10.0
"""ln variance of what an attacker presents: the door is to doubt nothing."""


@dataclass(frozen=True, eq=False)
class Rule:
    """The appliance's decision, at its own settings.

    settings: checked ones. network: what the gallery is bound to. threshold: gallery size -> dissimilarity in symbols.
    """

    settings: Settings
    network: NetworkId
    threshold: Callable[[int], int]

    def judge(self, gallery: Gallery, probe: Code) -> Outcome:
        """One approach that shows nothing but this probe."""
        approach = Approach(1, build.policy(self.settings, 1, 1), 0.0)
        approach.add(Features(np.zeros(probe.symbols.size, np.float32), CERTAIN), 0.0)
        outcome = approach.judge(gallery.search(probe, limit=2), self.threshold(len(gallery)), 0.0)
        assert outcome is not None  # one sample of one decides
        return outcome


def rule_of(settings: Settings) -> Rule:
    """The shipped decision, by the tail of single samples: attackers here show one code. A site's calibration does not count."""
    manifest = build.hash_manifest(settings)
    decision = settings.decision
    looks = build.policy(settings, decision.min_samples, decision.max_samples).looks
    return Rule(settings, build.network_id(settings), build.threshold(build.single_tail(settings, manifest), decision.fpir, looks))


def default_rule(config: Path | None = None) -> Rule:
    """Of a configuration file, or of the appliance as shipped."""
    return rule_of(load_settings(config))


class Door:
    """A gallery of its own in a folder, with everybody in it, and the rule. ids: each person's subject id, in the order given.

    The gallery is opened as the appliance opens it, under a root key of its own and with whatever the appliance keeps beside it.
    """

    def __init__(self, folder: Path, rule: Rule, codes: Sequence[Symbols] | Symbols, site: str = "bench") -> None:
        settings = rule.settings
        gallery = settings.gallery.model_copy(update={"path": folder / site / "gallery.db"})
        keys = settings.keys.model_copy(update={"file": folder / site / "keys" / "root.key", "credential": "edge-bench-has-none"})
        self.rule, self.path = rule, gallery.path
        self._settings = settings.model_copy(update={"gallery": gallery, "keys": keys})
        with self.opened() as made:
            self.ids = [made.enrol(f"person {place}", [Code(code, rule.network.q)]).id for place, code in enumerate(codes)]

    def opened(self) -> Gallery:
        """The gallery; a context manager."""
        return build.gallery(self._settings, self.rule.network, _unheard, create=not self.path.exists())

    def back_up(self, path: Path, recipient: str) -> bytes:
        """The bytes of a new backup of the gallery, encrypted to one recipient."""
        settings = self._settings
        with self.opened() as gallery:
            keys = build.keyring(settings, _unheard)
            write_backup(gallery, path, keys, self.rule.network, settings.gallery.device, [recipient])
        return path.read_bytes()

    def admits(self, gallery: Gallery, probe: Code) -> str | None:
        """The id of the subject that a probe passes for now, or None; outside of that person's dates nobody passes."""
        subject = self.rule.judge(gallery, probe).subject
        return subject if subject is not None and gallery.validity(subject).at(time.time()) is Phase.VALID else None


def _unheard(warning: str) -> None: ...
