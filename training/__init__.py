"""How the bundled weights were made. Not part of the wheel: nothing in a run needs it."""
