"""The proxy of a host: what it should do, how that is written, and the talk with it."""
