"""The door to the machine and the processes beside the appliance: audit log, service manager, metrics, health, the screen's socket."""
