"""Writes pictures.safetensors: files of pictures, and what Pillow makes of them and of pictures in memory. Writes small
files to begin fuzzing with to fuzz/seeds, too.

    python make_pictures.py                (pillow==13.0.0, numpy, safetensors; a second)

Keys, all u8
    file.<name>                                      the bytes of a PNG or JPEG file
    rgb.<name>                                       Image.open(file).convert("RGB") as (3, height, width)
    source, part                                     a picture (3, height, width), and its upper left part
    luma                                             source.convert("L"): (1, height, width)
    resize.<height>x<width>                          source.resize((width, height), BILINEAR)
    brightness.<percent>, contrast..., saturation... ImageEnhance.Brightness, Contrast and Color of part
    hue.<percent>                                    part with its hue turned by this share of a circle (colorsys)
"""

import colorsys
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance
from safetensors.numpy import save_file

tensors: dict[str, np.ndarray] = {}


def planes(image: Image.Image) -> np.ndarray:
    array = np.asarray(image, dtype=np.uint8)
    return np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))


def picture(height: int, width: int, channels: int, seed: int) -> np.ndarray:
    """Waves of colour with some noise: (height, width, channels)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    values = np.zeros((height, width, channels))
    for c in range(channels):
        a, b, phase = random.uniform(0.05, 0.4, 2).tolist() + [random.uniform(0, 6)]
        values[..., c] = 128 + 110 * np.sin(a * x + b * y + phase)
    values += random.normal(0, 8, values.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def add_file(name: str, data: bytes) -> None:
    tensors[f"file.{name}"] = np.frombuffer(data, dtype=np.uint8).copy()
    tensors[f"rgb.{name}"] = planes(Image.open(io.BytesIO(data)).convert("RGB"))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def as_ycck(cmyk: bytes) -> bytes:
    """The same file with Adobe's marker saying that its inks are stored as YCCK."""
    at = cmyk.index(b"Adobe") + len("Adobe") + 6
    return cmyk[:at] + b"\x02" + cmyk[at + 1 :]


def without_adobe(cmyk: bytes) -> bytes:
    at = cmyk.index(b"\xff\xee")
    (length,) = struct.unpack(">H", cmyk[at + 2 : at + 4])
    return cmyk[:at] + cmyk[at + 2 + length :]


def png(width: int, height: int, depth: int, color: int, rows: bytes) -> bytes:
    """A file of a kind that Pillow does not write; each row begins with its filter type."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def sixteen_bits(channels: int, color: int) -> bytes:
    height, width = 5, 7
    values = np.random.default_rng(9).integers(0, 65536, (height, width * channels), dtype=np.uint16)
    return png(width, height, 16, color, b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))


def add_files() -> None:
    color = Image.fromarray(picture(33, 41, 3, 1))
    for name, subsampling in (("jpeg_444", 0), ("jpeg_422", 1), ("jpeg_420", 2)):
        add_file(name, encoded(color, "JPEG", quality=92, subsampling=subsampling))
    add_file("jpeg_progressive", encoded(color, "JPEG", quality=85, progressive=True))
    add_file("jpeg_rgb", encoded(color, "JPEG", quality=90, keep_rgb=True))
    add_file("jpeg_grey", encoded(color.convert("L"), "JPEG", quality=90))
    cmyk = encoded(Image.fromarray(picture(17, 24, 4, 2), "CMYK"), "JPEG", quality=95)
    add_file("jpeg_cmyk", cmyk)
    add_file("jpeg_cmyk_without_adobe", without_adobe(cmyk))
    add_file("jpeg_ycck", as_ycck(cmyk))

    small = Image.fromarray(picture(9, 12, 4, 3), "RGBA")
    add_file("png_rgba", encoded(small, "PNG"))
    add_file("png_rgb", encoded(small.convert("RGB"), "PNG"))
    add_file("png_grey_alpha", encoded(small.convert("LA"), "PNG"))
    add_file("png_grey", encoded(small.convert("L"), "PNG"))
    add_file("png_bits", encoded(small.convert("1"), "PNG"))
    palette = small.convert("RGB").quantize(16)
    add_file("png_palette", encoded(palette, "PNG"))
    add_file("png_palette_transparent", encoded(palette, "PNG", transparency=3))
    add_file("png_rgb_16", sixteen_bits(3, 2))
    add_file("png_rgba_16", sixteen_bits(4, 6))
    add_file("png_grey_alpha_16", sixteen_bits(2, 4))


def turned(pixels: np.ndarray, turn: float) -> np.ndarray:
    result = np.empty_like(pixels)
    for index in np.ndindex(pixels.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*(pixels[index] / 255.0))
        result[index] = [round(255 * value) for value in colorsys.hsv_to_rgb((h + turn) % 1, s, v)]
    return result


def add_changes() -> None:
    pixels = picture(37, 53, 3, 4)
    source = Image.fromarray(pixels)
    tensors["source"] = planes(source)
    tensors["luma"] = planes(source.convert("L"))
    for height, width in ((64, 64), (16, 20), (5, 7), (37, 11), (90, 50), (1, 1), (36, 52)):
        tensors[f"resize.{height}x{width}"] = planes(source.resize((width, height), Image.Resampling.BILINEAR))
    part = Image.fromarray(np.ascontiguousarray(pixels[:12, :16]))
    tensors["part"] = planes(part)
    for name, enhance in (
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
    ):
        for percent in (0, 40, 170):
            tensors[f"{name}.{percent}"] = planes(enhance(part).enhance(percent / 100))
    for percent in (10, 45, 80):
        tensors[f"hue.{percent}"] = planes(Image.fromarray(turned(pixels[:12, :16], percent / 100)))


def write_seeds(folder: Path) -> None:
    def write(target: str, name: str, data: bytes) -> None:
        (folder / target).mkdir(parents=True, exist_ok=True)
        (folder / target / name).write_bytes(data)

    small = Image.fromarray(picture(9, 12, 3, 6))
    cmyk = encoded(Image.fromarray(picture(9, 9, 4, 7), "CMYK"), "JPEG", quality=60)
    files = {
        "color.jpg": encoded(small, "JPEG", quality=60, subsampling=2),
        "progressive.jpg": encoded(small, "JPEG", quality=60, progressive=True),
        "grey.jpg": encoded(small.convert("L"), "JPEG", quality=60),
        "cmyk.jpg": cmyk,
        "ycck.jpg": as_ycck(cmyk),
    }
    for name, data in files.items():
        write("jpeg_fuzz", name, data)
        write("picture_fuzz", name, data)
    write("picture_fuzz", "color.png", encoded(small, "PNG"))
    write("picture_fuzz", "palette.png", encoded(small.quantize(4), "PNG"))
    record = bytes(range(256)) * 12
    write("cifar_fuzz", "ten.bin", b"\0" + b"\3" + record + b"\7" + record)
    write("cifar_fuzz", "hundred.bin", b"\1" + b"\3\x20" + record)


if __name__ == "__main__":
    add_files()
    add_changes()
    write_seeds(Path(__file__).parents[2] / "fuzz/seeds")
    save_file(tensors, Path(__file__).parent / "pictures.safetensors")
