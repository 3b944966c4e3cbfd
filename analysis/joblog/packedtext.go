package joblog

import (
	"archive/zip"
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/joinlog"
)

// textLimits bound what is read of a compressed log, all files of an archive together.
type textLimits struct {
	left    int64 // bytes that may still be unpacked
	most    int64 // the same at the beginning, for messages
	spooled int64 // bytes of an archive, which lies in a temporary file while it is read
}

func newTextLimits(most int64) *textLimits { return &textLimits{most, most, mostSpooled} }

// sharing reads within limits that others read within as well.
type sharing struct {
	r      io.Reader
	limits *textLimits
}

func (s *sharing) Read(p []byte) (int, error) {
	c := &capped{s.r, s.limits.left, s.limits.most}
	n, err := c.Read(p)
	s.limits.left = c.left
	return n, err
}

// plain is the text of a plain log that may be compressed; for an archive, the text of all its logs,
// one after the other. layers is how many compressions may still be taken off: with 1, a gzip of a text
// is read and a gzip of a gzip is an error. The text ends with an error when it exceeds the limits. The
// caller calls done when it has read the text; done is never nil, not even beside an error.
func plain(r io.Reader, layers int, limits *textLimits) (text io.Reader, done func(), err error) {
	b := bufio.NewReaderSize(r, sniffed)
	done = func() {}
	zipped := isZip(b)
	p, ok := packed(b)
	switch {
	case (zipped || ok) && layers == 0:
		return nil, done, fmt.Errorf("it is packed more than %d times", mostLayers)
	case zipped:
		return plainArchive(b, layers, limits)
	case !ok:
		return decoded(b), done, nil
	}
	z, err := p.open(b)
	if err != nil {
		return nil, done, fmt.Errorf("it begins as %s does, and is not: %w", p.name, err)
	}
	text, inner, err := plain(&sharing{z, limits}, layers-1, limits)
	return text, func() {
		inner()
		if c, ok := z.(io.Closer); ok {
			_ = c.Close()
		}
	}, err
}

// plainArchive is the text of the logs in a zip, in the order of its directory. Files that cannot be
// opened, and those that are no logs by their extensions, are left out. All files are opened at once,
// and each is unpacked when the text reaches it. done closes them, and then the temporary file that
// they are read from.
func plainArchive(in io.Reader, layers int, limits *textLimits) (io.Reader, func(), error) {
	spool, closed, err := spoolFile()
	if err != nil {
		return nil, func() {}, err
	}
	var inner []func() // for each file: done of its text, and then its Close
	done := func() {
		for _, f := range inner {
			f()
		}
		closed()
	}
	z, err := spooled(spool, in, limits.spooled)
	if err != nil {
		done()
		return nil, func() {}, err
	}
	var parts []joinlog.Part
	for _, e := range z.File[:min(len(z.File), mostMembers)] {
		if e.FileInfo().IsDir() || slices.Contains(noLogs, strings.ToLower(path.Ext(e.Name))) {
			continue
		}
		in, err := e.Open()
		if err != nil {
			continue
		}
		text, f, err := plain(&sharing{in, limits}, layers-1, limits)
		inner = append(inner, f, func() { _ = in.Close() })
		if err == nil {
			parts = append(parts, joinlog.Part{Open: func() (io.ReadCloser, error) { return io.NopCloser(text), nil }})
		}
	}
	if len(z.File) > mostMembers {
		parts = append(parts, joinlog.Part{Open: func() (io.ReadCloser, error) {
			return nil, fmt.Errorf("the archive has more than %d files, and the rest is not read", mostMembers)
		}})
	}
	return joinlog.New(parts...), done, nil
}

// spooled copies a zip of at most so many bytes into a file, and opens it there.
func spooled(spool *os.File, in io.Reader, most int64) (*zip.Reader, error) {
	size, err := io.Copy(spool, io.LimitReader(in, most+1)) // one more, to tell one of exactly that size
	if err != nil {
		return nil, err
	}
	if size > most {
		return nil, fmt.Errorf("it is a zip of more than %d bytes: unpack it and give the log itself", most)
	}
	return zip.NewReader(spool, size)
}
