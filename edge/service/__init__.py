"""The door to the processes beside the appliance: what they are told, and what they may ask."""
