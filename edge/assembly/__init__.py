"""The parts of the appliance put together from the settings: networks, gallery, door, screen, and who attends the loop."""
