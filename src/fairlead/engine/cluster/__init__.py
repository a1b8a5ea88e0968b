"""Global networks: what this host shares with the others of its cluster."""
