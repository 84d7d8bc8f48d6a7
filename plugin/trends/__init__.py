"""What scores mean over sessions and raters. Pure."""
