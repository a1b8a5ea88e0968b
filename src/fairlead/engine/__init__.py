"""What a request means: new records, refused or converged."""
