"""What docs/protection.md consists of; as ``evaluation.sections``. Figures in the words come from facts."""

from collections.abc import Iterable

from evaluation.sections import Document, Facts, Section

INTRODUCTION = """
How the cancellable scheme of [template-format.md](template-format.md) stands up, in the words of ISO/IEC 24745 and 30136: what it costs,
what it hides, and where it falls. What follows from it for a site stands in [threat-model.md](threat-model.md).

`make attack` runs the attack bench on identities made on the spot, `make attack DATA=...` on the faces of LFW; either fails when an attack
without keys does better than chance. `DATA` is as in [evaluation.md](evaluation.md); the same program, `python -m evaluation.report DATA`,
writes both pages. The figures of pre-images take an *embedding* for the attacker's result: a picture with that embedding can be made, as
published attacks show, but none was made here, and none was printed and held before a camera."""

LFW = "DATA/lfw/lfw-deepfunneled.zip"


def _found(facts: Facts, attack: str, knowledge: str) -> Facts:
    found: Facts = next(each for each in facts["attacks"] if each["attack"].startswith(attack) and each["knowledge"] == knowledge)
    return found


def _share(found: Facts) -> str:
    return f"{found['successes']} of {found['trials']}"


def _gate(facts: Facts) -> str:
    gated = [each for each in facts["attacks"] if each["gated"]]
    held = sum(each["verdict"] == "at chance" for each in gated)
    alarms = 100 * (1 - facts["gate"]["confidence"]) * len(gated)
    return (
        f"**The gate {'holds' if facts['gate']['holds'] else 'FAILS'}**: {held} of {len(gated)} attacks without keys are at chance.\n"
        "The intervals in the tables are of 95 %; the gate takes wider ones, so that all attacks together alarm falsely in\n"
        f"{alarms:.1f} % of runs at most."
    )


def _falls(facts: Facts) -> str:
    keys, row, passing = "database, all keys", "database, row key", "accept/deny, a probe that passes"
    same = _share(_found(facts, "pre-image by one matrix product, same door", keys))
    product, other = (_share(_found(facts, f"pre-image by {how}, door of other", keys)) for how in ("one matrix product", "optimisation"))
    learned, known = _share(_found(facts, "linking two databases, learned", row)), _share(_found(facts, "transform from 200", row))
    climbed = _share(_found(facts, "climbing by 4000", passing))
    points = [
        f"All keys: everything. One matrix product makes of a code an embedding that the same door takes for the person ({same}), also\n"
        f"  after rotation. A door of other keys with another picture takes it too ({product}; {other} when optimised), about as often as\n"
        f"  it takes a real picture. {_elsewhere(facts)}New keys do not help against this: the face stays the same.",
        "Row key alone: rows of two databases cannot be compared by Hamming or best assignment, but whoever knows people in both can\n"
        f"  ({learned}). Whoever has pictures of a hundred or two of the enrolled finds the transform, and so everybody else's code\n"
        f"  ({known} with 200 known faces). Treat a lost row key as the loss of all keys.",
        _older(facts),
        "Accept and deny alone: a search is blind and finds what strangers find, one in so many as the stated FPIR allows. Somebody who\n"
        f"  passes for a person already can feel his way to that person's embedding ({climbed} in 4,000 decisions): what slows him is the\n"
        "  throttle.",
    ]
    return "\n".join(["**Where it falls.**", "", *_lines(points)])


def _elsewhere(facts: Facts) -> str:
    found = [each for each in facts["attacks"] if each["attack"].endswith("another network") and each["knowledge"] == "database, all keys"]
    return "".join(f"So does a door of another network, to which a linear map leads ({_share(each)}).\n  " for each in found)


def _older(facts: Facts) -> str:
    copy = [each for each in facts["attacks"] if each["knowledge"] == "database, an older copy of it"]
    disk = _share(_found(facts, "whole old folder", "an older copy of the whole disk"))
    end = f"An older copy of the whole disk brings back whoever was revoked since ({disk}); see the [threat model](threat-model.md)."
    if any(each["successes"] for each in copy):
        return f"An older copy of the database, put back by whoever can write it, brings back whoever was revoked since.\n  {end}"
    return f"{end}\n  An older copy of the database alone is found out."


def _lines(points: Iterable[str]) -> list[str]:
    return [f"- {point}" for point in points]


def _used(facts: Facts) -> str:
    return (
        f"{facts['people']} people with two pictures and {facts['strangers']} strangers with one: all that LFW has, and beside them\n"
        "people of the training sets, whom the network has seen. Some people are in LFW under two names, and some may be in both sets;\n"
        "they count as strangers."
    )


def _compression(facts: Facts) -> str:
    shipped, fewer = facts["costs"][3], facts["costs"][4:]
    told = " ".join(
        f"{row['template']}: {row['bytes']} bytes, EER {100 * row['eer']:.2f} % instead of {100 * shipped['eer']:.2f} %, a pre-image at "
        f"cosine {row['pre_image_cosine']:.2f} instead of {shipped['pre_image_cosine']:.2f}."
        for row in fewer
    )
    return f"Compression makes a pre-image worse and comparison too. {told} It also ends recoding with nobody present. It is not shipped."


PROTECTION = Document(
    "protection.md",
    "How far protection holds",
    INTRODUCTION,
    (
        Section(
            "protection",
            "What it gives and what it costs",
            "protection",
            (LFW, "--people", "1680", "--out", "OUT"),
            "Everybody in LFW with two pictures. *Plain rank hash*, *one shared table* (as published) and *table per position* are stored\n"
            "without pads: the last is what a thief of database and row key sees, *whole scheme* what a thief of the database sees.\n"
            "Keys are fresh in every run, and *linkable* says that D_sys lies above the noise floor's 99.9th percentile: where nothing\n"
            "links, one row in a thousand does so by chance. What the Hamming linker finds in one shared table changes with the table.",
            (_compression,),
            plots=(("unlinkability.png", "Linking scores of rows of two databases, by layer and linker; on the right one cannot tell."),),
        ),
        Section(
            "attacks",
            "Attacks",
            "attacks",
            (LFW, "--strangers", "DATA/train/celeba_b.zip", "--other", "DATA/models/w600k_mbf_dequant.onnx"),
            "Real attacks under what an attacker may hold; the network is public. A door is a real gallery file and the appliance's own\n"
            "decision at its own threshold. Chance is the rate of somebody without anything: a coin, a stranger's, or never.",
            (_gate, _falls, _used),
        ),
    ),
)
