"""Protected templates keep comparison exact, open only where they belong, and follow docs/template-format.md to the byte."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge.gallery.labels import id_bytes, ids_only, is_id
from edge.records import Code
from edge.template.compare import bits_of, dissimilarities, graded, kernels, pack, unequal, unpack
from edge.template.protect import (
    Binding,
    ProtectedTemplate,
    RecordCipher,
    RowCipher,
    TemplateError,
    Transform,
    derive,
    label,
    open_record,
    open_template,
    seal,
    seal_record,
)

VECTORS = json.loads((Path(__file__).parent / "vectors" / "template-1.json").read_text(encoding="utf-8"))
KEYS = {(row["purpose"], row["epoch"]): bytes.fromhex(row["key"]) for row in VECTORS["keys"]}
BINDING = Binding(**VECTORS["binding"])
ROW_KEY = KEYS["row key", 1]
PLANES = bytes(range(192))


def named(rows: list[dict]) -> list:
    return [pytest.param(row, id=row["name"]) for row in rows]


def keyed(number: int, m: int = 512, q: int = 8) -> Transform:
    return Transform(number.to_bytes(32, "big"), m, q)


@pytest.mark.parametrize("row", VECTORS["transforms"], ids=lambda row: f"{row['m']}x{row['q']} epoch {row['epoch']}")
def test_transforms_are_those_of_the_vectors(row: dict) -> None:
    transform = Transform(KEYS["transform key", row["epoch"]], row["m"], row["q"])
    transformed = transform.apply(np.array(row["symbols"], dtype=np.uint8))
    assert pack(transformed, row["q"]).tobytes().hex() == row["planes"]
    assert transformed.tolist() == row["transformed"]


@pytest.mark.parametrize("row", VECTORS["large_transforms"], ids=lambda row: f"{row['m']}x{row['q']}, {row['skipped_words']} words skipped")
def test_large_transforms_are_those_of_the_vectors(row: dict) -> None:
    """Of the code with symbol (3 i + 1) mod q at position i. One of them meets words that would bias the shuffle."""
    key = derive(bytes.fromhex(VECTORS["root"]), "transform key", VECTORS["site"], VECTORS["application"], row["epoch"])
    code = ((3 * np.arange(row["m"]) + 1) % row["q"]).astype(np.uint8)
    planes = pack(Transform(key, row["m"], row["q"]).apply(code), row["q"])
    assert hashlib.sha256(planes.tobytes()).hexdigest() == row["planes_sha256"]


def test_the_vectors_tables_and_permutations_explain_their_transformed_codes() -> None:
    for row in VECTORS["transforms"]:
        by_hand = [row["tables"][i][row["symbols"][row["permutation"][i]]] for i in range(row["m"])]
        assert by_hand == row["transformed"]


def test_associated_data_is_that_of_the_vectors() -> None:
    assert BINDING.associated_data().hex() == VECTORS["associated_data"]


@pytest.mark.parametrize("row", named(VECTORS["templates"]["good"]))
def test_good_templates_open(row: dict) -> None:
    protected = ProtectedTemplate.from_bytes(bytes.fromhex(row["raw"]))
    assert protected.to_bytes().hex() == row["raw"]
    assert open_template(protected, ROW_KEY, BINDING).hex() == row["planes"]


@pytest.mark.parametrize("row", named(VECTORS["templates"]["broken"]))
def test_broken_templates_are_refused_by_name(row: dict) -> None:
    """Each with the expected reason and the reference's id."""
    binding = Binding(**row.get("binding", VECTORS["binding"]))
    with pytest.raises(TemplateError, match=row["error"]) as caught:
        open_template(ProtectedTemplate.from_bytes(bytes.fromhex(row["raw"]), reference=binding.reference), ROW_KEY, binding)
    assert binding.reference in str(caught.value)


@pytest.mark.parametrize("row", VECTORS["records"]["good"], ids=lambda row: f"{row['table']} {row.get('version', '')}")
def test_good_records_open(row: dict) -> None:
    """The versioned ones were sealed by a second program: HKDF and GHASH by hand, openssl's AES."""
    sealed = bytes.fromhex(row["sealed"])
    assert open_record(sealed, KEYS["label key", 0], row["table"], row["id"], row.get("version")).decode() == row["plain"]


@pytest.mark.parametrize("row", named(VECTORS["records"]["broken"]))
def test_broken_records_are_refused(row: dict) -> None:
    with pytest.raises(TemplateError, match=row["error"]):
        open_record(bytes.fromhex(row["sealed"]), KEYS["label key", 0], row["table"], row["id"], row.get("version"))


@st.composite
def codes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    m, q, n = 8 * draw(st.integers(1, 9)), draw(st.integers(2, 64)), draw(st.integers(1, 4))
    symbols = arrays.arrays(np.uint8, (n, m), elements=st.integers(0, q - 1))
    return draw(symbols), draw(symbols)[0], q


@settings(max_examples=60, deadline=None)
@given(codes(), st.binary(min_size=32, max_size=32))
def test_protection_keeps_the_number_of_unequal_symbols(drawn: tuple[np.ndarray, np.ndarray, int], key: bytes) -> None:
    """Through transform, packing, sealing and opening, and every kernel: exactly the plain comparison."""
    gallery, probe, q = drawn
    transform = Transform(key, gallery.shape[1], q)
    sealed = [seal(row.tobytes(), key, BINDING) for row in pack(transform.apply(gallery), q)]
    opened = np.array([np.frombuffer(open_template(one, key, BINDING), dtype=np.uint8) for one in sealed])
    plain = (gallery != probe).sum(axis=1).tolist()
    for kernel in kernels():
        assert unequal(opened, pack(transform.apply(probe), q), bits_of(q), kernel=kernel).tolist() == plain


@settings(max_examples=40, deadline=None)
@given(codes(), st.binary(min_size=32, max_size=32), st.integers(0, 2**32))
def test_protection_keeps_what_a_probe_is_asked(drawn: tuple[np.ndarray, np.ndarray, int], key: bytes, seed: int) -> None:
    """Costs that go along with the transform give the same dissimilarities as plain ones."""
    gallery, probe, q = drawn
    m = gallery.shape[1]
    costs = np.random.default_rng(seed).integers(0, 256, (m, q), dtype=np.uint8)
    transform = Transform(key, m, q)
    found = graded(pack(transform.apply(gallery), q), transform.costs(costs))
    assert found.tolist() == dissimilarities(gallery, Code(probe, q, costs)).tolist()


@pytest.mark.parametrize("costs", [np.zeros((8, 4), np.uint8), np.zeros((512, 7), np.uint8), np.zeros((512, 8))])
def test_costs_that_do_not_fit_the_transform_are_refused(costs: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected costs of 512 symbols of 8 values"):
        keyed(1).costs(costs)


@settings(max_examples=40, deadline=None)
@given(codes(), st.binary(min_size=32, max_size=32))
def test_inverting_the_transform_gives_the_plain_codes(drawn: tuple[np.ndarray, np.ndarray, int], key: bytes) -> None:
    gallery, probe, q = drawn
    transform = Transform(key, gallery.shape[1], q)
    assert np.array_equal(transform.invert(transform.apply(gallery)), gallery)
    assert np.array_equal(transform.invert(transform.apply(probe)), probe)


def test_rows_transform_alike_alone_and_together() -> None:
    gallery = np.random.default_rng(1).integers(0, 8, (5, 512), dtype=np.uint8)
    assert np.array_equal(keyed(1).apply(gallery)[3], keyed(1).apply(gallery[3]))


def test_each_position_has_its_own_table_of_all_symbols() -> None:
    tables = np.array([keyed(1).apply(np.full(512, symbol, dtype=np.uint8)) for symbol in range(8)]).T
    assert (np.sort(tables, axis=1) == np.arange(8)).all()
    assert len({bytes(table) for table in tables}) > 500


def test_another_key_or_size_is_another_transform() -> None:
    """A code under two keys agrees as strangers do: in an eighth of the positions, within four standard deviations."""
    code = np.random.default_rng(2).integers(0, 8, 512, dtype=np.uint8)
    equal = [int((keyed(i).apply(code) == keyed(i + 1).apply(code)).sum()) for i in range(0, 40, 2)]
    assert abs(np.mean(equal) - 64) < 4 * np.sqrt(512 * 7 / 64 / len(equal))
    short = Transform(bytes(32), 504, 8).apply(code[:504])
    assert int((short == Transform(bytes(32), 512, 8).apply(code)[:504]).sum()) < 100


def test_every_order_of_positions_is_equally_likely() -> None:
    """1,200 keys, six orders of three positions: each about 200 times, within five standard deviations."""
    numbers = np.array([0, 1, 2], dtype=np.uint8)
    seen: dict[bytes, int] = {}
    for key in range(1200):
        transform = keyed(key, 3, 3)
        tables = np.array([transform.apply(np.full(3, s, dtype=np.uint8)) for s in range(3)])
        order = bytes(int(np.flatnonzero(tables[:, i] == transform.apply(numbers)[i])[0]) for i in range(3))
        seen[order] = seen.get(order, 0) + 1
    assert len(seen) == 6
    assert max(abs(count - 200) for count in seen.values()) < 5 * np.sqrt(1200 * 5 / 36)


@pytest.mark.parametrize(("m", "q"), [(0, 8), (65535, 8), (8, 1), (8, 65)])
def test_impossible_sizes_are_refused(m: int, q: int) -> None:
    with pytest.raises(ValueError, match=f"transform of {m} symbols of {q}"):
        Transform(bytes(32), m, q)


@pytest.mark.parametrize(
    "symbols", [np.zeros(7, np.uint8), np.zeros(8, np.int64), np.full(8, 8, np.uint8)], ids=["length", "type", "value"]
)
def test_codes_that_do_not_fit_the_transform_are_refused(symbols: np.ndarray) -> None:
    transform = Transform(bytes(32), 8, 8)
    with pytest.raises(ValueError, match="expected codes of 8 uint8 symbols below 8"):
        transform.apply(symbols)
    with pytest.raises(ValueError, match="expected codes of 8 uint8 symbols below 8"):
        transform.invert(symbols)


def test_sealing_twice_gives_two_pads() -> None:
    first, second = seal(PLANES, ROW_KEY, BINDING), seal(PLANES, ROW_KEY, BINDING)
    assert first.nonce != second.nonce
    same = np.frombuffer(first.pi, np.uint8) == np.frombuffer(second.pi, np.uint8)
    assert same.sum() < 20


def test_pi_is_the_planes_xor_the_aes_counter_stream() -> None:
    """So a later version may open all rows by one call of the block cipher over (nonce, counter) blocks from counter 2."""
    sealed = seal(PLANES, ROW_KEY, BINDING)
    blocks = b"".join(sealed.nonce + counter.to_bytes(4, "big") for counter in range(2, 2 + len(PLANES) // 16))
    pad = Cipher(algorithms.AES(ROW_KEY), modes.ECB()).encryptor().update(blocks)
    assert bytes(a ^ b for a, b in zip(PLANES, pad, strict=True)) == sealed.pi


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 8 * 223 - 1))
def test_no_flipped_bit_survives(bit: int) -> None:
    raw = bytearray(seal(PLANES, ROW_KEY, BINDING).to_bytes())
    assert len(raw) == 223
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(TemplateError, match=BINDING.reference):
        open_template(ProtectedTemplate.from_bytes(bytes(raw), reference=BINDING.reference), ROW_KEY, BINDING)


def test_a_template_of_another_width_is_refused() -> None:
    cipher = RowCipher(ROW_KEY, network=BINDING.network, device="d", transform_epoch=1, row_epoch=1)
    raw = cipher.seal(PLANES, "s", "r").to_bytes()
    assert cipher.open(raw, 192, "s", "r") == PLANES
    with pytest.raises(TemplateError, match="reference r: pi of 192 bytes where 200 belong"):
        cipher.open(raw, 200, "s", "r")


def test_errors_tell_neither_key_nor_code() -> None:
    sealed = seal(PLANES, ROW_KEY, BINDING)
    with pytest.raises(TemplateError) as caught:
        open_template(sealed, bytes(32), BINDING)
    text = repr(caught.value) + str(caught.value.__cause__)
    assert ROW_KEY.hex() not in text
    assert sealed.pi.hex() not in text


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=5), min_size=1, max_size=3), st.lists(st.text(max_size=5), min_size=1, max_size=3))
def test_no_two_lists_of_fields_share_a_label(one: list[str], other: list[str]) -> None:
    assert (label(*one) == label(*other)) == (one == other)


@pytest.mark.parametrize("field", ["x" * 65536, -1, 2**32])
def test_fields_that_do_not_fit_a_label_are_refused(field: str | int) -> None:
    with pytest.raises(ValueError, match="label field"):
        label("purpose", field)


@pytest.mark.parametrize("change", [{"subject": ""}, {"reference": ""}, {"device": ""}, {"network": "AB" * 32}, {"network": "ab"}])
def test_a_binding_without_its_facts_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=r"binding|expected a SHA-256"):
        replace(BINDING, **change)


@pytest.mark.parametrize("change", [{"nonce": bytes(11)}, {"tag": bytes(15)}, {"pi": b""}, {"version": 0}])
def test_a_protected_template_of_wrong_parts_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match="protected template"):
        replace(ProtectedTemplate(1, bytes(12), bytes(24), bytes(16)), **change)


@pytest.mark.parametrize("key", [b"", bytes(16), bytes(33)])
def test_keys_of_another_length_are_refused(key: bytes) -> None:
    for use in (lambda: derive(key, "row key"), lambda: Transform(key, 8, 8), lambda: seal(PLANES, key, BINDING)):
        with pytest.raises(ValueError, match=f"expected 32 bytes, got {len(key)}"):
            use()


def test_records_of_like_length_look_alike() -> None:
    """Padding to blocks of 128 bytes hides how long a name is."""
    key = bytes(32)
    assert len(seal_record(b"{}", key, "t", "1")) == len(seal_record(b"x" * 128, key, "t", "1")) == 156
    assert len(seal_record(b"x" * 129, key, "t", "1")) == 284


def test_unpacked_rows_are_the_transformed_codes() -> None:
    code = np.random.default_rng(3).integers(0, 8, 512, dtype=np.uint8)
    planes = pack(keyed(9).apply(code), 8)
    opened = open_template(seal(planes, ROW_KEY, BINDING), ROW_KEY, BINDING)
    assert np.array_equal(keyed(9).invert(unpack(np.frombuffer(opened, np.uint8), 512, 8)), code)


# Many rows at once


IDS = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")


@given(st.lists(st.tuples(IDS, IDS, st.binary(min_size=24, max_size=24), st.integers(0, 3), st.integers(0, 10_000)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_many_rows_open_exactly_where_each_would_by_itself(rows: list[tuple[str, str, bytes, int, int]]) -> None:
    """Sound, with a flipped bit, cut short, or under another subject; what does not open hides no other."""
    cipher = RowCipher(ROW_KEY, network="ab" * 32, device="device", transform_epoch=1, row_epoch=1)
    stored, expected = [], []
    for reference, subject, planes, harm, place in rows:
        raw = bytearray(cipher.seal(planes, subject, reference).to_bytes())
        if harm == 1:
            raw[place % len(raw)] ^= 1 << place % 8
        whose = f"{int(subject, 16) ^ 1:032x}" if harm == 3 else subject
        stored.append((reference.encode(), whose.encode(), bytes(raw[: place % len(raw)] if harm == 2 else raw)))
        expected.append(None if harm else planes)
    assert cipher.open_many(stored, 24) == expected
    for (reference, subject, raw), planes in zip(stored, expected, strict=True):
        if planes is None:
            with pytest.raises(TemplateError):
                cipher.open(raw, 24, subject.decode(), reference.decode())
        else:
            assert cipher.open(raw, 24, subject.decode(), reference.decode()) == planes


@pytest.mark.parametrize(
    "harm",
    [
        {"reference": "a" * 32},
        {"subject": "b" * 32},
        {"reference": b"a" * 31},
        {"reference": b"a" * 31, "subject": b"b" * 33},
        {"reference": None},
        {"raw": "text"},
        {"raw": None},
        {"raw": b""},
        {"raw": 7},
    ],
    ids=str,
)
def test_rows_of_other_kinds_and_sizes_do_not_open_and_stop_nothing(harm: dict) -> None:
    cipher = RowCipher(ROW_KEY, network="ab" * 32, device="device", transform_epoch=1, row_epoch=1)
    sound = {"reference": b"a" * 32, "subject": b"b" * 32, "raw": cipher.seal(bytes(24), "b" * 32, "a" * 32).to_bytes()}
    assert cipher.open_many([tuple({**sound, **harm}.values()), tuple(sound.values())], 24) == [None, bytes(24)]


RECORD = {"record": b"5" * 32, "sealed": b"", "version": b"6" * 32}


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param({"record": b"7" * 32}, id="another id"),
        pytest.param({"version": b"7" * 32}, id="another version"),
        pytest.param({"record": b"5" * 31, "version": b"6" * 33}, id="cut elsewhere"),
        pytest.param({"record": "5" * 32}, id="an id that was no text in the file"),
        pytest.param({"version": None}, id="no version"),
        pytest.param({"sealed": bytes(156)}, id="another record"),
        pytest.param({"sealed": b"short"}, id="a short one"),
        pytest.param({"sealed": None}, id="none at all"),
    ],
)
def test_many_records_open_at_once_as_each_does_alone(harm: dict) -> None:
    cipher = RecordCipher(bytes(32))
    sound = {**RECORD, "sealed": cipher.seal(b"{}", "subject", "5" * 32, "6" * 32)}
    found = cipher.open_many("subject", [tuple({**sound, **harm}.values()), tuple(sound.values())])
    assert [plain and plain.rstrip(b" ") for plain in found] == [None, cipher.open(sound["sealed"], "subject", "5" * 32, "6" * 32)]
    assert cipher.open_many("fact", [tuple(sound.values())]) == [None]


@given(
    st.lists(
        st.one_of(st.text("0123456789abcdefABG ", min_size=30, max_size=34), st.binary(min_size=16, max_size=16).map(bytes.hex)), max_size=5
    )
)
def test_ids_are_read_at_once_if_each_is_one(texts: list[str]) -> None:
    assert ids_only(texts) == [each for each in texts if is_id(each)]
    expected = b"".join(map(bytes.fromhex, texts)) if all(map(is_id, texts)) else None
    assert id_bytes(texts) == expected
