"""One file per kind of data: what lists its images, reads them and says what its columns mean."""
