"""Public facts about tasks and bots: typed, versioned, in CloudEvents form."""
