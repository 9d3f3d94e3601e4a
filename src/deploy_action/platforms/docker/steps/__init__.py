"""The steps of a rollout on Docker hosts: one class each, which describes and runs itself."""
