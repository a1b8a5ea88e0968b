"""The groups `container`, `image`, `network`, `volume`, `overlay` and `system`."""

from fairlead.cli import table
from fairlead.cli.commands import Group

container = Group("container", "Manage containers", table.CONTAINER)
image = Group("image", "Manage images", table.IMAGE)
network = Group("network", "Manage networks", table.NETWORK)
volume = Group("volume", "Manage volumes", table.VOLUME)
overlay = Group("overlay", "Look into networks over several hosts", table.OVERLAY)
system = Group("system", "Manage the engine", table.SYSTEM)
