// Package contract proves what a service answered before anybody believes it.
//
// A contract is the Go type that an answer is decoded into, with a few words on
// its fields. It stands beside the decoder because it is the decoder: [Endpoint]
// decodes and proves in one pass, and the same type says what [Endpoint.Check]
// finds in a recorded answer.
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
// # What the tags say
//
//   - is:"required": the member is there. One that is absent is an error, never a
//     default: zero means success in too many services.
//   - is:"null": the member may be null. A field with an is tag that does not say
//     so may not. A field without an is tag may be absent or null.
//   - is:"open": anybody may write what is there. The member, or what is in it, is
//     as good as absent where it is of another type or out of its bounds.
//   - min, max: bounds of a number, or of the length of a string, a list or an
//     object. They do not hold for null.
//   - words: the vocabulary of a string. An unknown word is no error of decoding,
//     since most of an answer is about other jobs than those of interest; whoever
//     maps the word reports it (see job.UnknownWord). Check finds it.
//   - names, on a blank field of type [Also]: members that the service sends and
//     nobody reads. Check finds what is neither read nor named here: a new field.
//     The name * is for an object in which people put what they like.
//
// What no tag can say, since it is about several members at once or about the form of
// a string, a [Prover] says, and an [Inspector] what is found in parts that it decodes.
//
// The JSON type follows from the Go type: a struct is an object, a map an object whose
// keys are data, and an int is a whole number. A pointer makes the elements
// of a list or a map nullable. A type that decodes itself (UnmarshalJSONFrom or
// UnmarshalJSON) reports what it does not take, with a path below its own where it
// decodes by other endpoints, and is a [Checker] where Check is to look into it; a
// jsontext.Value and an any take everything.
//
// Names that come twice in an object and text that is not UTF-8 are errors: both
// mean that the answer was damaged, or that two readers would read it in two ways.
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

// Also names the members that a service sends and nobody reads: it is the type of
// a blank field with a names tag.
type Also struct{}

// Prover is a type that is read as an object and proves of itself what no tag says.
type Prover interface {
	// Prove is called once the members are read. What is wrong is said by
	// Outside or Differs, whose path begins at the object; "." is all of it.
	// Where Check goes on after a finding, members may be missing.
	Prove() error
}

// Inspector is a Prover that decodes members by other endpoints, such as rows whose
// columns stand elsewhere, and can tell everything that Check finds in them. Paths
// begin at the object.
type Inspector interface {
	Prover
	Inspect() []Finding
}

// Checker is a type that decodes itself by other endpoints, such as one of two forms of a
// record, and can tell everything that is found in it. Those find names that come twice.
type Checker interface {
	Check(text []byte) []Finding
}

// Kind is what is wrong at a path.
type Kind string

// The kinds of findings. Only KindNew breaks nothing.
const (
	KindMissing  Kind = "missing"  // a required member is absent
	KindType     Kind = "type"     // another JSON type, or no JSON at all
	KindWord     Kind = "word"     // a word that the vocabulary lacks
	KindIdentity Kind = "identity" // the answer is about something else than was asked
	KindBound    Kind = "bound"    // a number or a length outside of its bounds
	KindNew      Kind = "new"      // a member that nobody knows
)

// Finding is one thing that Check found.
type Finding struct {
	Path   string // "tasks[3].status.state"; "." is the whole answer
	Kind   Kind
	Detail string // "missing", "null, expected a string"
}

// Breaks reports whether the finding breaks a reader of the answer.
func (f Finding) Breaks() bool { return f.Kind != KindNew }

// Field is the path without the places in lists and the keys of maps, so that the
// same finding in many records is the same: "tasks[].status.state".
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
	First string // the beginning of an answer that is not JSON
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

// Malformed says that the service answered what it should not.
func (e *Error) Malformed() bool { return true }

// Differs is the error of an identity: what was answered is not what was asked.
// Path is where that shows.
func Differs(path string, got, asked any) error {
	return &Error{Finding: Finding{
		Path: path, Kind: KindIdentity, Detail: fmt.Sprintf("%s, asked for %s", shown(got), shown(asked)),
	}}
}

// Outside is the error of a value that no bound of a tag describes, such as a page
// that is longer than was asked for.
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

// ofPointer writes a JSON pointer as paths are written here. A pointer does not
// tell lists from objects: what is a number is taken for a place in a list.
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
