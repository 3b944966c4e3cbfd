package main

import (
	"fmt"
	"io"
	"sync"
)

// results is standard output. It keeps the first error of a write, as on a full disk: those
// who print a line do not look, and a command whose results are lost has failed.
type results struct {
	w io.Writer

	mu  sync.Mutex
	err error
}

// Write implements io.Writer.
func (r *results) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.w.Write(p)
	if err != nil && r.err == nil {
		r.err = err
	}
	return n, err
}

// lost is why results are not where they should be; nil when all of them are.
func (r *results) lost() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("the results are lost: %w", r.err)
}
