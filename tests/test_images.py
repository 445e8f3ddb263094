"""Pictures from files: whatever the file held, three channels of eight bits, upright; what is no sound picture is refused by name."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.camera.headers import HeaderError, read_header
from edge.camera.images import decode_image, read_image, to_bgr
from edge.errors import SourceError

KINDS = (".jpg", ".png", ".webp", ".bmp", ".tiff", ".ppm", ".pgm")


def picture(height=24, width=40):
    """Smooth, with no symmetry: each corner has a colour of its own."""
    corners = np.array([[[250, 10, 10], [10, 250, 10]], [[10, 10, 250], [200, 200, 40]]], np.uint8)
    return cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)


def encode(suffix, image, *options):
    return cv2.imencode(suffix, image, list(options))[1].tobytes()


def exif(orientation, order="<"):
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def jpeg_with_exif(orientation, order="<", image=None):
    data = encode(".jpg", picture() if image is None else image)
    block = b"Exif\0\0" + exif(orientation, order)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


def png_chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_with_exif(orientation, image):
    data = encode(".png", image)
    at = data.index(b"IDAT") - 4
    return data[:at] + png_chunk(b"eXIf", exif(orientation)) + data[at:]


def webp_with_exif(orientation, image):
    height, width = image.shape[:2]
    simple = encode(".webp", image, cv2.IMWRITE_WEBP_QUALITY, 101)
    extended = struct.pack("<4sIB3x", b"VP8X", 10, 0x08) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    block = exif(orientation)
    content = b"WEBP" + extended + simple[12:] + struct.pack("<4sI", b"EXIF", len(block)) + block + b"\0" * (len(block) % 2)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def tiff(values, orientation=1):
    """One strip of grey, 8 bits, little endian."""
    height, width = values.shape
    data = values.tobytes() + b"\0" * (values.size % 2)
    layout = ((256, width), (257, height), (258, 8), (259, 1), (262, 1))
    tags = (*layout, (273, 8), (274, orientation), (277, 1), (278, height), (279, values.size))
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + b"\0" * 4


def turned(image, orientation):
    """EXIF's table: 2 mirrored, 3 upside down, 4 both; 5..8 the same on their side."""
    if orientation >= 5:
        image, orientation = image.transpose(1, 0, 2), {5: 1, 6: 2, 7: 3, 8: 4}[orientation]
    return {1: image, 2: image[:, ::-1], 3: image[::-1, ::-1], 4: image[::-1]}[orientation]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".ppm"])
def test_a_lossless_colour_picture_comes_back_to_the_sample(tmp_path, suffix):
    path = tmp_path / f"face{suffix}"
    path.write_bytes(encode(suffix, picture()))
    read = read_image(path)
    assert np.array_equal(read, picture())
    assert read.flags.c_contiguous
    assert read.flags.writeable


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_a_lossy_picture_keeps_its_size_and_colours(suffix):
    read = decode_image(encode(suffix, picture()), "face")
    assert read.shape == picture().shape
    assert np.abs(read.astype(int) - picture()).mean() < 12


def test_a_picture_whose_name_is_in_another_script_is_read(tmp_path):
    path = tmp_path / "Žofia 美咲 ☺.png"
    path.write_bytes(encode(".png", picture()))
    assert read_image(str(path)).shape == (24, 40, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tiff", ".pgm"])
def test_grey_is_repeated_in_three_channels(suffix):
    read = decode_image(encode(suffix, picture()[..., 1]), "face")
    assert read.shape == (24, 40, 3)
    assert np.array_equal(read[..., 0], read[..., 1])
    assert np.array_equal(read[..., 0], read[..., 2])


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".ppm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_become_the_eight_they_were_made_of(suffix, channels):
    eight = picture() if channels == 3 else picture()[..., 0]
    read = decode_image(encode(".pgm" if suffix == ".ppm" and channels == 1 else suffix, eight.astype(np.uint16) * 257), "face")
    assert np.array_equal(read, picture() if channels == 3 else np.repeat(eight[..., None], 3, axis=2))


@pytest.mark.parametrize(("alpha", "expected"), [(0, 255), (255, 100), (51, 224)])
@pytest.mark.parametrize("deep", [False, True])
def test_transparency_is_laid_on_white(alpha, expected, deep):
    image = np.full((6, 5, 4), 100, np.uint8)
    image[..., 3] = alpha
    read = decode_image(encode(".png", image.astype(np.uint16) * 257 if deep else image), "face")
    assert read.shape == (6, 5, 3)
    assert (read == expected).all()


def test_transparency_in_webp_is_laid_on_white():
    image = np.zeros((16, 16, 4), np.uint8)
    image[:, 8:, 3] = 255
    read = decode_image(encode(".webp", image, cv2.IMWRITE_WEBP_QUALITY, 101), "face")
    assert (read[:, 0] == 255).all()
    assert (read[:, -1] == 0).all()


def test_grey_with_alpha_becomes_colour():
    rows = b"".join(b"\0" + bytes([100, 51]) * 4 for _ in range(3))
    start = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 3, 8, 4, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + start + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    assert (decode_image(data, "face") == 224).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", "<>")
def test_a_jpeg_is_turned_as_opencv_turns_it(orientation, order):
    data = jpeg_with_exif(orientation, order)
    reference = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decode_image(data, "face"), reference)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("make", [png_with_exif, webp_with_exif])
def test_png_and_webp_are_turned_by_their_exif(orientation, make):
    assert np.array_equal(decode_image(make(orientation, picture()), "face"), turned(picture(), orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_once(orientation):
    values = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    read = decode_image(tiff(values, orientation), "face")
    assert np.array_equal(read, turned(np.repeat(values[..., None], 3, axis=2), orientation))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_impossible_orientation_means_upright(orientation):
    assert decode_image(jpeg_with_exif(orientation), "face").shape == (24, 40, 3)


def test_a_broken_exif_block_does_not_spoil_the_picture():
    data = jpeg_with_exif(6)
    at = data.index(b"II*\0")
    assert decode_image(data[: at + 4] + b"\xff\xff\xff\x7f" + data[at + 8 :], "face").shape == (24, 40, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"hello, I am text\n" * 9, "known kind"), (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"), (b"\xff\xd8\xff", "damaged")],
)
def test_a_file_that_is_no_picture_is_refused_by_name(tmp_path, content, words):
    path = tmp_path / "thing.jpg"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        read_image(tmp_path / "nobody.png")
    with pytest.raises(SourceError, match="no regular file"):
        read_image(tmp_path)


def test_a_path_that_no_file_can_have_is_refused(tmp_path):
    with pytest.raises(SourceError):
        read_image(tmp_path / "a\0b.png")


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
def test_a_cut_off_picture_is_refused_not_half_read(suffix, part):
    whole = encode(suffix, np.random.default_rng(7).integers(0, 256, (64, 64) if suffix == ".pgm" else (64, 64, 3), np.uint8))
    with pytest.raises(SourceError, match="face"):
        decode_image(whole[: int(len(whole) * part)], "face")


BOMBS = {
    "png": b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)) + png_chunk(b"IEND", b""),
    "jpeg": b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, 60000, 60000, 1) + b"\x01\x11\x00\xff\xd9",
    "bmp": b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 60000, -60000, 1, 24) + bytes(24),
    "pnm": b"P6 # comment\n60000\n60000 255\n",
    "tiff": tiff(np.zeros((1, 2), np.uint8)).replace(struct.pack("<HHII", 256, 3, 1, 2), struct.pack("<HHII", 256, 4, 1, 64_000_001)),
    "webp": b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<IB3x", 10, 0) + (59999).to_bytes(3, "little") * 2,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_huge_picture_is_refused_by_its_header(kind):
    with pytest.raises(SourceError, match=r"\d+ x \d+ pixels are more than the limit of 64000000"):
        decode_image(BOMBS[kind], "bomb")


def test_the_limit_is_the_callers():
    data = encode(".png", picture())
    assert decode_image(data, "face", max_pixels=24 * 40).shape == (24, 40, 3)
    with pytest.raises(SourceError, match="limit of 959"):
        decode_image(data, "face", max_pixels=24 * 40 - 1)


@pytest.mark.parametrize("suffix", KINDS)
def test_the_header_tells_what_the_decoder_finds(suffix):
    image = picture(30, 50)[..., 0] if suffix == ".pgm" else picture(30, 50)
    header = read_header(encode(suffix, image))
    assert (header.width, header.height, header.orientation) == (50, 30, 1)


def test_samples_of_another_type_are_refused():
    with pytest.raises(ValueError, match="float32"):
        to_bgr(np.zeros((4, 4, 3), np.float32))
    with pytest.raises(ValueError, match="shape"):
        to_bgr(np.zeros((4, 4, 2), np.uint8))


SEEDS = [encode(suffix, picture(12, 9)[..., 0] if suffix == ".pgm" else picture(12, 9)) for suffix in KINDS] + [
    jpeg_with_exif(6, image=picture(12, 9)),
    png_with_exif(6, picture(12, 9)),
    webp_with_exif(6, picture(12, 9)),
]


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8), st.integers(0, 2000))
def test_any_damage_gives_a_picture_or_a_source_error(seed, changes, length):
    data = bytearray(seed[:length])
    for place, value in changes:
        if place < len(data):
            data[place] = value
    try:
        read = decode_image(bytes(data), "face", max_pixels=10_000)
    except SourceError:
        return
    assert read.dtype == np.uint8
    assert read.ndim == 3
    assert read.shape[2] == 3


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([seed[:12] for seed in SEEDS]), st.binary(max_size=200))
def test_a_header_of_any_bytes_is_read_or_refused(start, rest):
    try:
        header = read_header(start + rest)
    except HeaderError:
        return
    assert header is not None
    assert header.width > 0
    assert header.height > 0
    assert 1 <= header.orientation <= 8
