"""A door to attack: a real gallery file with real keys, and the appliance's own decision."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge import build
from edge.gallery import Gallery, NetworkId, open_gallery
from edge.keys import Keyring
from edge.records import Code, Features, Outcome, Symbols
from edge.settings import Settings, load_settings
from edge.template.decide import Approach
from edge.template.protect import KEY_BYTES

CERTAIN = -10.0
"""ln variance of what an attacker presents: the door is to doubt nothing."""


@dataclass(frozen=True, eq=False)
class Rule:
    """The appliance's decision, at its own settings.

    settings: checked ones. network: what the gallery is bound to. threshold: gallery size -> unequal symbols.
    """

    settings: Settings
    network: NetworkId
    threshold: Callable[[int], int]

    def judge(self, gallery: Gallery, code: Symbols) -> Outcome:
        """One approach that shows nothing but this code (m,)."""
        approach = Approach(1, build.policy(self.settings, 1, 1), 0.0)
        approach.add(Features(np.zeros(len(code), np.float32), CERTAIN), 0.0)
        outcome = approach.judge(gallery.search(Code(code, self.network.q), limit=2), self.threshold(len(gallery)), 0.0)
        assert outcome is not None  # one sample of one decides
        return outcome


def rule_of(settings: Settings) -> Rule:
    """The shipped decision. A site's calibration does not count: the bench speaks of the network's own tail."""
    manifest = build.hash_manifest(settings)
    decision = settings.decision
    looks = build.policy(settings, decision.min_samples, decision.max_samples).looks
    return Rule(settings, build.network_id(settings), build.threshold(build.own_tail(settings, manifest), decision.fpir, looks))


def default_rule(config: Path | None = None) -> Rule:
    """Of a configuration file, or of the appliance as shipped."""
    return rule_of(load_settings(config))


class Door:
    """A gallery of its own in a folder, with everybody in it, and the rule. ids: each person's subject id, in the order given."""

    def __init__(self, folder: Path, rule: Rule, codes: Sequence[Symbols] | Symbols, site: str = "bench") -> None:
        self.rule, self.path = rule, folder / f"{site}.db"
        self.keyring = Keyring(secrets.token_bytes(KEY_BYTES), site, "door")
        with self.opened() as gallery:
            self.ids = [gallery.enrol(f"person {place}", [Code(code, rule.network.q)]).id for place, code in enumerate(codes)]

    def opened(self) -> Gallery:
        """The gallery; a context manager."""
        return open_gallery(self.path, self.keyring, self.rule.network, "bench")

    def admits(self, gallery: Gallery, code: Symbols) -> str | None:
        """The id of the subject that a code (m,) passes for, or None."""
        return self.rule.judge(gallery, code).subject
