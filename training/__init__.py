"""Training of the networks: pack, teach, stage1 (backbone), drh (stage 2), detector, export. Files go between the steps."""
