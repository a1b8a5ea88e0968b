"""From records to the state that the host should have, and from a difference to steps."""
