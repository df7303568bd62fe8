"""From any recording to the frames that the network reads."""
