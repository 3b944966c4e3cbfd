package recorded

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// Witness is a transport that keeps what services answer, so that live answers are
// held to their contracts as recorded ones are. It is safe for concurrent use.
type Witness struct {
	Next http.RoundTripper // default: http.DefaultTransport

	mu    sync.Mutex
	items []Item
}

// mostWitnessed is how much of one answer is kept; a longer one is not.
const mostWitnessed = 64 << 20

// Items are the answers so far that were read to their end.
func (w *Witness) Items() []Item {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Item(nil), w.items...)
}

// RoundTrip implements http.RoundTripper.
func (w *Witness) RoundTrip(req *http.Request) (*http.Response, error) {
	item := Item{File: req.URL.Redacted(), Method: req.Method, URL: req.URL.String()}
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			item.Asked, _ = io.ReadAll(body) // of a buffer
		}
	}
	next := w.Next
	if next == nil {
		next = http.DefaultTransport
	}
	res, err := next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	item.Status = res.StatusCode
	res.Body = &witnessed{ReadCloser: res.Body, by: w, item: item}
	return res, nil
}

// witnessed is the body of an answer, which is kept as it is read.
type witnessed struct {
	io.ReadCloser
	by   *Witness
	item Item
	text bytes.Buffer
	done bool
}

func (b *witnessed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.text.Len()+n > mostWitnessed {
		b.done = true
	}
	if b.done {
		return n, err
	}
	b.text.Write(p[:n])
	if err == io.EOF {
		b.done = true
		b.item.Body = b.text.Bytes()
		if plain, err := unpacked(bytes.NewReader(b.item.Body)); err == nil {
			b.item.Body = plain
		}
		b.by.mu.Lock()
		b.by.items = append(b.by.items, b.item)
		b.by.mu.Unlock()
	}
	return n, err
}
