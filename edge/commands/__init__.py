"""What a person asks of the appliance, a command or what it needs a file; ``edge.__main__`` parses and calls."""
