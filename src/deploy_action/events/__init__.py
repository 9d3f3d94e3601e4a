"""What happens during a command, as values, and the observers that are told of it."""
