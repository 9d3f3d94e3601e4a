"""What a command is about: which environment, which image, which earlier release."""
