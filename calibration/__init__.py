"""From a float network to a calibrated INT8 one, on the workstation, without a GPU: see ``calibration.quantise``."""
