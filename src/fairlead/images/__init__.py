"""Images and root filesystems in containers/storage."""
