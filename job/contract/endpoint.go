package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/redact"
)

// Endpoint describes an answer, a file or a message that a source reads: how to recognise it,
// and by the type T, what must be in it.
type Endpoint[T any] struct {
	Source string // "treeherder"
	Name   string // "jobs"; unique in the source

	// Method is the method of the requests; empty is GET.
	Method string
	// URL is a regular expression for the escaped path of the requests' URLs; it may match
	// a part of the path unless it has ^ and $. Its named groups are read with Asked.Var.
	// Empty for something that is not an answer to a request.
	URL string
	// Asks reports whether a request with these parameters has this kind of answer. It is
	// for a URL with several kinds. Nil accepts all parameters.
	Asks func(url.Values) bool
	// Exchange is a regular expression for the exchange of a Pulse message.
	Exchange string
	// File is a regular expression for the entry of a file in a table of recorded files,
	// such as its name.
	File string

	// Same checks that an answer belongs to its request, and reports with Differs or
	// Outside when it does not. It is called only for answers to requests. Optional.
	Same func(Asked, *T) error

	url, exchange, file *regexp.Regexp
	shape               *shape
}

// New compiles an endpoint. It panics when the type or a pattern is wrong: that is a mistake
// in the program, which shows when its package is loaded.
func New[T any](e Endpoint[T]) *Endpoint[T] {
	if e.Source == "" || e.Name == "" {
		panic(fmt.Sprintf("contract: %v has no source or no name", reflect.TypeFor[T]()))
	}
	e.shape = compiled(reflect.TypeFor[T]())
	for _, p := range []struct {
		text string
		into **regexp.Regexp
	}{{e.URL, &e.url}, {e.Exchange, &e.exchange}, {e.File, &e.file}} {
		if p.text != "" {
			*p.into = regexp.MustCompile(p.text)
		}
	}
	return &e
}

// Asked is the request whose answer is checked; zero for a file or a message.
type Asked struct {
	URL  string
	Body []byte // of a POST

	pattern *regexp.Regexp
}

// Asked returns a request of this endpoint in the form that Same gets. Callers that check the
// elements of an answer one at a time need it.
func (e *Endpoint[T]) Asked(url string, body []byte) Asked {
	return Asked{URL: url, Body: body, pattern: e.url}
}

// Var is the text that a named group of the endpoint's URL matched, unescaped; empty where it
// matched nothing. With the URL `/rev/(?P<rev>[^/]+)$` and a request for /rev/abc,
// Var("rev") is "abc".
func (a Asked) Var(name string) string {
	u, err := url.Parse(a.URL)
	if err != nil || a.pattern == nil {
		return ""
	}
	found := a.pattern.FindStringSubmatch(u.EscapedPath())
	if i := a.pattern.SubexpIndex(name); i > 0 && i < len(found) {
		if plain, err := url.PathUnescape(found[i]); err == nil {
			return plain
		}
	}
	return ""
}

// Query are the values of a parameter of the URL.
func (a Asked) Query(name string) []string {
	u, err := url.Parse(a.URL)
	if err != nil {
		return nil
	}
	return u.Query()[name]
}

// Title is the endpoint's source and name: "treeherder/jobs".
func (e *Endpoint[T]) Title() string { return e.Source + "/" + e.Name }

// Decode decodes an answer and checks it. An answer that breaks the contract gives an *Error,
// which wraps job.ErrMalformed, and nil.
func (e *Endpoint[T]) Decode(asked Asked, body []byte) (*T, error) {
	p := provers.Get().(*prover)
	p.dec.Reset(bytes.NewBuffer(body), plainly)
	out, err := e.read(asked, p)
	p.release()
	return out, begins(err, body)
}

// provers are used again, so that the buffers that one text needed serve the next.
var provers = sync.Pool{New: func() any { return newProver() }}

// release gives a prover back. It keeps nothing of the answer except the short strings in
// known, which are likely to come again.
func (p *prover) release() {
	p.dec.Reset(new(bytes.Buffer))
	p.path, p.hashes.all = p.path[:0], p.hashes.all[:0]
	p.found, p.streams, p.open, p.lost = nil, nil, false, false
	provers.Put(p)
}

// begins adds the beginning of an answer that is not JSON to its error. Often it is an HTML
// page, and its first words tell what happened.
func begins(err error, body []byte) error {
	var broken *Error
	if errors.As(err, &broken) && broken.err != nil {
		text := bytes.ToValidUTF8(body[:min(len(body), 8*firstBytes)], []byte("\uFFFD"))
		broken.First = clip.Text(redact.Text(string(text)), firstBytes) // a page may repeat the request's secrets
	}
	return err
}

// firstBytes is how many bytes an error shows of an answer that is not JSON.
const firstBytes = 80

// head keeps the first bytes of a text that passes through it.
type head struct {
	io.Reader
	first []byte
}

func (h *head) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if room := firstBytes - len(h.first); room > 0 {
		h.first = append(h.first, p[:min(n, room)]...)
	}
	return n, err
}

// Read is Decode for an answer that is read as it arrives. It gives the elements of some
// members to each, one at a time. An error of reading body is returned as it is, and not as
// ErrMalformed. Elements that were given away before an error are not taken back: the caller
// must drop them.
func (e *Endpoint[T]) Read(asked Asked, body io.Reader, each ...Each) (*T, error) {
	h := &head{Reader: body}
	p := provers.Get().(*prover)
	p.dec.Reset(h, plainly)
	p.streams = each
	out, err := e.read(asked, p)
	p.release()
	var broken *Error
	if errors.As(err, &broken) && broken.err != nil {
		_, _ = io.CopyN(io.Discard, h, int64(firstBytes-len(h.first)))
	}
	return out, begins(err, h.first)
}

func (e *Endpoint[T]) read(asked Asked, p *prover) (*T, error) {
	var first Finding
	p.found = func(f Finding) bool { first = f; return false }
	out := new(T)
	err := p.run(e.shape, reflect.ValueOf(out).Elem())
	var own *taken
	switch {
	case errors.As(err, &own):
		return nil, e.named(own.error)
	case errors.Is(err, errStop):
		return nil, &Error{Source: e.Title(), Finding: first}
	case err != nil && !isSyntax(err):
		return nil, err
	case err != nil:
		return nil, &Error{Source: e.Title(), Finding: syntax(err), err: err}
	}
	return out, e.same(asked, out)
}

// run reads a text. The answer itself, as well as a member of it, may be given away element
// by element; its name is then "".
func (p *prover) run(s *shape, v reflect.Value) error {
	if i := slices.IndexFunc(p.streams, func(e Each) bool { return e.member == "" }); i >= 0 {
		if err := p.stream(s, nil, p.streams[i]); err != nil {
			return err
		}
		return p.end()
	}
	return p.whole(s, v)
}

// isSyntax tells an answer that is not JSON from one that could not be read.
func isSyntax(err error) bool {
	var s *jsontext.SyntacticError
	return errors.As(err, &s) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func (e *Endpoint[T]) same(asked Asked, out *T) error {
	if e.Same == nil || asked.URL == "" {
		return nil
	}
	asked.pattern = e.url
	return e.named(e.Same(asked, out))
}

// named adds the endpoint's title to an error of Same.
func (e *Endpoint[T]) named(err error) error {
	var known *Error
	if errors.As(err, &known) && known.Source == "" {
		known.Source = e.Title()
	}
	return err
}

// Check returns everything in an answer that differs from the contract: what breaks it,
// unknown words, and new members. It calls Same only when nothing breaks the contract.
func (e *Endpoint[T]) Check(asked Asked, body []byte) []Finding {
	var all []Finding
	p := newProver()
	p.dec.Reset(bytes.NewBuffer(body), plainly)
	p.all, p.found = true, func(f Finding) bool { all = append(all, f); return true }
	out := new(T)
	if err := p.whole(e.shape, reflect.ValueOf(out).Elem()); err != nil {
		return append(all, syntax(err))
	}
	if slices.ContainsFunc(all, Finding.Breaks) {
		return all
	}
	var known *Error
	switch err := e.same(asked, out); {
	case errors.As(err, &known):
		all = append(all, known.Finding)
	case err != nil:
		all = append(all, Finding{Path: ".", Kind: KindIdentity, Detail: err.Error()})
	}
	return all
}

// Any is an endpoint of any type, for lists of endpoints.
type Any interface {
	// Title is the source and the name, unique among all endpoints: "treeherder/jobs".
	Title() string
	// Answers reports whether the answer to a request is of this kind.
	Answers(method, url string) bool
	// Carries reports whether the messages of an exchange of Pulse are of this kind.
	Carries(exchange string) bool
	// Describes reports whether a file is of this kind, by its entry in a table of files.
	Describes(text string) bool
	// Check returns every difference between a body and the contract; none for a body that
	// keeps it.
	Check(asked Asked, body []byte) []Finding
}

// Answers implements Any.
func (e *Endpoint[T]) Answers(method, address string) bool {
	want := e.Method
	if want == "" {
		want = "GET"
	}
	u, err := url.Parse(address)
	return err == nil && e.url != nil && method == want && e.url.MatchString(u.EscapedPath()) &&
		(e.Asks == nil || e.Asks(u.Query()))
}

// Carries implements Any.
func (e *Endpoint[T]) Carries(exchange string) bool {
	return e.exchange != nil && e.exchange.MatchString(exchange)
}

// Describes implements Any.
func (e *Endpoint[T]) Describes(text string) bool { return e.file != nil && e.file.MatchString(text) }
