"""A network camera for tests: `python tests/rtsp_server.py [PORT]` serves /jpeg and /h264, for guard with hunter2, until it is killed.

Prints the port when it listens. Needs PyGObject and the typelib of gst-rtsp-server.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PICTURES = "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=64,height=48,framerate=30/1"
CAMERAS = {
    "/jpeg": f"( {PICTURES} ! jpegenc ! rtpjpegpay name=pay0 pt=26 )",
    "/h264": f"( {PICTURES} ! x264enc tune=zerolatency key-int-max=15 ! rtph264pay name=pay0 pt=96 )",
}
ROLE = "user, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"


def main() -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1] if len(sys.argv) > 1 else "0")
    auth, token = GstRtspServer.RTSPAuth.new(), GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic("guard", "hunter2"), token)
    server.set_auth(auth)
    for path, pipeline in CAMERAS.items():
        factory = GstRtspServer.RTSPMediaFactory.new()
        factory.set_launch(pipeline)
        factory.set_shared(True)
        factory.add_role_from_structure(Gst.Structure.new_from_string(ROLE))
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
