package joblog

import (
	"archive/zip"
	"bufio"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/mozci/mozci/internal/joinlog"
)

// plain is the text of a plain log that may be compressed; for an archive, the text of all its logs,
// one after the other. layers is how many compressions may still be taken off: with 1, a gzip of a text
// is read and a gzip of a gzip is an error. The caller calls done when it has read the text; done is
// never nil, not even beside an error.
func plain(r io.Reader, layers int) (text io.Reader, done func(), err error) {
	b := bufio.NewReaderSize(r, sniffed)
	done = func() {}
	zipped := isZip(b)
	p, ok := packed(b)
	switch {
	case (zipped || ok) && layers == 0:
		return nil, done, fmt.Errorf("it is packed more than %d times", mostLayers)
	case zipped:
		return plainArchive(b, layers)
	case !ok:
		return decoded(b), done, nil
	}
	z, err := p.open(b)
	if err != nil {
		return nil, done, fmt.Errorf("it begins as %s does, and is not: %w", p.name, err)
	}
	text, inner, err := plain(&capped{z, mostUnpacked, mostUnpacked}, layers-1)
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
func plainArchive(in io.Reader, layers int) (io.Reader, func(), error) {
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
	size, err := io.Copy(spool, io.LimitReader(in, mostSpooled))
	if err != nil {
		done()
		return nil, func() {}, err
	}
	z, err := zip.NewReader(spool, size)
	if err != nil {
		done()
		return nil, func() {}, err
	}
	var parts []joinlog.Part
	left := int64(mostUnpacked)
	for _, e := range z.File[:min(len(z.File), mostMembers)] {
		if e.FileInfo().IsDir() || slices.Contains(noLogs, strings.ToLower(path.Ext(e.Name))) {
			continue
		}
		in, err := e.Open()
		if err != nil {
			continue
		}
		text, f, err := plain(&capped{in, left, mostUnpacked}, layers-1)
		inner = append(inner, f, func() { _ = in.Close() })
		if err == nil {
			parts = append(parts, joinlog.Part{Open: func() (io.ReadCloser, error) { return io.NopCloser(text), nil }})
		}
	}
	return joinlog.New(parts...), done, nil
}
