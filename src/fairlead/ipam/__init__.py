"""Which subnet a network gets and which address an endpoint gets, decided from values alone."""
