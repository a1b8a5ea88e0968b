"""One method per route of the API."""
