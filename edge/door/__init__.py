"""The door to the door: what an outcome opens, and how the world is told. Parts are imported by their own names; nothing is loaded here."""
