package rest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
)

// answer is an answer whose body is being read: up to the cap, decompressed.
type answer struct {
	*http.Response
	body  io.Reader
	left  int64  // of the cap
	err   error  // that reading ended with
	alive func() // some of it came
	done  func()
	why   func(error) error
}

func (a *answer) Read(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	if int64(len(p)) > a.left+1 {
		p = p[:a.left+1]
	}
	n, err := a.body.Read(p)
	if n > 0 {
		a.alive()
	}
	if a.left -= int64(n); a.left < 0 {
		n, err = n-1, ErrTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = a.why(err)
	}
	a.err = err
	return n, err
}

// whole reads the body. Where its length is known it is read into as much memory:
// growing a slice to the size of a large body takes several times that.
func (a *answer) whole() ([]byte, error) {
	if a.ContentLength <= 0 || a.Body == http.NoBody {
		return io.ReadAll(a)
	}
	b := bytes.NewBuffer(make([]byte, 0, min(a.ContentLength, a.left)+bytes.MinRead))
	_, err := b.ReadFrom(a)
	return b.Bytes(), err
}

func (a *answer) close() {
	_ = a.Body.Close()
	a.done()
}

// Close implements io.Closer.
func (a *answer) Close() error {
	a.close()
	return nil
}

// decoded is the body without the compression that the transport has not
// undone: a server may compress although nobody asked.
func decoded(got *http.Response) (io.Reader, error) {
	if got.Uncompressed || got.Header.Get("Content-Encoding") != "gzip" {
		return got.Body, nil
	}
	z, err := gzip.NewReader(got.Body)
	if errors.Is(err, io.EOF) { // there is no body
		return http.NoBody, nil
	}
	return z, err
}
