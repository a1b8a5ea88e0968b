"""The daemon: configuration, wiring, start and end."""
