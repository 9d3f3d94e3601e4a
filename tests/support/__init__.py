"""What tests share: hosts, act, the sandbox of a deployment."""
