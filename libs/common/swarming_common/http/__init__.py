"""What every service's HTTP app shares."""
