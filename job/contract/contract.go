// Package contract checks the answers of services before anything uses them.
//
// A contract is the Go type that an answer is decoded into, with tags on its fields that say
// what the answer must have. [Endpoint.Decode] decodes and checks in one pass, and stops at
// the first thing that is wrong. [Endpoint.Check] uses the same type to find everything in a
// recorded answer that differs from the contract.
//
// Start with [New]:
//
//	type buildWire struct {
//		ID      int64  `json:"buildid" is:"required" min:"1"`
//		Results *int   `json:"results" is:"required,null" min:"0" max:"6"`
//		State   string `json:"state" is:"required" words:"pending running completed"`
//		Comment string `json:"comment"`
//
//		_ contract.Also `names:"number locks_acquired_at"`
//	}
//
//	var builds = contract.New(contract.Endpoint[buildsWire]{
//		Source: "buildbot", Name: "builds", URL: `/api/v2/builds$`,
//	})
//
//	w, err := builds.Decode(contract.Asked{URL: url}, body)
//	// buildbot/builds: builds[3].results: missing
//
// Endpoints are safe for concurrent use. Each error is an [*Error], which wraps
// job.ErrMalformed and names the place in the answer.
//
// # Tags
//
//   - is:"required": the member must be there. A missing member is an error and never
//     becomes a default: in too many services zero means success.
//   - is:"null": the member may be null. A field with an is tag that does not say so may
//     not be. A field without an is tag may be missing or null.
//   - is:"open": people may write anything into this member. Where it, or something in
//     it, has another type or is out of bounds, it counts as missing.
//   - min, max: bounds, both inclusive, of a number, or of the length of a string (in
//     bytes), a list or an object. They do not apply to null.
//   - words: the vocabulary of a string. Decode accepts an unknown word, since most of
//     an answer is about jobs that the caller does not need; the code that maps the word
//     reports it (see job.UnknownWord). Check finds it.
//   - names, on a blank field of type [Also]: members that the service sends and that
//     mozci does not read. Check reports a member that is neither read nor named: a new
//     field. The name * is for an object whose members people choose.
//
// Some rules cannot be tags, because they are about several members or the form of a
// string. The type then implements [Prover]; one that decodes parts of itself by other
// endpoints implements [Inspector].
//
// # Types
//
// The JSON type follows from the Go type: a struct is an object, a map is an object whose
// keys are data, and an int is a whole number. Pointers allow null for the elements of a
// list or a map. A type that decodes itself (UnmarshalJSONFrom or UnmarshalJSON) returns an
// error for what it refuses. When it decodes by other endpoints, the error's path is
// relative to it, and it implements [Checker] to let Check look inside. A jsontext.Value and
// an any accept everything.
//
// A name that comes twice in an object and text that is not UTF-8 are errors. Both mean
// that the answer is damaged, or that two programs could read it differently.
package contract

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/redact"
	"github.com/mozci/mozci/job"
)

// Also is the type of a blank field whose names tag lists members that a service sends and
// mozci does not read.
type Also struct{}

// Prover is a type that is read as an object and checks itself what no tag can say.
type Prover interface {
	// Prove is called once all members are read. It reports a fault with Outside or
	// Differs. The path is relative to the object; "." is the object itself. Check goes on
	// after a fault, so Prove must allow for required members that are missing.
	Prove() error
}

// Inspector is a Prover that decodes members by other endpoints, such as the rows of a table
// whose columns are listed elsewhere. Inspect returns everything that their Check finds, with
// paths relative to the object.
type Inspector interface {
	Prover
	// Inspect is called by an endpoint's Check alone, never by Decode. When it finds
	// something that breaks a reader, Prove is not called: it would report that again.
	Inspect() []Finding
}

// Checker is a type that decodes itself by other endpoints, such as a record that comes in
// two forms. Check returns everything that these endpoints find in the text; they also look
// for names that come twice.
type Checker interface {
	// Check gets the text of the value before it is decoded. Its paths are relative to the
	// value. Decode does not call it.
	Check(text []byte) []Finding
}

// Kind says what is wrong at a path.
type Kind string

// The kinds of findings. All except KindNew break a reader of the answer.
const (
	KindMissing  Kind = "missing"  // a required member is absent
	KindType     Kind = "type"     // another JSON type, or no JSON at all
	KindWord     Kind = "word"     // a word that is not in the vocabulary
	KindIdentity Kind = "identity" // the answer is about something else than the request
	KindBound    Kind = "bound"    // a number or a length out of its bounds
	KindNew      Kind = "new"      // a member that the contract does not mention
)

// Finding is one thing that Check found.
type Finding struct {
	Path   string // "tasks[3].status.state"; "." is the whole answer
	Kind   Kind
	Detail string // "missing", "null, expected a string"
}

// Breaks reports whether the finding breaks a reader of the answer.
func (f Finding) Breaks() bool { return f.Kind != KindNew }

// Field is the path without indices of lists and keys of maps, so that one fault in many
// records has one name: "tasks[].status.state" for "tasks[3].status.state", and
// "pushes[].user" for `pushes["20"].user`.
func (f Finding) Field() string {
	var b strings.Builder
	for rest := f.Path; ; {
		before, after, ok := strings.Cut(rest, "[")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		b.WriteString("[]")
		if strings.HasPrefix(after, `"`) {
			if quoted, err := strconv.QuotedPrefix(after); err == nil {
				after = after[len(quoted):]
			}
		}
		_, rest, _ = strings.Cut(after, "]")
	}
}

// Error is an answer that broke its contract. It wraps job.ErrMalformed.
type Error struct {
	Source string // "treeherder/jobs"
	Finding
	First string // the beginning of an answer that is not JSON, without secrets; else empty
	err   error
}

// Error says where and what: "treeherder/jobs: results[3].id: missing".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Source)
	b.WriteString(": ")
	if e.Path != "." {
		b.WriteString(e.Path)
		b.WriteString(": ")
	}
	b.WriteString(e.Detail)
	if e.First != "" {
		fmt.Fprintf(&b, ", in %q", e.First)
	}
	return b.String()
}

// Unwrap makes errors.Is(err, job.ErrMalformed) true, and keeps the decoder's
// error.
func (e *Error) Unwrap() []error {
	if e.err == nil {
		return []error{job.ErrMalformed}
	}
	return []error{job.ErrMalformed, e.err}
}

// Malformed returns true; job.OfHTTP looks for this method.
func (e *Error) Malformed() bool { return true }

// Differs is the error for an answer to another request: at path it has got, and the request
// was for asked.
func Differs(path string, got, asked any) error {
	return &Error{Finding: Finding{
		Path: path, Kind: KindIdentity, Detail: fmt.Sprintf("%s, asked for %s", shown(got), shown(asked)),
	}}
}

// Outside is the error for a value that breaks a rule no tag can express, such as a page
// with more rows than requested.
func Outside(path, format string, args ...any) error {
	return &Error{Finding: Finding{Path: path, Kind: KindBound, Detail: fmt.Sprintf(format, args...)}}
}

func shown(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%.80q", redact.Text(s))
	}
	return fmt.Sprint(v)
}

// syntax turns an error of the JSON decoder into a finding.
func syntax(err error) Finding {
	f := Finding{Path: ".", Kind: KindType, Detail: "not JSON: " + err.Error()}
	var at *jsontext.SyntacticError
	if errors.As(err, &at) {
		f.Path = ofPointer(at.JSONPointer)
		f.Detail = fmt.Sprintf("not JSON at byte %d: %v", at.ByteOffset, at.Err)
	}
	return f
}

// ofPointer converts a JSON pointer to the form of paths here: /tasks/3/id is tasks[3].id. A
// pointer does not tell lists from objects, so a number is taken for an index.
func ofPointer(p jsontext.Pointer) string {
	path := path{}
	for name := range p.Tokens() {
		if strings.Trim(name, "0123456789") == "" && name != "" {
			path = path.key(name)
		} else {
			path = path.member(name)
		}
	}
	return path.String()
}
