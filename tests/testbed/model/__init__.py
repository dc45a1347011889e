"""The stand-in model: how it is made, and the proof that it answers as it should."""
