"""Observe, compare, perform, verify, undo: the one way anything changes."""
