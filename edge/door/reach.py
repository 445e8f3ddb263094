"""Can a server be reached, and is it the one it claims to be? For `edge doctor`: connects, shakes hands, says nothing."""

import socket
import ssl

from edge.door.events import OutputError


def reach(what: str, host: str, port: int, context: ssl.SSLContext | None, seconds: float) -> None:
    """what: for the message. context: checks the server by TLS; None: only a connection. seconds: for each step. Raises OutputError."""
    try:
        with socket.create_connection((host, port), seconds) as plain:
            if context is not None:
                with context.wrap_socket(plain, server_hostname=host):
                    return
    except ssl.SSLCertVerificationError as error:
        raise OutputError(
            f"{what} {host}:{port}: its certificate is not trusted ({error.verify_message}); name its authority's file"
        ) from error
    except OSError as error:
        raise OutputError(
            f"{what} {host}:{port}: cannot be reached ({error.strerror or error}); is it up, and is the address right?"
        ) from error
