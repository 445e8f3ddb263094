"""Training of the networks: pack, teach, distil (stage 1), drh (stage 2), detector, export. Files go between the steps."""
