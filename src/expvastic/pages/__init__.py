"""What a page means: pure functions from bytes to named, typed values."""
