"""The action's way in and out on GitHub: inputs, masks, outputs, annotations and the summary file."""
