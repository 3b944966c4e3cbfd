package joblog

import "io"

// Unpacked returns the text of a plain log as UTF-8. The log may be compressed; for an archive, it is the
// text of all files in it. A log that unpacks to more than 4 GiB, or an archive of more than 1 GiB, ends
// with an error that says so. The caller calls done when it has read the text, and also after an error.
func Unpacked(in io.Reader) (text io.Reader, done func(), err error) {
	return plain(in, mostLayers, newTextLimits(mostUnpacked))
}
