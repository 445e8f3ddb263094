"""The door to the machine that the appliance runs on: audit log, service manager, metrics, health."""
