"""Codes and their protection: hashing, the keyed transform and pads, exact comparison, fusion over a track, the decision."""
