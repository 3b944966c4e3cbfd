package joblog

import "io"

// Unpacked returns the text of a plain log as UTF-8. The log may be compressed; for an archive, it is the
// text of all files in it. The caller calls done when it has read the text.
func Unpacked(in io.Reader) (text io.Reader, done func(), err error) { return plain(in, mostLayers) }
