"""Takes submissions, answers clients, shows the pages."""
