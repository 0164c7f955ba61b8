"""The Swarming agent: asks for work, runs it, streams the output. Standard library only."""
