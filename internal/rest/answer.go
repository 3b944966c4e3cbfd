package rest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
)

// answer is an answer whose body is being read. The bytes that come out of Read are
// decompressed, and the cap of Options.MaxBody counts these.
type answer struct {
	*http.Response
	body  io.Reader
	left  int64             // bytes of the cap that are not used up
	err   error             // the error that reading ended with, io.EOF too; it is returned from then on
	alive func()            // called when bytes came, to restart the stall timer
	done  func()            // gives back the place with the host and ends the timers
	why   func(error) error // replaces the transport's error by the reason: a timeout, the caller's context
}

func (a *answer) Read(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	// One byte more than is left: reading it proves that the body is larger than the cap. A
	// body of exactly the cap ends with io.EOF and no error.
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

// whole reads the body. Where the server announced its length, the buffer has that size
// from the start: growing a slice step by step takes several times the memory. The
// announced length is believed only up to the cap.
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

// decoded is the body without compression. The transport has already undone what it
// requested; this undoes the gzip of a server that compresses without a request for it.
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
