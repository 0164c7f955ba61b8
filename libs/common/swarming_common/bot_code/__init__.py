"""The code that bots run: archives and their versions, and which of them is the current one."""
