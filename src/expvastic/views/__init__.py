"""Views of a Snapshot, each a pure function from a snapshot to text or fields."""
