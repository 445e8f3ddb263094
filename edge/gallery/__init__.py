"""The door to the gallery file: subjects, references, revocations, events."""

from edge.gallery.errors import (
    AlteredGalleryError,
    BusyGalleryError,
    DamagedGalleryError,
    ForeignFileError,
    MissingGalleryError,
    NewerGalleryError,
    OtherDeviceError,
    OtherNetworkError,
    ReplacedGalleryError,
    UnwritableGalleryError,
    WrongKeyError,
)
from edge.gallery.file import NetworkId, network_of
from edge.gallery.former import Former, is_moving
from edge.gallery.gallery import Gallery, open_gallery
from edge.gallery.labels import is_id, normalised
from edge.gallery.records import Damage, Event, Report, Subject

__all__ = [
    "AlteredGalleryError",
    "BusyGalleryError",
    "Damage",
    "DamagedGalleryError",
    "Event",
    "ForeignFileError",
    "Former",
    "Gallery",
    "MissingGalleryError",
    "NetworkId",
    "NewerGalleryError",
    "OtherDeviceError",
    "OtherNetworkError",
    "ReplacedGalleryError",
    "Report",
    "Subject",
    "UnwritableGalleryError",
    "WrongKeyError",
    "is_id",
    "is_moving",
    "network_of",
    "normalised",
    "open_gallery",
]
