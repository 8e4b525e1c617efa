"""Writers of file formats, one module for each format."""
