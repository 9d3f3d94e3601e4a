"""Everything that is GitHub's: workflow commands, the files of a step, the context of a run."""
