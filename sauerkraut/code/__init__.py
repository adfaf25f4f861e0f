"""What a code object is, wherever it is found: reference and fingerprint."""
