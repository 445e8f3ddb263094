"""The exact comparison of bit planes: every kernel gives the integers of a plain comparison of symbols, and refuses wrong sizes."""

import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.template import compare

LENGTHS = st.integers(1, 40).map(lambda k: 8 * k) | st.just(512)
SIZES = st.tuples(st.integers(0, 70), LENGTHS, st.sampled_from([2, 3, 4, 5, 8, 11, 16, 64, 200, 256]))
"""Rows, m, q."""

KERNELS = pytest.mark.parametrize("kernel", compare.kernels())


def symbols_like(random: np.random.Generator, n: int, m: int, q: int) -> np.ndarray:
    """Symbols of which some equal the first row's, so that small and large distances occur."""
    symbols = random.integers(0, q, (n, m), np.uint8)
    return np.where(random.random((n, 1)) < random.random((n, m)), symbols, symbols[:1]) if n else symbols


def compiled():
    return pytest.importorskip("edge.template._compare", reason="the extension was not built")


# Layout


def test_the_layout_of_one_row_byte_by_byte():
    """Sixteen symbols of eight: plane 0 holds every lowest bit, position i is bit i % 8 of byte i // 8."""
    symbols = np.array([0, 1, 2, 3, 4, 5, 6, 7, 7, 0, 0, 0, 0, 0, 0, 1], np.uint8)
    planes = compare.pack(symbols, 8)
    assert planes.tobytes() == bytes([0b10101010, 0b10000001]) + bytes([0b11001100, 0b00000001]) + bytes([0b11110000, 0b00000001])


def test_a_distance_worked_by_hand():
    """Symbols 3 and 4 differ in all three planes and count once; 7 and 6 differ in one plane and count once."""
    probe = np.array([3, 7, 5, 0, 1, 2, 6, 4], np.uint8)
    row = np.array([4, 6, 5, 0, 1, 2, 6, 4], np.uint8)
    assert compare.unequal(compare.pack(row[None], 8), compare.pack(probe, 8), 3).tolist() == [2]


@pytest.mark.parametrize(("q", "bits"), [(2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (64, 6), (256, 8)])
def test_planes_per_symbol_are_the_logarithm_rounded_up(q, bits):
    assert compare.bits_of(q) == bits
    assert compare.row_bytes(512, q) == 64 * bits


@given(SIZES, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_unpack_is_the_inverse_of_pack(sizes, seed):
    n, m, q = sizes
    symbols = np.random.default_rng(seed).integers(0, q, (n, m), np.uint8)
    planes = compare.pack(symbols, q)
    assert planes.shape == (n, compare.row_bytes(m, q))
    assert np.array_equal(compare.unpack(planes, m, q), symbols)
    for single, row in zip(symbols[:2], planes[:2], strict=True):
        assert np.array_equal(compare.pack(single, q), row)
        assert np.array_equal(compare.unpack(row, m, q), single)


@pytest.mark.parametrize(("n", "width"), [(0, 192), (1, 24), (1000, 192), (7, 3)])
def test_rows_are_aligned_zeroed_and_contiguous(n, width):
    rows = compare.aligned_rows(n, width)
    assert (rows.shape, rows.dtype) == ((n, width), np.uint8)
    assert n == 0 or rows.ctypes.data % 64 == 0
    assert rows.flags.c_contiguous
    assert rows.flags.writeable
    assert not rows.any()


# The same integers from every kernel


def test_numpy_is_always_there_and_the_portable_kernel_wherever_the_extension_is():
    assert compare.kernels()[-1] == "numpy"
    assert "scalar" in compiled().kernels()


@KERNELS
@given(SIZES, st.integers(0, 17), st.integers(0, 63), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_every_kernel_counts_unequal_symbols(kernel, sizes, count, offset, seed):
    """Any number of rows and probes, any m and q, rows at any address."""
    n, m, q = sizes
    random = np.random.default_rng(seed)
    symbols, probes = symbols_like(random, n, m, q), symbols_like(random, count, m, q)
    memory = np.zeros(offset + n * compare.row_bytes(m, q), np.uint8)
    rows = memory[offset:].reshape(n, -1) if n else compare.aligned_rows(0, compare.row_bytes(m, q))
    rows[:] = compare.pack(symbols, q)
    found = compare.unequal(rows, compare.pack(probes, q), compare.bits_of(q), kernel=kernel)
    assert found.dtype == np.uint16
    assert np.array_equal(found, (probes[:, None] != symbols[None]).sum(axis=2))


@KERNELS
def test_one_probe_gives_one_number_a_row(kernel):
    symbols = np.random.default_rng(1).integers(0, 8, (100, 512), np.uint8)
    found = compare.unequal(compare.pack(symbols, 8), compare.pack(symbols[3], 8), 3, kernel=kernel)
    assert np.array_equal(found, (symbols != symbols[3]).sum(axis=1))


@KERNELS
@given(st.lists(st.lists(st.integers(0, 4), min_size=16, max_size=16), min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_the_count_is_a_distance(kernel, three):
    """Zero if and only if all symbols are equal, the same both ways, and never longer by a detour."""
    codes = np.array(three, np.uint8)
    planes = compare.pack(codes, 5)
    found = compare.unequal(planes, planes, 3, kernel=kernel).astype(int)
    assert np.array_equal(found == 0, (codes[:, None] == codes[None]).all(axis=2))
    assert np.array_equal(found, found.T)
    assert found[0, 2] <= found[0, 1] + found[1, 2]


@KERNELS
@pytest.mark.parametrize("bits", [1, 3, 8])
def test_the_largest_code_does_not_overflow(kernel, bits):
    """65,528 symbols, all of them unequal, in rows enough for the paths of eight rows and of one."""
    plane = compare.LARGEST_M // 8
    rows = np.full((9, plane * bits), 255, np.uint8)
    found = compare.unequal(rows, np.zeros(plane * bits, np.uint8), bits, kernel=kernel)
    assert found.tolist() == [compare.LARGEST_M] * 9


@given(
    SIZES,
    st.integers(0, 3),
    st.integers(1, 64),
    st.sampled_from([0, 1, 64, 3072, 8064, 1 << 20]),
    st.integers(0, 20),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_reading_ahead_and_several_streams_change_no_integer(sizes, count, streams, ahead, start, seed):
    """Every compiled kernel, from any row on."""
    n, m, q = sizes
    random = np.random.default_rng(seed)
    symbols, probes = symbols_like(random, n, m, q), symbols_like(random, count, m, q)
    rows, against, start = compare.pack(symbols, q), compare.pack(probes, q), min(start, n)
    for kernel in compiled().kernels():
        out = np.full((count, n), 4711, np.uint16)
        compiled().unequal(rows, against, out, compare.bits_of(q), rows.shape[1], start, n, kernel, streams, ahead)
        assert np.array_equal(out[:, start:], (probes[:, None] != symbols[None, start:]).sum(axis=2))
        assert (out[:, :start] == 4711).all()


def as_asked(found, counts, most):
    """Exact up to the limit, and above it where the count is."""
    return bool(np.where(counts <= most, found == counts, found > most).all())


@given(SIZES, st.integers(0, 70), st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_up_to_a_limit_every_count_is_exact_and_the_others_lie_above_it(sizes, most, seed):
    n, m, q = sizes
    random = np.random.default_rng(seed)
    symbols, probe = symbols_like(random, n, m, q), symbols_like(random, 1, m, q)[0]
    counts = (symbols != probe).sum(axis=1)
    for kernel in compare.kernels():
        found = compare.unequal(compare.pack(symbols, q), compare.pack(probe, q), compare.bits_of(q), kernel=kernel, most=most)
        assert as_asked(found, counts, most)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("most", [0, 100, 200, 240, 260, 300, 350, 380, 400, 440, 460, 512, 70000])
def test_a_limit_holds_in_a_large_gallery_wherever_the_near_rows_lie(most, threads):
    """Rows of every distance, in stretches of far and of near ones, so that both ways of counting take turns: by one plane of strangers'
    codes about 256 symbols are unequal, by all three 448."""
    random = np.random.default_rng(11)
    symbols = random.integers(0, 8, (100_003, 512), np.uint8)
    near = (np.arange(len(symbols)) // 5000) % 3 == 1
    share = np.where(near, random.random(len(symbols)), 1.0) * (random.random(len(symbols)) < 0.999)
    probe = random.integers(0, 8, 512, np.uint8)
    symbols = np.where(random.random(symbols.shape) < share[:, None], symbols, probe)
    counts, rows, against = (symbols != probe).sum(axis=1), compare.pack(symbols, 8), compare.pack(probe, 8)
    for kernel in compare.kernels():
        assert as_asked(compare.unequal(rows, against, 3, kernel=kernel, threads=threads, most=most), counts, most)


@pytest.mark.parametrize(("m", "q"), [(64, 4), (512, 4), (512, 16), (64, 64), (504, 8)])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8, 0.9, 0.97])
def test_a_limit_holds_for_any_number_of_planes(m, q, share):
    """Up to every share of unequal symbols that the first one, two and more planes of strangers' codes have."""
    random = np.random.default_rng(12)
    symbols, probe = random.integers(0, q, (20_003, m), np.uint8), random.integers(0, q, m, np.uint8)
    near = random.random(symbols.shape) < (random.random(len(symbols)) * (random.random(len(symbols)) < 0.01))[:, None]
    symbols = np.where(near, probe, symbols)
    counts, rows, against = (symbols != probe).sum(axis=1), compare.pack(symbols, q), compare.pack(probe, q)
    for kernel in compare.kernels():
        found = compare.unequal(rows, against, compare.bits_of(q), kernel=kernel, most=int(share * m))
        assert as_asked(found, counts, int(share * m))


def test_a_limit_below_zero_is_refused():
    planes = compare.pack(np.zeros((1, 8), np.uint8), 8)
    with pytest.raises(ValueError, match="most is -1"):
        compare.unequal(planes, planes[0], 3, most=-1)


def test_how_a_large_gallery_is_scanned_is_settled_by_the_shortest_time():
    """A width that no other test uses, and clocks on which one plan is the quickest. Settled once, and anew when it has grown much."""
    compiled()
    rows = np.random.default_rng(8).integers(0, 256, (4 * ((16 << 20) // 168 + 1), 168), np.uint8)
    small = rows[: len(rows) // 4]
    first = compare.plan(small, 3)
    plans = len([kernel for kernel in compare.kernels() if kernel not in ("scalar", "numpy")] or ["scalar"]) * len(compare._WAYS)

    def clock(best, seconds):
        """Every timing takes a second, but those of one plan."""
        return iter([t for n in range(compare._TIMINGS * plans) for t in (0.0, seconds if n % plans == best else 1.0)])

    assert compare.settle(rows[:100], 3, lambda: 0.0) == first == compare.Plan(compare.kernels()[0])
    ticks = clock(plans - 1, 0.5)
    settled = compare.settle(small, 3, ticks.__next__)
    assert list(ticks) == []
    assert (settled.streams, settled.ahead) == compare._WAYS[-1]
    assert settled == compare.settle(small, 3, lambda: 0.0) == compare.plan(rows[:100], 3)
    assert np.array_equal(compare.unequal(rows, rows[7], 3), compare.unequal(rows, rows[7], 3, kernel="numpy"))
    assert compare.settle(rows, 3, clock(1, 0.99).__next__) == first, "a hundredth is no reason"


@given(st.integers(0, 3_000_000), st.sampled_from([1, 3, 192, 16382]), st.integers(1, 20))
def test_the_shares_of_the_threads_are_all_rows_once_in_order(n, width, threads):
    shares = list(compare._shares(n, width, threads))
    assert [row for share in shares for row in share] == sorted(row for share in shares for row in share)
    assert all(before[1] == after[0] for before, after in pairwise(shares))
    assert (shares[0][0], shares[-1][1]) == (0, n) if n else shares == []


@KERNELS
@pytest.mark.parametrize("threads", [2, 3, 16])
def test_threads_do_not_change_the_integers(kernel, threads):
    """Enough rows for several shares, and a number of them that no share divides."""
    random = np.random.default_rng(2)
    rows = random.integers(0, 256, (70_001, 192), np.uint8)
    probes = random.integers(0, 256, (2, 192), np.uint8)
    assert np.array_equal(compare.unequal(rows, probes, 3, kernel=kernel, threads=threads), compare.unequal(rows, probes, 3))


def test_searches_may_run_side_by_side():
    random = np.random.default_rng(3)
    rows = random.integers(0, 256, (50_000, 192), np.uint8)
    probes = random.integers(0, 256, (6, 192), np.uint8)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda probe: compare.unequal(rows, probe, 3, threads=2), probes))
    assert np.array_equal(np.stack(found), compare.unequal(rows, probes, 3, kernel="numpy"))


def test_read_only_galleries_and_probes_are_compared_and_stay_as_they_were():
    planes = compare.pack(np.random.default_rng(4).integers(0, 8, (20, 512), np.uint8), 8)
    before = planes.copy()
    planes.flags.writeable = False
    assert compare.unequal(planes, planes[5], 3)[5] == 0
    assert np.array_equal(planes, before)


def test_probes_need_not_be_contiguous():
    planes = compare.pack(np.random.default_rng(5).integers(0, 8, (20, 512), np.uint8), 8)
    assert np.array_equal(compare.unequal(planes, planes[::3], 3), compare.unequal(planes, planes, 3)[::3])


@KERNELS
@given(st.binary(max_size=2000), st.integers(0, 63))
@settings(max_examples=60, deadline=None)
def test_the_read_only_sum_is_the_sum_of_all_words(kernel, raw, offset):
    memory = np.frombuffer(bytes(offset) + raw, np.uint8)[offset:]
    padded = raw + bytes(-len(raw) % 8)
    words = [int.from_bytes(padded[i : i + 8], sys.byteorder) for i in range(0, len(padded), 8)]
    assert compare.read_sum(memory, kernel=kernel) == sum(words) % 2**64


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_ones_are_counted_alike_with_a_numpy_that_cannot(words):
    """numpy before 2.0 has no bitwise_count."""
    assert compare._ones_by_arithmetic(np.array(words, np.uint64)).tolist() == [word.bit_count() for word in words]


def test_without_the_extension_everything_is_still_there():
    """As on a machine without a compiler: numpy, and the same integers."""
    program = """
import sys
sys.modules["edge.template._compare"] = None
import numpy as np
from edge.template import compare
symbols = np.random.default_rng(6).integers(0, 8, (300, 512), np.uint8)
planes = compare.pack(symbols, 8)
assert compare.kernels() == ("numpy",)
assert np.array_equal(compare.unequal(planes, planes[:9], 3, threads=2), (symbols[:9, None] != symbols).sum(axis=2))
assert compare.read_sum(planes) == int(planes.view(np.uint64).sum())
"""
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root, timeout=60)


# Refusals


@pytest.mark.parametrize("q", [-1, 0, 1, 257])
def test_an_impossible_q_is_refused(q):
    with pytest.raises(ValueError, match=f"q is {q}"):
        compare.bits_of(q)


@pytest.mark.parametrize("m", [-8, 0, 7, 12, 65536])
def test_an_impossible_m_is_refused(m):
    with pytest.raises(ValueError, match=f"m is {m}"):
        compare.row_bytes(m, 8)


def test_symbols_and_planes_that_do_not_fit_q_are_refused():
    with pytest.raises(ValueError, match="below 5"):
        compare.pack(np.full(8, 5, np.uint8), 5)
    with pytest.raises(ValueError, match="of 5 or above"):
        compare.unpack(np.full(3, 255, np.uint8), 8, 5)
    with pytest.raises(ValueError, match="int64"):
        compare.pack(np.zeros(8, np.int64), 5)
    with pytest.raises(ValueError, match="shape"):
        compare.unpack(np.zeros(4, np.uint8), 8, 5)


@pytest.mark.parametrize(
    ("rows", "probes", "bits", "message"),
    [
        (np.zeros((4, 192), np.int8), np.zeros(192, np.uint8), 3, "rows: expected C-contiguous uint8"),
        (np.zeros((8, 192), np.uint8)[::2], np.zeros(192, np.uint8), 3, "with strides"),
        (np.zeros((192, 4), np.uint8).T, np.zeros(192, np.uint8), 3, "with strides"),
        (np.zeros(192, np.uint8), np.zeros(192, np.uint8), 3, "rows: expected"),
        (np.zeros((4, 192), np.uint8), np.zeros(191, np.uint8), 3, "probes: expected"),
        (np.zeros((4, 192), np.uint8), np.zeros((1, 1, 192), np.uint8), 3, "probes: expected"),
        (np.zeros((4, 192), np.uint8), np.zeros(192, np.uint16), 3, "probes: expected"),
        (np.zeros((4, 192), np.uint8), np.zeros(192, np.uint8), 5, "planes of equal width"),
        (np.zeros((4, 192), np.uint8), np.zeros(192, np.uint8), 0, "planes of equal width"),
        (np.zeros((4, 192), np.uint8), np.zeros(192, np.uint8), 12, "1 to 8 planes"),
        (np.zeros((4, 0), np.uint8), np.zeros(0, np.uint8), 3, "planes of equal width"),
        (np.zeros((1, 8192), np.uint8), np.zeros(8192, np.uint8), 1, "at most 8191 bytes"),
    ],
)
@KERNELS
def test_arrays_that_do_not_fit_are_refused(kernel, rows, probes, bits, message):
    with pytest.raises(ValueError, match=message):
        compare.unequal(rows, probes, bits, kernel=kernel)


def test_an_unknown_kernel_and_no_threads_are_refused():
    planes = np.zeros((1, 192), np.uint8)
    with pytest.raises(ValueError, match=r"kernel 'mmx': this machine has .*numpy"):
        compare.unequal(planes, planes, 3, kernel="mmx")
    with pytest.raises(ValueError, match="threads is 0"):
        compare.unequal(planes, planes, 3, threads=0)
    with pytest.raises(ValueError, match="strides"):
        compare.read_sum(np.zeros(64, np.uint8)[::2])


WRONG_FOR_THE_EXTENSION = {
    "rows that are not whole": {"rows": bytes(191)},
    "probes that are not whole": {"probes": bytes(200)},
    "no place for the last number": {"out": np.zeros(7, np.uint16)},
    "room for more than there is": {"out": np.zeros(9, np.uint16)},
    "an output of bytes": {"out": np.zeros(16, np.uint8)},
    "an output nobody may write": {"out": bytes(16)},
    "an output with gaps": {"out": np.zeros(16, np.uint16)[::2]},
    "an output at an odd address": {"out": np.zeros(17, np.uint8)[1:].view(np.uint16)},
    "rows with gaps": {"rows": np.zeros(384 * 4, np.uint8)[::2]},
    "rows of words": {"rows": np.zeros(192 * 2, np.uint16)},
    "a memoryview with gaps": {"rows": memoryview(bytes(384 * 4))[::2]},
    "no width": {"width": 0},
    "a negative width": {"width": -192},
    "planes of unequal width": {"bits": 5},
    "no planes": {"bits": 0},
    "too many planes": {"bits": 192},
    "a plane too long for 16 bits": {"rows": bytes(8192 * 4), "probes": bytes(8192 * 2), "width": 8192, "bits": 1},
    "a negative start": {"start": -1},
    "an end past the rows": {"stop": 5},
    "an end before the start": {"start": 3, "stop": 2},
    "a kernel nobody has": {"kernel": "mmx"},
    "no stream": {"streams": 0},
    "too many streams": {"streams": 65},
    "a look behind": {"ahead": -1},
    "a look too far ahead": {"ahead": (1 << 20) + 1},
    "a limit below none": {"most": -1},
    "a limit that no count reaches": {"most": 65536},
}


@pytest.mark.parametrize("wrong", WRONG_FOR_THE_EXTENSION.values(), ids=WRONG_FOR_THE_EXTENSION.keys())
def test_the_extension_checks_every_size_itself_and_lets_go_of_the_memory(wrong):
    """Four rows, two probes, one thing wrong; afterwards no buffer is held and nothing was written."""
    out = np.full(8, 4711, np.uint16)
    memory = bytearray(192 * 4)
    right = {"rows": memory, "probes": bytes(192 * 2), "out": out, "bits": 3, "width": 192, "start": 0, "stop": 4, "kernel": "scalar"}
    with pytest.raises(ValueError):
        compiled().unequal(*{**right, "streams": 1, "ahead": 0, "most": 65535, **wrong}.values())
    assert (out == 4711).all()
    gc.collect()
    memory.append(0)


def test_the_extension_writes_only_the_rows_it_is_asked_for():
    out = np.full((2, 20), 4711, np.uint16)
    compiled().unequal(bytes(20 * 192), b"\xff" * 384, out, 3, 192, 3, 14, "scalar")
    assert (out[:, 3:14] == 512).all()
    assert (out[:, :3] == 4711).all()
    assert (out[:, 14:] == 4711).all()


def test_objects_without_memory_are_no_buffers():
    with pytest.raises(TypeError):
        compiled().read_sum(["no", "bytes"], "scalar")


@given(st.lists(st.integers(0, 9), max_size=120), st.integers(0, 9), st.integers(1, 90))
def test_nearest_first_gives_every_row_once_by_rising_count_and_equal_counts_by_row(small: list[int], shift: int, times: int) -> None:
    """Also over several of the blocks whose least count is kept."""
    small = small * times
    counts = np.array(small, np.uint16) + np.uint16(shift)
    before = counts.copy()
    assert list(compare.nearest_first(counts)) == sorted(range(len(small)), key=lambda row: (small[row], row))
    assert np.array_equal(counts, before)
