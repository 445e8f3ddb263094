"""What can go wrong while a plan is built; the plan in use stays in every case."""

from edge.errors import NetworkError


class BuildError(NetworkError):
    """No plan came out: the graph was refused, the builder failed or crashed, it took too long, or nothing passed the gate."""


class RefusedError(BuildError):
    """It was not even begun: the board cannot do it, or memory or disk are short."""
