"""Who may talk to whom, as rules; rendering them and walking a packet through them."""
