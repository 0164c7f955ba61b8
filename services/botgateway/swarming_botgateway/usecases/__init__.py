"""What bots ask of the gateway."""
