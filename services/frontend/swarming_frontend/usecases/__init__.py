"""What the frontend does, a file for each verb."""
