"""The nouns of the field as frozen values; nothing here does anything."""
