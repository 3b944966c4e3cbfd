package joblog

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// tornArchive reads the files of a zip whose end is missing, and with it the directory. Each file also has
// a header of its own (APPNOTE.TXT 6.3.10, section 4.3.7). The files are read one after the other, as far
// as they go: the last one ends within its content. why is the error of reading the directory.
func (f *file) tornArchive(ctx context.Context, spool io.ReadSeeker, layers int, why error) (*Report, error) {
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	a := f.archived(layers)
	b := bufio.NewReader(spool)
	for range mostMembers {
		name, in, err := localFile(b)
		if err != nil {
			break
		}
		skip := strings.HasSuffix(name, "/") || slices.Contains(noLogs, strings.ToLower(path.Ext(name)))
		if !skip {
			if err := a.take(ctx, name, in); err != nil {
				return a.r, err
			}
		}
		if _, err := io.Copy(io.Discard, io.LimitReader(in, a.limits.left)); err != nil {
			break
		}
		if !nextFile(b) {
			break
		}
	}
	if len(a.names) == 0 {
		return nil, &contentError{
			looks: fmt.Sprintf("it is a zip that cannot be read: %v", why),
			next:  "fetch it again",
		}
	}
	a.r.partial(fmt.Sprintf("the zip is damaged: %v", why))
	return a.finish()
}

// localFile reads the header of a file, and returns its name and a reader of its content. Of the 30 bytes
// it uses, in little-endian order:
//
//	 0  4 bytes   PK\3\4
//	 6  2 bytes   flags; bit 3 (8) says that the sizes are not here, but behind the content
//	 8  2 bytes   the method: 0 is stored, 8 is deflated
//	18  4 bytes   the compressed size
//	26  2 bytes   the length of the name, which follows the header
//	28  2 bytes   the length of the extra field, which follows the name
//
// Deflated content shows where it ends. Stored content does not, so it must have its size here.
func localFile(b *bufio.Reader) (string, io.Reader, error) {
	head := make([]byte, 30)
	if _, err := io.ReadFull(b, head); err != nil {
		return "", nil, err
	}
	if string(head[:4]) != "PK\x03\x04" {
		return "", nil, zip.ErrFormat
	}
	flags, method, size := binary.LittleEndian.Uint16(head[6:]), binary.LittleEndian.Uint16(head[8:]),
		binary.LittleEndian.Uint32(head[18:])
	name := make([]byte, binary.LittleEndian.Uint16(head[26:]))
	if _, err := io.ReadFull(b, name); err != nil {
		return "", nil, err
	}
	if _, err := b.Discard(int(binary.LittleEndian.Uint16(head[28:]))); err != nil {
		return "", nil, err
	}
	switch {
	case method == zip.Deflate:
		return string(name), flate.NewReader(b), nil // which reads no byte more than it needs
	case method == zip.Store && flags&8 == 0:
		return string(name), &exactly{b, int64(size)}, nil
	}
	return "", nil, zip.ErrAlgorithm
}

// exactly reads a given number of bytes, and returns io.ErrUnexpectedEOF when there are fewer.
type exactly struct {
	r    io.Reader
	left int64 // bytes to read; never below 0
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	if e.left -= int64(n); errors.Is(err, io.EOF) && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// nextFile skips what follows a file's content, up to the next header. That is a descriptor of at most 24
// bytes (a signature and a checksum of 4 each, and two sizes of 8), so the header begins at one of the
// next 25 places. It returns false when it does not, as before the directory.
func nextFile(b *bufio.Reader) bool {
	for range 25 {
		head, err := b.Peek(4)
		if err != nil {
			return false
		}
		if string(head) == "PK\x03\x04" {
			return true
		}
		_, _ = b.Discard(1)
	}
	return false
}
