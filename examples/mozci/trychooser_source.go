package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger/trychooser"
)

// chooserSource is where trychooser reads what can run: a file of builders, or the pushes
// of a repository.
type chooserSource struct {
	things *selfserve.AllTheThings
	p      *places
}

func (a *app) chooserSource() (chooserSource, error) {
	if a.allTheThings != "" {
		things, err := a.builders()
		return chooserSource{things: things}, err
	}
	p, err := a.places()
	return chooserSource{p: p}, err
}

// catalog is what can run, and on which push: on none for what can run anywhere.
func (s chooserSource) catalog(ctx context.Context, rev string) (all []job.Runnable, push job.Push, err error) {
	if s.things != nil {
		return s.things.Catalog(""), push, nil
	}
	if push, err = s.p.repo.Push(ctx, rev); err != nil {
		return nil, push, err
	}
	all, err = job.Catalog(ctx, s.p.act, push)
	return all, push, err
}

// graph is what --diff names: a graph or allthethings.json in a file, or what can run on
// another push of the repository.
func (a *app) graph(ctx context.Context, s chooserSource, name string) (trychooser.Graph, error) {
	in, err := a.open(name)
	switch {
	case err == nil:
		defer func() { _ = in.Close() }()
		return a.readGraph(name, in)
	case s.p == nil && errors.Is(err, os.ErrNotExist):
		return nil, usage("--diff: %v; a revision goes with --rev, and not with --allthethings", err)
	case !errors.Is(err, os.ErrNotExist):
		return nil, usage("--diff: %v", err)
	}
	catalog, _, err := s.catalog(ctx, name)
	if errors.Is(err, job.ErrInvalid) {
		err = usage("--diff %q: neither a file that is there, nor a revision", name)
	}
	return trychooser.NewGraph(catalog), err
}

// mostGraphFile is how large a file may be that --diff compares with. Mozilla's
// allthethings.json had about 20 MB.
const mostGraphFile = 256 << 20

// readGraph reads a graph from a file, or makes one of its allthethings.json. Which of them
// it is its first names say.
func (a *app) readGraph(file string, in io.Reader) (trychooser.Graph, error) {
	text, err := io.ReadAll(io.LimitReader(in, mostGraphFile+1))
	if err == nil && len(text) > mostGraphFile {
		err = fmt.Errorf("%w: more than %d MiB", job.ErrMalformed, mostGraphFile>>20)
	}
	if err != nil {
		return nil, ofFile(file, err)
	}
	if hasBuilders(text) {
		things, err := selfserve.ReadAllTheThings(bytes.NewReader(text))
		if err != nil {
			return nil, ofFile(file, err)
		}
		return trychooser.NewGraph(things.Catalog("")), nil
	}
	g, err := trychooser.ReadGraph(bytes.NewReader(text))
	return g, ofFile(file, err)
}

// ofFile says which file an error is about.
func ofFile(file string, err error) error {
	var e *job.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return &job.Error{Op: e.Op, Key: file, Err: e.Err}
	}
	return &job.Error{Op: "trychooser", Key: file, Err: err}
}

// hasBuilders reports whether a text is an object with builders, be it whole or torn.
func hasBuilders(text []byte) bool {
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	if start, err := dec.ReadToken(); err != nil || start.Kind() != '{' {
		return false
	}
	for dec.PeekKind() == '"' {
		var name string
		if err := json.UnmarshalDecode(dec, &name); err != nil {
			return false
		}
		if name == "builders" || name == "schedulers" {
			return true
		}
		if dec.SkipValue() != nil {
			return false
		}
	}
	return false
}

// open opens a file that the user names, which may be packed by gzip; - is standard input.
func (a *app) open(name string) (io.ReadCloser, error) {
	out := opened{close: func() error { return nil }}
	in := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		in, out.close = f, f.Close
	}
	text, err := unpacked(in)
	if err != nil {
		return nil, errors.Join(err, out.close())
	}
	out.Reader = text
	return out, nil
}

type opened struct {
	io.Reader
	close func() error
}

// Close implements io.Closer.
func (o opened) Close() error { return o.close() }
