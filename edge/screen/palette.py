"""The colours of every state, and how well they can be told apart (WCAG 2.2, 1.4.3)."""

LEAST = 4.5  # contrast of text

# state -> background, text, faint text
STATES = {
    "idle": ("#10151c", "#d5dee8", "#93a3b5"),
    "look_here": ("#0f3d6b", "#ffffff", "#d3e6f9"),
    "checking": ("#43307a", "#ffffff", "#e0d8f5"),
    "welcome": ("#0a5c2b", "#ffffff", "#cdf3da"),
    "not_recognised": ("#454c55", "#ffffff", "#e3e7eb"),
    "denied": ("#8a1c1c", "#ffffff", "#ffdada"),
    "try_later": ("#6a4a00", "#ffffff", "#ffeec2"),
    "service": ("#232b36", "#ffd97a", "#d5dee8"),
}
# what operators touch -> background, text
PARTS = {
    "page": ("#f3f5f8", "#13202c"),
    "field": ("#ffffff", "#13202c"),
    "primary": ("#0b57a4", "#ffffff"),
    "plain": ("#d9e1e9", "#13202c"),
    "danger": ("#a11d1d", "#ffffff"),
    "note": ("#e4f2e8", "#0b4a24"),
    "warning": ("#fdeedd", "#7a3b00"),
    "faint": ("#f3f5f8", "#4a5866"),
}


def contrast(a: str, b: str) -> float:
    """1 (alike) .. 21 (black and white) of two colours "#rrggbb"."""
    lighter, darker = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def facts() -> dict[str, dict[str, list[str]]]:
    """Both tables, as QML takes them."""
    return {
        "states": {name: list(colours) for name, colours in STATES.items()},
        "parts": {name: list(pair) for name, pair in PARTS.items()},
    }
