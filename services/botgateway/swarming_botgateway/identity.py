"""Who a bot is taken for."""

AUTHENTICATED_AS = "bot:whitelisted-ip"
"""Until bots prove who they are, each one that reaches us is trusted by its address, and upstream calls it so."""
