"""What tests of every service reuse: the contract suites of the ports."""
