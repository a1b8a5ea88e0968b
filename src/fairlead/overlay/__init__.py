"""What the hosts of a cluster tell each other by the shared store: keys, documents, what is believed."""
