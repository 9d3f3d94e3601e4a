"""Releases and deployments: the ledger, promotion, attestation and what can be rolled back to. Pure."""
