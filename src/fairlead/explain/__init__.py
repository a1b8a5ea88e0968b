"""What happens to a packet, and why, in sentences."""
