"""Faults done to a real door process, and what came of them. ``evaluation.reliability`` runs them all."""
