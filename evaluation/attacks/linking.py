"""Attack 2: are two rows of two databases one person's? Attack 3: does it help to have many rows of each?

A trial: one row of database A, and two of database B, of which one is the same person's (another picture) and one somebody else's. The
attacker says which; chance is one half. Every trial has people of its own.
"""

from collections.abc import Iterator

import numpy as np

from edge.records import Symbols
from evaluation.attacks.bench import COIN, Chance, Knowledge, Result
from evaluation.attacks.faces import Faces
from evaluation.attacks.linkers import Linker, Numbers, best_assignment, hamming, learned
from evaluation.schemes import Make, Scheme, Whole, nonces, sealed, stolen

SUCCESS = "tells the same person from another"
TAUGHT = 0.5
"""Share of the people whose pairs the learned linker knows."""


def linked(linker: Linker, one: Symbols, other: Symbols, seed: int = 0) -> tuple[int, int]:
    """Trials won, trials. one, other: (n, m), the same person at the same place. A tie is decided by a coin."""
    asked = np.arange(0, len(one) - 1, 2)
    mated, strange = linker(one[asked], other[asked]), linker(one[asked], other[asked + 1])
    coin = np.random.default_rng(seed).random(len(asked)) < 0.5
    return int(((mated > strange) | ((mated == strange) & coin)).sum()), len(asked)


def views(one: Scheme, other: Scheme, faces: Faces) -> Iterator[tuple[Knowledge, Symbols, Symbols]]:
    """What the attacker compares, under each knowledge: (n, m) of both databases."""
    first, second = faces.codes
    yield Knowledge.DATABASE, stolen(one, first), stolen(other, second)
    yield Knowledge.ROW_KEY, one.transform(first), other.transform(second)
    yield Knowledge.ALL_KEYS, first, second


def attack(make: Make, faces: Faces) -> list[Result]:
    """Two databases of the same people under keys of their own, by three linkers."""
    first, _ = faces.codes
    q, m = faces.projection.q, first.shape[1]
    results = []
    for knowledge, ours, theirs in views(make(m, q), make(m, q), faces):
        known = int(TAUGHT * len(ours)) // 2 * 2
        linkers = {
            "Hamming": (hamming, 0, ""),
            "best assignment": (best_assignment, 0, ""),
            "learned": (learned(ours[:known], theirs[:known]), known, f"taught by {known} people known in both"),
        }
        for name, (linker, start, note) in linkers.items():
            won, trials = linked(linker, ours[start:], theirs[start:])
            results.append(Result(f"linking two databases, {name}", knowledge, SUCCESS, trials, won, COIN, note))
    return results


def multiplicity(make: Make, faces: Faces, renewals: int = 4) -> list[Result]:
    """So many renewals of each person's row in both databases, each under a transform of its own; the attacker adds up every comparison."""
    first, second = faces.codes
    q, m = faces.projection.q, first.shape[1]
    ours, theirs = ([make(m, q) for _ in range(renewals)] for _ in range(2))
    seen = {
        Knowledge.DATABASE: [[stolen(scheme, codes) for scheme in schemes] for schemes, codes in ((ours, first), (theirs, second))],
        Knowledge.ROW_KEY: [[scheme.transform(codes) for scheme in schemes] for schemes, codes in ((ours, first), (theirs, second))],
    }

    def together(one: Symbols, other: Symbols) -> Numbers:
        rows, columns = (np.split(codes, renewals, axis=1) for codes in (one, other))
        scores: Numbers = np.sum([hamming(row, column) for row in rows for column in columns], axis=0)
        return scores

    results = []
    for knowledge, sides in seen.items():
        won, trials = linked(together, np.concatenate(sides[0], axis=1), np.concatenate(sides[1], axis=1))
        note = f"{renewals} renewals in each, {renewals * renewals} comparisons added up"
        results.append(Result("linking by record multiplicity", knowledge, SUCCESS, trials, won, COIN, note))
    return results


def same_file(make: Make, faces: Faces) -> list[Result]:
    """Two rows of one database without its keys: a pad used twice would cancel, and the rows compare as if there were none."""
    first, second = faces.codes
    scheme = make(first.shape[1], faces.projection.q)
    won, trials = linked(hamming, stolen(scheme, first), stolen(scheme, second))
    return [Result("pad used twice: rows of one database xored", Knowledge.DATABASE, SUCCESS, trials, won, COIN)]


def pads(faces: Faces, rows: int) -> list[Result]:
    """The same code sealed so many times in the shipped format: does any nonce, and with it a pad, come back?"""
    code = faces.codes[0][0]
    scheme = Whole(len(code), faces.projection.q)
    found = nonces(sealed(scheme, np.repeat(code[None], rows, axis=0)))
    repeated = rows - len(set(found))
    chance = Chance(min(1.0, rows / 2**97))  # of a row: (rows - 1) / 2 others on average, 96 random bits
    note = "96 random bits a row; a birthday is due at 2^48 rows, the format allows 2^32 a key"
    return [Result("pad reuse", Knowledge.DATABASE, "a nonce comes twice", rows, repeated, chance, note)]
