"""What `inspect` tells of a picture, or why it is none."""

from dataclasses import dataclass, field

from datasets.imaging.quality import Quality
from datasets.outcomes import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """The hard limits of decoding and the rules of a dataset.

    `max_aspect` is the longer side divided by the shorter one; `max_metadata_bytes` is all metadata together, unpacked.
    """

    max_pixels: int = 50_000_000
    max_side_px: int = 16_384
    max_aspect: float = 20.0
    max_frames: int = 1_000
    max_metadata_bytes: int = 1024 * 1024
    min_width_px: int = 1
    min_height_px: int = 1
    thumbnail_side_px: int = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What is to be made of a picture beside its facts and hashes, a thumbnail unless told otherwise.

    See the fields of ImageFacts of the same names.
    """

    thumbnail: bool = True
    pixel_hash: bool = False
    quality: bool = False
    turned_hashes: bool = False


NO_EXTRAS = Extras()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """A sound picture.

    Width and height are upright (EXIF orientation applied). `format` is Pillow's name, such as JPEG.
    `phash` and `dhash` are the 64 bits of imagehash.phash and imagehash.dhash as a signed integer
    (see datasets.imaging.hashing); `thumbnail` is a JPEG no larger than the limit's side, from the same decode.

    Only where Extras asked for them: `thumbnail`, else no bytes; `pixel_hash`, 32 hexadecimal digits of the upright
    pixels of all frames (see datasets.imaging.pixel_hash); `quality`; `turned_hashes`, the pHash and dHash of the
    picture mirrored and turned, in the order of datasets.imaging.hashing.TURNS.
    """

    sha256: str
    size_bytes: int
    format: str
    mode: str
    width_px: int
    height_px: int
    frames: int
    phash: int
    dhash: int
    thumbnail: bytes = field(repr=False)
    pixel_hash: str = ""
    quality: Quality | None = None
    turned_hashes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why bytes are not kept as a picture; the facts that were learnt before stay known.

    Zero or "" means that it was not learnt.
    """

    reason: Reason
    detail: str = ""
    sha256: str = ""
    size_bytes: int = 0
    format: str = ""
    width_px: int = 0
    height_px: int = 0
