"""What is known of a face from its pixels: where it is, how it stands, whether it serves, and which approach it belongs to. No I/O."""
