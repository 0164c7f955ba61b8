"""What bots run: it is built here, served from here, and bots are told when there is another one."""
