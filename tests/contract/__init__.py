"""What the fakes promise is what the real engine and the real edge do: one suite for both."""
