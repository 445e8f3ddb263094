"""Properties are checked without a stop-watch: a busy machine is no counter-example."""

from hypothesis import settings

settings.register_profile("appliance", deadline=None)
settings.load_profile("appliance")
