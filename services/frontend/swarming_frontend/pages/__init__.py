"""The web pages: rendered on the server, with no script needed to read them."""
