"""The message bus: hints in mailboxes, lifecycle events on one topic exchange."""
