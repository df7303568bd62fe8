"""From a recording of anybody to an answer, for people and for programs."""
