"""The process beside the daemon that answers names and holds published ports."""
