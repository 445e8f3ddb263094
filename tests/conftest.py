"""Properties are checked without a stop-watch: a busy machine is no counter-example. Ctrl-C reaches what the tests start."""

import signal
import threading

from hypothesis import settings

settings.register_profile("appliance", deadline=None)
settings.load_profile("appliance")

if threading.current_thread() is threading.main_thread():
    # a shell starts what runs in its background with Ctrl-C ignored, which processes pass on to those they start
    signal.signal(signal.SIGINT, signal.default_int_handler)
