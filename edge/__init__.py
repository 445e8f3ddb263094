"""Face identification for doors and kiosks that keeps no face."""

__version__ = "0.4.1"
