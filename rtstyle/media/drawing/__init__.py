"""The parts of the drawn scene: brushes, a person, the land behind."""
