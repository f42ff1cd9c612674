"""Power cuts on a real file system: the recorder's own processes, a disk that loses what was not flushed."""
