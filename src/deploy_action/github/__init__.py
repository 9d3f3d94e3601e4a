"""The client of GitHub's API, the run's context, and what is kept on GitHub."""
