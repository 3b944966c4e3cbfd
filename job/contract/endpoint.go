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

// Endpoint is an answer, a file or a message that a source reads: how to know one,
// and with T, what must be in it.
type Endpoint[T any] struct {
	Source string // "treeherder"
	Name   string // "jobs"; unique in the source

	// Method is that of the requests that are answered so; empty is GET.
	Method string
	// URL is a regular expression that the URL's escaped path matches, with its
	// named groups for Asked.Var; empty where this is no answer to a request.
	URL string
	// Asks reports whether parameters are those of a request that is answered
	// so, where one URL is answered in several ways. Optional: all are.
	Asks func(url.Values) bool
	// Exchange matches the exchange of a Pulse message.
	Exchange string
	// File matches what a table of files says of one, such as its name.
	File string

	// Same reports what is not what was asked for; see Differs and Outside. It
	// is asked about answers to requests alone. Optional.
	Same func(Asked, *T) error

	url, exchange, file *regexp.Regexp
	shape               *shape
}

// New makes an endpoint usable. What is wrong with its type or its patterns is a
// mistake of the program, and panics.
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

// Asked is the request whose answer is proven; zero for a file and a message.
type Asked struct {
	URL  string
	Body []byte // of a POST

	pattern *regexp.Regexp
}

// Asked is a request that the endpoint answers, as Same gets it: for who checks
// elements one at a time.
func (e *Endpoint[T]) Asked(url string, body []byte) Asked {
	return Asked{URL: url, Body: body, pattern: e.url}
}

// Var is what a named group of the endpoint's URL matched, unescaped; empty where it
// did not.
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

// Decode decodes an answer and proves it. An answer that breaks the contract is an
// *Error, which wraps job.ErrMalformed.
func (e *Endpoint[T]) Decode(asked Asked, body []byte) (*T, error) {
	p := provers.Get().(*prover)
	p.dec.Reset(bytes.NewBuffer(body), plainly)
	out, err := e.read(asked, p)
	p.release()
	return out, begins(err, body)
}

// provers are used again: what they have grown by one text serves the next.
var provers = sync.Pool{New: func() any { return newProver() }}

// release gives a prover back, which keeps nothing of the answer but strings that come
// again and again.
func (p *prover) release() {
	p.dec.Reset(new(bytes.Buffer))
	p.path, p.hashes.all = p.path[:0], p.hashes.all[:0]
	p.found, p.streams, p.open, p.lost = nil, nil, false, false
	provers.Put(p)
}

// begins adds to the error of an answer that is not JSON how it begins.
func begins(err error, body []byte) error {
	var broken *Error
	if errors.As(err, &broken) && broken.err != nil {
		text := bytes.ToValidUTF8(body[:min(len(body), 8*firstBytes)], []byte("\uFFFD"))
		broken.First = clip.Text(redact.Text(string(text)), firstBytes) // a page may repeat the request
	}
	return err
}

// firstBytes is how much an error shows of an answer that is not JSON.
const firstBytes = 80

// head keeps how a text begins that is read bit by bit.
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

// Read is Decode for an answer that comes bit by bit. A failure to read it is
// returned as it is. What each has taken before an error stays taken.
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

// run reads a text; what the type is itself may be given away too.
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

// named says in an error of an identity where it was found.
func (e *Endpoint[T]) named(err error) error {
	var known *Error
	if errors.As(err, &known) && known.Source == "" {
		known.Source = e.Title()
	}
	return err
}

// Check finds everything in an answer that the contract does not have: what breaks
// it, words that are unknown, and members that are new.
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

// Any is an endpoint of any type, as a list of them needs it.
type Any interface {
	Title() string
	// Answers reports whether this is what a request is answered with.
	Answers(method, url string) bool
	// Carries reports whether this is a message of an exchange of Pulse.
	Carries(exchange string) bool
	// Describes reports whether a table of files means this by what it says.
	Describes(text string) bool
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
