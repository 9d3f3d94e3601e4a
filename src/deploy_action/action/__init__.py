"""The way in and out of one step: inputs, masks, outputs, annotations, the summary file."""
