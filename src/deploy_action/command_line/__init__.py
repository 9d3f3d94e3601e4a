"""The words of the command line: commands and options as data, their parser, their manual."""
