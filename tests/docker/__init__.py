"""The images, the compose file, and the same topology by processes."""
