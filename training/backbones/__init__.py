"""The embedding networks that ``training.backbone`` makes by name: one file each, and what they share in ``layers``."""
