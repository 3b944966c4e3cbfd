// Package gunzip reads files that may be compressed with gzip. It goes by their first bytes,
// since names and headers are often wrong.
package gunzip

import (
	"bufio"
	"compress/gzip"
	"io"
)

// Reader decompresses r if it begins with gzip's magic number, 1f 8b (RFC 1952), and
// otherwise returns its bytes unchanged. The caller must limit how much it reads: a small
// file can unpack to a huge one.
func Reader(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if magic, err := b.Peek(2); err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return b, nil //nolint:nilerr // shorter than two bytes: not gzip; reading it returns the error, if any
	}
	return gzip.NewReader(b)
}
