"""A container engine whose heart is the network."""

__version__ = "0.1.0"
