"""What the larger commands of `rapport` do, a module each; `plugin.command_line` names them."""
