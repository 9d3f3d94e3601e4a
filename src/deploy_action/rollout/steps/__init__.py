"""Steps that are the same on every platform; a platform's own stand beside it."""
