"""What is to be said of picks that merged cleanly: findings with their evidence, and a verdict."""
