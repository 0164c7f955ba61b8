"""The commands of this package, one module each; other packages add theirs by the entry-point group."""
