package joblog

import "io"

// Unpacked is the text of a plain log as a CI has it: packed or not, of an archive all
// that is in it, and UTF-8. The caller calls done when it has read it.
func Unpacked(in io.Reader) (text io.Reader, done func(), err error) { return plain(in, mostLayers) }
