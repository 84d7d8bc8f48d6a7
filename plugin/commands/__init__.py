"""What the larger commands of `rapport` do, a module each; `plugin.__main__` names them."""
