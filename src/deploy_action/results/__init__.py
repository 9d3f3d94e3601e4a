"""What a command found out or did, as values."""
