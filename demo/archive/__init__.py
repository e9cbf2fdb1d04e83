"""The bundled archive of the demo: an invented country's business news, its readers and its writer."""
