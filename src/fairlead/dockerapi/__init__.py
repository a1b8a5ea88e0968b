"""Docker's words: JSON documents, options, filters and status codes stop here."""
