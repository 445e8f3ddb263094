"""Door codes: eight random digits that this device makes, and the keyed tags by which it knows them again.

A code is stored nowhere. Its tag is HMAC-SHA-256 under the door code key, over the code's label (docs/template-format.md). Eight digits are
few: whoever has the key can try them all, so that a tag is worth as much as the root key protects it.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from edge.template.protect import label

DIGITS = 8
NAME_BYTES = 8  # of the key's name, which tells a tag of another root key
NORMAL, DURESS = "code", "duress"  # the facts of a subject's record
WIDTH = 2 * NAME_BYTES + 1 + 2 * hashlib.sha256().digest_size
BLANK = " " * WIDTH  # where there is none: a record's length does not tell who has a duress code


def new_digits() -> str:
    """Eight digits, every one of the hundred million equally likely."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"


def slips(digits: str) -> set[str]:
    """What these digits are easily mistyped as: one digit another one, or two neighbours exchanged."""
    wrong = {digits[:place] + other + digits[place + 1 :] for place in range(len(digits)) for other in "0123456789"}
    wrong |= {digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :] for place in range(len(digits) - 1)}
    return wrong - {digits}


class CodeKey:
    """Makes tags. secret: the 32 bytes of the keyring's door code key. Shows nothing of it when printed."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.name = hmac.new(secret, label("door code key name"), hashlib.sha256).digest()[:NAME_BYTES].hex()

    def tag(self, digits: str) -> bytes:
        """32 bytes."""
        return hmac.new(self._secret, label("door code", digits), hashlib.sha256).digest()

    def fact(self, digits: str) -> str:
        """The tag as it stands in a subject's record, behind the name of its key."""
        return f"{self.name}:{self.tag(digits).hex()}"

    def is_ours(self, fact: str) -> bool:
        """Whether a fact of a record is a tag of this key."""
        return len(fact) == WIDTH and fact.startswith(f"{self.name}:")

    def __repr__(self) -> str:
        return "CodeKey()"


@dataclass(frozen=True)
class Found:
    """Whose code it is. duress: the one of somebody who is forced."""

    subject: str
    duress: bool


class CodeBook:
    """The tags in force, in RAM. facts: a subject's id -> the facts of the record."""

    def __init__(self, key: CodeKey, facts: Mapping[str, Mapping[str, str]]) -> None:
        self._key = key
        self._tags: list[tuple[bytes, Found]] = []
        for subject, own in facts.items():
            for kind in (NORMAL, DURESS):
                if key.is_ours(fact := own.get(kind, "")):
                    self._tags.append((bytes.fromhex(fact.rpartition(":")[2]), Found(subject, kind == DURESS)))

    def find(self, digits: str) -> Found | None:
        """Whose code these digits are; None: nobody's. Every tag is compared, in constant time each, wherever it is found."""
        wanted, found = self._key.tag(digits), None
        for tag, owner in self._tags:
            if hmac.compare_digest(tag, wanted):
                found = owner
        return found

    def has_any(self, many: Iterable[str]) -> bool:
        """Whether one of these codes is in force."""
        return any(self.find(digits) is not None for digits in many)

    def __len__(self) -> int:
        return len(self._tags)


def unused(book: CodeBook, make: Callable[[], str] = new_digits) -> str:
    """A fresh code that is nobody's, and not what anybody's is easily mistyped as."""
    while True:
        digits = make()
        if not book.has_any({digits, *slips(digits)}):
            return digits
