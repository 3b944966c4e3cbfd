// Package gunzip reads what may be packed: by its first bytes, since names and
// headers lie.
package gunzip

import (
	"bufio"
	"compress/gzip"
	"io"
)

// Reader unpacks what begins as gzip does, and gives anything else as it is. The
// caller bounds what is read: a small file can unpack to a large one.
func Reader(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if magic, err := b.Peek(2); err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return b, nil //nolint:nilerr // what is shorter is not packed, and reading it says what is wrong
	}
	return gzip.NewReader(b)
}
