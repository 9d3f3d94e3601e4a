"""The hosts of an environment: connected, locked, observed, and the containers on them."""
