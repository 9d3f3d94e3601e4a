"""The platforms on which a release runs, behind one protocol."""
