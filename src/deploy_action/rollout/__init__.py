"""From a release to a deployment: plan it, execute it step by step, reconcile every host."""
