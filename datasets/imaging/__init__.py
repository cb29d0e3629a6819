"""What can be learnt of a picture from its bytes. No framework: plain functions and frozen dataclasses."""
