"""What a host remembers: the lock, the ledger and the talk with them."""
