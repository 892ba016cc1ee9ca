"""What each rule action does to text; pure functions, lines in and lines out."""
