"""What a person or a script gets to read: parity as a terminal table and as JSON values."""
