"""The answers a sandbox hears, decided from names and records alone."""
