"""What is looked for without being named: values that nobody thought of, at every route and in every parser."""
