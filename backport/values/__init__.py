"""Values: what the stages hand each other. Frozen dataclasses; nothing here touches the outside."""
